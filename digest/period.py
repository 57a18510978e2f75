"""When a digest is due, and what its editions are called.

A schedule is read in the site's zone, by date: every local date that it names has exactly one slot, whatever the
clocks do. A time that does not exist that day (spring) moves to the first minute after the gap; a time that occurs
twice (autumn) counts once, the first time. No clock is asked here: ``now`` is handed in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

LOOKBACK = timedelta(days=31)
"""How far back slots are looked for after a downtime; older ones are not even reported as missed."""


class Kind(StrEnum):
    """How often a digest appears."""

    DAILY = "daily"
    WEEKDAYS = "weekdays"
    """On some days of the week, each its own edition."""
    WEEKLY = "weekly"
    """Once in an ISO week."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """On which days, and at what local time. Days of the week count as in ISO 8601: Monday 1, Sunday 7.

    Raises ValueError for a schedule without days, with a day outside 1 to 7, or weekly on more than one day.
    """

    at: time
    """Local time of day, to the minute, without a zone."""
    kind: Kind = Kind.DAILY
    days: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)

    def __post_init__(self) -> None:
        if not self.days or not all(1 <= day <= 7 for day in self.days):
            raise ValueError(f"days of the week are 1 (Monday) to 7 (Sunday), not {self.days}")
        if self.kind is Kind.WEEKLY and len(self.days) != 1:
            raise ValueError("a weekly schedule has one day")


def daily(at: time) -> Schedule:
    return Schedule(at=at)


def weekdays(at: time, days: tuple[int, ...] = (1, 2, 3, 4, 5)) -> Schedule:
    """Monday to Friday, or the days given."""
    return Schedule(at=at, kind=Kind.WEEKDAYS, days=days)


def weekly(day: int, at: time) -> Schedule:
    return Schedule(at=at, kind=Kind.WEEKLY, days=(day,))


@dataclass(frozen=True, kw_only=True, slots=True)
class Slot:
    """One appearance of a digest."""

    period: str
    day: date
    """The local date that it belongs to."""
    at: datetime
    """UTC."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Due:
    """What is to be done about a schedule now."""

    slot: Slot | None = None
    """The one slot that should have an edition and has none; late or on time."""
    missed: tuple[Slot, ...] = ()
    """Earlier slots without an edition, oldest first: too late for them."""


def period_name(kind: Kind, day: date) -> str:
    """``2026-11-24``, or for a weekly digest the ISO week ``2026-W48``."""
    if kind is Kind.WEEKLY:
        year, week, _ = day.isocalendar()
        return f"{year:04}-W{week:02}"
    return day.isoformat()


def period_days(period: str) -> tuple[date, date]:
    """First and last day of a period by its name. Raises ValueError for a name that is none."""
    if "W" in period:
        monday = date.fromisoformat(f"{period}-1")
        return monday, monday + timedelta(days=6)
    day = date.fromisoformat(period)
    return day, day


def day_bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """First moment of a local date and of the next one, in UTC."""
    return _moment(day, time(0), zone), _moment(day + timedelta(days=1), time(0), zone)


def slot_on(schedule: Schedule, zone: ZoneInfo, day: date) -> Slot | None:
    """The slot of a local date; None if the schedule does not name it, or if the zone has no such date
    (Samoa skipped 30 December 2011)."""
    if day.isoweekday() not in schedule.days:
        return None
    start, end = day_bounds(day, zone)
    if start >= end:
        return None
    return Slot(period=period_name(schedule.kind, day), day=day, at=_moment(day, schedule.at, zone))


def slots_between(schedule: Schedule, zone: ZoneInfo, after: datetime, until: datetime) -> list[Slot]:
    """Slots with ``after < slot <= until``, oldest first."""
    day = after.astimezone(zone).date() - timedelta(days=1)
    last = until.astimezone(zone).date()
    found = []
    while day <= last:
        slot = slot_on(schedule, zone, day)
        if slot is not None and after < slot.at <= until:
            found.append(slot)
        day += timedelta(days=1)
    return found


def latest_slot(schedule: Schedule, zone: ZoneInfo, now: datetime) -> Slot | None:
    """The last slot that is not in the future; None if there was none within a month."""
    found = slots_between(schedule, zone, now - LOOKBACK, now)
    return found[-1] if found else None


def next_slot(schedule: Schedule, zone: ZoneInfo, now: datetime) -> Slot:
    """The first slot that is in the future."""
    day = now.astimezone(zone).date()
    while True:
        slot = slot_on(schedule, zone, day)
        if slot is not None and slot.at > now:
            return slot
        day += timedelta(days=1)


def due_period(
    schedule: Schedule,
    zone: ZoneInfo,
    *,
    now: datetime,
    began: datetime,
    is_taken: Callable[[str], bool],
    catch_up: timedelta,
) -> Due:
    """Which slot is due at ``now``: the latest one since the digest ``began`` that is not older than ``catch_up``
    and whose period is not taken yet. After a downtime that is one edition at most: slots before it, back to the
    last taken one, are missed.
    """
    open_slots: list[Slot] = []
    for slot in reversed(slots_between(schedule, zone, max(began, now - LOOKBACK), now)):
        if is_taken(slot.period):
            break
        open_slots.append(slot)
    open_slots.reverse()
    if open_slots and now - open_slots[-1].at <= catch_up:
        return Due(slot=open_slots[-1], missed=tuple(open_slots[:-1]))
    return Due(missed=tuple(open_slots))


def _moment(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The moment, in UTC, at which clocks in the zone show this date and time for the first time; in a gap the
    first moment after it (``fold``: PEP 495)."""
    local = datetime.combine(day, at.replace(tzinfo=None, fold=0), tzinfo=zone)
    moment = local.astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return moment
    return _end_of_gap(local.replace(fold=1).astimezone(UTC), moment, zone)


def _end_of_gap(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The moment between the two, to the second, at which the zone's offset changes."""
    offset = after.astimezone(zone).utcoffset()
    low, high = int(before.timestamp()), int(after.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == offset:
            high = middle
        else:
            low = middle
    return datetime.fromtimestamp(high, UTC)
