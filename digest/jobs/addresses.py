"""Addresses that should be the same in two places and are not: which they may be, and in what they differ."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import date, timedelta
from urllib.parse import urlsplit

from msgspec import Struct


class Unmatched(Struct, frozen=True, kw_only=True):
    """An address that is none of those it should be among."""

    link: str
    near: str = ""
    """The one of them that it may be."""
    differs: str = ""
    """In what."""

    def __str__(self) -> str:
        return f"{self.link} (there is {self.near}: {self.differs} differs)" if self.near else self.link


def unmatched(links: Collection[str], urls: Collection[str]) -> list[Unmatched]:
    """The links that are none of the addresses, by link; of each, which it may be, if one is near: those first."""
    by_place: dict[str, str] = {}
    for url in urls:
        by_place.setdefault(_place(url), url)
    left = [_closest(link, by_place) for link in sorted(set(links) - set(urls))]
    return sorted(left, key=lambda each: each.near == "")


def _closest(link: str, by_place: dict[str, str]) -> Unmatched:
    place = _place(link)
    for other, differs in ((place, "the ending"), *((each, "the day") for each in _neighbours(place))):
        if other in by_place:
            near = by_place[other]
            return Unmatched(link=link, near=near, differs=_difference(link, near) or differs)
    return Unmatched(link=link)


def _difference(link: str, near: str) -> str:
    ours, theirs = urlsplit(near), urlsplit(link)
    if ours.path.rstrip("/") != theirs.path.rstrip("/"):
        return ""
    if ours.netloc != theirs.netloc:
        return "the host"
    return "the scheme" if ours.scheme != theirs.scheme else "the slash at its end"


def _place(url: str) -> str:
    """Without what sites change when they move."""
    try:
        path = urlsplit(url).path
    except ValueError:
        path = url
    return path.rstrip("/").removesuffix("/index.html").removesuffix(".html").casefold()


_DAY = re.compile(r"/(\d{4})/(\d{1,2})/(\d{1,2})(?=/|$)")


def _neighbours(place: str) -> Iterator[str]:
    """The same on the day before and the day after: what another zone makes of a date."""
    found = _DAY.search(place)
    if found is None:
        return
    try:
        day = date(*map(int, found.groups()))
        others = [day + timedelta(days=step) for step in (-1, 1)]
    except (ValueError, OverflowError):
        return
    for other in others:
        yield f"{place[: found.start()]}/{other:%Y/%m/%d}{place[found.end() :]}"
