"""What a request says about encodings and about what its sender has already (RFC 9110, 12.5.3 and 13). Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache

IDENTITY = ""
"""The file as it is. The other encodings are called as in Content-Encoding."""
ENCODINGS = ("br", "gzip")
"""Compressed forms, the smaller first."""

_TAG = re.compile(r'[\s,]*((?:W/)?"[\x21\x23-\x7e\x80-\xff]*")\s*(?:,|\Z)')
_QVALUE = re.compile(r"(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\Z", re.ASCII)


@lru_cache(1024)
def preferred(accepted: bytes) -> tuple[str, ...]:
    """The encodings to try in turn, by an Accept-Encoding header (empty if there is none). The last one is always the
    file as it is: whoever refuses even that gets it all the same, and no 406."""
    weights = _weights(accepted.decode("latin-1").lower())
    rest = weights.get("*", 0.0)
    liked = {encoding: weights.get(encoding, rest) for encoding in ENCODINGS}
    least = weights.get("identity", 0.0)
    return *(
        one for one in sorted(ENCODINGS, key=lambda one: -liked[one]) if liked[one] > 0 and liked[one] >= least
    ), ""


def _weights(accepted: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for part in accepted.split(","):
        name, *parameters = (each.strip() for each in part.split(";"))
        weight = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                weight = float(value) if _QVALUE.match(value.strip()) else 0.0
        if name:
            weights[name.removeprefix("x-") if name == "x-gzip" else name] = weight
    return weights


@lru_cache(4096)
def tags(listed: bytes) -> frozenset[str] | None:
    """The entity tags of an If-None-Match or If-Match header, ``W/`` included. None for ``*``, which is any. Empty
    members count for nothing (RFC 9110, 5.6.1.2); what is no list of tags is read as far as it is one."""
    text = listed.decode("latin-1")
    if text.strip() == "*":
        return None
    found, place = [], 0
    while match := _TAG.match(text, place):
        found.append(match[1])
        place = match.end()
    return frozenset(found)


@lru_cache(4096)
def moment(date: bytes) -> int | None:
    """Seconds since 1970 of an HTTP date; None for what is none."""
    try:
        parsed = parsedate_to_datetime(date.decode("ascii"))
        return int((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def has_it(etag: str, modified: int, none_match: bytes | None, modified_since: bytes | None) -> bool:
    """Whether who asks has this already: by If-None-Match, compared weakly; by If-Modified-Since only without it.
    ``etag`` is a strong one, ``modified`` in seconds since 1970."""
    if none_match is not None:
        known = tags(none_match)
        return known is None or etag in known or f"W/{etag}" in known
    since = moment(modified_since) if modified_since is not None else None
    return since is not None and modified <= since


def wants_another(etags: Collection[str], modified: int, match: bytes | None, unmodified_since: bytes | None) -> bool:
    """Whether something is asked for that is not there any more: by If-Match, ``etags`` being those of all encodings;
    by If-Unmodified-Since only without it."""
    if match is not None:
        wanted = tags(match)
        return wanted is not None and wanted.isdisjoint(etags)
    since = moment(unmodified_since) if unmodified_since is not None else None
    return since is not None and modified > since
