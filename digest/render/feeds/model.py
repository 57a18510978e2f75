"""A feed as values, the same for every format: the writers beside this module only translate it.

Text is plain and already free of what XML forbids; only ``content_html`` is markup (sanitised, absolute links).
Datetimes are aware, in the site's zone, without fractions of a second.
"""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from digest.models import Attachment, Author, Origin


class Term(Struct, frozen=True, kw_only=True):
    """A category: what programs compare and what people read."""

    term: str
    label: str
    scheme: str


class Item(Struct, frozen=True, kw_only=True):
    """One entry of a feed."""

    id: str
    url: str
    title: str
    summary: str
    """Never empty."""
    content_html: str | None = None
    """The full text, if the feed carries it."""
    published: datetime
    updated: datetime
    authors: tuple[Author, ...] = ()
    source_name: str | None = None
    """Who wrote the original, such as 财联社."""
    original_url: str | None = None
    origin: Origin | None = None
    """The publication that it was taken from, if that has a feed of its own."""
    categories: tuple[Term, ...] = ()
    tags: tuple[str, ...] = ()
    image: str | None = None
    attachments: tuple[Attachment, ...] = ()
    lang: str | None = None
    """BCP 47; only if it is not the feed's."""
    withdrawn: datetime | None = None
    """When the post was found to be gone; title and summary say so already."""

    @property
    def other_tags(self) -> tuple[str, ...]:
        """Tags that are not named as categories already."""
        named = {name for category in self.categories for name in (category.term, category.label)}
        return tuple(tag for tag in self.tags if tag not in named)

    @property
    def creators(self) -> tuple[Author, ...]:
        """Authors, and the source if it is none of them."""
        if not self.source_name or any(author.name == self.source_name for author in self.authors):
            return self.authors
        return (*self.authors, Author(name=self.source_name))


class Addresses(Struct, frozen=True, kw_only=True):
    """Where the same document is found in each format; None where it is not published."""

    atom: str | None = None
    rss: str | None = None
    json: str | None = None
    html: str | None = None


class Paging(Struct, frozen=True, kw_only=True):
    """Neighbours of a document in the archive (RFC 5005, section 4)."""

    closed: bool = False
    """The document is an archive and will not change."""
    current: Addresses = Addresses()
    previous: Addresses = Addresses()
    """The archive with the items before these."""
    next: Addresses = Addresses()


class Feed(Struct, frozen=True, kw_only=True):
    """A feed, or one of its archive documents, in all formats."""

    id: str
    title: str
    description: str
    home_url: str
    """The page for people that this is the feed of."""
    addresses: Addresses
    language: str
    """BCP 47."""
    updated: datetime
    """The latest change of any item, withdrawals included; never the time of the build."""
    author: Author
    rights: str | None = None
    icon: str | None = None
    """Square, 512 pixels."""
    logo: str | None = None
    """Twice as wide as high."""
    favicon: str | None = None
    hubs: tuple[str, ...] = ()
    """WebSub hubs that are told of changes."""
    ttl: int | None = None
    """Minutes until looking again makes sense."""
    items: tuple[Item, ...] = ()
    paging: Paging = Paging()
    external_urls: bool = False
    """Let JSON Feed readers open the original article instead of the post's page."""
