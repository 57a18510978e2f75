"""Editions that stand still because servers refuse their mail, to everybody or to one receiver, and what is undone for
their subscribers."""

from __future__ import annotations

from datetime import datetime

from digest.models import MAIL, Answer, DeliveryState, EditionState, Reply, StoppedReceiver
from digest.outbox import OURS
from digest.store.database.basics import among, as_value, to_seconds
from digest.store.database.connection import Connection
from digest.store.database.part import Part
from digest.subscribers.subscription import DIALOGUE, SuppressionReason
from digest.text import clean_line

GROUP = "CASE WHEN {0}receiver = '' THEN {0}domain ELSE {0}receiver END"
"""As ``receivers.group_of``."""
_ITS_GROUP = GROUP.format("")
_COLUMNS = f"key, ended_at, state, {_ITS_GROUP}, reply_code, reply_enhanced, reply_text"
_LATEST = (
    f"SELECT {_COLUMNS} FROM delivery WHERE state = :state AND ended_at >= :since "
    f"AND +edition_key = :key AND channel = '{MAIL}'{{}} ORDER BY ended_at DESC, key DESC LIMIT :limit"
)
"""By the index of what ended last: the plus keeps SQLite from going through the whole edition instead."""
_OF_GROUP = f" AND {_ITS_GROUP} = :its_group"
_FOR_OTHERS = f"SELECT 1 FROM delivery WHERE edition_key = ? AND channel = '{MAIL}' AND {_ITS_GROUP} <> ? LIMIT 1"
_STOP = """
    INSERT INTO edition_stop (edition_key, receiver, reason, since, over) VALUES (?, ?, ?, ?, false)
    ON CONFLICT (edition_key, receiver) DO UPDATE SET reason = excluded.reason, since = excluded.since, over = false
    WHERE edition_stop.over = true"""
_PUT_OFF = (
    "UPDATE delivery SET not_before = coalesce(expires_at, "
    "(SELECT e.expires_at FROM edition e WHERE e.key = edition_key)) "
    f"WHERE edition_key = ? AND state = '{DeliveryState.QUEUED}' AND channel = '{MAIL}' AND {_ITS_GROUP} = ?"
)
"""What is stopped waits for a word, or for its end."""
_STOPPED = f"""
    SELECT e.key, e.digest, e.period, s.receiver, s.reason FROM edition_stop s JOIN edition e ON e.key = s.edition_key
    WHERE s.over = false AND e.state IN ('{EditionState.FROZEN}', '{EditionState.SENDING}'){{}}
    ORDER BY e.key, s.receiver"""
STOPPED_ONCE = f"""
    EXISTS (SELECT 1 FROM edition_stop s WHERE s.edition_key = d.edition_key AND s.receiver = {GROUP.format("d.")})"""
_PAUSE = "UPDATE edition SET state = ?, reason = ?, paused_at = ? WHERE key = ? AND state IN (?, ?)"
_OF_EDITION = "d.edition_key = ?"
_OF_ITS_GROUP = f"{_OF_EDITION} AND {GROUP.format('d.')} = ?"
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

    def answers(self, key: int, limit: int, group: str | None = None) -> list[Answer]:
        given = {"key": key, "limit": limit} | ({} if group is None else {"its_group": group})
        latest = _LATEST.format("" if group is None else _OF_GROUP)
        with self._database.asking() as connection:
            since = connection.value("SELECT coalesce(resumed_at, frozen_at) FROM edition WHERE key = ?", key)
            found = connection.rows(latest, state=DeliveryState.FAILED.value, since=since, **given)
            if group is not None and found:  # what was taken earlier than all of them changes nothing
                since = found[-1][1]
            found += connection.rows(latest, state=DeliveryState.SENT.value, since=since, **given)
        found.sort(key=lambda row: (row[1], row[0]), reverse=True)
        return [
            Answer(
                group=group,
                refusal=Reply(code=code, enhanced=enhanced, text=text) if state == DeliveryState.FAILED else None,
            )
            for _, _, state, group, code, enhanced, text in found[:limit]
        ]

    def is_for_others(self, key: int, group: str) -> bool:
        return self._has(_FOR_OTHERS, key, group)

    def stop_receiver(self, key: int, group: str, reason: str, now: datetime) -> bool:
        with self._database.changing() as connection:
            is_new = connection.change(_STOP, key, group, clean_line(reason), to_seconds(now)) == 1
            if is_new:
                connection.run(_PUT_OFF, key, group)
                _unlearn(connection, _OF_ITS_GROUP, key, group)
        return is_new

    def stopped_receivers(self, key: int | None = None) -> list[StoppedReceiver]:
        of = () if key is None else (key,)
        return [as_value(StoppedReceiver, row) for row in self._rows(_STOPPED.format(" AND e.key = ?" * len(of)), *of)]

    def pause_edition(self, key: int, reason: str, now: datetime) -> bool:
        stopped = (EditionState.PAUSED.value, clean_line(reason), to_seconds(now), key)
        with self._database.changing() as connection:
            is_paused = connection.change(_PAUSE, *stopped, EditionState.FROZEN.value, EditionState.SENDING.value) == 1
            if is_paused:
                _unlearn(connection, _OF_EDITION, key)
        return is_paused

    def resume_edition(self, key: int, now: datetime) -> int:
        with self._database.changing() as connection:
            goes_on = (EditionState.SENDING.value, to_seconds(now), key)
            is_paused = connection.change(_GO_ON, *goes_on, EditionState.PAUSED.value) == 1
            if connection.change("UPDATE edition_stop SET over = true WHERE edition_key = ? AND over = false", key):
                is_paused = connection.change(_GO_ON, *goes_on, EditionState.SENDING.value) == 1 or is_paused
            if not is_paused and connection.row(_NOT_OVER, key, to_seconds(now)) is None:
                return 0
            failed, waiting = DeliveryState.FAILED.value, DeliveryState.QUEUED.value
            chosen = (waiting, failed) if is_paused else (failed,)
            statement = _AGAIN if is_paused else _FAILED_AGAIN
            again = connection.change(statement, waiting, to_seconds(now), key, *chosen, *_OUR_FAULT)
            if again and not is_paused:
                connection.run(_GO_ON, *goes_on, EditionState.FINISHED.value)
            return again


def _unlearn(connection: Connection, chosen: str, *values: object) -> None:
    """What refusals of these deliveries of an edition led to, as far as servers said them while mail was handed
    over."""
    theirs = (*values, f"{DIALOGUE}%")
    hashes = f"SELECT r.hash FROM refusal r JOIN delivery d ON d.key = r.delivery_key WHERE {chosen} AND r.name LIKE ?"
    lift = f"DELETE FROM suppression WHERE reason = ? AND hash IN ({hashes})"
    connection.run(lift, SuppressionReason.BOUNCE.value, *theirs)
    connection.run(f"DELETE FROM finding WHERE hash IN ({hashes})", *theirs)
    deliveries = f"SELECT d.key FROM delivery d WHERE {chosen}"
    connection.run(f"DELETE FROM refusal WHERE delivery_key IN ({deliveries}) AND name LIKE ?", *theirs)
