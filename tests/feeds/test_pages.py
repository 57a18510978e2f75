"""The pages for people: what they say and where they lead."""

from __future__ import annotations

import pytest
from lxml import html
from msgspec.structs import replace

from digest.languages import CatalogueLanguage
from digest.models import Author

BASE = "https://news.example.com/"


@pytest.fixture
def filled(site, post):
    site.store.put(
        post(1, categories=("markets",), summary="一段\n二段", original_url="https://press.example.org/1"),
        post(2, categories=("能源", "markets"), tags=("A股",), source_name="晨星社", authors=(Author(name="李明"),)),
        post(1500, categories=("能源",), lang="en", title="Oil & gas <up>", summary="Prices rose."),
        post(3, categories=("macro",), gone_at=post(9).published),
    )
    site.publish(category_titles={"macro": "宏观", "能源": "能源与材料"})
    return site


def page(site, name):
    document = html.document_fromstring(site.files()[name].decode())
    document.make_links_absolute(BASE + name)
    return document


def addresses(document):
    return [(field.get("aria-label"), field.text) for field in document.xpath("//textarea[@readonly]")]


def discovered(document):
    return [
        (link.get("type"), link.get("title"), link.get("href"))
        for link in document.xpath("/html/head/link[@rel='alternate']")
    ]


def text(element) -> str:
    return " ".join(element.text_content().split())


def test_the_list_has_every_feed_with_its_address(filled) -> None:
    document = page(filled, "feeds/index.html")
    assert [text(heading) for heading in document.xpath("//h1|//h2|//h3")] == [
        "订阅源", "全部文章", "分类", "能源与材料", "markets",
    ]  # fmt: skip
    assert addresses(document) == [
        ("晨报 & 快讯 (Atom) 的地址", BASE + "feed.xml"),
        ("晨报 & 快讯 (RSS) 的地址", BASE + "rss.xml"),
        ("晨报 & 快讯 (JSON Feed) 的地址", BASE + "feed.json"),
        ("全部订阅源合集（OPML）的地址", BASE + "feeds.opml"),
        ("能源与材料 · 晨报 & 快讯 (Atom) 的地址", BASE + "feed/%E8%83%BD%E6%BA%90.xml"),
        ("markets · 晨报 & 快讯 (Atom) 的地址", BASE + "feed/markets.xml"),
    ]
    links = {link.get("href") for link in document.xpath("//a")}
    assert {BASE + "feeds/markets.html", BASE + "feeds/%E8%83%BD%E6%BA%90.html", BASE + "feeds/all/index.html"} < links
    assert {BASE + "rss/markets.xml", BASE + "feed/markets.json", BASE + "feeds.opml"} < links


def test_titled_categories_come_first_in_their_order(site, post) -> None:
    site.store.put(*(post(key, categories=(name,)) for key, name in enumerate(["b", "A", "z", "y"])))
    site.publish(category_titles={"z": "", "y": "Y"} | {"z": "Z"})
    assert [text(heading) for heading in page(site, "feeds/index.html").xpath("//h3")] == ["Z", "Y", "A", "b"]


@pytest.mark.parametrize(
    ("name", "feed", "stem"),
    [("feeds/index.html", "晨报 & 快讯", ("feed.xml", "rss.xml", "feed.json")),
     ("feeds/all/index.html", "晨报 & 快讯", ("feed.xml", "rss.xml", "feed.json")),
     ("feeds/markets.html", "markets · 晨报 & 快讯", ("feed/markets.xml", "rss/markets.xml", "feed/markets.json"))],
)  # fmt: skip
def test_browsers_find_each_format(filled, name, feed, stem) -> None:
    document = page(filled, name)
    assert discovered(document) == [
        ("application/atom+xml", f"{feed} (Atom)", BASE + stem[0]),
        ("application/rss+xml", f"{feed} (RSS)", BASE + stem[1]),
        ("application/feed+json", f"{feed} (JSON Feed)", BASE + stem[2]),
    ]


def test_the_twin_shows_the_feed_by_day(filled) -> None:
    document = page(filled, "feeds/all/index.html")
    assert [text(heading) for heading in document.xpath("//h1|//h2|//h3")] == [
        "晨报 & 快讯",
        "2026年3月3日星期二", "Oil & gas <up>",
        "2026年3月2日星期一", "「已撤回」第3号公告：新产线投产", "第2号公告：新产线投产", "第1号公告：新产线投产",
        "订阅",
    ]  # fmt: skip
    english, gone, second, first = document.xpath("//article")
    assert english.get("lang") == "en"
    assert gone.xpath(".//a") == []
    assert [text(part) for part in second.xpath("p[@class='meta']/*")] == [
        "李明", "晨星社", "09:02", "能源与材料", "markets", "A股",
    ]  # fmt: skip
    assert first.xpath("p[1]")[0].text == "一段\n二段"
    assert first.xpath(".//a[@rel='external']/@href") == ["https://press.example.org/1"]
    assert second.xpath(".//h3/a/@href") == [filled.store.posts[2].url]
    assert second.xpath(".//time/@datetime") == ["2026-03-02T09:02:00+08:00"]


def test_the_twin_of_a_category_does_not_name_it_again(filled) -> None:
    (second,) = page(filled, "feeds/能源.html").xpath("//article[.//h3[contains(., '第2号')]]")
    assert [text(part) for part in second.xpath("p[@class='meta']/span")] == ["李明", "晨星社", "markets", "A股"]


def test_pages_say_language_and_address(filled) -> None:
    for name, canonical in {
        "feeds/index.html": "feeds/",
        "feeds/all/index.html": "feeds/all/",
        "feeds/能源.html": "feeds/%E8%83%BD%E6%BA%90.html",
    }.items():
        document = page(filled, name)
        assert (document.get("lang"), document.get("dir")) == ("zh-CN", "ltr")
        assert document.xpath("//link[@rel='canonical']/@href") == [BASE + canonical]
        assert document.xpath("//meta[@name='viewport']")


def test_nothing_comes_from_elsewhere(filled) -> None:
    """No font, script, style or image from another address."""
    for name in ("feeds/index.html", "feeds/all/index.html"):
        document = page(filled, name)
        assert document.xpath("//script[@src]|//img|//iframe|//link[@rel='stylesheet']") == []
        assert "url(" not in filled.files()[name].decode()
        assert "@import" not in filled.files()[name].decode()


@pytest.mark.parametrize(
    ("tag", "lang", "direction", "heading"),
    [("en", "en", "ltr", "Feeds"), ("ar", "ar", "rtl", "الخلاصات"), ("fa", "en", "ltr", "Feeds")],
)
def test_a_page_says_in_which_language_it_speaks(filled, tag, lang, direction, heading) -> None:
    """English if there are no texts in the site's."""
    filled.language = CatalogueLanguage(tag)
    filled.templates = type(filled.templates)(filled.language)
    filled.publish(site_title="The Morning Paper")
    document = page(filled, "feeds/index.html")
    assert (document.get("lang"), document.get("dir")) == (lang, direction)
    assert text(document.xpath("//h1")[0]) == heading


def test_posts_say_their_language_and_direction_where_the_page_has_others(site, post) -> None:
    """What stands beside them is of the page again. A post that says nothing is in the site's language."""
    site.store.put(post(1, lang="ar", title="خبر"), post(2, lang="en"), post(3))
    for tag, wanted in (("zh-CN", [None, "en", "ar"]), ("fa", ["fa", None, "ar"])):
        site.language = CatalogueLanguage(tag)
        site.templates = type(site.templates)(site.language)
        site.publish(site_title=tag)
        document = page(site, "feeds/all/index.html")
        entries = document.xpath("//article")
        assert {each.get("lang") for each in entries} == set(wanted)
        arabic = next(each for each in entries if each.get("lang") == "ar")
        assert (arabic.get("lang"), arabic.get("dir")) == ("ar", "rtl")
        spoken = "zh-CN" if tag == "zh-CN" else "en"
        assert [(each.get("lang"), each.get("dir")) for each in arabic.xpath(".//*[@class='meta']")] == [
            (spoken, "ltr")
        ]


def test_markup_in_titles_is_text(site, post) -> None:
    site.store.put(post(1, title="<script>alert(1)</script>", categories=('"><img src=x>',), summary="</p><b>"))
    site.publish(site_title="</title><script>")
    for name in ("feeds/index.html", "feeds/all/index.html"):
        document = page(site, name)
        assert len(document.xpath("//script")) == 1
        assert document.xpath("//img|//b") == []


def test_one_format_is_enough(site, post) -> None:
    site.store.put(post(1))
    site.publish(formats=("json",))
    document = page(site, "feeds/index.html")
    assert BASE + "feed/markets.json" in [value for _, value in addresses(document)]
    assert "feed/markets.json" in site.files()["feeds.opml"].decode()


def test_pages_hold_no_more_than_their_feeds(site, post) -> None:
    site.store.put(*(post(key) for key in range(30)))
    site.publish(limits=replace(site.options.limits, min_items=3, max_items=7))
    assert len(page(site, "feeds/markets.html").xpath("//article")) == 7
