"""The network that reads a tweet, for training and for scoring."""
