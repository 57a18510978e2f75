"""One run: collect, make the editions that are due, publish, deliver; and a report of all of it.

Each step stands alone: when one fails, its failure is listed, the steps after it work with what is there, and the
next run makes up for it. Only a store that cannot be used ends a run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct, field

from digest.errors import DigestError, StoreError
from digest.ports import RunStore

if TYPE_CHECKING:
    from digest.jobs.collect import CollectReport
    from digest.jobs.deliver import DeliveryReport
    from digest.jobs.editions import EditionsReport
    from digest.jobs.feeds import FeedReport

T = TypeVar("T")


class Step(StrEnum):
    """The steps of a run, in order; ``--only`` picks some."""

    COLLECT = "collect"
    FEEDS = "feeds"
    DIGEST = "digest"


class RunReport(Struct, kw_only=True):
    """What happened. Filled step by step; a step that was left out or failed stays None."""

    now: datetime
    dry_run: bool = False
    collected: CollectReport | None = None
    feeds: FeedReport | None = None
    editions: EditionsReport | None = None
    deliveries: DeliveryReport | None = None
    failures: list[str] = field(default_factory=list)
    """One line each: where, what, what to do."""
    warnings: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.failures

    @property
    def written(self) -> int:
        """Files that were put in place."""
        return sum(len(part.written) for part in (self.feeds, self.editions) if part is not None)


class Steps(Struct, frozen=True, kw_only=True):
    """The steps, ready to be called: what they need is bound by ``app``."""

    collect: Callable[[], CollectReport]
    publish_feeds: Callable[[], FeedReport]
    make_editions: Callable[[], EditionsReport]
    publish_editions: Callable[[EditionsReport], EditionsReport]
    deliver: Callable[[], DeliveryReport] | None
    """None: somebody else does it."""


def run(
    store: RunStore,
    steps: Steps,
    *,
    now: datetime,
    only: Collection[Step] = (),
    dry_run: bool = False,
    to_json: Callable[[RunReport], str],
    clock: Callable[[], datetime] | None = None,
) -> RunReport:
    """Run the steps (all, or ``only`` some) on a store that is held exclusively. ``clock`` goes on from ``now`` and
    tells when it is over. Raises StoreError alone."""
    report = RunReport(now=now, dry_run=dry_run)
    number = store.started(now)
    wanted = only or frozenset(Step)
    if Step.COLLECT in wanted:
        report.collected = _attempt(report, steps.collect)
    if Step.DIGEST in wanted:
        report.editions = _attempt(report, steps.make_editions)
    if Step.FEEDS in wanted:
        report.feeds = _attempt(report, steps.publish_feeds)
    if Step.DIGEST in wanted:
        made = report.editions
        if made is not None:
            report.editions = _attempt(report, lambda: steps.publish_editions(made)) or made
        if steps.deliver is not None:
            report.deliveries = _attempt(report, steps.deliver)
    _gather(report)
    store.ended(
        number,
        clock() if clock is not None else now,
        to_json(report),
        ok=report.ok,
        arrived=report.collected.arrived if report.collected is not None else 0,
        written=report.written,
    )
    return report


def _attempt(report: RunReport, step: Callable[[], T]) -> T | None:
    try:
        return step()
    except StoreError:
        raise
    except DigestError as error:
        report.failures.append(str(error))
        return None


def _gather(report: RunReport) -> None:
    """What several steps stumbled over is told once."""
    for part in (report.feeds, report.editions, report.deliveries):
        if part is not None:
            report.failures += part.failures
            report.warnings += part.warnings
    report.failures = list(dict.fromkeys(report.failures))
