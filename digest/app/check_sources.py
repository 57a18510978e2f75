"""What ``digest check`` asks of sources beside ``posts.folder``: each by itself, as if it were new."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from digest.app.collecting import Unusable, made, outlook
from digest.config.settings import AnySource, FeedSourceSettings, FolderSourceSettings
from digest.errors import SourceError
from digest.jobs.check.findings import Check, Finding, from_error, ok, problem, warning
from digest.models import SourceState

if TYPE_CHECKING:
    from digest.config import Settings
    from digest.sources.feed import FeedSource


def source_checks(settings: Settings, seconds: float) -> Iterator[Check]:
    """A check for each; one for all feeds, which are asked side by side. ``seconds``: what that may take."""
    wall = datetime.now(UTC)
    feeds: list[tuple[FeedSourceSettings, FeedSource]] = []
    for entry in settings.sources:
        source: Any = made(settings, entry, SourceState(name=entry.name), wall)
        if isinstance(entry, FeedSourceSettings) and not isinstance(source, Unusable):
            feeds.append((entry, source))
        else:
            name = f"source {entry.name}"
            yield Check(group="sources", name=name, ask=partial(_judge, name, entry, source))
    if feeds:
        yield Check(group="sources", name="other feeds", ask=partial(_judge_feeds, feeds, seconds, wall), network=True)


def _judge(name: str, entry: AnySource, source: Any) -> Finding:
    """A folder has posts; anything else can be made."""
    if isinstance(source, Unusable):
        return from_error(name, source.fault)
    if not isinstance(entry, FolderSourceSettings):
        return ok(name, "it can be loaded")
    try:
        found = len(source.scan().files)
    except SourceError as error:
        return from_error(name, error)
    if not found:
        return warning(name, f"{entry.folder}: there is no post file yet", f"check sources.{entry.name}.folder")
    return ok(name, f"{entry.folder}: {found:,} {'file' if found == 1 else 'files'}")


def _judge_feeds(
    feeds: Sequence[tuple[FeedSourceSettings, FeedSource]], seconds: float, wall: datetime
) -> Iterator[Finding]:
    """Each answers with a feed, now."""
    from digest.sources.feed import fetch_all

    fetch_all([feed for _, feed in feeds], seconds=seconds * 0.9)  # what is late says so itself
    for entry, feed in feeds:
        name, listing = f"source {entry.name}", feed.scan()
        _, moved_to = outlook(entry, SourceState(name=entry.name, memory=listing.memory or ""), wall)
        entries = f"{len(listing.files):,} {'entry' if len(listing.files) == 1 else 'entries'}"
        if listing.fault:
            yield problem(name, listing.fault)
        elif moved_to:
            yield warning(name, f"{entries}; it has moved for good to {moved_to}", "correct its address")
        else:
            yield ok(name, entries)
