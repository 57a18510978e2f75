"""Forgetting one person wherever this program keeps something: mails in a folder, tables, the bytes of the database.

Mails go first, for once the tables have forgotten who they were for nobody finds them again; and they go once more,
for a worker may have been at one. What cannot be taken out just now is told, and never in silence left.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from digest.errors import StoreError
from digest.jobs.delivery.deliver import file_name
from digest.subscribers.subscription import Traces

_TRIES, _PAUSE = 50, 0.1
"""How often, and with how many seconds between, is looked whether a mail that is just being handed over is out."""

RemoveMails = Callable[[Collection[str], Collection[str]], list[str]]
"""Removes mails by their names and by the addresses that they go to. Returns a line for each that cannot be."""


class ErasingStore(Protocol):
    """What is kept about one person, and how to forget it."""

    @property
    def subject(self) -> str: ...
    def traces(self, key: int) -> Traces | None: ...
    def erase(self, key: int, now: datetime) -> Traces | None: ...
    def under_way(self, deliveries: Collection[int]) -> bool: ...
    def scrub(self, addresses: Collection[str]) -> bool: ...


class Erasing(Struct, eq=False):
    """The use case, bound to a store and the folder of mails."""

    _store: ErasingStore
    _remove_mails: RemoveMails
    _sleep: Callable[[float], None]

    def erase(self, key: int, now: datetime) -> tuple[str, ...] | None:
        """Forget one person. Returns what is left of them for now, a line each; None if there is no such subscriber."""
        found = self._store.traces(key)
        if found is not None:
            self._remove(found)
            found = self._store.erase(key, now)
        if found is None:
            return None
        self._wait_for(found.under_way)
        return (*self._remove(found), *self._scrub(found))

    def _remove(self, found: Traces) -> list[str]:
        return self._remove_mails([file_name(each) for each in found.message_ids], found.addresses)

    def _wait_for(self, deliveries: Collection[int]) -> None:
        for _ in range(_TRIES if deliveries else 0):
            if not self._store.under_way(deliveries):
                return
            self._sleep(_PAUSE)

    def _scrub(self, found: Traces) -> list[str]:
        later = "the next run takes it out of there"
        try:
            if self._store.scrub(found.addresses):
                return []
        except StoreError as error:
            return [f"{error.subject}: the address is deleted and still in the file: {error.cause}; {later}"]
        return [
            f"{self._store.subject}: the address is deleted and still in the file, which others are reading; {later}"
        ]
