"""Privacy: policies, keyed pseudonyms, mentions, salted digests, and the erasure of tweets and authors."""
