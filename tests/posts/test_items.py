"""Posts of what other programs read: every field as plain as a post's, whatever stands in it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.models import Attachment, Author, Item, Post, Refusal
from digest.posts import Rules
from digest.posts.body import to_html, to_text
from digest.posts.items import parse_item

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
SEEN = datetime(2026, 11, 24, 7, 0, tzinfo=UTC)
ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


@pytest.fixture
def made(rules: Callable[..., Rules]) -> Callable[..., Post]:
    """A post of an item with these fields; what begins with ``_`` is told to ``parse_item``."""

    def make(**values: Any) -> Post:
        told = {name.removeprefix("_"): value for name, value in values.items() if name.startswith("_")}
        fields = {name: value for name, value in values.items() if not name.startswith("_")}
        found = parse(rules(), Item(**({"url": "https://wire.example/1", "title": "One"} | fields)), **told)
        assert isinstance(found, Post), found
        return found

    return make


def parse(rules: Rules, item: Item, **told: Any) -> Post | Refusal:
    settings: dict[str, Any] = {"first_seen": SEEN, "id_base": "https://news.example/"}
    return parse_item("wire/1", item, rules, **(settings | told))


def test_everything(made: Callable[..., Post]) -> None:
    """A complete item, field by field."""
    post = made(
        id="tag:wire.example,2026:1",
        url="https://wire.example/a b",
        title="<b>One</b> &amp; two",
        published=datetime(2026, 11, 23, 16, 0, 0, 5, tzinfo=timezone(timedelta(hours=8))),
        summary="<p>Short <i>text</i></p>",
        content="<p>Long.</p><p><a href='/x'>more</a></p>",
        categories=("macro", " macro ", "rates"),
        tags=("t",),
        source_name=" The\nWire ",
        authors=(Author(name="Ann", email="ann@wire.example", url="/ann"), Author(name=" ")),
        image="/i.png",
        lang="zh_cn",
        attachments=(Attachment(url="/a.mp3", mime_type="nonsense", length=7),),
        _categories=("wire",),
    )
    assert post == Post(
        path="wire/1",
        title="One & two",
        published=datetime(2026, 11, 23, 8, 0, tzinfo=UTC),
        url="https://wire.example/a%20b",
        feed_id="tag:wire.example,2026:1",
        categories=("wire", "macro", "rates"),
        tags=("t",),
        summary="Short text",
        body='<p>Long.</p><p><a href="https://wire.example/x" rel="noopener noreferrer">more</a></p>',
        is_html=True,
        original_url="https://wire.example/a%20b",
        source_name="The Wire",
        authors=(Author(name="Ann", email="ann@wire.example", url="https://wire.example/ann"),),
        image="https://wire.example/i.png",
        lang="zh-CN",
        attachments=(Attachment(url="https://wire.example/a.mp3", mime_type="audio/mpeg", length=7),),
        text_hash=post.text_hash,
    )


@pytest.mark.parametrize(
    ("summary", "content", "expected", "body"),
    [
        ("Own", "<blockquote>Quoted</blockquote><p>Text</p>", "Quoted", "<p>Text</p>"),
        ("Own", "<p>Text</p>", "Own", "<p>Text</p>"),
        ("", "<p>First</p><p>Second</p>", "First", "<p>First</p><p>Second</p>"),
        ("<p>First</p><p>Second</p>", "", "First", "<p>First</p><p>Second</p>"),
        ("Just this", "", "Just this", ""),
        ("<p>Just this</p>", "", "Just this", ""),
        ('<p>A <img src="https://h/p.png"></p>', "", "A", '<p>A <img src="https://h/p.png"></p>'),
        ("", "", "", ""),
        ("a &lt; b", "", "a < b", ""),
        ("", "<script>alert(1)</script><p onclick=x>Hi</p>", "Hi", "<p>Hi</p>"),
    ],
)
def test_summary_and_body(made: Callable[..., Post], summary: str, content: str, expected: str, body: str) -> None:
    """The opening blockquote, the source's own summary, the first paragraph: in this order."""
    post = made(summary=summary, content=content)
    assert (post.summary, post.body) == (expected, body)


def test_long_summaries_are_cut(made: Callable[..., Post]) -> None:
    assert len(made(summary="word " * 200, content="<p>x</p>").summary) <= 300
    assert len(made(summary="<p>" + "word " * 200).summary) <= 300


def test_what_looks_like_liquid_stays(made: Callable[..., Post]) -> None:
    """No generator of ours wrote it."""
    post = made(content="<p>{{ x }} {% y %}</p>\n{: .z }")
    assert to_text(post) == "{{ x }} {% y %}\n{: .z }"
    assert post.summary == "{{ x }} {% y %}"


def test_summaries_only(made: Callable[..., Post]) -> None:
    """As the operator may wish."""
    post = made(content="<p>First</p><p>Second</p>", _text="summary")
    assert (post.summary, post.body) == ("First", "")


def test_titles_of_the_text(made: Callable[..., Post]) -> None:
    """Where there is none; of the path, where there is no text either."""
    assert made(title=" ", content="<p>First words.</p>").title == "First words."
    assert len(made(title="", content="<p>" + "word " * 100).title) <= 80
    assert made(title="", content="<img src=x>").title == "wire/1"
    assert len(made(title="x" * 5_000).title) <= 300


@pytest.mark.parametrize(
    "given",
    ["https://wire.example/1", "http://wire.example/?p=1", "tag:wire.example,2026:1", "urn:uuid:1-2", "urn:isbn:1"],
)
def test_ids_that_are_the_worlds(made: Callable[..., Post], given: str) -> None:
    assert made(id=given).feed_id == given
    assert not made(id=given).feed_id_forced


@pytest.mark.parametrize(
    "given", ["", "17", "post:17", "javascript:alert(1)", "https://", "https://a b", "urn:x", "tag:x",
     "https://h/" + "x" * 1_000]
)  # fmt: skip
def test_ids_that_are_not(made: Callable[..., Post], given: str) -> None:
    """Get one of their own, always the same for the same path and base."""
    found = made(id=given).feed_id
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", found)
    assert found == made(id=given, title="Other").feed_id
    assert found != made(id=given, _id_base="https://other.example/").feed_id


@pytest.mark.parametrize(
    "url",
    ["", " ", "/1", "javascript:alert(1)", "file:///etc/passwd", "http://", "http://exa<mple/", "http://256.1.1.1/",
     "http://[::1", "https://h/" + "x" * 2_000, "mailto:a@b.example"],
)  # fmt: skip
def test_no_address_no_post(rules: Callable[..., Rules], url: str) -> None:
    """There would be nothing to link to; the reason says so."""
    found = parse(rules(), Item(url=url, title="One"))
    assert isinstance(found, Refusal)
    assert found.problem.path == "wire/1"
    assert "address" in found.problem.reason
    assert found.problem.remedy


def test_dates(made: Callable[..., Post]) -> None:
    """None, or none that can be used, is when it was first seen; without a zone it is the site's."""
    assert made().published == SEEN
    assert made(published=datetime(1, 1, 1, tzinfo=UTC)).published == SEEN
    assert made(published=SEEN.replace(tzinfo=None)).published == SEEN - timedelta(hours=8)
    assert made(published=datetime(2099, 1, 1, tzinfo=UTC)).published == datetime(2099, 1, 1, tzinfo=UTC)


def test_categories(made: Callable[..., Post]) -> None:
    """Those of the source first, the entry's own if they are wanted; what is left out is said."""
    assert made(categories=("own",), _categories=("wire",)).categories == ("wire", "own")
    assert made(categories=("own",), _categories=("wire",), _own_categories=False).categories == ("wire",)
    post = made(categories=("x" * 501, "", "a\u202eb\n"), tags=("x" * 501,))
    assert (post.categories, post.tags) == (("ab",), ())
    assert [warning.reason for warning in post.warnings] == [
        "a category of more than 500 characters is left out",
        "a tag of more than 500 characters is left out",
    ]


def test_codes_are_nobody_elses_to_name(made: Callable[..., Post]) -> None:
    """Markup that means a stock to us means nothing in a stranger's text."""
    assert made(content='<p><span data-code="90,BK1036">x</span></p>').codes == ()


@pytest.mark.parametrize(
    "piece",
    ["<", "<a ", "<!--", '<a b="', "<b>", "<a/", "<![", "<blockquote>", "<blockquote><p>", "</p>", "<br>", "{{"],
)
def test_hostile_markup_takes_no_time(made: Callable[..., Post], piece: str) -> None:
    """Minutes, when Python's HTML parser sees it first."""
    began = time.monotonic()
    for name in ("content", "summary", "title"):
        to_html(made(**{name: piece * (100_000 // len(piece))}))
    assert time.monotonic() - began < 60


# ------------------------------------------------------------------------------- laws

TEXTS = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        ["https://h/1", "<p>a</p>", "<blockquote>q</blockquote>r", "&#1;&#xD800;", "\ud800", "\x00", "{{ x }}",
         "<img src=x>", "<svg><title>x", "tag:h,2026:1", "zh-CN", "http://h:99999/", "a\u202eb", "<table><a>", "]]>"]
    ),
)  # fmt: skip
NAMES = st.lists(TEXTS, max_size=3).map(tuple)
DATES = st.one_of(st.none(), st.datetimes(), st.datetimes(timezones=st.just(UTC)))
ITEMS = st.builds(
    Item,
    id=TEXTS,
    url=st.one_of(TEXTS, st.just("https://wire.example/1")),
    title=TEXTS,
    published=DATES,
    updated=DATES,
    summary=TEXTS,
    content=TEXTS,
    categories=NAMES,
    tags=NAMES,
    source_name=TEXTS,
    authors=st.lists(st.builds(Author, name=TEXTS, email=TEXTS, url=TEXTS), max_size=2).map(tuple),
    image=TEXTS,
    lang=TEXTS,
    attachments=st.lists(st.builds(Attachment, url=TEXTS, mime_type=TEXTS, length=st.integers()), max_size=2).map(
        tuple
    ),
)


def strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, tuple):
        return [text for item in value for text in strings(item)]
    if isinstance(value, msgspec.Struct):
        return [text for item in msgspec.structs.fields(value) for text in strings(getattr(value, item.name))]
    return []


@given(item=ITEMS, text=st.sampled_from(["full", "summary"]))
def test_any_item_is_a_post_or_a_reason(item: Item, text: str) -> None:
    """Never an exception; never a character that XML forbids; the same on another day; dates aware, HTML clean."""
    from zoneinfo import ZoneInfo

    def at(now: datetime) -> Post | Refusal:
        rules = Rules(site_url="https://news.example", timezone=ZoneInfo("Asia/Shanghai"), now=now)
        return parse(rules, item, text=text)

    found = at(NOW)
    assert found == at(NOW + timedelta(days=400))
    assert not [text for text in strings(found) if ILLEGAL.search(text)]
    if isinstance(found, Post):
        assert found.url.isascii()
        assert found.published.tzinfo is UTC
        assert found.title
        assert "\n" not in found.title + found.summary
        assert not ILLEGAL.search(to_html(found))
        assert "<script" not in to_html(found)
