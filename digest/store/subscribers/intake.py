"""Many readers at once: what an import looks up and writes down, a batch in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from digest.store.database.part import Part
from digest.store.subscribers.enrolment import enter, join, keep_consents, keys_of, read_people, reading, welcome, wish
from digest.subscribers.subscription import Consent, Entrant, ListState, Subscriber


class Intake(Part):
    """Readers whom the operator brings."""

    def known(self, people: Sequence[tuple[str, str]]) -> tuple[dict[str, Subscriber], set[str]]:
        """Of people by canonical address and its keyed hash, a thousand at most: the readers among them by canonical
        address, and the hashes that are suppressed."""
        with self._database.asking() as plain:
            keys = keys_of(plain, [canonical for canonical, _ in people])
            found = read_people(plain, f"s.key {plain.is_one_of}", plain.listed(keys.values()))
            hashes = plain.listed([hashed for _, hashed in people])
            suppressed = set(plain.column(f"SELECT hash FROM suppression WHERE hash {plain.is_one_of}", hashes))
        readers = {each.key: each for each in found}
        return {canonical: readers[key] for canonical, key in keys.items() if key in readers}, suppressed

    def ask_all(self, asked: Sequence[Consent]) -> None:
        """Keep sign-ups for later, all or none."""
        with self._database.changing() as plain:
            keep_consents(plain, [(None, each) for each in asked], handled=False)

    def admit(self, entrants: Sequence[Entrant], now: datetime) -> None:
        """Take in readers, each address once, whose consent the operator vouches for: active at once, and said so in
        the record. All or none. Whoever reads something already keeps their wishes, but for a pause that is asked
        for."""
        with self._database.changing() as plain:
            keys = enter(plain, [(each.given, each.hashed) for each in entrants], now)
            settled = reading(plain, keys.values())
            theirs = [
                (keys[each.given.canonical], replace(each.given, confirmed_at=each.given.confirmed_at or now), each)
                for each in entrants
            ]
            keep_consents(plain, [(key, given) for key, given, _ in theirs], handled=True)
            welcome(plain, [(key, given, each.pause_ends) for key, given, each in theirs if key not in settled])
            paused = [row for row in theirs if row[0] in settled and row[2].pause_ends is not None]
            wish(plain, [(key, given.wishes, each.pause_ends) for key, given, each in paused])
            join(plain, [(key, given.choices) for key, given, _ in theirs], ListState.ACTIVE, now)
