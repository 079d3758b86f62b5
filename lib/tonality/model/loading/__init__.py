"""Loading of training rows: Petastorm on current pyarrow, and the torch batches made of its rows."""
