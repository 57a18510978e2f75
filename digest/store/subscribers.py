"""Readers: who they are, what they agreed to and what they want; whom an edition goes to.

Every method is one transaction. What is decided, is decided above; here it is written down, guarded so that doing it
twice changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from importlib import import_module
from typing import Any

from msgspec.structs import replace
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)

from digest.models import FrozenEdition, Recipient
from digest.store.editions import save_edition
from digest.store.part import Part
from digest.store.plain import Plain
from digest.store.schema import (
    attempt,
    consent,
    delivery,
    edition,
    errand,
    omission,
    reader_list,
    refusal,
    subscriber,
    subscription,
    suppression,
)
from digest.store.sql import among
from digest.subscribers.subscription import (
    Choice,
    Consent,
    Errand,
    Frequency,
    Limit,
    ListState,
    Notice,
    Origin,
    Reason,
    Request,
    Standing,
    Subscriber,
    Subscription,
    Wishes,
    choice_label,
)

PAGE = 1_000
"""Rows read at a time when all readers are gone through."""

_DAY = timedelta(days=1)


class Subscribers(Part):
    """Readers and what they agreed to."""

    # -------------------------------------------------------------- sign-up

    def ask(self, asked: Consent, limits: Sequence[Limit], now: datetime) -> Limit | None:
        """Keep a sign-up for later, and count it; or name the limit that forbids it, and keep nothing. Does the
        same work whoever asks."""
        with self._database.writing() as connection:
            for limit in limits:
                if _count(connection, limit.kind, limit.who, now - limit.within) >= limit.most:
                    return limit
            _note(connection, [(limit.kind, limit.who) for limit in limits], now)
            connection.execute(insert(consent).values(**consent_values(asked), handled=False))
        return None

    def unhandled(self, limit: int = 100) -> list[Consent]:
        """Sign-ups that nothing was done about yet, oldest first."""
        query = select(consent).where(consent.c.handled.is_(False)).order_by(consent.c.key).limit(limit)
        with self._database.reading() as connection:
            return [_consent(row) for row in connection.execute(query)]

    def standing(self, canonical: str, hashed: str, mailbox: str, now: datetime) -> Standing:
        """What is known about an address, and how much its mailbox was sent."""
        with self._database.reading() as connection:
            sent = {notice: _count(connection, _kind(notice), mailbox, now - _DAY) for notice in Notice}
            return Standing(
                subscriber=_one(connection, subscriber.c.canonical == canonical),
                suppressed=_suppressed(connection, hashed) is not None,
                notices=sent,
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
        """Note a sign-up's reader as waiting for confirmation, and queue the mail about it, which counts for
        ``mailbox``. False if it is handled already."""
        with self._database.writing() as connection:
            if not _handle(connection, asked.key):
                return False
            key = _reader(connection, asked, hashed, now)
            connection.execute(update(consent).where(consent.c.key == asked.key).values(subscriber_key=key))
            for choice in asked.choices:
                _join(connection, key, choice, ListState.PENDING, now, over=(ListState.UNSUBSCRIBED,))
            if notice is not None:
                _queue_notice(connection, *notice, subscriber_key=key, mailbox=mailbox, now=now)
        return True

    def dismiss(self, key: int) -> None:
        """Forget a sign-up that nothing will become of."""
        with self._database.writing() as connection:
            connection.execute(delete(consent).where(consent.c.key == key, consent.c.confirmed_at.is_(None)))

    def consent(self, key: int) -> Consent | None:
        with self._database.reading() as connection:
            row = connection.execute(select(consent).where(consent.c.key == key)).first()
        return None if row is None else _consent(row)

    def confirm(self, key: int, now: datetime) -> bool:
        """Make the subscriptions of a sign-up active. False if that was done before: then nothing changes, for its
        reader may have left since."""
        confirmed = (
            update(consent)
            .where(consent.c.key == key, consent.c.confirmed_at.is_(None), consent.c.subscriber_key.is_not(None))
            .values(confirmed_at=now)
            .returning(*consent.c)
        )
        with self._database.writing() as connection:
            row = connection.execute(confirmed).first()
            if row is None:
                return False
            _activate(connection, row.subscriber_key, _consent(row), now)
        return True

    # -------------------------------------------------------------- readers

    def subscriber(self, key: int) -> Subscriber | None:
        with self._database.reading() as connection:
            return _one(connection, subscriber.c.key == key)

    def subscriber_by(self, canonical: str) -> Subscriber | None:
        with self._database.reading() as connection:
            return _one(connection, subscriber.c.canonical == canonical)

    def subscribers(self) -> Iterator[Subscriber]:
        """All of them by key, some at a time."""
        last = 0
        while True:
            with self._database.reading() as connection:
                found = read_people(connection, subscriber.c.key > last)
            yield from found
            if len(found) < PAGE:
                return
            last = found[-1].key

    def consents(self, key: int) -> list[Consent]:
        """Everything that a reader agreed to, oldest first."""
        query = select(consent).where(consent.c.subscriber_key == key).order_by(consent.c.key)
        with self._database.reading() as connection:
            return [_consent(row) for row in connection.execute(query)]

    def list_name(self, list_key: int) -> str | None:
        """The digest that a key in a link stands for."""
        with self._database.reading() as connection:
            return connection.scalar(select(reader_list.c.digest).where(reader_list.c.key == list_key))

    def unsubscribe(self, key: int, now: datetime, list_key: int | None = None) -> int:
        """End a reader's subscription to one list, or to all. Returns how many ended; 0 when there was none left."""
        ended = (
            update(subscription)
            .where(
                subscription.c.subscriber_key == key,
                subscription.c.state != ListState.UNSUBSCRIBED.value,
                *([] if list_key is None else [subscription.c.list_key == list_key]),
            )
            .values(state=ListState.UNSUBSCRIBED.value, since=now)
        )
        with self._database.writing() as connection:
            return connection.execute(ended).rowcount

    def change(
        self, key: int, wishes: Wishes, pause_ends: datetime | None, choices: Sequence[Choice], now: datetime
    ) -> None:
        """What a reader wants from now on. Subscriptions that are not active stay as they are."""
        with self._database.writing() as connection:
            values = {**wish_columns(wishes), "pause_ends": pause_ends}
            connection.execute(update(subscriber).where(subscriber.c.key == key).values(**values))
            for choice in choices:
                connection.execute(
                    update(subscription)
                    .where(
                        subscription.c.subscriber_key == key,
                        subscription.c.list_key == key_of_list(connection, choice.digest),
                        subscription.c.state == ListState.ACTIVE.value,
                    )
                    .values(categories=as_json(choice.categories), label=choice_label(choice.categories))
                )

    # --------------------------------------------------------- fresh links

    def open_errand(
        self,
        key: int,
        kind: Errand,
        mailbox: str,
        now: datetime,
        *,
        most: int,
        notice: Notice,
        mail: tuple[FrozenEdition, Recipient],
        address: str | None = None,
    ) -> bool:
        """Note that a reader wants a fresh link, and queue the mail with it. False if there were too many of these
        within a day for that ``mailbox``. The mail's document gets the errand's key. ``address`` is the new one that
        the link confirms."""
        with self._database.writing() as connection:
            if _count(connection, _kind(notice), mailbox, now - _DAY) >= most:
                return False
            values = {"subscriber_key": key, "kind": kind.value, "asked_at": now, "address": address}
            opened = insert(errand).values(**values).returning(errand.c.key)
            number = connection.execute(opened).scalar_one()
            _queue_notice(
                connection, notice, *mail, subscriber_key=key, mailbox=mailbox, now=now, extra={"errand": number}
            )
        return True

    def errand(self, key: int) -> Request | None:
        with self._database.reading() as connection:
            row = connection.execute(select(errand).where(errand.c.key == key)).first()
        if row is None:
            return None
        return Request(
            subscriber=row.subscriber_key,
            errand=Errand(row.kind),
            asked_at=row.asked_at,
            used=row.used_at is not None,
            address=row.address or "",
        )

    def use_errand(self, key: int, now: datetime) -> bool:
        """False if somebody was first."""
        with self._database.writing() as connection:
            return _use_errand(connection, key, now)

    def tell(
        self, key: int, notice: Notice, mailbox: str, now: datetime, mail: tuple[FrozenEdition, Recipient]
    ) -> None:
        """Queue a mail to one reader, which counts for ``mailbox``."""
        with self._database.writing() as connection:
            _queue_notice(connection, notice, *mail, subscriber_key=key, mailbox=mailbox, now=now)

    def move(
        self,
        key: int,
        given: Consent,
        hashed: str,
        now: datetime,
        *,
        farewell: tuple[Notice, FrozenEdition, Recipient],
        request: int | None = None,
    ) -> bool:
        """Give a reader another address (``given``'s, whose keyed hash is ``hashed``), use up the request for it, keep
        the proof, and queue the mail that tells the old one. Whoever had that address and reads nothing is taken over.
        Bounces of the old mailbox say nothing about the new one. False if the request is used up, or somebody who
        reads has the address."""
        with self._database.writing() as connection:
            if request is not None and not _use_errand(connection, request, now):
                return False
            row = connection.execute(select(subscriber).where(subscriber.c.key == key)).first()
            other = connection.scalar(
                select(subscriber.c.key).where(subscriber.c.canonical == given.canonical, subscriber.c.key != key)
            )
            if row is None or (other is not None and not _take_over(connection, int(other), key)):
                return False
            values = {"address": given.address, "canonical": given.canonical, "hash": hashed}
            fresh = {"held_until": None, "probe_at": None}
            connection.execute(update(subscriber).where(subscriber.c.key == key).values(**values, **fresh))
            found_by = update(consent).where(consent.c.subscriber_key == key).values(canonical=given.canonical)
            connection.execute(found_by)  # links of earlier confirmations lead to the reader still
            connection.execute(insert(consent).values(**consent_values(given), subscriber_key=key, handled=True))
            connection.execute(delete(refusal).where(refusal.c.hash == row.hash))
            _queue_notice(connection, *farewell, subscriber_key=key, mailbox=row.hash, now=now)
        return True

    # ------------------------------------------------- data of one person

    def dossier(self, key: int) -> dict[str, Any] | None:
        """Everything that is kept about one person, ready for JSON; times in ISO 8601."""
        with self._database.reading() as connection:
            row = connection.execute(select(subscriber).where(subscriber.c.key == key)).first()
            if row is None:
                return None
            return {
                "subscriber": _plain(row, leave_out=("hash",)),
                "subscriptions": [
                    _plain(each)
                    for each in connection.execute(
                        select(
                            reader_list.c.digest,
                            subscription.c.state,
                            subscription.c.categories,
                            subscription.c.since,
                        )
                        .join_from(subscription, reader_list)
                        .where(subscription.c.subscriber_key == key)
                        .order_by(reader_list.c.digest)
                    )
                ],
                "consents": _rows(connection, consent, consent.c.subscriber_key == key, leave_out=("handled",)),
                "requests": _rows(connection, errand, errand.c.subscriber_key == key),
                "mails": [
                    _plain(each)
                    for each in connection.execute(
                        select(
                            edition.c.digest,
                            edition.c.period,
                            edition.c.subject,
                            delivery.c.address,
                            delivery.c.state,
                            delivery.c.ended_at,
                            delivery.c.reply_code,
                            delivery.c.reply_text,
                        )
                        .join_from(delivery, edition)
                        .where(delivery.c.subscriber_key == key)
                        .order_by(delivery.c.key)
                    )
                ],
                "refusals": _rows(connection, refusal, refusal.c.hash == row.hash, leave_out=("hash", "name")),
                "suppressed": [
                    _plain(each, leave_out=("hash",))
                    for each in connection.execute(select(suppression).where(suppression.c.hash == row.hash))
                ],
            }


# ------------------------------------------------------------ fresh links


def _use_errand(connection: Connection, key: int, now: datetime) -> bool:
    used = update(errand).where(errand.c.key == key, errand.c.used_at.is_(None)).values(used_at=now)
    return connection.execute(used).rowcount == 1


def _take_over(connection: Connection, other: int, key: int) -> bool:
    """Make what is kept about ``other``, who reads nothing, part of what is kept about ``key``. False if they read
    something."""
    reads = (subscription.c.subscriber_key == other, subscription.c.state == ListState.ACTIVE.value)
    if connection.scalar(select(literal(1)).where(*reads).limit(1)) is not None:
        return False
    for table in (consent, delivery, errand):
        connection.execute(update(table).where(table.c.subscriber_key == other).values(subscriber_key=key))
    for table in (omission, subscription):
        connection.execute(delete(table).where(table.c.subscriber_key == other))
    connection.execute(delete(subscriber).where(subscriber.c.key == other))
    return True


# ---------------------------------------------------------------- sign-ups


def _kind(notice: Notice) -> str:
    return f"notice {notice.value}"


def _count(connection: Connection, kind: str, who: str, since: datetime) -> int:
    query = select(func.count()).where(attempt.c.kind == kind, attempt.c.who == who, attempt.c.at > since)
    return int(connection.execute(query).scalar_one())


def _note(connection: Connection, things: Iterable[tuple[str, str]], now: datetime) -> None:
    for kind, who in things:
        connection.execute(insert(attempt).values(kind=kind, who=who, at=now))


def _handle(connection: Connection, key: int) -> bool:
    mine = update(consent).where(consent.c.key == key, consent.c.handled.is_(False)).values(handled=True)
    return connection.execute(mine).rowcount == 1


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
    """One mail to one reader, in the ledger like all others."""
    if extra:
        frozen = replace(frozen, document=as_json({**json.loads(frozen.document), **extra}))
    to = replace(to, subscriber=subscriber_key)
    if save_edition(Plain.within(connection), frozen, (to,), page_published=True) is not None:
        _note(connection, [(_kind(notice), mailbox)], now)


def _reader(connection: Connection, asked: Consent, hashed: str, now: datetime) -> int:
    """The key of a sign-up's reader, who may be new, and may be made by another process at this very moment."""
    query = select(subscriber.c.key).where(subscriber.c.canonical == asked.canonical)
    known = connection.scalar(query)
    if known is not None:
        return int(known)
    values = {
        "address": asked.address,
        "canonical": asked.canonical,
        "hash": hashed,
        "created_at": now,
        **wish_columns(Wishes()),
    }
    dialect = import_module(f"sqlalchemy.dialects.{connection.dialect.name}")
    connection.execute(dialect.insert(subscriber).values(**values).on_conflict_do_nothing())
    return int(connection.execute(query).scalar_one())


def _activate(connection: Connection, key: int, given: Consent, now: datetime) -> None:
    """Whoever reads something already keeps their wishes; a newcomer gets those of the form."""
    active = (subscription.c.subscriber_key == key, subscription.c.state == ListState.ACTIVE.value)
    if connection.scalar(select(func.count()).select_from(subscription).where(*active)) == 0:
        fresh = {"pause_ends": None, "held_until": None, "probe_at": None}
        values = {**wish_columns(given.wishes), "address": given.address, **fresh}
        connection.execute(update(subscriber).where(subscriber.c.key == key).values(**values))
    for choice in given.choices:
        _join(connection, key, choice, ListState.ACTIVE, now, over=(ListState.PENDING, ListState.UNSUBSCRIBED))


def _join(
    connection: Connection, key: int, choice: Choice, state: ListState, now: datetime, *, over: Sequence[ListState]
) -> None:
    """Bring a subscription into a state, from none or from one of ``over``."""
    dialect = import_module(f"sqlalchemy.dialects.{connection.dialect.name}")
    values = {
        "state": state.value,
        "categories": as_json(choice.categories),
        "label": choice_label(choice.categories),
        "since": now,
    }
    list_key = key_of_list(connection, choice.digest)
    joined = dialect.insert(subscription).values(subscriber_key=key, list_key=list_key, **values)
    connection.execute(
        joined.on_conflict_do_update(
            index_elements=["subscriber_key", "list_key"],
            set_={name: joined.excluded[name] for name in values},
            where=subscription.c.state.in_([each.value for each in over]),
        )
    )


def key_of_list(connection: Connection, digest: str) -> int:
    """The short key of a digest, given at first use and never changed."""
    query = select(reader_list.c.key).where(reader_list.c.digest == digest)
    known = connection.scalar(query)
    if known is not None:
        return int(known)
    dialect = import_module(f"sqlalchemy.dialects.{connection.dialect.name}")
    connection.execute(dialect.insert(reader_list).values(digest=digest).on_conflict_do_nothing())
    return int(connection.execute(query).scalar_one())


def _suppressed(connection: Connection, hashed: str) -> str | None:
    return connection.scalar(select(suppression.c.reason).where(suppression.c.hash == hashed))


# ------------------------------------------------------------------- values


def _one(connection: Connection, condition: ColumnElement[bool]) -> Subscriber | None:
    return next(iter(read_people(connection, condition)), None)


def read_people(connection: Connection, condition: ColumnElement[bool]) -> list[Subscriber]:
    """The first ``PAGE`` readers, by key, that a condition holds for."""
    rows = connection.execute(_people(condition)).all()
    if not rows:
        return []
    theirs: dict[int, list[Subscription]] = {row.key: [] for row in rows}
    joined = (
        select(*subscription.c, reader_list.c.digest)
        .join_from(subscription, reader_list)
        .where(among(connection, subscription.c.subscriber_key, theirs))
        .order_by(reader_list.c.digest)
    )
    for row in connection.execute(joined):
        theirs[row.subscriber_key].append(_subscription(row))
    return [_subscriber(row, theirs[row.key]) for row in rows]


def _people(condition: ColumnElement[bool]) -> Select[Any]:
    return (
        select(*subscriber.c, suppression.c.reason)
        .select_from(subscriber)
        .outerjoin(suppression, suppression.c.hash == subscriber.c.hash)
        .where(condition)
        .order_by(subscriber.c.key)
        .limit(PAGE)
    )


def _subscriber(row: Any, subscriptions: Sequence[Subscription]) -> Subscriber:
    return Subscriber(
        key=row.key,
        address=row.address,
        created_at=row.created_at,
        wishes=_wishes(row),
        subscriptions=tuple(subscriptions),
        suppressed=Reason(row.reason) if row.reason else None,
        held_until=row.held_until,
    )


def _subscription(row: Any) -> Subscription:
    return Subscription(
        digest=row.digest,
        list_key=row.list_key,
        state=ListState(row.state),
        categories=tuple(json.loads(row.categories)),
        since=row.since,
    )


def _wishes(row: Any) -> Wishes:
    return Wishes(
        frequency=Frequency(row.frequency),
        hour=row.hour,
        zone=row.zone,
        paused_until=date.fromisoformat(row.paused_until) if row.paused_until else None,
    )


def wish_columns(wishes: Wishes) -> dict[str, Any]:
    return {
        "frequency": wishes.frequency.value,
        "hour": wishes.hour,
        "zone": wishes.zone,
        "paused_until": wishes.paused_until.isoformat() if wishes.paused_until else None,
    }


def consent_values(asked: Consent) -> dict[str, Any]:
    return {
        "address": asked.address,
        "canonical": asked.canonical,
        "origin": asked.origin.value,
        "asked_at": asked.asked_at,
        "text": asked.text,
        "choices": as_json({choice.digest: choice.categories for choice in asked.choices}),
        "wishes": as_json(wish_columns(asked.wishes)),
        "ip": asked.ip,
        "confirmed_at": asked.confirmed_at,
    }


def _consent(row: Any) -> Consent:
    wishes = json.loads(row.wishes)
    return Consent(
        key=row.key,
        address=row.address,
        canonical=row.canonical,
        origin=Origin(row.origin),
        asked_at=row.asked_at,
        text=row.text,
        choices=tuple(
            Choice(digest=digest, categories=tuple(categories))
            for digest, categories in json.loads(row.choices).items()
        ),
        wishes=Wishes(
            frequency=Frequency(wishes["frequency"]),
            hour=wishes["hour"],
            zone=wishes["zone"],
            paused_until=date.fromisoformat(wishes["paused_until"]) if wishes["paused_until"] else None,
        ),
        ip=row.ip,
        confirmed_at=row.confirmed_at,
    )


def _rows(
    connection: Connection, table: Any, condition: ColumnElement[bool], leave_out: Sequence[str] = ()
) -> list[dict[str, Any]]:
    found = connection.execute(select(table).where(condition).order_by(table.c.key))
    return [_plain(row, leave_out=("subscriber_key", *leave_out)) for row in found]


def _plain(row: Any, leave_out: Sequence[str] = ()) -> dict[str, Any]:
    """A row for JSON: moments in ISO 8601, JSON columns as what they hold, no internal keys."""
    hidden = {"key", "delivery_key", "canonical", *leave_out}
    return {name: _shown(name, value) for name, value in row._mapping.items() if name not in hidden}


def _shown(name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return json.loads(value) if name in ("categories", "choices", "wishes") else value


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
