"""Forgetting one person: in every table, and in the bytes of the database's files.

A row that is deleted is gone from SQLite's tables at once, and from its files later: ``secure_delete`` overwrites it
there, the write-ahead log keeps the page as it was until it is emptied, and pages that were rearranged may keep copies.
So the log is emptied, the file is looked through, and written anew if anything is left. Until that has worked a mark
says that it is to be done (by the next run, if need be), without saying for whom.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import datetime

from digest.errors import StoreError
from digest.models import DeliveryState
from digest.outbox import masked
from digest.store.database.basics import to_seconds
from digest.store.database.connection import Connection
from digest.store.database.part import Part, write_meta
from digest.subscribers.subscription import FORGOTTEN, Traces

_TEXTS = (
    ("run", "report"),
    ("alarm", "text"),
    ("alarm", "end_text"),
    ("edition", "reason"),
    ("delivery", "reply_text"),
    ("refusal", "text"),
    ("suppression", "note"),
)
"""Words that somebody wrote, who may have named an address."""
_MARK = "to_scrub"
NOBODY = f"address = '{FORGOTTEN}' || CAST(key AS TEXT), domain = '', receiver = '', reply_text = ''"
"""Makes it a delivery without whom it went to; its key keeps it apart from others of its edition."""


class Erasing(Part):
    """Satisfies ``jobs.subscribers.erasing.ErasingStore``."""

    def traces(self, key: int) -> Traces | None:
        """What leads to one person outside of the tables. None if there is no such subscriber."""
        with self._database.asking() as connection:
            return _traces(connection, key)

    def erase(self, key: int, now: datetime) -> Traces | None:
        """Forget one person, in one transaction. What was sent stays as counts; what waits or is about to be sent is
        not; a suppression stays, for it holds no address. None if there is no such subscriber."""
        with self._database.changing() as connection:
            found = _traces(connection, key)
            if found is not None:
                _forget_mail(connection, key, now)
                _forget_rows(connection, key, found.addresses)
                _mask_words(connection, found.addresses)
                write_meta(connection, _MARK, "1")
        return found

    def under_way(self, deliveries: Collection[int]) -> bool:
        """Whether one of these is just being handed over."""
        with self._database.asking() as connection:
            question = f"SELECT 1 FROM delivery WHERE state = ? AND key {connection.is_one_of} LIMIT 1"
            return connection.row(question, DeliveryState.TRANSMITTING.value, connection.listed(deliveries)) is not None

    def scrub(self, addresses: Collection[str]) -> bool:
        """Take what was deleted, and names one of these addresses, out of the database's files. False if others were
        using them all the time. Raises StoreError. What a server keeps until it cleans up is its own business."""
        if not self._database.scrub(addresses):
            return False
        self._change("DELETE FROM meta WHERE name = ?", _MARK)
        return True

    def finish_scrubbing(self) -> None:
        """Do what could not be done when somebody was erased; if it still cannot, the next run tries again."""
        if self._meta(_MARK) is not None:
            with suppress(StoreError):
                self.scrub(())


def _traces(connection: Connection, key: int) -> Traces | None:
    found = connection.row("SELECT address, canonical FROM subscriber WHERE key = ?", key)
    if found is None:
        return None
    mine = [row[0] for table in ("errand", "delivery", "consent") for row in _addresses(connection, table, key)]
    mine += [row[0] for row in connection.rows("SELECT address FROM consent WHERE canonical = ?", found[1])]
    sent = connection.rows("SELECT key, message_id, state FROM delivery WHERE subscriber_key = ?", key)
    return Traces(
        addresses=tuple(dict.fromkeys(each for each in (*found, *mine) if each and not each.startswith(FORGOTTEN))),
        message_ids=tuple(row[1] for row in sent),
        under_way=tuple(row[0] for row in sent if row[2] == DeliveryState.TRANSMITTING.value),
    )


def _addresses(connection: Connection, table: str, key: int) -> list[tuple[str | None]]:
    return connection.rows(f"SELECT DISTINCT address FROM {table} WHERE subscriber_key = ?", key)


def _forget_mail(connection: Connection, key: int, now: datetime) -> None:
    """Whoever is about to send it finds that it is not theirs any more, right before the last moment."""
    waiting = (DeliveryState.QUEUED.value, DeliveryState.LEASED.value)
    connection.run(
        "UPDATE delivery SET state = ?, ended_at = ? WHERE subscriber_key = ? AND state IN (?, ?)",
        *(DeliveryState.SKIPPED.value, to_seconds(now), key, *waiting),
    )
    connection.run(f"UPDATE delivery SET {NOBODY}, subscriber_key = NULL WHERE subscriber_key = ?", key)


def _forget_rows(connection: Connection, key: int, addresses: Iterable[str]) -> None:
    canonical, hashed = connection.rows("SELECT canonical, hash FROM subscriber WHERE key = ?", key)[0]
    for table in ("subscription", "errand", "omission"):
        connection.run(f"DELETE FROM {table} WHERE subscriber_key = ?", key)
    connection.run(f"DELETE FROM errand WHERE address {connection.is_one_of}", connection.listed(addresses))
    connection.run("DELETE FROM consent WHERE subscriber_key = ? OR canonical = ?", key, canonical)
    connection.run("DELETE FROM refusal WHERE hash = ?", hashed)
    connection.run("DELETE FROM finding WHERE hash = ?", hashed)
    connection.run("DELETE FROM attempt WHERE who = ?", hashed)
    connection.run("DELETE FROM subscriber WHERE key = ?", key)


def _mask_words(connection: Connection, addresses: Iterable[str]) -> None:
    """Reports and the like mask addresses by themselves; this is for what slipped through."""
    for address in addresses:
        for spelt in dict.fromkeys((address, json.dumps(address)[1:-1])):
            pattern = f"%{spelt.replace('!', '!!').replace('%', '!%').replace('_', '!_')}%"
            for table, column in _TEXTS:
                connection.run(
                    f"UPDATE {table} SET {column} = replace({column}, ?, ?) WHERE {column} LIKE ? ESCAPE '!'",
                    *(spelt, masked(address), pattern),
                )
