"""The present, asked for once at the door."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from msgspec import Struct

from digest.errors import ConfigError

LAST_YEAR = 9000
"""Latest year of ``--as-of``: what is reckoned from it stays far from the end of all dates."""


class Moment(Struct, frozen=True, kw_only=True):
    """When a run takes place: ``now`` is what it stands for (``--as-of``), ``wall`` is the real clock."""

    now: datetime
    wall: datetime


def moment(as_of: str | None, zone: ZoneInfo) -> Moment:
    """Ask the clock, once. ``as_of`` is ISO 8601; without an offset it is in ``zone``. Raises ConfigError."""
    wall = datetime.now(UTC).replace(microsecond=0)
    if as_of is None:
        return Moment(now=wall, wall=wall)
    return Moment(now=time_option("--as-of", as_of, zone), wall=wall)


def time_option(option: str, text: str, zone: ZoneInfo) -> datetime:
    """A moment given to an option: ISO 8601, without an offset in ``zone``; in UTC and whole seconds. Raises
    ConfigError."""
    try:
        then = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise ConfigError(option, f"{text!r} is not a time", 'write for example "2026-11-24 08:00"') from error
    if not 1970 <= then.year <= LAST_YEAR:
        raise ConfigError(option, f"the year {then.year} is out of range", f"name one from 1970 to {LAST_YEAR}")
    if then.tzinfo is None:
        then = then.replace(tzinfo=zone)
    return then.astimezone(UTC).replace(microsecond=0)
