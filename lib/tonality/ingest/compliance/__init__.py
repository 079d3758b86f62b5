"""Compliance: deletion lists and compliance messages."""
