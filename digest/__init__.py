"""Collect Markdown posts, publish their feeds, mail one digest a day."""

__version__ = "0.1.0"
