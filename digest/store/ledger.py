"""The ledger: one row for each message to each recipient, claimed by one worker at a time.

    queued -> leased -> transmitting -> sent
                 |           |--------> in_doubt -> sent (late answer), queued (sent again)
                 |-----------+--------> queued (retry), failed, skipped
    queued -> expired
    queued, leased -> skipped (the edition was cancelled)
    in_doubt -> sent, queued (the operator's word)

A claim counts the row's ``lease`` up by one; that number is the claim's token, and every later change of the row is
guarded by it and by the state. A worker that lost its row (its lease ran out, another one claimed it) changes nothing
and is told so. Two changes of one row therefore never both succeed, whatever dies in between.

Leases are measured by the ``now`` that is handed in. On one machine that is its own clock; workers on several
machines ask ``clock``, which gives the PostgreSQL server's. No transaction is open while mail is handed over.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    Select,
    Update,
    and_,
    any_,
    bindparam,
    case,
    func,
    or_,
    select,
    type_coerce,
    update,
)

from digest.errors import StoreError
from digest.models import Delivery, DeliveryState, Doubt, EditionState, Reply, SavedEdition
from digest.outbox import LAST_CALL, REPEATS
from digest.ports import Turn, Turned
from digest.store.basics import to_moment, to_seconds
from digest.store.direct import Order, Result
from digest.store.glances import edition_at
from digest.store.part import Part
from digest.store.plain import Plain
from digest.store.schema import Moment, delivery, edition
from digest.store.sql import Swift
from digest.text import clean_line

_OPEN = (DeliveryState.QUEUED, DeliveryState.LEASED, DeliveryState.TRANSMITTING)
_UNDER_WAY = (EditionState.FROZEN, EditionState.SENDING)
_KEYS_AT_ONCE = 500

# What servers say when they take a message: Postfix, Exim, Sendmail, Amazon and Google, in this order.
_QUEUE_ID = re.compile(
    r"queued as (\S+)|\bid=(\S+)|^(\S+) Message accepted|^Ok (\S{20,})$|(\S+) - gsmtp$", re.IGNORECASE
)

_row = delivery.c
_NEW = "new_"


class Deliveries(Part):
    """Satisfies ``ports.Ledger``. What is changed for each message shares its commits with other threads."""

    def recover(self, now: datetime, *, atomic: bool) -> tuple[int, int]:
        over = _row.lease_until <= now
        leased = _change(_row.state == DeliveryState.LEASED.value, over, state=DeliveryState.QUEUED)
        cut_off = (_row.state == DeliveryState.TRANSMITTING.value, over)
        if atomic:
            unclear = _change(*cut_off, state=DeliveryState.QUEUED)
        else:
            unclear = _change(*cut_off, **_doubt("the worker ended before an answer came"))
        with self._database.writing() as connection:
            return connection.execute(leased).rowcount, connection.execute(unclear).rowcount

    def release_doubtful(self) -> int:
        doubtful = and_(_row.state == DeliveryState.IN_DOUBT.value, _row.doubts <= REPEATS, _not_cancelled())
        with self._database.writing() as connection:
            connection.execute(_reopen(doubtful))
            return connection.execute(_change(doubtful, state=DeliveryState.QUEUED)).rowcount

    def doubts(self) -> list[Doubt]:
        columns = (edition.c.digest, edition.c.category, edition.c.period)
        until = func.coalesce(_row.expires_at, edition.c.expires_at).label("until")
        query = (
            select(_row.key, *columns, _row.address, _row.message_id, _row.attempts, _row.reply_text, until)
            .join_from(delivery, edition)
            .where(_row.state == DeliveryState.IN_DOUBT.value)
            .order_by(_row.edition_key, _row.key)
        )
        with self._database.reading() as connection:
            return [
                Doubt(
                    key=row.key,
                    digest=row.digest,
                    category=row.category,
                    period=row.period,
                    address=row.address,
                    message_id=row.message_id,
                    attempts=row.attempts,
                    reason=row.reply_text,
                    expires_at=row.until,
                )
                for row in connection.execute(query)
            ]

    def settle_doubts(self, keys: Sequence[int], now: datetime, *, sent: bool) -> int:
        count = 0
        with self._database.writing() as connection:
            for start in range(0, len(keys), _KEYS_AT_ONCE):
                chosen = and_(
                    _row.state == DeliveryState.IN_DOUBT.value, _row.key.in_(keys[start : start + _KEYS_AT_ONCE])
                )
                if sent:
                    said = _said(Reply(text="taken as sent by the operator"))
                    change = _change(chosen, state=DeliveryState.SENT, ended_at=now, **said)
                else:
                    chosen = and_(chosen, _not_cancelled())
                    connection.execute(_reopen(chosen))
                    change = _change(chosen, state=DeliveryState.QUEUED, not_before=now)
                count += connection.execute(change).rowcount
        return count

    def expire(self, now: datetime) -> int:
        late = (
            _row.state == DeliveryState.QUEUED.value,
            or_(
                _row.expires_at <= now,
                and_(
                    _row.expires_at.is_(None),
                    _row.edition_key.in_(select(edition.c.key).where(edition.c.expires_at <= now)),
                ),
            ),
        )
        with self._database.writing() as connection:
            return connection.execute(_change(*late, state=DeliveryState.EXPIRED, ended_at=now)).rowcount

    def claim(self, now: datetime, limit: int, lease: timedelta) -> list[Delivery]:
        return _claimed(self._database.together.write(*self._claim(now, limit, lease))[0])

    def renew(self, delivery: Delivery, until: datetime) -> bool:
        return self._advance(_leasing(delivery, until, DeliveryState.LEASED))

    def turn(self, turn: Turn) -> Turned:
        taken = [_sent(*turn.taken, turn.now)] if turn.taken else []
        claim = self._claim(turn.now, turn.claim, turn.lease) if turn.claim else []
        begun = _leasing(turn.begun, turn.until, DeliveryState.TRANSMITTING)
        leased, *claimed = self._database.together.write(*taken, begun, *claim)[len(taken) :]
        return Turned(leased=leased.count == 1, claimed=_claimed(claimed[0]) if claim else [])

    def sent(self, delivery: Delivery, now: datetime, reply: Reply) -> bool:
        return self._advance(_sent(delivery, reply, now))

    def in_doubt(self, delivery: Delivery, now: datetime, reason: str) -> bool:
        return self._advance((_doubting(), _claim_of(delivery) | _new(**_said(Reply(text=reason)))))

    def retry(self, delivery: Delivery, not_before: datetime | None, reply: Reply, *, counted: bool) -> bool:
        states = (DeliveryState.LEASED, DeliveryState.TRANSMITTING)
        due = {} if not_before is None else {"not_before": to_seconds(not_before)}
        given = _new(**due, **_said(reply))
        change = _advancing(states, DeliveryState.QUEUED, tuple(given), refunded=not counted)
        return self._advance((change, given | _claim_of(delivery)))

    def failed(self, delivery: Delivery, now: datetime, reply: Reply) -> bool:
        states = (DeliveryState.LEASED, DeliveryState.TRANSMITTING, DeliveryState.FAILED)
        return self._advance(_ended(delivery, states, DeliveryState.FAILED, reply, now))

    def skipped(self, delivery: Delivery, now: datetime, reason: str) -> bool:
        states = (DeliveryState.LEASED, DeliveryState.SKIPPED)
        return self._advance(_ended(delivery, states, DeliveryState.SKIPPED, Reply(text=reason), now))

    def edition_by_key(self, key: int) -> SavedEdition:
        with self._database.asking() as plain:
            found = edition_at(plain, key)
        if found is None:
            raise StoreError(self._database.subject, f"there is no edition with key {key}")
        return found

    def next_due(self) -> datetime | None:
        query = (
            select(_row.not_before)
            .join_from(delivery, edition)
            .where(_row.state == DeliveryState.QUEUED.value, edition.c.state.in_(_UNDER_WAY))
            .where(edition.c.page_published.is_(True))
            .order_by(_row.not_before)
            .limit(1)
        )
        with self._database.reading() as connection:
            return connection.scalar(query)

    def is_due(self, now: datetime) -> bool:
        with self._database.reading() as connection:
            return connection.execute(_due(), {"now": now, "limit": 1}).first() is not None

    def cancel_edition(self, digest: str, period: str, now: datetime) -> int | None:
        named = (edition.c.digest == digest, edition.c.period == period)
        cancel = (
            update(edition)
            .where(*named, edition.c.state.in_((*_UNDER_WAY, EditionState.PAUSED)))
            .values(state=EditionState.CANCELLED.value, reason="")
        )
        with self._database.writing() as connection:
            if connection.execute(cancel).rowcount == 0:
                return None
            return connection.execute(_skip_cancelled(now, DeliveryState.QUEUED, DeliveryState.LEASED)).rowcount

    def settle(self, now: datetime) -> list[tuple[SavedEdition, EditionState]]:
        with self._database.writing() as connection:
            connection.execute(_skip_cancelled(now, DeliveryState.QUEUED))
            closed = [_close(connection, key) for key in connection.scalars(_without_open_rows()).all()]
        return [(saved, saved.state) for saved in closed]

    def _claim(self, now: datetime, limit: int, lease: timedelta) -> list[Order]:
        given = {"now": to_seconds(now), "limit": limit, "until": to_seconds(now + lease)}
        return [(_claiming(self._database.is_postgres), given), (_starting(), {})]

    def _advance(self, order: Order) -> bool:
        """Change a claimed row if the claim still holds."""
        return self._database.together.write(order)[0].count == 1


def queue_id(answer: str) -> str:
    """The id under which a server keeps a message that it took; empty if it does not say one we know."""
    found = _QUEUE_ID.search(answer.strip())
    return next((group for group in found.groups() if group), "") if found else ""


# ------------------------------------------------------------- statements

_CLAIMED = (
    _row.key,
    _row.edition_key,
    _row.address,
    _row.message_id,
    _row.token,
    _row.attempts,
    _row.lease,
    _row.subscriber_key,
    _row.list_key,
    _row.expires_at,
)


def _claimed(result: Result) -> list[Delivery]:
    """Rows as the driver gives them, by key."""
    return [_delivery(*row) for row in sorted(result.rows)]


def _delivery(
    key: int,
    edition_key: int,
    address: str,
    message_id: str,
    token: str,
    attempts: int,
    lease: int,
    subscriber: int | None,
    list_key: int | None,
    expires_at: int | None,
) -> Delivery:
    """Of ``_CLAIMED``."""
    return Delivery(
        key=key,
        edition_key=edition_key,
        address=address,
        message_id=message_id,
        token=token,
        attempts=attempts,
        lease=str(lease),
        subscriber=subscriber,
        list_key=list_key,
        expires_at=None if expires_at is None else to_moment(expires_at),
    )


def _change(*conditions: ColumnElement[bool], state: DeliveryState, **values: Any) -> Update:
    return update(delivery).where(*conditions).values(state=state.value, **values)


def _said(reply: Reply) -> dict[str, Any]:
    return {
        "reply_code": reply.code,
        "reply_enhanced": clean_line(reply.enhanced),
        "reply_text": clean_line(reply.text),
    }


def _doubt(reason: str) -> dict[str, Any]:
    newly = case((_row.state == DeliveryState.IN_DOUBT.value, 0), else_=1)
    return {"state": DeliveryState.IN_DOUBT, "doubts": _row.doubts + newly, **_said(Reply(text=reason))}


def _not_cancelled() -> ColumnElement[bool]:
    cancelled = select(edition.c.key).where(edition.c.state == EditionState.CANCELLED.value)
    return _row.edition_key.not_in(cancelled)


def _skip_cancelled(now: datetime, *states: DeliveryState) -> Update:
    """Rows of cancelled editions in these states are not sent."""
    mine = (_row.state.in_([each.value for each in states]), ~_not_cancelled())
    return _change(*mine, state=DeliveryState.SKIPPED, ended_at=now, **_said(Reply(text="the edition was cancelled")))


def _reopen(rows: ColumnElement[bool]) -> Update:
    """Editions that were done with, but have such rows."""
    keys = select(_row.edition_key).where(rows)
    finished = edition.c.state == EditionState.FINISHED.value
    return update(edition).where(finished, edition.c.key.in_(keys)).values(state=EditionState.SENDING.value)


def _due() -> Select[Any]:
    """Keys of the first ``limit`` rows to send at ``now``."""
    now = bindparam("now", type_=Moment)
    return (
        select(_row.key)
        .join_from(delivery, edition)
        .where(
            _row.state == DeliveryState.QUEUED.value,
            _row.not_before <= now,
            or_(*(edition.c.state == state.value for state in _UNDER_WAY)),
            edition.c.send_after <= now,
            func.coalesce(_row.expires_at, edition.c.expires_at) > now,
            or_(edition.c.page_published.is_(True), _last_call() <= now),
        )
        .order_by(_row.not_before, _row.key)
        .limit(bindparam("limit", type_=Integer))
    )


def _last_call() -> ColumnElement[datetime]:
    """As ``outbox.last_call``, in SQL: on SQLite and PostgreSQL alike the lesser of two numbers is a case."""
    until, frozen, over = (
        type_coerce(each, BigInteger())
        for each in (
            func.coalesce(_row.expires_at, edition.c.expires_at),
            edition.c.frozen_at,
            edition.c.expires_at,
        )
    )
    half, most = (over - frozen) // 2, int(LAST_CALL.total_seconds())
    return type_coerce(until - case((half < most, half), else_=most), Moment())


# Statements that are run for each message are built once: building one takes as long as running it.


@cache
def _claiming(is_postgres: bool) -> Swift:
    """Lease the rows that are due to ``until``; with several workers on a server, none that another one is just
    claiming.

    They are queued and stay so until they are leased: in SQLite nobody else writes meanwhile, on a server they are
    locked. Their state is therefore not asked for again; it would lead the update through the index of all queued
    rows instead of to the few chosen ones."""
    if is_postgres:
        chosen = _row.key == any_(func.array(_due().with_for_update(of=delivery, skip_locked=True).scalar_subquery()))
    else:
        chosen = _row.key.in_(_due())
    claimed = _change(
        chosen,
        state=DeliveryState.LEASED,
        lease=_row.lease + 1,
        lease_until=bindparam("until", type_=Moment),
        attempts=_row.attempts + 1,
    ).returning(*_CLAIMED)
    return Swift(claimed)


@cache
def _advancing(
    states: tuple[DeliveryState, ...], state: DeliveryState, given: tuple[str, ...], refunded: bool = False
) -> Swift:
    """Bring a row whose claim still holds from one of ``states`` into ``state``. ``given`` names more new values
    (``_new``); ``refunded``: the attempt is not counted."""
    values: dict[str, Any] = {name.removeprefix(_NEW): bindparam(name) for name in given}
    if refunded:
        values["attempts"] = _row.attempts - 1
    return Swift(_change(*_held(states), state=state, **values))


@cache
def _doubting() -> Swift:
    """As ``_advancing``, into in doubt."""
    values = _doubt("") | {name: bindparam(_NEW + name) for name in _said(Reply())}
    return Swift(_change(*_held((DeliveryState.TRANSMITTING, DeliveryState.IN_DOUBT)), **values))


def _held(states: tuple[DeliveryState, ...]) -> tuple[ColumnElement[bool], ...]:
    """A row that is in one of the states, under a claim that is named by ``_claim_of``."""
    claim = (_row.key == bindparam("its_key"), _row.lease == bindparam("its_claim"))
    return (*claim, or_(*(_row.state == state.value for state in states)))


def _claim_of(delivery: Delivery) -> dict[str, Any]:
    return {"its_key": delivery.key, "its_claim": int(delivery.lease)}


def _new(**values: Any) -> dict[str, Any]:
    """New values of columns, in the driver's own types."""
    return {_NEW + name: value for name, value in values.items()}


def _leasing(delivery: Delivery, until: datetime, state: DeliveryState) -> Order:
    """Lengthen the lease of a row that is leased, and bring it into this state."""
    given = _new(lease_until=to_seconds(until))
    return _advancing((DeliveryState.LEASED,), state, tuple(given)), given | _claim_of(delivery)


def _sent(delivery: Delivery, reply: Reply, now: datetime) -> Order:
    # Sent already, under this very claim: the commit of an earlier try was kept, only its answer was lost.
    states = (DeliveryState.TRANSMITTING, DeliveryState.IN_DOUBT, DeliveryState.SENT)
    return _ended(delivery, states, DeliveryState.SENT, reply, now, queue_id=queue_id(reply.text))


def _ended(
    delivery: Delivery,
    states: tuple[DeliveryState, ...],
    state: DeliveryState,
    reply: Reply,
    now: datetime,
    **more: str,
) -> Order:
    """A row comes to its end."""
    given = _new(ended_at=to_seconds(now), **_said(reply), **more)
    return _advancing(states, state, tuple(given)), given | _claim_of(delivery)


@cache
def _starting() -> Swift:
    """Editions that were frozen, and of which rows are claimed now, are being sent."""
    claimed = select(_row.key).where(_row.edition_key == edition.c.key, _row.state == DeliveryState.LEASED.value)
    return Swift(
        update(edition)
        .where(edition.c.state == EditionState.FROZEN.value, claimed.exists())
        .values(state=EditionState.SENDING.value)
    )


def _without_open_rows() -> Select[Any]:
    """Editions under way of which nothing is left to send."""
    still_open = select(_row.key).where(_row.edition_key == edition.c.key, _row.state.in_(_OPEN)).exists()
    return (
        select(edition.c.key)
        .where(edition.c.state.in_((*_UNDER_WAY, EditionState.PAUSED)), ~still_open)
        .order_by(edition.c.key)
    )


def _close(connection: Connection, key: int) -> SavedEdition:
    """Finished; or expired if time ran out before anybody got it."""
    states = set(connection.scalars(select(_row.state).where(_row.edition_key == key).distinct()))
    reached = states & {DeliveryState.SENT, DeliveryState.IN_DOUBT}
    state = EditionState.EXPIRED if DeliveryState.EXPIRED in states and not reached else EditionState.FINISHED
    connection.execute(update(edition).where(edition.c.key == key).values(state=state.value))
    found = edition_at(Plain.within(connection), key)
    assert found is not None, "it was changed just now"
    return found
