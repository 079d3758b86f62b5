"""The network that classifies a tweet, in its forms for training and for inference."""
