"""Planning: the files of an archive and their split into tasks."""
