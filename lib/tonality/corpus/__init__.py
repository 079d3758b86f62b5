"""Labelled tweets: known corpora, labels by emoticon, split, vocabulary and dataset."""
