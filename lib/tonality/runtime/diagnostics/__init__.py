"""Diagnostics: user errors, redaction, console output and task logs."""
