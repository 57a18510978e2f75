"""Over any history every post that may enter a digest is in exactly one of its editions, on a real store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from digest.jobs.editions.make import Audience, DigestPlan, Outcome, make_editions
from digest.models import Arrival, Changes, FileRecord, FileStat, Post, Revision
from digest.period import daily, weekdays
from digest.render.context import RenderContext
from digest.store import SqlStore, open_store

CATEGORIES = ("要闻", "股市", "宏观")
HOUR = timedelta(hours=1)
START = datetime(2026, 11, 24, 4, tzinfo=UTC)
"""Noon in Shanghai; editions are due at midnight UTC."""

labels = st.lists(st.sampled_from(CATEGORIES), max_size=2, unique=True).map(tuple)
arrivals = st.tuples(
    st.just("arrive"),
    st.lists(st.tuples(st.integers(-100, 40), labels, st.booleans()), min_size=1, max_size=4),
)  # hours from now to its date, categories, unlisted
some = st.integers(0, 40)
steps = st.one_of(
    arrivals,
    arrivals,
    st.tuples(st.just("wait"), st.sampled_from([1, 5, 11, 24, 30, 80])),
    st.tuples(st.just("run"), st.none()),
    st.tuples(st.just("withdraw"), some),
    st.tuples(st.just("edit"), st.tuples(some, labels)),
)
plans = st.builds(
    DigestPlan,
    name=st.just("daily"),
    title=st.just("早报"),
    schedule=st.sampled_from([daily(time(8)), weekdays(time(8))]),
    categories=st.none() | st.sampled_from([("要闻",), ("股市", "宏观")]),
    max_age=st.sampled_from([timedelta(days=3), timedelta(days=5)]),
    min_items=st.sampled_from([1, 1, 4]),
    group_stories=st.booleans(),
)


@dataclass
class Known:
    """What the test remembers of a post."""

    post: Post
    arrived: datetime
    gone: bool = False


@dataclass
class World:
    """A store, a clock, and what must be in it."""

    store: SqlStore
    look: RenderContext
    plan: DigestPlan
    now: datetime = START
    posts: dict[int, Known] = field(default_factory=dict)
    began: set[int] = field(default_factory=set)
    """Posts that were there when the digest began: its archive."""
    told: dict[int, str] = field(default_factory=dict)
    """Where each post is."""
    waiting: set[int] = field(default_factory=set)
    """Posts of the last edition that had too few."""

    def record(
        self, *, new: tuple[Post, ...] = (), changed: tuple[Revision, ...] = (), gone: tuple[int, ...] = ()
    ) -> None:
        posts = (*new, *(each.post for each in changed))
        files = tuple(FileRecord(path=post.path, stat=FileStat(1, 1, 1), hash="", taken=True) for post in posts)
        made = tuple(Arrival(post=post, id=post.feed_id, first_seen=self.now, updated=post.published) for post in new)
        self.store.record(Changes(arrivals=made, revisions=changed, gone=gone, files=files), self.now)

    def arrive(self, wanted: list[tuple[int, tuple[str, ...], bool]], names: Iterator[int]) -> None:
        new = tuple(
            Post(
                path=f"_posts/{name}.md",
                title=f"标题{name}",
                published=self.now + hours * HOUR,
                url=f"https://news.example.com/{name}.html",
                feed_id=str(name),
                categories=labels,
                summary="摘要。",
                text_hash=str(name),
                unlisted=unlisted,
            )
            for (hours, labels, unlisted), name in zip(wanted, names, strict=False)
        )
        self.record(new=new)
        found = self.store.posts_at([post.path for post in new])
        self.posts |= {found[post.path].key: Known(post, self.now) for post in new}

    def some(self, number: int) -> int | None:
        return sorted(self.posts)[number % len(self.posts)] if self.posts else None

    def withdraw(self, number: int) -> None:
        key = self.some(number)
        if key is not None and not self.posts[key].gone:
            self.record(gone=(key,))
            self.posts[key].gone = True

    def edit(self, number: int, labels: tuple[str, ...]) -> None:
        """Another title and other categories; a post that was gone is back."""
        key = self.some(number)
        if key is not None:
            known = self.posts[key]
            post = replace(known.post, title=known.post.title + "改", categories=labels)
            self.record(changed=(Revision(key=key, post=post, updated=self.now, is_edit=True),))
            self.posts[key] = Known(post, known.arrived)

    def fits(self, key: int) -> bool:
        """Listed, there, of the right categories."""
        known, wanted = self.posts[key], self.plan.categories
        right = wanted is None or not set(wanted).isdisjoint(known.post.categories)
        return not known.gone and not known.post.unlisted and right

    def eligible(self) -> set[int]:
        """What an edition made now must hold, by the words of docs/email.md."""
        oldest = self.now - self.plan.max_age
        return {
            key
            for key, known in self.posts.items()
            if self.fits(key)
            and key not in self.began
            and key not in self.told
            and oldest <= known.post.published <= self.now
        }

    def run(self) -> None:
        first = self.store.began("daily") is None
        wanted = self.eligible()
        audience = Audience(addresses=(), domain="news.example.com", new_token=lambda: "token")
        report = make_editions(self.store, [self.plan], self.look, audience, self.now)
        if first:
            self.began = set(self.posts)
        for result in report.results:
            if result.outcome is Outcome.MADE:
                saved = self.store.edition("daily", result.period)
                assert saved is not None
                held = set(self.store.posts_in([saved.key]))
                assert not held & self.told.keys(), "in one edition only"
                assert first or held == wanted
                self.told |= dict.fromkeys(held, result.period)
            elif result.outcome is Outcome.TOO_FEW:
                assert result.waiting == len(wanted) < self.plan.min_items
                self.waiting = wanted
            elif result.outcome is Outcome.NOTHING_NEW:
                assert not wanted


@contextmanager
def world(folder: Path, look: RenderContext, plan: DigestPlan) -> Iterator[World]:
    with open_store(f"sqlite:///{folder / f'{next(_numbers)}.db'}") as store:
        yield World(store, look, plan)


_numbers = count()


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
    max_examples=25,
)
@given(history=st.lists(steps, min_size=3, max_size=25), plan=plans)
def test_every_eligible_post_is_in_exactly_one_edition(
    tmp_path: Path, look: RenderContext, history: list[tuple[str, Any]], plan: DigestPlan
) -> None:
    """Whatever arrives, changes, vanishes and returns, and however long no run takes place."""
    with world(tmp_path, look, plan) as made:
        names = count(1)
        for word, what in history:
            note(f"{made.now:%m-%d %H:%M} {word} {what}")
            if word == "arrive":
                made.arrive(what, names)
            elif word == "wait":
                made.now += what * HOUR
            elif word == "withdraw":
                made.withdraw(what)
            elif word == "edit":
                made.edit(*what)
            else:
                made.run()
        for _ in range(8):  # days of peace: whatever is left comes, or has become too old
            made.now = made.now.replace(hour=0) + timedelta(days=1)
            made.run()
        assert not made.eligible()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=12)
@given(
    days=st.lists(
        st.lists(st.tuples(st.integers(-20, 20), labels, st.just(False)), max_size=3), min_size=1, max_size=7
    ),
    plan=plans,
)
def test_with_a_run_in_time_no_post_gets_too_old(
    tmp_path: Path, look: RenderContext, days: list[list[tuple[int, tuple[str, ...], bool]]], plan: DigestPlan
) -> None:
    """Back-dated by less than a day, or dated ahead: each is mailed, however few there are, over weekends too."""
    daily_plan = replace(plan, schedule=daily(time(8)))
    with world(tmp_path, look, daily_plan) as made:
        names = count(1)
        made.run()
        for posts in days:
            made.now = made.now.replace(hour=10)
            if posts:
                made.arrive(posts, names)
            made.now = made.now.replace(hour=0) + timedelta(days=1)
            made.run()
        for _ in range(6):
            made.now += timedelta(days=1)
            made.run()
        assert made.told.keys() == {key for key in made.posts if made.fits(key)}
