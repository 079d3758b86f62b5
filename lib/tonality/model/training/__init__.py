"""Training: the loop, its optimisers, its processes and threads, checkpoints and progress."""
