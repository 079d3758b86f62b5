"""The network that reads a tweet, and the self-contained model on disk."""
