"""What an edition is made of (digest/edition/contents.py)."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.edition.contents import (
    CategoryTitle,
    Earlier,
    Edition,
    Limits,
    Reason,
    Recipe,
    Shown,
    build_edition,
    edition_from_json,
    edition_to_json,
    explain,
    members,
    narrowed,
    rank,
    reading_minutes,
    show,
)
from digest.edition.ranking import Weights
from digest.edition.selection import Selection
from digest.models import Code, KnownPost

MakePost = Callable[..., KnownPost]
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = date(2026, 11, 24)


def build(posts: list[KnownPost], *categories: str, **changes: Any) -> Edition:
    titles = tuple(CategoryTitle(name=name, title=name.upper()) for name in categories)
    values: dict[str, Any] = {"digest": "daily", "title": "早报", "period": "2026-11-24", "days": (DAY, DAY)}
    recipe: dict[str, Any] = {"group": False, "categories": categories or None, "titles": titles}
    recipe |= {name: changes.pop(name) for name in ("group", "categories", "weights") if name in changes}
    recipe |= {"titles": changes.pop("titles")} if "titles" in changes else {}
    return build_edition(posts, Recipe(**recipe), frozen_at=NOON, **values | changes)


def keys(edition: Edition) -> dict[str, list[int]]:
    return {section.name: [entry.key for entry in section.entries] for section in edition.sections}


def test_sections_come_in_the_configured_order_with_their_titles(make_post: MakePost) -> None:
    posts = [make_post(1, categories=("b",)), make_post(2, categories=("a",)), make_post(3, categories=("c",))]
    edition = build(posts, "b", "x", "a")
    assert keys(edition) == {"b": [1], "a": [2]}
    assert [section.title for section in edition.sections] == ["B", "A"]


def test_without_configured_categories_the_one_with_the_best_story_comes_first_and_none_last(
    make_post: MakePost,
) -> None:
    posts = [make_post(1, categories=()), make_post(2, categories=("b",)), make_post(3, categories=("a",))]
    assert list(keys(build(posts)).items()) == [("b", [2]), ("a", [3]), ("", [1])]
    weights = Weights(categories={"a": 1})
    assert list(keys(build(posts, weights=weights)).items()) == [("a", [3]), ("b", [2]), ("", [1])]


def test_an_edition_of_one_section_has_summaries_as_long_as_there_is_room(make_post: MakePost) -> None:
    posts = [make_post(key) for key in range(1, 41)]
    assert {pick.shown for pick in rank(build(posts), Limits())} == {Shown.LEAD}
    posts.append(make_post(50, categories=("b",)))
    shown = [pick.shown for pick in rank(build(posts), Limits())]
    assert shown.count(Shown.LEAD) == 4


def test_one_medium_has_its_share_of_the_headlines(make_post: MakePost) -> None:
    """As long as others have some to show; posts without a medium have no share."""
    posts = [make_post(key, summary="", source_name="通稿") for key in range(1, 5)]
    posts += [make_post(key, summary="", source_name=None) for key in range(5, 8)]
    assert [pick.key for pick in rank(build(posts), Limits(source_quota=30))] == [1, 5, 6, 2, 7, 3, 4]
    assert [pick.key for pick in rank(build(posts), Limits(source_quota=50))] == [1, 5, 2, 6, 3, 7, 4]
    assert [pick.key for pick in rank(build(posts), Limits())] == [1, 2, 3, 4, 5, 6, 7]
    assert rank(build(posts), Limits(source_quota=30))[3].waited == ("source-quota",)


@pytest.mark.parametrize(
    ("categories", "chosen", "section"),
    [(("b", "a"), ("a", "b"), "b"), (("x", "a"), ("a", "b"), "a"), (("b", "a"), (), "b"), (("x",), ("a",), None)],
)
def test_a_post_of_several_categories_is_once_in_its_first_that_counts(
    make_post: MakePost, categories: tuple[str, ...], chosen: tuple[str, ...], section: str | None
) -> None:
    found = keys(build([make_post(1, categories=categories)], *chosen))
    assert found == ({} if section is None else {section: [1]})


def test_newest_comes_first_and_equal_moments_by_key(make_post: MakePost) -> None:
    posts = [make_post(key, published=NOON.replace(hour=hour)) for key, hour in [(3, 1), (1, 2), (5, 2), (4, 0)]]
    random.Random(7).shuffle(posts)
    assert keys(build(posts)) == {"要闻": [1, 5, 3, 4]}


def test_a_post_given_twice_is_there_once(make_post: MakePost) -> None:
    assert keys(build([make_post(1), make_post(1)])) == {"要闻": [1]}


def test_members_say_where_how_and_why(make_post: MakePost) -> None:
    edition = build([make_post(1), make_post(2, categories=("b",))], reason=Reason.NEWEST_DAY)
    edition = show(edition, rank(edition, Limits(items=1)))
    found = [(m.post_key, m.section, m.position, m.shown, m.reason) for m in members(edition)]
    assert found == [(1, "要闻", 1, "lead", "newest-day"), (2, "b", 1, "page", "newest-day")]


def test_leads_come_in_rounds_and_only_with_a_summary(make_post: MakePost) -> None:
    posts = [make_post(key, categories=("a",)) for key in range(1, 7)]
    posts += [make_post(10, categories=("b",), summary=""), make_post(11, categories=("b",))]
    picks = rank(build(posts), Limits(leads=3, leads_per_section=2))
    assert [(pick.key, pick.shown) for pick in picks] == [
        (1, Shown.LEAD), (2, Shown.LEAD), (11, Shown.LEAD),
        (10, Shown.HEADLINE), (3, Shown.HEADLINE), (4, Shown.HEADLINE), (5, Shown.HEADLINE), (6, Shown.HEADLINE),
    ]  # fmt: skip


def test_headlines_come_by_score_under_the_quota_of_their_section(make_post: MakePost) -> None:
    """A section that had its share waits for the others; what is left over is its own again."""
    posts = [make_post(key, categories=("loud",), summary="") for key in range(1, 7)]
    posts += [make_post(key, categories=("still",), summary="") for key in range(10, 13)]
    edition = build(posts)
    assert [pick.key for pick in rank(edition, Limits(quota=100))] == [1, 2, 3, 4, 5, 6, 10, 11, 12]
    picks = rank(edition, Limits(quota=50))
    assert [pick.key for pick in picks] == [1, 10, 2, 11, 3, 12, 4, 5, 6]
    assert [pick.key for pick in picks if pick.waited] == [2, 3, 4]


def test_weights_put_posts_first_in_all_sections(make_post: MakePost) -> None:
    posts = [
        make_post(1, categories=("a",)),
        make_post(2, categories=("a",), tags=("广告",)),
        make_post(3, categories=("a",), codes=(Code(market="90", code="BK1036", name="半导体"),)),
        make_post(4, categories=("b",), tags=("央行",)),
    ]
    edition = build(posts, weights=Weights(tags={"央行": 2, "广告": -1}, codes={"90,BK1036": 0.5}))
    assert list(keys(edition).items()) == [("b", [4]), ("a", [3, 1, 2])]
    assert [pick.key for pick in rank(edition, Limits())] == [4, 3, 1, 2]
    assert [entry.reason for entry in edition.entries] == ["new weight=2", "new weight=0.5", "new", "new weight=-1"]


def test_the_reading_budget_stops_adding(make_post: MakePost) -> None:
    """At 400 characters a minute; one post is shown however long it is."""
    posts = [make_post(key, title="涨" * 100, summary="跌" * 100, categories=("ab"[key > 3],)) for key in range(1, 7)]
    edition = build(posts)
    assert len(rank(edition, Limits(minutes=1, leads=1))) == 3, "200 characters, then 100 each"
    assert len(rank(edition, Limits(minutes=1, leads=2))) == 2
    assert len(rank(edition, Limits(minutes=60))) == 6
    long = build([make_post(1, title="涨" * 900), make_post(2)])
    assert len(rank(long, Limits(minutes=1))) == 1
    assert reading_minutes(show(long, rank(long, Limits(minutes=1)))) == 3
    assert reading_minutes(show(edition, ())) == 0


@pytest.mark.parametrize(
    ("limits", "picked", "reasons"),
    [
        (Limits(items=2), 2, ["new turn=1", "new age=1h turn=2", "new age=2h turn=3 no-summary over=items"]),
        (Limits(minutes=1), 2, ["new turn=1", "new age=1h turn=2", "new age=2h turn=3 no-summary over=minutes"]),
        (Limits(), 2, ["new turn=1", "new age=1h turn=2", "new age=2h turn=3 no-summary over=bytes"]),
        (Limits(), 3, ["new turn=1", "new age=1h turn=2", "new age=2h turn=3 no-summary"]),
        (Limits(quota=1), 3, ["new turn=1", "new age=1h turn=2", "new age=2h turn=3 no-summary"]),
    ],
)
def test_reasons_say_why_each_post_has_its_place(
    make_post: MakePost, limits: Limits, picked: int, reasons: list[str]
) -> None:
    posts = [
        make_post(hours, published=NOON - timedelta(hours=hours), title="涨" * 190, summary="" if hours == 2 else "跌")
        for hours in range(3)
    ]
    edition = build(posts)
    edition = explain(show(edition, rank(edition, limits)[:picked]), limits)
    assert [entry.reason for entry in edition.entries] == reasons
    assert [member.reason for member in members(edition)] == reasons


def test_reasons_name_the_quota(make_post: MakePost) -> None:
    posts = [make_post(key, categories=("loud",)) for key in (1, 2)] + [make_post(3, categories=("still",))]
    limits = Limits(quota=50, leads=0)
    edition = build(posts)
    edition = explain(show(edition, rank(edition, limits)), limits)
    assert [entry.reason for entry in edition.entries] == ["new turn=1", "new turn=3 quota", "new turn=2"]


def told(make_post: MakePost) -> list[KnownPost]:
    """A story that three sources tell in two categories, and two posts that stand alone."""
    return [
        make_post(1, title="黄金价格再创历史新高", categories=("a",)),
        make_post(2, title="东港证券拟吸收合并临江证券", source_name="海平线", categories=("b",)),
        make_post(3, title="东港证券拟吸收合并临江证券", source_name="晨钟", categories=("a",)),
        make_post(4, title="东港证券将吸收合并临江证券", source_name="证市", categories=("a",), summary=""),
        make_post(5, title="寒潮橙色预警发布 多地降温", categories=("b",)),
    ]


def test_posts_of_one_story_stand_together_and_take_one_place(make_post: MakePost) -> None:
    """Under the one that tells most of it, in its section, ahead of what one source alone tells; none is lost."""
    edition = build(told(make_post), group=True)
    assert keys(edition) == {"a": [3, 2, 4, 1], "b": [5]}
    assert [(entry.key, entry.story, entry.reason) for entry in edition.sections[0].entries] == [
        (3, None, "new sources=2"), (2, 3, "new story=3"), (4, 3, "new story=3"), (1, None, "new"),
    ]  # fmt: skip
    assert [pick.key for pick in rank(edition, Limits())] == [3, 5, 1]


def test_grouped_posts_count_as_grouped_only_beside_a_shown_lead(make_post: MakePost) -> None:
    edition = build(told(make_post), group=True)
    picks = rank(edition, Limits())
    balance = show(edition, picks).balance
    assert (balance.arrived, balance.here, balance.grouped, balance.page) == (5, 3, 2, 0)
    balance = show(edition, picks[1:2]).balance
    assert (balance.arrived, balance.here, balance.grouped, balance.page) == (5, 1, 0, 4)


def test_a_post_with_a_summary_leads_its_story(make_post: MakePost) -> None:
    posts = [
        make_post(1, title="东港证券拟吸收合并临江证券", summary=""),
        make_post(2, title="东港证券拟吸收合并临江证券"),
    ]
    assert keys(build(posts, group=True)) == {"要闻": [2, 1]}


@pytest.mark.parametrize("document", ["", "{}", "[]", "null", '{"digest": 1}', "not json"])
def test_other_documents_are_refused(document: str) -> None:
    with pytest.raises(ValueError, match="not an edition"):
        edition_from_json(document)


texts = st.text(st.characters(codec="utf-8"), max_size=20)
posts_of = st.lists(
    st.fixed_dictionaries(
        {
            "title": texts,
            "summary": texts,
            "published": st.integers(0, 400_000).map(lambda seconds: NOON - timedelta(seconds=seconds)),
            "categories": st.lists(st.sampled_from("abcd"), max_size=3, unique=True).map(tuple),
            "source_name": st.none() | texts,
        }
    ),
    max_size=40,
)


@given(
    rows=posts_of,
    leads=st.integers(0, 10),
    items=st.none() | st.integers(0, 50),
    seed=st.integers(0, 9),
    group=st.booleans(),
)
def test_laws_of_editions(rows: list[dict[str, Any]], leads: int, items: int | None, seed: int, group: bool) -> None:
    """Every post is in exactly one place; the balance adds up; order of arrival does not matter; JSON loses nothing."""
    posts = [
        KnownPost(
            key=key,
            id=str(key),
            path=str(key),
            url=f"https://e.example/{key}",
            updated=NOON,
            first_seen=NOON,
            collected_at=NOON,
            **row,
        )
        for key, row in enumerate(rows)
    ]
    edition = build(posts, group=group)
    assert sorted(entry.key for entry in edition.entries) == list(range(len(rows)))
    heads = sum(entry.story is None for entry in edition.entries)
    picks = rank(edition, Limits(leads=leads, items=items))
    assert len({pick.key for pick in picks}) == len(picks) == (heads if items is None else min(items, heads))
    shown = show(edition, picks)
    balance = shown.balance
    assert balance.arrived == len(rows) == balance.here + balance.grouped + balance.page
    assert balance.here == len(picks)
    assert [member.post_key for member in members(shown)] == [entry.key for entry in shown.entries]
    assert edition_from_json(edition_to_json(shown)) == shown
    shuffled = posts[:]
    random.Random(seed).shuffle(shuffled)
    assert edition_to_json(build(shuffled, group=group)) == edition_to_json(edition)


def test_titles_order_sections_and_hide_none(make_post: MakePost) -> None:
    """Categories that have a title come first, in its order; all others follow by name, posts without one last."""
    posts = [make_post(n, categories=names) for n, names in enumerate([("a",), (), ("z",), ("m",)], start=1)]
    edition = build(posts, "m", "z", categories=None)
    assert [(section.name, section.title) for section in edition.sections] == [
        ("m", "M"),
        ("z", "Z"),
        ("a", "a"),
        ("", ""),
    ]


def test_a_story_that_goes_on_says_where_it_was_told_before(make_post: MakePost) -> None:
    """On the post that leads it, also when another one of its posts goes on with it."""
    before = Earlier(period="2026-11-23", key=99)
    edition = build(told(make_post), group=True, earlier={4: before, 5: before})
    found = {entry.key: entry.earlier for entry in edition.entries}
    assert found == {1: None, 2: None, 3: before, 4: None, 5: before}


def test_what_many_posts_name_is_a_highlight(make_post: MakePost) -> None:
    """Posts are counted, not mentions; the usual name is taken; three of a kind at most, none with fewer than three."""

    def named(number: int, codes: list[tuple[str, str]]) -> KnownPost:
        return make_post(
            number, codes=tuple(Code(market="1", code=code, name=name, mentions=9) for code, name in codes)
        )

    posts = [named(number, [("BK1", "银行"), ("600001", "甲"), ("600001", "甲")]) for number in range(1, 4)]
    posts += [named(number, [("600002", "乙" if number % 3 else "乙股份"), ("600003", "丙")]) for number in range(4, 8)]
    posts += [named(number, [("600004", "丁"), ("600005", "戊"), ("BK2", "少")]) for number in range(8, 10)]
    posts += [named(number, [("600004", "丁")]) for number in range(10, 13)]
    found = [(each.code, each.name, each.is_sector, each.posts) for each in build(posts).highlights]
    assert found == [
        ("1,600004", "丁", False, 5), ("1,600002", "乙", False, 4), ("1,600003", "丙", False, 4),
        ("1,BK1", "银行", True, 3),
    ]  # fmt: skip
    assert build(posts[7:9]).highlights == ()


def test_a_mail_for_some_categories_keeps_the_stories_of_the_edition(make_post: MakePost) -> None:
    """Though it lacks some of their posts: the first one left that has a summary leads then."""
    posts = told(make_post)
    recipe = Recipe(group=True)
    edition = build(posts, group=True)
    some = narrowed(edition, Selection.of(["a"]), recipe)
    assert keys(some) == {"a": [3, 4, 1]}
    assert [entry.story for entry in some.entries] == [None, 3, None]
    assert narrowed(edition, Selection.of([]), recipe) == edition
    other = narrowed(edition, Selection.of(["b"]), recipe)
    assert {entry.key: entry.story for entry in other.entries} == {2: None, 5: None}


@pytest.mark.parametrize("order", [(), ("b", "a")])
def test_a_mail_for_some_categories_has_sections_as_the_edition(make_post: MakePost, order: tuple[str, ...]) -> None:
    """In the operator's order, else by importance."""
    titles = tuple(CategoryTitle(name=name, title=name.upper()) for name in order)
    edition = build([make_post(key, categories=(name,)) for key, name in enumerate("abc", start=1)], titles=titles)
    some = narrowed(edition, Selection.of(["a", "b"]), Recipe(group=True, titles=titles))
    assert [section.name for section in some.sections] == list(order or ("a", "b"))
