"""The feeds of digests among the feeds of a site: one entry an edition (``render.edition_feed`` makes them)."""

from __future__ import annotations

from msgspec import Struct

from digest.ports import Language
from digest.text import clean_line


class DigestFeed(Struct, frozen=True, kw_only=True):
    """A digest that has editions, and with them a feed."""

    name: str
    """In the configuration, paths and addresses."""
    title: str


def feed_path(digest: str) -> str:
    """Where the feed of a digest's editions lies below the output folder."""
    return f"editions/{digest}.xml"


def feed_title(title: str, site_title: str, language: Language) -> str:
    """The digest's, with the site's after it. No two feeds of a site look alike in a reader, even if both have one
    title."""
    label, site = clean_line(title), clean_line(site_title)
    return language.text("{label} · {site}", label=language.text("Digests") if label == site else label, site=site)


def feed_description(title: str, language: Language) -> str:
    return language.text("Each edition of {title} in full", title=clean_line(title))
