"""The pages of editions: each edition in full, and the list of a digest's editions by month.

Pure: an edition's page is rendered from the document that was frozen with it, so it can be made again byte for
byte; only the links to the editions before and after it come from outside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from itertools import groupby
from urllib.parse import quote

from msgspec import Struct
from msgspec.structs import replace

from digest.edition.contents import Edition, Entry, Publisher, Section, Shown
from digest.models import EditionRow
from digest.period import period_days
from digest.render.balance import first_of, page_balance_line
from digest.render.context import RenderContext
from digest.render.days import Times, edition_date, span
from digest.render.feeds.digests import feed_path
from digest.render.feeds.model import Addresses
from digest.render.mail import (
    amendments,
    charts,
    edition_title,
    edition_url,
    entry_anchor,
    section_anchor,
    section_title,
    summary_alone,
    update_line,
    update_url,
    web_link,
)
from digest.render.pages import format_links, frame
from digest.render.tongues import foreign


class _Row(Struct, frozen=True, kw_only=True):
    """A post on an edition's page."""

    anchor: str
    title: str
    url: str | None
    summary: str
    source: str | None
    time: str
    moment: str
    """For machines: RFC 3339."""
    original: str | None
    lang: str
    """If it is not the page's language; else empty."""
    update: str
    """Which edition told its story before; empty if none did."""
    update_url: str
    others: tuple[_Row, ...] = ()
    """Other posts of its story."""


class _Chapter(Struct, frozen=True, kw_only=True):
    """A section on an edition's page."""

    anchor: str
    number: int
    """From 1; the anchor of before was made from it."""
    title: str
    posts: int
    rows: tuple[_Row, ...]


class _Line(Struct, frozen=True, kw_only=True):
    """An edition in the list of editions."""

    url: str
    title: str
    """Its date."""
    posts: int


class _Month(Struct, frozen=True, kw_only=True):
    title: str
    lines: tuple[_Line, ...]


def index_path(digest: str) -> str:
    """Where the list of a digest's editions lies below the output folder."""
    return f"editions/{digest}/index.html"


def feed_url(publisher: Publisher, digest: str) -> str:
    return publisher.pages_url + quote(feed_path(digest))


def index_url(publisher: Publisher, digest: str) -> str:
    return f"{publisher.pages_url}editions/{quote(digest)}/"


def render_edition_page(edition: Edition, look: RenderContext, *, previous: str | None, following: str | None) -> bytes:
    """The whole edition. ``previous`` and ``following`` are the periods of its neighbours, if it has any."""
    publisher, language = look.publisher, look.language
    times = Times(edition, publisher, language)
    context = {
        **_base(publisher, edition_url(publisher, edition.digest, edition.period), edition.digest, edition.title),
        "page_title": edition_title(edition, publisher, language),
        "title": edition.title,
        "date": edition_date(edition, publisher, language),
        "times": times.note,
        "introduction": edition.introduction,
        "sponsor": edition.sponsor,
        "index_url": index_url(publisher, edition.digest),
        "previous": None if previous is None else edition_url(publisher, edition.digest, previous),
        "following": None if following is None else edition_url(publisher, edition.digest, following),
        "chapters": tuple(
            _chapter(section, position, edition, times, look)
            for position, section in enumerate(edition.sections, start=1)
        ),
        "balance": edition.balance,
        "sum": page_balance_line(edition.balance, language),
        "first_grouped": first_of(edition.entries, Shown.GROUPED),
        "first_here_only": first_of(edition.entries, Shown.PAGE),
        "charts": charts(edition, language),
        "amendments": amendments(edition, publisher, language),
    }
    return look.templates.render("editions/page.html", context).encode()


def render_edition_index(
    rows: Sequence[EditionRow],
    look: RenderContext,
    *,
    digest: str,
    title: str,
    days: Mapping[str, tuple[date, date]] | None = None,
) -> bytes:
    """The list of a digest's editions by month, in the order of ``rows`` (newest first). ``days`` are the first
    and last that an edition is about, by period, where that does not tell."""
    days_of = {row.period: period_days(row.period) for row in rows} | dict(days or {})
    publisher, language = look.publisher, look.language

    def month_of(row: EditionRow) -> str:
        first = days_of[row.period][0]
        return language.month(datetime.combine(first, time(12), tzinfo=publisher.zone))

    months = tuple(
        _Month(
            title=month,
            lines=tuple(_line(row, days_of[row.period], digest, look) for row in group),
        )
        for month, group in groupby(rows, key=month_of)
    )
    context = {
        **_base(publisher, index_url(publisher, digest), digest, title),
        "title": title,
        "months": months,
        "editions": len(rows),
    }
    return look.templates.render("editions/index.html", context).encode()


def _line(row: EditionRow, days: tuple[date, date], digest: str, look: RenderContext) -> _Line:
    return _Line(
        url=edition_url(look.publisher, digest, row.period),
        title=span(days, days[0].year, look.publisher, look.language),
        posts=row.posts,
    )


def _base(publisher: Publisher, canonical: str, digest: str, title: str) -> dict[str, object]:
    """What ``pages/base.html`` asks for. Feed readers find the feed of editions by it."""
    return frame(
        publisher.site_title,
        publisher.site_url,
        canonical,
        discover=format_links(title, Addresses(atom=feed_url(publisher, digest))),
        feeds_page=f"{publisher.pages_url}feeds/",
    )


def _chapter(section: Section, position: int, edition: Edition, times: Times, look: RenderContext) -> _Chapter:
    followers = section.followers
    return _Chapter(
        anchor=section_anchor(section),
        number=position,
        title=section_title(section, look.language),
        posts=len(section.entries),
        rows=tuple(
            replace(
                _row(entry, edition, times, look),
                others=tuple(_row(other, edition, times, look) for other in followers.get(entry.key, ())),
            )
            for entry in section.heads
        ),
    )


def _row(entry: Entry, edition: Edition, times: Times, look: RenderContext) -> _Row:
    publisher, language = look.publisher, look.language
    return _Row(
        anchor=entry_anchor(entry),
        title=entry.title,
        url=web_link(entry.url),
        summary=summary_alone(entry),
        source=entry.source_name,
        time=times.of(entry),
        moment=entry.published.astimezone(publisher.zone).isoformat(timespec="seconds"),
        original=web_link(entry.original_url),
        lang=foreign(f"{entry.title} {entry.summary}", entry.lang, language.tag),
        update=update_line(entry, edition, publisher, language),
        update_url=update_url(entry, edition, publisher),
    )
