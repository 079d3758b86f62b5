"""Text, pure: from a tweet's words to stems and numbers. No Spark, no torch."""
