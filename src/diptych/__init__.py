"""Diptych: find pictures with words and words with pictures."""

__version__ = "0.1.0"
