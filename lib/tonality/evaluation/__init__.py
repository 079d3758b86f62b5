"""The network beside the models it must beat, on the same held-out rows."""
