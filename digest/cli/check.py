"""``digest check``: everything that can be wrong, at once, with where and what to do. Changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from digest.cli import config_option
from digest.errors import ConfigError

if TYPE_CHECKING:
    from digest.jobs.check.findings import CheckReport, Finding

SHOWN = 20
"""Lines below a finding before the rest is only counted (``--verbose`` lists all)."""
_COLOURS = {"ok": "green", "warning": "yellow", "problem": "red", "skipped": "blue"}


@click.command("check")
@config_option
@click.option("--offline", is_flag=True, help="Ask nobody: no mail server, no DNS, no web server, no time server.")
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, 600),
    default=15.0,
    show_default=True,
    metavar="SECONDS",
    help="What all questions to the network may take together; they are asked at the same time.",
)
@click.option("--resolver", metavar="ADDRESS", help="Ask this name server, such as 9.9.9.9 or 127.0.0.1:5353.")
@click.option("--time-server", metavar="HOST", help="Ask this time server instead of pool.ntp.org.")
@click.option(
    "--against",
    metavar="PLACE",
    help="Compare addresses of posts with the site: its built folder, its sitemap.xml or feed, or its address.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON, for programs.")
@click.option("--verbose", is_flag=True, help="List every file, also those left out on purpose.")
def command(
    config: Path,
    offline: bool,
    timeout: float,
    resolver: str | None,
    time_server: str | None,
    against: str | None,
    as_json: bool,
    verbose: bool,
) -> int:
    """Look for everything that is wrong: configuration, posts, templates, feeds, mail, DNS, web server, clock.

    Nothing is changed and nothing is sent. Exit code 0: fine, perhaps with warnings; 1: problems; 2: the configuration
    cannot be used.

    For example: digest check --offline --verbose
    """
    from digest.app.check import Wanted, check_up
    from digest.cli.progress import terminal_progress

    wanted = Wanted(offline=offline, seconds=timeout, resolver=resolver, time_server=time_server, against=against)
    try:
        with terminal_progress(enabled=not as_json) as progress:
            report = check_up(config, wanted, progress=progress)
    except ConfigError as error:
        if not as_json:
            raise
        click.echo(_config_json(error))
        return 2
    if as_json:
        click.echo(_report_json(report))
    else:
        for line in _lines(report, verbose=verbose):
            click.echo(line)
    return 0 if report.ok else 1


def _lines(report: CheckReport, *, verbose: bool) -> Iterator[str]:
    for group, findings in groupby(report.findings, key=lambda finding: finding.group):
        yield click.style(group, bold=True)
        for finding in findings:
            yield from _finding(finding, verbose=verbose)
    yield _summary(report)


def _finding(finding: Finding, *, verbose: bool) -> Iterator[str]:
    verdict = finding.verdict.value
    mark = click.style(f"{verdict:<8}", fg=_COLOURS[verdict], bold=verdict == "problem")
    yield f"  {mark} {finding.name}: {finding.says}" + (f"; {finding.remedy}" if finding.remedy else "")
    if verdict == "ok" and not verbose:
        return
    shown = finding.details if verbose else finding.details[:SHOWN]
    for line in shown:
        yield f"             {line}"
    if len(shown) < len(finding.details):
        yield f"             … {len(finding.details) - len(shown)} more (--verbose lists all)"


def _summary(report: CheckReport) -> str:
    from digest.jobs.check.findings import Verdict

    counts = {verdict: report.count(verdict) for verdict in Verdict}
    problems, warnings = counts[Verdict.PROBLEM], counts[Verdict.WARNING]
    told = [
        f"{problems} problem{'' if problems == 1 else 's'}",
        f"{warnings} warning{'' if warnings == 1 else 's'}",
        f"{counts[Verdict.OK]} ok",
        f"{counts[Verdict.SKIPPED]} skipped",
    ]
    return click.style(", ".join(told), fg="red" if problems else "yellow" if warnings else "green", bold=True)


def _report_json(report: CheckReport) -> str:
    import msgspec

    from digest.jobs.check.findings import Verdict

    value = {
        "ok": report.ok,
        "counts": {verdict.value: report.count(verdict) for verdict in Verdict},
        "findings": msgspec.to_builtins(report.findings),
    }
    return json.dumps(value, ensure_ascii=False, indent=2)


def _config_json(error: ConfigError) -> str:
    from digest.jobs.check.findings import CheckReport, Finding, Verdict

    found = (
        Finding(group="configuration", name=error.subject, verdict=Verdict.PROBLEM, says=line)
        for line in error.problems or (str(error),)
    )
    return _report_json(CheckReport(findings=tuple(found)))
