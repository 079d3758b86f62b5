"""Ingest: raw archives and labelled corpora, from bytes to rows, with a count of every record."""
