"""What feeds are made from: which there are, which must be made again, and their posts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select, update

from digest.models import KnownPost
from digest.ports import FeedRow
from digest.store.part import Part, write_meta
from digest.store.posts import Touched, known_post, select_posts, unpack_names
from digest.store.schema import feed, post, post_category, post_tag
from digest.store.sql import run_many

_LABELS = {"category": post_category, "tag": post_tag}


class Feeds(Part):
    """Satisfies ``ports.FeedStore``."""

    def look(self) -> str:
        return self._meta("look") or ""

    def set_look(self, fingerprint: str) -> None:
        with self._database.writing() as connection:
            write_meta(connection, "look", fingerprint)
            connection.execute(update(feed).values(dirty=True))

    def retire_withdrawn(self, before: datetime) -> int:
        due = select(post.c.key, post.c.unlisted, post.c.categories, post.c.tags).where(
            post.c.retired.is_(False), post.c.gone_at < before
        )
        touched = Touched()
        with self._database.writing() as connection:
            rows = connection.execute(due).all()
            listed = [row for row in rows if not row.unlisted]
            for row in listed:
                touched.add(unpack_names(row.categories), unpack_names(row.tags), 0)
            keys = [(row.key,) for row in rows]
            run_many(connection, "DELETE FROM post_category WHERE post_key = ?", keys)
            run_many(connection, "DELETE FROM post_tag WHERE post_key = ?", keys)
            run_many(connection, "UPDATE post SET retired = true WHERE key = ?", keys)
            touched.write(connection)
        return len(listed)

    def feeds(self) -> list[FeedRow]:
        columns = (feed.c.kind, feed.c.name, feed.c.stem, feed.c.posts, feed.c.dirty)
        with self._database.reading() as connection:
            rows = connection.execute(select(*columns).order_by(feed.c.kind, feed.c.name))  # all, category, tag
            return [
                FeedRow(kind=kind, name=name, stem=stem, posts=posts, dirty=dirty)
                for kind, name, stem, posts, dirty in rows
            ]

    def newest(self, kind: str, name: str, limit: int) -> list[KnownPost]:
        if kind == "all":
            query = (
                select_posts()
                .where(post.c.unlisted.is_(False), post.c.retired.is_(False))
                .order_by(post.c.first_seen.desc(), post.c.published.desc(), post.c.key.desc())
            )
        else:
            label = _LABELS[kind].c
            query = (
                select_posts()
                .join_from(_LABELS[kind], post, label.post_key == post.c.key)
                .where(label.name == name)
                .order_by(label.first_seen.desc(), label.published.desc(), label.post_key.desc())
            )
        with self._database.reading() as connection:
            return [known_post(row) for row in connection.execute(query.limit(limit))]

    def mark_clean(self, feeds: Iterable[FeedRow]) -> None:
        keys = [(row.kind, row.name) for row in feeds]
        if keys:
            with self._database.writing() as connection:
                run_many(connection, "UPDATE feed SET dirty = false WHERE kind = ? AND name = ?", keys)
