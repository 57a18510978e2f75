"""The present, asked for once at the door, and clocks that go on from there."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from digest.errors import ConfigError

LAST_YEAR = 9000
"""Latest year of ``--as-of``: what is reckoned from it stays far from the end of all dates."""

_CLOCK_KEEPS = 20.0
"""Seconds for which a database's clock is taken to go on as this machine's does."""


class When(Struct, frozen=True, kw_only=True):
    """When a run takes place: ``now`` is what it stands for (``--as-of``), in whole seconds; ``wall`` is the real
    clock."""

    now: datetime
    wall: datetime

    @property
    def is_present(self) -> bool:
        return self.now == self.wall.replace(microsecond=0)


def moment(as_of: str | None, zone: ZoneInfo) -> When:
    """Ask the clock, once. ``as_of`` is ISO 8601; without an offset it is in ``zone``. Raises ConfigError."""
    wall = datetime.now(UTC)
    if as_of is None:
        return When(now=wall.replace(microsecond=0), wall=wall)
    return When(now=time_option("--as-of", as_of, zone), wall=wall)


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


def uptime() -> float:
    """Seconds that never go back and go on while the machine sleeps, where the system counts them so."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def clock_of(when: When, ask: Callable[[datetime], datetime]) -> Callable[[], datetime]:
    """The time that the run stands for, going on while it lasts, also while the machine sleeps; a clock that is
    set meanwhile changes nothing. Where several machines work on one database, its own clock (``ask``, given what this
    machine takes for the time), unless the run stands for another time than the present."""
    is_present = when.is_present
    began = uptime()
    anchor = datetime.now(UTC) if is_present else when.now

    def steady(up: float) -> datetime:
        return anchor + timedelta(seconds=up - began)

    ahead, asked_at = timedelta(0), float("-inf")

    def agreed() -> datetime:
        """The store's clock is asked now and then, not for every message: leases last far longer."""
        nonlocal ahead, asked_at
        up = uptime()
        if up - asked_at > _CLOCK_KEEPS:
            ours = steady(up)
            ahead, asked_at = ask(ours) - ours, uptime()
        return (steady(up) + ahead).replace(microsecond=0)

    return agreed if is_present else lambda: steady(uptime()).replace(microsecond=0)
