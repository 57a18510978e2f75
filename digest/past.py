"""What a digest said before, as far as its next edition has something to say about it.

Pure: from the editions that were sent and the posts that they hold as they are now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from digest.edition import Earlier, Edition, telling_of
from digest.models import KnownPost


@dataclass(frozen=True, kw_only=True, slots=True)
class Past:
    """What the next edition takes up from earlier ones."""

    earlier: Mapping[int, Earlier] = field(default_factory=dict)
    """Posts that go on with a story, by key."""


def find_updates(posts: Iterable[KnownPost], before: Edition, current: Mapping[int, KnownPost]) -> dict[int, Earlier]:
    """Which of the posts go on with a story of the edition before, by key. ``current`` are the posts of that edition
    as they are now; those that are gone are passed over."""
    from digest.stories import find_earlier  # late: most runs make no edition

    known: Sequence[KnownPost] = [current[entry.key] for entry in before.entries if entry.key in current]
    found = find_earlier(
        [telling_of(post) for post in posts], [telling_of(post) for post in known if post.gone_at is None]
    )
    return {key: Earlier(period=before.period, key=earlier) for key, earlier in found.items()}
