"""Formats: one module each, from bytes to tweets, control messages and rejected records."""
