"""The front page: the newest edition's main points, how to subscribe, the feeds, editions before.

It ends with a seal of its own bytes, by which it is known again: a front page that somebody else made, or changed, is
theirs.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import date

from msgspec import Struct

from digest.edition.contents import Edition, reading_minutes
from digest.models import EditionRow
from digest.render.context import RenderContext
from digest.render.days import Times, full_date
from digest.render.editions import Line, index_path, line_of, rows_of
from digest.render.feeds.digests import feed_path
from digest.render.mail import edition_path
from digest.render.pages import INDEX, OPML, FormatLink, ListedFeed, frame, relative

PATH = "index.html"
EARLIER = 5
"""Editions before the newest one that it lists."""
_QUIET = 3
"""So many posts of an edition without main points."""
_SEAL = re.compile(rb"<!-- made by digest ([0-9a-f]{64}) -->\n\Z")


class Feeds(Struct, frozen=True, kw_only=True):
    """The feeds that it names."""

    everything: tuple[FormatLink, ...]
    categories: tuple[ListedFeed, ...]
    """Their pages relative to the list of feeds."""


class Newest(Struct, frozen=True, kw_only=True):
    """What it says of editions: the digest's newest, and the rows of all of them, the newest first."""

    edition: Edition
    rows: tuple[EditionRow, ...]
    days: Mapping[str, tuple[date, date]]
    """What editions before it cover, as far as they are listed."""


def render_front_page(look: RenderContext, feeds: Feeds, newest: Newest | None, *, description: str = "") -> bytes:
    """The page, sealed. Without an edition it has feeds and the form alone."""
    publisher = look.publisher
    editions = index_path(newest.edition.digest).removesuffix(PATH) if newest else ""
    framed = frame(
        publisher.site_title,
        publisher.site_url,
        publisher.pages_url,
        description=description,
        discover=feeds.everything,
        feeds_page=relative(INDEX, PATH).removesuffix(PATH),
        editions_page=editions,
    )
    context = {
        **framed,
        "newest": None if newest is None else _newest(newest, look),
        "lines": () if newest is None else _earlier(newest, look),
        "editions": 0 if newest is None else len(newest.rows),
        "everything": feeds.everything,
        "categories": [(feed, relative(f"feeds/{feed.page}", "")) for feed in feeds.categories],
        "opml": OPML,
        "editions_feed": feed_path(newest.edition.digest) if newest else "",
    }
    return sealed(look.templates.render("pages/front.html", context).encode())


def sealed(page: bytes) -> bytes:
    """The page with its seal."""
    return page + f"<!-- made by digest {hashlib.sha256(page).hexdigest()} -->\n".encode()


def is_sealed(page: bytes) -> bool:
    """Whether these are bytes that ``sealed`` gave, and nobody changed them."""
    seal = _SEAL.search(page)
    return seal is not None and hashlib.sha256(page[: seal.start()]).hexdigest().encode() == seal[1]


def _newest(newest: Newest, look: RenderContext) -> dict[str, object]:
    edition = newest.edition
    return {
        "url": edition_path(edition.digest, edition.period).removesuffix(PATH),
        "title": edition.title,
        "date": full_date(edition, look.publisher, look.language),
        "times": Times(edition, look.publisher, look.language).note,
        "is_week": edition.first_day != edition.last_day,
        "posts": edition.balance.arrived,
        "minutes": reading_minutes(edition),
        "points": rows_of(edition, look, _QUIET),
    }


def _earlier(newest: Newest, look: RenderContext) -> tuple[Line, ...]:
    digest, year = newest.edition.digest, newest.edition.first_day.year
    return tuple(line_of(row, newest.days[row.period], digest, look, PATH, year) for row in earlier_of(newest.rows))


def earlier_of(rows: Sequence[EditionRow]) -> Sequence[EditionRow]:
    """The editions before the newest one that are listed, of all (the newest first)."""
    return rows[1 : EARLIER + 1]
