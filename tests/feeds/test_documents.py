"""The documents of a feed: what each element says, read back by programs that did not write it."""

from __future__ import annotations

import calendar
import json
import locale
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import feedparser
import pytest
from lxml import etree
from msgspec.structs import replace

from digest.models import Attachment, Author
from digest.render.feeds.atom import render_atom
from digest.render.feeds.items import ItemRules, make_item
from digest.render.feeds.json_feed import render_json
from digest.render.feeds.model import Addresses, Feed, Paging
from digest.render.feeds.rss import render_rss

HERE = Path(__file__).parent
NS = {
    "a": "http://www.w3.org/2005/Atom",
    "at": "http://purl.org/atompub/tombstones/1.0",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "fh": "http://purl.org/syndication/history/1.0",
    "media": "http://search.yahoo.com/mrss/",
    "sy": "http://purl.org/rss/1.0/modules/syndication/",
    "xml": "http://www.w3.org/XML/1998/namespace",
}
SITE = "https://news.example.com"
ORIGINAL = "https://press.example.org/%E5%8E%9F%E6%96%87?id=3&x=1"
WRITERS = {"atom": render_atom, "rss": render_rss, "json": render_json}


@pytest.fixture
def rules(language) -> ItemRules:
    return ItemRules(
        language=language,
        zone=ZoneInfo("Asia/Shanghai"),
        category_scheme=f"{SITE}/feeds/",
        category_titles={"markets": "市场"},
    )


@pytest.fixture
def posts(post):
    """One post for every oddity; the last in the list is the newest."""
    return [
        post(1, title="AT&T 上涨 <纯文本> ]]>", summary='第一行 "引号" & <b>\n第二行'),
        post(2, authors=(Author(name="李明", email="li@news.example.com"),), source_name="晨星社"),
        post(
            3,
            tags=("A股", "央行"),
            categories=("markets", "能源"),
            original_url="https://press.example.org/原文?id=3&x=1",
            updated=post(3).published + timedelta(hours=5),
        ),
        post(4, lang="en", title="Rates unchanged", summary="The committee left rates unchanged."),
        post(
            5,
            image="https://news.example.com/chart.png",
            attachments=(
                Attachment(url="https://news.example.com/a.mp3", mime_type="audio/mpeg", length=4096),
                Attachment(url="https://news.example.com/b.pdf", mime_type="application/pdf"),
            ),
        ),
        post(6, gone_at=datetime(2026, 3, 5, 4, 0, tzinfo=UTC)),
    ]


@pytest.fixture
def feed(posts, rules) -> Feed:
    items = tuple(make_item(one, rules) for one in reversed(posts))
    return Feed(
        id=f"{SITE}/feed.xml",
        title="晨报 & 快讯",
        description="每天的财经新闻 <全文>",
        home_url=f"{SITE}/",
        addresses=Addresses(atom=f"{SITE}/feed.xml", rss=f"{SITE}/rss.xml", json=f"{SITE}/feed.json"),
        language="zh-CN",
        updated=max(item.updated for item in items),
        author=Author(name="编辑部", email="desk@news.example.com"),
        rights="© 2026 晨报",
        icon=f"{SITE}/icon.png",
        logo=f"{SITE}/logo.png",
        favicon=f"{SITE}/favicon.png",
        hubs=("https://hub.example.org/",),
        ttl=15,
        items=items,
        paging=Paging(previous=Addresses(atom=f"{SITE}/archive/000007.xml", json=f"{SITE}/archive/000007.json")),
    )


@pytest.fixture
def full(feed) -> Feed:
    html = '<p>全文 &nbsp; <a href="https://press.example.org/">来源</a> ]]&gt; </p>'
    return replace(feed, items=tuple(replace(item, content_html=html) for item in feed.items))


@pytest.fixture
def atom(feed):
    return etree.fromstring(render_atom(feed))


@pytest.fixture
def rss(feed):
    return etree.fromstring(render_rss(feed)).find("channel")


@pytest.fixture
def jsonfeed(feed):
    return json.loads(render_json(feed))


def texts(element, path):
    return [found.text for found in element.findall(path, NS)]


def links(element):
    """(rel, type, href) of each Atom link."""
    return [(link.get("rel"), link.get("type"), link.get("href")) for link in element.findall("a:link", NS)]


# ------------------------------------------------------------------ in common


@pytest.mark.parametrize("name", WRITERS)
def test_same_feed_same_bytes(feed, name) -> None:
    assert WRITERS[name](feed) == WRITERS[name](feed)


@pytest.mark.parametrize("name", WRITERS)
def test_documents_are_utf8_without_mark_or_doctype(feed, name) -> None:
    document = WRITERS[name](feed)
    text = document.decode("utf-8")
    assert "晨报" in text
    assert not text.startswith("\ufeff")
    assert "<!DOCTYPE" not in text
    assert text.startswith("{" if name == "json" else "<?xml version='1.0' encoding='UTF-8'?>")
    assert text.endswith("\n")


@pytest.mark.parametrize("name", ["atom", "rss"])
@pytest.mark.parametrize("which", ["feed", "full"])
def test_feedparser_finds_no_fault(name, which, request) -> None:
    feed = request.getfixturevalue(which)
    parsed = feedparser.parse(WRITERS[name](feed))
    assert parsed.bozo == 0
    assert parsed.version == {"atom": "atom10", "rss": "rss20"}[name]
    assert [entry.id for entry in parsed.entries] == [item.id for item in feed.items]
    assert [entry.link for entry in parsed.entries] == [item.url for item in feed.items]
    assert parsed.entries[0].title == "「已撤回」第6号公告：新产线投产"
    assert parsed.feed.link == f"{SITE}/"
    assert [datetime.fromtimestamp(calendar.timegm(entry.published_parsed), UTC) for entry in parsed.entries] == [
        item.published for item in feed.items
    ]


def atom_texts(tree, name) -> list[str]:
    """The plain text of each entry's text construct (RFC 4287, section 3.1)."""
    return [
        unescape(found.text.replace("<br>", "\n")) if found.get("type") == "html" else found.text
        for found in tree.findall(f"a:entry/a:{name}", NS)
    ]


def test_all_formats_say_the_same(feed) -> None:
    atom, rss = feedparser.parse(render_atom(feed)), feedparser.parse(render_rss(feed))
    items = json.loads(render_json(feed))["items"]

    def facts(entry):
        return entry.id, entry.link, entry.published_parsed

    assert [facts(entry) for entry in atom.entries] == [facts(entry) for entry in rss.entries]
    assert [(entry.id, entry.link) for entry in atom.entries] == [(item["id"], item["url"]) for item in items]
    tree = etree.fromstring(render_atom(feed))
    assert atom_texts(tree, "title") == [item["title"] for item in items]
    assert atom_texts(tree, "summary") == [item["summary"] for item in items]
    assert texts(etree.fromstring(render_rss(feed)), "channel/item/title") == [item["title"] for item in items]


@pytest.mark.parametrize("name", WRITERS)
def test_the_clock_is_nowhere(feed, name) -> None:
    """Every date in a document comes from its posts."""
    assert b"2026-11" not in WRITERS[name](feed)
    document = WRITERS[name](feed).decode()
    for year in range(2020, 2040):
        if year != 2026:
            assert f"{year}-" not in document
            assert f" {year} " not in document


@pytest.mark.parametrize("name", ["atom", "rss"])
def test_all_links_are_absolute(full, name) -> None:
    tree = etree.fromstring(WRITERS[name](full))
    addresses = [value for element in tree.iter() for key, value in element.attrib.items() if key in ("href", "url")]
    addresses += texts(tree, "channel/item/link") + texts(tree, "channel/link")
    assert addresses
    assert all(urlsplit(address).scheme == "https" and address.isascii() for address in addresses)


@pytest.mark.parametrize("name", WRITERS)
def test_a_feed_without_items_is_valid(feed, name) -> None:
    empty = replace(feed, items=(), paging=Paging(), hubs=(), ttl=None, rights=None, icon=None, logo=None)
    document = WRITERS[name](empty)
    if name == "json":
        assert json.loads(document)["items"] == []
    else:
        parsed = feedparser.parse(document)
        assert (parsed.bozo, parsed.entries, parsed.feed.title) == (0, [], "晨报 & 快讯")


def test_html_is_escaped_once_and_comes_back_as_written(full) -> None:
    html = full.items[0].content_html
    atom, rss = etree.fromstring(render_atom(full)), etree.fromstring(render_rss(full))
    assert set(texts(atom, "a:entry/a:content")) == {html}
    assert set(texts(rss, "channel/item/content:encoded")) == {html}
    assert {item["content_html"] for item in json.loads(render_json(full))["items"]} == {html}
    assert b"CDATA" not in render_atom(full) + render_rss(full)


# ----------------------------------------------------------------------- Atom


def test_atom_feed_elements(atom) -> None:
    assert texts(atom, "a:id") == [f"{SITE}/feed.xml"]
    assert texts(atom, "a:title") == ["晨报 & 快讯"]
    assert texts(atom, "a:subtitle") == ["每天的财经新闻 <全文>"]
    assert texts(atom, "a:updated") == ["2026-03-05T12:00:00+08:00"]
    assert texts(atom, "a:rights") == ["© 2026 晨报"]
    assert texts(atom, "a:icon") == [f"{SITE}/icon.png"]
    assert texts(atom, "a:logo") == [f"{SITE}/logo.png"]
    assert texts(atom, "a:author/a:name") == ["编辑部"]
    assert texts(atom, "a:author/a:email") == ["desk@news.example.com"]
    assert [(element.text, dict(element.attrib)) for element in atom.findall("a:generator", NS)] == [("digest", {})]
    assert atom.get(f"{{{NS['xml']}}}lang") == "zh-CN"
    assert links(atom) == [
        ("alternate", "text/html", f"{SITE}/"),
        ("self", "application/atom+xml", f"{SITE}/feed.xml"),
        ("hub", None, "https://hub.example.org/"),
        ("prev-archive", "application/atom+xml", f"{SITE}/archive/000007.xml"),
    ]
    assert atom.find("fh:archive", NS) is None


def test_atom_entry_elements(atom, posts) -> None:
    entry = atom.findall("a:entry", NS)[3]
    assert texts(entry, "a:id") == [posts[2].id]
    assert texts(entry, "a:title") == [posts[2].title]
    assert texts(entry, "a:published") == ["2026-03-02T09:03:00+08:00"]
    assert texts(entry, "a:updated") == ["2026-03-02T14:03:00+08:00"]
    assert links(entry) == [
        ("alternate", "text/html", posts[2].url),
        ("via", "text/html", ORIGINAL),
    ]
    assert [dict(category.attrib) for category in entry.findall("a:category", NS)] == [
        {"term": "markets", "scheme": f"{SITE}/feeds/", "label": "市场"},
        {"term": "能源", "scheme": f"{SITE}/feeds/", "label": "能源"},
        {"term": "A股"},
        {"term": "央行"},
    ]
    summary = entry.find("a:summary", NS)
    assert (summary.get("type"), summary.text) == ("text", posts[2].summary)


def test_atom_authors_languages_media(atom) -> None:
    _, media, english, _, authored, odd = atom.findall("a:entry", NS)
    assert texts(authored, "a:author/a:name") == ["李明", "晨星社"]
    assert texts(authored, "a:author/a:email") == ["li@news.example.com"]
    assert english.get(f"{{{NS['xml']}}}lang") == "en"
    assert odd.get(f"{{{NS['xml']}}}lang") is None
    assert [(link.get("href"), link.get("type"), link.get("length")) for link in media.findall("a:link", NS)[1:]] == [
        ("https://news.example.com/a.mp3", "audio/mpeg", "4096"),
        ("https://news.example.com/b.pdf", "application/pdf", "0"),
    ]
    assert media.find("media:content", NS).get("url") == "https://news.example.com/chart.png"


def test_atom_texts_cannot_be_mistaken_for_markup(atom) -> None:
    """Those with < or & are declared as HTML and escaped: readers that ignore the type would swallow them."""
    odd, plain = atom.findall("a:entry", NS)[5], atom.findall("a:entry", NS)[3]
    assert [(one.get("type"), one.text) for one in (odd.find("a:title", NS), odd.find("a:summary", NS))] == [
        ("html", "AT&amp;T 上涨 &lt;纯文本&gt; ]]&gt;"),
        ("html", '第一行 "引号" &amp; &lt;b&gt;<br>第二行'),
    ]
    assert [plain.find(f"a:{name}", NS).get("type") for name in ("title", "summary")] == ["text", "text"]


def test_atom_full_text_has_type_and_base(full) -> None:
    entry = etree.fromstring(render_atom(full)).findall("a:entry", NS)[3]
    content = entry.find("a:content", NS)
    assert content.get("type") == "html"
    assert content.get(f"{{{NS['xml']}}}base") == full.items[3].url


def test_atom_says_what_was_deleted(atom, posts) -> None:
    """RFC 6721, beside the entry that says so to people."""
    assert [dict(element.attrib) for element in atom.findall("at:deleted-entry", NS)] == [
        {"ref": posts[5].id, "when": "2026-03-05T12:00:00+08:00"}
    ]


# ------------------------------------------------------------------------ RSS


def test_rss_channel_elements(rss) -> None:
    assert texts(rss, "title") == ["晨报 & 快讯"]
    assert texts(rss, "link") == [f"{SITE}/"]
    assert texts(rss, "description") == ["每天的财经新闻 <全文>"]
    assert texts(rss, "lastBuildDate") == ["Thu, 05 Mar 2026 12:00:00 +0800"]
    assert texts(rss, "language") == ["zh-CN"]
    assert texts(rss, "copyright") == ["© 2026 晨报"]
    assert texts(rss, "managingEditor") == ["desk@news.example.com (编辑部)"]
    assert texts(rss, "generator") == ["digest"]
    assert texts(rss, "ttl") == ["15"]
    assert texts(rss, "sy:updatePeriod") == ["hourly"]
    assert texts(rss, "sy:updateFrequency") == ["4"]
    assert [(child.tag, child.text) for child in rss.find("image")] == [
        ("url", f"{SITE}/logo.png"),
        ("title", "晨报 & 快讯"),
        ("link", f"{SITE}/"),
    ]
    assert links(rss) == [
        ("self", "application/rss+xml", f"{SITE}/rss.xml"),
        ("hub", None, "https://hub.example.org/"),
        ("prev-archive", "application/atom+xml", f"{SITE}/archive/000007.xml"),
    ]


def test_rss_names_an_editor_only_with_an_address(feed) -> None:
    without = etree.fromstring(render_rss(replace(feed, author=Author(name="编辑部"))))
    assert without.find("channel/managingEditor") is None


def test_rss_item_elements(rss, posts) -> None:
    item = rss.findall("item")[3]
    assert [(child.tag.rpartition("}")[2], child.text, dict(child.attrib)) for child in item] == [
        ("title", posts[2].title, {}),
        ("link", posts[2].url, {}),
        ("description", posts[2].summary, {}),
        ("guid", posts[2].id, {"isPermaLink": "false"}),
        ("category", "市场", {"domain": f"{SITE}/feeds/"}),
        ("category", "能源", {"domain": f"{SITE}/feeds/"}),
        ("category", "A股", {}),
        ("category", "央行", {}),
        ("pubDate", "Mon, 02 Mar 2026 09:03:00 +0800", {}),
        ("link", None, {"rel": "via", "href": ORIGINAL, "type": "text/html"}),
        ("updated", "2026-03-02T14:03:00+08:00", {}),
    ]  # fmt: skip


def test_rss_item_order_with_everything(full) -> None:
    """title, link, description, content:encoded, dc:creator, guid, category, enclosure, pubDate."""
    item = etree.fromstring(render_rss(full)).findall("channel/item")[4]
    assert [child.tag.rpartition("}")[2] for child in item] == [
        "title", "link", "description", "encoded", "creator", "creator", "guid", "category", "pubDate",
    ]  # fmt: skip
    assert texts(item, "dc:creator") == ["李明", "晨星社"]


def test_rss_has_one_enclosure(rss) -> None:
    enclosures = rss.findall("item")[1].findall("enclosure")
    assert [dict(enclosure.attrib) for enclosure in enclosures] == [
        {"url": "https://news.example.com/a.mp3", "length": "4096", "type": "audio/mpeg"}
    ]


def test_rss_summaries_are_html_and_titles_are_text(feed) -> None:
    """Readers show a description as HTML, and disagree about titles: those get hexadecimal references."""
    document = render_rss(feed)
    odd = etree.fromstring(document).findall("channel/item")[5]
    assert texts(odd, "title") == ["AT&T 上涨 <纯文本> ]]>"]
    assert texts(odd, "description") == ['第一行 "引号" &amp; &lt;b&gt;<br>第二行']
    assert "<title>AT&#x26;T 上涨 &#x3C;纯文本&gt; ]]&gt;</title>".encode() in document


def test_rss_categories_are_text_too(feed) -> None:
    """So do categories and tags."""
    tagged = replace(feed, items=(replace(feed.items[0], tags=("R&D", "a<b")),))
    document = render_rss(tagged)
    assert b"<category>R&#x26;D</category>" in document
    assert b"<category>a&#x3C;b</category>" in document


def test_rss_dates_are_english_in_any_locale(feed) -> None:
    before = locale.setlocale(locale.LC_ALL)
    try:
        locale.setlocale(locale.LC_ALL, "C.UTF-8")
        for name in ("zh_CN.UTF-8", "de_DE.UTF-8"):
            try:
                locale.setlocale(locale.LC_ALL, name)
            except locale.Error:
                continue
        here = locale.setlocale(locale.LC_ALL)
        assert b"<pubDate>Mon, 02 Mar 2026 09:03:00 +0800</pubDate>" in render_rss(feed)
        assert locale.setlocale(locale.LC_ALL) == here
    finally:
        locale.setlocale(locale.LC_ALL, before)


# ----------------------------------------------------------------------- JSON


def test_json_feed_members(jsonfeed) -> None:
    del jsonfeed["items"]
    assert jsonfeed == {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "晨报 & 快讯",
        "home_page_url": f"{SITE}/",
        "feed_url": f"{SITE}/feed.json",
        "description": "每天的财经新闻 <全文>",
        "next_url": f"{SITE}/archive/000007.json",
        "icon": f"{SITE}/icon.png",
        "favicon": f"{SITE}/favicon.png",
        "authors": [{"name": "编辑部", "url": "mailto:desk@news.example.com"}],
        "language": "zh-CN",
        "hubs": [{"type": "WebSub", "url": "https://hub.example.org/"}],
        "_digest": {"rights": "© 2026 晨报"},
    }


def test_json_item_members(jsonfeed, posts) -> None:
    assert jsonfeed["items"][3] == {
        "id": posts[2].id,
        "url": posts[2].url,
        "title": posts[2].title,
        "content_text": posts[2].summary,
        "summary": posts[2].summary,
        "date_published": "2026-03-02T09:03:00+08:00",
        "date_modified": "2026-03-02T14:03:00+08:00",
        "tags": ["市场", "能源", "A股", "央行"],
        "_digest": {"original_url": ORIGINAL},
    }
    assert jsonfeed["items"][0]["_digest"] == {"withdrawn": "2026-03-05T12:00:00+08:00"}
    assert jsonfeed["items"][1]["attachments"] == [
        {"url": "https://news.example.com/a.mp3", "mime_type": "audio/mpeg", "size_in_bytes": 4096},
        {"url": "https://news.example.com/b.pdf", "mime_type": "application/pdf"},
    ]
    assert jsonfeed["items"][1]["image"] == "https://news.example.com/chart.png"
    assert jsonfeed["items"][2]["language"] == "en"
    assert jsonfeed["items"][4]["authors"] == [
        {"name": "李明", "url": "mailto:li@news.example.com"},
        {"name": "晨星社"},
    ]


def test_json_full_text_replaces_the_plain_one(full) -> None:
    item = json.loads(render_json(full))["items"][1]
    assert "content_text" not in item
    assert item["summary"] == full.items[1].summary


def test_json_names_the_original_if_asked(feed) -> None:
    items = json.loads(render_json(replace(feed, external_urls=True)))["items"]
    assert items[3]["external_url"] == ORIGINAL
    assert "external_url" not in items[4]


# -------------------------------------------------------------------- archives


def test_archives_are_marked_and_linked(feed) -> None:
    """RFC 5005, section 4."""
    closed = replace(
        feed,
        addresses=Addresses(atom=f"{SITE}/archive/000002.xml", json=f"{SITE}/archive/000002.json"),
        paging=Paging(
            closed=True,
            current=feed.addresses,
            previous=Addresses(atom=f"{SITE}/archive/000001.xml", json=f"{SITE}/archive/000001.json"),
            next=Addresses(atom=f"{SITE}/archive/000003.xml"),
        ),
    )
    atom = etree.fromstring(render_atom(closed))
    assert atom.find("fh:archive", NS) is not None
    assert [(rel, href) for rel, _, href in links(atom) if rel not in ("hub", "alternate")] == [
        ("self", f"{SITE}/archive/000002.xml"),
        ("current", f"{SITE}/feed.xml"),
        ("prev-archive", f"{SITE}/archive/000001.xml"),
        ("next-archive", f"{SITE}/archive/000003.xml"),
    ]
    page = json.loads(render_json(closed))
    assert page["feed_url"] == f"{SITE}/feed.json"
    assert page["next_url"] == f"{SITE}/archive/000001.json"


def test_archives_may_be_rss_too(feed) -> None:
    addresses = Addresses(rss=f"{SITE}/archive/000002.xml")
    paging = Paging(closed=True, current=feed.addresses, previous=Addresses(rss=f"{SITE}/archive/000001.xml"))
    document = render_rss(replace(feed, addresses=addresses, paging=paging))
    assert feedparser.parse(document).bozo == 0
    channel = etree.fromstring(document).find("channel")
    assert channel.find("fh:archive", NS) is not None
    assert [(rel, href) for rel, _, href in links(channel) if rel != "hub"] == [
        ("self", f"{SITE}/archive/000002.xml"),
        ("current", f"{SITE}/rss.xml"),
        ("prev-archive", f"{SITE}/archive/000001.xml"),
    ]


# ------------------------------------------------------------------------ text


NASTY = "\x00\x0b\x1f\x7f\ufffe\uffff\ud800"


@pytest.mark.parametrize("name", ["atom", "rss", "json"])
def test_forbidden_characters_cost_only_themselves(post, rules, feed, name) -> None:
    """One post with all of them is published and reads back as written, minus the forbidden characters."""
    nasty = post(
        7,
        title=f"<纯{NASTY}文本> ]]> &nbsp; 标题",
        summary=f"一{NASTY}\r\n二 ]]> &nbsp; <b>",
        tags=(f"标{NASTY}签",),
        source_name=f"晨{NASTY}星社",
    )
    item = make_item(nasty, rules, f"<p>全{NASTY}文 ]]&gt; &nbsp;</p>\r\n")
    document = WRITERS[name](replace(feed, items=(item, *feed.items)))
    if name == "json":
        read = json.loads(document)["items"][0]
        assert read["content_html"] == "<p>全文 ]]&gt; &nbsp;</p>\n"
        assert read["title"] == "<纯文本> ]]> &nbsp; 标题"
        assert read["tags"] == ["市场", "标签"]
        return
    tree = etree.fromstring(document)
    where = "a:entry/a:" if name == "atom" else "channel/item/"
    title = tree.find(f"{where}title", NS).text
    assert title == {"atom": "&lt;纯文本&gt; ]]&gt; &amp;nbsp; 标题", "rss": "<纯文本> ]]> &nbsp; 标题"}[name]
    content = "a:entry/a:content" if name == "atom" else "channel/item/content:encoded"
    assert tree.find(content, NS).text == "<p>全文 ]]&gt; &nbsp;</p>\n"
    assert feedparser.parse(document).bozo == 0
