"""After a run: until when there will be nothing to do if nobody touches anything, and what a run will say then."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from digest.jobs.editions import EditionsReport
from digest.jobs.feeds import WITHDRAWN_STAYS, FeedReport
from digest.jobs.run import RunReport
from digest.period import Schedule, next_slot
from digest.ports import RestStore

LONGEST = timedelta(hours=1)
"""A run looks at everything itself at least this often: clocks are set, zones change their rules, disks lie."""


def quiet_until(
    store: RestStore, schedules: Iterable[Schedule], zone: ZoneInfo, now: datetime, *, resend: bool, readers: bool
) -> datetime:
    """The earliest moment at which a run may find something to do although nothing was changed since ``now``, the
    moment of the run that just ended; ``now`` or earlier if there is something already.

    ``resend``: mail in doubt is sent again. ``readers``: there are subscribers, about whom some things are done once
    a day (UTC)."""
    moments = [now + LONGEST, *(next_slot(schedule, zone, now).at for schedule in schedules)]
    if readers:
        moments.append(datetime.combine(now.date() + timedelta(days=1), time(), UTC))
    change = store.next_change(withdrawn_stays=WITHDRAWN_STAYS, resend=resend)
    return min(moments) if change is None else min(change, *moments)


def quiet_report(report: RunReport) -> RunReport | None:
    """What the next run says if there is nothing for it to do; None if it is not certain that it can say this: a step
    was left out, something failed, or a file could not be read."""
    collected, deliveries = report.collected, report.deliveries
    if collected is None or report.feeds is None or report.editions is None or deliveries is None:
        return None
    if not report.ok or collected.unread:
        return None
    return RunReport(
        now=report.now,
        collected=replace(collected, opened=0, arrived=0, edited=0, renamed=0, gone=0),
        feeds=FeedReport(),
        editions=EditionsReport(),
        deliveries=replace(
            deliveries,
            sent=0,
            retried=0,
            failed=0,
            in_doubt=0,
            expired=0,
            skipped=0,
            recovered=0,
            repeated=0,
            finished=(),
            failures=(),
            warnings=(),
        ),
    )
