"""The present, asked for once at the door, and clocks that go on from there."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from digest.alarms.watching import differs
from digest.errors import ConfigError, StoreError

LAST_YEAR = 9000
"""Latest year of ``--as-of``: what is reckoned from it stays far from the end of all dates."""

_CLOCK_KEEPS = 20.0
"""Seconds for which a database's clock is taken to go on as this machine's does."""
_SET = timedelta(minutes=1)
"""By so much this machine's clock must be set until who works for long follows it."""
_SETTLE = 300.0
"""Seconds for which it must stay so before: a clock that is wrong for a moment changes nothing."""

Ask = Callable[[datetime], datetime]
"""The time by the database's clock, given this machine's; where there is no such clock, what it was given."""


class When(Struct, frozen=True, kw_only=True):
    """When a run takes place: ``now`` is what it stands for (``--as-of``), in whole seconds; ``wall`` is this machine's
    clock."""

    now: datetime
    wall: datetime
    ahead: timedelta = timedelta()
    """By how much the database's clock, which counts, is ahead of this machine's."""

    @property
    def is_present(self) -> bool:
        return self.now == self.present.replace(microsecond=0)

    @property
    def present(self) -> datetime:
        """The time, whatever the run stands for."""
        return self.wall + self.ahead

    @property
    def is_certain(self) -> bool:
        """Whether the two clocks agree, or none of them is asked."""
        return not self.is_present or not differs(self.ahead)


def moment(as_of: str | None, zone: ZoneInfo) -> When:
    """Ask the clock, once. ``as_of`` is ISO 8601; without an offset it is in ``zone``. Raises ConfigError."""
    wall = datetime.now(UTC)
    if as_of is None:
        return When(now=wall.replace(microsecond=0), wall=wall)
    return When(now=time_option("--as-of", as_of, zone), wall=wall)


def agreed(when: When, ask: Ask) -> When:
    """The same by the database's clock: every machine that works on one has the same time. What stands for another
    time than the present still does."""
    if not when.is_present:
        return when
    present = ask(when.wall)
    return When(now=present.replace(microsecond=0), wall=when.wall, ahead=present - when.wall)


def present(ask: Ask) -> When:
    """Now, as ``agreed``."""
    wall = datetime.now(UTC)
    return agreed(When(now=wall.replace(microsecond=0), wall=wall), ask)


def going_on(ask: Ask) -> Callable[[], datetime]:
    """The time as ``agreed``, in whole seconds, for a process that goes on: the database's clock is asked now and then.
    While it cannot be asked it is taken to go on beside this machine's."""
    ahead, asked_at = timedelta(0), float("-inf")

    def clock() -> datetime:
        nonlocal ahead, asked_at
        if uptime() - asked_at > _CLOCK_KEEPS:
            with suppress(StoreError):
                ahead = present(ask).ahead
            asked_at = uptime()
        return (datetime.now(UTC) + ahead).replace(microsecond=0)

    return clock


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


def clock_of(when: When, ask: Ask) -> Callable[[], datetime]:
    """The time that the run stands for, going on while it lasts, also while the machine sleeps; a clock that is
    set meanwhile changes nothing at first: it is followed when it has stayed so for minutes. Where several machines
    work on one database, its own clock (``ask``), unless the run stands for another time than the present."""
    if not when.is_present:
        began = uptime()
        return lambda: (when.now + timedelta(seconds=uptime() - began)).replace(microsecond=0)
    steady = _Steady()
    ahead, asked_at = timedelta(0), float("-inf")

    def clock() -> datetime:
        """The store's clock is asked now and then, not for every message: leases last far longer."""
        nonlocal ahead, asked_at
        up = uptime()
        if up - asked_at > _CLOCK_KEEPS:
            steady.follow(up)
            ours = steady.at(up)
            ahead, asked_at = ask(ours) - ours, uptime()
        return (steady.at(up) + ahead).replace(microsecond=0)

    return clock


class _Steady:
    """This machine's time by seconds that pass."""

    def __init__(self) -> None:
        self._began, self._anchor = uptime(), datetime.now(UTC)
        self._set_since: float | None = None

    def at(self, up: float) -> datetime:
        return self._anchor + timedelta(seconds=up - self._began)

    def follow(self, up: float) -> None:
        """Begin anew at a clock that was set and has stayed so."""
        shown = datetime.now(UTC)
        if abs(shown - self.at(up)) < _SET:
            self._set_since = None
        elif self._set_since is None:
            self._set_since = up
        elif up - self._set_since >= _SETTLE:
            self._began, self._anchor, self._set_since = up, shown, None
