"""Whom an edition goes to, and whether a delivery of it may still be sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from digest.models import Delivery
from digest.store.database.basics import among, as_value, to_seconds
from digest.store.database.part import Part
from digest.store.subscribers.enrolment import PAGE
from digest.subscribers.subscription import EditionSubscriber, Frequency, ListState, Preferences

_STANDING = (
    "SELECT x.reason, s.key, s.pause_ends, p.state FROM (SELECT CAST(? AS TEXT) AS hash) asked "
    "LEFT JOIN suppression x ON x.hash = asked.hash LEFT JOIN subscriber s ON s.key = ? "
    "LEFT JOIN subscription p ON p.subscriber_key = s.key AND p.list_key = ?"
)
"""One row on one subscriber and one of their subscriptions; nothing in it where there is none."""


class Audience(Part):
    """Subscribers as the recipients of mail."""

    def has_subscribers(self, digest: str, frequencies: Sequence[Frequency]) -> bool:
        return self._has(f"SELECT 1 {_active(frequencies)} LIMIT 1", digest)

    def audience(self, digest: str, frequencies: Sequence[Frequency], now: datetime) -> Iterator[EditionSubscriber]:
        """Whom an edition goes to: active, not suppressed, not paused, not held; those with the same selection in a
        row. Some at a time, so that memory does not grow with their number."""
        question = (
            "SELECT p.selection, s.key, s.address, s.canonical, p.list_key, s.frequency, s.hour, s.zone, "
            f"s.paused_until {_active(frequencies)} AND (s.pause_ends IS NULL OR s.pause_ends <= ?) "
            "AND (s.held_until IS NULL OR (s.held_until <= ? AND s.probe_at IS NULL)) "
            "AND NOT EXISTS (SELECT 1 FROM suppression x WHERE x.hash = s.hash) "
            f"AND (p.selection, p.subscriber_key) > (?, ?) ORDER BY p.selection, p.subscriber_key LIMIT {PAGE}"
        )
        last, moment = ("", 0), to_seconds(now)
        while True:
            rows = self._rows(question, digest, moment, moment, *last)
            for selection, key, address, canonical, list_key, *wishes in rows:
                yield EditionSubscriber(
                    address=address,
                    canonical=canonical,
                    key=key,
                    list_key=list_key,
                    preferences=as_value(Preferences, wishes),
                    selection=selection,
                )
            if len(rows) < PAGE:
                return
            last = rows[-1][:2]

    def why_not(self, row: Delivery, hashed: str, now: datetime) -> str:
        """Why a delivery must not be sent any more; empty if it must."""
        [(reason, key, pause_ends, state)] = self._rows(_STANDING, hashed, row.subscriber, row.list_key)
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
    """Active subscriptions (``p``) to one digest, of subscribers (``s``) who want it that often."""
    return (
        "FROM subscription p JOIN subscriber s ON s.key = p.subscriber_key "
        "WHERE p.list_key = (SELECT key FROM reader_list WHERE digest = ?) "
        f"AND p.state = '{ListState.ACTIVE}' AND s.frequency IN ({among(frequencies)})"
    )
