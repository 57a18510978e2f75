"""The sources that the settings name, bound for collecting: ``posts.folder``, then the others in their order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from ipaddress import ip_network
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from digest import __version__, plugins
from digest.app.places import further_folder
from digest.config import Settings
from digest.config.settings import AnySource, FeedSourceSettings, FolderSettings, FolderSourceSettings, PluginSource
from digest.disk import read_secret
from digest.errors import ConfigError, DigestError, PluginError, SourceError
from digest.jobs.archive.collect_all import BoundSource, collect_all
from digest.models import MAIN, Listing, SourceState
from digest.withdrawal import USUAL, LeavingRules

if TYPE_CHECKING:
    from digest.app.assembly import App
    from digest.jobs.archive.collect import CollectReport, Parsed
    from digest.jobs.archive.settling import Settling
    from digest.jobs.monitoring.status import SourceRow
    from digest.ports import Source
    from digest.posts.rules import Rules
    from digest.sources.feed import FeedSource
    from digest.sources.folder import FolderSource
    from digest.sources.named import NamedSource, Simple

FEEDS_TAKE = 120.0
"""Seconds at the most for all feeds together: who is not done by then is asked again by the next run."""
_NO_PAUSE = timedelta(0)


def collect_posts(
    app: App, *, waits: bool = True, accept_gone: bool = False, entries: Sequence[AnySource] | None = None
) -> CollectReport:
    """Bring the store up to date with all sources (or ``posts.folder`` and those of these ``entries``). ``waits`` until
    files rest that are being written; a service looks again instead."""
    states = app.store.source_states() if app.settings.sources else {}
    others = other_sources(app, states, entries)
    fetch(others)
    main = _main(app, waits)
    return collect_all(
        app.store,
        [*([] if main is None else [main]), *(each.bound(app, waits) for each in others)],
        states,
        now=app.when.now,
        wall=app.when.wall,
        accept_gone=accept_gone,
        progress=app.progress,
    )


def _main(app: App, waits: bool) -> BoundSource | None:
    """``posts.folder``, if there is one."""
    posts = app.settings.posts
    if not posts.has_folder:
        return None
    from digest.sources.named import NamedSource

    source: Source = app.source
    try:
        rules = app.rules.fingerprint()
    except ConfigError as error:  # the site's own configuration is broken
        source, rules = NamedSource(MAIN, Unusable(error)), ""
    return BoundSource(
        name=MAIN,
        source=source,
        parse_many=partial(_read, app.source, lambda: app.rules, is_lasting=True),
        rules=rules,
        settling=_settling(app, posts.settle, waits),
        leaving=_leaving(app, posts),
    )


class OtherSource(Struct, frozen=True, kw_only=True):
    """A source beside ``posts.folder``, ready to be asked."""

    entry: AnySource
    source: NamedSource
    rules: Rules

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def is_lasting(self) -> bool:
        """Whether it shows every post for good, so that nothing of a post has to be kept."""
        return isinstance(self.entry, FolderSourceSettings)

    def bound(self, app: App, waits: bool) -> BoundSource:
        """For collecting."""
        entry = self.entry
        folder = entry if isinstance(entry, FolderSourceSettings) else None
        return BoundSource(
            name=self.name,
            source=self.source,
            parse_many=partial(_read, self.source, lambda: self.rules, is_lasting=self.is_lasting),
            rules=self.rules.fingerprint(),
            settling=_settling(app, _NO_PAUSE if folder is None else folder.settle, waits),
            leaving=USUAL if folder is None else _leaving(app, folder),
        )


def other_sources(
    app: App, states: Mapping[str, SourceState], entries: Sequence[AnySource] | None = None
) -> list[OtherSource]:
    """Every source beside ``posts.folder`` (or those of these ``entries``), in their order; those that cannot even be
    made say so when asked."""
    from digest.sources.named import NamedSource

    found = []
    for entry in app.settings.sources if entries is None else entries:
        source = made(app.settings, entry, states.get(entry.name, SourceState(name=entry.name)), app.when.wall)
        folder = entry if isinstance(entry, FolderSourceSettings) else None
        posts = app.settings.posts if folder is None else folder
        site = str((folder.url if folder is not None else None) or app.settings.site.url)
        base = app.store.keep_first(f"id base {entry.name}" if site != app.settings.site.url else "id base", site)
        kind = getattr(source, "kind", "") if folder is not None else "hugo"
        try:
            rules = app.rules_for(posts, site, kind, base, None if folder is None else folder.folder)
        except ConfigError as error:  # the site's own configuration is broken
            source, rules = Unusable(error), app.rules_for(posts, site, kind, base)
        if isinstance(entry, FeedSourceSettings):
            rules = replace(
                rules,
                item_categories=entry.categories,
                item_text=entry.text,
                own_categories=entry.own_categories,
            )
        found.append(OtherSource(entry=entry, source=NamedSource(entry.name, source), rules=rules))
    return found


class LastingSource(Struct, frozen=True, kw_only=True):
    """A folder, from which the text of a post can be had again at any time."""

    source: FolderSource | NamedSource
    rules: Rules
    settle: timedelta


def lasting_sources(app: App) -> dict[str, LastingSource]:
    """By name, ``posts.folder`` among them."""
    found = {}
    if app.settings.posts.has_folder:
        found[MAIN] = LastingSource(source=app.source, rules=app.rules, settle=app.settings.posts.settle)
    folders = [entry for entry in app.settings.sources if isinstance(entry, FolderSourceSettings)]
    if folders:
        for entry, each in zip(folders, other_sources(app, {}, folders), strict=True):
            found[entry.name] = LastingSource(source=each.source, rules=each.rules, settle=entry.settle)
    return found


def fetch(sources: Iterable[OtherSource]) -> None:
    """Ask all feeds that are due, side by side, before one after the other is collected."""
    feeds = [each.source.source for each in sources if isinstance(each.entry, FeedSourceSettings)]
    if feeds:
        from digest.sources.feed import FeedSource, fetch_all

        fetch_all([feed for feed in feeds if isinstance(feed, FeedSource)], seconds=FEEDS_TAKE)


def source_row(entry: AnySource, state: SourceState, wall: datetime) -> SourceRow:
    """How it stands with a source. ``wall`` is the real time."""
    from digest.jobs.monitoring.status import SourceRow

    next_at, moved_to = outlook(entry, state, wall) if isinstance(entry, FeedSourceSettings) else (None, "")
    return SourceRow(
        name=entry.name,
        kind=entry.kind if isinstance(entry, PluginSource) else str(entry.__struct_config__.tag),
        checked_at=state.checked_at,
        ok_at=state.ok_at,
        posts=state.posts,
        fault=state.fault,
        failing_since=state.failing_since,
        next_at=next_at,
        moved_to=moved_to,
    )


def outlook(entry: FeedSourceSettings, state: SourceState, wall: datetime) -> tuple[datetime | None, str]:
    """When a feed is asked again, and where it has moved for good: of an address with a secret only the host."""
    from digest.sources.remote.limits import Limits
    from digest.sources.remote.memory import recall

    try:
        memory = recall(state.memory, secret_address(entry, entry.name), wall, Limits())
    except ConfigError:
        return None, ""
    place = urlsplit(memory.moved_to)
    is_plain = entry.url is not None or not memory.moved_to
    return memory.next_at, memory.moved_to if is_plain else f"{place.scheme}://{place.netloc}/…"


# ------------------------------------------------------------------- making


class Unusable:
    """Stands for a source that cannot be made, which is the operator's to mend."""

    def __init__(self, fault: DigestError) -> None:
        self.fault = fault

    def scan(self) -> Listing:
        """Raises what is wrong: ConfigError, PluginError."""
        raise self.fault

    def read(self, ref: str) -> bytes:
        """Raises SourceError."""
        raise SourceError(ref, "its source cannot be used")


def made(settings: Settings, entry: AnySource, state: SourceState, wall: datetime) -> Simple:
    """What an entry names; ``Unusable`` if that cannot be made. ``wall`` is the real time."""
    try:
        if isinstance(entry, FolderSourceSettings):
            return further_folder(settings, entry)
        if isinstance(entry, FeedSourceSettings):
            return _feed(settings, entry, state, wall)
        return _plugin(entry, state)
    except DigestError as error:
        return Unusable(error)


def _feed(settings: Settings, entry: FeedSourceSettings, state: SourceState, wall: datetime) -> FeedSource:
    from digest.sources.feed import FeedSource
    from digest.sources.remote.limits import Limits

    return FeedSource(
        secret_address(entry, f"sources.{entry.name}"),
        memory=state.memory,
        now=wall,
        text=entry.text,
        agent=f"digest/{__version__} (+{settings.site.url})",
        allow=tuple(ip_network(each) for each in entry.allow),
        is_secret=entry.url is None,
        limits=Limits(bytes=int(entry.max_bytes), interval=entry.every),
    )


def secret_address(entry: FeedSourceSettings, place: str) -> str:
    """The address that an entry gives, names a variable for, or a file. Raises ConfigError."""
    if entry.url is not None:
        return str(entry.url)
    where = f"{place}.url_env" if entry.url_env is not None else f"{place}.url_file"
    try:
        address = read_secret(entry.url_env, entry.url_file) or ""
    except ValueError as error:
        cause, _, remedy = str(error).partition("; ")
        raise ConfigError(where, cause, remedy) from error
    if not address.startswith(("http://", "https://")) or not address.isprintable() or " " in address:
        raise ConfigError(where, "what it holds is no address of the web", "write for example https://host/feed.xml")
    return address


def _plugin(entry: PluginSource, state: SourceState) -> Simple:
    """Raises PluginError."""
    if entry.fault:
        raise PluginError(f"sources.{entry.name}", entry.fault)
    made = plugins.load(plugins.SOURCES, entry.kind)
    try:
        source: Simple = made(entry.options) if entry.options is not None else made()
        if hasattr(source, "memory"):
            source.memory = state.memory
    except DigestError:
        raise
    except Exception as error:
        what = f"cannot be made: {type(error).__name__}: {error}"
        raise plugins.broken(plugins.SOURCES, entry.kind, what) from error
    return source


def _settling(app: App, rest: timedelta, waits: bool) -> Settling:
    from digest.jobs.archive.settling import Settling

    return Settling(wall=app.when.wall, rest=rest, sleep=time.sleep if waits else None)


def _leaving(app: App, posts: FolderSettings) -> LeavingRules:
    """What is thought of posts whose file is missing."""
    return LeavingRules(max_gone=posts.max_gone, retention=posts.retention, zone=app.settings.site.timezone)


def _read(source: Source, rules: Callable[[], Rules], paths: Sequence[str], *, is_lasting: bool) -> Iterable[Parsed]:
    if not paths:
        return ()
    from digest.app.reading import FileReader  # late: most runs have nothing to read

    return FileReader(source, rules(), is_lasting)(paths)
