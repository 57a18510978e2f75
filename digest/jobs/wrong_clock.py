"""After a clock that was ahead, or a run with ``--as-of`` ahead: what they left in the future is set right.

Without this one such run would close coming periods for good, keep mail waiting until its time comes, and empty feeds
of whatever is really new. Only a run by the real clock does it, and not while it seems to be that clock that is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from digest.clocks import GivenUp, Reach, RunTimes, is_premature, seems_behind
from digest.jobs.editions.make import DigestPlan
from digest.jobs.monitoring.watch import CLAIM
from digest.outbox import DOT_LEASE, LEASE, RetryPlan
from digest.subscribers.bounces import HELD_FOR

_NAMED = 5


class TimesStore(Protocol):
    """What is needed of the store."""

    def run_times(self, now: datetime) -> RunTimes: ...
    def given_up_ahead(self, now: datetime) -> list[GivenUp]: ...
    def reopen(self, slots: Sequence[GivenUp]) -> None: ...
    def set_right(self, now: datetime, reach: Reach) -> None: ...


def set_right(
    store: TimesStore,
    plans: Callable[[], Iterable[DigestPlan]],
    zone: ZoneInfo,
    now: datetime,
    *,
    as_of: datetime | None = None,
) -> list[str]:
    """Open the periods again that were given up before their time, and bring every other time back to where it can be.
    ``as_of`` is how far ahead ``--as-of`` was used. Returns what the operator is told, one line. Raises StoreError."""
    runs = store.run_times(now)
    if seems_behind(runs, now, as_of):
        latest = f"{runs.latest:%Y-%m-%d %H:%M}"
        return [f"clock: it seems to be behind: runs took place up to {latest} UTC, one after the other; set it"]
    given_up = store.given_up_ahead(now)
    schedules = {plan.name: plan.schedule for plan in plans()} if given_up else {}
    open_again = [slot for slot in given_up if is_premature(slot, schedules.get(slot.digest), zone, now)]
    store.reopen(open_again)
    store.set_right(now, _reach())
    return [_told(open_again)] if open_again else []


def _reach() -> Reach:
    plan = RetryPlan()
    return Reach(
        lease=LEASE,
        dot_lease=DOT_LEASE,
        retry=max(plan.delays) * (1 + plan.jitter),
        hold=HELD_FOR,
        told=CLAIM,
    )


def _told(slots: Sequence[GivenUp]) -> str:
    names = [f"{slot.digest} {slot.period}" for slot in slots]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return (
        f"clock: given up before their time by a clock that was ahead, or with --as-of, and open again: "
        f"{', '.join(names[:_NAMED])}{more}"
    )
