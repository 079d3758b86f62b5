"""Storage: schemas, URLs, the Hadoop client, tables, transactions and locks."""
