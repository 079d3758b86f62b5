"""Planning: which files an archive has and how they are split over tasks."""
