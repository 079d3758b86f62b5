"""Loading of training rows: Petastorm on current pyarrow, and torch batches built from its rows."""
