"""Feeds: one neutral model, and a writer for each format that only translates it."""
