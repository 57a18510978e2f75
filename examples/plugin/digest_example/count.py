"""The command ``digest count``: how many posts there are, by category."""

from __future__ import annotations

from pathlib import Path

import click

from digest.cli import config_option


@click.command("count")
@config_option
def command(config: Path) -> int:
    """Count the posts of each category.

    For example: digest count
    """
    from digest.app.assembly import opened_beside  # late: asking for help needs none of it

    with opened_beside(config) as app:
        for feed in app.store.feeds():
            if feed.kind == "category":
                click.echo(f"{feed.posts:>8}  {feed.name}")
    return 0
