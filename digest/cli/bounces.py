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


@command.command("explain")
@click.argument("place")
@config_option
def explain(place: str, config: Path) -> int:
    """Say what a mail at PLACE (as for ingest) would be taken for, and why. Nothing is counted.

    For example: digest bounces explain report.eml
    """
    import os

    from digest.app.assembly import with_subscriber_service
    from digest.mail.inbox import read_mails

    if place.startswith(("maildir:", "imap://", "imaps://")):
        raise click.UsageError("only a file or - can be explained: what is read of a mailbox is marked as read")
    with with_subscriber_service(config) as (subscriber_service, now):
        for number, lines in enumerate(subscriber_service.explain_bounces(read_mails(place, os.environ), now)):
            click.echo(("\n" if number else "") + "\n".join(lines))
    return 0


@command.command("batches")
@config_option
def batches(config: Path) -> int:
    """List the batches: addresses that died of the same at once, too many to be believed.

    For example: digest bounces batches
    """
    from digest.app.assembly import with_subscriber_service

    with with_subscriber_service(config) as (subscriber_service, _):
        found = subscriber_service.store.batches()
    for batch in found:
        click.echo(batch.line())
    if not found:
        click.echo("there are none")
    return 0


@command.command("accept")
@click.argument("batch", type=int)
@config_option
def accept(batch: int, config: Path) -> int:
    """Suppress the addresses that wait in BATCH: they are really dead.

    For example: digest bounces accept 3
    """
    from digest.app.assembly import with_subscriber_service

    with with_subscriber_service(config) as (subscriber_service, now):
        count = subscriber_service.store.accept_batch(batch, now)
    return _said(batch, count, "suppressed", "waits")


@command.command("undo")
@click.argument("batch", type=int)
@config_option
def undo(batch: int, config: Path) -> int:
    """Give back what BATCH did: nobody in it is suppressed, and what led there is forgotten.

    For example: digest bounces undo 3
    """
    from digest.app.assembly import with_subscriber_service

    with with_subscriber_service(config) as (subscriber_service, _):
        count = subscriber_service.store.undo_batch(batch)
    return _said(batch, count, "given back", "can be undone")


def _said(batch: int, count: int | None, done: str, possible: str) -> int:
    if count is None:
        click.echo(f"no batch {batch} {possible}; see: digest bounces batches", err=True)
        return 1
    click.echo(f"batch {batch}: {count} {done}")
    return 0
