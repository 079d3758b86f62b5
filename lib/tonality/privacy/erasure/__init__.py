"""Erasure: the rows of deleted tweets and authors in every table, and the tables rewritten without them."""
