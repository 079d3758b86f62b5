"""Spark: the session, retries, and training processes launched on a cluster."""
