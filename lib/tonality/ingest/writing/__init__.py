"""Writing: staged Parquet, files of days, duplicates, reconciliation."""
