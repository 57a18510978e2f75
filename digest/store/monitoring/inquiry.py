"""Questions about what happened: nothing here changes anything, except what a frozen edition notes of whom it left
out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from digest.inquiry import BrokenFile, Candidates, DeliveryNote, EditionNote, FoundFile, Membership, Omission
from digest.models import KnownPost, Problem, Severity
from digest.store.archive.known import SELECT_POSTS, known_post
from digest.store.database.basics import among, as_value, optional_moment, to_moment, to_seconds
from digest.store.database.connection import Connection
from digest.store.database.part import Part
from digest.store.delivery.pauses import GROUP
from digest.subscribers.subscription import ListState

LIMIT = 20
"""Candidates at the most."""

_NAMED = "(path = ? OR substr(path, length(path) - ?) = ?)"
"""A path is this one, or ends in it."""
_CALLED = "(id = ? OR url = ?)"
_LIKE = "lower({}) LIKE lower(?) ESCAPE '/'"
_NOTE = "e.key, e.digest, e.kind, e.period, e.state, e.reason, e.frozen_at, e.subject, e.page_published"
_DELIVERY = (
    "d.selection, d.state, d.attempts, d.doubts, d.not_before, coalesce(d.expires_at, e.expires_at), d.ended_at, "
    "d.reply_code, d.reply_enhanced, d.reply_text, d.queue_id, "
    "coalesce((SELECT s.receiver || ': ' || s.reason FROM edition_stop s WHERE s.edition_key = d.edition_key "
    f"AND s.over = false AND s.receiver = {GROUP.format('d.')}), '')"
)
_MEMBERSHIPS = f"""
    SELECT {_NOTE}, m.section, m.position, m.shown, m.reason,
        (SELECT count(*) FROM edition_member o WHERE o.edition_key = e.key)
    FROM edition_member m JOIN edition e ON e.key = m.edition_key
    WHERE m.post_key = ? ORDER BY e.frozen_at, e.key"""
_HELD = "r.held_until IS NOT NULL AND (r.held_until > :now OR r.probe_at IS NOT NULL)"
_NOTE_OMISSIONS = f"""
    INSERT INTO omission (edition_key, subscriber_key, reason)
    SELECT :edition, s.subscriber_key, CASE
        WHEN x.hash IS NOT NULL THEN '{Omission.SUPPRESSED}'
        WHEN s.state = '{ListState.PENDING}' THEN '{Omission.PENDING}'
        WHEN r.pause_ends > :now THEN '{Omission.PAUSED}'
        WHEN {_HELD} THEN '{Omission.HELD}' END
    FROM subscription s JOIN reader_list l ON l.key = s.list_key JOIN subscriber r ON r.key = s.subscriber_key
        LEFT JOIN suppression x ON x.hash = r.hash
    WHERE l.digest = :digest AND s.state IN ({among((ListState.ACTIVE, ListState.PENDING))})
        AND (x.hash IS NOT NULL OR s.state = '{ListState.PENDING}' OR r.pause_ends > :now OR {_HELD})"""


_BROKEN = f"""
    SELECT p.path, p.line, p.reason, p.remedy, f.mtime_ns FROM problem p JOIN file f ON f.path = p.path
    WHERE p.severity = '{Severity.STALE}' ORDER BY f.mtime_ns, p.path LIMIT ?"""


class Inquiries(Part):
    """What ``digest explain`` and ``digest status`` ask."""

    def broken_files(self, limit: int) -> list[BrokenFile]:
        """Posts that stay as they were since their file cannot be read, the longest broken first."""
        with self._database.asking() as connection:
            rows = connection.rows(_BROKEN, limit)
        return [
            BrokenFile(
                problem=Problem(path=path, line=line, reason=reason, remedy=remedy, severity=Severity.STALE),
                since=datetime.fromtimestamp(mtime_ns // 1_000_000_000, UTC),
            )
            for path, line, reason, remedy, mtime_ns in rows
        ]

    def look_for(self, words: str) -> Candidates:
        """Posts and files that words may mean: a path or the end of one, an id, an address, else a part of a title or
        of a path. What fits exactly comes alone."""
        if not words:
            return Candidates()
        path = words.removeprefix("./").lstrip("/")
        named = (path, len(path), f"/{path}")
        with self._database.asking() as connection:
            if words.startswith(("http://", "https://")):  # paths of feeds' entries may end in it
                found = _posts(connection, _CALLED, words, words)
                if found:
                    return _candidates(_without_doubles(found), [])
            for fits, values in ((_NAMED, named), (_CALLED, (words, words))):
                found = _posts(connection, fits, *values)
                files = _files(connection, f"({_NAMED} AND taken = false OR path = ?)", *named, path)
                if found or files:
                    taken = {each.path for each in found if each.gone_at is None}
                    return _candidates(_without_doubles(found), [each for each in files if each.path not in taken])
            pattern = f"%{words.replace('/', '//').replace('%', '/%').replace('_', '/_')}%"
            alike = f"({_LIKE.format('title')} OR {_LIKE.format('path')})"
            found = _without_doubles(_posts(connection, alike, pattern, pattern))
            return _candidates(found, _files(connection, f"{_LIKE.format('path')} AND taken = false", pattern))

    def file_at(self, path: str) -> FoundFile | None:
        """The file as it was last looked at; None if it is not there any more."""
        with self._database.asking() as connection:
            return next(iter(_files(connection, "path = ?", path)), None)

    def memberships(self, post_key: int) -> list[Membership]:
        """Every edition that has the post, oldest first; those of everything before those of some categories."""
        return [as_value(Membership, (_note(row[:9]), *row[9:])) for row in self._rows(_MEMBERSHIPS, post_key)]

    def titles_of(self, keys: Sequence[int]) -> dict[int, str]:
        """Titles of posts as they are now."""
        with self._database.asking() as connection:
            return dict(
                connection.rows(
                    f"SELECT key, title FROM post WHERE key {connection.is_one_of}", connection.listed(keys)
                )
            )

    def beginning(self, digest: str) -> tuple[datetime, int] | None:
        """When a digest began, and the greatest key of a post that was there before."""
        row = self._row("SELECT began_at, began_after FROM digest WHERE name = ?", digest)
        return None if row is None else (to_moment(row[0]), row[1])

    def edition_notes(self, digest: str, since: datetime | None = None, limit: int = 400) -> list[EditionNote]:
        """Editions of a digest, newest period first, those included that were not made; with ``since``
        those frozen or given up then or later."""
        chosen = f"SELECT {_NOTE} FROM edition e WHERE e.digest = ? AND e.frozen_at >= ? ORDER BY e.period DESC LIMIT ?"
        return [_note(row) for row in self._rows(chosen, digest, 0 if since is None else to_seconds(since), limit)]

    def selections_of(self, edition_key: int) -> list[str]:
        """What its subscribers chose, as far as that is not everything."""
        chosen = "SELECT DISTINCT selection FROM delivery WHERE edition_key = ? AND selection <> '' ORDER BY selection"
        return self._column(chosen, edition_key)

    def mails_to(self, address: str, subscriber_key: int | None) -> list[DeliveryNote]:
        """Every mail to a subscriber, or to an address of the configuration, newest first."""
        mine, values = "d.subscriber_key IS NULL AND lower(d.address) = ?", [address.lower()]
        with self._database.asking() as connection:
            rows = connection.rows(f"SELECT {_NOTE}, {_DELIVERY} {_MAILS} WHERE {mine}", *values)
            if subscriber_key is not None:
                rows += connection.rows(
                    f"SELECT {_NOTE}, {_DELIVERY} {_MAILS} WHERE d.subscriber_key = ?", subscriber_key
                )
        return [_delivery(row) for row in sorted(rows, key=lambda row: (row[6], row[0]), reverse=True)]

    def omissions(self, subscriber_key: int) -> dict[int, Omission]:
        """Why editions left a subscriber out, by the edition's key."""
        chosen = "SELECT edition_key, reason FROM omission WHERE subscriber_key = ?"
        return {key: Omission(reason) for key, reason in self._rows(chosen, subscriber_key)}

    def unconfirmed(self, canonical: str) -> datetime | None:
        """When somebody last asked for this address without anybody confirming it."""
        chosen = "SELECT max(asked_at) FROM consent WHERE canonical = ? AND confirmed_at IS NULL"
        return optional_moment(self._value(chosen, canonical))


def note_omissions(connection: Connection, edition_key: int, digest: str, now: datetime) -> None:
    """Write down whom an edition leaves out although they asked for its digest, and why. The complement of
    ``Audience.audience``: what may be another tomorrow. Who had left, or wants other categories or a mail a week, is
    known from what they chose."""
    connection.run(_NOTE_OMISSIONS, edition=edition_key, digest=digest, now=to_seconds(now))


# ------------------------------------------------------------------- values

_MAILS = "FROM delivery d JOIN edition e ON e.key = d.edition_key"


def _note(row: Sequence[Any]) -> EditionNote:
    """Of ``_NOTE``."""
    return as_value(EditionNote, row)


def _delivery(row: Sequence[Any]) -> DeliveryNote:
    """Of ``_NOTE`` and ``_DELIVERY``."""
    return as_value(DeliveryNote, (_note(row[:9]), *row[9:]))


def _posts(connection: Connection, condition: str, *values: Any) -> list[KnownPost]:
    chosen = f"{SELECT_POSTS} WHERE {condition} ORDER BY post.published DESC, post.key LIMIT ?"
    return [known_post(row) for row in connection.rows(chosen, *values, LIMIT + 1)]


def _without_doubles(posts: list[KnownPost]) -> list[KnownPost]:
    """A path may have had several posts; the one that stands counts, else the latest."""
    kept: dict[str, KnownPost] = {}
    for each in sorted(posts, key=lambda each: (each.gone_at is None, each.key)):
        kept[each.path] = each
    return list(kept.values())


def _candidates(posts: Sequence[KnownPost], files: Sequence[FoundFile]) -> Candidates:
    gone = {each.path for each in posts}
    others = [each for each in files if each.path not in gone]
    return Candidates(
        posts=tuple(posts[:LIMIT]), files=tuple(others[:LIMIT]), more=len(posts) > LIMIT or len(others) > LIMIT
    )


def _files(connection: Connection, condition: str, *values: Any) -> list[FoundFile]:
    chosen = f"SELECT path, taken, recheck_at FROM file WHERE {condition} ORDER BY path LIMIT ?"
    return [
        as_value(FoundFile, (*row, tuple(as_value(Problem, each) for each in connection.rows(_PROBLEMS, row[0]))))
        for row in connection.rows(chosen, *values, LIMIT + 1)
    ]


_PROBLEMS = "SELECT path, line, reason, remedy, severity FROM problem WHERE path = ? ORDER BY position"
