"""When something is due, and what a digest's editions are called.

A schedule is read in the site's zone, by date: every local date that it names has exactly one slot, whatever the
clocks do. A time that does not exist that day (spring) moves to the first minute after the gap; a time that occurs
twice (autumn) counts once, the first time. Whatever runs more often than that (``Every``, ``Cron``) has moments
instead of slots. No clock is asked here: ``now`` is handed in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise
from zoneinfo import ZoneInfo

from msgspec import Struct

LOOKBACK = timedelta(days=31)
"""How far back slots are looked for after a downtime; older ones are not even reported as missed."""


DAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ALL_MONTHS = tuple(range(1, 13))
_ALL_DATES = tuple(range(1, 32))
_NOON = 12
_HORIZON = timedelta(days=366 * 9)
"""A 29 February comes after eight years at the latest."""


class Kind(StrEnum):
    """How often a digest appears."""

    DAILY = "daily"
    WEEKDAYS = "weekdays"
    """On some days of the week, each its own edition."""
    WEEKLY = "weekly"
    """Once in an ISO week."""


class Schedule(Struct, frozen=True, kw_only=True):
    """On which days, and at what local time. Days of the week count as in ISO 8601: Monday 1, Sunday 7.

    Raises ValueError for a schedule without days, with a day outside 1 to 7, or weekly on more than one day.
    """

    at: time
    """Local time of day, to the minute, without a zone."""
    kind: Kind = Kind.DAILY
    days: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)
    dates: tuple[int, ...] = _ALL_DATES
    """Days of the month."""
    months: tuple[int, ...] = _ALL_MONTHS

    def __post_init__(self) -> None:
        if not self.days or not all(1 <= day <= 7 for day in self.days):
            raise ValueError(f"days of the week are 1 (Monday) to 7 (Sunday), not {self.days}")
        if self.kind is Kind.WEEKLY and len(self.days) != 1:
            raise ValueError("a weekly schedule has one day")

    def names(self, day: date) -> bool:
        """Whether it names a date."""
        return day.isoweekday() in self.days and day.day in self.dates and day.month in self.months


def daily(at: time) -> Schedule:
    return Schedule(at=at)


def weekdays(at: time, days: tuple[int, ...] = (1, 2, 3, 4, 5)) -> Schedule:
    """Monday to Friday, or the days given."""
    return Schedule(at=at, kind=Kind.WEEKDAYS, days=days)


def weekly(day: int, at: time) -> Schedule:
    return Schedule(at=at, kind=Kind.WEEKLY, days=(day,))


class Every(Struct, frozen=True, kw_only=True):
    """Again and again, counted from midnight: every 7 minutes is 00:00, 00:07 … 23:55, 00:00. Real minutes pass
    between two moments, also on a day on which the clocks change.

    Raises ValueError for less than a minute or more than a day.
    """

    minutes: int

    def __post_init__(self) -> None:
        if not 1 <= self.minutes <= 1440:
            raise ValueError("is not between a minute and a day")


class Cron(Struct, frozen=True, kw_only=True):
    """Several times a day, as crontab has them. With every hour named, the minutes go on through an hour that occurs
    twice; else each time of a date counts once, as in ``Schedule``."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    dates: tuple[int, ...] = _ALL_DATES
    months: tuple[int, ...] = _ALL_MONTHS
    days: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)

    def names(self, day: date) -> bool:
        """Whether it names a date."""
        return day.isoweekday() in self.days and day.day in self.dates and day.month in self.months

    def once_a_day(self) -> Schedule | None:
        """The same as a schedule of a digest; None if it names several times of a day."""
        if len(self.minutes) != 1 or len(self.hours) != 1:
            return None
        plain = self.dates == _ALL_DATES and self.months == _ALL_MONTHS
        kind = Kind.WEEKDAYS
        if plain and len(self.days) in (1, 7):
            kind = Kind.WEEKLY if len(self.days) == 1 else Kind.DAILY
        at = time(self.hours[0], self.minutes[0])
        return Schedule(at=at, kind=kind, days=self.days, dates=self.dates, months=self.months)


Rule = Schedule | Every | Cron
"""When something is done again."""


class Slot(Struct, frozen=True, kw_only=True):
    """One appearance of a digest."""

    period: str
    day: date
    """The local date that it belongs to."""
    at: datetime
    """UTC."""


class Late(StrEnum):
    """What becomes of an edition whose time passed while nothing ran."""

    SEND = "send"
    """It is made late, within reason; later than that, its posts enter the next one."""
    MERGE = "merge"
    """It is not made late; its posts enter the next one."""
    SKIP = "skip"
    """It is not made late; its posts are mailed in none."""


LATENESS = {Late.SEND: timedelta(hours=6), Late.MERGE: timedelta(minutes=30), Late.SKIP: timedelta(minutes=30)}
"""How late an edition may be made, if nobody says otherwise."""


class Due(Struct, frozen=True, kw_only=True):
    """What is to be done about a schedule now."""

    slot: Slot | None = None
    """The one slot that should have an edition and has none; late or on time."""
    missed: tuple[Slot, ...] = ()
    """Earlier slots without an edition, oldest first: too late for them."""
    holidays: tuple[Slot, ...] = ()
    """Slots on days that shall have no edition, oldest first, that are not written down yet."""


def period_name(kind: Kind, day: date) -> str:
    """``2026-11-24``, or for a weekly digest the ISO week ``2026-W48``."""
    if kind is Kind.WEEKLY:
        year, week, _ = day.isocalendar()
        return f"{year:04}-W{week:02}"
    return day.isoformat()


def is_week(period: str) -> bool:
    """Whether a period's name is that of a week."""
    return "W" in period


def period_days(period: str) -> tuple[date, date]:
    """First and last day of a period by its name. Raises ValueError for a name that is none."""
    if is_week(period):
        monday = date.fromisoformat(f"{period}-1")
        return monday, monday + timedelta(days=6)
    day = date.fromisoformat(period)
    return day, day


def covered_days(schedule: Schedule, slot: Slot, zone: ZoneInfo) -> tuple[date, date]:
    """First and last day that an edition of this slot is about, which is not what its period is called by: a weekly one
    looks back on seven days, up to its own if it appears after noon."""
    if schedule.kind is not Kind.WEEKLY:
        return slot.day, slot.day
    last = slot.day - timedelta(days=slot.at.astimezone(zone).hour < _NOON)
    return last - timedelta(days=6), last


def day_bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """First moment of a local date and of the next one, in UTC."""
    return _moment(day, time(0), zone), _moment(day + timedelta(days=1), time(0), zone)


def slot_on(schedule: Schedule, zone: ZoneInfo, day: date) -> Slot | None:
    """The slot of a local date; None if the schedule does not name it, or if the zone has no such date
    (Samoa skipped 30 December 2011)."""
    if not schedule.names(day):
        return None
    start, end = day_bounds(day, zone)
    if start >= end:
        return None
    return Slot(period=period_name(schedule.kind, day), day=day, at=_moment(day, schedule.at, zone))


def slot_of(schedule: Schedule, zone: ZoneInfo, period: str) -> Slot | None:
    """The slot that a period has by its name; None if the schedule names none of its days. Raises ValueError for a name
    that is none."""
    first, last = period_days(period)
    days = (first + timedelta(days=shift) for shift in range((last - first).days + 1))
    return next((slot for day in days if (slot := slot_on(schedule, zone, day)) is not None), None)


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


def next_slot(
    schedule: Schedule,
    zone: ZoneInfo,
    now: datetime,
    holidays: Container[date] = (),
    is_taken: Callable[[str], bool] = lambda period: False,
) -> Slot:
    """The first slot that is in the future, on no holiday, and whose period is not taken: an edition that was made too
    early has it. Raises ValueError if there is none (a 31 February)."""
    day = now.astimezone(zone).date()
    end = day + _HORIZON
    while day < end:
        slot = slot_on(schedule, zone, day)
        if slot is not None and slot.at > now and day not in holidays and not is_taken(slot.period):
            return slot
        day += timedelta(days=1)
    raise ValueError("names a date that never comes")


def next_moment(rule: Rule, zone: ZoneInfo, after: datetime) -> datetime:
    """The first moment of a rule later than ``after``, in UTC. Raises ValueError if there is none."""
    if isinstance(rule, Schedule):
        return next_slot(rule, zone, after).at
    day = after.astimezone(zone).date()
    end = day + _HORIZON
    while day < end:
        moment = next((each for each in _moments_on(rule, zone, day, after) if each > after), None)
        if moment is not None:
            return moment
        day += timedelta(days=1)
    raise ValueError("names a date that never comes")


def is_time(rule: Rule, zone: ZoneInfo, *, last: datetime | None, now: datetime) -> bool:
    """Whether something that was done at ``last`` (None: never) is to be done again. If the clock went back since, it
    is: nobody knows what time it was."""
    return last is None or last > now or next_moment(rule, zone, last) <= now


def _moments_on(rule: Every | Cron, zone: ZoneInfo, day: date, after: datetime) -> Iterator[datetime]:
    """The moments of a local date, in order; those before ``after`` may be left out."""
    start, end = day_bounds(day, zone)
    if isinstance(rule, Every):
        step = timedelta(minutes=rule.minutes)
        moment = start + step * max(0, (after - start) // step)
        while moment < end:
            yield moment
            moment += step
    elif rule.names(day) and start < end:
        if len(rule.hours) == 24:
            yield from _minutes_between(rule.minutes, zone, max(start, after.replace(second=0, microsecond=0)), end)
        else:
            yield from sorted(
                {_moment(day, time(hour, minute), zone) for hour in rule.hours for minute in rule.minutes}
            )


def _minutes_between(minutes: tuple[int, ...], zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[datetime]:
    """Every moment at which clocks show one of these minutes, whichever hour it is."""
    moment = start
    while moment < end:
        if moment.astimezone(zone).minute in minutes:
            yield moment
        moment += timedelta(minutes=1)


def due_period(
    schedule: Schedule,
    zone: ZoneInfo,
    *,
    now: datetime,
    began: datetime,
    is_taken: Callable[[str], bool],
    max_lateness: timedelta,
    holidays: Container[date] = (),
) -> Due:
    """Which slot is due at ``now``: the latest one since the digest ``began`` that is not older than ``max_lateness``,
    on no holiday, and whose period is not taken yet. After a downtime that is one edition at most: slots before it,
    back to the last taken one, are missed.
    """
    open_slots: list[Slot] = []
    for slot in reversed(slots_between(schedule, zone, max(began, now - LOOKBACK), now)):
        if is_taken(slot.period):
            break
        open_slots.append(slot)
    open_slots.reverse()
    free = tuple(slot for slot in open_slots if slot.day in holidays)
    open_slots = [slot for slot in open_slots if slot.day not in holidays]
    if open_slots and now - open_slots[-1].at <= max_lateness:
        return Due(slot=open_slots[-1], missed=tuple(open_slots[:-1]), holidays=free)
    return Due(missed=tuple(open_slots), holidays=free)


def longest_gap(schedule: Schedule) -> int:
    """Days between two dates that a schedule names, at the most. Raises ValueError if it names none."""
    first = date(2024, 1, 1)
    named = [day for shift in range(_HORIZON.days) if schedule.names(day := first + timedelta(days=shift))]
    if len(named) < 2:
        raise ValueError("names a date that never comes")
    return max((later - earlier).days for earlier, later in pairwise(named))


# ---------------------------------------------------------------- crontab

_LENGTHS = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
"""Days of the months that have less than 31, at the most."""
_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of the month", 1, 31), ("month", 1, 12))


def parse_cron(text: str) -> Cron:
    """The five fields of a crontab line. Days of the week have names, since programs disagree about their numbers
    (Sunday is 0, 7 or 6). Raises ValueError with a message that continues a sentence about the text."""
    words = text.lower().split()
    if len(words) != 5:
        raise ValueError("has not the five fields minute, hour, day, month, day of the week")
    fields = [
        _cron_field(word, name, low, high, MONTH_NAMES if name == "month" else ())
        for word, (name, low, high) in zip(words[:4], _FIELDS, strict=True)
    ]
    days = _cron_days(words[4])
    rule = Cron(minutes=fields[0], hours=fields[1], dates=fields[2], months=fields[3], days=days)
    if words[2] != "*" and len(days) != 7:
        raise ValueError("names days of the month and of the week, which programs understand differently; name one")
    if not any(min(rule.dates) <= _LENGTHS.get(month, 31) for month in rule.months):
        raise ValueError("names a date that never comes")
    return rule


def _cron_field(word: str, name: str, low: int, high: int, names: tuple[str, ...]) -> tuple[int, ...]:
    """``*``, ``5``, ``1-5``, ``*/10``, ``0-30/10``, and lists of these."""
    found: set[int] = set()
    for part in word.split(","):
        match = re.fullmatch(r"(?:(\*)|([0-9a-z]+)(?:-([0-9a-z]+))?)(?:/([0-9]+))?", part, re.ASCII)
        if match is None:
            raise ValueError(f"has a {name} that cannot be read")
        star, first, last, step = match.groups()
        start = low if star else _cron_number(first, name, low, high, names)
        end = high if star or (step and not last) else start
        end = _cron_number(last, name, low, high, names) if last else end
        if end < start or (step and int(step) == 0):
            raise ValueError(f"has a {name} that is an empty range")
        found.update(range(start, end + 1, int(step) if step else 1))
    return tuple(sorted(found))


def _cron_number(word: str, name: str, low: int, high: int, names: tuple[str, ...]) -> int:
    if word in names:
        return names.index(word) + low
    if not word.isdecimal() or not low <= int(word) <= high:
        raise ValueError(f"has a {name} that is not between {low} and {high}")
    return int(word)


def _cron_days(word: str) -> tuple[int, ...]:
    """``*``, ``sat``, ``mon-fri``, ``fri-mon``, and lists of these."""
    if word == "*":
        return (1, 2, 3, 4, 5, 6, 7)
    found: set[int] = set()
    for part in word.split(","):
        first, dash, last = part.partition("-")
        if first.isdecimal() or last.isdecimal() or "/" in part:
            raise ValueError("has a number for a day of the week, which programs count differently")
        if first not in DAY_NAMES or (dash and last not in DAY_NAMES):
            raise ValueError("has a day of the week that is none of mon, tue, wed, thu, fri, sat, sun")
        start, end = DAY_NAMES.index(first), DAY_NAMES.index(last) if dash else DAY_NAMES.index(first)
        found.update(number % 7 + 1 for number in range(start, end + 1 if end >= start else end + 8))
    return tuple(sorted(found))


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
