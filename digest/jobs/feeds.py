"""Publish the feeds: those that changed since their files were written, and no other.

    archives -> dirty or missing feeds -> posts -> items -> documents -> files -> marked clean -> lists -> hubs told

A feed is marked clean only after its files are safely in place, so whatever interrupts a run is made up for by the
next one. A feed that cannot be written does not stop the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from digest import __version__
from digest.errors import OutputError
from digest.jobs.sparing import REMEDY, tried, without_broken
from digest.models import InLanguage, KnownPost
from digest.ports import FeedRow, FeedStore, Language, Output, Templates
from digest.render import pages
from digest.render.feeds import catalogue, window
from digest.render.feeds.catalogue import (
    ALL,
    CATEGORY,
    LANGUAGE,
    LANGUAGE_FOLDERS,
    Catalogue,
    FeedOptions,
    Files,
    archive_files,
    files_of,
)
from digest.render.feeds.digests import DigestFeed, feed_path
from digest.render.feeds.items import bare_item, local, make_item
from digest.render.feeds.model import Feed, Item
from digest.render.feeds.shared import NOTHING, Shared

__all__ = ["BodyHtml", "FeedOptions", "FeedReport", "Ping", "publish_feeds"]

WITHDRAWN_STAYS = timedelta(days=7)
"""How long a feed says that a post was withdrawn before it is dropped."""
ARCHIVE_SIZE = 200
FOLDERS = ("", "feed", "rss", "feeds", "feeds/all", "feed/by_tag", "rss/by_tag", "feeds/by_tag")
"""Where files of feeds may lie; what is missing there is made again."""

BodyHtml = Callable[[KnownPost], str | None]
"""The post's whole text as sanitised HTML with absolute links; None if it cannot be had."""
Ping = Callable[[Sequence[str]], Sequence[str]]
"""Tells hubs which addresses changed; returns a line for each failure."""

_GROUP = 32
"""Feeds that are put in place together."""
_ARCHIVE_GROUP = 8
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_EVER = datetime(2, 1, 1, tzinfo=UTC)
"""Before any post (``posts.dates.YEARS``)."""

T = TypeVar("T")


class FeedReport(Struct, frozen=True, kw_only=True):
    """What became of the feeds."""

    written: tuple[str, ...] = ()
    unchanged: int = 0
    """Files that were rendered and found to be the same."""
    removed: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()


def publish_feeds(
    store: FeedStore,
    output: Output,
    templates: Templates,
    language: Language,
    options: FeedOptions,
    *,
    now: datetime,
    look: str,
    body_html: BodyHtml | None = None,
    ping: Ping | None = None,
    digests: Sequence[DigestFeed] = (),
    has_editions: Callable[[str], bool] = lambda digest: False,
    is_due: Callable[[FeedRow], bool] = lambda row: True,
) -> FeedReport:
    """Bring the published feeds and their pages up to what the store knows, then tell the hubs.

    ``look`` is the fingerprint of the templates. ``body_html`` is only asked if the feeds carry full text. A feed that
    is not ``is_due`` keeps its files as they are, and what is new waits. Raises
    StoreError, TemplateError, and OutputError if the folders cannot even be listed; what cannot be written is among
    the report's failures.
    """
    publisher = _Publisher(store, output, templates, language, options, body_html, is_due, now)
    publisher.list_digests(digests, has_editions)
    publisher.renew_if_looks_changed(look)
    store.retire_withdrawn(now - WITHDRAWN_STAYS)
    return publisher.publish(ping)


def _present(output: Output, folders: Iterable[str]) -> set[str]:
    """Every file that lies where files of feeds may lie."""
    return {f"{folder}/{name}".lstrip("/") for folder in folders for name in output.listing(folder)}


class _Publisher:
    """One pass over the feeds, and its report so far."""

    def __init__(
        self,
        store: FeedStore,
        output: Output,
        templates: Templates,
        language: Language,
        options: FeedOptions,
        body_html: BodyHtml | None,
        is_due: Callable[[FeedRow], bool],
        now: datetime,
    ) -> None:
        self.is_due = is_due
        self.now = now
        self.store = store
        self.output = output
        self.templates = templates
        self.options = options
        self.body_html = body_html if options.full_text else None
        self.catalogue = Catalogue(options, language)
        self.since = store.live_since() or _EVER
        self.archive_size = min(ARCHIVE_SIZE, options.limits.max_items)
        self.last_archive = 0
        self.digests: list[DigestFeed] = []
        self.has_new_digest = False
        self.is_renewed = False
        """The look changed: what is wanted no more may still be there."""
        self.unwritten: set[tuple[str, str]] = set()
        """Kind and name of feeds that one in a language could not be written of."""
        self.rows: list[FeedRow] = []
        self.cache: dict[int, Item] = {}
        """Items of the overall feed by key: most of them are in other feeds of this pass too."""
        self.shared = NOTHING
        self.closed: dict[int, list[Item]] = {}
        """Items of the archives that were closed but not written yet, by number."""
        self.written: dict[str, None] = {}
        self.unchanged: set[str] = set()
        self.removed: list[str] = []
        self.warnings: dict[str, None] = {}
        self.failures: dict[str, None] = {}

    # ------------------------------------------------------------ the pass

    def renew_if_looks_changed(self, templates_fingerprint: str) -> None:
        """Archives are renewed only if their addresses changed: otherwise a closed one stays as it is."""
        options = self.options
        addresses = _hash(repr((options.base, options.id_base, options.formats)))[:16]
        everything = _hash(__version__, self.catalogue.language.tag, templates_fingerprint, repr(options))
        look, known = f"{addresses}-{everything}", self.store.look()
        if known == look:
            return
        if known and known.partition("-")[0] != addresses:
            self.store.mark_archives(None, dirty=True)
        self.is_renewed = True
        self.store.set_look(look)

    def list_digests(self, digests: Sequence[DigestFeed], has_editions: Callable[[str], bool]) -> None:
        """Those with a feed of editions: it is there, or comes in this run."""
        there = {digest.name for digest in digests if self.output.exists(feed_path(digest.name))}
        new = {digest.name for digest in digests if digest.name not in there and has_editions(digest.name)}
        self.digests = [digest for digest in digests if digest.name in there | new]
        self.has_new_digest = bool(new)

    def publish(self, ping: Ping | None) -> FeedReport:
        rows = self.rows = self.store.feeds()
        everything = rows[0]
        wanted = [row for row in rows if self.catalogue.is_wanted(row)]
        present = _present(self.output, FOLDERS)
        due = self._due(wanted, present)
        if self.options.archives:
            self._publish_archives(everything, changed=everything in due)
        spoken = self._publish_languages(wanted, due)
        for start in range(0, len(due), _GROUP):
            self._publish_group(due[start : start + _GROUP])
        if due or self.has_new_digest or not {pages.OPML, pages.INDEX} <= present:
            self._publish_lists([*wanted, *spoken])
        self._remove_abandoned(rows, present)
        self._tell_hubs([*due, *spoken], ping)
        return FeedReport(
            written=tuple(self.written),
            unchanged=len(self.unchanged - self.written.keys()),
            removed=tuple(self.removed),
            warnings=tuple(self.warnings),
            failures=tuple(self.failures),
        )

    def _due(self, rows: Sequence[FeedRow], present: set[str]) -> list[FeedRow]:
        return [
            row for row in rows if (row.dirty and self.is_due(row)) or not self.catalogue.files(row).within(present)
        ]

    def _publish_languages(self, rows: Sequence[FeedRow], due: Sequence[FeedRow]) -> list[FeedRow]:
        """Bring the feeds in one language up to date with those that they are part of, before these are marked clean.
        Returns all that there are; one that never had a post is none."""
        if not self.options.languages and not self.is_renewed:
            return []
        languages = self.store.languages()
        candidates = self.catalogue.in_languages(rows, languages)
        tags = dict.fromkeys([*languages, *(row.language for row in candidates), self.catalogue.language.tag])
        folders = [f"{top}/{tag}".rstrip("/") for top in LANGUAGE_FOLDERS for tag in ("", *tags)]
        present = _present(self.output, folders)
        if not self.options.languages:
            self._remove_all(present)
            return []
        keys = {(row.kind, row.name) for row in due}
        there = [row for row in candidates if self.catalogue.files(row).html in present]
        new = [row for row in candidates if row not in there and _base(row) in keys and self._newest(row)]
        changed = [row for row in there if _base(row) in keys] + new
        missing = [row for row in there if row not in changed and not self.catalogue.files(row).within(present)]
        waiting = [*changed, *missing]
        for start in range(0, len(waiting), _GROUP):
            group = waiting[start : start + _GROUP]
            written = self._together(group, self._publish_feeds)
            self.unwritten |= {_base(row) for row in group if row not in written}
        found = [*there, *new]
        self._remove_all(present - {path for row in found for path in self.catalogue.files(row)})
        return found

    def _remove_all(self, paths: Iterable[str]) -> None:
        for path in sorted(path for path in paths if not path.endswith((".gz", ".br"))):
            self._attempt(self._remove, path)

    def _publish_group(self, rows: Sequence[FeedRow]) -> None:
        """Put the files of some feeds in place together, then mark these feeds clean."""
        written = self._together(rows, self._publish_feeds)
        self.store.mark_clean([row for row in written if (row.kind, row.name) not in self.unwritten])

    def _together(self, things: Sequence[T], publish: Callable[[Sequence[T]], list[T]]) -> list[T]:
        """Those whose files are all in place."""
        try:
            with self.output.batch():
                return publish(things)
        except OutputError:  # one of them could not be put in place at the end: each by itself tells which
            return [thing for thing in things if publish([thing])]

    def _publish_feeds(self, rows: Sequence[FeedRow]) -> list[FeedRow]:
        """Those of which every file could be written. Pages come last: while the first of them waits for the templates,
        the output has documents to compress."""
        made = [(row, *self._publish_documents(row)) for row in rows]
        return [row for row, feed, is_whole in made if self._publish_page(row, feed) and is_whole]

    def _publish_documents(self, row: FeedRow) -> tuple[Feed, bool]:
        """The feed, and whether all its documents could be written."""
        feed, documents = self._fitting(row, self.catalogue.files(row))
        return feed, self._write_all(documents)

    def _publish_page(self, row: FeedRow, feed: Feed) -> bool:
        path = self.catalogue.files(row).html
        about = "" if row.kind == ALL else self.catalogue.label(row)
        if path is None:
            return True
        page = without_broken(
            feed.items,
            lambda items: pages.render_feed_page(
                self.templates, self.catalogue.site, replace(feed, items=tuple(items)), path, about
            ),
            lambda item, reason: self._tell_broken(item.url, reason, "a page"),
        )
        return self._write_all({path: page})

    def _publish_lists(self, rows: Sequence[FeedRow]) -> None:
        described = self.catalogue
        listed = [row for row in rows if row.posts or row.kind == ALL]
        index = pages.render_index(
            self.templates,
            described.site,
            description=described.description(rows[0]),
            everything=described.listed(rows[0]),
            shelves=[
                pages.Shelf(
                    title=described.digests_title(),
                    feeds=tuple(described.listed_digest(digest) for digest in self.digests),
                ),
                *(
                    pages.Shelf(
                        title=title, feeds=tuple(described.listed(row) for row in described.in_order(listed, kind))
                    )
                    for kind, title in described.shelf_titles()
                ),
            ],
        )
        try:
            before = self.output.read(pages.OPML)
        except OutputError:  # writing it will say what is wrong
            before = None
        lists = described.list_of_feeds(listed, self._site_updated(), before, self.digests)
        self._together(
            [{pages.OPML: lists, pages.INDEX: index}], lambda some: [each for each in some if self._write_all(each)]
        )

    def _remove_abandoned(self, rows: Sequence[FeedRow], present: set[str]) -> None:
        """Files of formats and tag feeds that are no longer wanted: nobody would bring them up to date."""
        for row in rows:
            kept = set(self.catalogue.files(row)) if self.catalogue.is_wanted(row) else set()
            for path in sorted(set(files_of(row.kind, row.stem)) - kept):
                if path in present:
                    self._attempt(self._remove, path)

    def _tell_hubs(self, rows: Sequence[FeedRow], ping: Ping | None) -> None:
        """Last of all: a hub fetches at once what it is told of."""
        if ping is None or not self.options.hubs:
            return
        changed = []
        for row in rows:
            files = self.catalogue.files(row)
            addresses = self.catalogue.addresses(files)
            named = ((files.atom, addresses.atom), (files.rss, addresses.rss), (files.json, addresses.json))
            changed += [address for path, address in named if address and path in self.written]
        if changed:
            self.warnings.update(dict.fromkeys(ping(changed)))

    # ------------------------------------------------------------ one feed

    def _fitting(self, row: FeedRow, files: Files) -> tuple[Feed, dict[str, bytes]]:
        """The feed and its documents by path, with as many posts as its limits allow."""
        limits = self.options.limits
        posts = [post for post in self._newest(row) if self._is_live(post)]
        chosen = posts[: window.count_in_window(posts, limits)]
        pending = self.store.unarchived(self.archive_size) if row.kind == ALL and self.options.archives else []
        chosen = window.with_pending(chosen, pending, limits.max_items)
        items = self._items(chosen)
        while True:
            feed = self._feed(row, items)
            documents = self._documents(feed, files)
            size = max((len(document) for document in documents.values()), default=0)
            if size <= limits.max_bytes or len(items) <= 1:
                break
            items = items[: window.shrink(len(items), size, limits.max_bytes)]
        reach = window.lost_cover(posts, len(items))
        if reach is not None:
            self.warnings[catalogue.cover_warning(feed.title, len(items), reach)] = None
        if row.kind == ALL:
            self.cache = {post.key: item for post, item in zip(chosen, items, strict=False)}
            self.shared = Shared(self.cache.values())
            if self._archive_what_does_not_fit(row, chosen[: len(items)], pending):
                documents = self._documents(self._feed(row, items), files)
        return feed, documents

    def _newest(self, row: FeedRow) -> list[KnownPost]:
        """As many of a feed's latest posts as may matter: those in its window and one more, or its least number and one
        more. Most categories have few of so many."""
        limits = self.options.limits
        limit = limits.max_items + 1 if row.kind == ALL else limits.min_items + 1
        while True:
            posts = self.store.newest(*_base(row), limit, self._language_of(row))
            if len(posts) < limit or limit > limits.max_items or window.goes_beyond(posts, limits):
                return posts
            limit = min(limit * 3, limits.max_items + 1)

    def _language_of(self, row: FeedRow) -> InLanguage | None:
        return InLanguage.of(row.language, self.catalogue.language.tag) if row.kind == LANGUAGE else None

    def _items(self, posts: Sequence[KnownPost]) -> list[Item]:
        """Items of the posts, in their order, and no more than can possibly fit."""
        items: list[Item] = []
        size = 0
        for post in posts:
            item = self._item(post)
            size += window.least_size(item)
            if items and size > self.options.limits.max_bytes:
                break
            items.append(item)
        return items

    def _item(self, post: KnownPost) -> Item:
        if (known := self.cache.get(post.key)) is not None:
            return known

        def bare(reason: str) -> Item:
            self._tell_broken(post.path, reason)
            return bare_item(post)

        return tried(lambda: make_item(post, self.catalogue.rules, self._body_html(post)), bare)

    def _body_html(self, post: KnownPost) -> str | None:
        return self.body_html(post) if self.body_html is not None and post.gone_at is None else None

    def _documents(self, feed: Feed, files: Files) -> dict[str, bytes]:
        """The feed in all its formats, without items that cannot be written."""
        return without_broken(
            feed.items,
            lambda items: _documents(replace(feed, items=tuple(items)), files, self.shared),
            lambda item, reason: self._tell_broken(item.url, reason),
        )

    def _tell_broken(self, subject: str, reason: str, place: str = "feeds") -> None:
        self.failures[f"{subject}: cannot be put into {place}: {reason}; {REMEDY}"] = None

    def _feed(self, row: FeedRow, items: Sequence[Item]) -> Feed:
        changes = self._adopted(row)
        if row.kind == ALL:
            changes["paging"] = self.catalogue.live_paging(self.last_archive)
        return self.catalogue.feed(row, items, _LONG_AGO if items else self._site_updated(), **changes)

    @cached_property
    def feed_ids(self) -> dict[str, str]:
        """Ids adopted from an earlier publisher's feeds, by the path of our Atom document."""
        return self.store.adopted_ids([_name(row) for row in self.rows])

    def _adopted(self, row: FeedRow) -> dict[str, object]:
        adopted = self.feed_ids.get(_name(row))
        return {} if adopted is None else {"id": adopted}

    def _site_updated(self) -> datetime:
        """What a feed without posts shows: the newest change anywhere, for want of one of its own."""
        newest = self.store.newest(ALL, "", 1)
        if newest:
            return local(max(post.updated for post in newest), self.options.zone)
        made = self.store.keep_first("empty archive", self.now.isoformat())
        return local(datetime.fromisoformat(made), self.options.zone)

    def _is_live(self, post: KnownPost) -> bool:
        """Not older than what an earlier publisher's feed had: its readers would see such a post as new."""
        return post.first_seen >= self.since

    # ------------------------------------------------------------ archives

    def _publish_archives(self, everything: FeedRow, *, changed: bool) -> None:
        """Close what is complete, and write what is not on disk as it should be. What that costs depends on what
        changed, not on how many archives there are."""
        state = self.store.archives()
        self.last_archive = state.last
        due = list(state.dirty)
        if state.last and not self.output.exists(self._archive_paths(state.last)[0]):
            names = {f"archive/{name}" for name in self.output.listing("archive")}
            due = [number for number in range(1, state.last + 1) if not names.issuperset(self._archive_paths(number))]
            due = sorted({*due, *state.dirty})
        for start in range(0, len(due), _ARCHIVE_GROUP):
            self._write_archives(everything, due[start : start + _ARCHIVE_GROUP])
        if changed:
            size, full = self.archive_size, self.archive_size * _ARCHIVE_GROUP
            while posts := self.store.unarchived(full):
                whole = len(posts) // size * size
                self._close(everything, [posts[start : start + size] for start in range(0, whole, size)])
                if len(posts) < full:
                    self._close(everything, [[post for post in posts[whole:] if not self._is_live(post)]])
                    break

    def _archive_paths(self, number: int) -> list[str]:
        return list(archive_files(number, self.options.formats))

    def _close(self, everything: FeedRow, groups: Iterable[Sequence[KnownPost]]) -> None:
        """Put each group of posts into an archive, or into as many as their size asks for, and write these."""
        closing: list[list[tuple[KnownPost, Item]]] = []
        for posts in groups:
            items = [(post, self._item(post)) for post in posts]
            while items:
                fitting = window.count_that_fit([item for _, item in items], self.options.limits.max_bytes // 2)
                closing.append(items[:fitting])
                items = items[fitting:]
        if closing:
            numbers = self.store.close_archives([[post.key for post, _ in closed] for closed in closing])
            self.last_archive = numbers[-1]
            self.closed = {
                number: [item for _, item in closed] for number, closed in zip(numbers, closing, strict=True)
            }
            self._write_archives(everything, numbers)
            self.closed = {}

    def _archive_what_does_not_fit(self, row: FeedRow, kept: Sequence[KnownPost], pending: Sequence[KnownPost]) -> bool:
        """The live feed and the archives together hold everything: what has no room in the one goes into the
        other early, with half of the rest, so that this is not needed again at once."""
        keys = {post.key for post in kept}
        held = [post for post in pending if post.key in keys]
        if len(held) == len(pending):
            return False
        early = {post.key for post in held[: len(held) // 2]}
        self._close(row, [[post for post in pending if post.key not in keys or post.key in early]])
        return True

    def _write_archives(self, everything: FeedRow, numbers: Sequence[int]) -> None:
        self.store.mark_archives(
            self._together(
                numbers, lambda some: [number for number in some if self._publish_archive(everything, number)]
            ),
            dirty=False,
        )

    def _publish_archive(self, everything: FeedRow, number: int) -> bool:
        items = self.closed.get(number) or [self._item(post) for post in self.store.archived(number)]
        files = archive_files(number, self.options.formats)
        empty = _LONG_AGO if items else self._site_updated()
        feed = self.catalogue.archive(everything, number, items, empty, **self._adopted(everything))
        for path in sorted(set(archive_files(number, ("atom", "json"))) - set(files)):
            if self.output.exists(path):
                self._attempt(self._remove, path)
        return self._write_all(self._documents(feed, files))

    # ------------------------------------------------------------ the files

    def _write_all(self, documents: Mapping[str, bytes]) -> bool:
        """Try every one of them; False if any failed."""
        outcomes = [self._attempt(self._write, path, document) for path, document in documents.items()]
        return all(outcomes)

    def _write(self, path: str, document: bytes) -> None:
        tried = path in self.written  # in a group that failed at its end
        self.written.pop(path, None)
        if self.output.write(path, document) or tried:
            self.written[path] = None
        else:
            self.unchanged.add(path)

    def _remove(self, path: str) -> None:
        if self.output.remove(path):
            self.removed.append(path)

    def _attempt(self, act: Callable[..., None], *values: object) -> bool:
        try:
            act(*values)
        except OutputError as error:
            self.failures[str(error)] = None
            return False
        return True


def _documents(feed: Feed, files: Files, shared: Shared) -> dict[str, bytes]:
    from digest.render.feeds.atom import render_atom  # late: most runs have no feed to write
    from digest.render.feeds.json_feed import render_json
    from digest.render.feeds.rss import render_rss

    renderers = ((files.atom, render_atom), (files.rss, render_rss), (files.json, render_json))
    return {path: render(feed, shared) for path, render in renderers if path}


def _base(row: FeedRow) -> tuple[str, str]:
    """Kind and name of the feed that one in a language is part of; of others their own."""
    return (CATEGORY if row.name else ALL, row.name) if row.kind == LANGUAGE else (row.kind, row.name)


def _name(row: FeedRow) -> str:
    """What an adopted id is kept under: the path of the feed's Atom document."""
    return files_of(row.kind, row.stem).atom or ""


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
