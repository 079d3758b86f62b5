"""Privacy: policies, pseudonyms, user names in texts, salted digests, and the erasure of tweets and authors."""
