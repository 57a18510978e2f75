"""Editions, and who gets them."""
