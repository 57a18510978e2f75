"""Editions that stand still because servers refuse their mail, and what is undone for their subscribers."""

from __future__ import annotations

from datetime import datetime

from digest.models import MAIL, DeliveryState, EditionState, Reply
from digest.outbox import OURS
from digest.store.database.basics import among, to_seconds
from digest.store.database.connection import Connection
from digest.store.database.part import Part
from digest.subscribers.subscription import DIALOGUE, SuppressionReason
from digest.text import clean_line

_COLUMNS = "key, ended_at, state, reply_code, reply_enhanced, reply_text"
_LATEST = (
    f"SELECT {_COLUMNS} FROM delivery WHERE state = ? AND ended_at >= ? "
    f"AND +edition_key = ? AND channel = '{MAIL}' ORDER BY ended_at DESC, key DESC LIMIT ?"
)
"""By the index of what ended last: the plus keeps SQLite from going through the whole edition instead."""
_PAUSE = "UPDATE edition SET state = ?, reason = ?, paused_at = ? WHERE key = ? AND state IN (?, ?)"
_BY_REFUSAL = (
    "SELECT r.hash FROM refusal r JOIN delivery d ON d.key = r.delivery_key WHERE d.edition_key = ? AND r.name LIKE ?"
)
_GO_ON = "UPDATE edition SET state = ?, reason = '', resumed_at = ? WHERE key = ? AND state = ?"
_NOT_OVER = (
    f"SELECT 1 FROM edition WHERE key = ? AND state IN ('{EditionState.SENDING}', '{EditionState.FINISHED}') "
    "AND expires_at > ?"
)
_REFUSED_FOR_US = (
    f"(state = ? AND (reply_verdict IN ({among(OURS)}) OR reply_verdict = '' AND "
    "(reply_enhanced LIKE ? OR reply_enhanced = ?)))"
)
_QUEUE = (
    f"UPDATE delivery SET state = ?, not_before = ?, ended_at = NULL WHERE edition_key = ? AND channel = '{MAIL}' AND "
)
_AGAIN = f"{_QUEUE} (state = ? OR {_REFUSED_FOR_US})"
_FAILED_AGAIN = f"{_QUEUE} {_REFUSED_FOR_US}"
_OUR_FAULT = ("5.7.%", "5.3.4")
"""The same of refusals that were kept without a verdict, by their enhanced codes (RFC 3463)."""


class Pauses(Part):
    """Part of ``ports.Ledger``."""

    def answers(self, key: int, limit: int) -> list[Reply | None]:
        with self._database.asking() as connection:
            since = connection.value("SELECT coalesce(resumed_at, 0) FROM edition WHERE key = ?", key)
            found = [
                row
                for state in (DeliveryState.SENT, DeliveryState.FAILED)
                for row in connection.rows(_LATEST, state.value, since, key, limit)
            ]
        found.sort(key=lambda row: (row[1], row[0]), reverse=True)
        return [
            Reply(code=code, enhanced=enhanced, text=text) if state == DeliveryState.FAILED else None
            for _, _, state, code, enhanced, text in found[:limit]
        ]

    def pause_edition(self, key: int, reason: str, now: datetime) -> bool:
        stopped = (EditionState.PAUSED.value, clean_line(reason), to_seconds(now), key)
        with self._database.changing() as connection:
            is_paused = connection.change(_PAUSE, *stopped, EditionState.FROZEN.value, EditionState.SENDING.value) == 1
            if is_paused:
                _unlearn(connection, key)
        return is_paused

    def resume_edition(self, key: int, now: datetime) -> int:
        with self._database.changing() as connection:
            goes_on = (EditionState.SENDING.value, to_seconds(now), key)
            is_paused = connection.change(_GO_ON, *goes_on, EditionState.PAUSED.value) == 1
            if not is_paused and connection.row(_NOT_OVER, key, to_seconds(now)) is None:
                return 0
            failed, waiting = DeliveryState.FAILED.value, DeliveryState.QUEUED.value
            chosen = (waiting, failed) if is_paused else (failed,)
            statement = _AGAIN if is_paused else _FAILED_AGAIN
            again = connection.change(statement, waiting, to_seconds(now), key, *chosen, *_OUR_FAULT)
            if again and not is_paused:
                connection.run(_GO_ON, *goes_on, EditionState.FINISHED.value)
            return again


def _unlearn(connection: Connection, key: int) -> None:
    """What refusals of an edition led to, as far as servers said them while mail was handed over."""
    theirs = (key, f"{DIALOGUE}%")
    lift = f"DELETE FROM suppression WHERE reason = ? AND hash IN ({_BY_REFUSAL})"
    connection.run(lift, SuppressionReason.BOUNCE.value, *theirs)
    connection.run(f"DELETE FROM finding WHERE hash IN ({_BY_REFUSAL})", *theirs)
    deliveries = "SELECT key FROM delivery WHERE edition_key = ?"
    connection.run(f"DELETE FROM refusal WHERE delivery_key IN ({deliveries}) AND name LIKE ?", *theirs)
