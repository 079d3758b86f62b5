"""Diagnostics: errors, redaction, and what is printed or logged."""
