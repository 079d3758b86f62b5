"""Erasure: find the rows of deleted tweets and authors in every table, and rewrite the tables without them."""
