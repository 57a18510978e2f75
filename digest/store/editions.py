"""Editions: what may enter them, and what is frozen together with its deliveries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from importlib import import_module
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, delete, func, select

from digest.models import DeliveryState, EditionRow, EditionState, FrozenEdition, KnownPost, Recipient, SavedEdition
from digest.outbox import REPEATS
from digest.store.basics import to_moment, to_seconds, to_seconds_up
from digest.store.inquiry import note_omissions
from digest.store.part import Part
from digest.store.queries import read_posts, select_posts
from digest.store.schema import begun, delivery, edition, edition_member, meta, post, post_category
from digest.store.sql import insert_many

SENT_UNTIL = "sent until"
"""Of a restored store: name of the value that says until when its successor may have sent."""
HELD = "the store was restored from a backup; it may have gone out since that was made"

_UNSEEN = (EditionState.SKIPPED, EditionState.CANCELLED)


class Editions(Part):
    """Satisfies ``ports.EditionStore``."""

    def begin(self, digest: str, now: datetime) -> None:
        with self._database.writing() as connection:
            newest = connection.scalar(select(func.coalesce(func.max(post.c.key), 0)))
            _insert_new(connection, begun, {"name": digest, "began_at": now, "began_after": newest})

    def newest_day(self, categories: Sequence[str] | None, now: datetime) -> datetime | None:
        query = (
            select(post.c.published)
            .where(*_standing(categories), post.c.published <= now)
            .order_by(post.c.published.desc())
            .limit(1)
        )
        with self._database.reading() as connection:
            return connection.scalar(query)

    def published_between(
        self, categories: Sequence[str] | None, start: datetime, end: datetime, *, not_in: str | None = None
    ) -> list[KnownPost]:
        query = select_posts().where(*_standing(categories), *_between(start, to_seconds_up(end) - 1))
        if not_in is not None:
            query = query.where(~_is_in_one_of(not_in))
        with self._database.reading() as connection:
            return _posts(connection, query)

    def candidates(
        self, digest: str, categories: Sequence[str] | None, oldest: datetime, now: datetime
    ) -> list[KnownPost]:
        began_after = select(begun.c.began_after).where(begun.c.name == digest).scalar_subquery()
        query = select_posts().where(
            *_standing(categories), *_between(oldest, to_seconds(now)), post.c.key > began_after, ~_is_in_one_of(digest)
        )
        with self._database.reading() as connection:
            return _posts(connection, query)

    def editions(self, digest: str, limit: int | None = None) -> list[SavedEdition]:
        query = (
            _SELECT_EDITIONS.where(edition.c.digest == digest, edition.c.state.not_in(_UNSEEN))
            .order_by(edition.c.period.desc(), edition.c.category)
            .limit(limit)
        )
        with self._database.reading() as connection:
            return [saved_edition(row) for row in connection.execute(query)]

    def edition_rows(self, digest: str, category: str = "") -> list[EditionRow]:
        columns = (edition.c.key, edition.c.period, edition.c.state, edition.c.subject, edition.c.frozen_at)
        members = select(func.count()).where(edition_member.c.edition_key == edition.c.key).scalar_subquery()
        query = (
            select(*columns, members.label("posts"))
            .where(edition.c.digest == digest, edition.c.category == category, edition.c.state.not_in(_UNSEEN))
            .order_by(edition.c.period.desc())
        )
        with self._database.reading() as connection:
            return [
                EditionRow(
                    key=row.key,
                    period=row.period,
                    state=EditionState(row.state),
                    subject=row.subject,
                    frozen_at=row.frozen_at,
                    posts=row.posts,
                )
                for row in connection.execute(query)
            ]

    def freeze(
        self,
        edition: FrozenEdition,
        recipients: Iterable[Recipient],
        variants: Sequence[tuple[FrozenEdition, Iterable[Recipient]]] = (),
        *,
        due: datetime | None = None,
    ) -> SavedEdition | None:
        with self._database.writing() as connection:
            held = due is not None and _may_be_sent(connection, due)
            key = save_edition(connection, edition, recipients, held=held)
            if key is None:
                return None
            for variant, readers in variants:
                save_edition(connection, variant, readers, held=held)
            note_omissions(connection, key, edition.digest, edition.frozen_at)
            if self._database.is_postgres:
                # Claims start at once; without counts the planner would sort the whole queue for each of them.
                connection.exec_driver_sql("ANALYZE edition, delivery")
            return saved_edition(connection.execute(select_edition(key)).one())

    def skipped_periods(self, digest: str, reason: str) -> set[str]:
        query = select(edition.c.period).where(
            edition.c.digest == digest,
            edition.c.category == "",
            edition.c.state == EditionState.SKIPPED.value,
            edition.c.reason == reason,
        )
        with self._database.reading() as connection:
            return set(connection.execute(query).scalars())

    def make_up(self, edition: FrozenEdition) -> SavedEdition | None:
        with self._database.writing() as connection:
            _drop_skipped(connection, edition)
            key = save_edition(connection, edition, (), state=EditionState.FINISHED)
            return None if key is None else saved_edition(connection.execute(select_edition(key)).one())

    def editions_since(self, digest: str, since: datetime, category: str = "") -> list[SavedEdition]:
        query = _SELECT_EDITIONS.where(
            edition.c.digest == digest,
            edition.c.category == category,
            edition.c.frozen_at >= to_moment(to_seconds_up(since)),
            edition.c.state.not_in(_UNSEEN),
        ).order_by(edition.c.frozen_at, edition.c.key)
        with self._database.reading() as connection:
            return [saved_edition(row) for row in connection.execute(query)]

    def posts_in(self, editions: Sequence[int]) -> dict[int, KnownPost]:
        held = select(edition_member.c.post_key).where(edition_member.c.edition_key.in_(list(editions)))
        with self._database.reading() as connection:
            return {found.key: found for found in read_posts(connection, select_posts().where(post.c.key.in_(held)))}

    def mark_page_published(self, key: int) -> None:
        slot = "(digest, period) = (SELECT digest, period FROM edition WHERE key = ?)"
        with self._database.changing() as plain:
            plain.run(f"UPDATE edition SET page_published = true WHERE {slot}", key)


# ------------------------------------------------------------------ posts


def _standing(categories: Sequence[str] | None) -> list[ColumnElement[bool]]:
    """Listed, not gone, of one of these categories."""
    conditions: list[ColumnElement[bool]] = [post.c.unlisted.is_(False), post.c.gone_at.is_(None)]
    if categories is not None:
        label = post_category.c
        conditions.append(
            select(label.name).where(label.post_key == post.c.key, label.name.in_(list(categories))).exists()
        )
    return conditions


def _between(first: datetime, last: int) -> tuple[ColumnElement[bool], ...]:
    """Published from ``first`` on, up to the second ``last`` with it."""
    published = post.c.published
    return (published >= to_moment(to_seconds_up(first)), published <= to_moment(last))


def _is_in_one_of(digest: str) -> ColumnElement[bool]:
    """The post is in an edition of this digest."""
    return (
        select(edition_member.c.post_key)
        .join_from(edition_member, edition)
        .where(edition_member.c.post_key == post.c.key, edition.c.digest == digest)
        .exists()
    )


def _posts(connection: Connection, query: Select[Any]) -> list[KnownPost]:
    return read_posts(connection, query.order_by(post.c.published.desc(), post.c.key))


# --------------------------------------------------------------- editions

_EDITION_COLUMNS = [column for column in edition.c if column.name != "reason"]
_SELECT_EDITIONS = select(*_EDITION_COLUMNS)


def select_edition(key: int) -> Select[Any]:
    return _SELECT_EDITIONS.where(edition.c.key == key)


def saved_edition(row: Any) -> SavedEdition:
    return SavedEdition(
        key=row.key,
        digest=row.digest,
        category=row.category,
        period=row.period,
        state=EditionState(row.state),
        subject=row.subject,
        html=row.html,
        text=row.text,
        document=row.document,
        frozen_at=row.frozen_at,
        send_after=row.send_after,
        expires_at=row.expires_at,
        page_published=row.page_published,
    )


def _drop_skipped(connection: Connection, frozen: FrozenEdition) -> None:
    """The record that there was no edition in the slot of this one: it has neither members nor deliveries."""
    columns = edition.c
    connection.execute(
        delete(edition).where(
            columns.digest == frozen.digest,
            columns.category == frozen.category,
            columns.period == frozen.period,
            columns.state == EditionState.SKIPPED.value,
        )
    )


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
    key = _save(connection, frozen, page_published=page_published, state=state)
    if key is not None:
        _save_members(connection, key, frozen)
        _queue(connection, key, frozen, recipients, held=held)
    return key


def _may_be_sent(connection: Connection, due: datetime) -> bool:
    """Whether this store was restored, and the one that was lost may have sent what was due then."""
    until = connection.scalar(select(meta.c.value).where(meta.c.name == SENT_UNTIL))
    return until is not None and to_seconds(due) <= int(until)


def _save(connection: Connection, frozen: FrozenEdition, *, page_published: bool, state: EditionState) -> int | None:
    """The new edition's key; None if the slot is taken."""
    key: int | None = _insert_new(
        connection,
        edition,
        {
            "digest": frozen.digest,
            "category": frozen.category,
            "period": frozen.period,
            "state": state.value,
            "reason": "",
            "frozen_at": frozen.frozen_at,
            "send_after": frozen.send_after,
            "expires_at": frozen.expires_at,
            "page_published": page_published,
            "subject": frozen.subject,
            "html": frozen.html,
            "text": frozen.text,
            "document": frozen.document,
        },
    )
    return key


def _save_members(connection: Connection, key: int, frozen: FrozenEdition) -> None:
    insert_many(
        connection,
        edition_member,
        ("edition_key", "post_key", "section", "position", "shown", "reason"),
        [
            (key, member.post_key, member.section, member.position, member.shown, member.reason)
            for member in frozen.members
        ],
    )


def _queue(
    connection: Connection, key: int, frozen: FrozenEdition, recipients: Iterable[Recipient], *, held: bool
) -> None:
    """A row for each recipient, some at a time: memory does not grow with their number. Each address once."""
    rows = iter(recipients)
    while chunk := list(islice(rows, _CHUNK)):
        insert_many(
            connection,
            delivery,
            _QUEUED_COLUMNS,
            [_queued_row(key, frozen, recipient, held=held) for recipient in chunk],
            or_ignore=True,
        )


_CHUNK = 1_000
_QUEUED_COLUMNS = (
    *("edition_key", "address", "message_id", "token", "state", "attempts", "doubts", "not_before", "lease"),
    *("reply_enhanced", "reply_text", "queue_id", "subscriber_key", "list_key", "expires_at"),
)


def _queued_row(key: int, frozen: FrozenEdition, recipient: Recipient, *, held: bool) -> tuple[Any, ...]:
    not_before = recipient.not_before or frozen.send_after
    expires_at = None if recipient.expires_at is None else to_seconds(recipient.expires_at)
    held = held and not_before <= frozen.send_after  # a reader whose hour is still to come has got nothing yet
    state, doubts = (DeliveryState.IN_DOUBT, REPEATS + 1) if held else (DeliveryState.QUEUED, 0)
    return (
        *(key, recipient.address, recipient.message_id, recipient.token, state.value, 0, doubts),
        *(to_seconds_up(not_before), 0, "", HELD if held else "", "", recipient.subscriber, recipient.list_key),
        expires_at,
    )


def _insert_new(connection: Connection, table: Table, values: dict[str, Any]) -> Any:
    """Insert one row unless its unique columns are taken; its key, or None."""
    dialect = import_module(f"sqlalchemy.dialects.{connection.dialect.name}")  # late: one of the two is not needed
    key = next(iter(table.primary_key))
    return connection.scalar(dialect.insert(table).values(values).on_conflict_do_nothing().returning(key))
