"""YAML front matter, read from libyaml's events so that every scalar stays the text it was written as.

``007``, ``no``, ``1.10`` and ``2021-12-30 17:17:49 +0800`` arrive as text; only what YAML calls null becomes None.
Anchors and aliases are followed within bounds, since they are how small files grow large.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import yaml

from digest.posts.plainblock import NAMES, NULLS, FrontMatter, Value, number_name
from digest.posts.problems import Rejected, Remarks
from digest.posts.yamlfaults import fault_of, wrong_colon

MAX_DEPTH = 20
MAX_ALIASES = 200
MAX_EXPANDED = 64 * 1024
"""Characters of all values, those that an alias stands for counted each time."""

_WORDS = frozenset({"title", "subtitle", "description", "summary", "excerpt", *NAMES, "tags", "tag"})
"""Keys whose text people read."""
_CUT = re.compile(r"\s+#[^\s#]")
"""A comment that looks like a part of the text; most have a blank behind the sign."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(block: str, first_line: int, remarks: Remarks) -> FrontMatter:
    """Any YAML mapping. ``first_line`` is the block's first line in the file. Raises Rejected."""
    try:
        return _Builder(block, first_line, remarks).mapping()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        row = mark.line if mark is not None else 0
        problem = " ".join(str(error.problem or error.context or "cannot be read").split())
        fault = fault_of(block, row, problem)
        raise Rejected(fault.reason, fault.remedy, line=first_line + fault.row) from error
    except (yaml.YAMLError, ValueError, RecursionError, UnicodeError) as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise Rejected(
            f"front matter is not valid YAML: {reason}", "compare it with a post that works", line=first_line
        ) from error


class _Anchored(NamedTuple):
    """What an alias stands for."""

    value: Value
    size: int
    height: int
    """How many levels are in it."""


class _Builder:
    """Walks the events of one document."""

    def __init__(self, block: str, first_line: int, remarks: Remarks) -> None:
        self._events = iter(yaml.parse(block, Loader=_LOADER))
        self._rows = block.split("\n")
        self._first_line = first_line
        self._remarks = remarks
        self._anchors: dict[str, _Anchored] = {}
        self._aliases = 0
        self._size = 0
        """Of all values so far."""
        self._naming = False
        """Numbers of the value that is being read become names."""
        self._deepest = 0
        """Of the value that is being read."""

    def mapping(self) -> FrontMatter:
        event = self._next()
        while isinstance(event, yaml.StreamStartEvent | yaml.DocumentStartEvent):
            event = self._next()
        if isinstance(event, yaml.StreamEndEvent):
            return FrontMatter(values={})
        if isinstance(event, yaml.ScalarEvent) and not event.style and event.value in NULLS:
            return FrontMatter(values={})
        if not isinstance(event, yaml.MappingStartEvent):
            raise self._without_keys(event)
        lines: dict[str, int] = {}
        quoted: set[str] = set()
        values = self._pairs(1, lines, quoted)
        self._rest()
        return FrontMatter(values=values, lines=lines, quoted=frozenset(quoted))

    def _without_keys(self, event: yaml.Event) -> Rejected:
        colon = wrong_colon(self._rows)
        if colon is not None:
            return Rejected(colon.reason, colon.remedy, line=self._first_line + colon.row)
        return Rejected("front matter has no keys", 'write lines such as title: "…"', line=self._line(event))

    def _rest(self) -> None:
        """What follows the document: nothing, as the front matter ends there."""
        event = self._next()
        while not isinstance(event, yaml.StreamEndEvent):
            if isinstance(event, yaml.DocumentStartEvent):
                raise Rejected("front matter holds a second document", "delete the line ---", line=self._line(event))
            event = self._next()

    def _pairs(self, depth: int, lines: dict[str, int], quoted: set[str]) -> dict[str, Value]:
        values: dict[str, Value] = {}
        merged: list[Value] = []
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            is_merge = isinstance(event, yaml.ScalarEvent) and event.value == "<<" and not event.style
            key = self._key(event, depth)
            line = self._line(event)
            if key in values and depth == 1:
                self._remarks.warn(f"'{key}' is given twice, the last one counts", "delete one of them", line=line)
            event = self._next()
            self._naming = depth == 1 and key in NAMES
            value = self._value(event, depth + 1)
            if is_merge:
                merged.extend(value if isinstance(value, list) else [value])
                continue
            values[key] = value
            lines[key] = line
            quoted.discard(key)
            if isinstance(event, yaml.ScalarEvent):
                if event.style:
                    quoted.add(key)
                elif depth == 1 and key in _WORDS:
                    self._warn_of_comment(key, event)
        for mapping in merged:
            for key, value in mapping.items() if isinstance(mapping, dict) else ():
                values.setdefault(key, value)
        return values

    def _warn_of_comment(self, key: str, event: yaml.ScalarEvent) -> None:
        """``C# news #1`` ends where it hardly was meant to."""
        end = event.end_mark
        rest = self._rows[end.line][end.column :] if end is not None and end.line < len(self._rows) else ""
        if _CUT.match(rest):
            self._remarks.warn(
                f"the {key} ends before '{rest.strip()[:40]}', which YAML takes for a comment",
                f'put it in quotes: {key}: "…"',
                line=self._line(event),
            )

    def _key(self, event: yaml.Event, depth: int) -> str:
        value = self._value(event, depth + 1)
        if isinstance(value, list | dict):
            raise Rejected(
                "front matter has a key that is not text",
                'put values that start with [ or { in quotes, for example title: "[…] …"',
                line=self._line(event),
            )
        return value or ""

    def _value(self, event: yaml.Event, depth: int) -> Value:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, depth)
        self._check_bounds(event, depth)
        anchor = getattr(event, "anchor", None)
        if not anchor:
            return self._new_value(event, depth)
        size, deepest = self._size, self._deepest
        self._deepest = depth
        value = self._new_value(event, depth)
        self._anchors[anchor] = _Anchored(value, self._size - size, self._deepest - depth)
        self._deepest = max(deepest, self._deepest)
        return value

    def _new_value(self, event: yaml.Event, depth: int) -> Value:
        if isinstance(event, yaml.ScalarEvent):
            self._size += len(event.value) + 1
            if event.style:
                return str(event.value)
            if event.value in NULLS:
                return None
            return number_name(event.value) if self._naming else str(event.value)
        self._size += 1
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Value] = []
            while not isinstance(event := self._next(), yaml.SequenceEndEvent):
                items.append(self._value(event, depth + 1))
            return items
        return self._pairs(depth, {}, set())

    def _alias(self, event: yaml.AliasEvent, depth: int) -> Value:
        known = self._anchors.get(str(event.anchor))
        if known is None:
            raise Rejected(
                f"front matter uses the alias *{event.anchor}, which stands for nothing",
                "put a value that starts with * in quotes",
                line=self._line(event),
            )
        self._aliases += 1
        self._size += known.size
        self._check_bounds(event, depth + known.height)
        return known.value

    def _check_bounds(self, event: yaml.Event, depth: int) -> None:
        self._deepest = max(self._deepest, depth)
        if depth > MAX_DEPTH:
            raise Rejected("front matter is nested too deeply", "keep it flat", line=self._line(event))
        if self._aliases > MAX_ALIASES or (self._aliases and self._size > MAX_EXPANDED):
            raise Rejected(
                "front matter grows too large by its aliases (*)", "write repeated values out", line=self._line(event)
            )

    def _next(self) -> yaml.Event:
        return next(self._events)

    def _line(self, event: yaml.Event) -> int:
        mark = event.start_mark
        return self._first_line + (0 if mark is None else int(mark.line))
