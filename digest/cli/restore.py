"""``digest restore``: a backup in the place of the store."""

from __future__ import annotations

from pathlib import Path

import click

from digest.cli import config_option


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path))
@config_option
@click.option("--force", is_flag=True, help="Forget what happened after the backup; replace another secret.")
@click.option(
    "--sent-until",
    metavar="TIME",
    help='Mail may have gone out until then: "2026-11-24 08:30" (site zone). Default: now.',
)
@click.option("--nothing-sent", is_flag=True, help="No mail has gone out since the backup: hold nothing.")
def command(file: Path, config: Path, force: bool, sent_until: str | None, nothing_sent: bool) -> int:
    """Put a backup in the place of store and secret. What may have been mailed since is held until you decide.

    For example: digest restore /backups/digest-20261124T030000Z.tar.gz
    """
    from digest.app.backup import restore_backup
    from digest.cli.backup import counted

    if nothing_sent and sent_until is not None:
        raise click.UsageError("--sent-until and --nothing-sent contradict each other")
    report, zone = restore_backup(config, file, force=force, sent_until=sent_until, nothing_sent=nothing_sent)
    made = f"{report.manifest.made_at.astimezone(zone):%Y-%m-%d %H:%M} {zone.key}"
    click.echo(f"{report.store} is as it was at {made}: {counted(report.manifest.counts)}")
    click.echo(f"secret: {report.secret}")
    for path in report.replaced:
        click.echo(f"what was there before is kept: {path}")
    if report.sent_until is None:
        click.echo("nothing is held: you say that no mail has gone out since")
        return 0
    until = f"{report.sent_until.astimezone(zone):%Y-%m-%d %H:%M}"
    noun = "delivery" if report.held == 1 else "deliveries"
    click.echo(f"{report.held:,} {noun} may have gone out since and wait for your word: digest doubts list")
    click.echo(f"so will those of editions that were due until {until} and are made now; their posts may have been")
    click.echo("mailed before. Who left or was suppressed since the backup is not known: look at your server's log")
    return 0
