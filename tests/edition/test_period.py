"""When a digest is due (digest/period.py)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.period import (
    Cron,
    Due,
    Every,
    Kind,
    Rule,
    Schedule,
    Slot,
    covered_days,
    daily,
    day_bounds,
    due_period,
    is_time,
    longest_gap,
    next_moment,
    next_slot,
    parse_cron,
    period_days,
    period_name,
    slot_on,
    slots_between,
    weekdays,
    weekly,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
ZONES_AND_DAYS = [
    ("America/New_York", date(2026, 3, 8)),
    ("America/New_York", date(2026, 11, 1)),
    ("Europe/Berlin", date(2025, 3, 30)),
    ("Europe/Berlin", date(2025, 3, 31)),
    ("Europe/Berlin", date(2025, 10, 26)),
    ("Asia/Beirut", date(2026, 3, 29)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("America/Nuuk", date(2026, 3, 28)),
    ("Asia/Shanghai", date(2026, 11, 24)),
]
TIMES = [time(0), time(0, 30), time(1, 30), time(2), time(2, 30), time(8), time(23, 30)]
EVERY_ZONE = sorted(available_timezones())


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize("clock", TIMES, ids=str)
@pytest.mark.parametrize(("zone", "day"), ZONES_AND_DAYS)
def test_every_local_date_has_exactly_one_slot(zone: str, day: date, clock: time) -> None:
    """Around every change of the clocks, whatever the time: one slot for each date, in order, none at odds."""
    place, schedule = ZoneInfo(zone), daily(clock)
    days = [day + timedelta(days=shift) for shift in range(-3, 4)]
    after = day_bounds(days[0], place)[0] - timedelta(seconds=1)
    until = day_bounds(days[-1] + timedelta(days=1), place)[0] - timedelta(seconds=1)
    slots = slots_between(schedule, place, after, until)
    assert [slot.day for slot in slots] == days
    assert [slot.period for slot in slots] == [day.isoformat() for day in days]
    assert [slot.at for slot in slots] == sorted({slot.at for slot in slots})


@pytest.mark.parametrize(
    ("zone", "day", "clock", "local"),
    [
        ("Europe/Berlin", date(2025, 3, 30), time(2, 30), "2025-03-30T03:00:00+02:00"),
        ("Europe/Berlin", date(2025, 3, 30), time(1, 59), "2025-03-30T01:59:00+01:00"),
        ("Europe/Berlin", date(2025, 3, 30), time(3), "2025-03-30T03:00:00+02:00"),
        ("Europe/Berlin", date(2025, 10, 26), time(2, 30), "2025-10-26T02:30:00+02:00"),
        ("America/New_York", date(2026, 3, 8), time(2), "2026-03-08T03:00:00-04:00"),
        ("America/New_York", date(2026, 11, 1), time(1, 30), "2026-11-01T01:30:00-04:00"),
        ("Asia/Beirut", date(2026, 3, 29), time(0), "2026-03-29T01:00:00+03:00"),
        ("Asia/Beirut", date(2026, 3, 29), time(0, 30), "2026-03-29T01:00:00+03:00"),
        ("Australia/Lord_Howe", date(2026, 10, 4), time(2, 10), "2026-10-04T02:30:00+11:00"),
        ("Australia/Lord_Howe", date(2026, 4, 5), time(1, 45), "2026-04-05T01:45:00+11:00"),
        ("America/Nuuk", date(2026, 3, 28), time(23, 30), "2026-03-29T00:00:00-01:00"),
        ("Asia/Shanghai", date(2026, 11, 24), time(8), "2026-11-24T08:00:00+08:00"),
    ],
)
def test_a_time_in_a_gap_moves_behind_it_and_a_double_one_counts_first(
    zone: str, day: date, clock: time, local: str
) -> None:
    slot = slot_on(daily(clock), ZoneInfo(zone), day)
    assert slot is not None
    assert slot.at == at(local)
    assert slot.day == day


@given(
    st.sampled_from(EVERY_ZONE),
    st.times(),
    st.dates(min_value=date(1990, 1, 1), max_value=date(2040, 1, 1)),
    st.integers(0, 40),
)
def test_whatever_the_zone_every_local_date_has_one_slot_in_it(zone: str, clock: time, first: date, days: int) -> None:
    """A law: the slots of a run of dates are these dates, in order, each within its own date, at the first moment whose
    clock does not show less than was asked for. Dates that a zone skipped have none."""
    place, schedule = ZoneInfo(zone), daily(clock.replace(second=0, microsecond=0))
    dates = [first + timedelta(days=shift) for shift in range(days + 1)]
    there = [day for day in dates if day_bounds(day, place)[0] < day_bounds(day, place)[1]]
    slots = [slot for day in dates if (slot := slot_on(schedule, place, day)) is not None]
    assert [slot.day for slot in slots] == there
    assert [slot.at for slot in slots] == sorted({slot.at for slot in slots})
    for slot in slots:
        start, end = day_bounds(slot.day, place)
        local = slot.at.astimezone(place)
        assert start <= slot.at < end or local.date() == slot.day + timedelta(days=1), "a gap may reach midnight"
        assert local.replace(tzinfo=None) >= datetime.combine(slot.day, schedule.at)
    if slots:
        assert slots_between(schedule, place, slots[0].at - timedelta(seconds=1), slots[-1].at) == slots


def test_a_date_that_a_zone_skipped_has_no_slot() -> None:
    """Samoa went from 29 to 31 December 2011."""
    samoa = ZoneInfo("Pacific/Apia")
    days = [
        slot.day.day for slot in slots_between(daily(time(8)), samoa, at("2011-12-28T12:00Z"), at("2012-01-01T12:00Z"))
    ]
    assert days == [28, 29, 31, 1]
    assert slot_on(daily(time(8)), samoa, date(2011, 12, 30)) is None


@pytest.mark.parametrize(
    ("kind", "day", "name"),
    [
        (Kind.DAILY, date(2026, 11, 24), "2026-11-24"),
        (Kind.WEEKDAYS, date(2026, 11, 24), "2026-11-24"),
        (Kind.WEEKLY, date(2026, 11, 24), "2026-W48"),
        (Kind.WEEKLY, date(2027, 1, 1), "2026-W53"),
        (Kind.WEEKLY, date(2024, 12, 30), "2025-W01"),
    ],
)
def test_periods_have_names(kind: Kind, day: date, name: str) -> None:
    assert period_name(kind, day) == name


@given(st.dates(min_value=date(1900, 1, 1), max_value=date(2200, 1, 1)), st.sampled_from(list(Kind)))
def test_a_period_contains_the_day_it_is_named_by(day: date, kind: Kind) -> None:
    first, last = period_days(period_name(kind, day))
    assert first <= day <= last
    assert (last - first).days == (6 if kind is Kind.WEEKLY else 0)


@pytest.mark.parametrize("name", ["", "today", "2026-13-01", "2026-W54", "W48"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError):
        period_days(name)


@pytest.mark.parametrize(
    ("kind", "days"), [(Kind.DAILY, ()), (Kind.DAILY, (0,)), (Kind.DAILY, (8,)), (Kind.WEEKLY, (1, 2))]
)
def test_schedules_that_mean_nothing_are_refused(kind: Kind, days: tuple[int, ...]) -> None:
    with pytest.raises(ValueError):
        Schedule(kind=kind, days=days, at=time(8))


def test_weekdays_and_weeks_take_their_days_only() -> None:
    """24 November 2026 is a Tuesday."""
    start, end = at("2026-11-23T00:00+08:00"), at("2026-12-07T00:00+08:00")
    assert [slot.day.day for slot in slots_between(weekdays(time(7, 30)), SHANGHAI, start, end)] == [
        *range(23, 28), 30, 1, 2, 3, 4
    ]  # fmt: skip
    assert [slot.day.day for slot in slots_between(weekdays(time(18), (1, 3)), SHANGHAI, start, end)] == [23, 25, 30, 2]
    assert [slot.period for slot in slots_between(weekly(6, time(8)), SHANGHAI, start, end)] == ["2026-W48", "2026-W49"]


def test_past_and_next_slots_meet_at_the_slot_itself() -> None:
    """A slot is past at its very moment."""
    schedule = daily(time(8))
    before, moment = at("2026-11-24T07:59:59+08:00"), at("2026-11-24T08:00:00+08:00")
    start = before - timedelta(days=1)
    assert [slot.period for slot in slots_between(schedule, SHANGHAI, start, before)] == ["2026-11-23"]
    assert next_slot(schedule, SHANGHAI, before).at == moment
    reached = slots_between(schedule, SHANGHAI, start, moment)[-1]
    assert reached.at == moment
    assert reached.at.tzinfo is UTC
    assert next_slot(schedule, SHANGHAI, moment).period == "2026-11-25"


def due(now: str, *, began: str = "2026-11-01T00:00+08:00", taken: tuple[str, ...] = (), hours: int = 6) -> Due:
    return due_period(
        daily(time(8)),
        SHANGHAI,
        now=at(now),
        began=at(began),
        is_taken=lambda period: period in taken,
        max_lateness=timedelta(hours=hours),
    )


@pytest.mark.parametrize(
    ("now", "began", "taken", "period", "missed"),
    [
        ("2026-11-24T08:00+08:00", "2026-11-23T12:00+08:00", (), "2026-11-24", []),
        ("2026-11-24T07:59+08:00", "2026-11-23T12:00+08:00", (), None, []),
        ("2026-11-24T14:00+08:00", "2026-11-23T12:00+08:00", (), "2026-11-24", []),
        ("2026-11-24T14:01+08:00", "2026-11-23T12:00+08:00", (), None, ["2026-11-24"]),
        ("2026-11-24T08:05+08:00", "2026-11-23T12:00+08:00", ("2026-11-24",), None, []),
        ("2026-11-24T08:05+08:00", "2026-11-24T08:00+08:00", (), None, []),
        ("2026-11-24T08:05+08:00", "2026-11-01T00:00+08:00", ("2026-11-20",), "2026-11-24",
         ["2026-11-21", "2026-11-22", "2026-11-23"]),
        ("2026-11-24T20:00+08:00", "2026-11-01T00:00+08:00", ("2026-11-22",), None, ["2026-11-23", "2026-11-24"]),
    ],
    ids=["on time", "too early", "just in time", "too late", "taken", "began at the slot", "downtime", "long downtime"],
)  # fmt: skip
def test_one_edition_at_most_is_due_and_older_slots_are_missed(
    now: str, began: str, taken: tuple[str, ...], period: str | None, missed: list[str]
) -> None:
    found = due(now, began=began, taken=taken)
    assert (found.slot.period if found.slot else None) == period
    assert [slot.period for slot in found.missed] == missed


def test_a_year_of_downtime_looks_back_one_month() -> None:
    assert len(due("2026-11-24T08:00+08:00", began="2025-11-24T00:00+08:00").missed) == 30


@pytest.mark.parametrize("clock", TIMES, ids=str)
@pytest.mark.parametrize(("zone", "day"), ZONES_AND_DAYS)
def test_a_tick_every_minute_makes_one_edition_per_date(zone: str, day: date, clock: time) -> None:
    """Ticks through the days around a change of the clocks: every date gets its edition, none gets two."""
    place = ZoneInfo(zone)
    made: list[Any] = []
    began = day_bounds(day - timedelta(days=1), place)[0] - timedelta(seconds=1)
    end = day_bounds(day + timedelta(days=2), place)[0] + timedelta(minutes=5)
    now = began
    while now < end:
        found = due_period(
            daily(clock), place, now=now, began=began, is_taken=made.__contains__, max_lateness=timedelta(hours=6)
        )
        if found.slot is not None:
            made.append(found.slot.period)
        assert not found.missed
        now += timedelta(minutes=5)
    expected = [(day + timedelta(days=shift)).isoformat() for shift in (-1, 0, 1)]
    assert made[:3] == expected
    assert made[3:] in ([], [(day + timedelta(days=2)).isoformat()])


def test_holidays_are_told_apart_from_what_was_missed() -> None:
    """A downtime over two holidays: the last day that is none is the late one."""
    found = due_period(
        daily(time(8)),
        SHANGHAI,
        now=at("2026-11-24T10:00+08:00"),
        began=at("2026-11-20T12:00+08:00"),
        is_taken=lambda period: False,
        max_lateness=timedelta(hours=6),
        holidays={date(2026, 11, 22), date(2026, 11, 24)},
    )
    assert found.slot is None
    assert [slot.period for slot in found.missed] == ["2026-11-21", "2026-11-23"]
    assert [slot.period for slot in found.holidays] == ["2026-11-22", "2026-11-24"]
    assert next_slot(daily(time(8)), SHANGHAI, at("2026-11-24T10:00Z"), {date(2026, 11, 25)}).day.day == 26


# ----------------------------------------------------------- again and again


def moments(rule: Rule, zone: str, after: str, count: int) -> list[str]:
    """The next moments as the zone's clocks show them."""
    place, found, moment = ZoneInfo(zone), [], at(after)
    for _ in range(count):
        moment = next_moment(rule, place, moment)
        found.append(f"{moment.astimezone(place):%d %H:%M %z}")
    return found


@pytest.mark.parametrize(
    ("rule", "zone", "after", "expected"),
    [
        (Every(minutes=7), "Asia/Shanghai", "2026-11-24T23:45+08:00",
         ["24 23:48 +0800", "24 23:55 +0800", "25 00:00 +0800", "25 00:07 +0800"]),
        (Every(minutes=1440), "Asia/Shanghai", "2026-11-24T00:00+08:00", ["25 00:00 +0800", "26 00:00 +0800"]),
        (Every(minutes=30), "Europe/Berlin", "2026-03-29T01:30+01:00", ["29 03:00 +0200", "29 03:30 +0200"]),
        (Every(minutes=30), "Europe/Berlin", "2026-10-25T02:00+02:00",
         ["25 02:30 +0200", "25 02:00 +0100", "25 02:30 +0100", "25 03:00 +0100"]),
        (Every(minutes=60), "Australia/Lord_Howe", "2026-04-05T01:00+11:00",
         ["05 01:30 +1030", "05 02:30 +1030"]),
        (parse_cron("*/30 * * * *"), "Europe/Berlin", "2026-10-25T02:00+02:00",
         ["25 02:30 +0200", "25 02:00 +0100", "25 02:30 +0100", "25 03:00 +0100"]),
        (parse_cron("30 2 * * *"), "Europe/Berlin", "2026-10-25T00:00+02:00", ["25 02:30 +0200", "26 02:30 +0100"]),
        (parse_cron("0,30 2,3 * * *"), "Europe/Berlin", "2026-03-29T01:00+01:00",
         ["29 03:00 +0200", "29 03:30 +0200", "30 02:00 +0200"]),
        (parse_cron("15 7-9 * * mon-fri"), "Asia/Shanghai", "2026-11-27T08:20+08:00",
         ["27 09:15 +0800", "30 07:15 +0800"]),
        (daily(time(0, 30)), "Asia/Beirut", "2026-03-28T00:30+02:00", ["29 01:00 +0300", "30 00:30 +0300"]),
    ],
    ids=["midnight", "a day", "gap", "twice", "half hour", "cron twice", "cron once", "cron gap", "cron days", "slot"],
)  # fmt: skip
def test_moments_follow_each_other(rule: Rule, zone: str, after: str, expected: list[str]) -> None:
    assert moments(rule, zone, after, len(expected)) == expected


@given(
    st.integers(1, 1440),
    st.sampled_from(EVERY_ZONE),
    st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2040, 1, 1)),  # noqa: DTZ001
)
def test_an_interval_never_takes_longer_than_it_says(minutes: int, zone: str, moment: datetime) -> None:
    """A law: the next moment is later, and no further away than the interval."""
    after = moment.replace(tzinfo=UTC)
    found = next_moment(Every(minutes=minutes), ZoneInfo(zone), after)
    assert timedelta() < found - after <= timedelta(minutes=minutes)


@pytest.mark.parametrize("minutes", [0, -5, 1441])
def test_intervals_have_bounds(minutes: int) -> None:
    with pytest.raises(ValueError):
        Every(minutes=minutes)


@pytest.mark.parametrize(
    ("last", "now", "expected"),
    [
        (None, "2026-11-24T08:00Z", True),
        ("2026-11-24T08:00Z", "2026-11-24T08:04:59Z", False),
        ("2026-11-24T08:00Z", "2026-11-24T08:05Z", True),
        ("2026-11-24T08:03Z", "2026-11-24T08:05Z", True),
        ("2026-11-24T08:00Z", "2026-11-27T08:00Z", True),
        ("2026-11-24T08:00Z", "2026-11-24T07:59Z", True),
    ],
    ids=["never", "too soon", "again", "between", "downtime", "the clock went back"],
)
def test_what_was_done_is_done_again_when_its_time_comes(last: str | None, now: str, expected: bool) -> None:
    assert is_time(Every(minutes=5), SHANGHAI, last=at(last) if last else None, now=at(now)) is expected


# ------------------------------------------------------------------ crontab


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("30 7 * * mon-fri", Cron(minutes=(30,), hours=(7,), days=(1, 2, 3, 4, 5))),
        ("0 8 * * sun", Cron(minutes=(0,), hours=(8,), days=(7,))),
        ("0 8 * * FRI-MON", Cron(minutes=(0,), hours=(8,), days=(1, 5, 6, 7))),
        ("0 8 * * sat,sun", Cron(minutes=(0,), hours=(8,), days=(6, 7))),
        ("*/20 0-6/3 1,15 jan-mar,12 *",
         Cron(minutes=(0, 20, 40), hours=(0, 3, 6), dates=(1, 15), months=(1, 2, 3, 12))),
        ("50/5 * * * *", Cron(minutes=(50, 55), hours=tuple(range(24)))),
        ("0 0 29 2 *", Cron(minutes=(0,), hours=(0,), dates=(29,), months=(2,))),
    ],
)  # fmt: skip
def test_crontab_lines_are_read(line: str, expected: Cron) -> None:
    assert parse_cron(line) == expected


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("", "five fields"), ("* * * *", "five fields"), ("* * * * * *", "five fields"), ("@daily", "five fields"),
        ("60 * * * *", "minute that is not between 0 and 59"), ("* 24 * * *", "hour"), ("* * 0 * *", "day of the"),
        ("* * * 13 *", "month"), ("* * * foo *", "month"), ("x * * * *", "minute"), ("5-1 * * * *", "empty range"),
        ("*/0 * * * *", "empty range"), ("1- * * * *", "cannot be read"), (", * * * *", "cannot be read"),
        ("²5 * * * *", "cannot be read"), ("0 8 * * 0", "count differently"), ("0 8 * * 7", "count differently"),
        ("0 8 * * 1-5", "count differently"), ("0 8 * * mon-5", "count differently"), ("0 8 * * */2", "differently"),
        ("0 8 * * monday", "none of mon"), ("0 8 * * mon-", "none of mon"), ("0 8 1 * mon", "name one"),
        ("0 8 31 2 *", "never comes"), ("0 8 30 feb *", "never comes"), ("0 8 31 4,6 *", "never comes"),
    ],
)  # fmt: skip
def test_other_crontab_lines_are_refused(line: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_cron(line)


@pytest.mark.parametrize(
    ("line", "kind", "gap"),
    [
        ("0 8 * * *", Kind.DAILY, 1),
        ("0 8 * * mon-fri", Kind.WEEKDAYS, 3),
        ("0 8 * * sat", Kind.WEEKLY, 7),
        ("0 8 1 * *", Kind.WEEKDAYS, 31),
        ("0 8 31 * *", Kind.WEEKDAYS, 61),
        ("0 8 * 1-6 *", Kind.WEEKDAYS, 185),
    ],
)
def test_a_line_that_names_one_time_a_day_is_a_schedule(line: str, kind: Kind, gap: int) -> None:
    schedule = parse_cron(line).once_a_day()
    assert schedule is not None
    assert (schedule.kind, schedule.at, longest_gap(schedule)) == (kind, time(8), gap)


def test_a_line_that_names_several_is_none() -> None:
    assert parse_cron("0 8,20 * * *").once_a_day() is None
    assert parse_cron("0,30 8 * * *").once_a_day() is None


def test_a_month_of_its_own_names_its_first_day() -> None:
    schedule = parse_cron("0 8 1 * *").once_a_day()
    assert schedule is not None
    assert next_slot(schedule, SHANGHAI, at("2026-11-24T08:00Z")) == Slot(
        period="2026-12-01", day=date(2026, 12, 1), at=at("2026-12-01T00:00Z")
    )


def test_a_date_that_never_comes_is_said() -> None:
    """Nothing looks for it for ever."""
    never = Schedule(at=time(8), dates=(31,), months=(2,))
    for ask in (next_slot, next_moment):
        with pytest.raises(ValueError, match="never comes"):
            ask(never, SHANGHAI, at("2026-11-24T08:00Z"))
    with pytest.raises(ValueError, match="never comes"):
        longest_gap(never)
    with pytest.raises(ValueError, match="never comes"):
        next_moment(Cron(minutes=(0,), hours=(8, 9), dates=(31,), months=(2,)), SHANGHAI, at("2026-11-24T08:00Z"))


@pytest.mark.parametrize(
    ("schedule", "day", "expected"),
    [
        (weekly(1, time(8)), "2026-11-23", ("2026-11-16", "2026-11-22")),
        (weekly(1, time(20)), "2026-11-23", ("2026-11-17", "2026-11-23")),
        (weekly(6, time(8)), "2026-11-28", ("2026-11-21", "2026-11-27")),
        (daily(time(8)), "2026-11-28", ("2026-11-28", "2026-11-28")),
    ],
)
def test_a_week_is_named_by_the_days_that_it_covers(schedule: Schedule, day: str, expected: tuple[str, str]) -> None:
    """Not by those of its period, which may be still to come."""
    slot = slot_on(schedule, SHANGHAI, date.fromisoformat(day))
    assert slot is not None
    assert tuple(each.isoformat() for each in covered_days(schedule, slot, SHANGHAI)) == expected
