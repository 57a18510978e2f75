"""``digest dkim``: what DNS must say about the keys that sign mail."""

from __future__ import annotations

from pathlib import Path

import click

from digest.cli import config_option

_PIECE = 250
"""Characters of a string in a TXT record: 255 octets are the most (RFC 1035)."""


@click.command("dkim")
@config_option
def command(config: Path) -> int:
    """Print the DNS records of the keys that sign mail, as lines of a zone file.

    For example: digest dkim
    """
    from digest.app.assembly import opened_beside
    from digest.app.sending import dkim_records

    with opened_beside(config) as app:
        records = dkim_records(app)
    for name, text in records.items():
        pieces = " ".join(f'"{text[start : start + _PIECE]}"' for start in range(0, len(text), _PIECE))
        click.echo(f"{name}. IN TXT ({pieces})")
    return 0
