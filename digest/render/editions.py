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
from digest.edition.points import first_turns, main_points
from digest.models import EditionRow
from digest.render.balance import first_of, page_balance_line
from digest.render.context import RenderContext
from digest.render.days import Times, full_date, span
from digest.render.feeds.digests import feed_path
from digest.render.feeds.model import Addresses
from digest.render.mail import (
    amendments,
    charts,
    edition_path,
    edition_url,
    entry_anchor,
    section_anchor,
    section_title,
    summary_alone,
    update_line,
    update_url,
    web_link,
)
from digest.render.pages import INDEX, format_links, frame, relative
from digest.render.tongues import foreign


class Row(Struct, frozen=True, kw_only=True):
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
    others: tuple[Row, ...] = ()
    """Other posts of its story."""


class Chapter(Struct, frozen=True, kw_only=True):
    """A section on an edition's page."""

    anchor: str
    number: int
    """From 1; the anchor of before was made from it."""
    title: str
    posts: int
    rows: tuple[Row, ...]


class Line(Struct, frozen=True, kw_only=True):
    """An edition in the list of editions."""

    url: str
    title: str
    """Its date."""
    lead: str
    """The headline that leads it; empty if it has none."""
    posts: int


class _Month(Struct, frozen=True, kw_only=True):
    title: str
    lines: tuple[Line, ...]


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
    date = full_date(edition, publisher, language)
    chapters = tuple(
        chapter_of(section, position, edition, times, look)
        for position, section in enumerate(edition.sections, start=1)
    )
    path = edition_path(edition.digest, edition.period)
    context = {
        **_base(look, edition_url(publisher, edition.digest, edition.period), path, edition.digest, edition.title),
        "page_title": f"{edition.title} · {date}",
        "title": edition.title,
        "date": date,
        "is_week": edition.first_day != edition.last_day,
        "times": times.note,
        "introduction": edition.introduction,
        "sponsor": edition.sponsor,
        "index_url": _to(index_path(edition.digest), path),
        "previous": None if previous is None else _to(edition_path(edition.digest, previous), path),
        "following": None if following is None else _to(edition_path(edition.digest, following), path),
        "points": points_of(edition, chapters),
        "chapters": chapters,
        "balance": edition.balance,
        "sum": page_balance_line(edition.balance, language),
        "first_grouped": first_of(edition.entries, Shown.GROUPED),
        "first_here_only": first_of(edition.entries, Shown.PAGE),
        "charts": charts(edition, language),
        "amendments": tuple(
            replace(each, edition_url=_near(each.edition_url, publisher, path))
            for each in amendments(edition, publisher, language)
        ),
        "urgent": any(correction.was_point for correction in edition.corrections),
    }
    return look.templates.render("editions/page.html", context).encode()


def render_edition_index(
    rows: Sequence[EditionRow],
    look: RenderContext,
    *,
    digest: str,
    title: str,
    days: Mapping[str, tuple[date, date]],
) -> bytes:
    """The list of a digest's editions by month, in the order of ``rows`` (newest first). ``days`` are the first
    and last that an edition is about, by period."""
    publisher, language = look.publisher, look.language

    def month_of(row: EditionRow) -> str:
        first = days[row.period][0]
        return language.month(datetime.combine(first, time(12), tzinfo=publisher.zone))

    months = tuple(
        _Month(
            title=month,
            lines=tuple(line_of(row, days[row.period], digest, look, index_path(digest)) for row in group),
        )
        for month, group in groupby(rows, key=month_of)
    )
    context = {
        **_base(look, index_url(publisher, digest), index_path(digest), digest, title),
        "title": title,
        "months": months,
        "editions": len(rows),
    }
    return look.templates.render("editions/index.html", context).encode()


def line_of(
    row: EditionRow, days: tuple[date, date], digest: str, look: RenderContext, page: str, year: int | None = None
) -> Line:
    """An edition's line in a list on ``page`` (path); its dates are in ``year`` unless they say so."""
    return Line(
        url=_to(edition_path(digest, row.period), page),
        title=span(days, year or days[0].year, look.publisher, look.language),
        lead=row.lead or "",
        posts=row.posts,
    )


def _base(look: RenderContext, canonical: str, path: str, digest: str, title: str) -> dict[str, object]:
    """What ``pages/base.html`` asks for. Feed readers find the feed of editions by it."""
    publisher = look.publisher
    return frame(
        publisher.site_title,
        publisher.site_url,
        canonical,
        discover=format_links(title, Addresses(atom=feed_url(publisher, digest))),
        feeds_page=_to(INDEX, path),
        editions_page="" if path == index_path(digest) else _to(index_path(digest), path),
    )


def _to(path: str, page: str) -> str:
    """The link to ``path`` from ``page``: where both are served, whatever the site's address is by then."""
    return relative(path, page).removesuffix("index.html") or "./"


def _near(url: str, publisher: Publisher, page: str) -> str:
    """The link from ``page`` to an address of ours, which may have a fragment; any other stays as it is."""
    path, mark, fragment = url.removeprefix(publisher.pages_url).partition("#")
    return f"{_to(f'{path}index.html', page)}{mark}{fragment}" if url.startswith(publisher.pages_url) else url


def rows_of(edition: Edition, look: RenderContext, few: int) -> tuple[Row, ...]:
    """The main points for a page at the output's root; of a quiet day its first posts, at most ``few``."""
    times = Times(edition, look.publisher, look.language)
    chapters = [chapter_of(section, place, edition, times, look) for place, section in enumerate(edition.sections, 1)]
    first = main_points(edition) or first_turns(edition, few)
    rows = {row.anchor: row for chapter in chapters for row in chapter.rows}
    return tuple(rows[entry_anchor(entry)] for entry in first if entry_anchor(entry) in rows)


def points_of(edition: Edition, chapters: Sequence[Chapter]) -> tuple[Row, ...]:
    """The main points as they stand in their sections; none on a quiet day."""
    rows = {row.anchor: row for chapter in chapters for row in chapter.rows}
    return tuple(rows[entry_anchor(entry)] for entry in main_points(edition) if entry_anchor(entry) in rows)


def chapter_of(section: Section, position: int, edition: Edition, times: Times, look: RenderContext) -> Chapter:
    followers = section.followers
    return Chapter(
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


def _row(entry: Entry, edition: Edition, times: Times, look: RenderContext) -> Row:
    publisher, language = look.publisher, look.language
    return Row(
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
        update_url=_near(
            update_url(entry, edition, publisher), publisher, edition_path(edition.digest, edition.period)
        ),
    )
