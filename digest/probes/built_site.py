"""The addresses of a site as its generator made it: of a folder that it was built into, a sitemap, or a feed."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit

from digest.errors import ProbeError
from digest.ports import Fetch

_PAGES = (".html", ".htm")
_SAFE = "/%:@!$&'()*+,;=~-._"
_MOST = 50
"""Sitemaps that an index may lead to."""
_LIMIT = 64 * 1024 * 1024


def addresses_at(
    place: str, site_url: str, fetch: Fetch | None = None, apart: Mapping[str, str] | None = None
) -> set[str]:
    """Every address of the site that stands at a place: a folder that it was built into, the file of a sitemap
    (https://www.sitemaps.org) or feed, or (with ``fetch``) the address of one, or of the site itself, whose
    ``sitemap.xml`` is meant. ``apart``: folders in the built one that are served at addresses of their own. Raises
    ProbeError."""
    if fetch is not None and place.startswith(("http://", "https://")):
        is_file = "." in urlsplit(place).path.rpartition("/")[2]
        url = place if is_file else f"{place.rstrip('/')}/sitemap.xml"
        return set(_listed(url, _ask(url, fetch), fetch))
    path = Path(place)
    if path.is_dir():
        return set(_served(path, site_url, apart or {}))
    try:
        return set(_listed(place, path.read_bytes(), None))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ProbeError(place, reason, "name a built site's folder, its sitemap.xml or its feed") from error


def _served(folder: Path, site_url: str, apart: Mapping[str, str]) -> Iterator[str]:
    for each in _pages(folder):
        name, slash, rest = each[1:].partition("/")
        yield f"{apart[name].rstrip('/')}/{rest}" if slash and name in apart else site_url.rstrip("/") + each


def _pages(folder: Path) -> Iterator[str]:
    """Paths as a web server has them: ``index.html`` is its folder, with a slash; ``a.html`` is ``/a``, too."""
    for root, _, names in os.walk(folder):
        below = Path(root).relative_to(folder).as_posix()
        start = "/" if below == "." else f"/{quote(below, safe=_SAFE)}/"
        for name in names:
            if name.endswith(_PAGES):
                yield start if name == "index.html" else start + quote(name, safe=_SAFE)
                if name != "index.html":
                    yield start + quote(name.rpartition(".")[0], safe=_SAFE)


def _ask(url: str, fetch: Fetch) -> bytes:
    answer = fetch(url)
    if answer.status != 200:
        raise ProbeError(url, f"answered {answer.status}", "name the site's sitemap or feed")
    return answer.body


def _listed(subject: str, data: bytes, fetch: Fetch | None, depth: int = 0) -> Iterator[str]:
    """What a sitemap or feed lists; an index of sitemaps is followed once."""
    from lxml import etree  # late: only this question needs it

    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    try:
        root = etree.fromstring(_unpacked(data), parser)
    except (etree.XMLSyntaxError, zlib.error, EOFError, OSError) as error:
        raise ProbeError(subject, "is no sitemap and no feed", "name one of them, or a built site's folder") from error
    name = etree.QName(root).localname
    locations = [(each.text or "").strip() for each in root.iter("{*}loc")]
    if name == "sitemapindex" and not depth:
        if fetch is None:
            raise ProbeError(subject, "is an index of sitemaps", "name one of those, or the address of this one")
        for location in locations[:_MOST]:
            yield from _listed(location, _ask(location, fetch), fetch, 1)
    elif name == "urlset":
        yield from (location for location in locations if location)
    else:
        yield from _entries(root)


def _entries(root: object) -> Iterator[str]:
    """Links of the entries of an Atom or RSS feed."""
    from lxml import etree

    assert isinstance(root, etree._Element), "what the parser gives"
    for entry in root.iter("{*}entry", "{*}item"):
        for link in entry.iterchildren("{*}link"):
            if link.get("rel", "alternate") == "alternate":
                yield urljoin(root.base or "", (link.get("href") or link.text or "").strip())


def _unpacked(data: bytes) -> bytes:
    if data[:2] != b"\x1f\x8b":
        return data
    return zlib.decompressobj(31).decompress(data, _LIMIT) if len(data) > 18 else gzip.decompress(data)
