"""``digest bounces``: read mail that came back, and learn from it."""

from __future__ import annotations

from pathlib import Path

import click

from digest.cli import CommandGroup, config_option


@click.group("bounces", cls=CommandGroup)
def command() -> None:
    """Read mail that came back: dead addresses and complaints are never written to again.

    For example: digest bounces ingest maildir:/var/mail/bounces
    """


@command.command("ingest")
@click.argument("place")
@config_option
def ingest(place: str, config: Path) -> int:
    """Read reports from PLACE: a FILE (one mail, or an mbox), - for standard input, maildir:DIR, or
    imap://USER@HOST/INBOX (password in DIGEST_IMAP_PASSWORD).

    For example, from a mail server's alias: | digest bounces ingest - --config /etc/digest/config.yaml
    """
    import os

    from digest.app.assembly import with_subscriber_service
    from digest.mail.inbox import read_mails

    with with_subscriber_service(config) as (subscriber_service, now):
        report = subscriber_service.ingest(read_mails(place, os.environ), now)
    click.echo(report.line())
    for line in report.warnings:
        click.echo(click.style("warning: ", fg="yellow") + line, err=True)
    return 0
