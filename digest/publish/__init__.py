"""Putting published files where readers and web servers find them."""
