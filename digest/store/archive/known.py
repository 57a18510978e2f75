"""Files, posts and their problems as they are remembered: what every run reads."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache, partial
from typing import Any

import msgspec

from digest.models import (
    MAIN,
    Attachment,
    Author,
    Code,
    Hand,
    InLanguage,
    KnownFile,
    KnownPost,
    Problem,
    Severity,
    SourceState,
    shared_code,
)
from digest.store.database.basics import WRAP, to_moment, to_seconds
from digest.store.database.part import Part

_FILES_AT_ONCE = 2_000
_FILES = "SELECT path, size, mtime_ns, inode, hash, recheck_at, taken FROM file"


class Known(Part):
    """``ports.PostStore``, but for what is written of posts."""

    def is_importing(self, source: str = MAIN) -> bool:
        return self._meta(_of("imported_at", source)) is None

    def finish_import(self, now: datetime, source: str = MAIN) -> None:
        self._set_meta(_of("imported_at", source), str(to_seconds(now)))

    def rules(self, source: str = MAIN) -> str:
        return self._meta(_of("rules", source)) or ""

    def set_rules(self, fingerprint: str, source: str = MAIN) -> None:
        self._set_meta(_of("rules", source), fingerprint)

    def keep_first(self, name: str, value: str) -> str:
        kept = self._meta(f"first {name}")
        if kept is None:
            self._set_meta(f"first {name}", value)
        return value if kept is None else kept

    def recall(self, name: str) -> str | None:
        return self._meta(f"kept {name}")

    def remember(self, name: str, value: str) -> None:
        self._set_meta(f"kept {name}", value)

    def source_states(self) -> dict[str, SourceState]:
        with self._database.asking() as connection:
            kept = connection.column("SELECT value FROM meta WHERE name LIKE 'source %'")
        return {state.name: state for state in (msgspec.json.decode(text, type=SourceState) for text in kept)}

    def keep_source_states(self, states: Iterable[SourceState]) -> None:
        rows = [(f"source {state.name}", msgspec.json.encode(state).decode()) for state in states]
        if rows:
            with self._database.changing() as connection:
                connection.upsert_many("meta", "name", ("name", "value"), rows)

    def known_files(self, source: str = MAIN) -> Iterator[KnownFile]:
        condition, values = paths_of(source, "path")
        with self._database.asking() as connection:
            cursor = connection.run(f"{_FILES} WHERE {condition} ORDER BY path", *values)
            while rows := cursor.fetchmany(_FILES_AT_ONCE):
                for row in rows:
                    yield _usual_file(row) if row[3] >= 0 and row[5] is None else _known_file(*row)

    def knows_posts(self) -> bool:
        """Whether any post was ever found, gone ones included."""
        with self._database.asking() as connection:
            return connection.row("SELECT 1 FROM post LIMIT 1") is not None

    def categories_among(self, names: Sequence[str]) -> set[str]:
        """Which of these categories ever had a post."""
        with self._database.asking() as connection:
            question = f"SELECT name FROM feed WHERE kind = 'category' AND name {connection.is_one_of}"
            return {name for (name,) in connection.rows(question, connection.listed(names))}

    def posts_at(self, paths: Sequence[str]) -> dict[str, KnownPost]:
        if not paths:
            return {}
        with self._database.asking() as connection:
            chosen = f"{SELECT_POSTS} WHERE path {connection.is_one_of} ORDER BY gone_at IS NULL, key"
            return {found.path: found for found in map(known_post, connection.run(chosen, connection.listed(paths)))}

    def latest_posts(self, source: str, limit: int) -> list[KnownPost]:
        condition, values = paths_of(source, "path")
        with self._database.asking() as connection:
            chosen = f"{SELECT_POSTS} WHERE {condition} ORDER BY key DESC LIMIT ?"
            return [known_post(row) for row in connection.run(chosen, *values, limit)]

    def posts_linked(self, urls: Sequence[str], since: datetime, until: datetime) -> list[KnownPost]:
        if not urls:
            return []
        with self._database.asking() as connection:
            listed, one_of = connection.listed(urls), connection.is_one_of
            rows = connection.rows(_LINKED_ELSEWHERE.format(one_of), listed)
            rows += connection.rows(
                _LINKED_IN_FOLDER.format(one_of, one_of), to_seconds(since), to_seconds(until), listed, listed
            )
        return [known_post(row) for row in rows]

    def body(self, path: str) -> str:
        with self._database.asking() as connection:
            packed = connection.value("SELECT html FROM body WHERE path = ?", path)
        return "" if packed is None else zlib.decompress(packed).decode()

    def forget_bodies(self, before: datetime) -> None:
        with self._database.changing() as connection:
            connection.run("DELETE FROM body WHERE kept_at < ?", to_seconds(before))

    def ids_taken(self, ids: Sequence[str]) -> set[str]:
        if not ids:
            return set()
        with self._database.asking() as connection:
            taken = connection.run(f"SELECT id FROM post WHERE id {connection.is_one_of}", connection.listed(ids))
            return {post_id for (post_id,) in taken}

    def adopted_ids(self, urls: Sequence[str]) -> dict[str, str]:
        if not urls:
            return {}
        with self._database.asking() as connection:
            if connection.row("SELECT url FROM adopted_id LIMIT 1") is None:  # most sites had no feed before
                return {}
            question = f"SELECT url, id FROM adopted_id WHERE url {connection.is_one_of}"
            return dict(connection.rows(question, connection.listed(urls)))

    def adopted_links(self) -> list[str]:
        """Of the entries whose ids were adopted."""
        with self._database.asking() as connection:
            return connection.column("SELECT url FROM adopted_id WHERE url LIKE 'http%' ORDER BY url")

    def addresses(self, source: str | None = None) -> set[str]:
        """Of all posts (of a source) that are not gone."""
        condition, values = ("true", ()) if source is None else paths_of(source, "path")
        with self._database.asking() as connection:
            return set(connection.column(f"SELECT url FROM post WHERE gone_at IS NULL AND {condition}", *values))

    def adopt_ids(self, ids: Mapping[str, str]) -> None:
        with self._database.changing() as connection:
            connection.upsert_many("adopted_id", "url", ("url", "id"), sorted(ids.items()))

    def problems(self, source: str | None = None) -> Iterator[Problem]:
        condition, values = ("true", ()) if source is None else paths_of(source, "path")
        with self._database.asking() as connection:
            rows = connection.rows(
                f"SELECT path, line, reason, remedy, severity FROM problem WHERE {condition} ORDER BY path, position",
                *values,
            )
        for path, line, reason, remedy, severity in rows:
            yield Problem(path=path, line=line, reason=reason, remedy=remedy, severity=Severity(severity))

    def count_posts(self) -> int:
        with self._database.asking() as connection:
            count: int = connection.value("SELECT count(*) FROM post WHERE retired = false AND gone_at IS NULL")
        return count


def _of(name: str, source: str) -> str:
    """The name of a fact about a source; that of the first one is older than its name."""
    return name if source == MAIN else f"{name} {source}"


def paths_of(source: str, column: str) -> tuple[str, tuple[str, ...]]:
    """The condition that a path is of a source, and its values."""
    if source == MAIN:
        return f"{column} NOT LIKE '%//%'", ()
    return f"{column} >= ? AND {column} < ?", (f"{source}//", f"{source}/0")  # 0 comes after /


_usual_file = partial(tuple.__new__, KnownFile)
"""As it is in the row, which is the same but for numbers without a sign and times."""


def _known_file(
    path: str, size: int, mtime_ns: int, inode: int, hashed: str, recheck_at: int | None, taken: bool
) -> KnownFile:
    unsigned = inode if inode >= 0 else inode + WRAP
    moment = None if recheck_at is None else to_moment(recheck_at)
    return KnownFile(path, size, mtime_ns, unsigned, hashed, moment, taken)


COLUMNS = (
    *("key", "id", "path", "title", "url", "summary", "published", "updated", "first_seen", "collected_at", "gone_at"),
    *("unlisted", "categories", "tags", "source_name", "original_url", "authors", "image", "lang", "codes"),
    *("attachments", "text_hash", "hand"),
)
"""What is read of a post, in the order that ``known_post`` takes it."""
SELECT_POSTS = f"SELECT {', '.join(f'post.{name}' for name in COLUMNS)} FROM post"
"""Begins a question whose rows ``known_post`` understands."""
_LINKED_ELSEWHERE = f"{SELECT_POSTS} WHERE url {{}} AND source <> '{MAIN}' AND gone_at IS NULL"
_LINKED_IN_FOLDER = f"""{SELECT_POSTS} WHERE source = '{MAIN}' AND gone_at IS NULL AND published BETWEEN ? AND ?
    AND (url {{}} OR original_url {{}})"""


def in_language(language: InLanguage | None) -> tuple[str, tuple[str, ...]]:
    """The condition that a post is in a language, and its values."""
    if language is None:
        return "true", ()
    conditions, values = ["post.lang = ?"], [language.tag]
    if language.wide:
        conditions.append("post.lang LIKE ?")
        values.append(f"{language.tag}-%")
    if language.unsaid:
        conditions.append("post.lang IS NULL")
    return f"({' OR '.join(conditions)})", tuple(values)


def known_post(row: Sequence[Any]) -> KnownPost:
    """A post from a row as the driver gives it."""
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
        hand,
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
        hand=None if hand is None else Hand(hand),
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


@lru_cache(maxsize=4096)
def unpack_names(text: str) -> tuple[str, ...]:
    return tuple(msgspec.json.decode(text))
