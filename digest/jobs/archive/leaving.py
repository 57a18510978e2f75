"""Posts whose file is missing, or gives no post any more: what becomes of them.

what is missing -> where their files are now, what was known of them -> judge (``withdrawal``) -> one transaction
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from digest.errors import ConfigError, SourceError, StoreError
from digest.models import MAIN, Absence, Away, Changes, FileRecord, KnownPost, source_of
from digest.ports import PostStore, Source
from digest.withdrawal import LeavingRules, Missing, Verdict, judge

_HABIT_LASTS = timedelta(days=14)
"""So long after the last post that left by age, others are expected to."""
_NAMED = 3


class Fruitless(Struct, frozen=True, kw_only=True):
    """A known post whose file gives none any more."""

    post: KnownPost
    file: FileRecord
    expired: bool = False


class Missed(Struct, frozen=True, kw_only=True):
    """What one look at the posts folder missed."""

    vanished: Mapping[str, str]
    """Known paths without a file, with the hash of what was read last."""
    missing: Sequence[KnownPost] = ()
    """The posts that they gave, but for those that were found under another path."""
    fruitless: Sequence[Fruitless] = ()
    listed: Container[str] = ()
    """Paths of the files that are there."""
    present: int
    """Known files that gave a post before this look."""
    arrived: int = 0
    unclear: Sequence[str] = ()
    """Paths of files that are there and could not be read, or not yet."""
    is_unreadable: bool = False
    """Whole folders could not be looked at."""


class Settled(Struct, frozen=True, kw_only=True):
    """What becomes of them."""

    changes: Changes
    withdrawn: tuple[str, ...] = ()
    """Paths of the posts that are withdrawn now, in their order."""
    retained: int = 0
    """Posts that left, by age or to another folder, and stay published: those of this run."""
    waiting: int = 0
    held: tuple[str, ...] = ()
    """Paths of the posts that would be withdrawn, and are too many for that."""
    failure: str | None = None
    """That so much is missing."""


def settle(
    store: PostStore,
    source: Source,
    look: Missed,
    rules: LeavingRules,
    *,
    now: datetime,
    accepted: bool = False,
    name: str = MAIN,
) -> Settled:
    """Decide about every post that is missing of the source of this ``name``. ``accepted``: the operator agrees that
    they are gone. Changes nothing."""
    before = store.undecided(name)
    posts = {post.key: post for post in (*look.missing, *(each.post for each in look.fruitless))}
    if not (posts or look.vanished or before):
        return Settled(changes=Changes())
    unseen = _unseen(store, look, before, posts)
    braked = sum(before[key].state is Away.HELD for key in unseen)
    missing = _missing(source, look, before, now)
    present = look.present + sum(each.post.key in before for each in look.fruitless)
    verdict = judge(
        missing,
        _staying(store, missing, name),
        rules,
        now=now,
        present=present,
        arrived=look.arrived,
        seen=store.least_age(now - _HABIT_LASTS, name) if look.missing else None,
        accepted=accepted,
        braked=braked > 0,
    )
    held = tuple(sorted(posts[key].path for key in verdict.held))
    return Settled(
        changes=_changes(look, missing, verdict, {key: each for key, each in before.items() if key not in unseen}, now),
        withdrawn=tuple(sorted(posts[key].path for key in verdict.withdrawn)),
        retained=len(verdict.aged) + len(verdict.moved),
        waiting=len(verdict.waiting),
        held=held,
        failure=_too_much(name, held, len(held) + braked, present) if held or braked else None,
    )


def _unseen(store: PostStore, look: Missed, before: Mapping[int, Absence], posts: Container[int]) -> set[int]:
    """Keys of posts that were away, and of which this look can tell nothing: they stay as they are."""
    if look.is_unreadable:
        return {key for key in before if key not in posts}
    if not before or not look.unclear:
        return set()
    return {post.key for post in store.posts_at(look.unclear).values() if post.key in before and post.key not in posts}


def _missing(source: Source, look: Missed, before: Mapping[int, Absence], now: datetime) -> list[Missing]:
    """What is known of each, and where its file is now."""
    paths = {post.path: look.vanished[post.path] for post in look.missing}
    places = source.elsewhere(paths, look.listed) if paths else {}

    def known(post: KnownPost, **more: bool) -> Missing:
        was = before.get(post.key)
        return Missing(
            key=post.key,
            published=post.published,
            since=now if was is None else was.since,
            place=places.get(post.path, ""),
            was_held=was is not None and was.state is Away.HELD,
            **more,
        )

    return [
        *(known(post) for post in look.missing),
        *(known(each.post, has_file=True, expired=each.expired) for each in look.fruitless),
    ]


def _staying(store: PostStore, missing: Sequence[Missing], name: str) -> list[datetime]:
    """Dates of the posts that have a file, as far as they are older than one that may have left by age."""
    dates = [post.published for post in missing if not post.has_file and not post.place]
    if not dates:
        return []
    keys = {post.key for post in missing}
    return [published for key, published in store.dates_with_files(max(dates), name) if key not in keys]


def _changes(
    look: Missed, missing: Sequence[Missing], verdict: Verdict, before: Mapping[int, Absence], now: datetime
) -> Changes:
    """As the store is to write it down. A file whose post is still to be decided about is kept in mind, and so is
    what else it was that gave one."""
    of = {post.key: post for post in missing}
    away = [
        Absence(post_key=key, since=of[key].since, state=state, place=of[key].place)
        for state in Away
        for key in _of_state(verdict, state)
    ]
    pending = {*verdict.waiting, *verdict.held}
    kept = {post.path for post in look.missing if post.key in pending}
    return Changes(
        gone=verdict.withdrawn,
        away=tuple(each for each in away if before.get(each.post_key) != each),
        back=tuple(sorted(before.keys() - of.keys())),
        files=tuple(
            replace(each.file, recheck_at=now) if each.post.key in pending else each.file for each in look.fruitless
        ),
        forgotten=tuple(path for path in look.vanished if path not in kept),
    )


def _of_state(verdict: Verdict, state: Away) -> tuple[int, ...]:
    found: tuple[int, ...] = getattr(verdict, state.value)
    return found


def _too_much(name: str, paths: Sequence[str], number: int, present: int) -> str:
    """One line: what is missing, and what to do. ``paths``: those of which this look could tell."""
    shown = f" ({', '.join(paths[:_NAMED])}{' …' if number > _NAMED else ''})" if paths else ""
    place = "posts" if name == MAIN else f"sources.{name}"
    error = SourceError(
        "posts.folder" if name == MAIN else place,
        f"{number} of {present} posts are missing or unusable{shown}; nothing was withdrawn",
        "put the files back; if they are meant to be gone: digest run --accept-gone; if posts leave with their age: "
        f"{place}.retention",
    )
    return str(error)


# ------------------------------------------------------- one post, by hand


class Retractions(Protocol):
    """What is needed of the store to withdraw a post that has left."""

    def absence_of(self, post_key: int) -> Absence | None: ...

    def record(self, changes: Changes, now: datetime) -> None: ...


def withdraw(store: Retractions, post: KnownPost, now: datetime) -> bool:
    """Withdraw a post that has left the posts folder. False if it was withdrawn before. Raises ConfigError if its file
    is still there."""
    if post.gone_at is not None:
        return False
    if store.absence_of(post.key) is None:
        name = source_of(post.path)
        if name != MAIN:
            raise ConfigError(post.path, f"it comes from the source {name}", "withdraw it there")
        raise ConfigError(
            post.path,
            "its file is in the posts folder, and gives a post",
            "delete it, or write published: false; the next run withdraws it",
        )
    store.record(Changes(gone=(post.key,)), now)
    return True


def only_post(found: Sequence[KnownPost], words: str) -> KnownPost:
    """The one post that is named outright: by its address, id or path. Raises StoreError."""
    named = [post for post in found if words in (post.url, post.id, post.path)]
    if len(named) != 1:
        raise StoreError(words, "no post has this address", "name it as digest explain shows it, or by its path or id")
    return named[0]
