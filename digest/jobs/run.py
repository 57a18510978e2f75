"""One run: collect, make the editions that are due, publish, deliver; and a report of all of it.

Each step stands alone: when one fails, its failure is listed, the steps after it work with what is there, and the
next run makes up for it. Only a store that cannot be used ends a run.

A run is over when its editions are frozen and its files are in place: that is written down, and the right to run is let
go, before any mail leaves. What becomes of the mail is added to its report; however long that takes, or if it is cut
short, the run has ended well, and the next one is not held up.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from datetime import date, datetime, time
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct, field, to_builtins

from digest.errors import DigestError, StoreError
from digest.jobs.sparing import REMEDY, tried
from digest.ports import RunStore

if TYPE_CHECKING:
    from digest.jobs.archive.collect import CollectReport
    from digest.jobs.delivery.deliver import DeliveryReport
    from digest.jobs.editions.make import EditionsReport
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

    def to_json(self, *, for_log: bool = False) -> str:
        """All of it for programs: keys as in the reports' classes, times in ISO 8601 (UTC). In the log of runs, which
        keeps thousands of them, sources without news are left out."""
        value: dict[str, Any] = {"ok": self.ok, **to_builtins(self, builtin_types=(datetime, date, time))}
        if self.collected is not None:
            value["collected"]["skipped"] = self.collected.skipped
            if for_log:
                sources = self.collected.sources.items()
                told = {name for name, each in sources if each.arrived or each.edited or each.doubled or each.fault}
                value["collected"]["sources"] = {name: value["collected"]["sources"][name] for name in sorted(told)}
        return json.dumps(value, ensure_ascii=False, indent=2, default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    raise TypeError(f"no JSON for {type(value).__name__}")


class Steps(Struct, frozen=True, kw_only=True):
    """The steps, ready to be called: what they need is bound by ``app``."""

    take_on: Callable[[], Sequence[str]] = tuple
    """Write down whose store it is; gives warnings."""
    set_right: Callable[[], Sequence[str]] = tuple
    """Undo what a clock that was ahead left behind; gives warnings."""
    mark: Callable[[], None] = lambda: None
    """Leave a mark in the output."""
    collect: Callable[[], CollectReport]
    publish_feeds: Callable[[], FeedReport]
    make_editions: Callable[[], EditionsReport]
    publish_editions: Callable[[EditionsReport], EditionsReport]
    deliver: Callable[[], DeliveryReport] | None
    """None: somebody else does it."""
    let_go: Callable[[], None] = lambda: None
    """Give the right to run back; called before ``deliver``, which needs none."""


def run(
    store: RunStore,
    steps: Steps,
    *,
    now: datetime,
    only: Collection[Step] = (),
    dry_run: bool = False,
    clock: Callable[[], datetime] | None = None,
) -> RunReport:
    """Run the steps (all, or ``only`` some) on a store that is held exclusively until ``Steps.let_go``. ``clock`` goes
    on from ``now`` and tells when it is over. Raises StoreError alone."""
    report = RunReport(now=now, dry_run=dry_run)
    number = store.started(now)
    wanted = only or frozenset(Step)
    report.warnings += steps.take_on()
    report.warnings += steps.set_right()
    _publish(report, steps, wanted)
    _gather(report, report.collected, report.feeds, report.editions)
    ended = clock() if clock is not None else now

    def write_down() -> None:
        arrived = report.collected.arrived if report.collected is not None else 0
        store.ended(number, ended, report.to_json(for_log=True), ok=report.ok, arrived=arrived, written=report.written)

    write_down()
    if steps.deliver is not None and Step.DIGEST in wanted:
        steps.let_go()
        report.deliveries = _attempt(report, steps.deliver)
        _gather(report, report.deliveries)
        if report.deliveries is None or not report.deliveries.is_empty:
            write_down()
    return report


def _publish(report: RunReport, steps: Steps, wanted: Collection[Step]) -> None:
    """Everything but mail."""
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
    if {Step.FEEDS, Step.DIGEST} & set(wanted):
        _attempt(report, steps.mark)


def _attempt(report: RunReport, step: Callable[[], T]) -> T | None:
    def broke(reason: str) -> None:
        report.failures.append(f"a step of the run broke: {reason}; {REMEDY}")

    try:
        return tried(step, broke)
    except StoreError:
        raise
    except DigestError as error:
        report.failures.append(str(error))
        return None


def _gather(report: RunReport, *parts: CollectReport | FeedReport | EditionsReport | DeliveryReport | None) -> None:
    """What several steps stumbled over is told once."""
    for part in parts:
        if part is not None:
            report.failures += part.failures
            report.warnings += part.warnings
    report.failures = list(dict.fromkeys(report.failures))
