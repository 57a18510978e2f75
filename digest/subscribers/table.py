"""A list of subscribers as a file: CSV in the encodings and with the separators that programs write.

Pure. Nobody is looked at here; a file that is no table at all is refused.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping

from digest.errors import DigestError
from digest.subscribers.columns import FALLBACK, TAGS, column_of
from digest.text import cut

_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_OURS = frozenset(("address", "digest", "state", "since", "suppressed", "confirmed_at"))
_SHOWN = 60
_FORMULA = r"'*[=+\-@\t\r]"


def neutralised(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula (OWASP: CSV injection)."""
    return f"'{cell}" if re.match(_FORMULA, cell) else cell


def line(cells: tuple[str, ...]) -> str:
    """A row of CSV."""
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerow([neutralised(cell) for cell in cells])
    return out.getvalue()


class Table:
    """Rows by name of column. Without a heading the column of the first address is the only one with a name."""

    def __init__(self, data: bytes, renamed: Mapping[str, str] | None = None) -> None:
        """``renamed`` is what categories are called here, by what the file calls them. Raises DigestError if it is no
        text, or has no addresses."""
        self._data = data
        self.encoding = _encoding_of(data)
        """As people know it."""
        self.unnamed: Counter[str] = Counter()
        """In how many rows there was something in a column, by its heading as it is written."""
        self._delimiter, self._skipped = self._separator()
        self._titles, self.columns, self._headed = self._heading()
        self.is_ours = _OURS.issubset(self.columns)
        """An export of ours wrote it, of an earlier version perhaps: its cells are as they were."""
        self._renamed = {old.casefold(): new for old, new in (renamed or {}).items()}
        self._tags = TAGS.intersection(self.columns) if renamed and "categories" not in self.columns else frozenset()

    def _reader(self) -> io.TextIOWrapper:
        """The file line by line, without a mark at its beginning: it is never in memory as text."""
        encoding = "utf-8-sig" if self.encoding == "utf-8" else self.encoding
        return io.TextIOWrapper(io.BytesIO(self._data), encoding=encoding, newline="")

    def _separator(self) -> tuple[str, int]:
        """What is between cells, and how many lines at the beginning only say so (``sep=;`` is for Excel)."""
        for number, text in enumerate(self._reader(), 1):
            said = re.fullmatch(r'"?sep=(.)"?\s*', text, re.IGNORECASE)
            if said:
                return said[1], number
            if text.strip():
                return max(",;\t", key=re.sub(r'"[^"]*"', "", text[:4096]).count), 0
        return ",", 0

    def _cells(self) -> Iterator[tuple[int, list[str]]]:
        """Rows that are not empty, with the number of their first line."""
        reader = csv.reader(self._reader(), delimiter=self._delimiter)
        before = 0
        try:
            for cells in reader:
                number, before = before + 1, reader.line_num
                values = [re.sub(rf"^'(?={_FORMULA})", "", cell) for cell in cells]
                if number > self._skipped and any(value.strip() for value in values):
                    yield number, values
        except csv.Error as error:
            raise DigestError(f"import, row {before + 1}", f"not CSV: {error}") from error

    def _heading(self) -> tuple[list[str], list[str], bool]:
        """Titles and our names of the columns, and whether the first row says them."""
        first = [title.strip() for title in next(self._cells(), (0, ["address"]))[1]]
        names = [column_of(title) for title in first]
        if "address" not in names and FALLBACK in names:
            names[names.index(FALLBACK)] = "address"
        if "address" in names:
            return first, [name if name not in names[:at] else "" for at, name in enumerate(names)], True
        at = next((at for at, cell in enumerate(first) if "@" in cell), None)
        if at is None:
            raise DigestError(
                "import",
                f"the first row names no column 'address'; it has {cut(', '.join(first), _SHOWN)}",
                "name the column of the addresses 'address' or 'email'",
            )
        titles = [f"column {number}" for number, _ in enumerate(first, 1)]
        return titles, ["" if place != at else "address" for place, _ in enumerate(first)], False

    def rows(self) -> Iterator[tuple[int, dict[str, str]]]:
        """By number as an editor counts lines."""
        self.unnamed.clear()
        cells = self._cells()
        if self._headed:
            next(cells, None)
        for number, values in cells:
            if not self.is_ours:
                values = [value.strip() for value in values]
            found = {name: value for name, value in zip(self.columns, values, strict=False) if name}
            yield number, self._with_categories(found) if self._renamed else found
            self.unnamed.update(title for title, value in zip(self._titles, values, strict=False) if value)

    def _with_categories(self, cells: dict[str, str]) -> dict[str, str]:
        """A row with categories as they are called here. What is a tag and no category says nothing."""
        names = [name for name in cells.get("categories", "").split("|") if name]
        found = [self._renamed.get(name.strip().casefold(), name) for name in names]
        for tag in self._tags:
            marks = (mark.strip(" \"'[]").casefold() for mark in re.split("[|,;]", cells.get(tag, "")))
            found += [self._renamed[mark] for mark in marks if mark in self._renamed]
        return cells | {"categories": "|".join(dict.fromkeys(name for name in found if name))}

    def unused(self, used: frozenset[str]) -> dict[str, int]:
        """The columns that nobody looks at, with the number of rows that say something there."""
        return {
            title: self.unnamed[title]
            for title, name in zip(self._titles, self.columns, strict=True)
            if name not in used | self._tags and title
        }


def _encoding_of(data: bytes) -> str:
    """UTF-16 with a mark, UTF-8 with or without one, else GB18030."""
    for encoding in ("utf-16",) if data.startswith(_MARKS) else ("utf-8", "gb18030"):
        try:
            for _ in io.TextIOWrapper(io.BytesIO(data), encoding=encoding, newline=""):
                pass
        except UnicodeDecodeError:
            continue
        return encoding
    raise DigestError(
        "import", "the file is neither UTF-8 nor GB18030 text, nor UTF-16 with a mark", "save it as UTF-8"
    )
