"""Editions: made, backfilled, previewed, listed."""
