"""Evaluation: the network compared with baselines on the same held-out rows."""
