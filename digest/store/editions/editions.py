"""Editions: what may enter them, and what is frozen together with its deliveries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from digest.edition.approval import NOT_APPROVED
from digest.hashing import hash_of
from digest.models import (
    MAIL,
    DeliveryState,
    EditionRow,
    EditionState,
    FrozenEdition,
    InLanguage,
    KnownPost,
    Recipient,
    SavedEdition,
)
from digest.outbox import OURS, REPEATS
from digest.store.archive.known import SELECT_POSTS, in_language, known_post
from digest.store.database.basics import (
    SENT_UNTIL,
    among,
    as_value,
    optional_seconds,
    to_moment,
    to_seconds,
    to_seconds_up,
)
from digest.store.database.connection import Connection
from digest.store.database.part import Part
from digest.store.delivery.receivers import receivers_of
from digest.store.monitoring.inquiry import note_omissions
from digest.store.monitoring.status_queries import SELECT_EDITIONS, UNSEEN, edition_at, end_approval, saved_edition

HELD = "the store was restored from a backup; it may have gone out since that was made"

_STANDING = "post.unlisted = false AND post.gone_at IS NULL AND (post.hand IS NULL OR post.hand <> 'skip')"
"""Listed, not gone, and not to be left out."""
_OF_CATEGORY = "EXISTS (SELECT 1 FROM post_category l WHERE l.post_key = post.key AND l.name {})"
_IN_EDITION = """EXISTS (SELECT 1 FROM edition_member m JOIN edition e ON e.key = m.edition_key
    WHERE m.post_key = post.key AND e.digest = ?)"""
_IS_NEWS = f"""(post.first_seen >= post.collected_at OR post.published >=
    (SELECT coalesce(max(frozen_at), 0) FROM edition WHERE digest = ? AND reason <> '{NOT_APPROVED}'))"""
"""Not what a new source had before the last edition: its posts are seen on their own dates. One that nobody approved is
none: what it had is still to be told."""
_NEWEST_FIRST = "ORDER BY post.published DESC, post.key"
_BEGAN_AFTER = "(SELECT began_after FROM digest WHERE name = ?)"
_MEMBERS = "(SELECT count(*) FROM edition_member WHERE edition_key = edition.key)"


class Editions(Part):
    """Satisfies ``ports.EditionStore``."""

    def begin(self, digest: str, now: datetime) -> None:
        newest = "(SELECT coalesce(max(key), 0) FROM post)"
        self._change(
            f"INSERT INTO digest (name, began_at, began_after) VALUES (?, ?, {newest}) ON CONFLICT DO NOTHING",
            *(digest, to_seconds(now)),
        )

    def newest_day(
        self, categories: Sequence[str] | None, now: datetime, language: InLanguage | None = None
    ) -> datetime | None:
        with self._database.asking() as connection:
            standing, values = _standing(connection, categories, language)
            newest = f"SELECT max(post.published) FROM post WHERE {standing} AND post.published <= ?"
            seconds = connection.value(newest, *values, to_seconds(now))
        return None if seconds is None else to_moment(seconds)

    def published_between(
        self,
        categories: Sequence[str] | None,
        start: datetime,
        end: datetime,
        *,
        not_in: str | None = None,
        language: InLanguage | None = None,
    ) -> list[KnownPost]:
        span = (to_seconds_up(start), to_seconds_up(end) - 1)
        others = ("", ()) if not_in is None else (f"AND NOT {_IN_EDITION}", (not_in,))
        with self._database.asking() as connection:
            return _posts(connection, _standing(connection, categories, language), span, *others)

    def candidates(
        self,
        digest: str,
        categories: Sequence[str] | None,
        oldest: datetime,
        now: datetime,
        language: InLanguage | None = None,
    ) -> list[KnownPost]:
        span = (to_seconds_up(oldest), to_seconds(now))
        new = f"AND post.key > {_BEGAN_AFTER} AND NOT {_IN_EDITION} AND {_IS_NEWS}"
        with self._database.asking() as connection:
            standing = _standing(connection, categories, language)
            return _posts(connection, standing, span, new, (digest, digest, digest))

    def passed_over(
        self,
        digest: str,
        categories: Sequence[str] | None,
        last: SavedEdition,
        now: datetime,
        language: InLanguage | None = None,
    ) -> list[tuple[int, str]]:
        with self._database.asking() as connection:
            standing, of = _standing(connection, categories, language)
            newer = "newer.key > (SELECT coalesce(max(post_key), 0) FROM edition_member WHERE edition_key = ?)"
            return connection.rows(  # CROSS, so that SQLite begins with the few that are newer
                f"SELECT post.key, post.path FROM post newer CROSS JOIN post WHERE {newer} AND post.key = newer.key "
                f"AND {standing} AND post.collected_at > ? AND post.published <= ? AND NOT {_IN_EDITION} "
                "ORDER BY post.published, post.key",
                *(last.key, *of, to_seconds(last.frozen_at), to_seconds(now), digest),
            )

    def editions(self, digest: str, limit: int | None = None) -> list[SavedEdition]:
        chosen = f"{SELECT_EDITIONS} WHERE digest = ? AND state NOT IN ({UNSEEN}) ORDER BY period DESC"
        few = ("", ()) if limit is None else (" LIMIT ?", (limit,))
        return [saved_edition(row) for row in self._rows(chosen + few[0], digest, *few[1])]

    def edition_rows(self, digest: str) -> list[EditionRow]:
        chosen = (
            f"SELECT key, period, state, subject, frozen_at, {_MEMBERS}, lead FROM edition "
            f"WHERE digest = ? AND state NOT IN ({UNSEEN}) ORDER BY period DESC"
        )
        return [as_value(EditionRow, row) for row in self._rows(chosen, digest)]

    def freeze(
        self, edition: FrozenEdition, recipients: Iterable[Recipient], *, due: datetime | None = None
    ) -> SavedEdition | None:
        with self._database.changing() as connection:
            held = due is not None and _may_be_sent(connection, due)
            key = save_edition(connection, edition, recipients, held=held)
            end_approval(connection, edition.digest, edition.period, edition.frozen_at)
            if key is None:
                return None
            note_omissions(connection, key, edition.sums_up or edition.digest, edition.frozen_at)
            _begin_with_others(connection, key, edition)
            if self._database.is_postgres:
                # Claims start at once; without counts the planner would sort the whole queue for each of them.
                connection.run("ANALYZE edition, delivery")
            return edition_at(connection, key)

    def skipped_periods(self, digest: str, reason: str) -> set[str]:
        chosen = "SELECT period FROM edition WHERE digest = ? AND state = ? AND reason = ?"
        return set(self._column(chosen, digest, EditionState.SKIPPED.value, reason))

    def backfill_editions(self, edition: FrozenEdition) -> SavedEdition | None:
        with self._database.changing() as connection:
            connection.run(  # the record that there was none: it has neither members nor deliveries
                "DELETE FROM edition WHERE digest = ? AND period = ? AND state = ?",
                *(edition.digest, edition.period, EditionState.SKIPPED.value),
            )
            key = save_edition(connection, edition, (), state=EditionState.FINISHED)
            return None if key is None else edition_at(connection, key)

    def editions_since(self, digest: str, since: datetime) -> list[SavedEdition]:
        chosen = (
            f"{SELECT_EDITIONS} WHERE digest = ? AND frozen_at >= ? AND state NOT IN ({UNSEEN}) ORDER BY frozen_at, key"
        )
        return [saved_edition(row) for row in self._rows(chosen, digest, to_seconds_up(since))]

    def posts_in(self, editions: Sequence[int]) -> dict[int, KnownPost]:
        with self._database.asking() as connection:
            held = f"SELECT post_key FROM edition_member WHERE edition_key {connection.is_one_of}"
            rows = connection.rows(f"{SELECT_POSTS} WHERE post.key IN ({held})", connection.listed(editions))
        return {found.key: found for found in map(known_post, rows)}

    def titles_until(self, key: int, limit: int) -> dict[int, str]:
        rows = self._rows("SELECT key, title FROM post WHERE key <= ? ORDER BY key DESC LIMIT ?", key, limit)
        return {row[0]: row[1] for row in rows}

    def reread_posts(self, keys: Iterable[int]) -> set[int]:
        with self._database.asking() as connection:
            same = "SELECT post.key FROM post JOIN reread ON post_key = post.key AND reread.text_hash = post.text_hash"
            return set(connection.column(f"{same} WHERE post.key {connection.is_one_of}", connection.listed(keys)))

    def set_leads(self, leads: Mapping[int, str]) -> None:
        with self._database.changing() as connection:
            for key, lead in leads.items():
                connection.run("UPDATE edition SET lead = ? WHERE key = ?", lead, key)

    def mark_page_published(self, key: int) -> None:
        self._change("UPDATE edition SET page_published = true WHERE key = ?", key)


# ------------------------------------------------------------------ posts


def _standing(
    connection: Connection, categories: Sequence[str] | None, language: InLanguage | None
) -> tuple[str, tuple[Any, ...]]:
    """The condition that a post stands, is of one of these categories and in this language, and its values."""
    condition, values = in_language(language)
    if categories is None:
        return f"{_STANDING} AND {condition}", values
    return (
        f"{_STANDING} AND {_OF_CATEGORY.format(connection.is_one_of)} AND {condition}",
        (connection.listed(categories), *values),
    )


def _posts(
    connection: Connection,
    wanted: tuple[str, tuple[Any, ...]],
    span: tuple[int, int],
    more: str,
    values: tuple[Any, ...],
) -> list[KnownPost]:
    """Posts that meet ``_standing``, published from the first second of ``span`` on and up to the last, with
    ``more`` conditions and their values."""
    standing, of = wanted
    question = f"{SELECT_POSTS} WHERE {standing} AND post.published BETWEEN ? AND ? {more} {_NEWEST_FIRST}"
    return [known_post(row) for row in connection.rows(question, *of, *span, *values)]


# --------------------------------------------------------------- editions


def save_edition(
    connection: Connection,
    frozen: FrozenEdition,
    recipients: Iterable[Recipient],
    *,
    page_published: bool = False,
    state: EditionState = EditionState.FROZEN,
    held: bool = False,
) -> int | None:
    """An edition with its members and deliveries; its key, or None if the slot is taken. ``held``: its deliveries are
    in doubt from the beginning, and wait for the operator's word."""
    look = hash_of(frozen.look.encode()) if frozen.look else ""
    key: int | None = connection.value(
        _INSERT_EDITION,
        *(frozen.digest, frozen.kind.value, frozen.sums_up, frozen.period, state.value),
        *(to_seconds(frozen.frozen_at), to_seconds(frozen.send_after), to_seconds(frozen.expires_at)),
        *(page_published, frozen.subject, frozen.html, frozen.text, frozen.document, look),
    )
    if key is not None:
        if look:
            connection.insert_many("look", ("hash", "content"), [(look, frozen.look)], or_ignore=True)
        members = [
            (key, each.post_key, each.section, each.position, each.shown, each.reason) for each in frozen.members
        ]
        connection.insert_many("edition_member", _MEMBER_COLUMNS, members)
        _queue(connection, key, frozen, recipients, held=held)
    return key


_INSERT_EDITION = """
    INSERT INTO edition (digest, kind, sums_up, period, state, reason, frozen_at, send_after, expires_at,
        page_published, subject, html, text, document, look)
    VALUES (?, ?, ?, ?, ?, '', ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING key"""
_MEMBER_COLUMNS = ("edition_key", "post_key", "section", "position", "shown", "reason")


def _may_be_sent(connection: Connection, due: datetime) -> bool:
    """Whether this store was restored, and the one that was lost may have sent what was due then."""
    until = connection.value("SELECT value FROM meta WHERE name = ?", SENT_UNTIL)
    return until is not None and to_seconds(due) <= int(until)


def _queue(
    connection: Connection, key: int, frozen: FrozenEdition, recipients: Iterable[Recipient], *, held: bool
) -> None:
    """A row for each recipient, some at a time: memory does not grow with their number. Each address once."""
    rows, known = iter(recipients), receivers_of(connection)
    while chunk := list(islice(rows, _CHUNK)):
        queued = [_queued_row(key, frozen, recipient, known, held=held) for recipient in chunk]
        connection.insert_many("delivery", _QUEUED_COLUMNS, queued, or_ignore=True)


def _begin_with_others(connection: Connection, key: int, frozen: FrozenEdition) -> None:
    """Who was refused lately because of us comes last: a server that does not want us must not be the first to be asked
    every day, and pause each edition before anybody else has got it."""
    lately = to_seconds(frozen.frozen_at - _LATELY)
    if connection.row(f"{_REFUSED_LATELY} LIMIT 1", lately) is None:
        return
    connection.run(
        "UPDATE delivery SET not_before = not_before - 1 WHERE edition_key = ? AND not_before = ? "
        f"AND (subscriber_key IS NULL OR subscriber_key NOT IN ({_REFUSED_LATELY}))",
        *(key, to_seconds_up(frozen.send_after), lately),
    )


_LATELY = timedelta(days=3)
_REFUSED_LATELY = f"""
    SELECT subscriber_key FROM delivery WHERE edition_key IN (SELECT key FROM edition WHERE frozen_at > ?)
    AND reply_verdict IN ({among(OURS)}) AND subscriber_key IS NOT NULL"""
_CHUNK = 1_000
_QUEUED_COLUMNS = (
    *("edition_key", "address", "message_id", "token", "state", "attempts", "doubts", "not_before", "lease"),
    *("reply_enhanced", "reply_text", "queue_id", "subscriber_key", "list_key", "expires_at", "domain", "selection"),
    *("channel", "receiver"),
)


def _queued_row(
    key: int, frozen: FrozenEdition, recipient: Recipient, known: Callable[[str], str], *, held: bool
) -> tuple[Any, ...]:
    not_before = recipient.not_before or frozen.send_after
    held = held and not_before <= frozen.send_after  # a subscriber whose hour is still to come has got nothing yet
    domain = _domain(recipient)
    state, doubts = (DeliveryState.IN_DOUBT, REPEATS + 1) if held else (DeliveryState.QUEUED, 0)
    return (
        *(key, recipient.address, recipient.message_id, recipient.token, state.value, 0, doubts),
        *(to_seconds_up(not_before), 0, "", HELD if held else "", "", recipient.subscriber, recipient.list_key),
        *(optional_seconds(recipient.expires_at), domain, recipient.selection),
        *(recipient.channel, known(domain)),
    )


def _domain(recipient: Recipient) -> str:
    """Where its mail goes to; other channels have none."""
    return recipient.address.rpartition("@")[2].lower() if recipient.channel == MAIL else ""
