"""Which stories come first, and how long they take to read (digest/edition/ranking.py)."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.edition.ranking import DAY, GENTLE, Share, Weights, in_turn, reading_time, score
from digest.models import Code, KnownPost

MakePost = Callable[..., KnownPost]
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
MAOTAI = Code(market="1", code="600519", name="茅台")


@pytest.mark.parametrize(
    ("hours", "days", "points", "reasons"),
    [
        (0, 1, DAY, ()),
        (0.5, 1, DAY - GENTLE // 48, ()),
        (6, 1, DAY - GENTLE // 4, ("age=6h",)),
        (24, 1, DAY - GENTLE, ("age=24h",)),
        (36, 1, DAY - GENTLE - DAY // 2, ("age=36h",)),
        (90, 1, 0, ("age=90h",)),
        (84, 7, DAY - GENTLE // 2, ("age=84h",)),
    ],
)
def test_age_is_gentle_within_the_days_that_an_edition_is_about(
    make_post: MakePost, hours: float, days: int, points: int, reasons: tuple[str, ...]
) -> None:
    found = score([make_post(1, published=NOON - timedelta(hours=hours))], Weights(), NOON, days)
    assert (found.points, found.reasons) == (points, reasons)


def test_news_of_the_night_that_two_media_told_goes_before_a_fresh_note(make_post: MakePost) -> None:
    night = [
        make_post(key, title=f"央行降息，说法{key}", published=NOON - timedelta(hours=14), source_name=str(key))
        for key in (1, 2)
    ]
    assert score(night, Weights(), NOON).points > score([make_post(3, published=NOON)], Weights(), NOON).points


def test_each_further_source_is_worth_a_day(make_post: MakePost) -> None:
    """Sources, not posts; without a source's name the category stands for it; the newest post says how old it is."""
    told = [
        make_post(1, title="甲", published=NOON - timedelta(hours=9), source_name="晨钟"),
        make_post(2, title="乙", published=NOON, source_name="晨钟"),
        make_post(3, title="丙", published=NOON - timedelta(hours=1), source_name=None, categories=("a",)),
        make_post(4, title="丁", published=NOON - timedelta(hours=1), source_name=None, categories=("a", "b")),
    ]
    found = score(told, Weights(), NOON)
    assert (found.points, found.reasons) == (2 * DAY, ("sources=2",))


@pytest.mark.parametrize(
    ("texts", "sources"),
    [
        ([("央行降息", ""), ("央行降息！", ""), ("【央行降息】", "")], 1),
        ([("央行降息", "同一段话" * 10), ("今日：降息来了", "同一段话" * 10)], 1),
        ([("央行降息", "短"), ("降息来了", "短")], 2),
        ([("央行降息", ""), ("央行降息", ""), ("央行宣布降息", ""), ("降息25个基点", "")], 3),
    ],
)
def test_copies_count_once(make_post: MakePost, texts: list[tuple[str, str]], sources: int) -> None:
    told = [
        make_post(key, title=title, summary=summary, published=NOON, source_name=f"媒体{key}")
        for key, (title, summary) in enumerate(texts)
    ]
    assert score(told, Weights(), NOON).points == sources * DAY


def test_what_six_media_report_goes_before_what_seven_copied(make_post: MakePost) -> None:
    copies = [make_post(key, title="某公司开业", published=NOON, source_name=str(key)) for key in range(7)]
    reports = [
        make_post(key, title=f"央行降息：第{key}种说法", published=NOON, source_name=str(key)) for key in range(6)
    ]
    assert score(reports, Weights(), NOON).points > score(copies, Weights(), NOON).points


@pytest.mark.parametrize(
    ("weights", "weight"),
    [
        (Weights(tags={"央行": 2}), 2), (Weights(tags={"央行": 2}, codes={"600519": 1.5}), 3.5),
        (Weights(codes={"1,600519": 1}), 1), (Weights(codes={"0,600519": 1}), 0), (Weights(tags={"央行": -3}), -3),
        (Weights(tags={"别的": 9}), 0), (Weights(sources={"晨钟": 1}), 1), (Weights(sources={"央行": 1}), 0),
        (Weights(categories={"要闻": 0.5}), 0.5), (Weights(words={"降息": 2, "加息": 1}), 2),
        (Weights(words={"Fed": 1}), 1), (Weights(words={"ed": 1}), 0), (Weights(words={"FED cuts": 1}), 1),
    ],
)  # fmt: skip
def test_each_weight_counts_once_a_story(make_post: MakePost, weights: Weights, weight: float) -> None:
    told = [
        make_post(
            key, title=f"降息：fed cuts {key}", published=NOON, tags=("央行",), codes=(MAOTAI,), source_name="晨钟"
        )
        for key in (1, 2)
    ]
    found = score(told, weights, NOON)
    assert found.points == DAY + weight * DAY
    assert found.reasons == ("sources=1", *([f"weight={weight:g}"] if weight else []))


@given(
    items=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 4), st.integers(0, 3)), max_size=40, unique=True),
    quotas=st.tuples(st.integers(1, 100), st.integers(1, 100)),
    taken=st.lists(st.integers(0, 3), min_size=5, max_size=5),
)
def test_laws_of_turns(items: list[tuple[int, int, int]], quotas: tuple[int, int], taken: list[int]) -> None:
    """Everything comes once; who is above a share gets a turn only if all who have something left are above one; of
    those who may, and have what is best of their own, the best comes first. Nobody's items have no share."""
    shares = [
        Share(name="quota", of=lambda item: item[1], percent=quotas[0], taken=dict(enumerate(taken))),
        Share(name="source", of=lambda item: item[2] or None, percent=quotas[1], taken={}),
    ]
    order = in_turn(items, lambda item: item, shares)
    assert sorted(item for item, _ in order) == sorted(items)
    had = [Counter(dict(enumerate(taken))), Counter[int]()]
    left = sorted(items)

    def above(item: tuple[int, int, int]) -> int:
        return sum(
            bool(owner is not None and count[owner] >= max(1, -(-percent * (count.total() + 1) // 100)))
            for owner, count, percent in zip((item[1], item[2] or None), had, quotas, strict=True)
        )

    for item, _ in order:
        assert (above(item), item) == min((above(each), each) for each in left)
        left.remove(item)
        had[0][item[1]] += 1
        had[1][item[2] or None] += 1  # type: ignore[index]


def test_who_waited_says_for_which_share() -> None:
    shares = [Share(name="quota", of=lambda item: item[1], percent=50, taken={})]
    order = in_turn([(1, "a"), (2, "a"), (3, "a"), (4, "b")], lambda item: item, shares)
    assert order == [((1, "a"), ()), ((4, "b"), ()), ((2, "a"), ("quota",)), ((3, "a"), ())]


@given(st.integers(0, 99))
def test_the_order_of_a_story_does_not_change_its_score(seed: int) -> None:
    posts = [
        KnownPost(
            key=key, id=str(key), path="", title="t", url="u", summary="", published=NOON - timedelta(hours=key),
            updated=NOON, first_seen=NOON, collected_at=NOON, tags=(str(key),), source_name=str(key % 3),
        )
        for key in range(6)
    ]  # fmt: skip
    weights = Weights(tags={str(key): key / 7 for key in range(6)})
    shuffled = random.Random(seed).sample(posts, len(posts))
    assert score(shuffled, weights, NOON) == score(posts, weights, NOON)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", 0), ("涨" * 400, 60), ("word " * 240, 60), ("央行降息 25 个基点", 1.05 + 0.25 + 0.15 * 0),
        ("It's 3.5 per-cent", 0.75), ("，。！？", 0), ("テスト한국", 0.75),
    ],
)  # fmt: skip
def test_reading_takes_as_long_as_the_script_asks(text: str, seconds: float) -> None:
    assert reading_time(text) == round(seconds * 1000)
