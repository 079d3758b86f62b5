"""Text rules: from a tweet's words to stems and token ids. Pure: no Spark, no torch."""
