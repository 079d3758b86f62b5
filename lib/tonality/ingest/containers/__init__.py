"""Bytes: streams, gzip, Zstandard, bzip2 and tar, containers in containers."""
