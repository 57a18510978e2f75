"""Adapters of ``digest check``: they ask the outside and change nothing there. Each asks one thing, within a time."""
