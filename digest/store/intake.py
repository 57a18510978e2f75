"""Many readers at once: what an import looks up and writes down, a batch in one transaction.

A row costs no statement of its own in Python: each kind of change is one statement, run once for all rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from digest.store.basics import to_seconds
from digest.store.part import Part
from digest.store.schema import consent, subscriber, subscription, suppression
from digest.store.sql import among, insert_many, run_many
from digest.store.subscribers import as_json, consent_values, key_of_list, read_people, wish_columns
from digest.subscribers.subscription import Consent, Entrant, ListState, Subscriber, Wishes, choice_label


class Intake(Part):
    """Readers whom the operator brings."""

    def known(self, people: Sequence[tuple[str, str]]) -> tuple[dict[str, Subscriber], set[str]]:
        """Of people by canonical address and its keyed hash, a thousand at most: the readers among them by canonical
        address, and the hashes that are suppressed."""
        by_hash = {hashed: canonical for canonical, hashed in people}
        with self._database.reading() as connection:
            keys = dict(_keys(connection, list(by_hash.values())))
            found = read_people(connection, among(connection, subscriber.c.key, keys.values())) if keys else []
            blocked = among(connection, suppression.c.hash, by_hash)
            suppressed = set(connection.scalars(select(suppression.c.hash).where(blocked)))
        readers = {each.key: each for each in found}
        return {canonical: readers[key] for canonical, key in keys.items() if key in readers}, suppressed

    def ask_all(self, asked: Sequence[Consent]) -> None:
        """Keep sign-ups for later, all or none."""
        rows = [_consent_row(each, subscriber_key=None, handled=False) for each in asked]
        with self._database.writing() as connection:
            insert_many(connection, consent, _CONSENT, rows)

    def admit(self, entrants: Sequence[Entrant], now: datetime) -> None:
        """Take in readers, each address once, whose consent the operator vouches for: active at once, and said so in
        the record. All or none. Whoever reads something already keeps their wishes, but for a pause that is asked
        for."""
        with self._database.writing() as connection:
            keys = _readers(connection, entrants, now)
            settled = _reading(connection, keys.values())
            theirs = [(keys[each.given.canonical], each) for each in entrants]
            proofs = [_consent_row(each.given, subscriber_key=key, handled=True, now=now) for key, each in theirs]
            insert_many(connection, consent, _CONSENT, proofs)
            run_many(connection, _WELCOME, [_welcome(key, each) for key, each in theirs if key not in settled])
            paused = [_wishes_row(key, each) for key, each in theirs if key in settled and each.pause_ends is not None]
            run_many(connection, _WISH, paused)
            run_many(connection, _JOIN, _memberships(connection, theirs, now))


_CONSENT = (
    *("subscriber_key", "address", "canonical", "origin", "asked_at", "text", "choices", "wishes", "ip"),
    *("confirmed_at", "handled"),
)
_SUBSCRIBER = ("address", "canonical", "hash", "created_at", "frequency", "hour", "zone", "paused_until")
_WISHES = "frequency = ?, hour = ?, zone = ?, paused_until = ?, pause_ends = ?"
_WELCOME = f"UPDATE subscriber SET {_WISHES}, address = ?, held_until = NULL, probe_at = NULL WHERE key = ?"
_WISH = f"UPDATE subscriber SET {_WISHES} WHERE key = ?"
_JOIN = (
    "INSERT INTO subscription (subscriber_key, list_key, state, categories, label, since) VALUES (?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (subscriber_key, list_key) DO UPDATE SET state = excluded.state, categories = excluded.categories, "
    "label = excluded.label, since = excluded.since "
    "WHERE subscription.state IN ('pending', 'unsubscribed')"
)


def _keys(connection: Connection, canonicals: Sequence[str]) -> list[tuple[str, int]]:
    query = select(subscriber.c.canonical, subscriber.c.key).where(
        among(connection, subscriber.c.canonical, canonicals)
    )
    return [(canonical, key) for canonical, key in connection.execute(query)]


def _readers(connection: Connection, entrants: Sequence[Entrant], now: datetime) -> dict[str, int]:
    """Keys by canonical address. Some may be new, and may be made by another process at this very moment."""
    keys = dict(_keys(connection, [each.given.canonical for each in entrants]))
    new = [each for each in entrants if each.given.canonical not in keys]
    wishes = tuple(wish_columns(Wishes()).values())
    rows = [(each.given.address, each.given.canonical, each.hashed, to_seconds(now), *wishes) for each in new]
    insert_many(connection, subscriber, _SUBSCRIBER, rows, or_ignore=True)
    return keys | dict(_keys(connection, [each.given.canonical for each in new])) if new else keys


def _reading(connection: Connection, keys: Sequence[int] | Any) -> set[int]:
    """Who of them reads something already."""
    query = select(subscription.c.subscriber_key).where(
        among(connection, subscription.c.subscriber_key, keys), subscription.c.state == ListState.ACTIVE.value
    )
    return set(connection.scalars(query))


def _memberships(connection: Connection, theirs: Sequence[tuple[int, Entrant]], now: datetime) -> list[tuple[Any, ...]]:
    digests = dict.fromkeys(choice.digest for _, each in theirs for choice in each.given.choices)
    lists = {digest: key_of_list(connection, digest) for digest in digests}
    return [
        (
            *(key, lists[choice.digest], ListState.ACTIVE.value, as_json(choice.categories)),
            *(choice_label(choice.categories), to_seconds(now)),
        )
        for key, each in theirs
        for choice in each.given.choices
    ]


def _wishes_row(key: int, entrant: Entrant) -> tuple[Any, ...]:
    ends = None if entrant.pause_ends is None else to_seconds(entrant.pause_ends)
    return (*wish_columns(entrant.given.wishes).values(), ends, key)


def _welcome(key: int, entrant: Entrant) -> tuple[Any, ...]:
    *wishes, key = _wishes_row(key, entrant)
    return (*wishes, entrant.given.address, key)


def _consent_row(
    given: Consent, *, subscriber_key: int | None, handled: bool, now: datetime | None = None
) -> tuple[Any, ...]:
    """``now`` stands for a moment of confirming that is not said."""
    values = consent_values(given)
    confirmed = given.confirmed_at or now
    values |= {
        "subscriber_key": subscriber_key,
        "asked_at": to_seconds(given.asked_at),
        "confirmed_at": None if confirmed is None else to_seconds(confirmed),
        "handled": handled,
    }
    return tuple(values[name] for name in _CONSENT)
