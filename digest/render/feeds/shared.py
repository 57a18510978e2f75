"""Entries that several feeds of one pass have in common: written once for each format."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from digest.render.feeds.model import Item

T = TypeVar("T")


class Shared:
    """``items`` are those that come again: the latest posts are in the overall feed, then in those of their categories.
    What is not among them is not kept."""

    def __init__(self, items: Iterable[Item] = ()) -> None:
        self._items = {id(item): item for item in items}
        """By identity, since comparing them would take as long as writing them; held, so that it stays theirs."""
        self._written: dict[tuple[str, int], Any] = {}

    def entry(self, media_type: str, item: Item, write: Callable[[Item], T]) -> T:
        """What ``write`` makes of the item, which nothing but the item and the format decides."""
        if id(item) not in self._items:
            return write(item)
        key = (media_type, id(item))
        if key not in self._written:
            self._written[key] = write(item)
        written: T = self._written[key]
        return written


NOTHING = Shared()
