"""Evaluation: the network beside the baselines it must beat, on the same held-out rows."""
