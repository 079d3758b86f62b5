"""Reading: the work of a Spark task, from an opened split to filtered, pseudonymised rows; estimates for --plan."""
