"""The network that classifies a tweet: lstm for training and GPUs, lstm_inference for scoring on CPUs."""
