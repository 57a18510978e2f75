"""Setting right what is dated later than the present: a clock that was ahead left it, or ``--as-of``.

What has happened cannot have happened later than now; what is to happen cannot lie further ahead than it ever does.
Everything that is found is corrected in one transaction. Whether the present clock can be believed is decided before
(``clocks``). Statements as text (``connection``): most runs only hear that there is nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace

from digest.clocks import GivenUp, Reach, RunTimes
from digest.models import DeliveryState, EditionState
from digest.store.database.basics import SENT_UNTIL, to_moment, to_seconds
from digest.store.database.connection import Connection
from digest.store.database.part import Part, write_meta
from digest.store.monitoring.status_queries import keep_outage, outages

_TOLERATED = 60
"""Seconds: clocks of machines that work together differ a little."""
_HOUR_AHEAD = 25 * 3600
"""A subscriber's next hour is no further away, also on a day on which clocks change."""
_DAY = 86_400
_RUNS = 20
_META = "SELECT value FROM meta WHERE name = ?"

_SKIPPED = f"state = '{EditionState.SKIPPED}'"
_UNDER_WAY = f"state IN ('{EditionState.FROZEN}', '{EditionState.SENDING}', '{EditionState.PAUSED}')"
_QUEUED = f"state = '{DeliveryState.QUEUED}'"
_LEASED, _TRANSMITTING = f"state = '{DeliveryState.LEASED}'", f"state = '{DeliveryState.TRANSMITTING}'"
_ENDED = (DeliveryState.SENT, DeliveryState.EXPIRED)
_OPEN = (
    f"state IN ('{DeliveryState.QUEUED}', '{DeliveryState.LEASED}', '{DeliveryState.TRANSMITTING}', "
    f"'{DeliveryState.IN_DOUBT}')"
)
_GIVEN_UP_AHEAD = f"{_SKIPPED} AND (frozen_at > ? OR send_after < frozen_at)"
_LISTED_AHEAD = "unlisted = false AND retired = false AND first_seen > ?"

_SIGNS = (
    ("run WHERE started_at > ?", _TOLERATED),
    (f"edition WHERE {_GIVEN_UP_AHEAD}", 0),
    (f"edition WHERE {_UNDER_WAY} AND send_after > ?", _TOLERATED),
    (f"post WHERE {_LISTED_AHEAD}", _TOLERATED),
    ("digest WHERE began_at > ?", _TOLERATED),
    ("approval WHERE ended_at IS NULL AND began_at > ?", _TOLERATED),
    ("attempt WHERE at > ?", _TOLERATED),
    *((f"delivery WHERE state = '{state}' AND ended_at > ?", _TOLERATED) for state in _ENDED),
    (f"delivery WHERE {_QUEUED} AND not_before > ?", _HOUR_AHEAD + _TOLERATED),
    (f"delivery WHERE {_LEASED} AND lease_until > ?", 3600),
    (f"delivery WHERE {_TRANSMITTING} AND lease_until > ?", 3600),
)
"""Where it shows that there is something, each by an index, and how many seconds ahead is nothing yet."""
_IS_AHEAD = "SELECT " + " OR ".join(f"EXISTS (SELECT 1 FROM {rows})" for rows, _ in _SIGNS)

_HAPPENED = (
    *(("run", "started_at"), ("run", "ended_at"), ("digest", "began_at")),
    *(("post", "collected_at"), ("post", "gone_at"), ("absence", "since")),
    *(("delivery", "ended_at"), ("alarm", "raised_at"), ("alarm", "ended_at")),
    *(("subscriber", "created_at"), ("subscriber", "probe_at"), ("subscription", "since"), ("suppression", "since")),
    *(("consent", "asked_at"), ("consent", "confirmed_at"), ("errand", "asked_at"), ("errand", "used_at")),
    *(("refusal", "at"), ("attempt", "at"), ("edition", "paused_at"), ("edition", "resumed_at")),
)
"""Moments at which something took place."""

_ITS_EDITION = "(SELECT edition.expires_at FROM edition WHERE edition.key = delivery.edition_key)"
_ENDS = f"coalesce(expires_at, {_ITS_EDITION})"
_HAS_HOUR = (
    "(attempts = 0 AND EXISTS (SELECT 1 FROM subscriber WHERE subscriber.key = delivery.subscriber_key "
    "AND subscriber.hour IS NOT NULL) AND delivery.list_key IS NOT NULL)"
)
_WHOLE_DAYS = f"((not_before - ? - 1) / {_DAY}) * {_DAY}"
"""As many as bring it to within a day of now; a subscriber's hour stays what it is."""


class Ahead(Part):
    """What ``jobs.wrong_clock`` asks of the store."""

    def is_ahead(self, now: datetime) -> bool:
        """Whether anything is dated later than it can be."""
        moment = to_seconds(now)
        return bool(self._value(_IS_AHEAD, *(moment + seconds for _, seconds in _SIGNS)))

    def run_times(self, now: datetime) -> RunTimes:
        """When runs began, before and after ``now``."""
        moment = to_seconds(now)
        with self._database.asking() as connection:
            before = connection.value("SELECT max(started_at) FROM run WHERE started_at < ?", moment)
            latest = connection.value("SELECT max(started_at) FROM run")
            ahead = connection.rows(
                "SELECT started_at FROM run WHERE started_at > ? ORDER BY started_at LIMIT ?", moment, _RUNS
            )
        return RunTimes(
            before=None if before is None else to_moment(before),
            ahead=[to_moment(seconds) for (seconds,) in ahead],
            latest=None if latest is None else to_moment(latest),
        )

    def given_up_ahead(self, now: datetime) -> list[GivenUp]:
        """Periods without an edition that a run decided about which stood for a later time than ``now``, or than it
        was then."""
        question = (
            f"SELECT digest, period, frozen_at, send_after FROM edition WHERE {_GIVEN_UP_AHEAD} ORDER BY digest, period"
        )
        rows = self._rows(question, to_seconds(now))
        return [
            GivenUp(digest=digest, period=period, at=to_moment(at), decided=to_moment(decided))
            for digest, period, at, decided in rows
        ]

    def reopen(self, slots: Sequence[GivenUp]) -> None:
        """Forget that these periods have no edition; of the others, that they were decided about early."""
        with self._database.changing() as connection:
            connection.run_many(
                f"DELETE FROM edition WHERE digest = ? AND period = ? AND {_SKIPPED}",
                [(slot.digest, slot.period) for slot in slots],
            )
            connection.run(f"UPDATE edition SET send_after = frozen_at WHERE {_SKIPPED} AND send_after < frozen_at")

    def set_right(self, now: datetime, reach: Reach) -> None:
        """Bring every other time back to where it can be, at the latest."""
        moment = to_seconds(now)
        with self._database.changing() as connection:
            _posts(connection, moment)
            for table, column in _HAPPENED:
                if (table, column) != ("delivery", "ended_at"):
                    connection.run(f"UPDATE {table} SET {column} = ? WHERE {column} > ?", moment, moment)
            connection.run("DELETE FROM approval WHERE ended_at IS NULL AND began_at > ?", moment)
            _editions(connection, moment)
            _deliveries(connection, moment, reach)
            _waits(connection, moment, reach)


def _posts(connection: Connection, now: int) -> None:
    """When posts came in decides what feeds hold."""
    late = "SELECT key FROM post WHERE first_seen > ?"
    if connection.row(f"{late} LIMIT 1", now) is not None:
        connection.run(
            "UPDATE archive SET dirty = true WHERE number IN (SELECT archive FROM post WHERE first_seen > ?)", now
        )
        for labels in ("post_category", "post_tag"):
            connection.run(f"UPDATE {labels} SET first_seen = ? WHERE post_key IN ({late})", now, now)
        connection.run("UPDATE post SET first_seen = ? WHERE first_seen > ?", now, now)
        connection.run("UPDATE feed SET dirty = true")
    edited = "updated > ? AND updated > published"
    if connection.row(f"SELECT 1 FROM post WHERE {edited} LIMIT 1", now) is not None:
        date = "CASE WHEN published > ? THEN published ELSE ? END"
        connection.run(f"UPDATE post SET updated = {date} WHERE {edited}", now, now, now)
        connection.run("UPDATE feed SET dirty = true")


def _editions(connection: Connection, now: int) -> None:
    """An edition that was made too early is sent now, and no longer than any other. Its date stays if a message with
    it may have left: every try of a message has the same bytes."""
    connection.run(
        f"UPDATE edition SET expires_at = expires_at - (send_after - ?), send_after = ? "
        f"WHERE send_after > ? AND NOT {_SKIPPED}",
        *(now, now, now),
    )
    tried = f"SELECT 1 FROM delivery WHERE delivery.edition_key = edition.key AND {_OPEN} AND attempts > 0"
    connection.run(
        f"UPDATE edition SET frozen_at = ? WHERE frozen_at > ? AND NOT {_SKIPPED} AND NOT EXISTS ({tried})",
        *(now, now),
    )


def _deliveries(connection: Connection, now: int, reach: Reach) -> None:
    """Mail waits no longer than it has to, and what was given up too early is not."""
    life = "(SELECT edition.expires_at - edition.send_after FROM edition WHERE edition.key = delivery.edition_key)"
    far = now + _HOUR_AHEAD
    connection.run(
        f"UPDATE delivery SET not_before = not_before - {_WHOLE_DAYS}, expires_at = expires_at - {_WHOLE_DAYS} "
        f"WHERE {_OPEN} AND not_before > ? AND {_HAS_HOUR}",
        *(now, now, far),
    )
    connection.run(f"UPDATE delivery SET expires_at = ? + {life} WHERE expires_at > ? + {life}", far, far)
    connection.run(
        f"UPDATE delivery SET not_before = ? WHERE {_OPEN} AND not_before > ? AND attempts = 0 AND NOT {_HAS_HOUR}",
        *(now, now),
    )
    retry = now + _seconds(reach.retry)
    connection.run(f"UPDATE delivery SET not_before = ? WHERE {_OPEN} AND not_before > ? AND attempts > 0", now, retry)
    early = f"state = '{DeliveryState.EXPIRED}' AND ended_at > ? AND {_ENDS} > ?"
    cancelled = f"SELECT edition.key FROM edition WHERE edition.state = '{EditionState.CANCELLED}'"
    over = f"'{EditionState.FINISHED}', '{EditionState.EXPIRED}'"
    connection.run(
        f"UPDATE edition SET state = '{EditionState.SENDING}' WHERE state IN ({over}) "
        f"AND key IN (SELECT edition_key FROM delivery WHERE {early})",
        *(now, now),
    )
    connection.run(
        f"UPDATE delivery SET {_QUEUED}, ended_at = NULL WHERE {early} AND edition_key NOT IN ({cancelled})",
        *(now, now),
    )
    connection.run("UPDATE delivery SET ended_at = ? WHERE ended_at > ?", now, now)
    connection.run(
        f"UPDATE delivery SET not_before = ? WHERE {_QUEUED} AND not_before >= {_ENDS} AND {_ENDS} > ?", now, now
    )


def _waits(connection: Connection, now: int, reach: Reach) -> None:
    """Leases, holds, and what a restored store may have sent."""
    for condition, lease in ((_LEASED, reach.lease), (_TRANSMITTING, reach.dot_lease)):
        until = now + _seconds(lease)
        connection.run(f"UPDATE delivery SET lease_until = ? WHERE {condition} AND lease_until > ?", until, until)
    held = now + _seconds(reach.hold)
    connection.run("UPDATE subscriber SET held_until = ? WHERE held_until > ?", held, held)
    connection.run("UPDATE alarm SET held_until = NULL WHERE held_until > ?", now + _seconds(reach.told))
    sent_until = connection.value(_META, SENT_UNTIL)
    if sent_until is not None and int(sent_until) > now:
        write_meta(connection, SENT_UNTIL, str(now))
    for channel, outage in outages(connection).items():
        if to_seconds(outage.since) > now:
            keep_outage(connection, channel, replace(outage, since=to_moment(now)))


def _seconds(span: timedelta) -> int:
    return int(span.total_seconds())
