"""The source ``notes``: one text file, a post for each line ``2026-11-24 08:30 | title | text``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from digest.errors import SourceError
from digest.models import Item


class Notes:
    """Made anew for each run, with the keys of its entry in the configuration."""

    class Settings(Struct, frozen=True, forbid_unknown_fields=True):
        """The keys besides ``kind`` and ``name``. What has no default must be there."""

        file: str
        site: str
        category: str = "notes"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._items: dict[str, Item] = {}

    def scan(self) -> Iterator[tuple[str, str]]:
        """What there is now. The ref of a note is its time, its version the whole line: another text is an edit."""
        try:
            lines = Path(self._settings.file).read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise SourceError(self._settings.file, "cannot be read", "name a file that is there") from error
        for number, line in enumerate(lines, 1):
            if line.strip():
                ref, item = self._read(line, number)
                self._items[ref] = item
                yield ref, line

    def read(self, ref: str) -> Item:
        """One of them."""
        return self._items[ref]

    def _read(self, line: str, number: int) -> tuple[str, Item]:
        try:
            when, title, text = (part.strip() for part in line.split("|"))
            published = datetime.strptime(when, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
        except ValueError as error:
            place = f"{self._settings.file}:{number}"
            raise SourceError(place, "is no note", "write: 2026-11-24 08:30 | title | text") from error
        ref = when.replace(" ", "-").replace(":", "")
        item = Item(
            id=f"{self._settings.site}#{ref}",
            url=f"{self._settings.site}#{ref}",
            title=title,
            summary=text,
            published=published,
            categories=(self._settings.category,),
        )
        return ref, item
