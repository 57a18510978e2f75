"""Subscribers: who they are, what they agreed to and what they want; the mails to one of them about it.

Every method is one transaction. What is decided, is decided above; here it is written down, guarded so that doing it
twice changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from digest.models import FrozenEdition, Recipient
from digest.store.database.basics import to_moment, to_seconds
from digest.store.database.connection import Connection
from digest.store.database.part import Part
from digest.store.editions.editions import save_edition
from digest.store.subscribers.enrolment import (
    CONSENT,
    PAGE,
    as_json,
    choice_columns,
    enter,
    join,
    keep_consents,
    read_consent,
    read_people,
    reading,
    welcome,
    wish,
)
from digest.subscribers.subscription import (
    ActionRequest,
    Choice,
    Consent,
    Limit,
    ListState,
    Notice,
    Origin,
    Preferences,
    Request,
    Standing,
    Subscriber,
)

_DAY = timedelta(days=1)


class Subscribers(Part):
    """Subscribers and what they agreed to."""

    # -------------------------------------------------------------- sign-up

    def ask(self, asked: Consent, limits: Sequence[Limit], now: datetime) -> Limit | None:
        """Keep a sign-up for later, and count it; or name the limit that forbids it, and keep nothing. Does the
        same work whoever asks."""
        with self._database.changing() as connection:
            for limit in limits:
                if _count(connection, limit.kind, limit.who, now - limit.within) >= limit.most:
                    return limit
            _note(connection, [(limit.kind, limit.who) for limit in limits], now)
            keep_consents(connection, [(None, asked)], handled=False)
        return None

    def unhandled(self, limit: int = 100, *, imported: bool = False) -> list[Consent]:
        """Sign-ups that nothing was done about yet, oldest first: by an import, or in all other ways."""
        which = f"handled = false AND origin {'=' if imported else '<>'} '{Origin.IMPORT}'"
        question = f"SELECT {CONSENT} FROM consent WHERE {which} ORDER BY key LIMIT ?"
        return [read_consent(row) for row in self._rows(question, limit)]

    def list_mails(self, since: datetime) -> int:
        """How many people of imports were asked to confirm."""
        with self._database.asking() as connection:
            return _count(connection, Origin.IMPORT, "", since)

    def standing(self, canonical: str, hashed: str, mailbox: str, now: datetime) -> Standing:
        """What is known about an address, and how much its mailbox was sent."""
        with self._database.asking() as connection:
            return Standing(
                subscriber=_only(read_people(connection, "s.canonical = ?", canonical)),
                suppressed=connection.row("SELECT 1 FROM suppression WHERE hash = ?", hashed) is not None,
                notices={notice: _count(connection, _kind(notice), mailbox, now - _DAY) for notice in Notice},
            )

    def enrol(
        self,
        asked: Consent,
        hashed: str,
        now: datetime,
        *,
        mailbox: str = "",
        notice: tuple[Notice, FrozenEdition, Recipient] | None = None,
    ) -> bool:
        """Note a sign-up's subscriber as waiting for confirmation, and queue the mail about it, which counts for
        ``mailbox``. False if it is handled already."""
        with self._database.changing() as connection:
            if not connection.change("UPDATE consent SET handled = true WHERE key = ? AND handled = false", asked.key):
                return False
            key = enter(connection, [(asked, hashed)], now)[asked.canonical]
            connection.run("UPDATE consent SET subscriber_key = ? WHERE key = ?", key, asked.key)
            join(connection, [(key, asked.choices)], ListState.PENDING, now)
            if asked.origin is Origin.IMPORT and notice is not None:
                _begin(connection, asked.key, key, now)
            if notice is not None:
                _queue_notice(connection, *notice, subscriber_key=key, mailbox=mailbox, now=now)
        return True

    def dismiss(self, key: int) -> None:
        """Forget a sign-up that nothing will become of."""
        self._change("DELETE FROM consent WHERE key = ? AND confirmed_at IS NULL", key)

    def consent(self, key: int) -> Consent | None:
        row = self._row(f"SELECT {CONSENT} FROM consent WHERE key = ?", key)
        return None if row is None else read_consent(row)

    def confirm(self, key: int, now: datetime) -> bool:
        """Make the subscriptions of a sign-up active. False if that was done before: then nothing changes, for its
        subscriber may have left since. Whoever reads something already keeps their wishes; a newcomer gets those of the
        form."""
        confirmed = (
            "UPDATE consent SET confirmed_at = ? WHERE key = ? AND confirmed_at IS NULL "
            f"AND subscriber_key IS NOT NULL RETURNING subscriber_key, {CONSENT}"
        )
        with self._database.changing() as connection:
            row = connection.row(confirmed, to_seconds(now), key)
            if row is None:
                return False
            subscriber, given = row[0], read_consent(row[1:])
            if not reading(connection, [subscriber]):
                welcome(connection, [(subscriber, given, None)])
            join(connection, [(subscriber, given.choices)], ListState.ACTIVE, now)
        return True

    # -------------------------------------------------------------- subscribers

    def subscriber(self, key: int) -> Subscriber | None:
        with self._database.asking() as connection:
            return _only(read_people(connection, "s.key = ?", key))

    def subscriber_by(self, canonical: str) -> Subscriber | None:
        with self._database.asking() as connection:
            return _only(read_people(connection, "s.canonical = ?", canonical))

    def subscribers(self) -> Iterator[Subscriber]:
        """All of them by key, some at a time."""
        last = 0
        while True:
            with self._database.asking() as connection:
                found = read_people(connection, "s.key > ?", last)
            yield from found
            if len(found) < PAGE:
                return
            last = found[-1].key

    def consents(self, key: int) -> list[Consent]:
        """Everything that a subscriber agreed to, oldest first."""
        question = f"SELECT {CONSENT} FROM consent WHERE subscriber_key = ? ORDER BY key"
        return [read_consent(row) for row in self._rows(question, key)]

    def list_name(self, list_key: int) -> str | None:
        """The digest that a key in a link stands for."""
        name: str | None = self._value("SELECT digest FROM reader_list WHERE key = ?", list_key)
        return name

    def unsubscribe(self, key: int, now: datetime, list_key: int | None = None) -> int:
        """End a subscriber's subscription to one list, or to all. Returns how many ended; 0 when none was left."""
        end = f"UPDATE subscription SET state = '{ListState.UNSUBSCRIBED}', since = ? WHERE subscriber_key = ?"
        left = f"state <> '{ListState.UNSUBSCRIBED}'"
        with self._database.changing() as connection:
            if list_key is None:
                return connection.change(f"{end} AND {left}", to_seconds(now), key)
            return connection.change(f"{end} AND {left} AND list_key = ?", to_seconds(now), key, list_key)

    def change(
        self, key: int, wishes: Preferences, pause_ends: datetime | None, choices: Sequence[Choice], now: datetime
    ) -> None:
        """What a subscriber wants from now on. Subscriptions that are not active stay as they are."""
        choose = (
            "UPDATE subscription SET categories = ?, selection = ? WHERE subscriber_key = ? "
            f"AND list_key = (SELECT key FROM reader_list WHERE digest = ?) AND state = '{ListState.ACTIVE}'"
        )
        with self._database.changing() as connection:
            wish(connection, [(key, wishes, pause_ends)])
            connection.run_many(choose, [(*choice_columns(choice), key, choice.digest) for choice in choices])

    def lessen(
        self,
        key: int,
        list_key: int,
        wishes: Preferences,
        pause_ends: datetime | None,
        now: datetime,
        *,
        left_at: datetime | None = None,
    ) -> bool:
        """What a subscriber wants from now on who reads one list and no other; whoever left it at ``left_at``, and not
        again since, reads it again. False for all others, and nothing changes."""
        theirs = "WHERE subscriber_key = ? AND state = ? AND list_key"
        back = f"UPDATE subscription SET state = ?, since = ? {theirs} = ? AND since = ?"
        with self._database.changing() as connection:
            if connection.row(f"SELECT 1 FROM subscription {theirs} <> ?", key, ListState.ACTIVE.value, list_key):
                return False
            if left_at is not None:
                left = (key, ListState.UNSUBSCRIBED.value, list_key, to_seconds(left_at))
                connection.change(back, ListState.ACTIVE.value, to_seconds(now), *left)
            if not connection.row(f"SELECT 1 FROM subscription {theirs} = ?", key, ListState.ACTIVE.value, list_key):
                return False
            wish(connection, [(key, wishes, pause_ends)])
        return True

    # --------------------------------------------------------- fresh links

    def open_errand(
        self,
        key: int,
        kind: ActionRequest,
        mailbox: str,
        now: datetime,
        *,
        most: int,
        notice: Notice,
        mail: tuple[FrozenEdition, Recipient],
        address: str | None = None,
    ) -> bool:
        """Note that a subscriber wants a fresh link, and queue the mail with it. False if there were too many of these
        within a day for that ``mailbox``. The mail's document gets the errand's key. ``address`` is the new one that
        the link confirms."""
        opened = "INSERT INTO errand (subscriber_key, kind, asked_at, address) VALUES (?, ?, ?, ?) RETURNING key"
        with self._database.changing() as connection:
            if _count(connection, _kind(notice), mailbox, now - _DAY) >= most:
                return False
            extra = {"errand": connection.value(opened, key, kind.value, to_seconds(now), address)}
            _queue_notice(connection, notice, *mail, subscriber_key=key, mailbox=mailbox, now=now, extra=extra)
        return True

    def errand(self, key: int) -> Request | None:
        question = "SELECT subscriber_key, kind, asked_at, used_at, address FROM errand WHERE key = ?"
        row = self._row(question, key)
        if row is None:
            return None
        subscriber, kind, asked_at, used_at, address = row
        return Request(
            subscriber=subscriber,
            errand=ActionRequest(kind),
            asked_at=to_moment(asked_at),
            used=used_at is not None,
            address=address or "",
        )

    def use_errand(self, key: int, now: datetime) -> bool:
        """False if somebody was first."""
        with self._database.changing() as connection:
            return _use_errand(connection, key, now)

    def tell(
        self, key: int, notice: Notice, mailbox: str, now: datetime, mail: tuple[FrozenEdition, Recipient]
    ) -> None:
        """Queue a mail to one subscriber, which counts for ``mailbox``."""
        with self._database.changing() as connection:
            _queue_notice(connection, notice, *mail, subscriber_key=key, mailbox=mailbox, now=now)

    def move(
        self,
        key: int,
        given: Consent,
        hashed: str,
        now: datetime,
        *,
        old_address_notice: tuple[Notice, FrozenEdition, Recipient],
        request: int | None = None,
    ) -> bool:
        """Give a subscriber another address (``given``'s, whose keyed hash is ``hashed``), use up the request for it,
        keep the proof, and queue the mail that tells the old one. Whoever had that address and reads nothing is taken
        over. Bounces of the old mailbox say nothing about the new one. False if the request is used up, or somebody
        who reads has the address."""
        moved = (
            "UPDATE subscriber SET address = ?, canonical = ?, hash = ?, held_until = NULL, probe_at = NULL "
            "WHERE key = ?"
        )
        with self._database.changing() as connection:
            if request is not None and not _use_errand(connection, request, now):
                return False
            old = connection.value("SELECT hash FROM subscriber WHERE key = ?", key)
            other = connection.value(
                "SELECT key FROM subscriber WHERE canonical = ? AND key <> ?", given.canonical, key
            )
            if old is None or (other is not None and not _take_over(connection, other, key)):
                return False
            connection.run(moved, given.address, given.canonical, hashed, key)
            found_by = "UPDATE consent SET canonical = ? WHERE subscriber_key = ?"
            connection.run(found_by, given.canonical, key)  # links of earlier confirmations still lead here
            keep_consents(connection, [(key, given)], handled=True)
            connection.run("DELETE FROM refusal WHERE hash = ?", old)
            _queue_notice(connection, *old_address_notice, subscriber_key=key, mailbox=old, now=now)
        return True

    # ------------------------------------------------- data of one person

    def dossier(self, key: int) -> dict[str, Any] | None:
        """Everything that is kept about one person, ready for JSON; times in ISO 8601."""
        with self._database.asking() as connection:
            hashed = connection.value("SELECT hash FROM subscriber WHERE key = ?", key)
            if hashed is None:
                return None
            return {
                "subscriber": _shown(connection, "SELECT * FROM subscriber WHERE key = ?", key)[0],
                "subscriptions": _shown(connection, _THEIR_SUBSCRIPTIONS, key),
                "consents": _shown(connection, "SELECT * FROM consent WHERE subscriber_key = ? ORDER BY key", key),
                "requests": _shown(connection, "SELECT * FROM errand WHERE subscriber_key = ? ORDER BY key", key),
                "mails": _shown(connection, _THEIR_MAILS, key),
                "refusals": _shown(connection, "SELECT * FROM refusal WHERE hash = ? ORDER BY key", hashed),
                "suppressed": _shown(connection, "SELECT * FROM suppression WHERE hash = ?", hashed),
            }


# ------------------------------------------------------ limits and notices


def _kind(notice: Notice) -> str:
    return f"notice {notice.value}"


def _count(connection: Connection, kind: str, who: str, since: datetime) -> int:
    question = "SELECT count(*) FROM attempt WHERE kind = ? AND who = ? AND at > ?"
    count: int = connection.value(question, kind, who, to_seconds(since))
    return count


def _note(connection: Connection, things: Iterable[tuple[str, str]], now: datetime) -> None:
    connection.insert_many("attempt", ("kind", "who", "at"), [(*thing, to_seconds(now)) for thing in things])


def _queue_notice(
    connection: Connection,
    notice: Notice,
    frozen: FrozenEdition,
    to: Recipient,
    *,
    subscriber_key: int,
    mailbox: str,
    now: datetime,
    extra: Mapping[str, int] | None = None,
) -> None:
    """One mail to one subscriber, in the ledger like all others."""
    if extra:
        frozen = replace(frozen, document=as_json({**json.loads(frozen.document), **extra}))
    to = replace(to, subscriber=subscriber_key)
    if save_edition(connection, frozen, (to,), page_published=True) is not None:
        _note(connection, [(_kind(notice), mailbox)], now)


# ------------------------------------------------------------------ subscribers


def _only(found: Sequence[Subscriber]) -> Subscriber | None:
    return found[0] if found else None


def _begin(connection: Connection, consent: int, key: int, now: datetime) -> None:
    """Somebody of an import is asked only now: their time to confirm begins."""
    connection.run("UPDATE consent SET asked_at = ? WHERE key = ?", to_seconds(now), consent)
    waits = f"UPDATE subscription SET since = ? WHERE subscriber_key = ? AND state = '{ListState.PENDING}'"
    connection.run(waits, to_seconds(now), key)
    _note(connection, [(Origin.IMPORT, "")], now)


def _use_errand(connection: Connection, key: int, now: datetime) -> bool:
    used = "UPDATE errand SET used_at = ? WHERE key = ? AND used_at IS NULL"
    return connection.change(used, to_seconds(now), key) == 1


def _take_over(connection: Connection, other: int, key: int) -> bool:
    """Make what is kept about ``other``, who reads nothing, part of what is kept about ``key``. False if they read
    something."""
    if reading(connection, [other]):
        return False
    for table in ("consent", "delivery", "errand"):
        connection.run(f"UPDATE {table} SET subscriber_key = ? WHERE subscriber_key = ?", key, other)
    for table in ("omission", "subscription"):
        connection.run(f"DELETE FROM {table} WHERE subscriber_key = ?", other)
    connection.run("DELETE FROM subscriber WHERE key = ?", other)
    return True


# ------------------------------------------------------------------ dossier

_THEIR_SUBSCRIPTIONS = (
    "SELECT l.digest, p.state, p.categories, p.since FROM subscription p JOIN reader_list l ON l.key = p.list_key "
    "WHERE p.subscriber_key = ? ORDER BY l.digest"
)
_THEIR_MAILS = (
    "SELECT e.digest, e.period, e.subject, d.address, d.state, d.ended_at, d.reply_code, d.reply_text "
    "FROM delivery d JOIN edition e ON e.key = d.edition_key WHERE d.subscriber_key = ? ORDER BY d.key"
)
_INTERNAL = frozenset(("key", "subscriber_key", "delivery_key", "canonical", "hash", "name", "handled"))
_MOMENTS = frozenset(
    (
        "created_at",
        "pause_ends",
        "held_until",
        "probe_at",
        "since",
        "asked_at",
        "confirmed_at",
        "used_at",
        "ended_at",
        "at",
    )
)
_JSON = frozenset(("categories", "choices", "wishes"))


def _shown(connection: Connection, question: str, value: Any) -> list[dict[str, Any]]:
    """Rows for JSON: moments in ISO 8601, JSON columns as what they hold, no internal keys."""
    cursor = connection.run(question, value)
    names = [column[0] for column in cursor.description]
    rows = [zip(names, row, strict=True) for row in cursor]
    return [{name: _readable(name, each) for name, each in row if name not in _INTERNAL} for row in rows]


def _readable(name: str, value: Any) -> Any:
    if name in _MOMENTS and value is not None:
        return to_moment(value).isoformat()
    return json.loads(value) if name in _JSON else value
