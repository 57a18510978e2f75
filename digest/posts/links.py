"""Addresses: made absolute, percent-encoded, and refused unless a browser may safely follow them."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes, urljoin, urlsplit

PATH_SAFE = "-._~!$&'()*+,;=:@/"
"""What a path may hold unencoded besides letters and digits (RFC 3986, pchar and the slash)."""

_SAFE_PATH = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-F]{2})*\Z")
_SAFE_URL = re.compile(r"https?://[A-Za-z0-9.\-]+(?:[/?#](?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?#]|%[0-9A-F]{2})*)?\Z")
_DROPPED = re.compile(r"[\t\n\r]")
_SPACE = re.compile(r"[\x00-\x20\x7f-\x9f]+")


def encode_path(path: str) -> str:
    """The path percent-encoded once: existing ``%xx`` stay (upper case), everything else unsafe is encoded."""
    if _SAFE_PATH.match(path):
        return path
    return "/".join(quote(unquote_to_bytes(_utf8(segment)), safe=PATH_SAFE[:-1]) for segment in path.split("/"))


def encode_literal(text: str) -> str:
    """Text as part of a path: ``%`` is a percent sign, not the start of an escape."""
    return quote(_utf8(text), safe=PATH_SAFE)


def absolute(href: str, base: str) -> str | None:
    """``href`` as absolute http(s) address, or None if it is none (``javascript:``, ``data:``, broken)."""
    href = _DROPPED.sub("", href).strip()  # as browsers do
    if _SAFE_URL.match(href):
        return href
    if not href or _SPACE.search(href):
        href = _SPACE.sub("%20", href)
    try:
        parts = urlsplit(urljoin(base, href))
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host or "%" in host:
        return None
    try:
        name = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        return None
    netloc = f"[{name}]" if ":" in name else name
    if parts.port is not None:
        netloc += f":{parts.port}"
    query = f"?{_encode_tail(parts.query)}" if parts.query else ""
    fragment = f"#{_encode_tail(parts.fragment)}" if parts.fragment else ""
    return f"{parts.scheme}://{netloc}{encode_path(parts.path)}{query}{fragment}"


@lru_cache(maxsize=64)
def host_of(url: str) -> str:
    """The host in lower case, empty if there is none."""
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _encode_tail(text: str) -> str:
    """Query or fragment: only what no URL may hold is encoded, what is there stays as it is."""
    return re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", quote(_utf8(text), safe=PATH_SAFE + "?%[]"))


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")
