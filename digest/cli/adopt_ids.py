"""``digest adopt-ids``: take over the ids of an earlier publisher's feed."""

from __future__ import annotations

from pathlib import Path

import click

from digest.cli import config_option
from digest.text import printable


@click.command("adopt-ids")
@click.argument("feed", type=click.Path(path_type=Path))
@config_option
@click.option("--category", help="The feed was that of this category.")
@click.option("--moved-from", metavar="URL", help="The site's address at that time, if it is another one now.")
def command(feed: Path, config: Path, category: str | None, moved_from: str | None) -> int:
    """Take over the ids of an earlier Atom, RSS or JSON feed, so that no reader sees an entry twice.

    Before the first run, for example: digest adopt-ids _site/feed.xml
    """
    from digest.app.adopt import adopt_feed

    report, left = adopt_feed(config, feed, category, moved_from)
    click.echo(f"{report.adopted} ids adopted" + (f", feed id {report.feed_id}" if report.feed_id else ""))
    if report.unusable:
        click.echo(f"{report.unusable} entries have no link or no id", err=True)
    if left:
        click.echo(printable(left), err=True)
    if report.since is not None:
        click.echo(f"posts before {report.since.isoformat()} will not enter the feeds: readers never saw them there")
    return 0
