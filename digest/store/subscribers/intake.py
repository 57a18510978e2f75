"""Many subscribers at once: what an import looks up and writes down, a batch in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from msgspec.structs import replace

from digest.store.database.basics import to_moment
from digest.store.database.part import Part
from digest.store.subscribers.enrolment import (
    PAGE,
    end,
    enter,
    join,
    keep_consents,
    keys_of,
    read_people,
    reading,
    settle,
    suppress,
    welcome,
    wish,
)
from digest.subscribers.subscription import (
    Carried,
    Consent,
    Entrant,
    Kept,
    ListState,
    Subscriber,
    Suppression,
    SuppressionReason,
)


class Intake(Part):
    """Subscribers whom the operator brings."""

    def known(self, people: Sequence[tuple[str, str]]) -> tuple[dict[str, Subscriber], set[str]]:
        """Of people by canonical address and its keyed hash, a thousand at most: the subscribers among them by
        canonical address, and the hashes that are suppressed."""
        with self._database.asking() as connection:
            keys = keys_of(connection, [canonical for canonical, _ in people])
            found = read_people(connection, f"s.key {connection.is_one_of}", connection.listed(keys.values()))
            hashes = connection.listed([hashed for _, hashed in people])
            suppressed = set(
                connection.column(f"SELECT hash FROM suppression WHERE hash {connection.is_one_of}", hashes)
            )
        subscribers = {each.key: each for each in found}
        return {canonical: subscribers[key] for canonical, key in keys.items() if key in subscribers}, suppressed

    def ask_all(self, asked: Sequence[tuple[Consent, str]], now: datetime) -> None:
        """Note people, each address once and with its keyed hash, as waiting for confirmation; a mail about it comes
        later. All or none."""
        with self._database.changing() as connection:
            keys = enter(connection, asked, now)
            keep_consents(connection, [(keys[each.canonical], each) for each, _ in asked], handled=False)
            join(connection, [(keys[each.canonical], each.choices) for each, _ in asked], ListState.PENDING, now)

    def admit(self, entrants: Sequence[Entrant], now: datetime) -> None:
        """Take in subscribers, each address once, whose consent the operator vouches for: active at once, and said so
        in the record. All or none. Whoever reads something already keeps their wishes, but for a pause that is asked
        for."""
        with self._database.changing() as connection:
            keys = enter(connection, [(each.given, each.hashed) for each in entrants], now)
            settled = reading(connection, keys.values())
            theirs = [
                (keys[each.given.canonical], replace(each.given, confirmed_at=each.given.confirmed_at or now), each)
                for each in entrants
            ]
            keep_consents(connection, [(key, given) for key, given, _ in theirs], handled=True)
            welcome(connection, [(key, given, each.pause_ends) for key, given, each in theirs if key not in settled])
            paused = [row for row in theirs if row[0] in settled and row[2].pause_ends is not None]
            wish(connection, [(key, given.preferences, each.pause_ends) for key, given, each in paused])
            join(connection, [(key, given.choices) for key, given, _ in theirs], ListState.ACTIVE, now)

    def keep(self, people: Sequence[Kept], now: datetime) -> None:
        """Note who left other lists, each address once, so that nothing makes them active again but their own act; and
        suppress whoever must not be written to. All or none."""
        with self._database.changing() as connection:
            keys = enter(connection, [(each.to, each.hashed) for each in people], now)
            left = [(keys[each.to.canonical], choice, each) for each in people for choice in each.choices]
            settle(connection, [(key, choice, ListState.UNSUBSCRIBED, each.since) for key, choice, each in left])
            end(connection, [(key, choice, each.since) for key, choice, each in left if each.reason is None])
            suppress(
                connection,
                [
                    Suppression(hashed=each.hashed, reason=each.reason, since=each.since, note="import")
                    for each in people
                    if each.reason
                ],
            )

    def carry(self, lines: Sequence[Carried], now: datetime) -> None:
        """Bring in lines of our own list, each address once: newcomers as they were, of others what is missing. All or
        none."""
        with self._database.changing() as connection:
            before = keys_of(connection, [each.to.canonical for each in lines])
            new = [each for each in lines if each.to.canonical not in before]
            since = {each.to.canonical: each.created_at for each in new}
            keys = before | enter(connection, [(each.to, each.hashed) for each in new], now, since)
            wish(connection, [(keys[each.to.canonical], each.preferences, each.pause_ends) for each in new])
            chosen = [(keys[each.to.canonical], each.choice, each) for each in lines if each.choice]
            settle(connection, [(key, choice, each.state, each.since) for key, choice, each in chosen])
            left = [row for row in chosen if row[2].state is ListState.UNSUBSCRIBED]
            end(connection, [(key, choice, each.since) for key, choice, each in left])
            proofs = [(keys[each.to.canonical], each.proof) for each in lines if each.proof]
            keep_consents(connection, proofs, handled=True)
            suppress(connection, [each.suppression for each in lines if each.suppression])

    def suppress_all(self, suppressions: Sequence[Suppression]) -> None:
        """All or none; the first reason of each stays."""
        with self._database.changing() as connection:
            suppress(connection, suppressions)

    def unknown_suppressions(self) -> Iterator[Suppression]:
        """Those of addresses that nobody here has, in order, some at a time."""
        question = (
            "SELECT hash, reason, since, note FROM suppression x WHERE hash > ? "
            f"AND NOT EXISTS (SELECT 1 FROM subscriber s WHERE s.hash = x.hash) ORDER BY hash LIMIT {PAGE}"
        )
        last = ""
        while found := self._rows(question, last):
            for last, reason, since, note in found:
                yield Suppression(hashed=last, reason=SuppressionReason(reason), since=to_moment(since), note=note)
