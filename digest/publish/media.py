"""What published files are served as where no web server's configuration says it: types and lifetimes.

No type table of a server, of Python or of a storage service is right for feeds, and a feed without its charset shows
garbled Chinese in strict readers, so every type is given here in full (RFC 4287, RSS 2.0, JSON Feed 1.1, OPML 2.0).
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

ARCHIVE_MAX_AGE = 86400
"""Seconds; a closed archive changes only if something must be taken out of it."""
FEED_TYPES = frozenset({"application/atom+xml", "application/rss+xml", "application/feed+json"})

_XML_BY_ROOT = {b"feed": "application/atom+xml", b"rss": "application/rss+xml", b"opml": "text/x-opml"}
# Atomic: tried in one way only, or a file of nothing but comments would take for ever.
_ROOT = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?>(?>(?:<\?.*?\?>|<!--.*?-->)\s*)*)<([A-Za-z]+)", re.DOTALL)
_TEXT = {
    ".xml": "application/xml",
    ".atom": "application/atom+xml",
    ".rss": "application/rss+xml",
    ".json": "application/feed+json",
    ".opml": "text/x-opml",
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}
_BINARY = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".ico": "image/x-icon",
}


def content_type(path: str, data: bytes) -> str:
    """The ``Content-Type`` of a published file. What an ``.xml`` file is, its root element says: Atom, RSS and
    archives of either share that ending."""
    ending = PurePosixPath(path).suffix.lower()
    kind = _TEXT.get(ending)
    if kind is None:
        return _BINARY.get(ending, "application/octet-stream")
    if ending == ".xml" and (root := _ROOT.match(data[:4096])):
        kind = _XML_BY_ROOT.get(root[1], kind)
    return f"{kind}; charset=utf-8"


def is_archive(path: str) -> bool:
    return path.startswith("archive/")


def is_feed(path: str, kind: str) -> bool:
    """Whether it is a document that readers poll; ``kind`` is its ``Content-Type``."""
    return kind.partition(";")[0] in FEED_TYPES and not is_archive(path)


def cache_control(path: str, max_age: int) -> str:
    """``max_age`` in seconds is for everything but archives."""
    return f"max-age={ARCHIVE_MAX_AGE if is_archive(path) else max_age}"
