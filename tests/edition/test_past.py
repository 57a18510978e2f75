"""What an edition says about earlier ones (digest/edition/past.py)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from digest.edition.contents import (
    Edition,
    Limits,
    Reason,
    Recipe,
    build_edition,
    edition_from_json,
    edition_to_json,
    rank,
    show,
)
from digest.edition.past import CORRECTIONS, find_corrections, is_same
from digest.models import KnownPost

MakePost = Callable[..., KnownPost]
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def sent(posts: list[KnownPost], period: str = "2026-11-24", *, here: int = 99, **changes: Any) -> Edition:
    """An edition whose mail showed so many of the posts, all of them with their summary."""
    day = date.fromisoformat(period)
    edition = build_edition(
        posts,
        Recipe(group=False),
        digest="daily",
        title="早报",
        period=period,
        days=(day, day),
        frozen_at=NOON,
        **changes,
    )
    limits = Limits(leads=2, leads_per_section=2)
    return show(edition, rank(edition, limits)[:here])


def told(edition: Edition | list[Edition], *posts: KnownPost) -> list[tuple[int, str, str, bool]]:
    editions = edition if isinstance(edition, list) else [edition]
    found = find_corrections(editions, {post.key: post for post in posts})
    return [(each.key, each.was_title, each.title, each.gone) for each in found]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("央行降息25个基点", "央行，降息 25 个基点！", True), ("ＧＤＰ增长5%", "gdp增长5%", True),
        ("“利好”", "「利好」", True), ("营收1,800亿", "营收1800亿", True), ("涨3.5%", "涨35%", False),
        ("涨3%", "跌3%", False), ("利率-0.1%", "利率0.1%", False), ("降息", "降准", False), ("", "。", True),
    ],
)  # fmt: skip
def test_only_what_a_reader_notices_is_a_change(one: str, other: str, same: bool) -> None:
    assert is_same(one, other) is same


def test_a_changed_title_is_corrected_and_names_both(make_post: MakePost) -> None:
    edition = sent([make_post(1), make_post(2)])
    assert told(edition, make_post(1), make_post(2)) == []
    assert told(edition, make_post(1, title="改了"), make_post(2)) == [(1, "标题1", "改了", False)]


def test_a_summary_counts_only_where_the_mail_showed_it(make_post: MakePost) -> None:
    posts = [make_post(1), make_post(2, categories=("b",)), make_post(3)]
    edition = sent(posts)
    (found,) = find_corrections([edition], {post.key: replace(post, summary="别的话") for post in posts[1:]})
    assert (found.key, found.was_summary, found.summary) == (2, "摘要。", "别的话"), "post 3 was a headline"


def test_what_only_the_page_showed_is_not_corrected(make_post: MakePost) -> None:
    assert told(sent([make_post(1), make_post(2)], here=1), make_post(2, title="改了")) == []


def test_what_was_mailed_to_nobody_is_not_corrected(make_post: MakePost) -> None:
    assert told(sent([make_post(1)], reason=Reason.BACKFILLED), make_post(1, title="改了")) == []


def test_withdrawn_posts_come_first_then_titles_then_summaries(make_post: MakePost) -> None:
    """A few at once, the others wait; what is withdrawn keeps the words it had."""
    posts = [make_post(key, title=f"甲乙丙丁戊己庚{key}", categories=(str(key),)) for key in range(1, 9)]
    edition = sent(posts)
    changed = [replace(posts[0], summary="别的话"), replace(posts[1], title="改了"), posts[2]]
    changed.append(replace(posts[3], title="不算", gone_at=NOON))
    assert [key for key, *_ in told(edition, *changed)] == [4, 2, 1]
    assert told(edition, *changed)[0] == (4, "甲乙丙丁戊己庚4", "甲乙丙丁戊己庚4", True)
    assert len(told(edition, *(replace(post, title="改了") for post in posts))) == CORRECTIONS


@given(states=st.lists(st.lists(st.sampled_from(["甲", "乙", None]), min_size=7, max_size=7), min_size=1, max_size=6))
def test_laws_of_corrections(states: list[list[str | None]]) -> None:
    """Whatever happens to posts from day to day, each correction goes on from the last word that readers had, is one,
    and after enough quiet days readers know all that is true."""
    posts = [
        KnownPost(
            key=key, id=str(key), path="", title="甲", url="https://e.example/", summary="", published=NOON,
            updated=NOON, first_seen=NOON, collected_at=NOON,
        )
        for key in range(7)
    ]  # fmt: skip
    editions = [sent(posts, "2026-11-01")]
    word: dict[int, str | None] = dict.fromkeys(range(7), "甲")
    for day, titles in enumerate([*states, states[-1], states[-1]], start=2):
        current = {
            post.key: replace(post, title=title or "甲", gone_at=None if title else NOON)
            for post, title in zip(posts, titles, strict=True)
        }
        found = find_corrections(editions, current)
        assert len({each.key for each in found}) == len(found) <= CORRECTIONS
        for each in found:
            assert each.restored == (word[each.key] is None)
            assert each.restored or (word[each.key] == each.was_title and (each.gone or each.title != each.was_title))
            word[each.key] = None if each.gone else each.title
        edition = replace(sent([], f"2026-11-{day:02}"), corrections=found)
        editions.append(edition_from_json(edition_to_json(edition)))
    for key, title in enumerate(states[-1]):
        assert word[key] == title
