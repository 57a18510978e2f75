"""Writing down what was found: files, posts and their problems, and the feeds that this changes."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from digest.filenames import assign_stem, fold_stem
from digest.models import (
    Arrival,
    Changes,
    FileRecord,
    Post,
    Revision,
    source_of,
)
from digest.store.archive.absences import note_absences
from digest.store.archive.known import unpack_names
from digest.store.database.basics import WRAP, to_seconds
from digest.store.database.connection import Connection
from digest.store.database.part import Part

_HALF = 1 << 63


class Posts(Part):
    """Satisfies ``ports.PostStore``, together with ``Known``."""

    def record(self, changes: Changes, now: datetime) -> None:
        touched = Touched()
        with self._database.changing() as connection:
            _insert(connection, changes.arrivals, now, touched)
            _revise(connection, changes.revisions, touched)
            _note_reread(connection, changes.revisions)
            _withdraw(connection, changes.gone, now, touched)
            note_absences(connection, changes)
            _remember(connection, changes.files)
            _keep_bodies(connection, changes.files, now)
            connection.run_many("DELETE FROM file WHERE path = ?", [(path,) for path in changes.forgotten])
            touched.write(connection)


# ----------------------------------------------------------------- feeds


class Touched:
    """Which feeds a batch changes, and by how many posts."""

    def __init__(self) -> None:
        self._deltas: dict[tuple[str, str], int] = {}

    def add(self, categories: Iterable[str], tags: Iterable[str], delta: int) -> None:
        """Posts of these categories and tags come (that many), one goes (-1) or changes (0)."""
        deltas = self._deltas
        for feed_key in (("all", ""), *(("category", name) for name in categories), *(("tag", name) for name in tags)):
            deltas[feed_key] = deltas.get(feed_key, 0) + delta

    def write(self, connection: Connection) -> None:
        if not self._deltas:
            return
        _create_feeds(connection, self._deltas)
        connection.run_many(
            "UPDATE feed SET posts = posts + ?, dirty = true WHERE kind = ? AND name = ?",
            [(delta, kind, name) for (kind, name), delta in self._deltas.items()],
        )


def _create_feeds(connection: Connection, wanted: Iterable[tuple[str, str]]) -> None:
    """Rows for feeds that do not exist yet, in the order in which they came."""
    rows = connection.rows("SELECT kind, name, folded_stem FROM feed")
    known = {(kind, name) for kind, name, _ in rows}
    new = [key for key in wanted if key not in known]
    if not new:
        return
    taken: dict[str, set[str]] = {"category": set(), "tag": set(), "all": set()}
    for kind, _, folded in rows:
        taken[kind].add(folded)
    created = []
    for kind, name in new:
        stem = assign_stem(name, taken[kind])
        folded = fold_stem(stem)
        taken[kind].add(folded)
        created.append((kind, name, stem, folded, 0, True))
    connection.insert_many("feed", ("kind", "name", "stem", "folded_stem", "posts", "dirty"), created)


# ---------------------------------------------------------------- writing

# In the order of the tuples that _content makes.
_CONTENT = (
    "path",
    "title",
    "url",
    "summary",
    "updated",
    "unlisted",
    "categories",
    "tags",
    "source_name",
    "original_url",
    "authors",
    "image",
    "lang",
    "codes",
    "attachments",
    "text_hash",
    "source",
    "hand",
)
_NEW = (*_CONTENT, "key", "id", "published", "first_seen", "collected_at", "retired")
_SET_CONTENT = ", ".join(f"{name} = ?" for name in _CONTENT)
_REVISE = f"UPDATE post SET {_SET_CONTENT}, gone_at = NULL, retired = false WHERE key = ?"
_LABEL = ("name", "first_seen", "published", "post_key")


def _content(found: Post, updated: datetime) -> tuple[Any, ...]:
    """The columns that come from a post's file, in the order of ``_CONTENT``."""
    return (
        found.path,
        found.title,
        found.url,
        found.summary,
        to_seconds(updated),
        found.unlisted,
        _pack_names(found.categories),
        _pack_names(found.tags),
        found.source_name,
        found.original_url,
        _pack([(author.name, author.email, author.url) for author in found.authors]) if found.authors else "[]",
        found.image,
        found.lang,
        _pack([(code.market, code.code, code.name, code.mentions) for code in found.codes]) if found.codes else "[]",
        _pack([(item.url, item.mime_type, item.length) for item in found.attachments]) if found.attachments else "[]",
        found.text_hash,
        source_of(found.path),
        None if found.hand is None else found.hand.value,
    )


class _Labels:
    """Rows of ``post_category`` and ``post_tag`` to insert."""

    def __init__(self) -> None:
        self._categories: list[tuple[str, int, int, int]] = []
        self._tags: list[tuple[str, int, int, int]] = []

    def add(self, found: Post, first_seen: int, published: int, key: int) -> None:
        self._categories += [(name, first_seen, published, key) for name in dict.fromkeys(found.categories)]
        self._tags += [(name, first_seen, published, key) for name in dict.fromkeys(found.tags)]

    def write(self, connection: Connection) -> None:
        connection.insert_many("post_category", _LABEL, self._categories)
        connection.insert_many("post_tag", _LABEL, self._tags)


def _insert(connection: Connection, arrivals: Sequence[Arrival], now: datetime, touched: Touched) -> None:
    if not arrivals:
        return
    key = connection.value("SELECT max(key) FROM post") or 0
    collected_at = to_seconds(now)
    rows, labels = [], _Labels()
    alike: dict[tuple[tuple[str, ...], tuple[str, ...]], int] = {}
    for arrival in arrivals:
        key += 1
        found = arrival.post
        published, first_seen = to_seconds(found.published), to_seconds(arrival.first_seen)
        rows.append((*_content(found, arrival.updated), key, arrival.id, published, first_seen, collected_at, False))
        if not found.unlisted:
            labels.add(found, first_seen, published, key)
            names = (found.categories, found.tags)
            alike[names] = alike.get(names, 0) + 1
    for (categories, tags), posts in alike.items():
        touched.add(dict.fromkeys(categories), dict.fromkeys(tags), posts)
    connection.insert_many("post", _NEW, rows)
    labels.write(connection)


def _revise(connection: Connection, revisions: Sequence[Revision], touched: Touched) -> None:
    if not revisions:
        return
    old = _standing(connection, [revision.key for revision in revisions])
    rows, labels, relabelled = [], _Labels(), []
    for revision in revisions:
        before, found = old[revision.key], revision.post
        rows.append((*_content(found, revision.updated), revision.key))
        in_feeds = not (before.unlisted or before.retired)
        if in_feeds:
            touched.add(before.categories, before.tags, 0 if before.gone else -1)
        if not found.unlisted:
            touched.add(dict.fromkeys(found.categories), dict.fromkeys(found.tags), 1)
        if in_feeds:
            relabelled.append((revision.key,))
        if not found.unlisted:
            labels.add(found, before.first_seen, before.published, revision.key)
    connection.run_many(_REVISE, rows)
    connection.run_many("DELETE FROM post_category WHERE post_key = ?", relabelled)
    connection.run_many("DELETE FROM post_tag WHERE post_key = ?", relabelled)
    labels.write(connection)


def _note_reread(connection: Connection, revisions: Sequence[Revision]) -> None:
    """What was worded otherwise quietly counts as such until somebody edits it."""
    edited = [revision.key for revision in revisions if revision.is_edit]
    if edited:
        connection.run(f"DELETE FROM reread WHERE post_key {connection.is_one_of}", connection.listed(edited))
    quiet = [(revision.key, revision.post.text_hash) for revision in revisions if revision.is_quiet]
    connection.upsert_many("reread", "post_key", ("post_key", "text_hash"), quiet)


def _withdraw(connection: Connection, keys: Sequence[int], now: datetime, touched: Touched) -> None:
    """Mark posts gone; they stay in their feeds, as withdrawn, until they are retired."""
    old = _standing(connection, keys) if keys else {}
    leaving = [key for key in dict.fromkeys(keys) if not old[key].gone]
    for key in leaving:
        if not old[key].unlisted:
            touched.add(old[key].categories, old[key].tags, -1)
    connection.run_many("UPDATE post SET gone_at = ? WHERE key = ?", [(to_seconds(now), key) for key in leaving])


class _Standing:
    """Where a post stands before a change; made of a row of ``_STANDING``."""

    __slots__ = ("categories", "first_seen", "gone", "published", "retired", "tags", "unlisted")

    def __init__(self, row: tuple[Any, ...]) -> None:
        _, unlisted, retired, gone_at, self.first_seen, self.published, categories, tags = row
        self.unlisted = bool(unlisted)
        self.retired = bool(retired)
        self.gone = gone_at is not None
        self.categories = dict.fromkeys(unpack_names(categories))
        self.tags = dict.fromkeys(unpack_names(tags))


_STANDING = "SELECT key, unlisted, retired, gone_at, first_seen, published, categories, tags FROM post"


def _standing(connection: Connection, keys: Sequence[int]) -> dict[int, _Standing]:
    rows = connection.rows(f"{_STANDING} WHERE key {connection.is_one_of}", connection.listed(keys))
    return {row[0]: _Standing(row) for row in rows}


def _remember(connection: Connection, files: Sequence[FileRecord]) -> None:
    if not files:
        return
    connection.upsert_many(
        "file",
        "path",
        ("path", "size", "mtime_ns", "inode", "hash", "recheck_at", "taken"),
        [
            (
                found.path,
                found.stat.size,
                _signed(found.stat.mtime_ns),
                _signed(found.stat.inode),
                found.hash,
                None if found.recheck_at is None else to_seconds(found.recheck_at),
                found.taken,
            )
            for found in files
        ],
    )
    seen = connection.listed([found.path for found in files])
    connection.run(f"DELETE FROM problem WHERE path {connection.is_one_of}", seen)
    connection.insert_many(
        "problem",
        ("path", "position", "line", "reason", "remedy", "severity"),
        [
            (found.path, position, fault.line, fault.reason, fault.remedy, fault.severity.value)
            for found in files
            for position, fault in enumerate(found.problems)
        ],
    )


def _keep_bodies(connection: Connection, files: Sequence[FileRecord], now: datetime) -> None:
    kept = [(found.path, to_seconds(now), zlib.compress(found.body.encode())) for found in files if found.body]
    connection.upsert_many("body", "path", ("path", "kept_at", "html"), kept)


def _signed(number: int) -> int:
    """Some file systems count with 64 bits and no sign; databases have one."""
    return number if -_HALF <= number < _HALF else (number + _HALF) % WRAP - _HALF


def _pack(values: Sequence[Any]) -> str:
    return msgspec.json.encode(values).decode()


@lru_cache(maxsize=4096)
def _pack_names(names: tuple[str, ...]) -> str:
    return _pack(names)
