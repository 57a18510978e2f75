"""What of a post gets into a feed."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.models import Attachment, Author
from digest.render.feeds.items import ItemRules, make_item, uri
from digest.render.feeds.model import Term


@pytest.fixture
def rules(language) -> ItemRules:
    return ItemRules(
        language=language,
        zone=ZoneInfo("Asia/Shanghai"),
        category_scheme="https://news.example.com/feeds/",
        category_titles={"markets": "市场"},
    )


def test_dates_are_in_the_sites_zone_without_fractions(post, rules) -> None:
    moment = datetime(2026, 3, 1, 16, 30, 5, 999999, tzinfo=UTC)
    item = make_item(post(1, published=moment, updated=moment), rules)
    assert item.published.isoformat() == item.updated.isoformat() == "2026-03-02T00:30:05+08:00"


def test_an_update_is_never_before_the_publication(post, rules) -> None:
    item = make_item(post(1, updated=datetime(2020, 1, 1, tzinfo=UTC)), rules)
    assert item.updated == item.published


@pytest.mark.parametrize(
    ("changes", "title", "summary"),
    [
        ({"title": "标题", "summary": "摘要"}, "标题", "摘要"),
        ({"title": "标题", "summary": ""}, "标题", "标题"),
        ({"title": "", "summary": "摘要"}, "摘要", "摘要"),
        ({"title": " ", "summary": "\x00", "url": "https://a.example/x"}, "https://a.example/x", "https://a.example/x"),
        ({"title": "a\x0bb\ufffe\ud800\nc", "summary": "x\r\ny\x00"}, "ab c", "x\ny"),
    ],
)
def test_title_and_summary_are_clean_and_never_empty(post, rules, changes, title, summary) -> None:
    item = make_item(post(1, **changes), rules)
    assert (item.title, item.summary) == (title, summary)


def test_a_title_in_the_other_direction_stands_alone(post, rules) -> None:
    """Readers put titles of many feeds into one line with other words; an override that nobody closed ends there."""
    assert make_item(post(1, title="שלום (hello) 1"), rules).title == "\u2068שלום (hello) 1\u2069"
    assert make_item(post(1, title="a \u202eb"), rules).title == "a b"
    gone = make_item(post(1, title="שלום", gone_at=datetime(2026, 3, 4, tzinfo=UTC)), rules)
    assert gone.title.endswith("\u2068שלום\u2069")


def test_a_withdrawn_post_keeps_its_id_and_says_so(post, rules) -> None:
    known = post(1, gone_at=datetime(2026, 3, 4, tzinfo=UTC), source_name="晨星社", original_url="https://a.example/")
    item = make_item(known, rules, "<p>secret</p>")
    assert item.id == known.id
    assert item.title == "「已撤回」" + known.title
    assert item.summary == "本文已由发布者撤回。"
    assert item.withdrawn is not None
    assert item.updated.isoformat() == item.withdrawn.isoformat() == "2026-03-04T08:00:00+08:00"
    assert item.published == known.published
    assert item.content_html is item.source_name is item.original_url is None


def test_labels_are_told_from_what_programs_compare(post, rules) -> None:
    item = make_item(post(1, categories=("markets", "能源", ""), tags=("A股", " A股", "")), rules)
    scheme = "https://news.example.com/feeds/"
    assert item.categories == (
        Term(term="markets", label="市场", scheme=scheme),
        Term(term="能源", label="能源", scheme=scheme),
    )
    assert item.tags == ("A股",)


@pytest.mark.parametrize(("lang", "said"), [(None, None), ("zh-cn", None), ("en", "en")])
def test_a_language_is_said_where_it_differs(post, rules, lang, said) -> None:
    assert make_item(post(1, lang=lang), rules).lang == said


def test_the_source_is_a_creator_too(post, rules) -> None:
    authors = (Author(name="李明"), Author(name="晨星社"))
    assert [one.name for one in make_item(post(1, source_name="晨星社"), rules).creators] == ["晨星社"]
    assert make_item(post(1, source_name="晨星社", authors=authors), rules).creators == authors
    with_source = make_item(post(1, source_name="晨星社", authors=authors[:1]), rules)
    assert [one.name for one in with_source.creators] == ["李明", "晨星社"]
    assert make_item(post(1), rules).creators == ()


def test_addresses_become_uris(post, rules) -> None:
    media = Attachment(url="https://a.example/声 音.mp3", mime_type="audio/mpeg", length=-1)
    item = make_item(post(1, image="https://a.example/图.png", attachments=(media,)), rules)
    assert item.image == "https://a.example/%E5%9B%BE.png"
    assert item.attachments[0].url == "https://a.example/%E5%A3%B0%20%E9%9F%B3.mp3"
    assert item.attachments[0].length == 0


@pytest.mark.parametrize(
    ("address", "clean"),
    [
        ("https://a.example/x?a=1&b=%E4%B8%AD#top", "https://a.example/x?a=1&b=%E4%B8%AD#top"),
        ("https://a.example/中文", "https://a.example/%E4%B8%AD%E6%96%87"),
        ("https://中文.example/a b", "https://xn--fiq228c.example/a%20b"),
        ("https://a.example/100%", "https://a.example/100%25"),
        ('https://a.example/"<x>"', "https://a.example/%22%3Cx%3E%22"),
        ("http://[::1]/a", "http://[::1]/a"),
        ("http://[中]/a", "http://[%E4%B8%AD]/a"),
        ("tag:a.example,2026:/x", "tag:a.example,2026:/x"),
    ],
)
def test_uris_have_only_what_rfc_3986_allows(address, clean) -> None:
    assert uri(address) == clean


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_making_a_uri_twice_changes_nothing(text) -> None:
    once = uri("https://a.example/" + text)
    assert uri(once) == once
    assert once.isascii()
