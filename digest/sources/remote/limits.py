"""How much of a feed is taken, and how long it may keep anybody waiting."""

from __future__ import annotations

from datetime import timedelta

from msgspec import Struct


class Limits(Struct, frozen=True, kw_only=True):
    """For one feed."""

    seconds: float = 30.0
    """For one request: names, connections, redirects, head and body, all together."""
    bytes: int = 10_000_000
    """Of a body, unpacked."""
    redirects: int = 5
    entries: int = 1_000
    """The newest ones are read."""
    interval: timedelta = timedelta(minutes=5)
    """Between two requests, at least."""
    longest: timedelta = timedelta(days=1)
    """Between two requests, at most, whatever the server says."""
