"""How many posts a feed holds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from digest.render.feeds.window import WindowLimits, count_in_window, in_reading_order, lost_cover, shrink

LIMITS = WindowLimits(window=timedelta(hours=48), min_items=5, max_items=20, max_bytes=768 * 1024)


def newest_first(post, minutes):
    return [
        post(key, first_seen=post(minute).first_seen) for key, minute in enumerate(sorted(minutes, reverse=True), 1)
    ]


@pytest.mark.parametrize(
    ("minutes", "held"),
    [
        ([], 0),
        ([0], 1),
        (range(3), 3),  # fewer than the least
        (range(10), 10),  # all within the window
        (range(30), 20),  # more than the most
        ([0, 60 * 24 * 30], 2),  # old ones fill up to the least
        ([-60 * 24 * 30 - n for n in range(10)] + [0, 1], 5),
        ([0, 60 * 48, 1, 2, 3, 4, 5, 6], 8),  # exactly 48 hours old is still in
        ([0, 60 * 48 + 1, 1, 2, 3, 4, 5, 6], 7),
    ],
)
def test_the_window_counts_back_from_the_newest_post(post, minutes, held) -> None:
    assert count_in_window(newest_first(post, minutes), LIMITS) == held


@given(minutes=st.lists(st.integers(0, 60 * 24 * 10), max_size=60), least=st.integers(1, 30), most=st.integers(1, 30))
def test_the_window_keeps_its_promises(minutes, least, most) -> None:
    """Never more than the most or than there are; at least the least; nobody younger than the window is left out
    unless the most is reached; and the clock has no say: the same posts later are the same window."""
    from datetime import UTC, datetime
    from types import SimpleNamespace

    start = datetime(2026, 1, 1, tzinfo=UTC)
    limits = replace(LIMITS, min_items=least, max_items=most)
    times = [start + timedelta(minutes=minute) for minute in sorted(minutes, reverse=True)]
    posts: list[Any] = [SimpleNamespace(first_seen=time) for time in times]
    held = count_in_window(posts, limits)
    recent = sum(post.first_seen >= posts[0].first_seen - limits.window for post in posts)
    assert held <= min(most, len(posts))
    assert held >= min(least, most, len(posts))
    assert held >= min(recent, most)
    assert held <= max(recent, least)


@pytest.mark.parametrize(
    ("count", "size", "budget", "kept"),
    [(100, 2000, 1000, 50), (100, 1001, 1000, 99), (2, 5000, 1000, 1), (1, 5000, 1000, 1), (3, 0, 10, 2)],
)
def test_what_is_too_large_shrinks_in_proportion(count, size, budget, kept) -> None:
    assert shrink(count, size, budget) == kept


def test_less_than_a_day_is_said(post) -> None:
    posts = newest_first(post, range(0, 3000, 60))
    assert lost_cover(posts, 10) == timedelta(hours=10)
    assert lost_cover(posts, 25) is None
    assert lost_cover(posts, len(posts)) is None


def test_items_are_sorted_by_date_then_id(post) -> None:
    moment = post(5).published
    posts = [post(1, id="b", published=moment), post(2, id="a", published=moment), post(9)]
    assert [item.id for item in in_reading_order(posts)] == [post(9).id, "a", "b"]
