"""The id that a post gets when it is new. Once minted it is kept by the store, whatever happens to the post."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Literal
from urllib.parse import quote, unquote, urlsplit

from digest.posts.links import PATH_SAFE
from digest.posts.rules import Rules

_PLAIN = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+/?\Z")


def mint(rules: Rules, *, path: str, slug: str, year: int) -> str:
    """The id by the configured scheme. ``path`` is the address's path, percent-encoded; ``year`` the post's."""
    base = (rules.id_base or rules.site_url).rstrip("/")
    if rules.id_scheme == "permalink":
        return base + normalised(path, nfkc=rules.id_nfkc)
    if rules.id_scheme == "tag":
        return f"tag:{rules.id_authority or _authority(base)},{year}:{normalised(path, nfkc=rules.id_nfkc)}"
    folder = path.rstrip("/").rpartition("/")[0]
    whole = f"{folder}/{slug.lstrip('/')}"
    if _PLAIN.match(whole):
        return base + whole
    cut = min((place for place in (whole.find("?"), whole.find("#")) if place >= 0), default=len(whole))
    # A ? or # of the slug stays what it is, since the plugin takes the id for an address.
    return base + normalised(whole[:cut], nfkc=rules.id_nfkc) + _encoded(whole[cut:], nfkc=rules.id_nfkc, safe="/?#")


def normalised(path: str, *, nfkc: bool) -> str:
    """Each segment decoded, composed (NFC or NFKC) and encoded again, dot segments resolved."""
    if _PLAIN.match(path):
        return path
    return _without_dots("/".join(_encoded(segment, nfkc=nfkc) for segment in path.strip().split("/")))


def _encoded(text: str, *, nfkc: bool, safe: str = "") -> str:
    form: Literal["NFC", "NFKC"] = "NFKC" if nfkc else "NFC"
    text = unicodedata.normalize(form, unquote(text, errors="replace"))
    return quote(text.encode("utf-8", "replace"), safe=PATH_SAFE[:-1] + safe)


def _without_dots(path: str) -> str:
    """RFC 3986, section 5.2.4."""
    if "/." not in path:
        return path
    out: list[str] = []
    parts = path.split("/")
    for part in parts:
        if part == "..":
            if len(out) > 1:
                out.pop()
        elif part != ".":
            out.append(part)
    if parts[-1] in (".", ".."):
        out.append("")
    return "/".join(out)


@lru_cache(maxsize=16)
def _authority(base: str) -> str:
    return (urlsplit(base).hostname or "localhost").lower()
