"""``digest explain``: why a post was or was not in an edition; why somebody got a mail or did not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click
from msgspec.structs import asdict

from digest.cli import config_option

if TYPE_CHECKING:
    from digest.inquiry import Candidates
    from digest.jobs.explain.posts import Explanation


@click.command("explain")
@click.argument("post", required=False)
@config_option
@click.option("--subscriber", metavar="ADDRESS", help="Explain what this address got and did not get.")
@click.option("--channel", metavar="NAME", help="Explain what this channel got and did not get.")
@click.option("--date", metavar="DAY", help="Only editions of this day (2026-11-24), or of this week (2026-W48).")
@click.option("--digest", metavar="NAME", help="Only this digest.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.pass_context
def command(
    context: click.Context,
    post: str | None,
    config: Path,
    subscriber: str | None,
    channel: str | None,
    date: str | None,
    digest: str | None,
    as_json: bool,
) -> int:
    """Say in plain words what became of a POST, by its path, id, address or a part of its title; or of the mails to a
    subscriber, or of what went by a channel.

    For example: digest explain 2026-11-24-title.md; digest explain --subscriber ann@example.com --date 2026-11-24
    """
    from digest.app.asking import look_into_channel, look_into_post, look_into_subscriber
    from digest.app.assembly import opened_beside
    from digest.inquiry import Candidates

    if sum(each is not None for each in (post, subscriber, channel)) != 1:
        raise click.UsageError("name a post, or --subscriber ADDRESS, or --channel NAME", context)
    if date is not None and post is not None:
        raise click.UsageError("--date goes with --subscriber or --channel", context)
    with opened_beside(config) as app:
        zone = app.settings.site.timezone
        found: Explanation | Candidates
        if subscriber is not None:
            found = look_into_subscriber(app, subscriber, digest, _checked(date))
        elif channel is not None:
            found = look_into_channel(app, channel, digest, _checked(date))
        else:
            found = look_into_post(app, post or "", digest)
    if isinstance(found, Candidates):
        return _candidates(found, zone, post or "", as_json=as_json)
    if as_json:
        click.echo(_to_json(found))
    else:
        for line in _lines(found):
            click.echo(line)
    return 0


def _checked(text: str | None) -> str | None:
    """A day or the name of a period, as periods are named. Raises BadParameter."""
    from digest.period import period_days

    if text is None:
        return None
    try:
        period_days(text)
    except ValueError as error:
        raise click.BadParameter("write for example 2026-11-24 or 2026-W48", param_hint="--date") from error
    return text


def _candidates(found: Candidates, zone: ZoneInfo, words: str, *, as_json: bool) -> int:
    """What the words may mean, for another try."""
    if as_json:
        rows = [
            {"path": post.path, "title": post.title, "id": post.id, "published": post.published.isoformat()}
            for post in found.posts
        ]
        rows += [{"path": file.path, "title": "", "id": "", "published": ""} for file in found.files]
        click.echo(json.dumps({"candidates": rows, "more": found.more}, ensure_ascii=False, indent=2))
        return 1
    click.echo(f"digest: {words!r} may mean any of these; name one by its path:", err=True)
    for post in found.posts:
        click.echo(f"  {post.path}  {post.published.astimezone(zone):%Y-%m-%d %H:%M}  {post.title}")
    for file in found.files:
        click.echo(f"  {file.path}  (no post)")
    if found.more:
        click.echo("  … and more")
    return 1


def _lines(found: Explanation) -> Iterator[str]:
    yield click.style(found.subject, bold=True)
    for name, value in found.about.items():
        if value != found.subject:
            yield f"  {name:<7} {value}"
    for fact in found.facts:
        yield f"- {fact.says}"
        for reason in fact.reasons:
            yield f"    {reason}"


def _to_json(found: Explanation) -> str:
    value = {
        "subject": found.subject,
        "about": dict(found.about),
        "facts": [{**asdict(fact), "at": None if fact.at is None else fact.at.isoformat()} for fact in found.facts],
    }
    return json.dumps(value, ensure_ascii=False, indent=2)
