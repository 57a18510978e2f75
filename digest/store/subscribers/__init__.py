"""Subscribers and what they chose."""
