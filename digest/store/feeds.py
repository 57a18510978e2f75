"""What feeds are made from: which there are, which must be made again, and their posts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, select, update

from digest.models import KnownPost
from digest.ports import Archives, FeedRow
from digest.store.part import Part, write_meta
from digest.store.posts import Touched, read_posts, select_posts, unpack_names
from digest.store.schema import archive, feed, post, post_category, post_tag, to_moment, to_seconds
from digest.store.sql import among, insert_many, run_many

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
        due = select(post.c.key, post.c.unlisted, post.c.categories, post.c.tags, post.c.archive).where(
            post.c.retired.is_(False), post.c.gone_at < before
        )
        hidden = select(post.c.key, post.c.archive).where(post.c.unlisted.is_(True), post.c.archive.is_not(None))
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
            _leave_archives(connection, [*rows, *connection.execute(hidden)])
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
            return read_posts(connection, query.limit(limit))

    def mark_clean(self, feeds: Iterable[FeedRow]) -> None:
        keys = [(row.kind, row.name) for row in feeds]
        if keys:
            with self._database.writing() as connection:
                run_many(connection, "UPDATE feed SET dirty = false WHERE kind = ? AND name = ?", keys)

    def live_since(self) -> datetime | None:
        seconds = self._meta("live_since")
        return None if seconds is None else to_moment(int(seconds))

    def set_live_since(self, moment: datetime) -> None:
        self._set_meta("live_since", str(to_seconds(moment)))

    def archives(self) -> Archives:
        with self._database.reading() as connection:
            last = connection.scalar(select(func.max(archive.c.number)))
            dirty = connection.scalars(
                select(archive.c.number).where(archive.c.dirty.is_(True)).order_by(archive.c.number)
            )
            return Archives(last=last or 0, dirty=tuple(dirty))

    def unarchived(self, limit: int) -> list[KnownPost]:
        return self._in_archive(None, select_posts().where(post.c.gone_at.is_(None)).limit(limit))

    def close_archives(self, groups: Sequence[Sequence[int]]) -> list[int]:
        with self._database.writing() as connection:
            first = (connection.scalar(select(func.max(archive.c.number))) or 0) + 1
            numbers = list(range(first, first + len(groups)))
            insert_many(connection, archive, ("number", "dirty"), [(number, True) for number in numbers])
            closed = [(number, key) for number, keys in zip(numbers, groups, strict=True) for key in keys]
            run_many(connection, "UPDATE post SET archive = ? WHERE key = ?", closed)
        return numbers

    def archived(self, number: int) -> list[KnownPost]:
        return self._in_archive(number, select_posts())

    def mark_archives(self, numbers: Sequence[int] | None, *, dirty: bool) -> None:
        mark = update(archive).values(dirty=dirty)
        with self._database.writing() as connection:
            connection.execute(
                mark if numbers is None else mark.where(among(connection, archive.c.number, list(numbers)))
            )

    def _in_archive(self, number: int | None, query: Select[Any]) -> list[KnownPost]:
        query = query.where(
            post.c.archive.is_(None) if number is None else post.c.archive == number,
            post.c.unlisted.is_(False),
            post.c.retired.is_(False),
        ).order_by(post.c.first_seen, post.c.key)
        with self._database.reading() as connection:
            return read_posts(connection, query)


def _leave_archives(connection: Connection, rows: Iterable[Any]) -> None:
    """Take posts out of their archives. One that comes back will be in a later archive."""
    left = [row for row in rows if row.archive is not None]
    run_many(connection, "UPDATE post SET archive = NULL WHERE key = ?", [(row.key,) for row in left])
    numbers = dict.fromkeys(row.archive for row in left)
    run_many(connection, "UPDATE archive SET dirty = true WHERE number = ?", [(number,) for number in numbers])
