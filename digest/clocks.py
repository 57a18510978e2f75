"""Which times can be believed: what a clock that was ahead for a while left behind, and whether it is this one that is
wrong. Pure: times in, a verdict out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from msgspec import Struct

from digest.period import Schedule, slot_of

BORN = datetime(2025, 1, 1, tzinfo=UTC)
"""Nothing of this program ran before: a machine that lost its clock begins in 1970 or 2000."""
_FAR = timedelta(days=2)
"""A clock that is behind by less does little harm."""
_ENOUGH = 3
"""Runs that show how often they usually take place."""


class Reach(Struct, frozen=True, kw_only=True):
    """How far ahead of the present something can lie at the most."""

    lease: timedelta
    """Of a message that a worker has."""
    dot_lease: timedelta
    """Of one whose answer is awaited."""
    retry: timedelta
    """Until the next try."""
    hold: timedelta
    """Until a mailbox that bounced is tried again."""
    told: timedelta
    """Until an alarm that some process is about to tell is told by another one."""


class GivenUp(Struct, frozen=True, kw_only=True):
    """A period that got no edition."""

    digest: str
    period: str
    at: datetime
    """The time that the run stood for."""
    decided: datetime
    """The time at which it took place, as its clock had it."""


class RunTimes(Struct, frozen=True, kw_only=True):
    """When runs began, seen from the present."""

    before: datetime | None
    """The last one that is not ahead."""
    ahead: Sequence[datetime]
    """The first ones that are, in order."""
    latest: datetime | None
    """The last of all."""


def is_premature(slot: GivenUp, schedule: Schedule | None, zone: ZoneInfo, now: datetime) -> bool:
    """Whether a period was given up before its time had come: by a clock that was ahead, or by ``--as-of``."""
    if slot.at > now:
        return True
    found = slot_of(schedule, zone, slot.period) if schedule is not None and slot.decided < slot.at else None
    return found is not None and found.at > slot.decided


def seems_behind(runs: RunTimes, now: datetime, as_of: datetime | None) -> bool:
    """Whether it is the present clock that is wrong: what is ahead of it goes on from what is not, at the usual pace.
    Of a clock that was ahead for a while there is a gap. ``as_of``: how far ahead ``--as-of`` was used."""
    if not runs.ahead or runs.latest is None:
        return False
    if now < BORN:
        return True
    pretended = as_of is not None and runs.latest <= as_of + _FAR
    if pretended or runs.before is None or runs.latest - now <= _FAR or len(runs.ahead) < _ENOUGH:
        return False
    gaps = sorted(later - earlier for earlier, later in pairwise(runs.ahead))
    return runs.ahead[0] - runs.before <= 2 * max(gaps[len(gaps) // 2], timedelta(minutes=1))
