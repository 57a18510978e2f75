"""Which posts a feed holds: enough of the latest that no reader who polls now and then misses one.

Nothing here looks at the clock. The window is counted back from the newest post, so a feed changes only when
its posts do.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from msgspec import Struct

from digest.models import KnownPost
from digest.render.feeds.model import Item

SAFE_COVER = timedelta(hours=24)
"""Readers that poll once a day must not miss anything."""


class WindowLimits(Struct, frozen=True, kw_only=True):
    """How much a feed holds. The settings say so (``feeds``); there is no second default here."""

    window: timedelta
    min_items: int
    """Even if they are older than the window."""
    max_items: int
    max_bytes: int
    """Of the largest format, uncompressed."""


def count_in_window(posts: Sequence[KnownPost], limits: WindowLimits) -> int:
    """How many of ``posts`` (latest ``first_seen`` first) the feed holds, bytes left aside."""
    if not posts:
        return 0
    start = posts[0].first_seen - limits.window
    recent = sum(1 for post in posts if post.first_seen >= start)
    return min(max(recent, limits.min_items), limits.max_items, len(posts))


def goes_beyond(posts: Sequence[KnownPost], limits: WindowLimits) -> bool:
    """Whether the last of ``posts`` (latest ``first_seen`` first) is older than the feed's window."""
    return posts[-1].first_seen < posts[0].first_seen - limits.window


def shrink(count: int, size: int, max_bytes: int) -> int:
    """How many items to keep after ``count`` items took ``size`` bytes: as many as should fit, at least one
    less than before and at least one."""
    fitting = int(count * max_bytes / size) if size else count
    return max(1, min(count - 1, fitting))


def with_pending(chosen: Sequence[KnownPost], pending: Sequence[KnownPost], max_items: int) -> list[KnownPost]:
    """The chosen posts and all of ``pending`` (those in no archive yet), latest ``first_seen`` first. Only posts
    that are in an archive may be left out for ``max_items``."""
    waiting = {post.key for post in pending}
    archived = [post for post in chosen if post.key not in waiting]
    if len(chosen) - len(archived) == len(waiting):
        return list(chosen)
    kept = archived[: max(max_items - len(pending), 0)]
    return sorted([*pending, *kept], key=lambda post: (post.first_seen, post.published, post.key), reverse=True)


def count_that_fit(items: Sequence[Item], max_bytes: int) -> int:
    """How many of the items fit into so many bytes, by their least size; at least one."""
    size = 0
    for count, item in enumerate(items):
        size += least_size(item)
        if count and size > max_bytes:
            return count
    return len(items)


def lost_cover(posts: Sequence[KnownPost], kept: int) -> timedelta | None:
    """How far back the feed reaches if that is less than a day and posts had to be left out, else None."""
    if kept >= len(posts):
        return None
    reach = posts[0].first_seen - posts[kept].first_seen
    return reach if reach < SAFE_COVER else None


def least_size(item: Item) -> int:
    """Bytes that the item takes in the largest format at the very least. JSON Feed carries the summary twice
    where there is no full text."""
    return 400 + len((item.content_html or item.summary).encode()) + len(item.summary.encode())


def in_reading_order(items: Sequence[Item]) -> list[Item]:
    """Newest date first, then by id, so that the order never depends on how they were found."""
    return sorted(sorted(items, key=lambda item: item.id), key=lambda item: item.published, reverse=True)
