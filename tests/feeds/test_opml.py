"""All feeds in one file."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from lxml import etree

from digest.render.feeds.opml import Group, Outline, modified, render_opml

MOMENT = datetime(2026, 3, 5, 4, 0, tzinfo=UTC)
OUTLINE = Outline(
    title="能源 & 材料 · 晨报",
    description="分类“能源”",
    feed_url="https://news.example.com/feed/%E8%83%BD%E6%BA%90.xml",
    home_url="https://news.example.com/feeds/%E8%83%BD%E6%BA%90.html",
    language="zh-CN",
)


def test_groups_have_text_and_feeds_have_everything() -> None:
    """OPML 2.0: Atom feeds are of type rss too; text and title are equal; there is no docs element."""
    root = etree.fromstring(render_opml("晨报", [Group(title="分类", outlines=(OUTLINE,))], MOMENT))
    assert root.get("version") == "2.0"
    assert [(element.tag, element.text) for element in root.find("head")] == [
        ("title", "晨报"),
        ("dateModified", "Thu, 05 Mar 2026 04:00:00 +0000"),
    ]
    (group,) = root.find("body")
    assert dict(group.attrib) == {"text": "分类"}
    assert [dict(outline.attrib) for outline in group] == [
        {
            "type": "rss",
            "text": OUTLINE.title,
            "title": OUTLINE.title,
            "xmlUrl": OUTLINE.feed_url,
            "htmlUrl": OUTLINE.home_url,
            "language": "zh-CN",
            "description": OUTLINE.description,
        }
    ]


@pytest.mark.parametrize(
    ("document", "moment"),
    [
        (render_opml("晨报", [], MOMENT), MOMENT),
        (b"", None),
        (b"<opml><head/></opml>", None),
        (b"<opml><head><dateModified>yesterday</dateModified></head></opml>", None),
        (b"<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><opml>&e;</opml>", None),
    ],
)
def test_the_date_of_a_list_is_read_back(document, moment) -> None:
    assert modified(document) == moment
