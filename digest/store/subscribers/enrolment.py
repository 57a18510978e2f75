"""Rows about subscribers: what sign-ups, imports and changes read and write alike, any number of subscribers at a time.

Each kind of change is one statement, run once for all rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import convert, to_builtins

from digest.edition.selection import Selection
from digest.store.database.basics import as_value, optional_moment, optional_seconds, to_moment, to_seconds
from digest.store.database.connection import Connection
from digest.subscribers.subscription import (
    Choice,
    Consent,
    ListState,
    MailAddress,
    Origin,
    Preferences,
    Subscriber,
    Subscription,
    Suppression,
    SuppressionReason,
)

PAGE = 1_000
"""Rows read at a time when all subscribers are gone through."""

_PEOPLE = (
    "SELECT s.key, s.address, s.created_at, s.held_until, x.reason, s.frequency, s.hour, s.zone, s.paused_until "
    "FROM subscriber s LEFT JOIN suppression x ON x.hash = s.hash"
)
_SUBSCRIPTIONS = (
    "SELECT p.subscriber_key, l.digest, p.list_key, p.state, p.categories, p.since "
    "FROM subscription p JOIN reader_list l ON l.key = p.list_key"
)
_SUBSCRIBER = ("address", "canonical", "hash", "created_at", "frequency", "hour", "zone", "paused_until")
_WISHES = "frequency = ?, hour = ?, zone = ?, paused_until = ?, pause_ends = ?"
_WISH = f"UPDATE subscriber SET {_WISHES} WHERE key = ?"
_WELCOME = f"UPDATE subscriber SET {_WISHES}, address = ?, held_until = NULL, probe_at = NULL WHERE key = ?"
_JOIN = (
    "INSERT INTO subscription (subscriber_key, list_key, state, categories, selection, since) "
    "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (subscriber_key, list_key) DO UPDATE SET state = excluded.state, "
    "categories = excluded.categories, selection = excluded.selection, since = excluded.since "
    f"WHERE subscription.state NOT IN ('{ListState.ACTIVE}', excluded.state)"
)
_GIVEN = ("address", "canonical", "origin", "asked_at", "text", "choices", "wishes", "ip", "confirmed_at")
CONSENT = f"key, {', '.join(_GIVEN)}"
"""What ``read_consent`` takes."""


# ------------------------------------------------------------------ subscribers


def read_people(connection: Connection, condition: str, *values: Any) -> list[Subscriber]:
    """The first ``PAGE`` subscribers (``s``), by key, that a condition holds for."""
    rows = connection.rows(f"{_PEOPLE} WHERE {condition} ORDER BY s.key LIMIT {PAGE}", *values)
    theirs: dict[int, list[Subscription]] = {row[0]: [] for row in rows}
    if rows:
        joined = f"{_SUBSCRIPTIONS} WHERE p.subscriber_key {connection.is_one_of} ORDER BY l.digest"
        for key, *row in connection.rows(joined, connection.listed(theirs)):
            theirs[key].append(_subscription(*row))
    return [_subscriber(theirs[row[0]], *row) for row in rows]


def _subscriber(
    subscriptions: Sequence[Subscription],
    key: int,
    address: str,
    created_at: int,
    held_until: int | None,
    reason: str | None,
    *wishes: Any,
) -> Subscriber:
    return Subscriber(
        key=key,
        address=address,
        created_at=to_moment(created_at),
        preferences=as_value(Preferences, wishes),
        subscriptions=tuple(subscriptions),
        suppressed=SuppressionReason(reason) if reason else None,
        held_until=optional_moment(held_until),
    )


def _subscription(digest: str, list_key: int, state: str, categories: str, since: int) -> Subscription:
    return Subscription(
        digest=digest,
        list_key=list_key,
        state=ListState(state),
        categories=tuple(json.loads(categories)),
        since=to_moment(since),
    )


def keys_of(connection: Connection, canonicals: Iterable[str]) -> dict[str, int]:
    """The subscribers among some canonical addresses."""
    question = f"SELECT canonical, key FROM subscriber WHERE canonical {connection.is_one_of}"
    return dict(connection.rows(question, connection.listed(canonicals)))


def enter(
    connection: Connection,
    people: Sequence[tuple[Consent | MailAddress, str]],
    now: datetime,
    since: Mapping[str, datetime] | None = None,
) -> dict[str, int]:
    """Keys by canonical address, of people with their keyed hashes. Some may be new, and may be made by another process
    at this very moment. ``since`` is when they came, by canonical address, if not now."""
    keys = keys_of(connection, [given.canonical for given, _ in people])
    wishes = wish_columns(Preferences()).values()
    new = [
        (given.address, given.canonical, hashed, to_seconds((since or {}).get(given.canonical, now)), *wishes)
        for given, hashed in people
        if given.canonical not in keys
    ]
    connection.insert_many("subscriber", _SUBSCRIBER, new, or_ignore=True)
    return keys | keys_of(connection, [row[1] for row in new]) if new else keys


def reading(connection: Connection, keys: Iterable[int]) -> set[int]:
    """Who of them reads something already."""
    question = f"SELECT subscriber_key FROM subscription WHERE subscriber_key {connection.is_one_of}"
    return set(connection.column(f"{question} AND state = '{ListState.ACTIVE}'", connection.listed(keys)))


def join(
    connection: Connection, theirs: Sequence[tuple[int, Sequence[Choice]]], state: ListState, now: datetime
) -> None:
    """Bring subscriptions into a state. Those that are active stay as they are."""
    settle(connection, [(key, choice, state, now) for key, choices in theirs for choice in choices])


def settle(connection: Connection, theirs: Sequence[tuple[int, Choice, ListState, datetime]]) -> None:
    """As ``join``, each with a state and the moment since which it is so."""
    digests = dict.fromkeys(choice.digest for _, choice, *_ in theirs)
    lists = {digest: _key_of_list(connection, digest) for digest in digests}
    rows = [
        (key, lists[choice.digest], state.value, *choice_columns(choice), to_seconds(since))
        for key, choice, state, since in theirs
    ]
    connection.run_many(_JOIN, rows)


def end(connection: Connection, theirs: Sequence[tuple[int, Choice, datetime]]) -> None:
    """End subscriptions that are active, as of some moment."""
    ended = (
        f"UPDATE subscription SET state = '{ListState.UNSUBSCRIBED}', since = ? WHERE subscriber_key = ? "
        f"AND list_key = (SELECT key FROM reader_list WHERE digest = ?) AND state = '{ListState.ACTIVE}'"
    )
    connection.run_many(ended, [(to_seconds(since), key, choice.digest) for key, choice, since in theirs])


def suppress(connection: Connection, theirs: Iterable[Suppression]) -> None:
    """Never write to these again. The first reason stays."""
    rows = [(each.hashed, each.reason.value, each.note, to_seconds(each.since)) for each in theirs]
    connection.insert_many("suppression", ("hash", "reason", "note", "since"), rows, or_ignore=True)


def _key_of_list(connection: Connection, digest: str) -> int:
    """The short key of a digest, given at first use and never changed."""
    question = "SELECT key FROM reader_list WHERE digest = ?"
    key: int | None = connection.value(question, digest)
    if key is None:
        connection.insert_many("reader_list", ("digest",), [(digest,)], or_ignore=True)
        key = connection.value(question, digest)
    assert key is not None
    return key


def choice_columns(choice: Choice) -> tuple[str, str]:
    """Categories as they were chosen, and the selection that they are."""
    return as_json(choice.categories), str(Selection.of(choice.categories))


# ------------------------------------------------------------------- wishes


def wish(connection: Connection, theirs: Iterable[tuple[int, Preferences, datetime | None]]) -> None:
    """What subscribers want from now on; with the moments at which their pauses end."""
    connection.run_many(_WISH, [(*_wish_row(wishes, ends), key) for key, wishes, ends in theirs])


def welcome(connection: Connection, theirs: Iterable[tuple[int, Consent, datetime | None]]) -> None:
    """As ``wish``, for newcomers: they are written to as they spelt it, and what their mailboxes did is over."""
    rows = [(*_wish_row(given.preferences, ends), given.address, key) for key, given, ends in theirs]
    connection.run_many(_WELCOME, rows)


def _wish_row(wishes: Preferences, pause_ends: datetime | None) -> tuple[Any, ...]:
    return (*wish_columns(wishes).values(), optional_seconds(pause_ends))


def wish_columns(wishes: Preferences) -> Mapping[str, Any]:
    columns: dict[str, Any] = to_builtins(wishes)
    return columns


# ----------------------------------------------------------------- consents


def keep_consents(connection: Connection, consents: Iterable[tuple[int | None, Consent]], *, handled: bool) -> None:
    """With the keys of their subscribers, where these are known."""
    rows = [(*_consent_row(given), key, handled) for key, given in consents]
    connection.insert_many("consent", (*_GIVEN, "subscriber_key", "handled"), rows)


def _consent_row(given: Consent) -> tuple[Any, ...]:
    return (
        *(given.address, given.canonical, given.origin.value, to_seconds(given.asked_at), given.text),
        *(as_json({each.digest: each.categories for each in given.choices}), as_json(wish_columns(given.preferences))),
        *(given.ip, optional_seconds(given.confirmed_at)),
    )


def read_consent(row: Sequence[Any]) -> Consent:
    key, address, canonical, origin, asked_at, text, choices, wishes, ip, confirmed_at = row
    return Consent(
        key=key,
        address=address,
        canonical=canonical,
        origin=Origin(origin),
        asked_at=to_moment(asked_at),
        text=text,
        choices=tuple(
            Choice(digest=digest, categories=tuple(categories)) for digest, categories in json.loads(choices).items()
        ),
        preferences=convert(json.loads(wishes), Preferences),
        ip=ip,
        confirmed_at=optional_moment(confirmed_at),
    )


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
