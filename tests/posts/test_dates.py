"""What a date means, by the way it is written and the generator that reads it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.models import Post, Refusal, Severity
from digest.posts.dates import BadDate, parse_date

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(
    ("text", "plain", "kind", "expected"),
    [
        ("2021-12-31 00:30:00 +0800", True, "jekyll", "2021-12-30T16:30:00"),
        ("2021-12-31 00:30:00 +08:00", True, "jekyll", "2021-12-30T16:30:00"),
        ("2021-12-31 00:30:00+8", True, "jekyll", "2021-12-30T16:30:00"),
        ("2021-12-31T00:30:00-05:30", True, "jekyll", "2021-12-31T06:00:00"),
        ("2021-12-31T00:30:00Z", False, "jekyll", "2021-12-31T00:30:00"),
        ("2021-12-31 00:30:00 UTC", True, "jekyll", "2021-12-31T00:30:00"),
        ("2021-12-31 00:30:00 GMT+0800", True, "jekyll", "2021-12-30T16:30:00"),
        ("2021-12-31 00:30:00.987 +0800", True, "jekyll", "2021-12-30T16:30:00"),
        ("2021-12-31 00:30:00", True, "jekyll", "2021-12-31T00:30:00"),
        ("2021-12-31T00:30:00", True, "jekyll", "2021-12-31T00:30:00"),
        ("2021-12-31 00:30:00", False, "jekyll", "2021-12-30T16:30:00"),
        ("2021-12-31 00:30", True, "jekyll", "2021-12-30T16:30:00"),
        ("2021/12/31 00:30:00", True, "jekyll", "2021-12-30T16:30:00"),
        ("2021-12-31 00:30:00", True, "hugo", "2021-12-30T16:30:00"),
        ("2021-12-31 00:30:00", True, "hexo", "2021-12-30T16:30:00"),
        ("2021-12-31", True, "jekyll", "2021-12-30T16:00:00"),
        ("2021-1-5", True, "hexo", "2021-01-04T16:00:00"),
        ("2021.12.31", True, "jekyll", "2021-12-30T16:00:00"),
        ("20211231", True, "jekyll", "2021-12-30T16:00:00"),
        ("11-9-2017", True, "jekyll", "2017-09-10T16:00:00"),
        ("December 31st, 2021", True, "jekyll", "2021-12-30T16:00:00"),
        ("31 Dec 2021", True, "jekyll", "2021-12-30T16:00:00"),
        ("2021-12-31 10:15 PM", True, "jekyll", "2021-12-31T14:15:00"),
        ("2021-12-31 12:15 am", True, "jekyll", "2021-12-30T16:15:00"),
        ("2021-12-30 24:00:00", False, "jekyll", "2021-12-30T16:00:00"),
        ("Fri, 31 Dec 2021 00:30:00 +0800", True, "hexo", "2021-12-30T16:30:00"),
        ("Fri, 31 Dec 2021 00:30:00", True, "hexo", "2021-12-30T16:30:00"),
        ("2006-01-02 15:04:05 +0800 CST", True, "jekyll", "2006-01-02T07:04:05"),
        ("2006-01-02 15:04:05.5 -0700 MST m=+0.01", True, "hugo", "2006-01-02T22:04:05"),
        ("2021-12-31 00:30:00 +0800 (CST)", True, "jekyll", "2021-12-30T16:30:00"),
        ("2021-12-31T00:30:00+08:00[Asia/Shanghai]", True, "jekyll", "2021-12-30T16:30:00"),
        ("2021-12-31 8:5:3", True, "jekyll", "2021-12-31T00:05:03"),
        ("2021-12-31 00:10::00", True, "jekyll", "2021-12-30T16:10:00"),
        ("2021-12-31 08:00:00 EST", True, "jekyll", "2021-12-31T13:00:00"),
        ("2021-12-31 08:00:00 CST", True, "jekyll", "2021-12-31T14:00:00"),
        ("2021-12-31 08:00:00 (PST)", True, "hexo", "2021-12-31T16:00:00"),
        ("2021-12-31 08:00:00 CST", True, "hugo", "2021-12-31T00:00:00"),
        ("2021-12-31 08:00:00 IST", True, "jekyll", "2021-12-31T00:00:00"),
        ("2021-12-31 08:00:00 Asia/Shanghai", True, "jekyll", "2021-12-31T00:00:00"),
        ("Fri Sep 3 11:21:31 CEST 2021", True, "jekyll", "2021-09-03T03:21:31"),
        ("Fri Sep 3 11:21:31 EDT 2021", True, "jekyll", "2021-09-03T15:21:31"),
        ("Fri Sep 3 11:21:31 2021 +0200", True, "jekyll", "2021-09-03T09:21:31"),
        ("Fri Sep 03 2021 11:21:31 GMT+0800 (China Standard Time)", True, "hexo", "2021-09-03T03:21:31"),
        ("Fri, 31 Dec 2021 00:30:00 EST", True, "hexo", "2021-12-31T05:30:00"),
        ("2021-02-30", True, "jekyll", "2021-03-01T16:00:00"),
        ("1969-07-20 20:17:40 +0000", True, "jekyll", "1969-07-20T20:17:40"),
        ("0002-01-02 12:00", True, "hugo", "0002-01-02T03:54:17"),
        ("9998-12-31T23:59:59Z", True, "hugo", "9998-12-31T23:59:59"),
    ],
)
def test_moments(text: str, plain: bool, kind: str, expected: str) -> None:
    """Every accepted form, in UTC."""
    found = parse_date(text, plain=plain, kind=kind, zone=SHANGHAI)
    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2021-02-32", "not a date"),
        ("2021-13-01 10:00", "not a date"),
        ("2021-12-31 25:00:00", "not a date"),
        ("2021-12-31 13:00 pm", "not a date"),
        ("2021-12-31 10:00:00 +9900", "not a date"),
        ("0001-01-01", "'0001-01-01' lies outside of the years 2 to 9998"),
        ("0001-01-01T00:00:00Z", "'0001-01-01T00:00:00Z' lies outside of the years 2 to 9998"),
        ("0001-01-01 00:00:00 +0800", "lies outside of the years"),
        ("9999-12-31 23:00:00 -0800", "lies outside of the years"),
        ("9999-12-31T23:59:59Z", "lies outside of the years"),
        ("31 Dec 9999", "lies outside of the years"),
        ("00010101", "lies outside of the years"),
        ("+0800", "not a date"),
        ("yesterday", "not a date"),
        ("Foo 31, 2021", "not a date"),
        ("Fri, 99 Dec 2021 00:30:00 +0800", "not a date"),
        ("", "not a date"),
        ("2021年12月31日", "not a date"),
    ],
)
def test_what_is_no_date(text: str, reason: str) -> None:
    """Impossible days and unknown words."""
    with pytest.raises(BadDate) as caught:
        parse_date(text, plain=True, kind="jekyll", zone=SHANGHAI)
    assert reason in caught.value.reason
    assert "+0800" in caught.value.remedy


@pytest.mark.parametrize(
    ("name", "zone", "warned"),
    [
        ("CST", "Asia/Taipei", False),
        ("CST", "America/Chicago", False),
        ("CST", "Europe/Berlin", True),
        ("EST", "Asia/Shanghai", False),
        ("CET", "Europe/Berlin", False),
        ("CEST", "Europe/Berlin", True),
        ("IST", "Europe/Dublin", True),
        ("BST", "Asia/Dhaka", True),
        ("GMT", "Asia/Shanghai", False),
        ("Asia/Tokyo", "Asia/Tokyo", False),
        ("Asia/Tokyo", "Asia/Shanghai", True),
        ("+0800 CST", "Europe/Berlin", False),
    ],
)
def test_doubtful_zone_names_are_said(post: Callable[..., Post], name: str, zone: str, warned: bool) -> None:
    """Not those of the site's own zone, and not those that mean one zone to all."""
    found = post(f"---\ntitle: a\ndate: 2021-12-31 08:00:00 {name}\n---\n", timezone=zone)
    assert [item.line for item in found.warnings] == ([3] if warned else [])


@given(text=st.text(st.sampled_from("0123456789-/.: TZ+apmDecJan,"), max_size=30), plain=st.booleans())
def test_nothing_but_a_bad_date_is_raised(text: str, plain: bool) -> None:
    """Any text gives a moment or BadDate."""
    try:
        found = parse_date(text, plain=plain, kind="jekyll", zone=SHANGHAI)
    except BadDate:
        return
    assert found.tzinfo is UTC
    assert found.microsecond == 0


@pytest.mark.parametrize(
    ("front", "path", "kind", "expected"),
    [
        ("title: a", "_posts/2021-12-31-a.md", "jekyll", "2021-12-30T16:00"),
        ("date:", "_posts/2021-12-31-a.md", "jekyll", "2021-12-30T16:00"),
        ("date: 2020-01-01", "_posts/2021-12-31-a.md", "jekyll", "2019-12-31T16:00"),
        ("title: a", "_posts/70-1-2-a.md", "jekyll", "1970-01-01T16:00"),
        ("title: a", "content/posts/2021-12-31-a.md", "hugo", "2021-12-30T16:00"),
        ("title: a", "content/posts/2021-12-31.md", "hugo", "2021-12-30T16:00"),
        ("created_at: 2021-12-31", "blog/posts/a.md", "hugo", "2021-12-30T16:00"),
        ("publishDate: 2021-12-31", "content/a.md", "hugo", "2021-12-30T16:00"),
        ("created: 2021-12-31 08:00", "source/_posts/a.md", "hexo", "2021-12-31T00:00"),
        ("date: 2021-12-31 08:00:00", "source/_posts/a.md", "hexo", "2021-12-31T00:00"),
    ],
)
def test_where_the_date_comes_from(post: Callable[..., Post], front: str, path: str, kind: str, expected: str) -> None:
    """Front matter, then (Hugo, Hexo) its other dates, then the file name."""
    assert post(f"---\n{front}\n---\nText", path, kind=kind).published == datetime.fromisoformat(expected + "+00:00")


@pytest.mark.parametrize(
    ("front", "path", "kind", "line", "reason"),
    [
        ("date: soon", "content/a.md", "hugo", 2, "date: 'soon' is not a date"),
        ("date: [a]", "source/_posts/a.md", "hexo", 2, "date: this is no date"),
        ("date: 9999-12-31", "_posts/2021-12-31-a.md", "jekyll", 2, "outside of the years"),
        ("title: a", "_posts/a.md", "jekyll", None, "file name does not begin with a date"),
        ("date: 2021-12-31", "_posts/-20211231.md", "jekyll", None, "file name does not begin with a date"),
        ("title: a", "_posts/2021-13-31-a.md", "jekyll", None, "file name does not exist"),
        ("title: a", "content/a.md", "hugo", 1, "no date"),
        ("title: a", "source/_posts/a.md", "hexo", 1, "no date"),
    ],
)
def test_posts_without_a_usable_date_are_refused(
    refusal: Callable[..., Refusal], front: str, path: str, kind: str, line: int | None, reason: str
) -> None:
    """With line, reason and remedy."""
    problem = refusal(f"---\n{front}\n---\nText", path, kind=kind).problem
    assert reason in problem.reason
    assert problem.line == line
    assert problem.remedy
    assert problem.severity == Severity.SKIPPED


@pytest.mark.parametrize("date", ["soon", "[a]", "2021-12-31 25:61:00", "0001-01-01T00:00:00Z"])
@pytest.mark.parametrize("path", ["_posts/2021-12-31-a.md", "content/posts/2021-12-31-a.md"])
def test_the_file_name_stands_in_for_a_bad_date(post: Callable[..., Post], path: str, date: str) -> None:
    """The post is taken, the line is named."""
    found = post(f"---\ntitle: a\ndate: {date}\n---\n", path, kind="jekyll" if "_posts" in path else "hugo")
    assert found.published == datetime(2021, 12, 30, 16, tzinfo=UTC)
    assert [(item.line, item.severity) for item in found.warnings] == [(3, Severity.WARNING)]


@pytest.mark.parametrize("key", ["last_modified_at", "lastmod", "updated", "modified"])
def test_modified(post: Callable[..., Post], key: str) -> None:
    """Any of the usual keys; a broken one is a warning."""
    assert post(f"---\n{key}: 2026-03-25 08:00:00 +0800\n---\n").modified == datetime(2026, 3, 25, tzinfo=UTC)
    found = post(f"---\ntitle: a\n{key}: later\n---\n")
    assert found.modified is None
    assert [(item.line, item.severity) for item in found.warnings] == [(3, Severity.WARNING)]


@pytest.mark.parametrize(
    ("front", "path", "changes", "reason", "recheck"),
    [
        ("published: false", "_posts/2021-01-01-a.md", {}, "published: false", None),
        ("published: no", "_posts/2021-01-01-a.md", {}, "published: false", None),
        ("published:", "_posts/2021-01-01-a.md", {}, "published is empty", None),
        ("draft: true", "_posts/2021-01-01-a.md", {}, "draft: true", None),
        ("title: a", "_drafts/a.md", {}, "folder of drafts", None),
        ("title: a", "_posts/2026-11-25-a.md", {}, "dated in the future", "2026-11-24T16:00"),
        ("date: 2026-11-24 16:00:01 +0800", "_posts/2026-11-25-a.md", {}, "dated in the future", "2026-11-24T08:00:01"),
        (
            "date: 2021-01-01\npublishDate: 2027-01-01",
            "content/a.md",
            {"kind": "hugo"},
            "in the future",
            "2026-12-31T16:00",
        ),
        ("date: 2021-01-01\nexpiryDate: 2022-01-01", "content/a.md", {"kind": "hugo"}, "expired", None),
        ('date: 2021-01-01\ndraft: "true"', "content/a.md", {"kind": "hugo"}, "draft", None),
    ],
)
def test_left_out_on_purpose(
    refusal: Callable[..., Refusal], front: str, path: str, changes: dict[str, str], reason: str, recheck: str | None
) -> None:
    """A note, not a failure; a future date says when to look again."""
    found = refusal(f"---\n{front}\n---\nText", path, **changes)
    assert found.problem.severity == Severity.NOTE
    assert reason in found.problem.reason
    assert found.recheck_at == (None if recheck is None else datetime.fromisoformat(f"{recheck}+00:00"))


@pytest.mark.parametrize(
    ("front", "path", "changes"),
    [
        ("published: false", "_posts/2021-01-01-a.md", {"unpublished": True}),
        ('published: "false"', "_posts/2021-01-01-a.md", {}),
        ('draft: "true"', "_posts/2021-01-01-a.md", {}),
        ("draft: true", "_posts/2021-01-01-a.md", {"drafts": True}),
        ("date: 2021-01-01", "_drafts/a.md", {"drafts": True}),
        ("title: a", "_posts/2030-01-01-a.md", {"future": True}),
        ("date: 2026-11-24 16:00:00 +0800", "_posts/2026-11-25-a.md", {}),
    ],
)
def test_taken_by_rule(post: Callable[..., Post], front: str, path: str, changes: dict[str, bool]) -> None:
    """Rules can let each of them in; quoted words are text for Jekyll; the present moment is not the future."""
    assert post(f"---\n{front}\n---\nText", path, **changes).path == path


def test_what_expired_is_told_from_what_was_taken_back(refusal: Callable[..., Refusal]) -> None:
    """Many may expire at once; many that are taken back at once are an accident."""
    expired = refusal("---\ndate: 2021-01-01\nexpiryDate: 2022-01-01\n---\n", "content/a.md", kind="hugo")
    draft = refusal("---\ndate: 2021-01-01\ndraft: true\n---\n", "content/a.md", kind="hugo")
    assert (expired.expired, draft.expired) == (True, False)


def test_expiry_is_kept(post: Callable[..., Post]) -> None:
    """A Hugo post that will expire says when."""
    found = post("---\ndate: 2021-01-01\nexpiryDate: 2027-01-01T00:00:00Z\n---\n", "content/a.md", kind="hugo")
    assert found.expires == datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("key", ["unlisted", "hidden"])
def test_unlisted(post: Callable[..., Post], key: str) -> None:
    """Has a page, enters nothing, and is counted, if the rules say so: the generators' own feeds take no notice."""
    found = post(f"---\ntitle: T\n{key}: true\n---\n", hidden_by=("hidden", "unlisted"))
    assert found.unlisted
    assert [(each.severity, each.line) for each in found.warnings] == [(Severity.NOTE, 3)]
    assert not post(f"---\n{key}: false\n---\n", hidden_by=("hidden", "unlisted")).unlisted
    assert not post(f"---\n{key}: true\n---\n").unlisted
