"""Editions that wait for the operator's approval: what they are so far, and what was said about them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from digest.edition.approval import NOT_APPROVED
from digest.models import Approval, EditionRow, EditionState, FrozenEdition, Recipient
from digest.store.database.basics import as_value, to_seconds
from digest.store.database.part import Part
from digest.store.editions.editions import save_edition
from digest.store.monitoring.status_queries import end_approval

_COLUMNS = (
    "key, digest, period, first_day, began_at, until, otherwise, seen, subject, readers, posts, approved_at, ended_at"
)
_SELECT = f"SELECT {_COLUMNS} FROM approval"
_BEGIN = """
    INSERT INTO approval (digest, period, first_day, began_at, until, otherwise, seen, subject, readers, posts, html)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (digest, period) DO UPDATE SET first_day = excluded.first_day,
        began_at = excluded.began_at, until = excluded.until, otherwise = excluded.otherwise, seen = excluded.seen,
        subject = excluded.subject, readers = excluded.readers, posts = excluded.posts, html = excluded.html,
        approved_at = NULL, ended_at = NULL RETURNING key"""
_RENEW = (
    "UPDATE approval SET seen = ?, subject = ?, readers = ?, posts = ?, html = ? WHERE key = ? AND ended_at IS NULL "
    "AND approved_at IS NULL"
)
_UNAPPROVED = f"""
    SELECT a.key, a.period, coalesce(e.state, '{EditionState.BUILDING}'), a.subject, coalesce(e.frozen_at, a.began_at),
        a.posts FROM approval a LEFT JOIN edition e ON e.digest = a.digest AND e.period = a.period
    WHERE a.digest = ?
        AND ((e.key IS NULL AND a.ended_at IS NULL) OR (e.state = '{EditionState.SKIPPED}' AND e.reason = ?))
    ORDER BY a.period DESC"""
_IS_DUE = "SELECT 1 FROM approval WHERE ended_at IS NULL AND (approved_at IS NOT NULL OR until <= ?) LIMIT 1"


class Approvals(Part):
    """Part of ``ports.EditionStore``."""

    def open_approvals(self, digest: str | None = None) -> list[Approval]:
        of = () if digest is None else (digest,)
        question = f"{_SELECT} WHERE ended_at IS NULL{' AND digest = ?' * len(of)} ORDER BY until, key"
        return [_approval(row) for row in self._rows(question, *of)]

    def approval(self, key: int) -> Approval | None:
        row = self._row(f"{_SELECT} WHERE key = ?", key)
        return None if row is None else _approval(row)

    def approval_of(self, digest: str, period: str) -> Approval | None:
        """That of an edition, open or not."""
        row = self._row(f"{_SELECT} WHERE digest = ? AND period = ?", digest, period)
        return None if row is None else _approval(row)

    def approval_html(self, key: int) -> str:
        """The mail as it would go; empty when it is over."""
        return self._value("SELECT html FROM approval WHERE key = ?", key) or ""

    def unapproved_rows(self, digest: str) -> list[EditionRow]:
        rows = self._rows(_UNAPPROVED, digest, NOT_APPROVED)
        return [as_value(EditionRow, (*row[:-1], len(json.loads(row[-1])))) for row in rows]

    def begin_approval(
        self, approval: Approval, html: str, notice: tuple[FrozenEdition, Recipient] | None = None
    ) -> int:
        with self._database.changing() as connection:
            began = (to_seconds(approval.began_at), to_seconds(approval.until), approval.otherwise.value)
            key: int = connection.value(
                _BEGIN, approval.digest, approval.period, approval.first_day, *began, *_contents(approval), html
            )
            if notice is not None:
                frozen, to = notice
                document = json.dumps(json.loads(frozen.document) | {"approval": key})
                save_edition(connection, replace(frozen, document=document), (to,), page_published=True)
        return key

    def renew_approval(self, approval: Approval, html: str) -> None:
        self._change(_RENEW, *_contents(approval), html, approval.key)

    def approve(self, key: int, now: datetime, seen: str | None = None) -> bool:
        same = () if seen is None else (seen,)
        change = "UPDATE approval SET approved_at = ? WHERE key = ? AND ended_at IS NULL AND approved_at IS NULL"
        return self._change(change + " AND seen = ?" * len(same), to_seconds(now), key, *same) == 1

    def end_approvals(self, approvals: Sequence[Approval], now: datetime) -> None:
        with self._database.changing() as connection:
            for each in approvals:
                end_approval(connection, each.digest, each.period, now)

    def is_approval_due(self, now: datetime) -> bool:
        """Whether an edition was approved, or its time is over."""
        return self._has(_IS_DUE, to_seconds(now))


def _contents(approval: Approval) -> tuple[object, ...]:
    return approval.seen, approval.subject, approval.readers, json.dumps(approval.posts)


def _approval(row: tuple[object, ...]) -> Approval:
    posts = json.loads(str(row[10]))
    return as_value(Approval, (*row[:10], posts, *row[11:]))
