"""Tonality: what a country's Twitter thinks, from raw archives to a survey page."""

__version__ = "0.1.0"
