"""The present, asked for once at the door."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from digest.errors import ConfigError

LAST_YEAR = 9000
"""Latest year of ``--as-of``: what is reckoned from it stays far from the end of all dates."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """When a run takes place: ``now`` is what it stands for (``--as-of``), ``wall`` is the real clock."""

    now: datetime
    wall: datetime


def moment(as_of: str | None, zone: ZoneInfo) -> Moment:
    """Ask the clock, once. ``as_of`` is ISO 8601; without an offset it is in ``zone``. Raises ConfigError."""
    wall = datetime.now(UTC).replace(microsecond=0)
    if as_of is None:
        return Moment(now=wall, wall=wall)
    try:
        then = datetime.fromisoformat(as_of.strip())
    except ValueError as error:
        raise ConfigError("--as-of", f"{as_of!r} is not a time", 'write for example "2026-11-24 08:00"') from error
    if not 1970 <= then.year <= LAST_YEAR:
        raise ConfigError("--as-of", f"the year {then.year} is out of range", f"name one from 1970 to {LAST_YEAR}")
    if then.tzinfo is None:
        then = then.replace(tzinfo=zone)
    return Moment(now=then.astimezone(UTC).replace(microsecond=0), wall=wall)
