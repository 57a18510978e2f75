"""Does an Atom document follow RFC 4287? The grammar is in atom.rng, what a grammar cannot say is checked here."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

from lxml import etree

ATOM = "{http://www.w3.org/2005/Atom}"


@cache
def _grammar() -> etree.RelaxNG:
    return etree.RelaxNG(file=str(Path(__file__).with_name("atom.rng")))


def faults(document: bytes) -> list[str]:
    """Every fault of an Atom document, as lines; none if it is as RFC 4287 wants it."""
    feed = etree.fromstring(document)
    grammar = _grammar()
    found = [] if grammar.validate(feed) else [f"line {error.line}: {error.message}" for error in grammar.error_log]
    entries = feed.findall(f"{ATOM}entry")
    if feed.find(f"{ATOM}author") is None and any(entry.find(f"{ATOM}author") is None for entry in entries):
        found.append("4.1.1: neither the feed nor each entry has an author")
    for element in (feed, *entries):
        links = [(link.get("rel"), link.get("type"), link.get("hreflang")) for link in element.findall(f"{ATOM}link")]
        found += [f"4.1.1: two links {link}" for link, n in Counter(links).items() if n > 1 and link[0] == "alternate"]
    ids = Counter(entry.findtext(f"{ATOM}id") for entry in entries)
    found += [f"4.1.1: two entries have the id {each}" for each, number in ids.items() if number > 1]
    return found


def is_atom(document: bytes) -> bool:
    return etree.fromstring(document).tag == f"{ATOM}feed"
