"""What an editor wants of posts: main story, pinned, skipped (digest/edition/contents.py, on a real store below)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from digest.edition.contents import (
    Edition,
    Limits,
    Recipe,
    Section,
    Shown,
    build_edition,
    edition_from_json,
    edition_to_json,
    explain,
    narrowed,
    rank,
    show,
)
from digest.edition.points import first_turns
from digest.edition.selection import Selection
from digest.jobs.editions.make import Outcome, make_editions
from digest.models import Changes, EditionFile, Hand, KnownPost, Post, Revision
from digest.render.mail import render_mail

MakePost = Callable[..., KnownPost]
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = date(2026, 11, 24)


def build(posts: list[KnownPost], recipe: Recipe | None = None, **changes: Any) -> Edition:
    values: dict[str, Any] = {"digest": "daily", "title": "早报", "period": "2026-11-24", "days": (DAY, DAY)}
    return build_edition(posts, recipe or Recipe(group=False), frozen_at=NOON, **values | changes)


def test_a_file_that_leaves_out_all_of_the_newest_day_makes_no_first_edition(desk: Any) -> None:
    """Nobody gets an empty mail; the digest begins all the same."""
    desk.collect("2026-11-24 18:00", "2026-11-24 17:00")
    skip = EditionFile(path="x.md", skip=("0001.md", "none.md"))
    report = make_editions(
        desk.store, (desk.plan,), desk.look, desk.audience, desk.at("2026-11-25 07:00"), file_of=lambda *_: skip
    )
    assert [result.outcome for result in report.results] == [Outcome.NOTHING_NEW]
    assert "none.md" in report.results[0].warnings[0]
    assert desk.store.editions("daily") == []
    assert desk.store.began("daily") is not None


def keys(section: Section) -> list[int]:
    return [entry.key for entry in section.entries]


def some_posts(make_post: MakePost, **hands: Hand) -> list[KnownPost]:
    """Six of section a, six of b, the lower the newer; ``k9=Hand.PIN``."""
    return [
        make_post(key, categories=("a" if key <= 6 else "b",), hand=hands.get(f"k{key}"), title=f"Title {key}")
        for key in range(1, 13)
    ]


def test_the_main_story_comes_before_everything(make_post: MakePost, look: Any) -> None:
    """Its section first where the operator set no order, first of the main points, and in the subject."""
    edition = build(some_posts(make_post, k12=Hand.LEAD))
    assert [section.name for section in edition.sections] == ["b", "a"]
    assert keys(edition.sections[0])[0] == 12
    mail = render_mail(edition, look, Limits())
    assert first_turns(mail.edition, 2)[0].key == 12
    assert mail.subject.startswith("Title 12")
    fixed = build(some_posts(make_post, k12=Hand.LEAD), Recipe(group=False, categories=("a", "b")))
    assert [section.name for section in fixed.sections] == ["a", "b"]
    assert first_turns(show(fixed, rank(fixed, Limits())), 1)[0].key == 12


def test_a_main_story_without_a_summary_is_first_all_the_same(make_post: MakePost) -> None:
    posts = some_posts(make_post)
    posts[8] = replace(posts[8], hand=Hand.LEAD, summary="")
    edition = build(posts)
    assert rank(edition, Limits(items=1))[0].key == 9


def test_of_several_main_stories_the_newest_is_and_the_others_are_pinned(make_post: MakePost) -> None:
    edition = build(some_posts(make_post, k4=Hand.LEAD, k11=Hand.LEAD))
    assert {entry.key: entry.hand for entry in edition.entries if entry.hand} == {4: Hand.LEAD, 11: Hand.PIN}


def test_what_is_pinned_is_first_in_its_section_and_moves_it_nowhere(make_post: MakePost, look: Any) -> None:
    """In the mail too, where headlines follow what has a summary; and in what a reader of the section gets."""
    posts = some_posts(make_post, k12=Hand.PIN)
    posts[11] = replace(posts[11], summary="")
    edition = build(posts)
    assert [section.name for section in edition.sections] == ["a", "b"]
    assert keys(edition.sections[1]) == [12, 7, 8, 9, 10, 11]
    mail = render_mail(edition, look, Limits())
    section = mail.text.partition("== b ==")[2]
    assert section.index("Title 12") < section.index("Title 7\n")
    alone = narrowed(edition, Selection.of(["b"]), Recipe(group=False))
    assert keys(alone.sections[0])[0] == 12


@pytest.mark.parametrize("limits", [Limits(items=2), Limits(minutes=1)])
def test_what_is_pinned_is_never_left_to_the_page(make_post: MakePost, look: Any, limits: Limits) -> None:
    """More than there may be posts; the others make way."""
    pins = {f"k{key}": Hand.PIN for key in (4, 5, 10, 11, 12)}
    posts = [replace(post, title=post.title + "字" * 100) for post in some_posts(make_post, **pins)]
    edition = render_mail(build(posts), look, limits).edition
    here = {entry.key for entry in edition.entries if entry.shown is not Shown.PAGE}
    assert here == {4, 5, 10, 11, 12}
    word = "over=items" if limits.items else "over=minutes"
    assert all(entry.reason.endswith(word) for entry in edition.entries if entry.key not in here)


def test_bytes_leave_out_what_is_pinned_last(make_post: MakePost, look: Any) -> None:
    posts = [replace(post, title=post.title + "字" * 200) for post in some_posts(make_post, k6=Hand.PIN, k12=Hand.PIN)]
    whole = render_mail(build(posts), look, Limits())
    smaller = Limits(html_bytes=len(whole.html.encode()) * 3 // 4)
    edition = render_mail(build(posts), look, smaller).edition
    page = {entry.key for entry in edition.entries if entry.shown is Shown.PAGE}
    assert page
    assert page.isdisjoint({6, 12})


def test_it_leads_its_story(make_post: MakePost) -> None:
    """Whoever else told it, and for readers of some sections too."""
    title = "央行宣布下调存款准备金率0.5个百分点释放长期资金约1万亿元"
    posts = [make_post(1, title=title), make_post(2, title=title, hand=Hand.PIN), make_post(3, title="沪指收涨")]
    edition = build(posts, Recipe())
    assert [(entry.key, entry.story) for entry in edition.entries] == [(2, None), (1, 2), (3, None)]
    again = narrowed(edition, Selection.of(["要闻"]), Recipe())
    assert [(entry.key, entry.story) for entry in again.entries] == [(2, None), (1, 2), (3, None)]


def test_the_reason_names_the_hand(make_post: MakePost) -> None:
    """And whether it is the post's or the edition's file."""
    posts = some_posts(make_post, k1=Hand.LEAD, k7=Hand.PIN)
    edition = build(posts, named={7})
    edition = explain(show(edition, rank(edition, Limits())), Limits())
    reasons = {entry.key: entry.reason for entry in edition.entries}
    assert reasons[1] == "new lead=post turn=1"
    assert reasons[7] == "new pin=edition turn=2"
    assert "pin" not in reasons[8] + reasons[2]


def test_it_survives_json_and_old_editions_have_none(make_post: MakePost) -> None:
    edition = build(some_posts(make_post, k2=Hand.PIN))
    document = edition_to_json(edition)
    assert edition_from_json(document) == edition
    old = edition_from_json(document.replace(',"hand":"pin"', "").replace(',"hand":null', ""))
    assert {entry.hand for entry in old.entries} == {None}


# ------------------------------------------------------------- on a store


def test_a_post_that_is_skipped_is_in_no_edition(desk: Any) -> None:
    """Nor is an edition made for it, nor the first one of its day; once it says so no longer it is news."""
    desk.collect("2026-11-24 12:00", "2026-11-22 09:00")
    desk.collect("2026-11-24 12:00", "2026-11-24 09:00", hand=Hand.SKIP)
    report = desk.make("2026-11-24 12:00")
    assert [result.period for result in report.results] == ["2026-11-22"]
    [key] = desk.collect("2026-11-24 13:00", "2026-11-24 12:30", hand=Hand.SKIP)
    assert desk.make("2026-11-25 08:00").results[0].outcome.value == "nothing new"
    revise(desk, key, "2026-11-25 09:00", hand=None)
    desk.make("2026-11-26 08:00")
    saved = desk.store.edition("daily", "2026-11-26")
    assert [entry.key for entry in edition_from_json(saved.document).entries] == [key]


def test_what_the_store_has_of_it(desk: Any) -> None:
    [key] = desk.collect("2026-11-24 12:00", "2026-11-24 09:00", hand=Hand.PIN)
    revise(desk, key, "2026-11-24 12:30", hand=Hand.LEAD)
    [post] = desk.store.posts_at(["_posts/0001.md"]).values()
    assert post.hand is Hand.LEAD


def revise(desk: Any, key: int, now: str, **changes: Any) -> None:
    """The post's file changes, and a run reads it."""
    [known] = [
        post for post in desk.store.posts_at([f"_posts/{n:04}.md" for n in range(1, 9)]).values() if post.key == key
    ]
    same = {name: getattr(known, name) for name in Post.__struct_fields__ if hasattr(known, name)}
    post = Post(**{**same, "feed_id": known.id, **changes})
    revision = Revision(key=key, post=post, updated=known.updated, is_edit=False)
    desk.store.record(Changes(revisions=(revision,)), desk.at(now))
