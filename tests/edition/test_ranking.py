"""Which stories come first, and how long they take to read (digest/edition/ranking.py)."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.edition.ranking import DAY, in_turn, reading_time, score
from digest.models import Code, KnownPost

MakePost = Callable[..., KnownPost]
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
MAOTAI = Code(market="1", code="600519", name="茅台")


@pytest.mark.parametrize(
    ("hours", "points", "reasons"),
    [
        (0, DAY, ()),
        (0.5, DAY - 1800, ()),
        (5, DAY - 5 * 3600, ("age=5h",)),
        (24, 0, ("age=24h",)),
        (60, 0, ("age=60h",)),
    ],
)
def test_a_story_gets_old_within_a_day(
    make_post: MakePost, hours: float, points: int, reasons: tuple[str, ...]
) -> None:
    found = score([make_post(1, published=NOON - timedelta(hours=hours))], {}, NOON)
    assert (found.points, found.reasons) == (points, reasons)


def test_each_further_source_is_worth_a_day(make_post: MakePost) -> None:
    """Sources, not posts; without a source's name the category stands for it; the newest post says how old it is."""
    told = [
        make_post(1, published=NOON - timedelta(hours=9), source_name="晨钟"),
        make_post(2, published=NOON, source_name="晨钟"),
        make_post(3, published=NOON - timedelta(hours=1), source_name=None, categories=("a",)),
        make_post(4, published=NOON - timedelta(hours=1), source_name=None, categories=("a", "b")),
    ]
    found = score(told, {}, NOON)
    assert (found.points, found.reasons) == (2 * DAY, ("sources=2",))


@pytest.mark.parametrize(
    ("weights", "weight"),
    [
        ({"央行": 2}, 2), ({"央行": 2, "600519": 1.5}, 3.5), ({"1,600519": 1}, 1), ({"0,600519": 1}, 0),
        ({"央行": -3}, -3), ({"别的": 9}, 0),
    ],
)  # fmt: skip
def test_weights_count_once_by_tag_and_code(make_post: MakePost, weights: dict[str, float], weight: float) -> None:
    told = [make_post(key, published=NOON, tags=("央行",), codes=(MAOTAI,), source_name="a") for key in (1, 2)]
    found = score(told, weights, NOON)
    assert found.points == DAY + weight * DAY
    assert found.reasons == ("sources=1", *([f"weight={weight:g}"] if weight else []))


@given(
    queues=st.lists(st.lists(st.integers(0, 99), max_size=12), max_size=6),
    quota=st.integers(1, 100),
    taken=st.lists(st.integers(0, 3), min_size=6, max_size=6),
    seed=st.integers(0, 99),
)
def test_laws_of_turns(queues: list[list[int]], quota: int, taken: list[int], seed: int) -> None:
    """Everything comes once, each queue in its order; who is over the quota gets a turn only if all others that have
    something left are over it too; among those who may, the best comes first; equal input gives equal output."""
    items = [[(value, place, turn) for turn, value in enumerate(sorted(queue))] for place, queue in enumerate(queues)]
    given_before = taken[: len(items)]
    order = in_turn(items, lambda item: item, given_before, quota)
    assert sorted(item for item, _ in order) == sorted(item for queue in items for item in queue)
    left, had = [list(queue) for queue in items], list(given_before)
    for item, _ in order:
        most = max(1, -(-quota * (sum(had) + 1) // 100))
        within = [place for place, queue in enumerate(left) if queue and had[place] < most]
        may = within or [place for place, queue in enumerate(left) if queue]
        assert item == min(left[place][0] for place in may)
        left[item[1]].pop(0)
        had[item[1]] += 1
    assert order == in_turn(items, lambda item: item, given_before, quota)


@given(st.integers(0, 99))
def test_the_order_of_a_story_does_not_change_its_score(seed: int) -> None:
    posts = [
        KnownPost(
            key=key, id=str(key), path="", title="t", url="u", summary="", published=NOON - timedelta(hours=key),
            updated=NOON, first_seen=NOON, collected_at=NOON, tags=(str(key),), source_name=str(key % 3),
        )
        for key in range(6)
    ]  # fmt: skip
    weights = {str(key): key / 7 for key in range(6)}
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
