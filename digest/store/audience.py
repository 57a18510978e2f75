"""Whom an edition goes to, and whether a delivery of it may still be sent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime

from digest.models import Delivery
from digest.store.basics import among, to_seconds
from digest.store.enrolment import PAGE, read_wishes
from digest.store.part import Part
from digest.subscribers.subscription import Frequency, ListState, Reader, choice_label

_STANDING = (
    "SELECT x.reason, s.key, s.pause_ends, p.state FROM (SELECT CAST(? AS TEXT) AS hash) asked "
    "LEFT JOIN suppression x ON x.hash = asked.hash LEFT JOIN subscriber s ON s.key = ? "
    "LEFT JOIN subscription p ON p.subscriber_key = s.key AND p.list_key = ?"
)
"""One row on one reader and one of their subscriptions; nothing in it where there is none."""


class Audience(Part):
    """Readers as the recipients of mail."""

    def labels(self, digest: str, frequencies: Sequence[Frequency]) -> list[tuple[str, ...]]:
        """The sets of categories that active readers of a digest chose, without the one of all."""
        chosen = f"SELECT min(p.categories) {_active(frequencies)} AND p.label <> '' GROUP BY p.label ORDER BY p.label"
        with self._database.asking() as plain:
            return [tuple(json.loads(categories)) for categories in plain.column(chosen, digest)]

    def has_readers(self, digest: str, frequencies: Sequence[Frequency]) -> bool:
        with self._database.asking() as plain:
            return plain.row(f"SELECT 1 {_active(frequencies)} LIMIT 1", digest) is not None

    def readers(
        self, digest: str, frequencies: Sequence[Frequency], categories: Sequence[str], now: datetime
    ) -> Iterator[Reader]:
        """Whom an edition goes to: active, not suppressed, not paused, not held. Some at a time, so that memory does
        not grow with their number."""
        question = (
            f"SELECT s.key, s.address, s.canonical, p.list_key, s.frequency, s.hour, s.zone, s.paused_until "
            f"{_active(frequencies)} AND p.label = ? AND (s.pause_ends IS NULL OR s.pause_ends <= ?) "
            "AND (s.held_until IS NULL OR (s.held_until <= ? AND s.probe_at IS NULL)) "
            "AND NOT EXISTS (SELECT 1 FROM suppression x WHERE x.hash = s.hash) "
            # PostgreSQL does not conclude the second from the first, and would merge from the first subscriber on
            f"AND p.subscriber_key > ? AND s.key > ? ORDER BY p.subscriber_key LIMIT {PAGE}"
        )
        last, moment = 0, to_seconds(now)
        while True:
            with self._database.asking() as plain:
                rows = plain.rows(question, digest, choice_label(categories), moment, moment, last, last)
            for key, address, canonical, list_key, *wishes in rows:
                yield Reader(
                    address=address, canonical=canonical, subscriber=key, list_key=list_key, wishes=read_wishes(*wishes)
                )
            if len(rows) < PAGE:
                return
            last = rows[-1][0]

    def why_not(self, row: Delivery, hashed: str, now: datetime) -> str:
        """Why a delivery must not be sent any more; empty if it must."""
        with self._database.asking() as plain:
            [(reason, key, pause_ends, state)] = plain.rows(_STANDING, hashed, row.subscriber, row.list_key)
        if reason is not None:
            return f"suppressed ({reason})"
        if row.subscriber is None:
            return ""
        if key is None:
            return "erased"
        if row.list_key is None:
            return ""
        if state != ListState.ACTIVE:
            return "unsubscribed"
        return "paused" if pause_ends is not None and pause_ends > to_seconds(now) else ""


def _active(frequencies: Sequence[Frequency]) -> str:
    """Active subscriptions (``p``) to one digest, of readers (``s``) who want it that often."""
    return (
        "FROM subscription p JOIN reader_list l ON l.key = p.list_key JOIN subscriber s ON s.key = p.subscriber_key "
        f"WHERE l.digest = ? AND p.state = '{ListState.ACTIVE}' AND s.frequency IN ({among(frequencies)})"
    )
