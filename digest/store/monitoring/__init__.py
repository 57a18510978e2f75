"""Runs, alarms, and questions about all of it."""
