"""What the readers of all formats share: a feed as it was read, and how its parts are taken."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeVar

from msgspec import Struct

from digest.models import Author, Item
from digest.posts.body import sanitised
from digest.posts.links import absolute
from digest.posts.markup import html_to_text
from digest.text import clean_line

MANY = 100
"""Terms, authors or attachments of an entry that are read."""
LONGEST_LINE = 2_000
"""Characters of a title or an address."""
_FIRST_YEAR = 1990
"""Nobody published feeds before; a program that knows no date writes 1970."""
T = TypeVar("T")


class Unreadable(Exception):
    """A document that gives no feed: what is wrong, and what to do."""

    def __init__(self, cause: str, remedy: str = "tell its operator") -> None:
        super().__init__(cause)
        self.cause = cause
        self.remedy = remedy


class Document(Struct, frozen=True, kw_only=True):
    """A feed as it speaks of itself, and its entries in the order of the document."""

    title: str = ""
    url: str = ""
    id: str = ""
    entries: tuple[Item, ...] = ()


def moment(date: datetime | None) -> datetime | None:
    """In UTC and whole seconds; None for what nobody can have meant."""
    if date is None:
        return None
    try:
        found = (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError):
        return None
    return found if _FIRST_YEAR <= found.year < 9999 else None


def words(markup: str) -> str:
    """Markup as one plain line. What looks like a tag without an end is cut off, as browsers do."""
    markup = markup[:LONGEST_LINE]
    if "<" in markup:
        markup = sanitised(markup, "http://none.invalid/")
    return clean_line(html_to_text(markup).replace("\n", " "))


def author(name: str, email: str = "", url: str = "", base: str = "") -> Author | None:
    """None without a name."""
    name = words(name)
    if not name:
        return None
    mail = clean_line(email)
    return Author(name=name, email=mail if "@" in mail else None, url=(absolute(url, base) or None) if url else None)


def unique(items: list[T]) -> tuple[T, ...]:
    """Without repetitions, in order, and not more than anybody needs."""
    return tuple(dict.fromkeys(items))[:MANY]
