"""What feeds are made from: which there are, which must be made again, and their posts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from digest.models import InLanguage, KnownPost
from digest.ports import Archives, FeedRow
from digest.store.archive.known import SELECT_POSTS, in_language, known_post, unpack_names
from digest.store.archive.posts import Touched
from digest.store.database.basics import to_moment, to_seconds
from digest.store.database.connection import Connection
from digest.store.database.part import Part, write_meta

_NEWEST_WITH = """{posts} JOIN {labels} AS label ON label.post_key = post.key WHERE label.name = ? AND {language}
    ORDER BY label.first_seen DESC, label.published DESC, label.post_key DESC LIMIT ?"""
_NEWEST_IN = f"""{SELECT_POSTS} WHERE unlisted = false AND retired = false AND {{language}}
    ORDER BY first_seen DESC, published DESC, key DESC LIMIT ?"""
_LABELS = {"category": "post_category", "tag": "post_tag"}

_IN_ARCHIVES = "unlisted = false AND retired = false ORDER BY first_seen, key"
_UNARCHIVED = f"{SELECT_POSTS} WHERE archive IS NULL AND gone_at IS NULL AND {_IN_ARCHIVES} LIMIT ?"
_ARCHIVED = f"{SELECT_POSTS} WHERE archive = ? AND {_IN_ARCHIVES}"

_TO_RETIRE = """SELECT key, archive, unlisted, categories, tags FROM post WHERE retired = false AND gone_at < ?"""
_HIDDEN = "SELECT key, archive FROM post WHERE unlisted = true AND archive IS NOT NULL"


class Feeds(Part):
    """Satisfies ``ports.FeedStore``."""

    def look(self) -> str:
        return self._meta("look") or ""

    def set_look(self, fingerprint: str) -> None:
        with self._database.changing() as connection:
            write_meta(connection, "look", fingerprint)
            connection.run("UPDATE feed SET dirty = true")

    def retire_withdrawn(self, before: datetime) -> int:
        touched = Touched()
        with self._database.changing() as connection:
            rows = connection.rows(_TO_RETIRE, to_seconds(before))
            listed = [(categories, tags) for _, _, unlisted, categories, tags in rows if not unlisted]
            for categories, tags in listed:
                touched.add(unpack_names(categories), unpack_names(tags), 0)
            keys = [row[:1] for row in rows]
            connection.run_many("DELETE FROM post_category WHERE post_key = ?", keys)
            connection.run_many("DELETE FROM post_tag WHERE post_key = ?", keys)
            connection.run_many("UPDATE post SET retired = true WHERE key = ?", keys)
            touched.write(connection)
            _leave_archives(connection, [*(row[:2] for row in rows), *connection.rows(_HIDDEN)])
        return len(listed)

    def feeds(self) -> list[FeedRow]:
        with self._database.asking() as connection:  # in this order: all, category, tag
            rows = connection.rows("SELECT kind, name, stem, posts, dirty FROM feed ORDER BY kind, name")
        return [
            FeedRow(kind=kind, name=name, stem=stem, posts=posts, dirty=bool(dirty))
            for kind, name, stem, posts, dirty in rows
        ]

    def newest(self, kind: str, name: str, limit: int, language: InLanguage | None = None) -> list[KnownPost]:
        condition, values = in_language(language)
        if kind == "all":
            return self._posts(_NEWEST_IN.format(language=condition), *values, limit)
        question = _NEWEST_WITH.format(posts=SELECT_POSTS, labels=_LABELS[kind], language=condition)
        return self._posts(question, name, *values, limit)

    def languages(self) -> list[str]:
        found: list[str] = []
        with self._database.asking() as connection:  # one after the other: there are few, and many posts
            while tag := connection.value("SELECT min(lang) FROM post WHERE lang > ?", found[-1] if found else ""):
                found.append(tag)
        return found

    def mark_clean(self, feeds: Iterable[FeedRow]) -> None:
        keys = [(row.kind, row.name) for row in feeds]
        if keys:
            with self._database.changing() as connection:
                connection.run_many("UPDATE feed SET dirty = false WHERE kind = ? AND name = ?", keys)

    def live_since(self) -> datetime | None:
        seconds = self._meta("live_since")
        return None if seconds is None else to_moment(int(seconds))

    def set_live_since(self, moment: datetime) -> None:
        self._set_meta("live_since", str(to_seconds(moment)))

    def archives(self) -> Archives:
        with self._database.asking() as connection:
            last = _last_archive(connection)
            dirty = connection.rows("SELECT number FROM archive WHERE dirty = true ORDER BY number")
        return Archives(last=last, dirty=tuple(number for (number,) in dirty))

    def unarchived(self, limit: int) -> list[KnownPost]:
        return self._posts(_UNARCHIVED, limit)

    def close_archives(self, groups: Sequence[Sequence[int]]) -> list[int]:
        with self._database.changing() as connection:
            first = _last_archive(connection) + 1
            numbers = list(range(first, first + len(groups)))
            connection.insert_many("archive", ("number", "dirty"), [(number, True) for number in numbers])
            closed = [(number, key) for number, keys in zip(numbers, groups, strict=True) for key in keys]
            connection.run_many("UPDATE post SET archive = ? WHERE key = ?", closed)
        return numbers

    def archived(self, number: int) -> list[KnownPost]:
        return self._posts(_ARCHIVED, number)

    def mark_archives(self, numbers: Sequence[int] | None, *, dirty: bool) -> None:
        with self._database.changing() as connection:
            if numbers is None:
                connection.run("UPDATE archive SET dirty = ?", dirty)
            else:
                connection.run_many(
                    "UPDATE archive SET dirty = ? WHERE number = ?", [(dirty, number) for number in numbers]
                )

    def _posts(self, question: str, *values: Any) -> list[KnownPost]:
        with self._database.asking() as connection:
            return [known_post(row) for row in connection.run(question, *values)]


def _last_archive(connection: Connection) -> int:
    """Its number; 0 if there is none."""
    return connection.value("SELECT max(number) FROM archive") or 0


def _leave_archives(connection: Connection, posts: Iterable[Sequence[Any]]) -> None:
    """Take posts (key and archive) out of their archives. One that comes back will be in a later archive."""
    left = [(key, number) for key, number in posts if number is not None]
    connection.run_many("UPDATE post SET archive = NULL WHERE key = ?", [(key,) for key, _ in left])
    numbers = dict.fromkeys(number for _, number in left)
    connection.run_many("UPDATE archive SET dirty = true WHERE number = ?", [(number,) for number in numbers])
