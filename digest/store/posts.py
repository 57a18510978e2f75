"""Files, posts and their problems: what is remembered from run to run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import Connection, CursorResult, Select, delete, func, select

from digest.filenames import assign_stem, fold_stem
from digest.models import (
    Arrival,
    Attachment,
    Author,
    Changes,
    Code,
    FileRecord,
    FileStat,
    KnownFile,
    KnownPost,
    Post,
    Problem,
    Revision,
    Severity,
    shared_code,
)
from digest.store.part import Part
from digest.store.schema import adopted_id, feed, file, post, post_category, post_tag, problem, to_moment, to_seconds
from digest.store.sql import among, insert_many, run_many, upsert_many

_WRAP = 1 << 64
_HALF = 1 << 63
_FILES_AT_ONCE = 2_000


class Posts(Part):
    """Satisfies ``ports.PostStore``."""

    def is_importing(self) -> bool:
        return self._meta("imported_at") is None

    def finish_import(self, now: datetime) -> None:
        self._set_meta("imported_at", str(to_seconds(now)))

    def rules(self) -> str:
        return self._meta("rules") or ""

    def set_rules(self, fingerprint: str) -> None:
        self._set_meta("rules", fingerprint)

    def keep_first(self, name: str, value: str) -> str:
        kept = self._meta(f"first {name}")
        if kept is None:
            self._set_meta(f"first {name}", value)
        return value if kept is None else kept

    def recall(self, name: str) -> str | None:
        return self._meta(f"kept {name}")

    def remember(self, name: str, value: str) -> None:
        self._set_meta(f"kept {name}", value)

    def known_files(self) -> Iterator[tuple[str, KnownFile]]:
        with self._database.reading() as connection:
            cursor = connection.connection.cursor()  # the driver's own: this is read whole in every run
            cursor.execute("SELECT path, size, mtime_ns, inode, sha256, recheck_at, taken FROM file ORDER BY path")
            while rows := cursor.fetchmany(_FILES_AT_ONCE):
                for path, size, mtime_ns, inode, sha256, recheck_at, taken in rows:
                    yield (
                        path,
                        KnownFile(
                            FileStat(size, mtime_ns, inode if inode >= 0 else inode + _WRAP),
                            sha256,
                            None if recheck_at is None else to_moment(recheck_at),
                            taken == 1,
                        ),
                    )

    def posts_at(self, paths: Sequence[str]) -> dict[str, KnownPost]:
        if not paths:
            return {}
        with self._database.reading() as connection:
            query = select_posts().where(among(connection, post.c.path, paths))
            posts = read_posts(connection, query.order_by(post.c.gone_at.is_(None), post.c.key))
            return {found.path: found for found in posts}

    def ids_taken(self, ids: Sequence[str]) -> set[str]:
        if not ids:
            return set()
        with self._database.reading() as connection:
            return set(connection.scalars(select(post.c.id).where(among(connection, post.c.id, ids))))

    def adopted_ids(self, urls: Sequence[str]) -> dict[str, str]:
        if not urls:
            return {}
        with self._database.reading() as connection:
            rows = connection.execute(
                select(adopted_id.c.url, adopted_id.c.id).where(among(connection, adopted_id.c.url, urls))
            )
            return {row.url: row.id for row in rows}

    def adopt_ids(self, ids: Mapping[str, str]) -> None:
        with self._database.writing() as connection:
            upsert_many(connection, adopted_id, "url", ("url", "id"), sorted(ids.items()))

    def record(self, changes: Changes, now: datetime) -> None:
        touched = Touched()
        with self._database.writing() as connection:
            _insert(connection, changes.arrivals, now, touched)
            _revise(connection, changes.revisions, touched)
            _withdraw(connection, changes.gone, now, touched)
            _remember(connection, changes.files)
            if changes.forgotten:
                connection.execute(delete(file).where(among(connection, file.c.path, changes.forgotten)))
            touched.write(connection)

    def problems(self) -> Iterator[Problem]:
        with self._database.reading() as connection:
            rows = connection.execute(select(problem).order_by(problem.c.path, problem.c.position)).all()
        for row in rows:
            yield Problem(
                path=row.path, line=row.line, reason=row.reason, remedy=row.remedy, severity=Severity(row.severity)
            )

    def count_posts(self) -> int:
        with self._database.reading() as connection:
            count = select(func.count()).select_from(post).where(post.c.retired.is_(False), post.c.gone_at.is_(None))
            return connection.scalar(count) or 0


# ----------------------------------------------------------------- feeds


class Touched:
    """Which feeds a batch changes, and by how many posts."""

    def __init__(self) -> None:
        self._deltas: dict[tuple[str, str], int] = {}

    def add(self, categories: Iterable[str], tags: Iterable[str], delta: int) -> None:
        """One post of these categories and tags comes (1), goes (-1) or changes (0)."""
        deltas = self._deltas
        for feed_key in (("all", ""), *(("category", name) for name in categories), *(("tag", name) for name in tags)):
            deltas[feed_key] = deltas.get(feed_key, 0) + delta

    def write(self, connection: Connection) -> None:
        if not self._deltas:
            return
        _create_feeds(connection, self._deltas)
        run_many(
            connection,
            "UPDATE feed SET posts = posts + ?, dirty = true WHERE kind = ? AND name = ?",
            [(delta, kind, name) for (kind, name), delta in self._deltas.items()],
        )


def _create_feeds(connection: Connection, wanted: Iterable[tuple[str, str]]) -> None:
    """Rows for feeds that do not exist yet, in the order in which they came."""
    rows = connection.execute(select(feed.c.kind, feed.c.name, feed.c.folded_stem)).all()
    known = {(row.kind, row.name) for row in rows}
    new = [key for key in wanted if key not in known]
    if not new:
        return
    taken: dict[str, set[str]] = {"category": set(), "tag": set(), "all": set()}
    for row in rows:
        taken[row.kind].add(row.folded_stem)
    created = []
    for kind, name in new:
        stem = assign_stem(name, taken[kind])
        folded = fold_stem(stem)
        taken[kind].add(folded)
        created.append((kind, name, stem, folded, 0, True))
    insert_many(connection, feed, ("kind", "name", "stem", "folded_stem", "posts", "dirty"), created)


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
)
_NEW = (*_CONTENT, "key", "id", "published", "first_seen", "collected_at", "retired")
_SET_CONTENT = ", ".join(f"{name} = ?" for name in _CONTENT)
_REVISE = f"UPDATE post SET {_SET_CONTENT}, gone_at = NULL, retired = false WHERE key = ?"  # noqa: S608 - our names
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
        insert_many(connection, post_category, _LABEL, self._categories)
        insert_many(connection, post_tag, _LABEL, self._tags)


def _insert(connection: Connection, arrivals: Sequence[Arrival], now: datetime, touched: Touched) -> None:
    if not arrivals:
        return
    key = connection.scalar(select(func.coalesce(func.max(post.c.key), 0))) or 0
    collected_at = to_seconds(now)
    rows, labels = [], _Labels()
    for arrival in arrivals:
        key += 1
        found = arrival.post
        published, first_seen = to_seconds(found.published), to_seconds(arrival.first_seen)
        rows.append((*_content(found, arrival.updated), key, arrival.id, published, first_seen, collected_at, False))
        if not found.unlisted:
            labels.add(found, first_seen, published, key)
            touched.add(dict.fromkeys(found.categories), dict.fromkeys(found.tags), 1)
    insert_many(connection, post, _NEW, rows)
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
    run_many(connection, _REVISE, rows)
    run_many(connection, "DELETE FROM post_category WHERE post_key = ?", relabelled)
    run_many(connection, "DELETE FROM post_tag WHERE post_key = ?", relabelled)
    labels.write(connection)


def _withdraw(connection: Connection, keys: Sequence[int], now: datetime, touched: Touched) -> None:
    """Mark posts gone; they stay in their feeds, as withdrawn, until they are retired."""
    old = _standing(connection, keys) if keys else {}
    leaving = [key for key in dict.fromkeys(keys) if not old[key].gone]
    for key in leaving:
        if not old[key].unlisted:
            touched.add(old[key].categories, old[key].tags, -1)
    run_many(connection, "UPDATE post SET gone_at = ? WHERE key = ?", [(to_seconds(now), key) for key in leaving])


class _Standing:
    """Where a post stands before a change."""

    __slots__ = ("categories", "first_seen", "gone", "published", "retired", "tags", "unlisted")

    def __init__(self, row: Any) -> None:
        self.unlisted = bool(row.unlisted)
        self.retired = bool(row.retired)
        self.gone = row.gone_at is not None
        self.first_seen = to_seconds(row.first_seen)
        self.published = to_seconds(row.published)
        self.categories = dict.fromkeys(unpack_names(row.categories))
        self.tags = dict.fromkeys(unpack_names(row.tags))


def _standing(connection: Connection, keys: Sequence[int]) -> dict[int, _Standing]:
    columns = post.c
    rows = connection.execute(
        select(
            columns.key,
            columns.unlisted,
            columns.retired,
            columns.gone_at,
            columns.first_seen,
            columns.published,
            columns.categories,
            columns.tags,
        ).where(among(connection, columns.key, keys))
    )
    return {row.key: _Standing(row) for row in rows}


def _remember(connection: Connection, files: Sequence[FileRecord]) -> None:
    if not files:
        return
    upsert_many(
        connection,
        file,
        "path",
        ("path", "size", "mtime_ns", "inode", "sha256", "recheck_at", "taken"),
        [
            (
                found.path,
                found.stat.size,
                _signed(found.stat.mtime_ns),
                _signed(found.stat.inode),
                found.sha256,
                None if found.recheck_at is None else to_seconds(found.recheck_at),
                found.taken,
            )
            for found in files
        ],
    )
    connection.execute(delete(problem).where(among(connection, problem.c.path, [found.path for found in files])))
    insert_many(
        connection,
        problem,
        ("path", "position", "line", "reason", "remedy", "severity"),
        [
            (found.path, position, fault.line, fault.reason, fault.remedy, fault.severity.value)
            for found in files
            for position, fault in enumerate(found.problems)
        ],
    )


def _signed(number: int) -> int:
    """Some file systems count with 64 bits and no sign; databases have one."""
    return number if -_HALF <= number < _HALF else (number + _HALF) % _WRAP - _HALF


# ---------------------------------------------------------------- reading


def select_posts() -> Select[Any]:
    """Every column that ``read_posts`` needs."""
    return _SELECT_POSTS


def read_posts(connection: Connection, query: Select[Any]) -> list[KnownPost]:
    """The posts of a query that began as ``select_posts``. Rows come straight from the driver: SQLAlchemy's take twice
    as long."""
    result: CursorResult[Any] = connection.execute(query)
    cursor = result.cursor
    assert cursor is not None, "a query has rows"
    posts = [_known_post(row) for row in cursor.fetchall()]
    result.close()
    return posts


_SELECT_POSTS = select(*(column for column in post.c if column.name not in ("retired", "archive")))


def _known_post(row: Sequence[Any]) -> KnownPost:
    """A post from a row of ``select_posts`` as the driver gives it."""
    (
        key,
        post_id,
        path,
        title,
        url,
        summary,
        published,
        updated,
        first_seen,
        collected_at,
        gone_at,
        unlisted,
        categories,
        tags,
        source_name,
        original_url,
        authors,
        image,
        lang,
        codes,
        attachments,
        text_hash,
    ) = row
    return KnownPost(
        key=key,
        id=post_id,
        path=path,
        title=title,
        url=url,
        summary=summary,
        published=_moment(published),
        updated=_moment(updated),
        first_seen=_moment(first_seen),
        collected_at=_moment(collected_at),
        gone_at=None if gone_at is None else _moment(gone_at),
        categories=unpack_names(categories),
        tags=unpack_names(tags),
        source_name=source_name,
        original_url=original_url,
        authors=_authors(authors) if authors != "[]" else (),
        image=image,
        lang=lang,
        codes=_codes(codes) if codes != "[]" else (),
        attachments=_attachments(attachments) if attachments != "[]" else (),
        text_hash=text_hash,
        unlisted=bool(unlisted),
    )


_moment = lru_cache(maxsize=4096)(to_moment)
"""A post's dates are often the same, and so are those of posts that came together."""


def _authors(text: str) -> tuple[Author, ...]:
    return tuple(Author(name=name, email=email, url=url) for name, email, url in msgspec.json.decode(text))


def _codes(text: str) -> tuple[Code, ...]:
    return tuple([shared_code(*values) for values in msgspec.json.decode(text)])


def _attachments(text: str) -> tuple[Attachment, ...]:
    return tuple(
        Attachment(url=url, mime_type=mime_type, length=length) for url, mime_type, length in msgspec.json.decode(text)
    )


def _pack(values: Sequence[Any]) -> str:
    return msgspec.json.encode(values).decode()


@lru_cache(maxsize=4096)
def _pack_names(names: tuple[str, ...]) -> str:
    return _pack(names)


@lru_cache(maxsize=4096)
def unpack_names(text: str) -> tuple[str, ...]:
    return tuple(msgspec.json.decode(text))
