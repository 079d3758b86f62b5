"""Error translation: exceptions of the system, of Spark and of libraries into user errors."""
