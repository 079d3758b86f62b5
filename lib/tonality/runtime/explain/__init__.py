"""Error translation: exceptions of the system and of Spark into user errors."""
