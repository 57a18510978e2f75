"""Decide what it means that the files of posts are missing: taken back, left by age, moved away, or an accident.

Pure: what is missing and what stays goes in, a verdict comes out. Two promises are kept here: a reader is never told
that a post was withdrawn which only left with its age, and much that is missing at once is withdrawn by nobody but the
operator.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from msgspec import Struct

_DAY = timedelta(days=1)
LEAST = 20
"""So many posts have to leave before that is taken for a habit."""
_STRAGGLER = 10
"""A post that stays among the oldest (a notice that is kept for years) weighs as much as so many that leave."""


class LeavingRules(Struct, frozen=True, kw_only=True):
    """What the operator says of posts that leave."""

    max_gone: int = 20
    """More than this, and more than a tenth of all posts, are not withdrawn at once."""
    retention: timedelta | None = None
    """Age at which posts leave by themselves; None: it is seen from what they do."""
    zone: tzinfo = UTC
    """Tells one day from the next."""


USUAL = LeavingRules()
"""If nothing else is said."""


class Missing(Struct, frozen=True, kw_only=True, gc=False):
    """A post without a file, or whose file gives no post any more."""

    key: int
    published: datetime
    since: datetime
    """The run that missed it first."""
    place: str = ""
    """Where its file lies now; empty if it is nowhere."""
    has_file: bool = False
    """The file is where it was, and gives no post."""
    expired: bool = False
    """Because its own time is over."""
    was_held: bool = False
    """It is held since an earlier run."""

    @property
    def age(self) -> timedelta:
        """When it left."""
        return self.since - self.published


class Verdict(Struct, frozen=True, kw_only=True):
    """Keys of posts, by what becomes of them; each is in one of these."""

    withdrawn: tuple[int, ...] = ()
    held: tuple[int, ...] = ()
    """They would be withdrawn, and are too many for that."""
    waiting: tuple[int, ...] = ()
    aged: tuple[int, ...] = ()
    moved: tuple[int, ...] = ()


def judge(
    missing: Sequence[Missing],
    staying: Iterable[datetime],
    rules: LeavingRules,
    *,
    now: datetime,
    present: int,
    arrived: int = 0,
    seen: timedelta | None = None,
    accepted: bool = False,
    braked: bool = False,
) -> Verdict:
    """What becomes of the posts that are missing.

    ``staying``: dates of the posts that stay, as far as they are older than the newest that is missing. ``present``:
    how many posts there were, those included that are missing. ``arrived``: how many are new. ``seen``: the least age
    at which posts left by themselves lately. ``accepted``: the operator agrees that they are gone. ``braked``: others
    are held, of which nothing can be said now.
    """
    left = present - len(missing) + arrived
    moved = [post for post in missing if post.place]
    leaving = [post for post in missing if _may_leave(post)]
    oldest = _oldest_block(leaving, staying)
    block = {post.key for post in oldest}
    aged = [post for post in leaving if _is_aged(post, rules.retention or seen, is_oldest=post.key in block)]
    group = _without(oldest, aged)
    waiting: list[Missing] = []
    if group and present >= LEAST and max(Counter(post.since for post in group).values()) <= left:
        if _is_habit(group, now, rules.zone):
            aged += group
        elif now - max(post.since for post in group) < _DAY:
            waiting = group
    gone = _without(missing, (*moved, *aged, *waiting))
    held: list[Missing] = []
    if not accepted and (braked or _is_too_much(gone, aged, left, present, rules.max_gone)):
        held = [post for post in gone if not post.expired]
        gone = [post for post in gone if post.expired]
        if left <= 0:
            held, aged = [*held, *aged], []
    return Verdict(
        withdrawn=_keys(gone), held=_keys(held), waiting=_keys(waiting), aged=_keys(aged), moved=_keys(moved)
    )


def _without(posts: Iterable[Missing], others: Iterable[Missing]) -> list[Missing]:
    keys = {post.key for post in others}
    return [post for post in posts if post.key not in keys]


def _keys(posts: Iterable[Missing]) -> tuple[int, ...]:
    return tuple(sorted(post.key for post in posts))


def _may_leave(post: Missing) -> bool:
    """By age: whoever takes back what is fresh wants it told."""
    return not post.place and not post.has_file and post.age >= _DAY


def _is_aged(post: Missing, retention: timedelta | None, *, is_oldest: bool) -> bool:
    """Old enough to leave; or nearly so, together with all that is older: who counts whole days, perhaps in another
    zone, comes to a day less."""
    if retention is None:
        return False
    return post.age >= retention or (is_oldest and post.age >= retention - min(_DAY, retention / 2))


def _oldest_block(leaving: Sequence[Missing], staying: Iterable[datetime]) -> list[Missing]:
    """Those of the posts that are the oldest of all, up to a date, with hardly any that stays among them."""
    ordered = sorted(leaving, key=lambda post: post.published)
    dates = iter(sorted(staying))
    stays = next(dates, None)
    score = best = end = 0
    for count, post in enumerate(ordered, 1):
        while stays is not None and stays <= post.published:
            score -= _STRAGGLER
            stays = next(dates, None)
        score += 1
        if score > best:
            best, end = score, count
    return ordered[:end]


def _is_habit(group: Sequence[Missing], now: datetime, zone: tzinfo) -> bool:
    """Whether the oldest posts leave again and again: enough of them, more than a day's, in two runs, and this is not
    the day on which it began."""
    runs = {post.since for post in group}
    dates = [post.published for post in group]
    later = now.astimezone(zone).date() > min(runs).astimezone(zone).date()
    return later and len(group) >= LEAST and len(runs) > 1 and max(dates) - min(dates) > _DAY


def _is_too_much(gone: Sequence[Missing], aged: Sequence[Missing], left: int, present: int, max_gone: int) -> bool:
    """More than the operator wants withdrawn unasked; or nothing is left of more than two posts. It stays too much
    while posts come back, one after the other."""
    counted = sum(not post.expired for post in gone)
    if any(post.was_held and not post.expired for post in gone):
        return True
    return (counted > max_gone and counted * 10 > present) or (left <= 0 and present > 2 and bool(counted or aged))
