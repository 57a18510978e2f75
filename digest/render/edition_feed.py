"""The feed of a digest's editions: the daily digest for people who would rather read it in a feed reader.

Atom 1.0, one entry an edition. An entry is made from what was frozen with its edition, so it changes with nothing but
the look; its id is the page's address under the base that all ids of the site have, which stays when the site moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from msgspec import Struct, field

from digest.edition.contents import Edition, Entry, Publisher, Section, Shown
from digest.models import Author
from digest.ports import Language
from digest.render.balance import balance_line
from digest.render.context import RenderContext
from digest.render.editions import feed_url, index_url
from digest.render.feeds.digests import feed_description, feed_path, feed_title
from digest.render.feeds.model import Addresses, Feed, Item
from digest.render.mail import edition_path, edition_title, edition_url, section_title, summary_alone, web_link
from digest.text import clean_line, cut

HEADLINES = 5
"""How many headlines a summary names."""
_TITLE_LIMIT = 100
"""Characters of each of them."""


class FeedFrame(Struct, frozen=True, kw_only=True):
    """What the feed says besides its entries."""

    author: Author
    id_base: str = ""
    """What ids are made from; without it the address of the output folder."""
    rights: str | None = None
    icon: str | None = None
    logo: str | None = None
    max_bytes: int = 768 * 1024
    """Uncompressed. The newest edition is in the feed however large it is, older ones only if there is room."""


class _Line(Struct, frozen=True, kw_only=True):
    """A post, ready for the template."""

    title: str
    url: str | None
    summary: str
    """Of posts that the mail shows with theirs."""
    source: str
    also: tuple[_Line, ...] = field(default=())
    """Other posts of its story."""


class _Part(Struct, frozen=True, kw_only=True):
    title: str
    lines: tuple[_Line, ...]


def render_edition_feed(
    editions: Sequence[Edition], look: RenderContext, frame: FeedFrame, *, digest: str, title: str
) -> bytes:
    """The feed of these editions, newest first, as many as it has room for. Raises ValueError if there are none: a
    feed without entries has no time of change."""
    from digest.render.feeds.atom import render_atom  # late: it brings feedgen and lxml

    publisher, language = look.publisher, look.language
    items = _that_fit([_item(edition, look, frame) for edition in editions], frame.max_bytes)
    feed = Feed(
        id=_id(publisher, frame, feed_path(digest)),
        title=feed_title(title, publisher.site_title, language),
        description=feed_description(title, language),
        home_url=index_url(publisher, digest),
        addresses=Addresses(atom=feed_url(publisher, digest)),
        language=language.tag,
        updated=max(item.updated for item in items),
        author=frame.author,
        rights=frame.rights,
        icon=frame.icon,
        logo=frame.logo,
        items=tuple(items),
    )
    return render_atom(feed)


def _that_fit(items: Sequence[Item], limit: int) -> list[Item]:
    """The first of them, at least one."""
    kept: list[Item] = []
    size = 0
    for item in items:
        size += len(f"{item.title}{item.summary}{item.content_html}".encode()) + 1_000
        if kept and size > limit:
            break
        kept.append(item)
    return kept


def _id(publisher: Publisher, frame: FeedFrame, path: str) -> str:
    base = frame.id_base or publisher.pages_url
    return f"{base.rstrip('/')}/{quote(path.removesuffix('index.html'))}"


def _item(edition: Edition, look: RenderContext, frame: FeedFrame) -> Item:
    publisher, language = look.publisher, look.language
    page = edition_url(publisher, edition.digest, edition.period)
    frozen = edition.frozen_at.astimezone(publisher.zone).replace(microsecond=0)
    balance = balance_line(edition.balance, language).text
    context = {
        "introduction": edition.introduction,
        "sponsor": edition.sponsor,
        "parts": tuple(_part(section, language) for section in edition.sections if section.entries),
        "page": page,
        "balance": balance,
    }
    return Item(
        id=_id(publisher, frame, edition_path(edition.digest, edition.period)),
        url=page,
        title=edition_title(edition, publisher, language),
        summary=" · ".join((balance, *_headlines(edition))),
        content_html=look.templates.render("editions/feed.html", context),
        published=frozen,
        updated=frozen,
    )


def _headlines(edition: Edition) -> list[str]:
    """Titles of the posts that lead the mail, else of the first ones that it shows."""
    heads = [entry for section in edition.sections for entry in section.heads]
    leads = [entry for entry in heads if entry.shown is Shown.LEAD]
    shown = [entry for entry in heads if entry.shown is Shown.HEADLINE]
    return [cut(clean_line(entry.title), _TITLE_LIMIT) for entry in (leads + shown)[:HEADLINES]]


def _part(section: Section, language: Language) -> _Part:
    followers = section.followers
    return _Part(
        title=section_title(section, language),
        lines=tuple(_line(entry, followers.get(entry.key, ())) for entry in section.heads),
    )


def _line(entry: Entry, others: Sequence[Entry] = ()) -> _Line:
    return _Line(
        title=clean_line(entry.title),
        url=web_link(entry.url),
        summary=clean_line(summary_alone(entry)) if entry.shown is Shown.LEAD else "",
        source=clean_line(entry.source_name or ""),
        also=tuple(_line(other) for other in others),
    )
