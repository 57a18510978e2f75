"""Addresses that refusals end, and the brake: when too many die of one cause at once, they wait for a word."""

from __future__ import annotations

from datetime import datetime, timedelta

from digest.models import Verdict
from digest.store.database.basics import as_value, to_seconds
from digest.store.database.connection import Connection
from digest.store.database.part import Part
from digest.subscribers.bounces import (
    MASS_OF_DOMAIN,
    MASS_WITHIN,
    Batch,
    BatchState,
    most_at_once,
)
from digest.subscribers.subscription import ListState, SuppressionReason

_SUPPRESS = "INSERT INTO suppression (hash, reason, since, note) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_LIST = f"SELECT count(DISTINCT subscriber_key) FROM subscription WHERE state = '{ListState.ACTIVE}'"
_LATELY = "SELECT count(*) FROM finding WHERE verdict = ? AND at > ? AND batch_key IS NULL"
_OPEN = f"""
    SELECT key FROM batch WHERE verdict = ? AND domain IN ('', ?) AND state = '{BatchState.OPEN}'
    ORDER BY key DESC LIMIT 1"""
_NOTE = """
    INSERT INTO finding (hash, at, verdict, domain, note, done, batch_key) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (hash) DO UPDATE SET at = excluded.at, verdict = excluded.verdict, domain = excluded.domain,
        note = excluded.note, done = excluded.done, batch_key = excluded.batch_key"""
_BATCHES = """
    SELECT b.key, b.verdict, b.domain, b.opened_at, b.state,
        (SELECT count(*) FROM finding f WHERE f.batch_key = b.key AND f.done = true),
        (SELECT count(*) FROM finding f WHERE f.batch_key = b.key AND f.done = false)
    FROM batch b"""
_KEPT = timedelta(days=60)


class Batches(Part):
    """Suppressions by refusals, all of them in one place: ingests and the dialogue together."""

    def condemn(self, hashed: str, verdict: Verdict, domain: str, note: str, now: datetime) -> int | None:
        """Never write to an address again because of what servers said: 1 if that is so from now on, 0 if it was so
        before. None if too many are to die of the same at once, so that this one waits in a batch."""
        with self._database.changing() as connection:
            if connection.row("SELECT 1 FROM suppression WHERE hash = ?", hashed) is not None:
                return 0
            batch = _batch_for(connection, verdict, domain, now)
            finding = (hashed, to_seconds(now), verdict.value, domain, note, batch is None, batch)
            connection.run(_NOTE, *finding)
            if batch is not None:
                return None
            return connection.change(_SUPPRESS, hashed, SuppressionReason.BOUNCE.value, to_seconds(now), note)

    def batches(self, *, only_open: bool = False) -> list[Batch]:
        """The newest first, with how many they suppressed and how many they hold back."""
        condition = f" WHERE b.state = '{BatchState.OPEN}'" if only_open else ""
        return [as_value(Batch, row) for row in self._rows(f"{_BATCHES}{condition} ORDER BY b.key DESC")]

    def batch_of(self, hashed: str) -> Batch | None:
        """The batch that an address is in, if there is one."""
        row = self._row(f"{_BATCHES} WHERE b.key = (SELECT batch_key FROM finding WHERE hash = ?)", hashed)
        return None if row is None else as_value(Batch, row)

    def accept_batch(self, key: int, now: datetime) -> int | None:
        """What waits in a batch is suppressed. Returns how many; None if there is no such batch that waits."""
        with self._database.changing() as connection:
            if not _turn(connection, key, BatchState.ACCEPTED, (BatchState.OPEN,)):
                return None
            waiting = connection.rows("SELECT hash, note FROM finding WHERE batch_key = ? AND done = false", key)
            reason, since = SuppressionReason.BOUNCE.value, to_seconds(now)
            count = sum(connection.change(_SUPPRESS, hashed, reason, since, note) for hashed, note in waiting)
            connection.run("UPDATE finding SET done = true WHERE batch_key = ?", key)
            return count

    def undo_batch(self, key: int) -> int | None:
        """What a batch did is given back, and the refusals that led there are forgotten. Returns how many suppressions
        were lifted; None if there is no such batch, or it was undone before."""
        with self._database.changing() as connection:
            if not _turn(connection, key, BatchState.UNDONE, (BatchState.OPEN, BatchState.ACCEPTED)):
                return None
            theirs = "(SELECT hash FROM finding WHERE batch_key = ?)"
            lifted = connection.change(
                f"DELETE FROM suppression WHERE reason = ? AND hash IN {theirs}", SuppressionReason.BOUNCE.value, key
            )
            connection.run(f"DELETE FROM refusal WHERE blame <> 'complaint' AND hash IN {theirs}", key)
            connection.run("DELETE FROM finding WHERE batch_key = ?", key)
            return lifted

    def forget_findings(self, now: datetime) -> None:
        """What is long past."""
        with self._database.changing() as connection:
            connection.run("DELETE FROM finding WHERE at < ? AND batch_key IS NULL", to_seconds(now - MASS_WITHIN))
            old = f"state <> '{BatchState.OPEN}' AND opened_at < ?"
            gone = to_seconds(now - _KEPT)
            connection.run(f"DELETE FROM finding WHERE batch_key IN (SELECT key FROM batch WHERE {old})", gone)
            connection.run(f"DELETE FROM batch WHERE {old}", gone)


def _batch_for(connection: Connection, verdict: Verdict, domain: str, now: datetime) -> int | None:
    """The batch that this one has to wait in, made now if it is one too many; None if it has not."""
    found = connection.value(_OPEN, verdict.value, domain)
    if found is not None:
        return int(found)
    since = to_seconds(now - MASS_WITHIN)
    most = most_at_once(int(connection.value(_LIST)))
    if int(connection.value(_LATELY, verdict.value, since)) + 1 > most:
        return _open(connection, verdict, "", since, now)
    if int(connection.value(f"{_LATELY} AND domain = ?", verdict.value, since, domain)) + 1 > MASS_OF_DOMAIN:
        return _open(connection, verdict, domain, since, now)
    return None


def _open(connection: Connection, verdict: Verdict, domain: str, since: int, now: datetime) -> int:
    """A batch, and in it those of the last day that led to it."""
    row = connection.row(
        "INSERT INTO batch (verdict, domain, opened_at, state) VALUES (?, ?, ?, ?) RETURNING key",
        *(verdict.value, domain, to_seconds(now), BatchState.OPEN.value),
    )
    key = int(row[0]) if row is not None else 0
    theirs, values = ("", ()) if not domain else (" AND domain = ?", (domain,))
    connection.run(
        f"UPDATE finding SET batch_key = ? WHERE verdict = ? AND at > ? AND batch_key IS NULL{theirs}",
        *(key, verdict.value, since, *values),
    )
    return key


def _turn(connection: Connection, key: int, into: BatchState, before: tuple[BatchState, ...]) -> bool:
    states = ", ".join(f"'{each}'" for each in before)
    return connection.change(f"UPDATE batch SET state = ? WHERE key = ? AND state IN ({states})", into.value, key) == 1
