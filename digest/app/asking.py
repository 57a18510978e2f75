"""What commands ask that change nothing: why a post or a mail is where it is, how things stand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from digest.app.admission import Admission
from digest.app.collecting import lasting_sources
from digest.app.editorial import edition_files
from digest.app.moment import moment, present
from digest.app.monitor import monitor_of
from digest.app.publishing import idle
from digest.config import load
from digest.config.settings import FolderSourceSettings
from digest.errors import ConfigError, SourceError, StoreError
from digest.models import MAIN, KnownPost, path_in, ref_of
from digest.subscribers.subscription import canonical

if TYPE_CHECKING:
    from digest.app.assembly import App
    from digest.inquiry import Candidates
    from digest.jobs.explain.posts import Explanation, View
    from digest.jobs.monitoring.status import Overview


class Status(Struct, frozen=True, kw_only=True):
    """What ``digest status`` shows."""

    title: str
    store: str
    """Where the store is, without a password."""
    exists: bool
    overview: Overview
    refused: tuple[str, ...] = ()
    """Why nothing is done with it."""
    warnings: tuple[str, ...] = ()
    """What works, and should be looked at."""

    @property
    def is_well(self) -> bool:
        return not (self.refused or self.overview.alarms)


def status_of(config: Path) -> Status:
    """``digest status``: only looks, beside whatever is at work; a store that does not exist is not made. Raises
    ConfigError, StoreError."""
    from digest.config.values import hide_password
    from digest.jobs.monitoring.status import nothing_yet, overview

    settings = load(config, os.environ)
    now = moment(None, settings.site.timezone).now
    monitor = monitor_of(settings)
    path = settings.store.path
    exists = path is None or path.exists()
    admission = Admission(settings=settings, collects=False)
    warnings: list[str] = []
    if exists:
        from digest.store import open_store

        with open_store(settings.store.url) as store:
            when = present(store.clock)
            disks = tuple(monitor.disks())
            seen = overview(
                store,
                monitor.rules(),
                when.now,
                names=monitor.names(),
                disks=disks,
                ahead=when.ahead,
                sources=monitor.sources(store),
            )
            refused = admission.faults(store)
            warnings += map(str, idle(settings, store) if store.knows_posts() else ())
    else:
        seen = nothing_yet(monitor.rules(), now)
        refused = admission.faults(None)
    return Status(
        title=settings.site.title,
        store=hide_password(settings.store.url) if path is None else str(path),
        exists=exists,
        overview=seen,
        refused=tuple(map(str, refused)),
        warnings=tuple(warnings),
    )


def look_into_post(app: App, words: str, digest: str | None) -> Explanation | Candidates:
    """Why a post is where it is; or what the words may mean, if that is several things. Raises StoreError if it is
    nothing, ConfigError for a digest that there is not."""
    from digest.jobs.explain.posts import explain_file, explain_new_file, explain_post

    words = _below_posts(app, words)
    found, view = app.store.look_for(words), _view(app, digest, None)
    if len(found.posts) + len(found.files) > 1:
        return found
    if found.posts:
        return explain_post(app.store, app.plans(), found.posts[0], view)
    if found.files:
        [file] = found.files
        return explain_file(file, view, _twin(app, file.path) if file.taken else None)
    new = [path for path in _listed(app) if words and words in path]
    if len(new) == 1:
        return explain_new_file(new[0])
    raise StoreError(
        words or "post", "no post is known by that", "name a path, an id, an address or a part of the title"
    )


def _twin(app: App, path: str) -> KnownPost | None:
    """The post that leads to the address which an entry is called by."""
    long_ago = datetime(1970, 1, 1, tzinfo=UTC)
    return next(iter(app.store.posts_linked([ref_of(path)], long_ago, app.when.now)), None)


def _listed(app: App) -> Iterator[str]:
    """Files of all folders of posts that can be looked at."""
    for each in lasting_sources(app).values():
        with suppress(SourceError):
            yield from each.source.scan().files


def look_into_subscriber(app: App, address: str, digest: str | None, date: str | None) -> Explanation:
    """What an address got and did not get, and why. Raises ConfigError for a digest that there is not."""
    from digest.jobs.explain.subscribers import Address, explain_subscriber

    of = canonical(address.strip())
    listed = {canonical(mailbox.address) for mailbox in app.settings.mail.to}
    about = Address(
        typed=address.strip(), canonical=of, hashed=app.subscriber_service.keys.hashed(of), is_listed=of in listed
    )
    return explain_subscriber(app.store, app.plans(), about, _view(app, digest, date))


def look_into_channel(app: App, name: str, digest: str | None, date: str | None) -> Explanation:
    """What became of each edition by a channel. Raises ConfigError for a digest or a channel that there is not."""
    from digest.jobs.explain.subscribers import explain_channel

    gets = {each.common.name: each.common.digest for each in app.settings.channels}
    known = sorted({*gets, *app.store.counts_elsewhere()})
    if name not in known:
        raise ConfigError("--channel", f"there is no channel {name!r}", f"there are {', '.join(known) or 'none'}")
    return explain_channel(app.store, app.plans(), name, gets.get(name), _view(app, digest, date))


def _view(app: App, digest: str | None, date: str | None) -> View:
    from digest.jobs.explain.posts import View

    names = [plan.name for plan in app.plans()]
    if digest is not None and digest not in names:
        raise ConfigError("--digest", f"there is no digest {digest!r}", f"name one of {', '.join(names)}")
    file_of = edition_files(app).of
    return View(zone=app.settings.site.timezone, now=app.when.now, digest=digest, date=date, file_of=file_of)


def _below_posts(app: App, words: str) -> str:
    """A path of this machine as one below a folder of posts; other words as they are."""
    settings = app.settings
    others = {each.name: each.folder for each in settings.sources if isinstance(each, FolderSourceSettings)}
    with suppress(OSError, ValueError):
        path = Path(words).absolute()
        for name, folder in {MAIN: settings.posts.folder, **others}.items():
            if path.is_relative_to(folder) and path.exists():
                return path_in(name, path.relative_to(folder).as_posix())
    return words.strip()
