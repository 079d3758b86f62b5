"""Writing: tweets to Parquet, files of days, deduplication, reconciliation, the overwrite guard."""
