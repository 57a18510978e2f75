"""Make up editions of past days, for the web and feed readers; nobody is mailed.

A backfilled edition is frozen as if in the last second of its period, so it comes out the same whenever it is made. It
has what was published in its period and is in no other edition of the digest. What is there stays as it is, and posts
that the next edition will mail are left to it, so doing this twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta

from msgspec import Struct, field

from digest.edition.contents import Reason
from digest.edition.hand import edit
from digest.edition.past import Past
from digest.errors import ConfigError, StoreError
from digest.jobs.editions.make import (
    DigestPlan,
    EditionResult,
    EditionsReport,
    FileOf,
    build_frozen,
    due_of,
    made_of,
    no_file,
    titles_beside,
    waiting_posts,
)
from digest.jobs.progress import Progress, silent
from digest.models import EditionState
from digest.period import Kind, day_bounds, period_days, period_name
from digest.ports import EditionStore
from digest.render.context import RenderContext

GROUP = 31
"""Editions whose pages are put in place together."""


class BackfillReport(Struct, kw_only=True):
    """What became of each period; the lists hold their names, oldest first."""

    digest: str
    made: list[EditionResult] = field(default_factory=list)
    existing: list[str] = field(default_factory=list)
    """They have an edition already, which was not touched."""
    due: list[str] = field(default_factory=list)
    """Left to the next run, which will make and mail them."""
    empty: list[str] = field(default_factory=list)
    """No post is left for them."""
    waiting: int = 0
    """Posts of these periods that were left to the next edition."""
    pages: EditionsReport = field(default_factory=EditionsReport)

    @property
    def written(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.pages.written))

    @property
    def failures(self) -> list[str]:
        return self.pages.failures


def backfill(
    store: EditionStore,
    plan: DigestPlan,
    look: RenderContext,
    first: date,
    last: date,
    publish: Callable[[EditionsReport], EditionsReport],
    *,
    now: datetime,
    progress: Progress = silent,
    file_of: FileOf = no_file,
) -> BackfillReport:
    """Make up the editions of all periods that have a day from ``first`` to ``last``, and ``publish`` their pages.
    Raises ConfigError for days in the wrong order or not over yet, and StoreError."""
    zone = look.publisher.zone
    periods = _periods(plan.schedule.kind, first, last, today=now.astimezone(zone).date())
    began = store.began(plan.name)
    if began is None:
        raise StoreError(f"digest {plan.name}", "it has not begun", "run digest run first")
    due = {each.period for each in store.open_approvals(plan.name)}
    if (slot := due_of(store, plan, zone, began, now).slot) is not None:
        due.add(slot.period)
    waiting = {post.key for post in waiting_posts(store, plan, zone, now)}
    report = BackfillReport(digest=plan.name)
    for done, period in enumerate(periods):
        progress("making editions", done, len(periods))
        if period in due:
            report.due.append(period)
        else:
            _make_up(store, plan, look, period, waiting, report, file_of)
        if (done + 1) % GROUP == 0:
            report.pages = publish(report.pages)
    report.pages = publish(report.pages)
    progress("making editions", len(periods), len(periods))
    return report


def _periods(kind: Kind, first: date, last: date, *, today: date) -> list[str]:
    """Names of the periods with a day from ``first`` to ``last``, oldest first."""
    if first > last:
        raise ConfigError("--from", f"{first} is after {last}", "give the earlier day first")
    periods = list(dict.fromkeys(period_name(kind, day) for day in _days(first, last)))
    if period_days(periods[-1])[1] >= today:
        raise ConfigError("--to", f"{periods[-1]} is not over yet", "name a day before it")
    return periods


def _days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=number) for number in range((last - first).days + 1))


def _make_up(
    store: EditionStore,
    plan: DigestPlan,
    look: RenderContext,
    period: str,
    waiting: set[int],
    report: BackfillReport,
    file_of: FileOf,
) -> None:
    known = store.edition(plan.name, period)
    if known is not None and known.state is not EditionState.SKIPPED:
        report.existing.append(period)
        return
    days = period_days(period)
    start, end = day_bounds(days[0], look.publisher.zone)[0], day_bounds(days[1], look.publisher.zone)[1]
    posts = store.published_between(plan.categories, start, end, not_in=plan.name, language=plan.language)
    free = [post for post in posts if post.key not in waiting]
    report.waiting += len(posts) - len(free)
    edited = edit(free, file_of(plan.name, period))
    report.pages.warnings += edited.warnings
    left = edited.posts
    if not left:
        report.empty.append(period)
        return
    broken: dict[str, None] = {}
    frozen_at = end - timedelta(seconds=1)
    past = Past(titles=titles_beside(store, left) if plan.group_stories else ())
    mail, frozen = build_frozen(plan, look, frozen_at, period, days, Reason.BACKFILLED, edited, past, broken=broken)
    report.pages.failures += broken
    if store.backfill_editions(frozen) is None:
        report.existing.append(period)
        return
    report.made.append(made_of(mail, look))
