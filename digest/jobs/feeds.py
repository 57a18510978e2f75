"""Publish the feeds: those that changed since their files were written, and no other.

    dirty or missing feeds -> posts -> items -> documents -> files -> marked clean

A feed is marked clean only after its files are safely in place, so whatever interrupts a run is made up for by the
next one. A feed that cannot be written does not stop the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from urllib.parse import quote

from digest import __version__
from digest.errors import OutputError
from digest.models import Author, KnownPost
from digest.ports import FeedRow, FeedStore, Language, Output, Templates
from digest.render import pages
from digest.render.feeds import opml, window
from digest.render.feeds.atom import render_atom
from digest.render.feeds.items import ItemRules, local, make_item, uri
from digest.render.feeds.json_feed import render_json
from digest.render.feeds.model import Addresses, Feed, Item
from digest.render.feeds.rss import render_rss
from digest.render.feeds.window import Limits
from digest.text import clean_line

ALL, CATEGORY, TAG = "all", "category", "tag"
FORMATS = ("atom", "rss", "json")
WITHDRAWN_STAYS = timedelta(days=7)
"""How long a feed says that a post was withdrawn before it is dropped."""

BodyHtml = Callable[[KnownPost], str | None]
"""The post's whole text as sanitised HTML with absolute links; None if it cannot be had."""

_GROUP = 32
"""Feeds that are put in place together."""
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class FeedOptions:
    """What feeds need to know of the settings. Everything here is part of the look: a change renews all feeds."""

    site_title: str
    site_url: str
    description: str = ""
    author: str = ""
    """Name; without it the site's title."""
    author_email: str | None = None
    rights: str | None = None
    icon: str | None = None
    logo: str | None = None
    favicon: str | None = None
    zone: tzinfo
    feeds_url: str = ""
    """Where the output folder is served; without it ``site_url``."""
    id_base: str = ""
    """What feed ids are made from; without it ``feeds_url``. Set it to the old address when the site moves."""
    formats: tuple[str, ...] = FORMATS
    limits: Limits = field(default_factory=Limits)
    full_text: bool = False
    external_urls: bool = False
    hubs: tuple[str, ...] = ()
    ttl: int | None = None
    """Minutes between runs."""
    category_titles: Mapping[str, str] = field(default_factory=dict)
    """Title by category; their order is the order of the lists, all others follow by name."""
    tags: bool | tuple[str, ...] = False
    """Feeds of tags: none, all, or these."""

    @property
    def base(self) -> str:
        return _folder(self.feeds_url or self.site_url)


@dataclass(frozen=True, kw_only=True, slots=True)
class FeedReport:
    """What became of the feeds."""

    written: tuple[str, ...] = ()
    unchanged: int = 0
    """Files that were rendered and found to be the same."""
    removed: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Files:
    """Where a feed's documents go, below the output folder; None if the format is off."""

    atom: str | None
    rss: str | None
    json: str | None
    html: str

    def __iter__(self) -> Iterator[str]:
        return (path for path in (self.atom, self.rss, self.json, self.html) if path)

    def within(self, present: set[str]) -> bool:
        return all(path in present for path in self)


def files_of(kind: str, stem: str, formats: Sequence[str] = FORMATS) -> Files:
    """``all`` has the addresses that jekyll-feed uses, categories and tags lie in folders. The page of ``all`` is
    in a folder of its own, where no category's page can be."""
    if kind == ALL:
        atom, rss, json, html = "feed.xml", "rss.xml", "feed.json", "feeds/all/index.html"
    else:
        name = f"by_tag/{stem}" if kind == TAG else stem
        atom, rss, json, html = f"feed/{name}.xml", f"rss/{name}.xml", f"feed/{name}.json", f"feeds/{name}.html"
    return Files(
        atom=atom if "atom" in formats else None,
        rss=rss if "rss" in formats else None,
        json=json if "json" in formats else None,
        html=html,
    )


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
) -> FeedReport:
    """Bring the published feeds and their pages up to what the store knows.

    ``look`` is the fingerprint of the templates. ``body_html`` is only asked if the feeds carry full text. Raises
    StoreError, TemplateError, and OutputError if the folders cannot even be listed; what cannot be written is among
    the report's failures.
    """
    publisher = _Publisher(store, output, templates, language, options, body_html)
    publisher.renew_if_looks_changed(look)
    store.retire_withdrawn(now - WITHDRAWN_STAYS)
    return publisher.publish()


def _folder(address: str) -> str:
    return address.rstrip("/") + "/"


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
    ) -> None:
        self.store = store
        self.output = output
        self.templates = templates
        self.language = language
        self.options = options
        self.body_html = body_html if options.full_text else None
        self.site = pages.Site(title=clean_line(options.site_title), url=options.site_url, feeds_url=options.base)
        self.rules = ItemRules(
            language=language,
            zone=options.zone,
            category_scheme=options.base + "feeds/",
            category_titles=options.category_titles,
        )
        self.cache: dict[int, Item] = {}
        """Items of the overall feed by key: most of them are in other feeds of this pass too."""
        self.written: dict[str, None] = {}
        self.unchanged: set[str] = set()
        self.removed: list[str] = []
        self.warnings: dict[str, None] = {}
        self.failures: dict[str, None] = {}

    # ------------------------------------------------------------ the pass

    def renew_if_looks_changed(self, templates_fingerprint: str) -> None:
        parts = (__version__, self.language.tag, templates_fingerprint, repr(self.options))
        look = hashlib.sha256("\0".join(parts).encode()).hexdigest()
        if self.store.look() != look:
            self.store.set_look(look)

    def publish(self) -> FeedReport:
        rows = self.store.feeds()
        if not any(row.kind == ALL for row in rows):  # nothing was ever collected; an empty feed tells readers so
            rows = [FeedRow(kind=ALL, name="", stem="", posts=0, dirty=False), *rows]
        wanted = [row for row in rows if self._is_wanted(row)]
        present = self._present()
        due = [row for row in wanted if row.dirty or not self._files(row).within(present)]
        for start in range(0, len(due), _GROUP):
            self._publish_group(due[start : start + _GROUP])
        if due or not {pages.OPML, pages.INDEX} <= present:
            self._publish_lists(wanted)
        self._remove_abandoned(rows, present)
        return FeedReport(
            written=tuple(self.written),
            unchanged=len(self.unchanged - self.written.keys()),
            removed=tuple(self.removed),
            warnings=tuple(self.warnings),
            failures=tuple(self.failures),
        )

    def _is_wanted(self, row: FeedRow) -> bool:
        if row.kind != TAG:
            return True
        return self.options.tags is True or (self.options.tags is not False and row.name in self.options.tags)

    def _files(self, row: FeedRow) -> Files:
        return files_of(row.kind, row.stem, self.options.formats)

    def _present(self) -> set[str]:
        """Every file that lies where files of feeds may lie."""
        folders = ("", "feed", "rss", "feeds", "feeds/all", "feed/by_tag", "rss/by_tag", "feeds/by_tag")
        return {f"{folder}/{name}".lstrip("/") for folder in folders for name in self.output.listing(folder)}

    def _publish_group(self, rows: Sequence[FeedRow]) -> None:
        """Put the files of some feeds in place together, then mark these feeds clean."""
        try:
            with self.output.batch():
                safe = [row for row in rows if self._publish_feed(row)]
        except OutputError:  # one of them could not be put in place: each by itself tells which
            safe = [row for row in rows if self._publish_feed(row)]
        self.store.mark_clean(safe)

    def _publish_feed(self, row: FeedRow) -> bool:
        """False if a file of it could not be written."""
        files = self._files(row)
        feed, documents = self._fitting(row, files)
        documents[files.html] = pages.render_feed_page(
            self.templates, self.site, feed, files.html, about=self._label(row) if row.kind != ALL else ""
        )
        return self._write_all(documents)

    def _publish_lists(self, rows: Sequence[FeedRow]) -> None:
        listed = [row for row in rows if row.posts or row.kind == ALL]
        everything = next(row for row in rows if row.kind == ALL)
        index = pages.render_index(
            self.templates,
            self.site,
            description=self._description(everything),
            everything=self._listed(everything),
            shelves=[
                pages.Shelf(title=title, feeds=tuple(self._listed(row) for row in self._sorted(listed, kind)))
                for kind, title in self._shelf_titles()
            ],
        )
        self._write_all({pages.OPML: self._opml(listed), pages.INDEX: index})

    def _remove_abandoned(self, rows: Sequence[FeedRow], present: set[str]) -> None:
        """Files of formats and tag feeds that are no longer wanted: nobody would bring them up to date."""
        for row in rows:
            kept = set(self._files(row)) if self._is_wanted(row) else set()
            for path in set(files_of(row.kind, row.stem)) - kept:
                if path in present:
                    self._attempt(self._remove, path)

    # ------------------------------------------------------------ one feed

    def _fitting(self, row: FeedRow, files: Files) -> tuple[Feed, dict[str, bytes]]:
        """The feed and its documents by path, with as many posts as its limits allow."""
        limits = self.options.limits
        posts = self.store.newest(row.kind, row.name, limits.max_items + 1)
        items = self._items(posts[: window.count_in_window(posts, limits)])
        while True:
            feed = self._feed(row, files, items)
            documents = _documents(feed, files)
            size = max((len(document) for document in documents.values()), default=0)
            if size <= limits.max_bytes or len(items) <= 1:
                break
            items = items[: window.shrink(len(items), size, limits.max_bytes)]
        reach = window.lost_cover(posts, len(items))
        if reach is not None:
            self.warnings[_cover_warning(feed.title, len(items), reach)] = None
        if row.kind == ALL:
            self.cache = {post.key: item for post, item in zip(posts, items, strict=False)}
        return feed, documents

    def _items(self, posts: Sequence[KnownPost]) -> list[Item]:
        """Items of the posts, in their order, and no more than can possibly fit."""
        items: list[Item] = []
        size = 0
        for post in posts:
            item = self.cache.get(post.key) or make_item(post, self.rules, self._content(post))
            size += window.least_size(item)
            if items and size > self.options.limits.max_bytes:
                break
            items.append(item)
        return items

    def _content(self, post: KnownPost) -> str | None:
        return self.body_html(post) if self.body_html is not None and post.gone_at is None else None

    def _feed(self, row: FeedRow, files: Files, items: Sequence[Item]) -> Feed:
        options = self.options
        return Feed(
            id=_folder(options.id_base or options.base) + quote(files_of(row.kind, row.stem).atom or ""),
            title=self._title(row),
            description=self._description(row),
            home_url=uri(options.site_url) if row.kind == ALL else self._address(files.html) or "",
            addresses=Addresses(
                atom=self._address(files.atom),
                rss=self._address(files.rss),
                json=self._address(files.json),
                html=self._address(files.html),
            ),
            language=self.language.tag,
            updated=max((item.updated for item in items), default=None) or self._site_updated(),
            author=Author(name=clean_line(options.author) or self.site.title, email=options.author_email),
            rights=clean_line(options.rights) if options.rights else None,
            icon=options.icon,
            logo=options.logo,
            favicon=options.favicon,
            hubs=options.hubs,
            ttl=options.ttl,
            items=tuple(window.in_reading_order(items)),
            external_urls=options.external_urls,
        )

    def _site_updated(self) -> datetime:
        """What a feed without posts shows: the newest change anywhere, for want of one of its own."""
        newest = self.store.newest(ALL, "", 1)
        return local(max((post.updated for post in newest), default=_LONG_AGO), self.options.zone)

    def _address(self, path: str | None) -> str | None:
        return None if path is None else self.site.feeds_url + quote(path.removesuffix("index.html"))

    def _label(self, row: FeedRow) -> str:
        """The name of the feed among the site's feeds."""
        if row.kind == ALL:
            return self.language.text("All posts")
        return clean_line(self.options.category_titles.get(row.name, row.name) if row.kind == CATEGORY else row.name)

    def _title(self, row: FeedRow) -> str:
        if row.kind == ALL:
            return self.site.title
        return self.language.text("{label} · {site}", label=self._label(row), site=self.site.title)

    def _description(self, row: FeedRow) -> str:
        if row.kind == CATEGORY:
            return self.language.text("Posts in the category {name}", name=self._label(row))
        if row.kind == TAG:
            return self.language.text("Posts with the tag {name}", name=self._label(row))
        return clean_line(self.options.description) or self.site.title

    # ----------------------------------------------------------- the lists

    def _shelf_titles(self) -> tuple[tuple[str, str], ...]:
        return (CATEGORY, self.language.text("Categories")), (TAG, self.language.text("Tags"))

    def _sorted(self, rows: Sequence[FeedRow], kind: str) -> list[FeedRow]:
        """Titled categories in the order of their titles, all others after them by name."""
        order = {name: place for place, name in enumerate(self.options.category_titles)} if kind == CATEGORY else {}
        own = [row for row in rows if row.kind == kind]
        return sorted(own, key=lambda row: (order.get(row.name, len(order)), row.name.casefold(), row.name))

    def _listed(self, row: FeedRow) -> pages.ListedFeed:
        files = self._files(row)
        links = pages.format_links(
            self._title(row),
            Addresses(atom=self._address(files.atom), rss=self._address(files.rss), json=self._address(files.json)),
        )
        return pages.ListedFeed(
            label=self._label(row),
            description=self._description(row),
            page=pages.relative(files.html, pages.INDEX),
            formats=links,
        )

    def _opml(self, rows: Sequence[FeedRow]) -> bytes:
        """The list for readers. Its date stays as long as the list does."""
        titles = ((ALL, self.site.title), *self._shelf_titles())
        groups = [
            opml.Group(title=title, outlines=tuple(self._outline(row) for row in self._sorted(rows, kind)))
            for kind, title in titles
            if any(row.kind == kind for row in rows)
        ]
        try:
            before = self.output.read(pages.OPML)
        except OutputError:  # writing it will say what is wrong
            before = None
        known = opml.modified(before) if before else None
        if known is not None and (same := opml.render_opml(self.site.title, groups, known)) == before:
            return same
        return opml.render_opml(self.site.title, groups, self._site_updated())

    def _outline(self, row: FeedRow) -> opml.Outline:
        files = self._files(row)
        return opml.Outline(
            title=self._title(row),
            description=self._description(row),
            feed_url=self._address(files.atom or files.rss or files.json) or "",
            home_url=uri(self.options.site_url) if row.kind == ALL else self._address(files.html) or "",
            language=self.language.tag,
        )

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


def _documents(feed: Feed, files: Files) -> dict[str, bytes]:
    renderers = ((files.atom, render_atom), (files.rss, render_rss), (files.json, render_json))
    return {path: render(feed) for path, render in renderers if path}


def _cover_warning(title: str, count: int, reach: timedelta) -> str:
    hours = reach.total_seconds() / 3600
    return (
        f"feed {title}: its {count} posts reach back only {hours:.1f} hours; raise feeds.max_items or feeds.max_bytes, "
        "or readers that look once a day will miss posts"
    )
