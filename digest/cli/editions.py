"""``digest editions``: the editions that were made; and those of past days, made up."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from digest.cli import CommandGroup, config_option
from digest.cli.files import write_file
from digest.cli.report import told_balance

if TYPE_CHECKING:
    from digest.jobs.editions.back_issues import Issue
    from digest.jobs.editions.backfill import BackfillReport

FORMATS = ("html", "txt", "eml", "json")

_own_config = click.option("--config", "own", type=click.Path(path_type=Path), help="The configuration.")
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
_day = click.DateTime(formats=["%Y-%m-%d"])


@click.group("editions", cls=CommandGroup)
@config_option
@click.pass_context
def command(context: click.Context, config: Path) -> None:
    """List, show, export, approve and cancel editions; make up those of past days.

    For example: digest editions show daily latest
    """
    context.obj = config


@command.command("list")
@click.argument("digest", required=False)
@_own_config
@_as_json
@click.pass_obj
def list_editions(config: Path, digest: str | None, own: Path | None, as_json: bool) -> int:
    """Every edition, newest first.

    For example: digest editions list daily
    """
    from digest.app.assembly import opened_beside
    from digest.jobs.editions.back_issues import list_issues

    with opened_beside(own or config) as app:
        found = list_issues(app.store, [digest] if digest else [plan.name for plan in app.plans()])
        zone = app.settings.site.timezone
    if as_json:
        rows = [
            {
                "digest": name,
                "period": row.period,
                "state": row.state.value,
                "posts": row.posts,
                "subject": row.subject,
                "frozen_at": row.frozen_at.isoformat(),
            }
            for name, row in found
        ]
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return 0
    for name, row in found:
        moment = row.frozen_at.astimezone(zone)
        click.echo(
            f"{name} {row.period}  {moment:%Y-%m-%d %H:%M}  {row.state.value:<9} {_posts(row.posts):>10}  {row.subject}"
        )
    if not found:
        click.echo("no editions yet")
    return 0


@command.command("show")
@click.argument("digest")
@click.argument("period")
@_own_config
@click.option("--reasons", is_flag=True, help="List every post with its place and the reason for it instead.")
@_as_json
@click.pass_obj
def show(config: Path, digest: str, period: str, own: Path | None, reasons: bool, as_json: bool) -> int:
    """The text part of an edition's mail. PERIOD is as in the list, or "latest".

    For example: digest editions show daily 2026-11-24 --reasons
    """
    from digest.app.assembly import opened_beside
    from digest.app.showing import mail_of
    from digest.jobs.editions.back_issues import find_issue, issue_to_json

    with opened_beside(own or config) as app:
        issue = find_issue(app.store, app.render_context().publisher, digest, period)
        text = mail_of(app, issue).text
    if as_json:
        click.echo(issue_to_json(issue, text), nl=False)
    elif reasons:
        _print_reasons(issue)
    else:
        click.echo(text, nl=False)
    return 0


@command.command("export")
@click.argument("digest")
@click.argument("period")
@_own_config
@click.option(
    "--to", "folder", type=click.Path(path_type=Path), default=Path(), show_default=True, help="Where the files go."
)
@click.option("--format", "formats", type=click.Choice(FORMATS), multiple=True, help="Only this; may be repeated.")
@click.pass_obj
def export(config: Path, digest: str, period: str, own: Path | None, folder: Path, formats: tuple[str, ...]) -> int:
    """An edition as files: the mail's HTML and text, the message itself, and everything as JSON.

    For example: digest editions export daily latest --to /tmp --format eml
    """
    from digest.app.assembly import opened_beside
    from digest.app.showing import mail_of
    from digest.jobs.editions.back_issues import files_of_issue, find_issue

    with opened_beside(own or config) as app:
        issue = find_issue(app.store, app.render_context().publisher, digest, period)
        files = files_of_issue(issue, mail_of(app, issue))
    for ending in formats or FORMATS:
        path = folder / f"{issue.saved.digest}-{issue.saved.period}.{ending}"
        write_file(path, files[ending], "name another folder with --to")
        click.echo(str(path))
    return 0


@command.command("approve")
@click.argument("digest")
@click.argument("period")
@_own_config
@click.pass_obj
def approve(config: Path, digest: str, period: str, own: Path | None) -> int:
    """Approve an edition that waits for it (mail.approve): the next run makes it. PERIOD as in the list, or "latest".

    For example: digest editions approve daily 2026-11-24
    """
    from digest.app.approving import approve_edition
    from digest.app.assembly import opened_beside

    with opened_beside(own or config) as app:
        found = approve_edition(app, digest, period)
    click.echo(f"{found.digest} {found.period}: approved, it leaves with the next run: {found.subject}")
    return 0


@command.command("cancel")
@click.argument("digest")
@click.argument("period")
@_own_config
@click.pass_obj
def cancel(config: Path, digest: str, period: str, own: Path | None) -> int:
    """Mail nothing more of an edition that is being sent. What has left has left; its page stays.

    For example: digest editions cancel daily 2026-11-24
    """
    from digest.app.assembly import opened_beside
    from digest.app.sending import cancel_edition

    with opened_beside(own or config) as app:
        spared = cancel_edition(app, digest, period)
    click.echo(f"{digest} {period}: cancelled, {_count(spared, 'mail')} not sent")
    return 0


@command.command("resume")
@click.argument("digest")
@click.argument("period")
@_own_config
@click.pass_obj
def resume(config: Path, digest: str, period: str, own: Path | None) -> int:
    """Let a paused edition be sent, with what failed because of us; also of an edition that is done, until it is over.

    For example: digest editions resume daily 2026-11-24
    """
    from digest.app.assembly import opened_beside
    from digest.app.sending import resume_edition

    with opened_beside(own or config) as app:
        waiting = resume_edition(app, digest, period)
    click.echo(f"{digest} {period}: resumed, {_count(waiting, 'mail')} waiting for the next run")
    return 0


@command.command("backfill")
@_own_config
@click.option("--digest", help="Which one; needed if there are several.")
@click.option("--from", "first", type=_day, required=True, help="The first day, such as 2026-11-01.")
@click.option("--to", "last", type=_day, required=True, help="The last day.")
@click.option("--as-of", metavar="TIME", help="Pretend it is then, as for digest run.")
@click.option("--dry-run", is_flag=True, help="Touch nothing; say what would happen.")
@_as_json
@click.pass_obj
def backfill(
    config: Path,
    own: Path | None,
    digest: str | None,
    first: datetime,
    last: datetime,
    as_of: str | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Make up the editions of past days for the web and the feed of editions. Nobody is mailed.

    For example: digest editions backfill --from 2026-11-01 --to 2026-11-20
    """
    from digest.app.publishing import backfill_editions
    from digest.cli.progress import terminal_progress

    days: tuple[date, date] = (first.date(), last.date())
    with terminal_progress(enabled=not as_json) as progress:
        report = backfill_editions(own or config, digest, *days, as_of=as_of, dry_run=dry_run, progress=progress)
    if as_json:
        click.echo(_backfill_json(report))
    else:
        _print_backfill(report, dry_run=dry_run)
    return 1 if report.failures else 0


def _posts(number: int) -> str:
    return _count(number, "post")


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _print_reasons(issue: Issue) -> None:
    click.echo(f"{issue.saved.digest} {issue.saved.period}, {issue.saved.state.value}: {issue.saved.subject}")
    click.echo(issue.page)
    click.echo(told_balance(issue.edition.balance))
    for section in issue.edition.sections:
        click.echo(f"\n{section.title or '(no category)'}: {len(section.entries)}")
        for entry in section.entries:
            source = f" ({entry.source_name})" if entry.source_name else ""
            click.echo(f"  {entry.key:>7}  {entry.shown.value:<9} {entry.reason:<24} {entry.title}{source}")


def _print_backfill(report: BackfillReport, *, dry_run: bool) -> None:
    for result in report.made:
        assert result.balance is not None, "made"
        click.echo(f"{result.digest} {result.period}: {told_balance(result.balance)}")
    would = "would be made" if dry_run else "made"
    counts = [f"{_count(len(report.made), 'edition')} {would}, not mailed"]
    counts += [f"{_count(len(report.existing), 'edition')} there already"] if report.existing else []
    counts += [f"{_count(len(report.empty), 'period')} without posts"] if report.empty else []
    counts += [f"{period} is left to the next run" for period in report.due]
    counts += [f"{_posts(report.waiting)} left to the next edition"] if report.waiting else []
    click.echo("; ".join(counts))
    for line in report.failures:
        click.echo(f"digest: {line}", err=True)


def _backfill_json(report: BackfillReport) -> str:
    import msgspec

    value = {
        "ok": not report.failures,
        "digest": report.digest,
        "made": msgspec.to_builtins(report.made),
        "existing": report.existing,
        "due": report.due,
        "empty": report.empty,
        "waiting": report.waiting,
        "written": report.written,
        "failures": report.failures,
    }
    return json.dumps(value, ensure_ascii=False, indent=2)
