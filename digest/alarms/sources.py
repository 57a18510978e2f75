"""Alarms about sources of posts that cannot be looked at for a day. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from digest.alarms.watching import SOURCE, Alarm
from digest.models import SourceState
from digest.text import local_time

ALL = f"{SOURCE}:*"
"""The alarm of many at once."""
FAILS_FOR = timedelta(days=1)
"""Shorter than that it is the weather."""
MANY = 5
"""If more fail at once, it is the network."""
_NAMED = 3


def source_name(source: str) -> str:
    """The name of the alarm about a source."""
    return f"{SOURCE}:{source}"


def source_alarms(states: Iterable[SourceState], zone: ZoneInfo, now: datetime) -> list[Alarm]:
    """One for each that fails for a day; of many at once one for all."""
    failing = ((state.failing_since, state.name, state.fault) for state in states)
    found = sorted(
        (since, name, fault) for since, name, fault in failing if since is not None and now - since >= FAILS_FOR
    )
    if len(found) > MANY:
        names = ", ".join(name for _, name, _ in found[:_NAMED])
        since, _, fault = found[0]
        return [
            Alarm.of(
                ALL,
                f"{len(found):,} sources cannot be looked at, the first since {local_time(since, zone)}: {names} and "
                f"{len(found) - _NAMED:,} more; the first says: {fault}",
            )
        ]
    return [
        Alarm.of(source_name(name), f"source {name}: fails since {local_time(since, zone)}: {fault}")
        for since, name, fault in found
    ]


def source_endings(states: Iterable[SourceState], alarms: Iterable[Alarm]) -> dict[str, str]:
    """What is said when alarms of sources end, by their names. Nothing of sources that nobody waits for any more, or
    that others speak of now; ``alarms`` are those there are."""
    there = len(list(alarms))
    fine = {
        source_name(each.name): f"source {each.name}: it can be looked at again"
        for each in states
        if each.failing_since is None
    }
    left = f", but for {there}" if there else ""
    return {SOURCE: "", **fine, ALL: f"sources can be looked at again{left}"}
