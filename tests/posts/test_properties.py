"""Laws: reading never raises, gives nothing that XML forbids, and depends on nothing but what goes in."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from digest.models import Post
from digest.posts import Rules, parse_post
from digest.posts.body import text_hash, to_html, to_text
from digest.posts.dates import parse_date

ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
NOW = datetime(2026, 11, 24, tzinfo=UTC)
PATHS = {
    "jekyll": "news/_posts/2026-03-24-利率 up.md",
    "hugo": "content/posts/利率 up.md",
    "hexo": "source/_posts/利率 up.md",
}
KINDS = st.sampled_from(sorted(PATHS))
VALUES = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["2026-01-01", "[a, b]", "{a: b}", '"\\ud800\\u0000"', "true", "'x'", "http://[x", "&#1;", "\x00\x0b\ufffe"]
    ),
)
KEYS = st.sampled_from(
    ["title", "date", "categories", "category", "tags", "author", "image", "lang", "feed_id", "description",
     "permalink", "slug", "url", "enclosure", "updated", "expiryDate", "audio", "authors"]
)  # fmt: skip
FRONT = st.lists(st.tuples(KEYS, VALUES).map(": ".join), max_size=6).map("\n".join)


def rules(kind: str) -> Rules:
    return Rules(site_url="https://news.example", timezone=ZoneInfo("Asia/Shanghai"), kind=kind, now=NOW)


def strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, tuple):
        return [text for item in value for text in strings(item)]
    if isinstance(value, msgspec.Struct):
        return [text for item in msgspec.structs.fields(value) for text in strings(getattr(value, item.name))]
    return []


@given(data=st.binary(max_size=200), kind=KINDS)
def test_any_bytes_give_a_post_or_a_reason(data: bytes, kind: str) -> None:
    """Never an exception; never a character that XML forbids; twice the same."""
    first = parse_post(PATHS[kind], data, rules(kind))
    assert first == parse_post(PATHS[kind], data, rules(kind))
    assert not [text for text in strings(first) if ILLEGAL.search(text)]


@given(front=FRONT, body=st.text(max_size=80), kind=KINDS)
def test_any_front_matter_gives_a_post_or_a_reason(front: str, body: str, kind: str) -> None:
    """The same for files that look like posts; addresses are ASCII, dates aware, HTML clean."""
    data = f"---\n{front}\n---\n{body}".encode("utf-8", "surrogatepass")
    found = parse_post(PATHS[kind], data, rules(kind))
    assert not [text for text in strings(found) if ILLEGAL.search(text)]
    if isinstance(found, Post):
        assert found.url.isascii()
        assert found.published.tzinfo is UTC
        assert found.title
        assert not ILLEGAL.search(to_html(found))
        assert not ILLEGAL.search(to_text(found))


@given(text=st.text(max_size=200))
def test_the_encoding_does_not_matter(text: str) -> None:
    """UTF-8, with mark, and UTF-16 give the same post."""
    data = f"---\ntitle: t\n---\n{text}"
    plain = parse_post(PATHS["jekyll"], data.encode("utf-8"), rules("jekyll"))
    assert plain == parse_post(PATHS["jekyll"], data.encode("utf-8-sig"), rules("jekyll"))
    assert plain == parse_post(PATHS["jekyll"], data.encode("utf-16"), rules("jekyll"))


@given(st.text("<>a!-[](&;/ \n", max_size=40))
def test_words_are_what_is_left_without_tags(body: str) -> None:
    """However brackets are strewn: what stands between one and the next of the other kind is markup."""
    body = body.replace("<!--", "").replace("](", "").replace("&", "")
    without = re.sub("<[^<>]*>", "", body).replace(">", "")  # which is markup of quotations, and would close another <
    assert text_hash("", "", body) == text_hash("", "", without)


@given(
    st.dates(min_value=date(2, 1, 2), max_value=date(9998, 12, 30)),
    st.times(),
    st.integers(-14, 14),
    st.sampled_from([0, 15, 30, 45]),
)
def test_usual_dates_are_read_as_all_others(day: date, hour: time, hours: int, minutes: int) -> None:
    """The way they are written nearly always has a way of its own through the program."""
    usual = f"{day.isoformat()} {hour:%H:%M:%S} {hours:+03}{minutes:02}"
    colon = f"{usual[:-2]}:{usual[-2:]}"
    read = [parse_date(text, plain=True, kind="jekyll", zone=ZoneInfo("Asia/Shanghai")) for text in (usual, colon)]
    assert read[0] == read[1]
    assert read[0].tzinfo is read[1].tzinfo is UTC
