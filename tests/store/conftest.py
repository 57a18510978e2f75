"""Stores to test on, once of each kind, and posts, editions and deliveries to put into them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from digest.models import (
    Arrival,
    Changes,
    EditionMember,
    FileRecord,
    FileStat,
    FrozenEdition,
    KnownPost,
    Post,
    Recipient,
    Revision,
    SavedEdition,
)
from digest.store import SqlStore, open_store


@pytest.fixture
def store(store_url: str) -> Iterator[SqlStore]:
    """An empty store."""
    with open_store(store_url) as opened:
        yield opened


class Maker:
    """Makes values, and puts them into a store."""

    now = datetime(2026, 11, 24, 8, tzinfo=UTC)

    def ago(self, **span: float) -> datetime:
        return self.now - timedelta(**span)

    def post(self, name: str = "a", **fields: Any) -> Post:
        values: dict[str, Any] = {
            "path": f"_posts/{name}.md",
            "title": f"标题 {name}",
            "published": self.ago(hours=1),
            "url": f"https://example.org/{name}.html",
            "feed_id": f"https://example.org/{name}",
            "categories": ("要闻",),
            "text_hash": f"hash {name}",
        }
        return Post(**values | fields)

    def arrival(self, name: str = "a", *, first_seen: datetime | None = None, **fields: Any) -> Arrival:
        post = self.post(name, **fields)
        return Arrival(post=post, id=post.feed_id, first_seen=first_seen or self.now, updated=post.published)

    def file(self, name: str = "a", **fields: Any) -> FileRecord:
        values: dict[str, Any] = {
            "path": f"_posts/{name}.md",
            "stat": FileStat(size=3, mtime_ns=4, inode=5),
            "hash": "ab",
            "taken": True,
        }
        return FileRecord(**values | fields)

    def add(self, store: SqlStore, *arrivals: Arrival) -> list[KnownPost]:
        """Record the arrivals with their files."""
        files = tuple(self.file(path=arrival.post.path) for arrival in arrivals)
        store.record(Changes(arrivals=arrivals, files=files), self.now)
        found = store.posts_at([arrival.post.path for arrival in arrivals])
        return [found[arrival.post.path] for arrival in arrivals]

    def revise(self, store: SqlStore, known: KnownPost, post: Post, **fields: Any) -> KnownPost:
        values: dict[str, Any] = {"key": known.key, "post": post, "updated": known.updated, "is_edit": False}
        store.record(Changes(revisions=(Revision(**values | fields),)), self.now)
        return store.posts_at([post.path])[post.path]

    def withdraw(self, store: SqlStore, *known: KnownPost, now: datetime | None = None) -> None:
        store.record(Changes(gone=tuple(post.key for post in known)), now or self.now)

    def edition(self, period: str = "2026-11-24", **fields: Any) -> FrozenEdition:
        values: dict[str, Any] = {
            "digest": "daily",
            "period": period,
            "subject": "早报",
            "html": "<p>早</p>",
            "text": "早",
            "document": "{}",
            "frozen_at": self.now,
            "send_after": self.now,
            "expires_at": self.now + timedelta(hours=18),
        }
        return FrozenEdition(**values | fields)

    def member(self, post: KnownPost, position: int = 0) -> EditionMember:
        return EditionMember(post_key=post.key, section="要闻", position=position, shown="headline", reason="new")

    def recipients(self, number: int, start: int = 0) -> list[Recipient]:
        return [
            Recipient(address=f"r{n}@example.org", message_id=f"<m{n}@example.org>", token=f"t{n}")
            for n in range(start, start + number)
        ]

    def freeze(self, store: SqlStore, number: int = 1, period: str = "2026-11-24", **fields: Any) -> SavedEdition:
        """An edition with that many recipients, ready to be sent: its page is in place."""
        saved = store.freeze(self.edition(period, **fields), self.recipients(number))
        assert saved is not None
        store.mark_page_published(saved.key)
        return store.edition_by_key(saved.key)

    replace = staticmethod(replace)


@pytest.fixture(scope="session")
def make() -> Maker:
    return Maker()
