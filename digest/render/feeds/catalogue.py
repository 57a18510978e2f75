"""What the feeds of a site are called, where they lie, and how their values come together. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from urllib.parse import quote

from msgspec import Struct, field
from msgspec.structs import replace

from digest.models import Author, Origin
from digest.ports import FeedRow, Language
from digest.render import pages
from digest.render.feeds import opml, window
from digest.render.feeds.digests import DigestFeed, feed_description, feed_path, feed_title
from digest.render.feeds.items import ItemRules, uri
from digest.render.feeds.model import Addresses, Feed, Item, Paging
from digest.render.feeds.window import WindowLimits
from digest.text import clean_line

ALL, CATEGORY, TAG, LANGUAGE = "all", "category", "tag", "language"
FORMATS = ("atom", "rss", "json")


class FeedOptions(Struct, frozen=True, kw_only=True):
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
    limits: WindowLimits
    full_text: bool = False
    external_urls: bool = False
    archives: bool = True
    """Close archives, so that the overall feed and they hold everything ever published (RFC 5005)."""
    hubs: tuple[str, ...] = ()
    ttl: int | None = None
    """Minutes between runs."""
    category_titles: Mapping[str, str] = field(default_factory=dict)
    """Title by category; their order is the order of the lists, all others follow by name."""
    origins: Mapping[str, Origin] = field(default_factory=dict)
    """The publications that sources are taken from, by the sources' names."""
    tags: bool | tuple[str, ...] = False
    """Feeds of tags: none, all, or these."""
    languages: bool | tuple[str, ...] = False
    """Feeds of languages (BCP 47): none, all that posts are in, or these."""

    @property
    def base(self) -> str:
        """Where the output folder is served, with a slash at the end."""
        return folder(self.feeds_url or self.site_url)


class Files(Struct, frozen=True, kw_only=True):
    """Where a document goes in each format, below the output folder; None if there is none."""

    atom: str | None = None
    rss: str | None = None
    json: str | None = None
    html: str | None = None

    def __iter__(self) -> Iterator[str]:
        return (path for path in (self.atom, self.rss, self.json, self.html) if path)

    def within(self, present: set[str]) -> bool:
        return all(path in present for path in self)


_SHELVES = {TAG: "by_tag", LANGUAGE: "lang"}
"""Folders of feeds beside those of categories."""
LANGUAGE_FOLDERS = tuple(f"{top}/{_SHELVES[LANGUAGE]}" for top in ("feed", "rss", "feeds"))


def files_of(kind: str, stem: str, formats: Sequence[str] = FORMATS) -> Files:
    """``all`` has the addresses that jekyll-feed uses, categories and tags lie in folders, and so do languages with
    their categories below. The page of ``all`` is in a folder of its own, where no category's page can be."""
    if kind == ALL:
        atom, rss, json, html = "feed.xml", "rss.xml", "feed.json", "feeds/all/index.html"
    else:
        name = f"{_SHELVES[kind]}/{stem}" if kind in _SHELVES else stem
        atom, rss, json, html = f"feed/{name}.xml", f"rss/{name}.xml", f"feed/{name}.json", f"feeds/{name}.html"
    return Files(
        atom=atom if "atom" in formats else None,
        rss=rss if "rss" in formats else None,
        json=json if "json" in formats else None,
        html=html,
    )


def archive_files(number: int, formats: Sequence[str] = FORMATS) -> Files:
    """Archives exist once in XML: Atom, which RSS feeds refer to as well, or RSS where there is no Atom."""
    name = f"archive/{number:06}"
    return Files(
        atom=f"{name}.xml" if "atom" in formats else None,
        rss=f"{name}.xml" if "rss" in formats and "atom" not in formats else None,
        json=f"{name}.json" if "json" in formats else None,
    )


def folder(address: str) -> str:
    """The address with one slash at its end."""
    return address.rstrip("/") + "/"


def cover_warning(title: str, count: int, reach: timedelta) -> str:
    """What the operator is told when a feed cannot hold a whole day."""
    hours = reach.total_seconds() / 3600
    return (
        f"feed {title}: its {count} posts reach back only {hours:.1f} hours; raise feeds.max_items or feeds.max_bytes, "
        "or readers that look once a day will miss posts"
    )


class Catalogue:
    """The feeds of one site, in its language."""

    def __init__(self, options: FeedOptions, language: Language) -> None:
        self.options = options
        self.language = language
        self.site = pages.Site(title=clean_line(options.site_title), url=options.site_url, feeds_url=options.base)
        self.rules = ItemRules(
            language=language,
            zone=options.zone,
            category_scheme=options.base + "feeds/",
            category_titles=options.category_titles,
            origins=options.origins,
        )

    # ------------------------------------------------------------ one feed

    def is_wanted(self, row: FeedRow) -> bool:
        """Feeds of tags and languages are made only if asked for."""
        if row.kind == LANGUAGE:
            return self.options.languages is True or row.language in (self.options.languages or ())
        if row.kind != TAG:
            return True
        return self.options.tags is True or (self.options.tags is not False and row.name in self.options.tags)

    def in_languages(self, rows: Sequence[FeedRow], languages: Sequence[str]) -> list[FeedRow]:
        """The overall feed and those of categories in each language that is wanted; ``languages`` are those that posts
        name."""
        wanted = self.options.languages
        tags = dict.fromkeys([*languages, self.language.tag]) if wanted is True else wanted or ()
        return [
            replace(row, kind=LANGUAGE, language=tag, stem=f"{tag}/{row.stem}" if row.name else tag)
            for tag in tags
            for row in rows
            if row.kind in (ALL, CATEGORY)
        ]

    def files(self, row: FeedRow) -> Files:
        return files_of(row.kind, row.stem, self.options.formats)

    def label(self, row: FeedRow) -> str:
        """The name of the feed among the site's feeds."""
        if row.kind == ALL:
            return self.language.text("All posts")
        label = clean_line(row.name if row.kind == TAG else self.options.category_titles.get(row.name, row.name))
        if row.kind != LANGUAGE:
            return label
        spoken = self.language.own_name(row.language)
        return self.language.text("{label} · {site}", label=label, site=spoken) if label else spoken

    def title(self, row: FeedRow) -> str:
        if row.kind == ALL:
            return self.site.title
        return self.language.text("{label} · {site}", label=self.label(row), site=self.site.title)

    def description(self, row: FeedRow) -> str:
        if row.kind == CATEGORY:
            return self.language.text("Posts in the category {name}", name=self.label(row))
        if row.kind == TAG:
            return self.language.text("Posts with the tag {name}", name=self.label(row))
        if row.kind == LANGUAGE:
            return self.language.text("Posts in {name}", name=self.label(row))
        return clean_line(self.options.description) or self.site.title

    def home_url(self, row: FeedRow) -> str:
        """The page for people that the feed is of."""
        return uri(self.options.site_url) if row.kind == ALL else self._address(self.files(row).html) or ""

    def addresses(self, files: Files) -> Addresses:
        return Addresses(
            atom=self._address(files.atom),
            rss=self._address(files.rss),
            json=self._address(files.json),
            html=self._address(files.html),
        )

    def feed(self, row: FeedRow, items: Sequence[Item], empty: datetime, **changes: object) -> Feed:
        """The feed with these items, in reading order. ``empty`` is its time of change if there are none;
        ``changes`` replace what follows from the settings."""
        options = self.options
        values: dict[str, object] = {
            "id": folder(options.id_base or options.base) + quote(files_of(row.kind, row.stem).atom or ""),
            "title": self.title(row),
            "description": self.description(row),
            "home_url": self.home_url(row),
            "addresses": self.addresses(self.files(row)),
            "language": row.language or self.language.tag,
            "updated": max((item.updated for item in items), default=empty),
            "author": Author(name=clean_line(options.author) or self.site.title, email=options.author_email),
            "rights": clean_line(options.rights) if options.rights else None,
            "icon": options.icon,
            "logo": options.logo,
            "favicon": options.favicon,
            "hubs": options.hubs,
            "ttl": options.ttl,
            "items": tuple(window.in_reading_order(items)),
            "external_urls": options.external_urls,
        }
        return Feed(**values | changes)  # type: ignore[arg-type]

    # ------------------------------------------------------------ archives

    def live_paging(self, last: int) -> Paging:
        """What the overall feed says of its archives, of which ``last`` are closed."""
        return Paging(previous=self._archive(last))

    def archive(self, row: FeedRow, number: int, items: Sequence[Item], empty: datetime, **changes: object) -> Feed:
        """A closed archive of the overall feed. It names its successor before that exists, because it must not
        change when it does."""
        return self.feed(
            row,
            items,
            empty,
            **changes,
            addresses=self._archive(number),
            hubs=(),
            ttl=None,
            paging=Paging(
                closed=True,
                current=self.addresses(self.files(row)),
                previous=self._archive(number - 1),
                next=self._archive(number + 1),
            ),
        )

    def _archive(self, number: int) -> Addresses:
        return self.addresses(archive_files(number, self.options.formats)) if number > 0 else Addresses()

    # ----------------------------------------------------------- the lists

    def shelf_titles(self) -> tuple[tuple[str, str], ...]:
        """The kinds of feeds besides the overall one, with their headings."""
        return (
            (CATEGORY, self.language.text("Categories")),
            (TAG, self.language.text("Tags")),
            (
                LANGUAGE,
                self.language.text("Languages"),
            ),
        )

    def in_order(self, rows: Sequence[FeedRow], kind: str) -> list[FeedRow]:
        """Titled categories in the order of their titles, all others after them by name."""
        order = {name: place for place, name in enumerate(self.options.category_titles)} if kind != TAG else {}
        own = [row for row in rows if row.kind == kind]
        return sorted(
            own,
            key=lambda row: (
                *(row.language, bool(row.name)),
                *(order.get(row.name, len(order)), row.name.casefold(), row.name),
            ),
        )

    def listed(self, row: FeedRow) -> pages.ListedFeed:
        files = self.files(row)
        return pages.ListedFeed(
            label=self.label(row),
            description=self.description(row),
            page=pages.relative(files.html or "", pages.INDEX),
            formats=pages.format_links(self.title(row), self.addresses(files)),
        )

    def digests_title(self) -> str:
        return self.language.text("Digests")

    def listed_digest(self, digest: DigestFeed) -> pages.ListedFeed:
        """A digest's feed in the list; its page is the list of its editions."""
        title = feed_title(digest.title, self.site.title, self.language)
        return pages.ListedFeed(
            label=clean_line(digest.title),
            description=feed_description(digest.title, self.language),
            page=pages.relative(f"editions/{digest.name}/", pages.INDEX) + "/",
            formats=pages.format_links(title, Addresses(atom=self._address(feed_path(digest.name)))),
        )

    def list_of_feeds(
        self,
        rows: Sequence[FeedRow],
        modified: datetime,
        before: bytes | None,
        digests: Sequence[DigestFeed] = (),
    ) -> bytes:
        """The list for readers. Its date stays that of ``before`` as long as the list does."""
        titles = ((ALL, self.site.title), *self.shelf_titles())
        groups = [
            opml.Group(title=title, outlines=tuple(self._outline(row) for row in self.in_order(rows, kind)))
            for kind, title in titles
            if any(row.kind == kind for row in rows)
        ]
        if digests:
            outlines = tuple(self._digest_outline(digest) for digest in digests)
            groups.insert(1, opml.Group(title=self.digests_title(), outlines=outlines))
        known = opml.modified(before) if before else None
        if known is not None and (same := opml.render_opml(self.site.title, groups, known)) == before:
            return same
        return opml.render_opml(self.site.title, groups, modified)

    def _outline(self, row: FeedRow) -> opml.Outline:
        addresses = self.addresses(self.files(row))
        return opml.Outline(
            title=self.title(row),
            description=self.description(row),
            feed_url=addresses.atom or addresses.rss or addresses.json or "",
            home_url=self.home_url(row),
            language=row.language or self.language.tag,
        )

    def _digest_outline(self, digest: DigestFeed) -> opml.Outline:
        return opml.Outline(
            title=feed_title(digest.title, self.site.title, self.language),
            description=feed_description(digest.title, self.language),
            feed_url=self._address(feed_path(digest.name)) or "",
            home_url=self._address(f"editions/{digest.name}/index.html") or "",
            language=self.language.tag,
        )

    def _address(self, path: str | None) -> str | None:
        return None if path is None else self.site.feeds_url + quote(path.removesuffix("index.html"))
