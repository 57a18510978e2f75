"""Entries that feeds have in common are written once, and only those."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from digest.models import Author
from digest.render.feeds.atom import render_atom
from digest.render.feeds.json_feed import render_json
from digest.render.feeds.model import Addresses, Feed, Item
from digest.render.feeds.rss import render_rss
from digest.render.feeds.shared import Shared

MOMENT = datetime(2026, 11, 24, tzinfo=UTC)


def item(number: int) -> Item:
    return Item(
        id=f"https://x.example/{number}",
        url=f"https://x.example/{number}.html",
        title=f"<标题> & {number}",
        summary="摘要",
        published=MOMENT,
        updated=MOMENT,
        tags=("a & b",),
    )


def feed(*items: Item) -> Feed:
    return Feed(
        id="https://x.example/feed.xml",
        title="T",
        description="D",
        home_url="https://x.example/",
        addresses=Addresses(atom="https://x.example/feed.xml"),
        language="zh-CN",
        updated=MOMENT,
        author=Author(name="A"),
        items=items,
    )


@pytest.mark.parametrize("render", [render_atom, render_rss, render_json])
def test_a_feed_is_the_same_whether_its_entries_are_shared(render) -> None:
    """Also the second feed that has them, and one with others besides."""
    one, two, three = item(1), item(2), item(3)
    shared = Shared([one, two])
    for items in ((one, two), (two, one), (one, three), (three,)):
        assert render(feed(*items), shared) == render(feed(*items))


def test_an_entry_is_written_once_for_each_format() -> None:
    known, other = item(1), item(2)
    shared = Shared([known])
    calls: list[Item] = []

    def write(given: Item) -> str:
        calls.append(given)
        return given.id

    for kind in ("a", "a", "b"):
        assert shared.entry(kind, known, write) == known.id
    equal = replace(known)
    for given in (other, other, equal):
        assert shared.entry("a", given, write) == given.id
    assert calls == [known, known, other, other, equal]
