"""Inference: stems to probabilities, batch by batch in memory and over a Spark table."""
