"""An edition: which posts it has, in which sections, and which of them a mail of limited size shows.

Pure: the same posts give the same edition, whatever order they come in. An edition goes to JSON and back without
loss, so that its mail and its page can be rendered again byte for byte. Nothing is ever dropped: what a mail has no
room for is on the edition's page, and the counts of both always add up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from itertools import chain, zip_longest
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from digest.models import EditionMember, KnownPost

if TYPE_CHECKING:
    from digest.stories import Telling

HTML_BUDGET = 74_000
"""Bytes of a mail's HTML before base64: Gmail cuts a mail at about 102 KB, and sources differ on whether that means
before or after encoding."""
TEXT_BUDGET = 100_000
"""Bytes of its plain text before base64."""


class Shown(StrEnum):
    """How much of a post the mail shows."""

    LEAD = "lead"
    """Title, summary, source and time."""
    HEADLINE = "headline"
    """Title, source and time."""
    GROUPED = "grouped"
    """Its source only, beside the post that leads its story."""
    PAGE = "page"
    """Nothing: it is on the edition's page."""


class Reason(StrEnum):
    """How a post got into an edition."""

    NEW = "new"
    """Collected since the digest began and in none of its editions before."""
    NEWEST_DAY = "newest-day"
    """The digest's first edition: the newest day of the archive that was there."""
    MADE_UP = "made-up"
    """An edition that was made up later and not mailed: published in its period, and in no other edition."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Imprint:
    """Who publishes: what every edition of a site says about itself."""

    site_title: str
    site_url: str
    """Home page: absolute, percent-encoded."""
    pages_url: str
    """Address under which the output folder is served: absolute, percent-encoded, with ``/`` at its end."""
    zone: ZoneInfo
    """In which a day is decided and a time is read."""
    contact: str = ""
    """Mail address of somebody who reads answers; empty if nobody does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CategoryTitle:
    """A category that the operator named: as posts write it, and as people read it."""

    name: str
    title: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Earlier:
    """A post of an earlier edition of the digest that a story goes on from."""

    period: str
    key: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One post in an edition, as it was when the edition was frozen."""

    key: int
    title: str
    url: str
    summary: str
    published: datetime
    """UTC."""
    source_name: str | None = None
    original_url: str | None = None
    lang: str | None = None
    reason: str = Reason.NEW
    """Why it is here: a ``Reason``, then ``sources=3`` if it leads a story that three sources tell, or
    ``story=17`` if post 17 leads its story."""
    story: int | None = None
    """Key of the post that leads its story; None if it leads one itself or stands alone."""
    shown: Shown = Shown.PAGE
    earlier: Earlier | None = None
    """Where the digest told its story before; only of posts that stand alone or lead one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """The posts of one category: stories that more sources tell first, then newest first; the other posts of a
    story right after the one that leads it, whatever their own category."""

    name: str
    """The category as posts write it; empty for posts without one."""
    title: str
    """Likewise empty."""
    entries: tuple[Entry, ...]

    @property
    def heads(self) -> tuple[Entry, ...]:
        """Posts that stand alone or lead a story."""
        return tuple(entry for entry in self.entries if entry.story is None)

    def shown(self, how: Shown) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.shown is how)

    @property
    def followers(self) -> dict[int, list[Entry]]:
        """The other posts of each story, by the key of the post that leads it."""
        found: dict[int, list[Entry]] = {}
        for entry in self.entries:
            if entry.story is not None:
                found.setdefault(entry.story, []).append(entry)
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Edition:
    """One issue of a digest."""

    digest: str
    title: str
    period: str
    first_day: date
    """The local days that it is about; equal for a day."""
    last_day: date
    frozen_at: datetime
    """UTC."""
    sections: tuple[Section, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(chain.from_iterable(section.entries for section in self.sections))

    @property
    def balance(self) -> Balance:
        return count(self.entries)


@dataclass(frozen=True, kw_only=True, slots=True)
class Balance:
    """Where everything is: ``arrived = here + grouped + page``, always."""

    arrived: int
    here: int
    """In the mail."""
    grouped: int
    """Named in the mail beside the post that leads their story."""
    page: int
    """On the full page only."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How much a mail shows."""

    leads: int = 24
    """Posts with their summary."""
    leads_per_section: int = 3
    items: int | None = None
    """Posts in all; None: as many as there is room for."""
    html_bytes: int = HTML_BUDGET
    text_bytes: int = TEXT_BUDGET


@dataclass(frozen=True, kw_only=True, slots=True)
class Pick:
    """A post's turn for a place in the mail."""

    key: int
    shown: Shown


def build_edition(
    posts: Iterable[KnownPost],
    *,
    digest: str,
    title: str,
    period: str,
    days: tuple[date, date],
    frozen_at: datetime,
    categories: Sequence[str] | None = None,
    titles: Sequence[CategoryTitle] = (),
    reason: str = Reason.NEW,
    group: bool = True,
    earlier: Mapping[int, Earlier] | None = None,
) -> Edition:
    """The posts in sections: those of ``categories`` in that order; if it is None those of every category, first in
    the order of ``titles``, then by name, posts without one last. A post of several categories is in the first of
    them that the digest has; newest first, posts of the same moment by key. Posts of no category of the digest are
    left out. With ``group`` posts that tell the same story stand together under the newest one that has a summary.
    ``earlier`` says which posts go on with a story of an earlier edition.
    """
    title_of = {category.name: category.title for category in titles}
    chosen = {post.key: post for post in posts if _section_of(post, categories) is not None}
    newest = _newest_first(chosen.values())
    by_section: dict[str, list[list[KnownPost]]] = {}
    for story in _stories(newest) if group else [[post] for post in newest]:
        by_section.setdefault(_section_of(story[0], categories) or "", []).append(story)
    order = list(title_of) if categories is None else list(categories)
    sections = tuple(
        Section(
            name=name,
            title=title_of.get(name, name),
            entries=tuple(
                chain.from_iterable(
                    _entries(story, reason, earlier or {}) for story in _most_told_first(by_section[name])
                )
            ),
        )
        for name in sorted(by_section, key=lambda name: (_place(order, name), name == "", name))
    )
    return Edition(
        digest=digest,
        title=title,
        period=period,
        first_day=days[0],
        last_day=days[1],
        frozen_at=frozen_at,
        sections=sections,
    )


def count(entries: Iterable[Entry]) -> Balance:
    every = tuple(entries)
    page = sum(entry.shown is Shown.PAGE for entry in every)
    grouped = sum(entry.shown is Shown.GROUPED for entry in every)
    return Balance(arrived=len(every), here=len(every) - grouped - page, grouped=grouped, page=page)


def rank(edition: Edition, limits: Limits) -> tuple[Pick, ...]:
    """Whose turn it is: first the summaries, then the headlines, each in rounds over the sections, so that a
    section with many posts does not crowd out the others. A mail shows the first so many picks."""
    leads = [
        entry
        for entry in _rounds(section.heads[: limits.leads_per_section] for section in edition.sections)
        if entry.summary
    ][: limits.leads]
    chosen = {entry.key for entry in leads}
    rest = _rounds([entry for entry in section.heads if entry.key not in chosen] for section in edition.sections)
    picks = [Pick(key=entry.key, shown=Shown.LEAD) for entry in leads]
    picks += [Pick(key=entry.key, shown=Shown.HEADLINE) for entry in rest]
    return tuple(picks[: limits.items])


def show(edition: Edition, picks: Iterable[Pick]) -> Edition:
    """The edition with these posts in the mail, the others of their stories grouped with them, and all the rest on
    the page only."""
    chosen = {pick.key: pick.shown for pick in picks}

    def place(entry: Entry) -> Shown:
        if entry.story is not None:
            return Shown.GROUPED if entry.story in chosen else Shown.PAGE
        return chosen.get(entry.key, Shown.PAGE)

    sections = tuple(
        replace(
            section,
            entries=tuple(replace(entry, shown=place(entry)) for entry in section.entries),
        )
        for section in edition.sections
    )
    return replace(edition, sections=sections)


def members(edition: Edition) -> tuple[EditionMember, ...]:
    """Every post's place, for the store: positions count from 1 within a section."""
    return tuple(
        EditionMember(
            post_key=entry.key, section=section.name, position=position, shown=entry.shown, reason=entry.reason
        )
        for section in edition.sections
        for position, entry in enumerate(section.entries, start=1)
    )


def edition_to_json(edition: Edition) -> str:
    """The whole edition; equal editions give equal text."""
    import msgspec

    return msgspec.json.encode(edition).decode()


def edition_from_json(document: str) -> Edition:
    """What ``edition_to_json`` wrote. Raises ValueError if it is anything else."""
    import msgspec

    try:
        return msgspec.json.decode(document, type=Edition)
    except msgspec.MsgspecError as error:
        raise ValueError(f"not an edition: {error}") from error


def _place(order: Sequence[str], name: str) -> int:
    return order.index(name) if name in order else len(order)


def _section_of(post: KnownPost, categories: Sequence[str] | None) -> str | None:
    if categories is None:
        return post.categories[0] if post.categories else ""
    return next((name for name in post.categories if name in categories), None)


def _newest_first(posts: Iterable[KnownPost]) -> list[KnownPost]:
    return sorted(sorted(posts, key=lambda post: post.key), key=lambda post: post.published, reverse=True)


def _stories(posts: Sequence[KnownPost]) -> list[list[KnownPost]]:
    """Posts by story, in the order given; the first one with a summary leads each."""
    from digest.stories import group_stories  # late: most runs make no edition

    post_of = {post.key: post for post in posts}
    groups = [[post_of[key] for key in keys] for keys in group_stories([telling_of(post) for post in posts])]
    return [sorted(group, key=lambda post: not post.summary) for group in groups]


def telling_of(post: KnownPost) -> Telling:
    """What is compared of a post to find those that tell the same story."""
    from digest.stories import Telling

    return Telling(
        key=post.key,
        title=post.title,
        summary=post.summary,
        codes=frozenset(f"{code.market},{code.code}" for code in post.codes if not code.is_sector),
    )


def _most_told_first(stories: Iterable[list[KnownPost]]) -> list[list[KnownPost]]:
    """By how many sources tell them; equal ones stay newest first."""
    by_date = sorted(stories, key=lambda story: (-story[0].published.timestamp(), story[0].key))
    return sorted(by_date, key=lambda story: -_sources(story))


def _sources(story: Sequence[KnownPost]) -> int:
    return len({post.source_name or post.categories[:1] for post in story})


def _entries(story: Sequence[KnownPost], reason: str, earlier: Mapping[int, Earlier]) -> list[Entry]:
    head, *rest = story
    told = f"{reason} sources={_sources(story)}" if rest else reason
    before = next((earlier[post.key] for post in story if post.key in earlier), None)
    first = replace(_entry(head, told), earlier=before)
    return [first, *(_entry(post, f"{reason} story={head.key}", head.key) for post in rest)]


def _entry(post: KnownPost, reason: str, story: int | None = None) -> Entry:
    return Entry(
        key=post.key,
        title=post.title,
        url=post.url,
        summary=post.summary,
        published=post.published,
        source_name=post.source_name,
        original_url=post.original_url,
        lang=post.lang,
        reason=reason,
        story=story,
    )


def _rounds(rows: Iterable[Sequence[Entry]]) -> list[Entry]:
    """The first of each row, then the second of each, and so on."""
    return [entry for turn in zip_longest(*rows) for entry in turn if entry is not None]
