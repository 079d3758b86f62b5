"""The runtime: everything that is not about tweets."""
