"""Which line of broken YAML is the one to mend, and how: libyaml names the one where it noticed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_WIDE_COLON = re.compile(r"([A-Za-z_][\w-]{0,40})\s*：")
_NO_BLANK = re.compile(r"([A-Za-z_][\w-]{0,40}):(?!//)[^\s:][^\n]*\Z")
_QUOTED = re.compile(r"\s*(?:- +)?(?:[\w-]+:\s+)?([\"'])")
_KEY = re.compile(r"\s*[\w-]+:(?:\s|\Z)")


class Fault(NamedTuple):
    """What is wrong with one row of a block, counted from 0."""

    row: int
    reason: str
    remedy: str


def fault_of(block: str, row: int, problem: str) -> Fault:
    """``row`` and ``problem`` are what libyaml says."""
    rows = block.split("\n")
    row = min(row, len(rows) - 1)
    reason = f"front matter is not valid YAML: {problem}"
    found = (
        wrong_colon(rows[: row + 1])
        or _lone_tab(rows, row, reason)
        or _open_quote(rows, row, reason)
        or _open_list(rows, row, reason)
    )
    if found is not None:
        return found
    while row > 0 and not rows[row].strip():  # noticed when the guilty line had ended
        row -= 1
    return Fault(row, reason, _remedy(rows[row], problem))


def wrong_colon(rows: Sequence[str]) -> Fault | None:
    """The first row that begins with a key and no colon that YAML knows."""
    for number, row in enumerate(rows):
        if (found := _WIDE_COLON.match(row)) is not None:
            reason = f"'{found[1]}' is followed by a full-width colon (：), which YAML does not know"
        elif (found := _NO_BLANK.match(row)) is not None and not _KEY.match(row):
            reason = f"a blank is missing after the colon of '{found[1]}'"
        else:
            continue
        return Fault(number, f"front matter is not valid YAML: {reason}", f"write {found[1]}: with a blank behind it")
    return None


def _lone_tab(rows: Sequence[str], row: int, reason: str) -> Fault | None:
    for number in (row, row + 1, row - 1):
        if 0 <= number < len(rows) and "\t" in rows[number] and not rows[number].strip() and "tab" in reason:
            return Fault(number, reason, "delete the tab, which is all that stands in the line")
    return None


def _open_quote(rows: Sequence[str], row: int, reason: str) -> Fault | None:
    """The last row up to this one that opens a quotation and has no end of it."""
    for number in range(row, -1, -1):
        found = _QUOTED.match(rows[number])
        if found is None:
            continue
        if number < row and _is_open(rows[number][found.end() :], found[1]):
            return Fault(number, reason, _close(found[1]))
    return None


def _open_list(rows: Sequence[str], row: int, reason: str) -> Fault | None:
    """The row whose list or mapping has no end, if one was missed."""
    mark = next((mark for mark in "]}" if f"'{mark}'" in reason), "")
    start = {"]": "[", "}": "{"}.get(mark, "")
    for number in range(row - 1, -1, -1) if mark else ():
        if start in rows[number]:
            return Fault(number, reason, f"close the {start} with a {mark}") if mark not in rows[number] else None
    return None


def _is_open(text: str, quote: str) -> bool:
    if quote == "'":
        return text.replace("''", "").count("'") == 0
    return '"' not in re.sub(r"\\\\.", "", text)


def _close(quote: str) -> str:
    return f"close the quote {quote}, and write a {quote} inside as " + ('\\"' if quote == '"' else "''")


def _remedy(line: str, problem: str) -> str:
    """What to do about the line that libyaml stopped at."""
    key, colon, value = line.partition(":")
    key, value = key.strip(), value.strip()
    if "escape" in problem:
        return "write a backslash as \\\\, or use single quotes"
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "indent with spaces instead of tabs"
    if not colon or not value:
        return "compare the line with key: value; indent list items and continued text"
    example = f'write {key}: "…"'
    if value[0] in "[{@*&%`!|>" or ": " in value or value.startswith("- ") or value.endswith(":"):
        return f"put the value in quotes: {example}"
    if value[0] in "\"'":
        return _close(value[0])
    if "\t" in line:
        return "use spaces instead of tabs"
    return f"put the value in quotes: {example}"
