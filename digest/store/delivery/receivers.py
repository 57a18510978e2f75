"""Receivers of mail that have limits of their own: whose turn it is, and how it stands with each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any

from digest.models import DeliveryState
from digest.ports import Share
from digest.receivers import Throttle, receiver_of
from digest.store.database.basics import as_value, optional_seconds, to_seconds
from digest.store.database.connection import Connection
from digest.store.database.group_commit import Order
from digest.store.database.part import Part

CREDIT = timedelta(milliseconds=250)
"""So much of a turn that came late is made good."""
FURTHEST = timedelta(hours=1)
"""A next turn that is further away was set by a wrong clock."""
_ANY = 1_000_000
"""Connections."""
_MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_UNDER_WAY = " + ".join(
    f"(SELECT count(*) FROM delivery WHERE state = '{state}' AND lease_until > :now AND receiver = :receiver "
    "AND key <> :own)"
    for state in (DeliveryState.LEASED, DeliveryState.TRANSMITTING)
)
_TAKE_TURN = f"""
    INSERT INTO receiver (name, free_at, holder) VALUES (:receiver, :floor + :spacing, :holder)
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, free_at = :spacing +
        CASE WHEN receiver.free_at > :floor AND receiver.free_at <= :moment THEN receiver.free_at ELSE :floor END
    WHERE NOT (receiver.free_at > :moment AND receiver.free_at <= :furthest) AND ({_UNDER_WAY}) < :most"""
"""If nobody's turn is on, and not too much is under way."""
_MAY = "(:holder = '' OR EXISTS (SELECT 1 FROM receiver WHERE name = :receiver AND holder = :holder))"
OF_RECEIVER = f"d.receiver = :receiver AND {_MAY} AND "
"""Of which rows are claimed by whoever has the turn; those of ``OTHERS`` by everybody."""
QUEUES = f"""
    WITH RECURSIVE queue (name) AS (
        SELECT min(receiver) FROM delivery WHERE state = '{DeliveryState.QUEUED}'
        UNION ALL SELECT (SELECT min(receiver) FROM delivery
            WHERE state = '{DeliveryState.QUEUED}' AND receiver > queue.name)
        FROM queue WHERE queue.name IS NOT NULL)
    SELECT name FROM queue WHERE name IS NOT NULL AND EXISTS ({{}})"""
"""Receivers for which a row is due: the index of queued rows is asked for the next name each time."""
_THROTTLE = "name, rate, slowed_at, times, rests_until, reason, free_at"
_SLOW = """
    INSERT INTO receiver (name, rate, slowed_at, times, rests_until, reason, free_at)
    VALUES (:name, :rate, :slowed_at, :times, :rests_until, :reason, :free_at)
    ON CONFLICT (name) DO UPDATE SET rate = excluded.rate, slowed_at = excluded.slowed_at, times = excluded.times,
        rests_until = excluded.rests_until, reason = excluded.reason,
        free_at = CASE WHEN excluded.free_at > receiver.free_at THEN excluded.free_at ELSE receiver.free_at END"""
_KEPT = timedelta(days=7)
_FORGET = "DELETE FROM receiver WHERE coalesce(slowed_at, free_at / 1000) < ?"
"""What nobody has asked of for long, or since it was taken out of the configuration."""
_JOIN = f"""
    UPDATE delivery SET receiver = domain WHERE state = '{DeliveryState.QUEUED}' AND receiver = '' AND domain """
"""Rows that were queued before their domain had limits of its own."""


def taking_turn(share: Share, now: datetime, own: int) -> tuple[list[Order], dict[str, Any]]:
    """What is asked before rows of a receiver are claimed, and what its statement needs to know. Where there are no
    limits there is no turn to take. ``own``: key of the row that the same connection is about to be done with."""
    if share.spacing is None:
        return [], {"receiver": share.receiver, "holder": ""}
    moment, holder = _milliseconds(now), token_hex(8)
    given = {
        "receiver": share.receiver,
        "holder": holder,
        "moment": moment,
        "floor": moment - CREDIT // _MILLISECOND,
        "furthest": moment + FURTHEST // _MILLISECOND,
        "spacing": share.spacing // _MILLISECOND,
        "most": _ANY if share.connections is None else share.connections,
        "now": to_seconds(now),
        "own": own,
    }
    return [(_TAKE_TURN, given)], {"receiver": share.receiver, "holder": holder}


def receivers_of(connection: Connection) -> Callable[[str], str]:
    """Gives the receiver of a domain: one of the big ones, or the domain if it has limits of its own here."""
    own = set(connection.column("SELECT name FROM receiver"))
    return lambda domain: receiver_of(domain) or (domain if domain in own else "")


class Receivers(Part):
    """Part of ``ports.Ledger``."""

    def know_receivers(self, names: Sequence[str], now: datetime) -> None:
        with self._database.changing() as connection:
            connection.run(_FORGET, to_seconds(now - _KEPT))
            connection.insert_many("receiver", ("name",), [(name,) for name in names], or_ignore=True)
            connection.run(f"{_JOIN} IN (SELECT name FROM receiver)")

    def slow_receiver(self, throttle: Throttle) -> None:
        with self._database.changing() as connection:
            connection.run(_SLOW, **_row_of(throttle))
        if not receiver_of(throttle.name):  # apart, since claims hold such rows, and ask for the receiver's
            with self._database.changing() as connection:
                connection.run(f"{_JOIN} = ?", throttle.name)

    def throttles(self) -> list[Throttle]:
        return _throttles(self._rows(f"SELECT {_THROTTLE} FROM receiver WHERE slowed_at IS NOT NULL ORDER BY name"))

    def queued_by_receiver(self) -> dict[str, int]:
        """How many mails wait, by receiver."""
        question = f"SELECT receiver, count(*) FROM delivery WHERE state = '{DeliveryState.QUEUED}' GROUP BY receiver"
        return dict(self._rows(question))


def throttles_of(connection: Connection, names: Iterable[str]) -> list[Throttle]:
    """How it stands with these, in their order."""
    rows = connection.rows(f"SELECT {_THROTTLE} FROM receiver")
    known = {each.name: each for each in _throttles(rows)}
    return [known.get(name, Throttle(name=name)) for name in names]


def _throttles(rows: Iterable[Sequence[Any]]) -> list[Throttle]:
    return [as_value(Throttle, (*row[:-1], _EPOCH + int(row[-1]) * _MILLISECOND)) for row in rows]


def _row_of(throttle: Throttle) -> dict[str, Any]:
    return {
        "name": throttle.name,
        "rate": throttle.rate,
        "slowed_at": optional_seconds(throttle.slowed_at),
        "times": throttle.times,
        "rests_until": optional_seconds(throttle.rests_until),
        "reason": throttle.reason,
        "free_at": _milliseconds(throttle.free_at),
    }


def _milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MILLISECOND
