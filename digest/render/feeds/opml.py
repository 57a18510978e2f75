"""OPML 2.0 (http://opml.org/spec2.opml): all feeds in one file that readers import."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

MEDIA_TYPE = "text/x-opml"


class Outline(Struct, frozen=True, kw_only=True):
    """One feed."""

    title: str
    description: str
    feed_url: str
    """Equal to the feed's own ``self`` link."""
    home_url: str
    language: str


class Group(Struct, frozen=True, kw_only=True):
    """Feeds that belong together."""

    title: str
    outlines: tuple[Outline, ...]


def render_opml(title: str, groups: Sequence[Group], modified: datetime) -> bytes:
    """The list as OPML. Atom feeds are ``type="rss"`` too: that is how the format says "feed"."""
    from email.utils import format_datetime  # late, as lxml: many runs have no list to write

    from lxml import etree

    root = etree.Element("opml", {"version": "2.0"})
    head = etree.SubElement(root, "head")
    etree.SubElement(head, "title").text = title
    etree.SubElement(head, "dateModified").text = format_datetime(modified)
    body = etree.SubElement(root, "body")
    for group in groups:
        parent = etree.SubElement(body, "outline", {"text": group.title})
        for outline in group.outlines:
            attributes = {
                "type": "rss",
                "text": outline.title,
                "title": outline.title,
                "xmlUrl": outline.feed_url,
                "htmlUrl": outline.home_url,
                "language": outline.language,
                "description": outline.description,
            }
            etree.SubElement(parent, "outline", attributes)
    written: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=True, pretty_print=True)
    return written


def modified(document: bytes) -> datetime | None:
    """The date in a list that ``render_opml`` made; None if it is something else."""
    from email.utils import parsedate_to_datetime

    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    try:
        text = etree.fromstring(document, parser).findtext("head/dateModified")
        return parsedate_to_datetime(text) if text else None
    except (etree.XMLSyntaxError, ValueError):
        return None
