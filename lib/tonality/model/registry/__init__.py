"""The model registry: self-contained models on disk, and the alias of the one in production."""
