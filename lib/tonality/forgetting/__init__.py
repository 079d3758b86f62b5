"""Forgetting: where the tables hold what must go, and the tables without it."""
