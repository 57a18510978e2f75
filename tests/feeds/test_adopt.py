"""Ids of an earlier publisher are taken over, so that nobody sees an entry twice."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import feedparser
import pytest

from digest.errors import SourceError
from digest.jobs.addresses import unmatched
from digest.jobs.archive.adopt import EarlierFeed, adopt, in_words, read_feed

LINK = "https://news.example.com/markets/2026/03/02/1.html"
OLDEST = datetime(2026, 3, 1, 16, 0, tzinfo=UTC)

ATOM = f"""<?xml version="1.0"?>
<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://news.example.com/">
<id>https://news.example.com/feed.xml</id>
<entry><id>urn:x:1</id><link rel="self" href="no"/><link href="{LINK}" rel="alternate"/>
<published>2026-03-02T09:00:00+08:00</published></entry>
<entry xml:base="markets/"><id> urn:x:2 </id><link href="2.html"/><updated>2026-03-02T00:00:00+08:00</updated></entry>
<entry><id>urn:x:3</id></entry>
</feed>"""
RSS = f"""<rss version="2.0"><channel><title>x</title>
<item><title>a</title><link>{LINK}</link><guid isPermaLink="false">urn:x:1</guid>
<pubDate>Mon, 02 Mar 2026 00:00:00 +0800</pubDate></item>
<item><title>b</title><guid>https://news.example.com/b</guid><pubDate>soon</pubDate></item>
<item><title>c</title><link>https://news.example.com/中文</link></item>
<item><title>d</title><guid isPermaLink="false">urn:x:4</guid></item>
</channel></rss>"""
RDF = f"""<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
 xmlns:dc="http://purl.org/dc/elements/1.1/">
<item rdf:about="urn:x:1"><title>a</title><link>{LINK}</link><dc:date>2026-03-02T00:00:00+08:00</dc:date></item>
</rdf:RDF>"""
JSON = json.dumps(
    {
        "version": "https://jsonfeed.org/version/1.1",
        "items": [
            {"id": "urn:x:1", "url": LINK, "date_published": "2026-03-02T00:00:00+08:00"},
            {"id": 7, "url": "https://news.example.com/7", "date_published": "soon"},
            {"id": "urn:x:3"},
            "nonsense",
        ],
    }
)


@pytest.mark.parametrize(
    ("text", "feed"),
    [
        (
            ATOM,
            EarlierFeed(
                id="https://news.example.com/feed.xml",
                ids={LINK: "urn:x:1", "https://news.example.com/markets/2.html": "urn:x:2"},
                oldest=OLDEST,
                unusable=1,
            ),
        ),
        (
            RSS,
            EarlierFeed(
                ids={
                    LINK: "urn:x:1",
                    "https://news.example.com/b": "https://news.example.com/b",
                    "https://news.example.com/%E4%B8%AD%E6%96%87": "https://news.example.com/中文",
                },
                oldest=OLDEST,
                unusable=1,
            ),
        ),
        (RDF, EarlierFeed(ids={LINK: "urn:x:1"}, oldest=OLDEST)),
        (
            JSON,
            EarlierFeed(ids={LINK: "urn:x:1", "https://news.example.com/7": "7"}, oldest=OLDEST, unusable=2),
        ),
    ],
    ids=["atom", "rss", "rdf", "json"],
)
def test_feeds_of_all_formats_are_read(text, feed) -> None:
    assert read_feed(text.encode(), "old.xml") == feed
    assert read_feed(b"\xef\xbb\xbf" + text.encode(), "old.xml") == feed


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a feed",
        b"<html><body>a page</body></html>",
        b"<feed>",
        b"{}",
        b'{"items": []}',
        b'{"version": "https://jsonfeed.org/version/1", "items": 3}',
        b"{" + b'"a":{' * 5000,
        b"\xff\xfe\x00",
    ],
)
def test_what_is_no_feed_is_refused(data) -> None:
    with pytest.raises(SourceError, match=r"old\.xml: is no .*; save the feed itself, not its page"):
        read_feed(data, "old.xml")


def test_a_feed_cannot_read_our_files(tmp_path) -> None:
    (tmp_path / "secret").write_text("secret")
    text = f"""<!DOCTYPE feed [<!ENTITY e SYSTEM "{(tmp_path / "secret").as_uri()}">]>
<feed xmlns="http://www.w3.org/2005/Atom"><id>&e;</id></feed>"""
    assert read_feed(text.encode(), "old.xml").id is None


def test_our_own_feeds_are_read_back(site, post) -> None:
    site.store.put(*(post(key) for key in range(5)))
    site.publish()
    for name in ("feed.xml", "rss.xml", "feed.json"):
        earlier = read_feed(site.files()[name], name)
        assert earlier.ids == {post(key).url: post(key).id for key in range(5)}
        assert earlier.oldest == post(0).published


def test_adopted_ids_are_kept_by_link(store) -> None:
    report = adopt(store, ATOM.encode(), "old.xml")
    assert (report.adopted, report.unusable, report.feed_id, report.since) == (
        2, 1, "https://news.example.com/feed.xml", OLDEST,
    )  # fmt: skip
    assert store.adopted_ids([LINK, "feed.xml"]) == {LINK: "urn:x:1", "feed.xml": "https://news.example.com/feed.xml"}


def test_links_follow_a_site_that_moved(store) -> None:
    adopt(store, ATOM.encode(), "old.xml", moved=("https://news.example.com/", "https://new.example.net/x/"))
    assert store.adopted_ids(["https://new.example.net/x/markets/2.html"]) == {
        "https://new.example.net/x/markets/2.html": "urn:x:2"
    }
    adopt(store, JSON.encode(), "old.json", moved=("https://other.example", "https://new.example.net"))
    assert LINK in store.adopted


def test_a_second_feed_only_lengthens_the_past(store) -> None:
    """Overall and category feeds may be adopted one after another."""
    adopt(store, ATOM.encode(), "old.xml", kind="category", stem="markets")
    assert store.adopted["feed/markets.xml"] == "https://news.example.com/feed.xml"
    later = ATOM.replace("2026-03-02", "2026-03-09").encode()
    assert adopt(store, later, "later.xml").since == OLDEST


def test_after_the_switch_readers_see_nothing_twice(site, post) -> None:
    """Only what the earlier feed had, and newer posts; the older ones are in the archives alone."""
    old = [post(key, id=f"urn:old:{key}") for key in range(290, 300)]
    site.store.put(*(post(key) for key in range(290)), *old, *(post(key) for key in range(300, 303)))
    site.store.adopt_ids({"feed.xml": "urn:old:feed"})
    site.store.set_live_since(post(290).published)
    site.publish()
    parsed = feedparser.parse(site.files()["feed.xml"])
    assert parsed.feed.id == "urn:old:feed"
    assert [entry.id for entry in parsed.entries] == [post(key).id for key in (302, 301, 300)] + [
        one.id for one in reversed(old)
    ]
    assert len(feedparser.parse(site.files()["feed/markets.xml"]).entries) == 13
    archived = [
        entry.id for number in (1, 2) for entry in feedparser.parse(site.files()[f"archive/{number:06}.xml"]).entries
    ]
    assert sorted(archived) == sorted(post(key).id for key in range(290))


@pytest.mark.parametrize(
    ("date", "link"),
    [
        ("Mon, 01 Jan 0001 00:00:00 +1200", "https://news.example.com/a.html"),
        ("Fri, 99999999999999999999 Dec 9999 23:59:59 +0800", "https://news.example.com/a.html"),
        ("Mon, 02 Mar 2026 01:00:00 GMT", "http://[x"),
    ],
)
def test_dates_out_of_range_and_broken_links_are_no_obstacle(date: str, link: str) -> None:
    """The entries beside them are read."""
    entries = "".join(
        f"<item><link>{address}</link><guid>{number}</guid><pubDate>{when}</pubDate></item>"
        for number, (address, when) in enumerate(
            [(link, date), ("https://news.example.com/b.html", "Mon, 02 Mar 2026 01:00:00 GMT")]
        )
    )
    found = read_feed(f"<rss><channel>{entries}</channel></rss>".encode(), "old.xml")
    assert found.ids["https://news.example.com/b.html"] == "1"
    atom = f"<entry><id>a</id><link href='{link}'/><updated>9999-12-31T23:59:59-12:00</updated></entry>"
    assert read_feed(f"<feed xmlns='http://www.w3.org/2005/Atom'>{atom}</feed>".encode(), "old.xml").oldest is None


# ------------------------------------------------------- as readers read them


ITEM = "<item><title>a</title><link>{link}</link><guid isPermaLink='false'>old</guid>{more}</item>"
BURNER = "xmlns:f='http://rssnamespace.org/feedburner/ext/1.0'"


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("\n  <?xml version='1.0'?><rss version='2.0'><channel>{}</channel></rss>", ["https://a.example/1"]),
        (
            "\ufeff<rss version='2.0'><channel><title>x&nbsp;y &hellip;</title>{}</channel></rss>",
            ["https://a.example/1"],
        ),
        (f"<rss version='2.0' {BURNER}><channel>{{}}</channel></rss>", ["https://a.example/1"]),
    ],
    ids=["white space first", "HTML entities", "FeedBurner"],
)
def test_what_feeds_hold_in_the_world(text: str, links: list[str]) -> None:
    link, more = "https://a.example/1", ""
    if "f=" in text:
        link, more = "http://feedproxy.example/~r/x/3", "<f:origLink>https://a.example/1</f:origLink>"
    found = read_feed(text.format(ITEM.format(link=link, more=more)).encode(), "feed")
    assert list(found.ids) == links


def test_what_was_added_to_a_link_is_left_out() -> None:
    text = "<rss version='2.0'><channel>{}</channel></rss>"
    link = "https://a.example/1?p=2&amp;utm_source=rss&amp;utm_medium=x#top"
    assert list(read_feed(text.format(ITEM.format(link=link, more="")).encode(), "f").ids) == [
        "https://a.example/1?p=2"
    ]


@pytest.mark.parametrize(
    ("link", "says"),
    [
        ("https://a.example/2026/11/24/x/", "the slash at its end"),
        ("https://www.a.example/2026/11/24/x", "the host"),
        ("http://a.example/2026/11/24/x", "the scheme"),
        ("https://a.example/2026/11/23/x", "the day"),
        ("https://a.example/other", ""),
    ],
)
def test_why_an_id_fits_no_post(link: str, says: str) -> None:
    url = "https://a.example/2026/11/24/x"
    [left] = unmatched([link, url], [url])
    assert (left.link, left.differs) == (link, says)
    assert link in in_words([left], 2)
    assert in_words([], 2) == ""
