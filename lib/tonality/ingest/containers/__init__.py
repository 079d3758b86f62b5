"""Containers: streams of bytes, gzip, Zstandard, bzip2 and tar, also nested in one another."""
