"""``digest adopt-ids``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from digest.app.admission import Admission
from digest.app.assembly import opened
from digest.app.moment import moment
from digest.config import Settings, load
from digest.disk import reason
from digest.errors import SourceError, StoreError
from digest.models import Post

if TYPE_CHECKING:
    from digest.app.assembly import App
    from digest.jobs.archive.adopt import AdoptReport


def adopt_feed(
    config: Path, feed: Path, category: str | None = None, moved_from: str | None = None
) -> tuple[AdoptReport, str]:
    """``digest adopt-ids``: remember the ids of an earlier publisher's feed for posts that are still to come.

    ``category``: it was the feed of that category. ``moved_from``: the site's address then. Returns besides what there
    is to say of ids that fit none of the posts in the folder. Raises ConfigError, SourceError (not a feed),
    StoreError."""
    from digest.jobs.addresses import unmatched
    from digest.jobs.archive.adopt import adopt, in_words

    settings = load(config, os.environ)
    try:
        data = feed.read_bytes()
    except OSError as error:
        raise SourceError(str(feed), f"cannot be read: {reason(error)}", "name a saved feed") from error
    admit = Admission(settings=settings, collects=False, may_be_new=True)
    with opened(settings, moment(None, settings.site.timezone), dry_run=False, admit=admit) as app:
        if not app.store.is_importing():
            raise StoreError(
                "adopt-ids", "posts were collected before, they have ids of their own already", "start with a new store"
            )
        if category is None:
            report = adopt(app.store, data, str(feed), moved=_moved(moved_from, settings))
        else:
            from digest.filenames import assign_stem

            stem = assign_stem(category, ())
            report = adopt(app.store, data, str(feed), kind="category", stem=stem, moved=_moved(moved_from, settings))
        return report, in_words(unmatched(report.links, _addresses(app)), report.adopted)


def _addresses(app: App) -> set[str]:
    """Those of the posts as they are in the folder now; they are not collected."""
    from digest.app.reading import FileReader

    try:
        paths = list(app.source.scan().files) if app.settings.posts.has_folder else []
    except SourceError:
        return set()
    return {outcome.url for *_, outcome in FileReader(app.source, app.rules)(paths) if isinstance(outcome, Post)}


def _moved(address: str | None, settings: Settings) -> tuple[str, str] | None:
    return None if address is None else (address, str(settings.site.url))
