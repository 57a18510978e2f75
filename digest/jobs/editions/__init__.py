"""Editions: made, made up later, previewed, listed."""
