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

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from digest.errors import StoreError
from digest.models import MAIL, Delivery, DeliveryState, Doubt, EditionState, Receipt, RenderedMail, Reply, SavedEdition
from digest.outbox import LAST_CALL, REPEATS
from digest.ports import CommitBatch, CommitResult, Share
from digest.receivers import Throttle
from digest.store.database.basics import among, as_value, optional_moment, to_seconds
from digest.store.database.connection import Connection
from digest.store.database.group_commit import Order, Result
from digest.store.database.part import Part
from digest.store.delivery.receivers import OF_RECEIVER, QUEUES, taking_turn, throttles_of
from digest.store.monitoring.status_queries import edition_at, end_outages, outages
from digest.text import clean_line

_OPEN = among((DeliveryState.QUEUED, DeliveryState.LEASED, DeliveryState.TRANSMITTING))
_UNDER_WAY = among((EditionState.FROZEN, EditionState.SENDING))
_NOT_OVER = among((EditionState.FROZEN, EditionState.SENDING, EditionState.PAUSED))
_NOT_CANCELLED = f"edition_key NOT IN (SELECT key FROM edition WHERE state = '{EditionState.CANCELLED}')"
_DOUBTFUL = f"state = '{DeliveryState.IN_DOUBT}' AND doubts <= {REPEATS} AND channel = :channel AND {_NOT_CANCELLED}"
_SAID = (
    "reply_code = :reply_code, reply_enhanced = :reply_enhanced, reply_text = :reply_text, reply_step = :reply_step, "
    "reply_verdict = :reply_verdict"
)
_DOUBT = (
    f"state = '{DeliveryState.IN_DOUBT}', doubts = doubts + (CASE WHEN state = '{DeliveryState.IN_DOUBT}' THEN 0 "
    f"ELSE 1 END), {_SAID}"
)
_ELSEWHERE = f"{{}}channel <> '{MAIL}'"
"""As it stands in the index of what leaves by other channels."""
_HELD = "key = :its_key AND lease = :its_claim AND state IN ({})"
"""A row that is in one of these states, under a claim that is named by ``_claim_of``."""
_CLAIMED = (
    "key, edition_key, address, message_id, token, attempts, lease, subscriber_key, list_key, expires_at, selection, "
    "channel, receiver"
)
_LIFE = "(e.expires_at - e.frozen_at) / 2"
_LAST_CALL = (
    f"coalesce(d.expires_at, e.expires_at) - CASE WHEN {_LIFE} < {LAST_CALL // timedelta(seconds=1)} THEN {_LIFE} "
    f"ELSE {LAST_CALL // timedelta(seconds=1)} END"
)
"""As ``outbox.last_call``: on SQLite and PostgreSQL alike the lesser of two numbers is a case."""
_DUE = f"""
    SELECT d.key FROM delivery d JOIN edition e ON e.key = d.edition_key
    WHERE d.state = '{DeliveryState.QUEUED}' AND d.channel = :channel AND {{}} AND d.not_before <= :now
        AND e.send_after <= :now AND coalesce(d.expires_at, e.expires_at) > :now
        AND (e.page_published = true OR {_LAST_CALL} <= :now)
    ORDER BY d.not_before, d.key LIMIT :limit"""
_DUE_MAIL = _DUE.format(f"e.state IN ({_UNDER_WAY})")
"""Keys of the first ``limit`` mails to send at ``now``."""
_DUE_TO_RECEIVER = _DUE.format(f"{OF_RECEIVER}e.state IN ({_UNDER_WAY})")
"""Those of them that go to one receiver, if it is its turn."""
_DUE_IN_QUEUE = _DUE.format(f"d.receiver = queue.name AND e.state IN ({_UNDER_WAY})").replace(":limit", "1")
_DUE_ELSEWHERE = _DUE.format(f"{_ELSEWHERE.format('d.')} AND e.state IN ({_NOT_OVER})")
"""The same of another channel, which has an index of its own. Editions are paused for what mail servers say."""
_CLAIM = f"""
    UPDATE delivery
    SET state = '{DeliveryState.LEASED}', lease = lease + 1, lease_until = :until, attempts = attempts + 1
    WHERE key {{}} RETURNING {_CLAIMED}"""
_START = f"""
    UPDATE edition SET state = '{EditionState.SENDING}' WHERE state = '{EditionState.FROZEN}' AND EXISTS (
        SELECT 1 FROM delivery WHERE edition_key = edition.key AND state = '{DeliveryState.LEASED}')"""
"""Editions that were frozen, and of which rows are claimed now, are being sent."""
_NEXT_DUE = f"""
    SELECT d.not_before FROM delivery d JOIN edition e ON e.key = d.edition_key
    WHERE d.state = '{DeliveryState.QUEUED}' AND e.state IN ({_UNDER_WAY}) AND e.page_published = true
        AND d.not_before < coalesce(d.expires_at, e.expires_at)
    ORDER BY d.not_before LIMIT 1"""
_EXPIRE = f"""
    UPDATE delivery SET state = '{DeliveryState.EXPIRED}', ended_at = :now
    WHERE state = '{DeliveryState.QUEUED}' AND (expires_at <= :now
        OR expires_at IS NULL AND edition_key IN (SELECT key FROM edition WHERE expires_at <= :now))"""
_DOUBTS = f"""
    SELECT d.key, e.digest, e.period, d.selection, d.address, d.message_id, d.attempts, d.reply_text,
        coalesce(d.expires_at, e.expires_at), d.channel
    FROM delivery d JOIN edition e ON e.key = d.edition_key
    WHERE d.state = '{DeliveryState.IN_DOUBT}' ORDER BY d.edition_key, d.key"""
_SKIP_CANCELLED = f"""
    UPDATE delivery SET state = '{DeliveryState.SKIPPED}', ended_at = :now, {_SAID}
    WHERE state IN ({{}}) AND NOT {_NOT_CANCELLED}"""
_CHANNELS = f"SELECT DISTINCT channel FROM delivery WHERE {_ELSEWHERE.format('')} AND state IN ({_OPEN})"
"""Those besides mail that there is something to send by."""
_RETIRE = f"""
    UPDATE delivery SET state = '{DeliveryState.SKIPPED}', ended_at = :now, {_SAID}
    WHERE {{}} AND (state = '{DeliveryState.QUEUED}' OR state = '{DeliveryState.LEASED}' AND lease_until <= :now)"""
_DOUBT_CUT_OFF = (
    f"UPDATE delivery SET {_DOUBT} WHERE {{}} AND state = '{DeliveryState.TRANSMITTING}' AND lease_until <= :now"
)
_RETIRED = Reply(text="its channel is no longer configured")
_CUT_OFF = Reply(text="the worker ended before an answer came")
_WITHOUT_OPEN_ROWS = f"""
    SELECT key FROM edition WHERE state IN ({_NOT_OVER}) AND NOT EXISTS (
        SELECT 1 FROM delivery WHERE edition_key = edition.key AND state IN ({_OPEN})) ORDER BY key"""
"""Editions under way of which nothing is left to send."""
_MAIL = ("subject", "html", "text")
_FORGET_MAILS = (
    "DELETE FROM mail WHERE EXISTS (SELECT 1 FROM edition WHERE edition.key = mail.edition_key AND expires_at < ?)"
)
_MAILS_KEPT = timedelta(days=7)
"""How long after its edition is over: a subscriber's own hour comes up to three days later."""


class Deliveries(Part):
    """Satisfies ``ports.Ledger``, with ``Pauses`` and ``StatusQueries``. What is changed for each message shares its
    commits with other threads."""

    def recover(self, now: datetime, *, atomic: bool, channel: str = MAIL) -> tuple[int, int]:
        queued, given = f"state = '{DeliveryState.QUEUED}'", {"now": to_seconds(now), "channel": channel}
        over = "UPDATE delivery SET {} WHERE state = '{}' AND lease_until <= :now AND channel = :channel"
        with self._database.changing() as connection:
            leased = connection.change(over.format(queued, DeliveryState.LEASED), **given)
            cut_off = over.format(queued if atomic else _DOUBT, DeliveryState.TRANSMITTING)
            return leased, connection.change(cut_off, **given, **({} if atomic else _said(_CUT_OFF)))

    def release_doubtful(self, channel: str = MAIL) -> int:
        with self._database.changing() as connection:
            _reopen(connection, _DOUBTFUL, channel=channel)
            release = f"UPDATE delivery SET state = '{DeliveryState.QUEUED}' WHERE {_DOUBTFUL}"
            return connection.change(release, channel=channel)

    def retire_channels(self, known: Collection[str], now: datetime) -> int:
        with self._database.asking() as connection:
            unknown = {*connection.column(_CHANNELS), *outages(connection)} - {MAIL, *known}
        if not unknown:
            return 0
        with self._database.changing() as connection:
            gone = f"{_ELSEWHERE.format('')} AND channel {connection.is_one_of.replace('?', ':gone')}"
            given = {"gone": connection.listed(sorted(unknown)), "now": to_seconds(now)}
            end_outages(connection, unknown)
            connection.run(_DOUBT_CUT_OFF.format(gone), **given, **_said(_CUT_OFF))
            return connection.change(_RETIRE.format(gone), **given, **_said(_RETIRED))

    def doubts(self) -> list[Doubt]:
        return [as_value(Doubt, row) for row in self._rows(_DOUBTS)]

    def settle_doubts(self, keys: Sequence[int], now: datetime, *, sent: bool) -> int:
        with self._database.changing() as connection:
            chosen = f"state = '{DeliveryState.IN_DOUBT}' AND key {connection.is_one_of.replace('?', ':keys')}"
            given = {"keys": connection.listed(keys), "now": to_seconds(now)}
            if sent:
                change = f"state = '{DeliveryState.SENT}', ended_at = :now, {_SAID}"
                given |= _said(Reply(text="taken as sent by the operator"))
            else:
                chosen = f"{chosen} AND {_NOT_CANCELLED}"
                _reopen(connection, chosen, keys=given["keys"])
                change = f"state = '{DeliveryState.QUEUED}', not_before = :now"
            return connection.change(f"UPDATE delivery SET {change} WHERE {chosen}", **given)

    def expire(self, now: datetime) -> int:
        return self._change(_EXPIRE, now=to_seconds(now))

    def claim(
        self, now: datetime, limit: int, lease: timedelta, channel: str = MAIL, share: Share | None = None
    ) -> list[Delivery]:
        return _claimed(self._database.together.write(*self._claim(now, limit, lease, channel, share, 0))[-2])

    def queues(self, now: datetime) -> list[Throttle]:
        with self._database.asking() as connection:
            names = connection.run(QUEUES.format(_DUE_IN_QUEUE), now=to_seconds(now), channel=MAIL).fetchall()
            return throttles_of(connection, [name for (name,) in names])

    def renew(self, delivery: Delivery, until: datetime) -> bool:
        return self._advance(_leasing(delivery, until, DeliveryState.LEASED))

    def turn(self, turn: CommitBatch) -> CommitResult:
        taken = [_sent(*turn.taken, turn.now)] if turn.taken else []
        begun = turn.begun
        whose = (turn.now, turn.claim, turn.lease, begun.channel, turn.share, begun.key)
        claim = self._claim(*whose) if turn.claim else []
        begins = _leasing(begun, turn.until, DeliveryState.TRANSMITTING)
        leased, *claimed = self._database.together.write(*taken, begins, *claim)[len(taken) :]
        return CommitResult(leased=leased.count == 1, claimed=_claimed(claimed[-2]) if claim else [])

    def sent(self, delivery: Delivery, now: datetime, receipt: Receipt) -> bool:
        return self._advance(_sent(delivery, receipt, now))

    def in_doubt(self, delivery: Delivery, now: datetime, reason: str) -> bool:
        held = _HELD.format(among((DeliveryState.TRANSMITTING, DeliveryState.IN_DOUBT)))
        change = f"UPDATE delivery SET {_DOUBT} WHERE {held}"
        return self._advance((change, _said(Reply(text=reason)) | _claim_of(delivery)))

    def retry(self, delivery: Delivery, not_before: datetime | None, reply: Reply, *, counted: bool) -> bool:
        states = (DeliveryState.LEASED, DeliveryState.TRANSMITTING)
        due = {} if not_before is None else {"not_before": to_seconds(not_before)}
        given = due | _said(reply)
        change = _advancing(states, DeliveryState.QUEUED, tuple(given), refunded=not counted)
        return self._advance((change, given | _claim_of(delivery)))

    def failed(self, delivery: Delivery, now: datetime, reply: Reply) -> bool:
        states = (DeliveryState.LEASED, DeliveryState.TRANSMITTING, DeliveryState.FAILED)
        return self._advance(_ended(delivery, states, DeliveryState.FAILED, reply, now))

    def skipped(self, delivery: Delivery, now: datetime, reason: str) -> bool:
        states = (DeliveryState.LEASED, DeliveryState.SKIPPED)
        return self._advance(_ended(delivery, states, DeliveryState.SKIPPED, Reply(text=reason), now))

    def edition_by_key(self, key: int) -> SavedEdition:
        with self._database.asking() as connection:
            found = edition_at(connection, key)
        if found is None:
            raise StoreError(self._database.subject, f"there is no edition with key {key}")
        return found

    def next_due(self) -> datetime | None:
        return optional_moment(self._value(_NEXT_DUE))

    def is_due(self, now: datetime, channels: Iterable[str] = (MAIL,)) -> bool:
        moment = to_seconds(now)
        if MAIL in channels and any(not each.rest(now) for each in self.queues(now)):
            return True
        return any(self._has(_due(each), now=moment, limit=1, channel=each) for each in channels if each != MAIL)

    def cancel_edition(self, digest: str, period: str, now: datetime) -> int | None:
        cancel = (
            f"UPDATE edition SET state = '{EditionState.CANCELLED}', reason = '' "
            f"WHERE digest = ? AND period = ? AND state IN ({_NOT_OVER})"
        )
        with self._database.changing() as connection:
            if connection.change(cancel, digest, period) == 0:
                return None
            return _skip_cancelled(connection, now, DeliveryState.QUEUED, DeliveryState.LEASED)

    def frozen_look(self, hashed: str) -> str:
        return self._value("SELECT content FROM look WHERE hash = ?", hashed) or ""

    def mail(self, key: int, selection: str) -> RenderedMail | None:
        with self._database.asking() as connection:
            return _mail(connection, key, selection)

    def keep_mail(self, key: int, selection: str, mail: RenderedMail) -> RenderedMail:
        row = (key, selection, mail.subject, mail.html, mail.text)
        with self._database.changing() as connection:
            connection.insert_many("mail", ("edition_key", "selection", *_MAIL), [row], or_ignore=True)
            kept = _mail(connection, key, selection)
        assert kept is not None, "it is there now"
        return kept

    def settle(self, now: datetime) -> list[tuple[SavedEdition, EditionState]]:
        with self._database.changing() as connection:
            _skip_cancelled(connection, now, DeliveryState.QUEUED)
            connection.run(_FORGET_MAILS, to_seconds(now - _MAILS_KEPT))
            closed = [_close(connection, key) for key in connection.column(_WITHOUT_OPEN_ROWS)]
        return [(saved, saved.state) for saved in closed]

    def _claim(
        self, now: datetime, limit: int, lease: timedelta, channel: str, share: Share | None, own: int
    ) -> list[Order]:
        """Statements of which the last but one returns the rows. ``own`` as in ``taking_turn``."""
        given = {"now": to_seconds(now), "limit": limit, "until": to_seconds(now + lease), "channel": channel}
        turn, whose = ([], {}) if share is None else taking_turn(share, now, own)
        due = _due(channel) if share is None else _DUE_TO_RECEIVER
        return [*turn, (_claiming(self._database.is_postgres, due), given | whose), (_START, {})]

    def _advance(self, order: Order) -> bool:
        """Change a claimed row if the claim still holds."""
        return self._database.together.write(order)[0].count == 1


# ------------------------------------------------------------- statements


def _claimed(result: Result) -> list[Delivery]:
    """Rows of ``_CLAIMED`` as the driver gives them, by key."""
    return [as_value(Delivery, (*row[:6], str(row[6]), *row[7:])) for row in sorted(result.rows)]


def _due(channel: str) -> str:
    return _DUE_MAIL if channel == MAIL else _DUE_ELSEWHERE


def _mail(connection: Connection, key: int, selection: str) -> RenderedMail | None:
    row = connection.row(f"SELECT {', '.join(_MAIL)} FROM mail WHERE edition_key = ? AND selection = ?", key, selection)
    return None if row is None else as_value(RenderedMail, row)


def _said(reply: Reply) -> dict[str, Any]:
    return {
        "reply_code": reply.code,
        "reply_enhanced": clean_line(reply.enhanced),
        "reply_text": clean_line(reply.text),
        "reply_step": reply.step,
        "reply_verdict": reply.verdict or "",
    }


def _skip_cancelled(connection: Connection, now: datetime, *states: DeliveryState) -> int:
    """Rows of cancelled editions in these states are not sent."""
    said = _said(Reply(text="the edition was cancelled"))
    return connection.change(_SKIP_CANCELLED.format(among(states)), now=to_seconds(now), **said)


def _reopen(connection: Connection, rows: str, **values: Any) -> None:
    """Editions that were done with, but have such rows."""
    keys = f"SELECT edition_key FROM delivery WHERE {rows}"
    finished = f"state = '{EditionState.FINISHED}' AND key IN ({keys})"
    connection.run(f"UPDATE edition SET state = '{EditionState.SENDING}' WHERE {finished}", **values)


@cache
def _claiming(is_postgres: bool, due: str) -> str:
    """Lease the rows that are due to ``until``; with several workers on a server, none that another one is just
    claiming.

    They are queued and stay so until they are leased: in SQLite nobody else writes meanwhile, on a server they are
    locked. Their state is therefore not asked for again; it would lead the update through the index of all queued
    rows instead of to the few chosen ones."""
    return _CLAIM.format(f"= ANY(ARRAY({due} FOR UPDATE OF d SKIP LOCKED))" if is_postgres else f"IN ({due})")


@cache
def _advancing(
    states: tuple[DeliveryState, ...], state: DeliveryState, given: tuple[str, ...], refunded: bool = False
) -> str:
    """Bring a row whose claim still holds from one of ``states`` into ``state``. ``given`` names columns with new
    values; ``refunded``: the attempt is not counted."""
    values = [f"state = '{state}'", *(f"{name} = :{name}" for name in given), *["attempts = attempts - 1"] * refunded]
    return f"UPDATE delivery SET {', '.join(values)} WHERE {_HELD.format(among(states))}"


def _claim_of(delivery: Delivery) -> dict[str, Any]:
    return {"its_key": delivery.key, "its_claim": int(delivery.lease)}


def _leasing(delivery: Delivery, until: datetime, state: DeliveryState) -> Order:
    """Lengthen the lease of a row that is leased, and bring it into this state."""
    given = {"lease_until": to_seconds(until)}
    return _advancing((DeliveryState.LEASED,), state, tuple(given)), given | _claim_of(delivery)


def _sent(delivery: Delivery, receipt: Receipt, now: datetime) -> Order:
    # Sent already, under this very claim: the commit of an earlier try was kept, only its answer was lost.
    states = (DeliveryState.TRANSMITTING, DeliveryState.IN_DOUBT, DeliveryState.SENT)
    return _ended(delivery, states, DeliveryState.SENT, receipt, now, queue_id=clean_line(receipt.id))


def _ended(
    delivery: Delivery,
    states: tuple[DeliveryState, ...],
    state: DeliveryState,
    reply: Reply,
    now: datetime,
    **more: str,
) -> Order:
    """A row comes to its end."""
    given = {"ended_at": to_seconds(now), **_said(reply), **more}
    return _advancing(states, state, tuple(given)), given | _claim_of(delivery)


def _close(connection: Connection, key: int) -> SavedEdition:
    """Finished; or expired if time ran out before anybody got it."""
    states = set(connection.column("SELECT DISTINCT state FROM delivery WHERE edition_key = ?", key))
    reached = states & {DeliveryState.SENT, DeliveryState.IN_DOUBT}
    state = EditionState.EXPIRED if DeliveryState.EXPIRED in states and not reached else EditionState.FINISHED
    connection.run("UPDATE edition SET state = ? WHERE key = ?", state.value, key)
    found = edition_at(connection, key)
    assert found is not None, "it was changed just now"
    return found
