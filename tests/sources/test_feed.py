"""Reading feeds of other sites: every format, every encoding, ids as they come; what is dangerous is refused."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.errors import SourceError
from digest.filetable import stamp_of
from digest.models import Attachment, Item, Listing
from digest.sources.feed import FeedSource, entry_ref
from digest.sources.remote.documents import Document, Unreadable
from digest.sources.remote.limits import Limits
from digest.sources.remote.reading import read_document
from tests.sources.broken_server import BrokenServer, answer

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
URL = "https://wire.example/feeds/all.xml"


def document(text: str | bytes, content_type: str = "", url: str = URL) -> Document:
    return read_document(text if isinstance(text, bytes) else text.encode(), content_type=content_type, url=url)


def entries(text: str | bytes, content_type: str = "") -> tuple[Item, ...]:
    return document(text, content_type).entries


def rss(inside: str, version: str = "2.0", more: str = "") -> str:
    return f'<?xml version="1.0"?><rss version="{version}" {more}><channel><title>News</title>{inside}</channel></rss>'


def atom(inside: str, more: str = "") -> str:
    return f'<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom" {more}><title>News</title>{inside}</feed>'


def json_feed(*items: object, version: str = "1.1", **feed: object) -> str:
    whole = {"version": f"https://jsonfeed.org/version/{version}", "title": "News", "items": list(items)}
    return json.dumps(whole | feed)


@pytest.fixture
def looked() -> Iterator[Callable[..., tuple[FeedSource, Listing]]]:
    """A source that found a body at its address, and its listing."""
    with BrokenServer() as server:

        def look(body: str | bytes, **changes: Any) -> tuple[FeedSource, Listing]:
            server.acts["/feed"] = answer(body if isinstance(body, bytes) else body.encode())
            settings: dict[str, Any] = {"now": NOW, "allow": (ip_network("127.0.0.0/8"),)}
            source = FeedSource(f"{server.url}/feed", **(settings | changes))
            return source, source.scan()

        yield look


# -------------------------------------------------------------------------- formats

OLD = "<item><title>One</title><link>http://wire.example/1</link><description>First.</description></item>"


@pytest.mark.parametrize("version", ["0.91", "0.92", "0.93", "0.94", "2.0"])
def test_rss(version: str) -> None:
    (item,) = entries(rss(OLD, version))
    assert (item.title, item.url, item.summary, item.published) == ("One", "http://wire.example/1", "First.", None)


def test_rss_of_netscape() -> None:
    """Its DOCTYPE names a file that nobody fetches."""
    doctype = '<!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" "http://127.0.0.1:1/rss-0.91.dtd">'
    assert entries(rss(OLD, "0.91").replace("<rss", f"{doctype}<rss"))[0].title == "One"


def test_rdf() -> None:
    """RSS 1.0: entries stand beside the channel."""
    (item,) = entries(
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/"><channel rdf:about="http://wire.example/"><title>News</title>'
        '</channel><item rdf:about="http://wire.example/id/1"><title>One</title><link>http://wire.example/1</link>'
        "<dc:date>2026-11-23T10:00:00+08:00</dc:date><dc:creator>Ann</dc:creator><dc:subject>macro</dc:subject>"
        "</item></rdf:RDF>"
    )
    assert (item.id, item.url, item.categories) == ("http://wire.example/id/1", "http://wire.example/1", ("macro",))
    assert item.published == datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
    assert item.authors[0].name == "Ann"


def test_atom() -> None:
    found = document(
        atom(
            "<id>tag:wire.example,2026:all</id><link href='/'/>"
            "<entry><id>tag:wire.example,2026:1</id><title type='html'>&lt;b&gt;One&lt;/b&gt;</title>"
            "<link href='/1'/><link rel='enclosure' href='a.mp3' type='audio/mpeg' length='7'/>"
            "<published>2026-11-23T10:00:00Z</published><updated>2026-11-23T11:00:00.5Z</updated>"
            "<category term='macro' label='Macro'/><author><name>Ann</name><uri>/ann</uri></author>"
            "<summary>Short &lt;3.</summary><content type='html'>&lt;p&gt;Long.&lt;/p&gt;</content></entry>",
            "xml:lang='zh-CN'",
        )
    )
    assert (found.title, found.url, found.id) == ("News", "https://wire.example/", "tag:wire.example,2026:all")
    (item,) = found.entries
    assert item.id == "tag:wire.example,2026:1"
    assert (item.title, item.url, item.lang) == ("<b>One</b>", "https://wire.example/1", "zh-CN")
    assert (item.summary, item.content) == ("Short &lt;3.", "<p>Long.</p>")
    assert (item.published, item.updated) == (
        datetime(2026, 11, 23, 10, tzinfo=UTC),
        datetime(2026, 11, 23, 11, tzinfo=UTC),
    )
    assert (item.categories, item.authors[0].url) == (("macro",), "https://wire.example/ann")
    assert item.attachments == (
        Attachment(url="https://wire.example/feeds/a.mp3", mime_type="audio/mpeg", length=7),
    )  # fmt: skip


def test_atom_of_old() -> None:
    """Version 0.3: issued, modified."""
    (item,) = entries(
        '<feed version="0.3" xmlns="http://purl.org/atom/ns#"><title>News</title><entry><title>One</title>'
        '<link rel="alternate" type="text/html" href="http://wire.example/1"/><id>tag:x,2003:1</id>'
        "<issued>2026-11-22T08:00:00Z</issued><modified>2026-11-23T08:00:00Z</modified></entry></feed>"
    )
    assert (item.id, item.url) == ("tag:x,2003:1", "http://wire.example/1")
    assert item.published == datetime(2026, 11, 22, 8, tzinfo=UTC)


@pytest.mark.parametrize("version", ["1", "1.1"])
def test_json_feed(version: str) -> None:
    """Both versions, with what is of another type passed over."""
    found = document(
        json_feed(
            {
                "id": 17,
                "url": "/1",
                "title": "1 < 2",
                "content_html": "<p>Long.</p>",
                "summary": "Short.",
                "date_published": "2026-11-23T10:00:00+08:00",
                "image": "i.png",
                "tags": ["macro", 5, "macro"],
                "author": {"name": "Ann", "url": "https://ann.example"},
                "attachments": [{"url": "a.mp3", "mime_type": "audio/mpeg", "size_in_bytes": 7}, {"url": 5}, "x"],
            },
            "rubbish",
            {"id": "2", "external_url": "https://else.example/2", "content_text": "a < b\n\nc"},
            version=version,
            home_page_url="https://wire.example",
            feed_url=URL,
            language="en",
        )
    )
    first, second = found.entries
    assert (found.title, found.url, found.id) == ("News", "https://wire.example", URL)
    assert (first.id, first.url, first.title) == ("17", "https://wire.example/1", "1 &lt; 2")
    assert (first.content, first.summary, first.categories) == ("<p>Long.</p>", "Short.", ("macro",))
    assert first.published == datetime(2026, 11, 23, 2, tzinfo=UTC)
    assert (first.image, first.authors[0].name) == ("https://wire.example/i.png", "Ann")
    assert first.attachments[0].length == 7
    assert (second.url, second.content, second.lang) == ("https://else.example/2", "<p>a &lt; b</p><p>c</p>", "en")


@pytest.mark.parametrize("value", [None, [], {}, 5, "x", True, [None], [[]], {"a": 1}])
def test_json_of_wrong_types(value: object) -> None:
    """Is as if it were missing."""
    keys = (
        "id",
        "url",
        "title",
        "content_html",
        "summary",
        "date_published",
        "image",
        "tags",
        "authors",
        "attachments",
    )
    found = document(json_feed(dict.fromkeys(keys, value), authors=value, title=value))
    assert len(found.entries) == 1


def test_pictures_and_podcasts() -> None:
    """``media:thumbnail``, ``itunes:image``; a podcast without pages leads to its sound."""
    spaces = 'xmlns:media="http://search.yahoo.com/mrss/" xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd"'
    first, second = entries(
        rss(
            '<item><title>One</title><link>/1</link><media:thumbnail url="/t.png"/></item>'
            '<item><title>Two</title><guid isPermaLink="false">2</guid><itunes:image href="/i.png"/>'
            '<enclosure url="/a.mp3" type="audio/mpeg" length="x"/><enclosure url="file:///etc/passwd"/>'
            "<itunes:keywords>a,b</itunes:keywords></item>",
            more=spaces,
        )
    )
    assert first.image == "https://wire.example/t.png"
    assert second.image == "https://wire.example/i.png"
    assert second.url == "https://wire.example/a.mp3"
    assert second.attachments == (Attachment(url="https://wire.example/a.mp3", mime_type="audio/mpeg", length=0),)
    assert second.categories == ()


# ------------------------------------------------------------------------ encodings

CHINESE = '<?xml version="1.0" encoding="{}"?><rss version="2.0"><channel><item><title>利率上調</title></item>'
CHINESE += "</channel></rss>"


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (CHINESE.format("utf-8").encode(), ""),
        (CHINESE.format("utf-8").encode("utf-8-sig"), "text/xml"),
        (CHINESE.format("GB18030").encode("gb18030"), ""),
        (CHINESE.format("gb2312").encode("gb18030"), "text/xml; charset=gb2312"),
        (CHINESE.format("GB18030").encode("gb18030"), "text/xml; charset=utf-8"),
        (CHINESE.format("utf-8").encode(), "text/xml; charset=iso-8859-1"),
        (CHINESE.format("us-ascii").encode(), "text/xml; charset=us-ascii"),
        (CHINESE.format("x-unknown").encode(), "text/xml; charset=base64"),
        (CHINESE.format("big5").encode("big5"), ""),
        (CHINESE.format("iso-2022-jp-2").encode("iso-2022-jp-2"), ""),
        (CHINESE.format("utf-16").encode("utf-16"), ""),
        (CHINESE.format("utf-16").encode("utf-16-le"), ""),
        (CHINESE.format("utf-16").encode("utf-16-be"), ""),
        (CHINESE.format("utf-8").encode("utf-32"), ""),
        (b"\n\n " + CHINESE.format("utf-8").encode(), ""),
    ],
)  # fmt: skip
def test_encodings(data: bytes, content_type: str) -> None:
    """Whatever header and document claim, if there is a way to read it."""
    assert entries(data, content_type)[0].title == "利率上調"


def test_bytes_that_are_no_text() -> None:
    """What cannot be read is replaced, and the rest is read."""
    assert entries(rss("<item><title>A\udcffB\x00\x0bC</title></item>").encode("utf-8", "surrogateescape"))


# ---------------------------------------------------------------- markup, addresses


def test_relative_addresses_belong_to_the_entry() -> None:
    """They stay as they are, for whoever knows the page; ``xml:base`` says where they belong."""
    body = "<description>&lt;img src='p.png'&gt;</description>"
    item = f"<item><title>x</title><link>/2026/one/</link>{body}</item>"
    assert entries(rss(item))[0].summary == "<img src='p.png'>"
    based = entries(rss(item, more='xml:base="https://base.example/a/"'))[0]
    assert "https://base.example/a/p.png" in based.summary
    assert based.url == "https://base.example/2026/one/"


def test_content_goes_before_summary() -> None:
    """``content:encoded`` beside a short ``description``."""
    (item,) = entries(
        rss(
            "<item><title>x</title><description>Short</description>"
            "<content:encoded><![CDATA[<p>Long <b>text</b></p>]]></content:encoded></item>",
            more='xmlns:content="http://purl.org/rss/1.0/modules/content/"',
        )
    )
    assert (item.summary, item.content) == ("Short", "<p>Long <b>text</b></p>")


def test_xhtml_and_text() -> None:
    """Atom's other kinds of content; a text is no markup."""
    first, second = entries(
        atom(
            '<entry><content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>a<br/>b</p></div></content></entry>'
            "<entry><title>a &lt;b&gt; c</title><content>1 &lt; 2\n\n3</content></entry>"
        )
    )
    assert first.content == "<p>a<br>b</p>"
    assert (second.title, second.content) == ("a &lt;b&gt; c", "<p>1 &lt; 2</p><p>3</p>")


def test_ids_stay_as_they_are_written() -> None:
    """feedparser makes them addresses, which change with the feed's."""
    items = "<item><guid>17</guid><title>a</title></item><item><title>b</title><link>/b</link></item>"
    for text in (rss(items), rss(items).replace("<title>b", "<title>b & ")):  # valid, and not
        assert [item.id for item in entries(text)] == ["17", ""]
    assert entries(rss("<item><guid>https://wire.example/1</guid></item>"))[0].url == "https://wire.example/1"


def test_xml_within_a_feed() -> None:
    """A declaration that is shown as text is no declaration."""
    shown = '<?xml version="1.0" encoding="big5"?><a/>'
    (item,) = entries(
        f"<rss><channel><item><description><![CDATA[<pre>{shown}</pre>]]></description></item></channel></rss>"
    )
    assert shown in item.summary


def test_not_quite_xml() -> None:
    """Read nevertheless, if it is whole."""
    found = entries(rss("<item><title>Q&A &nbsp; <b></title><link>/1</link></item>"))
    assert found[0].url == "https://wire.example/1"
    assert found[0].title.startswith("Q&")


# ---------------------------------------------------------------------------- dates


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Mon, 23 Nov 2026 08:00:00 GMT", datetime(2026, 11, 23, 8, tzinfo=UTC)),
        ("Mon, 23 Nov 2026 08:00:00 +0800", datetime(2026, 11, 23, 0, tzinfo=UTC)),
        ("23 Nov 26 08:00 EST", datetime(2026, 11, 23, 13, tzinfo=UTC)),
        ("2026-11-23T08:00:00Z", datetime(2026, 11, 23, 8, tzinfo=UTC)),
        ("2026-11-23", datetime(2026, 11, 23, tzinfo=UTC)),
        ("Thu, 01 Jan 1970 00:00:00 GMT", None),
        ("Fri, 31 Dec 1989 23:59:59 GMT", None),
        ("0001-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59Z", None),
        ("Mon, 99 Nov 2026 99:00:00 GMT", None),
        ("yesterday", None),
        ("", None),
    ],
)  # fmt: skip
def test_dates(written: str, expected: datetime | None) -> None:
    """None for what nobody can have meant."""
    (item,) = entries(rss(f"<item><title>x</title><pubDate>{written}</pubDate></item>"))
    assert item.published == expected


def test_the_future_is_now(looked: Callable[..., tuple[FeedSource, Listing]]) -> None:
    """And what the entry says does not change with the clock."""
    body = rss("<item><guid>1</guid><pubDate>Mon, 23 Nov 2099 08:00:00 GMT</pubDate></item>")
    source, first = looked(body)
    assert source.read("1").published == NOW
    _, second = looked(body, now=NOW + timedelta(days=1))
    assert first.files == second.files


# ------------------------------------------------------------------ what is listed


def test_a_listing(looked: Callable[..., tuple[FeedSource, Listing]]) -> None:
    """Entries by their ids, with a stamp of what they say; what is not listed is not gone."""
    source, found = looked(rss("<link>/</link><item><guid>1</guid><title>a</title></item>"))
    assert list(found.files) == ["1"]
    assert not found.is_whole
    assert found.origin is not None
    assert found.origin.title == "News"
    assert found.origin.feed_url.endswith("/feed")
    assert source.read("1").title == "a"
    with pytest.raises(SourceError, match="is no entry of the feed"):
        source.read("2")
    _, edited = looked(rss("<link>/</link><item><guid>1</guid><title>b</title></item>"))
    assert edited.files["1"] != found.files["1"]
    _, grown = looked(rss("<item><guid>2</guid></item><item><guid>1</guid><title>a</title></item>"))
    assert grown.files["1"] == found.files["1"]


def test_of_two_with_one_id_the_newer_counts(looked: Callable[..., tuple[FeedSource, Listing]]) -> None:
    dated = "<item><guid>1</guid><title>{}</title><pubDate>Mon, {} Nov 2026 08:00:00 GMT</pubDate></item>"
    source, _ = looked(rss(dated.format("old", 22) + dated.format("new", 23)))
    assert source.read("1").title == "new"
    source, _ = looked(rss("<item><guid>1</guid><title>a</title></item><item><guid>1</guid><title>b</title></item>"))
    assert source.read("1").title == "a"


def test_the_newest_entries_are_read(looked: Callable[..., tuple[FeedSource, Listing]]) -> None:
    """And the rest is counted."""
    items = "".join(
        f"<item><guid>{day}</guid><pubDate>{day:02} Nov 2026 08:00:00 GMT</pubDate></item>" for day in range(1, 11)
    )
    _, found = looked(rss(items), limits=Limits(entries=3))
    assert set(found.files) == {"10", "9", "8"}
    assert "has 10 entries; the newest 3 are read" in str(found.problems[0])


def test_summaries_only(looked: Callable[..., tuple[FeedSource, Listing]]) -> None:
    """Content is kept where it is all there is."""
    first = "<entry><id>1</id><summary>s</summary><content type='html'>c</content></entry>"
    source, _ = looked(atom(first + "<entry><id>2</id><content type='html'>c</content></entry>"), text="summary")
    assert (source.read("1").content, source.read("2").content) == ("", "c")


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (Item(id="a", url="b"), "a"),
        (Item(id=" ", url="https://h/b"), "https://h/b"),
        (Item(id="标识"), "标识"),
        (Item(id="a\nb"), None),
        (Item(id="a\u202eb"), None),
        (Item(id="x" * 301), None),
        (Item(title="t"), None),
        (Item(), None),
        (Item(id="\udcff"), None),
    ],
)
def test_refs(item: Item, expected: str | None) -> None:
    """An id, an address, or else a hash: always printable, never long."""
    found = entry_ref(item)
    assert found == (expected or found)
    assert found.isprintable()
    assert 0 < len(found) <= 300
    assert (expected is None) == (len(found) == 32 and found != expected)


@given(st.text())
def test_stamps(version: str) -> None:
    """Three numbers of no sign that fit into a database, and a time that is never recent."""
    stamp = stamp_of(version)
    assert all(0 <= number < 2**63 for number in stamp)
    assert stamp.mtime_ns < datetime(2007, 1, 1, tzinfo=UTC).timestamp() * 10**9
    assert stamp != stamp_of(version + "x")


# ------------------------------------------------------------------------ dangerous

LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f'<!DOCTYPE r [<!ENTITY l0 "ha">{LAUGHS}]>' + rss("<a>&l9;</a>")[21:], "declares entities"),
        (f'<!-- <a --><!DOCTYPE r [<!ENTITY l0 "ha">{LAUGHS}]>' + rss("&l9;")[21:], "declares entities"),
        ('<!DOCTYPE r [<!ENTITY a "' + "x" * 50_000 + '">]>' + rss("&a;" * 50_000)[21:], "declares entities"),
        ('<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + rss("&a;")[21:], "declares entities"),
        ('<!DOCTYPE r [<!ENTITY % a SYSTEM "http://127.0.0.1:1/">%a;]>' + rss("x")[21:], "declares entities"),
        ('<!DOCTYPE r [<!ENTITY a "b">]>' + rss("&a; & <b>")[21:], "declares entities"),
        (rss("<a>" * 500 + "</a>" * 500), "deeper ones"),
        (rss("<a/>" * 200_000), "more elements"),
        (rss("<a " + " ".join(f'a{n}="1"' for n in range(5_000)) + "/>"), "more elements or attributes"),
        (rss("& " + "x" * 1_100_000), "too long to be guessed at"),
        ('{"version":"https://jsonfeed.org/version/1","items":' + "[" * 200_000, "is no valid JSON"),
        ("<html><head><link rel='alternate' type='application/atom+xml' href='/f.xml'>", "is a page and no feed"),
    ],
    ids=lambda value: value[:40] if len(value) < 60 else "…",
)  # fmt: skip
def test_what_would_exhaust_us_is_refused(text: str, reason: str) -> None:
    """Before a parser sees it."""
    began = time.monotonic()
    with pytest.raises(Unreadable, match=reason):
        document(text)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    "inside", ["<item><category a></item></channel></rss>b</category>", "<item>&#xD800;</x></item>"]
)
def test_what_feedparser_chokes_on(inside: str) -> None:
    """It raises whatever comes; that is the document's fault, and said as such."""
    with pytest.raises(Unreadable, match="cannot be guessed at"):
        document(rss(inside))


def test_a_page_names_its_feed() -> None:
    """What to do about it is then known."""
    with pytest.raises(Unreadable) as caught:
        document('<!doctype html><link rel="alternate" type="application/rss+xml" href="/f?a=1&amp;b=2">')
    assert caught.value.remedy == "the page names one: https://wire.example/f?a=1&b=2"


@given(st.one_of(st.binary(max_size=300), st.text(max_size=200).map(lambda text: rss(f"<item>{text}</item>").encode())))
def test_any_bytes_are_a_feed_or_not(data: bytes) -> None:
    """Never another exception, never the same bytes read in two ways."""
    with suppress(Unreadable):
        assert document(data) == document(data)


def test_nothing_is_loaded_before_it_is_needed() -> None:
    """A site without feeds pays for none."""
    import subprocess
    import sys

    code = "import sys, digest.sources.feed; print([m for m in ('feedparser', 'httpcore', 'ssl') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
