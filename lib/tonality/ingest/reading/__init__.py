"""Reading: what a Spark task does with its splits; the Spark data source; the estimate of a run."""
