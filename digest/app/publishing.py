"""Feeds and editions: made, published, looked up again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from digest import __version__
from digest.alarms.watching import clocks_in_words
from digest.app.assembly import opened
from digest.app.collecting import LastingSource, lasting_sources
from digest.app.editorial import edition_files
from digest.app.moment import moment
from digest.config import Settings, load
from digest.errors import ConfigError, SourceError
from digest.jobs.progress import Progress, silent
from digest.models import UNREAD, KnownPost, Post, Version, source_of
from digest.ports import FeedRow, Output

if TYPE_CHECKING:
    from digest.app.assembly import App
    from digest.jobs.editions.backfill import BackfillReport
    from digest.jobs.editions.make import DigestPlan, EditionsReport
    from digest.jobs.feeds import FeedReport, Ping
    from digest.jobs.monitoring.idle import Idle
    from digest.posts.sitelinks import SiteLinks
    from digest.render.edition_feed import FeedFrame
    from digest.render.feeds.digests import DigestFeed
    from digest.render.front import Feeds
    from digest.sources.folder import FolderSource
    from digest.sources.named import NamedSource
    from digest.store import SqlStore

_FRONT_FEEDS = 12


def update_feeds(
    app: App, output: Output, ping: Ping | None = None, *, is_due: Callable[[FeedRow], bool] = lambda row: True
) -> FeedReport:
    """Bring the feeds in ``output`` up to date with the store, those that are due."""
    from digest.jobs.feeds import publish_feeds

    return publish_feeds(
        app.store,
        output,
        app.templates,
        app.language,
        app.feed_options(),
        now=app.when.now,
        look=app.feeds_look(),
        body_html=partial(_body_html, app, lasting_sources(app)),
        ping=ping,
        digests=digest_feeds(app),
        has_editions=app.store.has_editions,
        is_due=is_due,
    )


def _body_html(app: App, lasting: Mapping[str, LastingSource], post: KnownPost) -> str | None:
    """The whole text of a post, read again from its file, wherever that is now, or what was kept of it; None if the
    file gives no post any more, or other words and somebody is writing it."""
    from digest.posts import parse_post
    from digest.posts.body import sanitised, to_html

    place = lasting.get(source_of(post.path))
    if place is None:
        return sanitised(app.store.body(post.path), post.url) or None
    try:
        data, (_, mtime_ns) = _read_version(app, place.source, post)
    except SourceError:
        return None
    parsed = parse_post(post.path, data, place.rules)
    if not isinstance(parsed, Post):
        return None
    is_young = mtime_ns / 1e9 > (app.when.wall - place.settle).timestamp()
    is_changing = is_young and parsed.text_hash != post.text_hash
    return None if is_changing else to_html(parsed, _links(place, post.path)) or None


def _links(place: LastingSource, path: str) -> SiteLinks:
    """What links of a post to others are resolved with: their files are read."""
    from digest.posts import parse_post
    from digest.posts.sitelinks import SiteLinks

    def url_of(other: str) -> str | None:
        try:
            data = place.source.read(other)
        except SourceError:
            return None
        found = parse_post(other, data, place.rules) if isinstance(data, bytes) else None
        return found.url if isinstance(found, Post) else None

    return SiteLinks(site_url=place.rules.site_url, kind=place.rules.kind, path=path, url_of=url_of)


def _read_version(app: App, source: FolderSource | NamedSource, post: KnownPost) -> tuple[bytes, Version]:
    """Raises SourceError."""
    try:
        data, version = source.read_version(post.path)
        assert isinstance(data, bytes), "a folder gives files"
        return data, version
    except SourceError:
        absence = app.store.absence_of(post.key)
        if absence is None or not absence.place:
            raise
        return source.read_at(absence.place), UNREAD


def websub(app: App) -> Ping | None:
    hubs = app.settings.feeds.hubs
    if not hubs or app.dry_run:
        return None
    from digest.publish.websub import WebSub

    return WebSub(tuple(str(hub) for hub in hubs))


def digest_feeds(app: App) -> list[DigestFeed]:
    from digest.render.feeds.digests import DigestFeed

    return [DigestFeed(name=plan.name, title=plan.title) for plan in app.plans()]


def freeze_due_editions(app: App) -> EditionsReport:
    from digest.jobs.editions.make import EditionsReport, make_editions

    if not app.when.is_certain:
        line = clocks_in_words(app.when.ahead)
        return EditionsReport(withheld=line, failures=[line])
    if app.store.is_importing():  # no edition before the archive is known: the first one is of its newest day
        return EditionsReport()
    app.subscriber_service.prepare(app.when.now, app.believed)
    app.store.retire_channels([each.common.name for each in app.settings.channels], app.when.now)
    plans = app.plans()
    decided = {plan.name for plan in plans if app.store.began(plan.name) is None}
    files = edition_files(app)
    report = make_editions(
        app.store,
        plans,
        app.render_context(),
        app.audience(),
        app.when.now,
        decided=app.when.present,
        file_of=files.of,
    )
    report.warnings += files.strange(app, plans)
    decided |= {result.digest for result in report.results}
    report.warnings += _told_if_idle(app, decided)
    return report


def _told_if_idle(app: App, digests: Collection[str]) -> list[str]:
    """Of the digests that this run made or could not make."""
    return [str(each) for each in idle(app.settings, app.store) if each.digest in digests] if digests else []


def idle(settings: Settings, store: SqlStore) -> Iterator[Idle]:
    """Digests of the configuration that are made for nothing."""
    from digest.jobs.monitoring.idle import Purpose, idle_digests  # late: most runs make no edition

    return idle_digests(
        store,
        [
            Purpose(
                digest=name,
                categories=digest.categories,
                is_mailed=bool(settings.mail.to) or any(each.common.digest == name for each in settings.channels),
                has_subscribers=settings.subscriptions.enabled,
            )
            for name, digest in settings.digests.items()
        ],
    )


def publish_frozen_editions(app: App, report: EditionsReport) -> EditionsReport:
    from digest.jobs.editions.make import publish_editions

    plans = app.plans()
    fingerprint = _editions_look(app, [plan.title for plan in plans])
    report = publish_editions(
        app.store,
        app.output,
        plans,
        app.render_context(),
        report,
        feed=partial(_edition_feed, app),
        fingerprint=fingerprint,
    )
    _publish_front(app, report, fingerprint)
    return report


def _publish_front(app: App, report: EditionsReport, fingerprint: str) -> None:
    """The front page, if it is wanted."""
    from digest.jobs.front import publish_front, remove_front

    if not app.settings.pages.index:
        remove_front(app.store, app.output, report)
        return
    rows = [row for row in app.store.feeds() if row.posts or not row.name]
    named = [(row.kind, row.name, row.stem) for row in rows]
    publish_front(
        app.store,
        app.output,
        app.render_context(),
        report,
        digests=list(app.settings.digests),
        feeds=partial(_front_feeds, app, rows),
        fingerprint=f"{fingerprint} {app.feed_options()!r} {named!r}",
        description=app.settings.site.description,
    )


def _front_feeds(app: App, rows: Sequence[FeedRow]) -> Feeds:
    """The feeds that the front page names: of the categories of the configuration, else of as many as fit beside it."""
    from digest.render.feeds.catalogue import CATEGORY, Catalogue
    from digest.render.front import Feeds

    catalogue = Catalogue(app.feed_options(), app.language)
    titled = {category.name for category in app.settings.categories}
    rows_shown = [row for row in rows if row.posts and (row.name in titled or not titled)]
    found = catalogue.in_order(rows_shown, CATEGORY)[: max(len(titled), _FRONT_FEEDS)]
    return Feeds(everything=catalogue.listed(rows[0]).formats, categories=tuple(map(catalogue.listed, found)))


def _editions_look(app: App, titles: Sequence[str]) -> str:
    """Fingerprint of what pages, lists and feeds of editions are made with, besides what was frozen."""
    made_with = (app.render_context().publisher, _feed_frame(app), app.language.tag, tuple(titles), __version__)
    return hashlib.sha256(f"{app.feeds_look()} {made_with!r}".encode()).hexdigest()


def _edition_feed(app: App, digest: str, title: str) -> bytes:
    """The feed of a digest's editions."""
    from digest.jobs.editions.feeds import feed_of_editions  # late: most runs make no edition

    return feed_of_editions(app.store, digest, title, app.render_context(), _feed_frame(app))


def _feed_frame(app: App) -> FeedFrame:
    from digest.models import Author
    from digest.render.edition_feed import FeedFrame

    options = app.feed_options()
    return FeedFrame(
        author=Author(name=options.author or options.site_title, email=options.author_email),
        id_base=options.id_base,
        rights=options.rights,
        icon=options.icon,
        logo=options.logo,
        max_bytes=options.limits.max_bytes,
    )


def backfill_editions(
    config: Path,
    digest: str | None,
    first: date,
    last: date,
    *,
    as_of: str | None = None,
    dry_run: bool = False,
    progress: Progress = silent,
) -> BackfillReport:
    """``digest editions backfill``: make up the editions of past days; without a name those of the only digest. Raises
    ConfigError, StoreError, and AlreadyRunning when a run is at work."""
    from digest.jobs.editions.backfill import backfill

    settings = load(config, os.environ)
    when, purpose = moment(as_of, settings.site.timezone), "digest editions backfill"
    with opened(settings, when, dry_run=dry_run, purpose=purpose, progress=progress) as app:
        return backfill(
            app.store,
            plan_named(app, digest),
            app.render_context(),
            first,
            last,
            partial(publish_frozen_editions, app),
            now=when.now,
            progress=progress,
            file_of=edition_files(app).of,
        )


def plan_named(app: App, digest: str | None) -> DigestPlan:
    """Without a name the only digest. Raises ConfigError."""
    plans = {plan.name: plan for plan in app.configured_plans()}
    if digest is None and len(plans) > 1:
        raise ConfigError("--digest", "there are several digests", f"name one of {', '.join(plans)}")
    plan = plans.get(digest) if digest is not None else next(iter(plans.values()), None)
    if plan is None:
        raise ConfigError("--digest", f"there is no digest {digest or ''!r}", f"name one of {', '.join(plans)}")
    return plan
