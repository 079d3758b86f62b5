"""The run records: written by each run, and read, queried and formatted for people."""
