"""The report of a run, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from digest.models import Problem, Severity
from digest.text import local_time, printable

if TYPE_CHECKING:
    from digest.edition.contents import Balance
    from digest.jobs.archive.collect import CollectReport, SourceReport
    from digest.jobs.editions.make import EditionResult
    from digest.jobs.run import RunReport

SHOWN = 20
"""Problems and files listed one by one before the rest is only counted (``--verbose`` lists all)."""
_SOURCES = 5
"""Sources with news that are named, and..."""
_FAULTS = 3
"""those that fail, before the rest is only counted."""


def print_report(report: RunReport, zone: ZoneInfo, *, verbose: bool) -> None:
    """Say what happened in a few lines; times in ``zone``. Failures go to standard error."""
    for line in _lines(report, zone, verbose=verbose):
        click.echo(line)
    for line in report.warnings:
        click.echo(click.style("warning: ", fg="yellow") + printable(line), err=True)
    for line in report.failures:
        click.echo(click.style("failed: ", fg="red", bold=True) + printable(line), err=True)


def _lines(report: RunReport, zone: ZoneInfo, *, verbose: bool) -> Iterator[str]:
    yield headline(report.now, zone, dry_run=report.dry_run)
    yield from report_lines(report, zone, verbose=verbose)


def headline(now: datetime, zone: ZoneInfo, *, dry_run: bool = False) -> str:
    """The first line of a report."""
    moment = now.astimezone(zone)
    return f"digest run, {moment:%Y-%m-%d %H:%M} {zone.key}" + (" (dry run, nothing was touched)" if dry_run else "")


def report_lines(report: RunReport, zone: ZoneInfo, *, verbose: bool = False) -> Iterator[str]:
    """What a report says to people, after its headline; times in ``zone``."""
    if report.collected is not None:
        yield from _collected(report.collected, verbose=verbose, dry_run=report.dry_run)
        if report.collected.sources:
            yield _row("sources", "; ".join(_sources(report.collected.sources, report.now.astimezone(zone))))
    yield from _published(report, verbose=verbose)
    yield from _digests(report, report.now.astimezone(zone), verbose=verbose)


def _row(name: str, text: str) -> str:
    return click.style(f"  {name:<10}", bold=True) + printable(text)


def _collected(report: CollectReport, *, verbose: bool, dry_run: bool) -> Iterator[str]:
    yield _row(
        "posts",
        f"{report.arrived} arrived, {report.edited} edited, {report.renamed} renamed, {report.gone} gone; "
        f"{report.found} files = {report.taken} posts + {report.skipped} left out"
        + (f" + {report.unsettled} being written" if report.unsettled else ""),
    )
    if report.unsettled:
        yield _row("unsettled", _unsettled(report.unsettled_path, report.unsettled))
    yield from _left(report, verbose=verbose, dry_run=dry_run)
    by_severity = Counter(problem.severity for problem in report.problems)
    if by_severity:
        yield _row(
            "problems",
            f"{by_severity[Severity.SKIPPED]} files cannot be used, {by_severity[Severity.NOTE]} are left out on "
            f"purpose, {by_severity[Severity.WARNING]} warnings"
            + (f", {stale} broken and published as before" if (stale := by_severity[Severity.STALE]) else ""),
        )
    shown = [problem for problem in report.problems if verbose or problem.severity is not Severity.NOTE]
    shown.sort(key=lambda problem: (problem.severity is Severity.WARNING, problem.path, problem.line or 0))
    for problem in shown if verbose else shown[:SHOWN]:
        yield f"    {_mark(problem)} {printable(str(problem))}"
    if not verbose and len(shown) > SHOWN:
        yield f"    … {len(shown) - SHOWN} more (--verbose lists all)"


def _sources(sources: Mapping[str, SourceReport], now: datetime) -> Iterator[str]:
    """What each of those that were looked at brought, or why it did not; of many, how many. ``now`` in the zone of all
    times."""
    told = {name: _brought(each.arrived, each.edited, each.doubled) for name, each in sources.items()}
    news = [f"{name} {words}" for name, words in told.items() if words]
    failing = [f"{name}: fails {_since(each, now)}({each.fault})" for name, each in sources.items() if each.fault]
    if len(news) > _SOURCES:
        sums = [sum(getattr(each, name) for each in sources.values()) for name in ("arrived", "edited", "doubled")]
        yield f"{_brought(*sums)} ({len(news):,} of {len(sources):,} sources)"
    elif news:
        yield from news
    elif not failing:
        yield f"nothing new from {len(sources):,}"
    yield from failing[:_FAULTS]
    if len(failing) > _FAULTS:
        yield f"{len(failing) - _FAULTS:,} more fail: digest status shows all"


def _brought(arrived: int, edited: int, doubled: int) -> str:
    """``2 arrived``, and what else is more than nothing."""
    named = ((arrived, "arrived"), (edited, "edited"), (doubled, "known from another source"))
    return ", ".join(f"{number:,} {what}" for number, what in named if number)


def _since(report: SourceReport, now: datetime) -> str:
    since, zone = report.failing_since, now.tzinfo
    return "" if since is None or zone is None else f"since {local_time(since, zone, now)} "


def _unsettled(path: str, count: int) -> str:
    some = (
        f"{path} was written a moment ago" if count == 1 else f"{path} and {count - 1} more were written a moment ago"
    )
    return f"{some}: read by the first run that finds {'it' if count == 1 else 'them'} at rest (posts.settle)"


def _left(report: CollectReport, *, verbose: bool, dry_run: bool) -> Iterator[str]:
    """Posts whose file is missing: withdrawn or about to be, which a dry run shows one by one, or not."""
    named = (
        ("withdrawn", report.withdrawn, "if this were no dry run" if dry_run else "now"),
        ("missing", report.held, "withdrawn if you say --accept-gone"),
    )
    for name, paths, when in named if verbose or dry_run else ():
        if paths:
            yield _row(name, f"{len(paths)} {'post' if len(paths) == 1 else 'posts'}, {when}:")
            yield from (f"    {path}" for path in (paths if verbose else paths[:SHOWN]))
        if not verbose and len(paths) > SHOWN:
            yield f"    … {len(paths) - SHOWN} more (--verbose lists all)"
    if report.retained:
        noun = "post" if report.retained == 1 else "posts"
        yield _row("retention", f"{report.retained} {noun} left the folder, by age or to another one; still published")
    if report.waiting and verbose:
        yield _row(
            "waiting", f"{report.waiting} of the oldest posts are missing; a later day shows if that is their age"
        )


def _mark(problem: Problem) -> str:
    colours = {Severity.SKIPPED: "red", Severity.WARNING: "yellow", Severity.NOTE: "blue", Severity.STALE: "red"}
    return click.style(f"{problem.severity.value}:", fg=colours[problem.severity])


def _published(report: RunReport, *, verbose: bool) -> Iterator[str]:
    if report.feeds is None:
        return
    written, unchanged = list(report.feeds.written), report.feeds.unchanged
    if report.editions is not None:
        written += report.editions.written
        unchanged += report.editions.unchanged
    verb = "would be written" if report.dry_run else "written"
    yield _row("files", f"{len(written)} {verb}, {unchanged} unchanged")
    if verbose:
        for path in written:
            yield f"    {printable(path)}"


def _digests(report: RunReport, now: datetime, *, verbose: bool) -> Iterator[str]:
    if report.editions is not None:
        for result in report.editions.results:
            yield _row("edition", _edition(result, now, dry_run=report.dry_run))
            yield from _passed_over(result, verbose=verbose)
    if report.deliveries is not None:
        line = report.deliveries.line()
        yield _row("mail", line.replace(" sent", " would be sent", 1) if report.dry_run else line)


def _passed_over(result: EditionResult, *, verbose: bool) -> Iterator[str]:
    """Posts that came late, and those that came too late for any edition."""
    if result.late:
        noun = "post" if result.late == 1 else "posts"
        yield _row("late", f"{result.late} {noun} of {result.digest} {result.period} came after the edition before it")
    if result.left_out:
        noun = "post that came is" if result.left_out == 1 else "posts that came are"
        yield _row("left out", f"{result.left_out} {noun} in no edition of {result.digest}: too old (max_age)")
        shown = result.some_left_out if verbose else ()
        yield from (f"    {printable(path)}" for path in shown)
        if verbose and result.left_out > len(shown):
            yield f"    … {result.left_out - len(shown)} more"


def _edition(result: EditionResult, now: datetime, *, dry_run: bool) -> str:
    """``daily 2026-11-24: 312 posts = 98 in the mail + 41 grouped with them + 173 on its page only; goes to 3
    addresses; https://…/editions/daily/2026-11-24/``, or why there is none. ``now`` in the zone of all times."""
    name = f"{result.digest} {result.period}: "
    if result.until is not None:
        until = local_time(result.until, now.tzinfo or UTC, now)
        readers = f"{result.recipients} address" + ("" if result.recipients == 1 else "es")
        return f"{name}{result.outcome.value} until {until}; would go to {readers}: {result.subject}"
    if result.balance is None:
        left = f", {result.waiting} left to the next edition" if result.waiting else ""
        return name + result.outcome.value + left
    addresses = f"{result.recipients} address" + ("" if result.recipients == 1 else "es")
    return f"{name}{told_balance(result.balance)}; {'would go' if dry_run else 'goes'} to {addresses}; {result.page}"


def told_balance(balance: Balance) -> str:
    """``312 posts = 98 in the mail + 41 grouped with them + 173 on its page only``: it adds up, always."""
    grouped = f" + {balance.grouped} grouped with them" if balance.grouped else ""
    arrived = f"{balance.arrived} post" + ("" if balance.arrived == 1 else "s")
    return f"{arrived} = {balance.here} in the mail{grouped} + {balance.page} on its page only"
