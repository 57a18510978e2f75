"""What it means that posts are missing: a table of what is missing and what becomes of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.withdrawal import LeavingRules, Missing, Verdict, judge

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def at(hours: float) -> datetime:
    """So many hours before now."""
    return NOW - hours * HOUR


def gone(key: int, hours: float, **more: Any) -> Missing:
    """A post of that age whose file is missing since this run."""
    values: dict[str, Any] = {"key": key, "published": at(hours), "since": NOW} | more
    return Missing(**values)


def verdict(missing: list[Missing], stay: list[float], **more: Any) -> Verdict:
    """``stay``: ages in hours of the posts that stay."""
    rules = more.pop("rules", LeavingRules())
    values: dict[str, Any] = {"now": NOW, "present": len(missing) + len(stay)} | more
    return judge(missing, [at(hours) for hours in stay], rules, **values)


def keys(*spans: range) -> tuple[int, ...]:
    return tuple(sorted(key for span in spans for key in span))


FRESH = [hours / 10 for hours in range(1, 101)]
"""Ages of a hundred posts of the last ten hours."""
WEEK = [float(hours) for hours in range(1, 169)]
"""One post an hour for a week."""


# ------------------------------------------------------------------- withdrawn


@pytest.mark.parametrize(
    ("missing", "stay"),
    [
        ([gone(1, 5)], FRESH),
        ([gone(1, 5), gone(2, 6), gone(3, 50)], WEEK),
        ([gone(key, 100 + key / 100) for key in range(20)], WEEK),
        ([gone(key, 3) for key in range(9)], [2.0] * 9),
        ([gone(1, 99)], [1.0, 2.0]),
        ([gone(1, 99), gone(2, 98)], []),
        ([gone(key, 50, has_file=True) for key in range(5)], [10.0] * 100),
    ],
    ids=["recent", "here and there", "twenty", "half of few", "oldest of few", "both of two", "fruitless"],
)
def test_what_is_withdrawn_at_once(missing: list[Missing], stay: list[float]) -> None:
    """One or a few, wherever they stood; the oldest too where there are few posts."""
    assert verdict(missing, stay) == Verdict(withdrawn=tuple(sorted(post.key for post in missing)))


# ----------------------------------------------------------------- too many


@pytest.mark.parametrize(
    ("number", "stay", "max_gone", "is_held"),
    [
        (99, 1, 20, True),
        (21, 100, 20, True),
        (20, 100, 20, False),
        (21, 189, 20, False),
        (22, 190, 20, True),
        (3, 0, 20, True),
        (2, 0, 20, False),
        (1, 0, 0, True),
        (6, 40, 5, True),
        (5, 40, 5, False),
        (1, 5, 0, True),
        (99, 1, 200, False),
    ],
)
def test_when_nothing_is_withdrawn(number: int, stay: int, max_gone: int, is_held: bool) -> None:
    """More than a number, and more than a tenth of all; or none is left of more than two."""
    missing = [gone(key, 5) for key in range(number)]
    found = verdict(missing, [6.0] * stay, rules=LeavingRules(max_gone=max_gone))
    assert (found.held if is_held else found.withdrawn) == keys(range(number))
    assert verdict(missing, [6.0] * stay, rules=LeavingRules(max_gone=max_gone), accepted=True).held == ()


def test_it_holds_until_all_are_back() -> None:
    """A disk that comes back piece by piece does not have the rest withdrawn; what is missing besides waits with it."""
    was = [gone(key, 50, since=NOW - HOUR, was_held=True) for key in range(3)]
    assert verdict([*was, gone(9, 5)], WEEK).held == (0, 1, 2, 9)
    assert verdict([*was, gone(9, 5)], WEEK, accepted=True).withdrawn == (0, 1, 2, 9)
    assert verdict([gone(9, 5)], WEEK).withdrawn == (9,)


def test_it_holds_while_nothing_can_be_said_of_those_that_are_held() -> None:
    """They cannot be looked at; what is missing besides waits with them."""
    assert verdict([gone(9, 5)], WEEK, braked=True).held == (9,)
    assert verdict([gone(9, 5)], WEEK, braked=True, accepted=True).withdrawn == (9,)


def test_files_that_give_no_post_count_as_missing_ones() -> None:
    """A script that breaks them all is no withdrawal; what expires does so by itself, and is told."""
    broken = [gone(key, 5, has_file=True) for key in range(30)]
    expired = [gone(key, 5, has_file=True, expired=True) for key in range(30, 90)]
    assert verdict([*broken, *expired], FRESH) == Verdict(held=keys(range(30)), withdrawn=keys(range(30, 90)))
    assert verdict(expired, FRESH).withdrawn == keys(range(30, 90))


def test_posts_that_came_meanwhile_are_left() -> None:
    """Others in the place of a few posts: the few are withdrawn."""
    missing = [gone(key, 5) for key in range(5)]
    assert verdict(missing, []).held == keys(range(5))
    assert verdict(missing, [], arrived=5).withdrawn == keys(range(5))


# -------------------------------------------------------------------- moved


def test_posts_in_another_folder_are_not_withdrawn() -> None:
    """However many, however young, all of them; the others are judged without them."""
    moved = [gone(key, 5, place="../old_post/a.md") for key in range(200)]
    assert verdict(moved, FRESH) == Verdict(moved=keys(range(200)))
    assert verdict(moved, []) == Verdict(moved=keys(range(200)))
    assert verdict([*moved, gone(900, 6)], FRESH) == Verdict(moved=keys(range(200)), withdrawn=(900,))


# ---------------------------------------------------------------- retention

THREE = LeavingRules(retention=3 * DAY)


@pytest.mark.parametrize(
    ("hours", "oldest", "is_aged"),
    [
        (73, 60, True),
        (72, 100, True),
        (71, 70, True),
        (71, 71.5, False),
        (49, 48, True),
        (47, 46, False),
        (5, 4, False),
    ],
)
@pytest.mark.parametrize("how", [{"rules": THREE}, {"seen": 3 * DAY}])
def test_posts_of_an_age_leave(hours: float, oldest: float, is_aged: bool, how: dict[str, Any]) -> None:
    """As old as that, said or seen; a day less only with everything older. ``oldest``: age of the oldest that stays."""
    found = verdict([gone(1, hours)], [1.0] * 10 + [oldest], **how)
    assert (found.aged if is_aged else found.withdrawn) == (1,)


def test_a_short_retention_leaves_less_room() -> None:
    """Of one day not more than half of it."""
    rules = LeavingRules(retention=DAY)
    assert verdict([gone(1, 25)], [1.0] * 5, rules=rules).aged == (1,)
    assert verdict([gone(1, 20)], [1.0] * 5, rules=rules).withdrawn == (1,)


def test_retention_is_not_too_much_unless_nothing_is_left() -> None:
    """A folder without any post is an accident, whatever their age; accepted, they have left with their age."""
    missing = [gone(key, 80 + key) for key in range(500)]
    assert verdict(missing, [1.0], rules=THREE).aged == keys(range(500))
    assert verdict(missing, [], rules=THREE).held == keys(range(500))
    assert verdict(missing, [], rules=THREE, accepted=True).aged == keys(range(500))


def test_more_than_retention_is_held_beside_it() -> None:
    """Half a mount: the old ones may leave, the young ones may not."""
    old, young = [gone(key, 90) for key in range(30)], [gone(key, 5) for key in range(30, 90)]
    assert verdict([*old, *young], [2.0], rules=THREE) == Verdict(aged=keys(range(30)), held=keys(range(30, 90)))


# ------------------------------------------------------------------ waiting


def oldest(start: int, stop: int, **more: Any) -> list[Missing]:
    """Of one post an hour, those of these ages."""
    return [gone(hours, hours, **more) for hours in range(start, stop)]


STAY = [float(hours) for hours in range(1, 73)]
"""Three days, one post an hour."""


@pytest.mark.parametrize("number", [1, 5, 24, 72])
def test_oldest_posts_wait(number: int) -> None:
    """GroupCommit or alone, up to as many as stay, and they are not too much for that."""
    assert verdict(oldest(73, 73 + number), STAY) == Verdict(waiting=keys(range(73, 73 + number)))


@pytest.mark.parametrize(
    ("missing", "stay"),
    [
        (oldest(73, 160), STAY),
        (oldest(10, 24), [1.0] * 50),
        (oldest(73, 80), [*STAY[:50], 200.0]),
        (oldest(60, 70), [*STAY[:50], 65.5]),
        (oldest(30, 40), [5.0] * 9),
    ],
    ids=["most of all", "younger than a day", "an older one stays", "one among them stays", "a small site"],
)
def test_what_does_not_wait(missing: list[Missing], stay: list[float]) -> None:
    """More than stay, fresh ones, those that are not the oldest, and those of small sites."""
    found = verdict(missing, stay)
    assert not set(found.waiting) >= {post.key for post in missing}
    assert {*found.withdrawn, *found.held, *found.waiting} == {post.key for post in missing}


def test_a_notice_that_is_kept_for_years_does_not_matter() -> None:
    """Nor does what is taken back beside: among many that leave, one may stay."""
    assert verdict(oldest(73, 97), [*STAY, 9000.0]).waiting == keys(range(73, 97))
    found = verdict([*oldest(73, 97), gone(30, 30)], [*STAY[:29], *STAY[30:], 9000.0])
    assert (found.waiting, found.withdrawn) == (keys(range(73, 97)), (30,))


@pytest.mark.parametrize(
    ("first", "second", "hours_ago", "becomes"),
    [
        (24, 24, 24, "aged"),
        (10, 10, 24, "aged"),
        (10, 9, 24, "waiting"),
        (12, 12, 24, "waiting"),
        (24, 24, 0.1, "waiting"),
        (24, 24, 6, "waiting"),
        (24, 24, 9, "aged"),
    ],
    ids=["days", "twenty", "too few", "one day's", "minutes later", "the same day", "after midnight"],
)
def test_a_later_day_decides(first: int, second: int, hours_ago: float, becomes: str) -> None:
    """Oldest posts that leave again on another day, enough of them and of more than a day, left with their age."""
    step = 2 if first + second == 20 else 1
    ages = [73 + step * number for number in range(first + second)]
    missing = [gone(number, age, since=NOW if number < second else at(hours_ago)) for number, age in enumerate(ages)]
    assert getattr(verdict(missing, STAY), becomes) == keys(range(first + second))


def test_the_day_is_the_sites() -> None:
    """Nine in the morning in Shanghai is one in the morning in London."""
    missing = [*oldest(73, 97), *oldest(97, 121, since=at(10))]
    assert verdict(missing, STAY, rules=LeavingRules()).aged
    now = NOW + 6 * HOUR
    held = [*oldest(73, 97, since=now), *oldest(97, 121, since=at(7))]
    assert verdict(held, STAY, now=now).waiting


@pytest.mark.parametrize(("hours", "waits"), [(23.9, True), (24, False)])
def test_those_that_nothing_follows_were_withdrawn(hours: float, waits: bool) -> None:
    """A day after the last of them; as many as may be at once, or the operator is asked."""
    few, many = oldest(73, 80, since=at(hours)), oldest(73, 97, since=at(hours))
    assert verdict(few, STAY) == (
        Verdict(waiting=keys(range(73, 80))) if waits else Verdict(withdrawn=keys(range(73, 80)))
    )
    assert verdict(many, STAY) == (Verdict(waiting=keys(range(73, 97))) if waits else Verdict(held=keys(range(73, 97))))


def test_what_is_too_much_does_not_come_to_wait() -> None:
    """Ninety-nine of a hundred are held in the run that misses them, in the next one, and on the next day."""
    for now in (NOW, NOW + 5 * MINUTE, NOW + DAY, NOW + 3 * DAY):
        missing = oldest(30, 129, was_held=now > NOW)
        assert verdict(missing, [1.0], now=now).held == keys(range(30, 129)), now


@given(
    st.lists(
        st.builds(
            Missing,
            key=st.integers(0, 10_000),
            published=st.integers(1, 300).map(at),
            since=st.integers(0, 60).map(at),
            place=st.sampled_from(["", "", "", "../old/a.md"]),
            has_file=st.booleans(),
            expired=st.booleans(),
            was_held=st.booleans(),
        ),
        unique_by=lambda post: post.key,
        max_size=60,
    ),
    st.lists(st.integers(0, 300).map(at), max_size=60),
    st.integers(0, 60),
    st.sampled_from([None, DAY, 3 * DAY]),
    st.booleans(),
)
def test_every_post_gets_one_verdict(
    missing: list[Missing], staying: list[datetime], max_gone: int, retention: timedelta | None, accepted: bool
) -> None:
    """None is forgotten or told twice; accepted, none is held; if not, no more are withdrawn than may be."""
    present = len(missing) + len(staying)
    rules = LeavingRules(max_gone=max_gone, retention=retention)
    found = judge(missing, staying, rules, now=NOW, present=present, accepted=accepted)
    spread = [*found.withdrawn, *found.held, *found.waiting, *found.aged, *found.moved]
    assert sorted(spread) == sorted(post.key for post in missing)
    counted = [post for post in missing if post.key in found.withdrawn and not post.expired]
    assert accepted or len(counted) <= max_gone or len(counted) * 10 <= present
    assert not (accepted and found.held)
    assert not (found.held and counted)
