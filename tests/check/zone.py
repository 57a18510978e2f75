"""A zone in memory; satisfies ``ports.Names``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from digest.errors import ProbeError


class MemoryZone:
    """``{"example.test": {"TXT": [...], "A": [...], "MX": [(10, "mx.example.test")]}}``; a list that is None is a name
    server that does not answer."""

    def __init__(self, records: Mapping[str, Mapping[str, list | None]]) -> None:
        self.records = records
        self.asked: list[str] = []

    def _get(self, name: str, kind: str) -> tuple:
        self.asked.append(name)
        found = self.records.get(name.lower().rstrip("."), {}).get(kind, [])
        if found is None:
            raise ProbeError(f"DNS {name} {kind}", "no answer in time")
        return tuple(found)

    def txt(self, name: str) -> tuple[str, ...]:
        return self._get(name, "TXT")

    def mx(self, name: str) -> tuple[tuple[int, str], ...]:
        return self._get(name, "MX")

    def addresses(self, name: str, *, version: Literal[4, 6] | None = None) -> tuple[str, ...]:
        four = self._get(name, "A") if version != 6 else ()
        return (*four, *(self._get(name, "AAAA") if version != 4 else ()))

    def pointers(self, address: str) -> tuple[str, ...]:
        return self._get(address, "PTR")


def spf(**records: str) -> MemoryZone:
    """SPF records by the first label of names in ``.test``."""
    return MemoryZone({f"{name}.test": {"TXT": [text]} for name, text in records.items()})
