"""``digest doubts``: deliveries of which nobody can know whether they arrived, and the operator's word on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from digest.cli import CommandGroup, config_option

if TYPE_CHECKING:
    from digest.jobs.delivery.doubts import Settled


@click.group("doubts", cls=CommandGroup)
def command() -> None:
    """See and settle deliveries that may or may not have arrived; the mail server's log knows their Message-ID, a
    channel's receiver the Idempotency-Key, which is the same.

    For example: digest doubts list
    """


_ADDRESS = click.option("--address", metavar="ADDRESS", help="Only what went to this address or channel.")


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")
@config_option
def list_(as_json: bool, config: Path) -> int:
    """List everything that is in doubt.

    For example: digest doubts list --json
    """
    from digest.app.assembly import opened_beside
    from digest.edition.selection import read_selection
    from digest.jobs.delivery.doubts import Doubts

    with opened_beside(config) as app:
        found = Doubts(app.store, app.when.now).all()
        zone = app.settings.site.timezone
    for each in found:
        some = read_selection(each.selection).label
        name = " ".join(part for part in (each.digest, some, each.period) if part)
        if as_json:
            values = {
                "digest": each.digest,
                "category": some,
                "period": each.period,
                "channel": each.channel,
                "address": each.address,
                "message_id": each.message_id,
                "attempts": each.attempts,
                "reason": each.reason,
                "expires_at": each.expires_at.isoformat(),
            }
            click.echo(json.dumps(values, ensure_ascii=False))
        else:
            until = each.expires_at.astimezone(zone)
            click.echo(f"{name}  {each.address}  {each.message_id}  until {until:%Y-%m-%d %H:%M}  {each.reason}")
    if not found and not as_json:
        click.echo("nothing is in doubt")
    return 0


@command.command("sent")
@click.argument("digest")
@click.argument("period")
@_ADDRESS
@config_option
def sent(digest: str, period: str, address: str | None, config: Path) -> int:
    """Take what is in doubt of an edition as sent.

    For example: digest doubts sent daily 2026-11-24
    """
    from digest.app.assembly import opened_beside
    from digest.jobs.delivery.doubts import Doubts

    with opened_beside(config) as app:
        settled = Doubts(app.store, app.when.now).sent(digest, period, address)
    click.echo(f"{digest} {period}: {settled.changed} taken as sent")
    return 0


@command.command("resend")
@click.argument("digest")
@click.argument("period")
@_ADDRESS
@config_option
def resend(digest: str, period: str, address: str | None, config: Path) -> int:
    """Queue what is in doubt of an edition once more, with the same Message-ID and the same bytes.

    For example: digest doubts resend daily 2026-11-24 --address reader@example.com
    """
    from digest.app.assembly import opened_beside
    from digest.jobs.delivery.doubts import Doubts

    with opened_beside(config) as app:
        settled = Doubts(app.store, app.when.now).resend(digest, period, address)
    click.echo(f"{digest} {period}: {settled.changed} queued again" + _late(settled))
    return 1 if settled.late else 0


def _late(settled: Settled) -> str:
    return f", {settled.late} stay in doubt: the time for them is over" if settled.late else ""
