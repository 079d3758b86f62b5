"""Reading training rows: Petastorm on today's pyarrow, and the torch batches that come out of it."""
