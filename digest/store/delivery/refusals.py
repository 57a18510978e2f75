"""Addresses that must not be written to, and the bounces that lead there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from digest.models import DeliveryState, Verdict
from digest.outbox import refusal
from digest.store.database.basics import among, to_moment, to_seconds
from digest.store.database.connection import Connection
from digest.store.database.part import Part
from digest.store.delivery.pauses import STOPPED_ONCE
from digest.subscribers.bounces import PROBE_COUNTS, Mark
from digest.subscribers.subscription import DIALOGUE, Addressee, RefusedDelivery, SuppressionReason

_KNOWN_ADDRESS = "d.address <> '' AND d.address NOT LIKE 'gone:%'"
_ADDRESSEE = "d.key, d.address, d.subscriber_key, e.frozen_at, s.held_until"
_JOINED = (
    """FROM delivery d JOIN edition e ON e.key = d.edition_key LEFT JOIN subscriber s ON s.key = d.subscriber_key"""
)
_OF_TOKEN = f"""
    SELECT {_ADDRESSEE} {_JOINED} WHERE d.token IN (?, ?) AND e.frozen_at > ? AND {_KNOWN_ADDRESS} LIMIT 1"""
_OF_SUBSCRIBER = f"""
    SELECT {_ADDRESSEE} {_JOINED} WHERE d.subscriber_key = ? AND e.frozen_at > ? AND {_KNOWN_ADDRESS}
    ORDER BY d.key DESC LIMIT 1"""
_RECORD = """
    INSERT INTO refusal (name, hash, delivery_key, at, blame, status, text) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO NOTHING RETURNING key"""
_ARRIVED = f"""
    UPDATE delivery SET state = '{DeliveryState.SENT}', ended_at = ?, reply_text = 'a report about it came back'
    WHERE key = ? AND state = '{DeliveryState.IN_DOUBT}'"""
_MARKS = f"SELECT blame, at FROM refusal WHERE hash = ? AND blame IN ({among(Verdict)}) ORDER BY at, key"
_TRIED = """
    UPDATE subscriber SET probe_at = (
        SELECT max(e.frozen_at) FROM edition e JOIN delivery d ON d.edition_key = e.key
        WHERE d.subscriber_key = subscriber.key AND d.list_key IS NOT NULL AND e.frozen_at >= subscriber.held_until)
    WHERE held_until <= ? AND probe_at IS NULL"""
_REFUSED = f"""
    SELECT {_ADDRESSEE}, d.reply_code, d.reply_enhanced, d.reply_text, d.reply_verdict {_JOINED}
    WHERE {{}} AND e.paused_at IS NULL AND NOT {STOPPED_ONCE}
        AND d.subscriber_key IS NOT NULL AND d.reply_code IS NOT NULL
        AND d.reply_step IN ('', 'rcpt') AND {_KNOWN_ADDRESS}
        AND NOT EXISTS (SELECT 1 FROM refusal r WHERE r.name = '{DIALOGUE}' || d.key || CAST(? AS TEXT))
    ORDER BY d.key"""
_FOR_GOOD = f"d.state = '{DeliveryState.FAILED}' AND d.ended_at > ?"
_FOR_NOW = (
    f"d.state IN ({among((DeliveryState.QUEUED, DeliveryState.EXPIRED))}) AND e.frozen_at > ? "
    f"AND (d.reply_verdict = '{Verdict.FULL}' OR d.reply_verdict = '' AND d.reply_enhanced LIKE '4.2.%')"
)


class Refusals(Part):
    """Suppressions, bounces and complaints."""

    # --------------------------------------------------------- suppression

    def suppress(self, hashed: str, reason: SuppressionReason, note: str, now: datetime) -> bool:
        """Never write to an address again. False if that was so before; the first reason stays."""
        add = "INSERT INTO suppression (hash, reason, since, note) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
        return self._change(add, hashed, reason.value, to_seconds(now), note) == 1

    def unsuppress(self, hashed: str) -> bool:
        """Lift it, and forget the bounces that led to it. False if there was none."""
        with self._database.changing() as connection:
            connection.run("DELETE FROM refusal WHERE hash = ?", hashed)
            connection.run("DELETE FROM finding WHERE hash = ?", hashed)
            return connection.change("DELETE FROM suppression WHERE hash = ?", hashed) == 1

    def suppressed(self, hashed: str) -> tuple[SuppressionReason, datetime, str] | None:
        """Why, since when, and the note."""
        row = self._row("SELECT reason, since, note FROM suppression WHERE hash = ?", hashed)
        return None if row is None else (SuppressionReason(row[0]), to_moment(row[1]), row[2])

    # ------------------------------------------------------------- bounces

    def addressee(self, token: str, since: datetime) -> Addressee | None:
        """Whom the delivery with this token went to, if its edition was made after ``since``. A server may have
        changed the case of letters."""
        return self._addressee(_OF_TOKEN, token, token.lower(), to_seconds(since))

    def latest_to(self, subscriber_key: int, since: datetime) -> Addressee | None:
        """The latest delivery to a subscriber, if its edition was made after ``since``."""
        return self._addressee(_OF_SUBSCRIBER, subscriber_key, to_seconds(since))

    def list_of(self, to: Addressee) -> int | None:
        """The key of the list that a delivery went to."""
        key: int | None = self._value("SELECT list_key FROM delivery WHERE key = ?", to.delivery)
        return key

    def subscriber_of(self, hashed: str) -> int | None:
        """The key of whoever has an address."""
        key: int | None = self._value("SELECT key FROM subscriber WHERE hash = ?", hashed)
        return key

    def _addressee(self, question: str, *values: Any) -> Addressee | None:
        row = self._row(question, *values)
        return None if row is None else _addressee(*row)

    def record_refusal(
        self, to: Addressee, hashed: str, *, name: str, verdict: str, status: str, text: str, now: datetime
    ) -> bool:
        """Keep a bounce or complaint. False if the same report is known. A delivery in doubt did arrive, it turns
        out."""
        moment = to_seconds(now)
        with self._database.changing() as connection:
            if connection.row(_RECORD, name, hashed, to.delivery, moment, verdict, status, text) is None:
                return False
            connection.run(_ARRIVED, moment, to.delivery)
        return True

    def arrived(self, to: Addressee, now: datetime) -> bool:
        """A report says that the message came through. True if that ends a doubt."""
        return self._change(_ARRIVED, to_seconds(now), to.delivery) == 1

    def marks(self, hashed: str) -> list[Mark]:
        """Refusals of an address, oldest first."""
        return [Mark(verdict=Verdict(verdict), at=to_moment(at)) for verdict, at in self._rows(_MARKS, hashed)]

    def hold(self, hashed: str, until: datetime) -> None:
        """No mail to this subscriber until then; one is tried afterwards."""
        self._change("UPDATE subscriber SET held_until = ?, probe_at = NULL WHERE hash = ?", to_seconds(until), hashed)

    def look_after_probes(self, now: datetime) -> None:
        """Note who has got the one mail after a hold; let go of those from whom nothing came back."""
        with self._database.asking() as connection:
            if connection.row("SELECT 1 FROM subscriber WHERE held_until IS NOT NULL LIMIT 1") is None:
                return
        with self._database.changing() as connection:
            connection.run(_TRIED, to_seconds(now))
            free = "UPDATE subscriber SET held_until = NULL, probe_at = NULL WHERE probe_at <= ?"
            connection.run(free, to_seconds(now - PROBE_COUNTS))

    def refused(self, now: datetime, within: timedelta) -> Iterator[RefusedDelivery]:
        """Deliveries to subscribers that a server refused in the dialogue and that were not looked at yet: for good,
        or for now because the mailbox is full, once a day. Those of a message, and those of an edition that was ever
        paused, say nothing about subscribers."""
        today = f" {now.date().isoformat()}"
        for condition, since, ending in (
            (_FOR_GOOD, now - within, ""),
            (_FOR_NOW, now - timedelta(days=2), today),
        ):
            with self._database.asking() as connection:
                rows = _refusals(connection, condition, since, ending)
            for *who, code, enhanced, text, told in rows:
                to = _addressee(*who)
                name = f"{DIALOGUE}{to.delivery}{ending}"
                verdict = Verdict(told) if told else refusal(code, enhanced, text)
                yield RefusedDelivery(
                    to=to, name=name, code=code, enhanced=enhanced, text=text, verdict=verdict, at=now
                )


def _refusals(connection: Connection, condition: str, since: datetime, ending: str) -> list[tuple[Any, ...]]:
    return connection.rows(_REFUSED.format(condition), to_seconds(since), ending)


def _addressee(key: int, address: str, subscriber: int | None, frozen_at: int, held_until: int | None) -> Addressee:
    """Of ``_ADDRESSEE``. A mail that was made after a hold tries whether the mailbox works again."""
    return Addressee(
        delivery=key,
        address=address,
        subscriber=subscriber,
        frozen_at=to_moment(frozen_at),
        probe=held_until is not None and frozen_at >= held_until,
    )
