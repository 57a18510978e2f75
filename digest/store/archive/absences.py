"""Posts whose file is missing and that are not withdrawn for that: what is known of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from digest.models import MAIN, Absence, Away, Changes, KnownPost
from digest.store.archive.known import SELECT_POSTS, known_post, paths_of
from digest.store.database.basics import to_moment, to_seconds
from digest.store.database.connection import Connection
from digest.store.database.part import Part

_ABSENCE = "SELECT post_key, since, state, place FROM absence"
_UNDECIDED = f"{_ABSENCE} JOIN post ON post.key = post_key WHERE state IN ('waiting', 'held')"
_LEFT = f"{SELECT_POSTS} JOIN absence ON absence.post_key = post.key WHERE absence.state IN ('aged', 'moved')"
_WITH_FILES = """SELECT post.key, post.published FROM post JOIN file ON file.path = post.path
    WHERE file.taken = true AND post.gone_at IS NULL AND post.published <= ?"""
_LEAST_AGE = """SELECT min(absence.since - post.published) FROM absence JOIN post ON post.key = absence.post_key
    WHERE absence.state = 'aged' AND absence.since >= ?"""


class Absences(Part):
    """Satisfies ``ports.PostStore``, together with ``Known`` and ``Posts``."""

    def undecided(self, source: str = MAIN) -> dict[int, Absence]:
        condition, values = paths_of(source, "post.path")
        with self._database.asking() as connection:
            rows = connection.rows(f"{_UNDECIDED} AND {condition}", *values)
        return {row[0]: _absence(row) for row in rows}

    def absence_of(self, post_key: int) -> Absence | None:
        with self._database.asking() as connection:
            row = connection.row(f"{_ABSENCE} WHERE post_key = ?", post_key)
        return None if row is None else _absence(row)

    def posts_left(self, ids: Collection[str]) -> list[KnownPost]:
        with self._database.asking() as connection:
            chosen = f"{_LEFT} AND post.id {connection.is_one_of}"
            return [known_post(row) for row in connection.run(chosen, connection.listed(ids))]

    def dates_with_files(self, until: datetime, source: str = MAIN) -> list[tuple[int, datetime]]:
        condition, values = paths_of(source, "post.path")
        with self._database.asking() as connection:
            rows = connection.rows(f"{_WITH_FILES} AND {condition}", to_seconds(until), *values)
        return [(key, to_moment(published)) for key, published in rows]

    def least_age(self, since: datetime, source: str = MAIN) -> timedelta | None:
        condition, values = paths_of(source, "post.path")
        with self._database.asking() as connection:
            seconds = connection.value(f"{_LEAST_AGE} AND {condition}", to_seconds(since), *values)
        return None if seconds is None else timedelta(seconds=int(seconds))

    def held_posts(self) -> int:
        with self._database.asking() as connection:
            count: int = connection.value("SELECT count(*) FROM absence WHERE state = 'held'")
        return count


def note_absences(connection: Connection, changes: Changes) -> None:
    """Write down who is away; who is back, or withdrawn, is away no longer."""
    ended = [*changes.back, *changes.gone, *(revision.key for revision in changes.revisions)]
    if ended:
        connection.run(f"DELETE FROM absence WHERE post_key {connection.is_one_of}", connection.listed(ended))
    connection.upsert_many(
        "absence",
        "post_key",
        ("post_key", "since", "state", "place"),
        [(each.post_key, to_seconds(each.since), each.state.value, each.place) for each in changes.away],
    )


def _absence(row: Sequence[Any]) -> Absence:
    key, since, state, place = row
    return Absence(post_key=key, since=to_moment(since), state=Away(state), place=place)
