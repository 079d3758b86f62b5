"""Training: the loop, what it measures and how it tells of its progress."""
