"""Inference: a trained model applied to batches of stems or texts, in memory and as a Spark UDF."""
