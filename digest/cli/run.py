"""``digest run``: collect, publish feeds and pages, make and send what is due; once, then exit."""

from __future__ import annotations

from pathlib import Path

import click

from digest.cli import config_option
from digest.errors import AlreadyRunning


@click.command("run")
@config_option
@click.option("--as-of", metavar="TIME", help='Pretend it is then: "2026-11-24 08:00" (site zone) or with a zone.')
@click.option(
    "--only",
    type=click.Choice(["collect", "feeds", "digest"]),
    multiple=True,
    help="Do this step (may be given several times) and leave the others out.",
)
@click.option("--no-mail", is_flag=True, help="Hand no mail over: digest deliver does, when the site is deployed.")
@click.option("--dry-run", is_flag=True, help="Touch nothing, mark nothing; say what would happen.")
@click.option("--accept-gone", is_flag=True, help="All posts that are missing now are meant to be gone: withdraw them.")
@click.option("--site-moved", is_flag=True, help="Consent, once: this is the site that the store knows, moved.")
@click.option("--start-afresh", is_flag=True, help="Consent, once: begin with an empty store beside published files.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON, for programs.")
@click.option("--verbose", is_flag=True, help="Also list what was left out on purpose, and every file written.")
def command(
    config: Path,
    as_of: str | None,
    only: tuple[str, ...],
    no_mail: bool,
    dry_run: bool,
    accept_gone: bool,
    site_moved: bool,
    start_afresh: bool,
    as_json: bool,
    verbose: bool,
) -> int:
    """Collect posts, publish feeds and pages, make and send what is due; once, then exit.

    For example: digest run --config config.yaml --dry-run
    """
    from digest.app.admission import Consents
    from digest.app.running import run_once
    from digest.cli.progress import terminal_progress
    from digest.cli.report import print_report
    from digest.jobs.run import Step

    try:
        with terminal_progress(enabled=not as_json) as progress:
            report, zone = run_once(
                config,
                as_of=as_of,
                only=[Step(name) for name in only],
                dry_run=dry_run,
                mail=not no_mail,
                accept_gone=accept_gone,
                progress=progress,
                consents=Consents(site_moved=site_moved, start_afresh=start_afresh),
            )
    except AlreadyRunning as busy:  # it does what this one would have done
        click.echo(f"digest: {busy}", err=True)
        return 0
    if as_json:
        click.echo(report.to_json())
    else:
        print_report(report, zone, verbose=verbose)
    return 0 if report.ok else 1
