"""What an editor writes for one edition: how it is read, and what it does (posts/editionfile.py, edition/hand.py)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from digest.edition.contents import Edition, Limits, Recipe, build_edition, edition_from_json, edition_to_json, narrowed
from digest.edition.hand import edit
from digest.edition.selection import Selection
from digest.jobs.editions.make import FileOf, make_editions
from digest.jobs.editions.preview import preview_edition
from digest.languages import CatalogueLanguage
from digest.models import Author, EditionFile, Hand, KnownPost
from digest.posts.editionfile import INTRODUCTION, read_edition_file
from digest.render.edition_feed import FeedFrame, render_edition_feed
from digest.render.editions import render_edition_page
from digest.render.mail import render_mail, sponsor_mark
from digest.templates import FolderTemplates

MakePost = Callable[..., KnownPost]
DAY = date(2026, 11, 24)


def read(text: str | bytes) -> EditionFile:
    data = text if isinstance(text, bytes) else text.encode()
    return read_edition_file("e/x.md", data, site_url="https://news.example.com", lang="zh-CN")


# ------------------------------------------------------------------- reading


def test_a_file_with_everything() -> None:
    found = read(
        "---\npin: [a.md, 要闻/b.md]\nskip: c.md\nlead: d.md\nsponsor: 由 [甲公司](/a) 赞助\n---\n"
        "\n今天**很忙**。\n\n# 题\n\n- 一\n"
    )
    assert found == EditionFile(
        path="e/x.md",
        introduction="<p>今天<strong>很忙</strong>。</p>\n<p><strong>题</strong></p>\n<ul>\n<li>一</li>\n</ul>",
        sponsor='由 <a href="https://news.example.com/a">甲公司</a> 赞助',
        lead="d.md",
        pin=("a.md", "要闻/b.md"),
        skip=("c.md",),
    )


@pytest.mark.parametrize(
    "text", ["Just text.", "+++\npin = ['a.md']\n+++\nJust text.", '{"pin": ["a.md"]}\nJust text.']
)
def test_front_matter_of_any_generator_or_none(text: str) -> None:
    found = read(text)
    assert found.introduction == "<p>Just text.</p>"
    assert found.pin == (("a.md",) if "pin" in text else ())
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("---\npin: [a.md\n---\nx", "e/x.md:2: "),
        ("---\npin: a.md\n", "e/x.md:1: the front matter is never closed"),
        (b"\xff\xfe\xfd\x00\xd8", "e/x.md"),
        ("---\npin: a.md\n---\n" + "字" * (INTRODUCTION + 1), "e/x.md:4: the introduction has 6,001 characters"),
    ],
)
def test_a_broken_file_is_told_and_nothing_of_it_used(text: str | bytes, reason: str) -> None:
    found = read(text)
    [line] = found.warnings
    assert line.startswith(reason)
    assert "the edition is made without it" in line
    assert replace(found, warnings=()) == EditionFile(path="e/x.md")


@pytest.mark.parametrize(
    ("front", "line"),
    [
        ("pins: [a.md]", "e/x.md:2: pins says nothing to an edition; it takes lead, pin, skip, sponsor"),
        ("pin: {a: b}", "e/x.md:2: pin is a table; write a list of files: pin: [a.md, b.md]"),
        ("lead: [a.md]", "e/x.md:2: lead is a list or a table; write one line: lead: …"),
        (f"sponsor: {'x' * 301}", "e/x.md:2: sponsor has 301 characters; shorten it to 300"),
    ],
)
def test_what_cannot_be_used_is_told_with_its_line(front: str, line: str) -> None:
    """The rest of the file is used."""
    found = read(f"---\n{front}\n---\nText.")
    assert found.warnings == (line,)
    assert found.introduction == "<p>Text.</p>"


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        '<a href="//e.example" onclick="x" style="position:fixed" target=_blank>x</a>',
        "<iframe src=https://e.example></iframe>",
        "![pixel](https://e.example/p.gif)",
        "<style>body{display:none}</style>",
    ],
)
def test_nothing_but_text_and_links_comes_through(text: str) -> None:
    found = read(f"---\nsponsor: '{text}'\n---\n{text}")
    for markup in (found.introduction, found.sponsor):
        for bad in ("<script", '"javascript', "onerror", "onclick", "style", "target", "<img", "iframe", "display"):
            assert bad not in markup


# ------------------------------------------------------------------ what it does


def test_posts_are_named_by_their_files(make_post: MakePost) -> None:
    """By as much of the path as tells them apart; and the file goes before what posts say."""
    posts = [
        make_post(1, path="_posts/2026-11-24-a.md", hand=Hand.LEAD),
        make_post(2, path="_posts/x/2026-11-24-b.md"),
        make_post(3, path="_posts/y/2026-11-24-b.md"),
        make_post(4, path="blog//2026-11-24-aa.md", hand=Hand.PIN),
    ]
    file = EditionFile(path="e/x.md", lead="2026-11-24-b.md", pin=("./y/2026-11-24-b.md",), skip=("none.md",))
    edited = edit(posts, file)
    hands = {1: Hand.PIN, 2: Hand.LEAD, 3: Hand.PIN, 4: Hand.PIN}
    assert {post.key: post.hand for post in edited.posts} == hands
    assert edited.named == {2, 3}
    [several, line] = edited.warnings
    assert several.startswith("e/x.md: lead: 2 posts have the file 2026-11-24-b.md, such as _posts/x/")
    assert line.startswith("e/x.md: skip: no post of this edition has the file none.md")
    edited = edit(posts, EditionFile(skip=("2026-11-24-b.md",), pin=("2026-11-24-b.md",)))
    assert [post.key for post in edited.skipped] == [2, 3]
    assert [post.key for post in edited.posts] == [1, 4]
    both = EditionFile(path="e", skip=("2026-11-24-a.md",), pin=("2026-11-24-a.md",))
    [line] = edit(posts, both).warnings
    assert line == "e: pin: 2026-11-24-a.md is left out by skip, too; take it out of one of them"
    assert edit(posts, EditionFile()).posts == tuple(posts)


@pytest.mark.parametrize(
    ("tag", "mark"),
    [
        *(
            ("zh-CN", "广告｜"),
            ("zh", "广告｜"),
            ("zh-TW", "廣告｜"),
            ("zh-Hant-HK", "廣告｜"),
            ("zh-Hans-HK", "广告｜"),
        ),
        *(("ko", "(광고) "), ("ko-KR", "(광고) "), ("en", ""), ("ja", ""), ("kok", "")),
    ],
)
def test_subjects_are_marked_where_the_law_wants_it(tag: str, mark: str) -> None:
    assert sponsor_mark(tag) == mark


def with_file(make_post: MakePost, **file: Any) -> Edition:
    values: dict[str, Any] = {"digest": "daily", "title": "早报", "period": "2026-11-24", "days": (DAY, DAY)}
    posts = [make_post(key, categories=("a" if key < 6 else "b",)) for key in range(1, 9)]
    edition = build_edition(posts, Recipe(group=False), frozen_at=datetime(2026, 11, 24, tzinfo=UTC), **values)
    return replace(edition, **file)


def test_everything_shows_the_introduction_and_the_sponsor(make_post: MakePost, look: Any) -> None:
    """Above the news; in what readers of some sections get, too."""
    link = '<a href="https://a.example/?b=1&amp;c">甲公司</a>'
    edition = with_file(make_post, introduction=f"<p>今天很忙，见{link}。</p>", sponsor=f"由{link}赞助")
    mail = render_mail(narrowed(edition, Selection.of(["a"]), Recipe(group=False)), look, Limits())
    assert mail.subject.startswith("广告｜标题1｜")
    assert mail.text.index("今天很忙，见甲公司 (https://a.example/?b=1&c)。") < mail.text.index("标题1")
    assert "广告 由甲公司 (https://a.example/?b=1&c)赞助" in mail.text
    page = render_edition_page(edition, look, previous=None, following=None).decode()
    frame = FeedFrame(author=Author(name="财经档案"))
    feed = render_edition_feed([edition], look, frame, digest="daily", title="早报").decode()
    for shown in (mail.html, page):
        assert shown.index("今天很忙，见") < shown.index("https://news.example.com/1.html")
        assert 'href="https://a.example/?b=1&amp;c"' in shown
        assert "广告</b> 由" in shown
    assert "今天很忙" in feed
    assert "广告" in feed


def test_in_english_the_line_is_marked_and_the_subject_is_not(make_post: MakePost, look: Any) -> None:
    english = CatalogueLanguage("en")
    look = replace(look, language=english, templates=FolderTemplates(english))
    mail = render_mail(with_file(make_post, sponsor="By Acme"), look, Limits())
    assert mail.subject.startswith("标题1 | ")
    assert "Ad By Acme" in mail.text


def test_without_them_nothing_is_shown_and_old_editions_have_none(make_post: MakePost, look: Any) -> None:
    edition = with_file(make_post)
    mail = render_mail(edition, look, Limits())
    assert 'class="intro"' not in mail.html
    assert "广告" not in mail.html + mail.text + mail.subject
    document = edition_to_json(edition)
    old = document.replace(',"introduction":"","sponsor":"","skipped":[]', "")
    assert old != document
    assert edition_from_json(old) == edition


# ---------------------------------------------------------------- on a store


def test_an_edition_is_made_by_its_file(desk: Any) -> None:
    """Once; what it skips is left to the next one, and its warnings are in the report."""
    desk.make("2026-11-24 12:00")
    desk.collect("2026-11-25 07:00", "2026-11-25 06:00", "2026-11-25 05:00", "2026-11-25 04:00")
    text = "---\nlead: 0003.md\nskip: [0001.md, 9.md]\nsponsor: 甲公司\n---\n今天很忙。"

    def file_of(digest: str, period: str) -> EditionFile:
        return read(text) if (digest, period) == ("daily", "2026-11-25") else EditionFile()

    def make(now: str) -> Any:
        return make_editions(desk.store, [desk.plan], desk.look, desk.audience, desk.at(now), file_of=file_of)

    seen = preview_edition(desk.store, desk.plan, desk.look, desk.at("2026-11-25 07:59"), file_of)
    report = make("2026-11-25 08:00")
    assert report.warnings == list(seen.edited.warnings) != []
    assert "no post of this edition has the file 9.md" in report.warnings[0]
    saved = desk.store.edition("daily", "2026-11-25")
    assert saved.subject == seen.saved.subject
    assert saved.subject.startswith("广告｜标题0003｜")
    edition = edition_from_json(saved.document)
    assert [entry.key for entry in edition.entries] == [3, 2]
    assert (edition.skipped, edition.introduction) == ((1,), "<p>今天很忙。</p>")
    assert "lead=edition" in edition.entries[0].reason
    assert make("2026-11-25 08:05").results == []
    make("2026-11-26 08:00")
    assert [e.key for e in edition_from_json(desk.store.edition("daily", "2026-11-26").document).entries] == [1]


def test_an_edition_of_which_everything_is_skipped_is_not_made(desk: Any) -> None:
    desk.make("2026-11-24 12:00")
    desk.collect("2026-11-25 07:00", "2026-11-25 06:00")
    everything: FileOf = lambda digest, period: EditionFile(skip=("0001.md",))  # noqa: E731
    report = make_editions(
        desk.store, [desk.plan], desk.look, desk.audience, desk.at("2026-11-25 08:00"), file_of=everything
    )
    assert [(result.outcome.value, result.waiting) for result in report.results] == [("nothing new", 1)]
