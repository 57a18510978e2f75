"""Reading the YAML of a configuration: plain data, and the line that each value came from.

Only the safe part of YAML is understood. Keys are always text (``no`` and ``2024`` are fine as names of
categories). Faults come as ``Fault``; nothing but Unreadable is raised, whatever the bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml
from msgspec import Struct
from yaml import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import Reader

from digest.config.values import control_character

_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Path = tuple[str | int, ...]
"""Keys and positions from the top to a value."""

_MOST_BYTES = 1_000_000
_MOST_VALUES = 100_000
_MOST_LEVELS = 20
_LONGEST_SHOWN = 60
_MERGE = "tag:yaml.org,2002:merge"


class Fault(Struct, frozen=True, kw_only=True):
    """One thing wrong: which key, in which line, what, and what to do."""

    path: Path = ()
    line: int | None = None
    text: str

    def __str__(self) -> str:
        key = dotted(self.path)
        return f"{key}: {self.text}" if key else self.text


class Unreadable(Exception):
    """The text cannot be taken as a configuration at all."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__(*faults)
        self.faults = faults


class Document(Struct, frozen=True, kw_only=True):
    """Plain data, with the line of each value, counted from 1, and how each scalar was written."""

    data: dict[str, object]
    lines: dict[Path, int] = {}
    written: dict[Path, str] = {}
    faults: tuple[Fault, ...] = ()

    def line(self, path: Path) -> int:
        """Line of a value, or of the nearest one around it that exists."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def dotted(path: Path) -> str:
    """``digests.daily.categories[2]``; entries of a list are counted from 1."""
    text = ""
    for part in path:
        text += f"[{part + 1}]" if isinstance(part, int) else ("." if text else "") + _shortened(part)
    return text


def quoted(text: str) -> str:
    """A text of the user's in quotes: in one line, not too long, nothing in it that a terminal would act on."""
    return f'"{_shortened(text)}"'


def _shortened(text: str) -> str:
    text = text if text.isprintable() else ascii(text)[1:-1]
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"


def read_document(raw: bytes) -> Document:
    """The document in ``raw``. Raises Unreadable; faults that leave data to look at are in ``Document.faults``."""
    node = _compose(_decode(raw))
    if node is None:
        raise Unreadable(
            Fault(text='the file is empty; write at least "site:" with title, url, language, timezone and author')
        )
    if not isinstance(node, MappingNode):
        what = "a list" if isinstance(node, SequenceNode) else "a single value"
        raise Unreadable(Fault(line=1, text=f"the file holds {what} at the top; write keys such as: site:"))
    return _Translator().document(node)


def without_empty(data: dict[str, object]) -> dict[str, object]:
    """A key without a value (all of its lines are commented out) is as good as absent; a category without one has
    its name for a title, a digest without one every default."""
    cleaned = {key: value if key in _NAMES else _pruned(value) for key, value in data.items() if value is not None}
    digests = cleaned.get("digests")
    if isinstance(digests, dict):
        cleaned["digests"] = {name: {} if item is None else _pruned(item) for name, item in digests.items()}
    if isinstance(cleaned.get("categories"), list):
        cleaned["categories"] = _pruned(cleaned["categories"])
    return {"site": {}, **cleaned}


_NAMES = ("categories", "digests")
"""Sections whose keys are the user's."""


def _pruned(value: object) -> object:
    if isinstance(value, dict):
        return {key: _pruned(item) for key, item in value.items() if item is not None}
    return [_pruned(item) for item in value] if isinstance(value, list) else value


# -------------------------------------------------------------------- text


def _decode(raw: bytes) -> str:
    if len(raw) > _MOST_BYTES:
        raise Unreadable(Fault(text=f"the file has {len(raw):,} bytes, and a configuration at most {_MOST_BYTES:,}"))
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise Unreadable(Fault(line=1, text="the file is UTF-16 text; save it as UTF-8"))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise Unreadable(Fault(line=line, text="the file is not UTF-8 text; save it as UTF-8")) from error
    bad = Reader.NON_PRINTABLE.search(text)
    if bad is not None:
        line = text.count("\n", 0, bad.start()) + 1
        raise Unreadable(Fault(line=line, text=f"the control character U+{ord(bad[0]):04X} stands here; delete it"))
    return text


def _compose(text: str) -> Node | None:
    try:
        _refuse_depth(text)
        return yaml.compose(text, _Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Unreadable(_explain(error, text)) from error


def _refuse_depth(text: str) -> None:
    """Composing recurses in C and would overflow the stack; events do not."""
    if sum(text.count(sign) for sign in "[{-?") < 1000:
        return
    depth = 0
    for event in yaml.parse(text, _Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MOST_LEVELS:
            mark: Any = event.start_mark
            raise Unreadable(_too_deep(int(mark.line) + 1))


def _too_deep(line: int) -> Fault:
    return Fault(
        line=line, text=f"the file is nested more than {_MOST_LEVELS} levels deep, and a configuration needs four"
    )


_HINTS = (
    (
        "mapping values are not allowed",
        'a ": " too many, or one that the line before lacks; a text with ": " in it goes in quotes',
    ),
    (
        "did not find expected key",
        "a key was expected; look at the indentation; a text that begins with a quote or bracket goes in quotes",
    ),
    ("could not find expected ':'", 'a key without its ": ", or a line that is not indented'),
    ("block sequence entries are not allowed", 'a "- " cannot stand here; put list entries on lines of their own'),
    ("did not find expected '-' indicator", "the entries of a list do not stand in one column; align them"),
    ("did not find expected ',' or", "a list or mapping in brackets is not closed"),
    ("found unexpected end of stream", "a quote is not closed"),
    ("found unexpected document indicator", "a quote is not closed"),
    ("found character that cannot start any token", "a text cannot start with this character; put it in quotes"),
    ("undefined alias", "a text cannot start with *; put it in quotes"),
    ("found duplicate anchor", "an anchor (&) is defined twice"),
    ("but found another document", "a second document starts here (---); keep one"),
    ("found unknown escape character", r"a \ in double quotes starts an escape; use single quotes"),
    ("expected hexdecimal", r"a \ in double quotes starts an escape; use single quotes"),
    ("invalid Unicode", r"a \ in double quotes starts an escape, and this one names no character"),
    ("undefined tag handle", "a text cannot start with !; put it in quotes"),
)


def _explain(error: Exception, text: str) -> Fault:
    """The parser's words are about tokens; say what a writer can do. Never repeats the text, which may be secret."""
    context: Any = getattr(error, "context_mark", None)
    mark: Any = getattr(error, "problem_mark", None) or context
    problem = str(getattr(error, "problem", None) or "")
    number = int(mark.line) if mark is not None else 0
    if "end of stream" in problem and context is not None:
        number = int(context.line)
    lines = text.splitlines() or [""]
    number = min(number, len(lines) - 1)
    if "nesting depth" in problem:  # newer versions of libyaml have a limit, and read ahead of the events
        return _too_deep(number + 1)
    near = [line for line in (number, number - 1) if line >= 0 and re.match(r" *\t", lines[line])]
    if near:
        return Fault(line=near[0] + 1, text="the line is indented with a tab; use spaces")
    hint = next((hint for words, hint in _HINTS if words in problem), problem or "the parser gives no reason")
    return Fault(line=number + 1, text=f"not valid YAML: {hint}")


# -------------------------------------------------------------------- data


class _Translator:
    """Turns nodes into plain data and takes notes of lines."""

    def __init__(self) -> None:
        self._constructor = _Loader("")
        self._lines: dict[Path, int] = {}
        self._written: dict[Path, str] = {}
        self._faults: list[Fault] = []
        self._count = 0

    def document(self, node: MappingNode) -> Document:
        data = self._mapping(node, ())
        return Document(data=data, lines=self._lines, written=self._written, faults=tuple(self._faults))

    def _value(self, node: Node, path: Path) -> object:
        self._tally(node)
        if len(path) > _MOST_LEVELS:
            raise Unreadable(_too_deep(_line(node)))
        self._lines.setdefault(path, _line(node))
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self._value(item, (*path, number)) for number, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, object]:
        found: dict[str, object] = {}
        first: dict[str, int] = {}
        for key, value in self._own_pairs(node, path):
            name, here = str(key.value), (*path, str(key.value))
            if control_character(name):
                self._fault(here, key, f"the key holds the control character {control_character(name)}; delete it")
            if name in found:
                self._fault(here, key, f"stands here and in line {first[name]}; keep one of them")
                continue
            first[name] = self._lines[here] = _line(key)
            found[name] = self._value(value, here)
        for key, value in self._merged_pairs(node, path):
            if str(key.value) not in found:
                found[str(key.value)] = self._value(value, (*path, str(key.value)))
        return found

    def _own_pairs(self, node: MappingNode, path: Path) -> list[tuple[ScalarNode, Node]]:
        """Keys that the mapping itself has."""
        pairs = []
        for key, value in node.value:
            if isinstance(key, ScalarNode):
                if key.tag != _MERGE:
                    pairs.append((key, value))
            else:
                self._fault(path, key, "a key has to be a text; put it in quotes if it begins with { or [")
        return pairs

    def _merged_pairs(self, node: MappingNode, path: Path) -> Iterator[tuple[ScalarNode, Node]]:
        """Keys that ``<<: *name`` or ``<<: [*one, *two]`` brings in; the first one of a name wins."""
        for key, value in node.value:
            if key.tag != _MERGE:
                continue
            for source in value.value if isinstance(value, SequenceNode) else [value]:
                self._tally(source)
                if isinstance(source, MappingNode):
                    yield from self._own_pairs(source, path)
                    yield from self._merged_pairs(source, path)
                else:
                    self._fault(path, source, "<< takes in a mapping only; write for example: <<: *name")

    def _tally(self, node: Node) -> None:
        """Aliases make a small file large: stop in time."""
        self._count += 1
        if self._count > _MOST_VALUES:
            text = f"the file holds more than {_MOST_VALUES:,} values, aliases counted each time"
            raise Unreadable(Fault(line=_line(node), text=text))

    def _scalar(self, node: Node, path: Path) -> object:
        self._written[path] = node.value
        try:
            value: object = self._constructor.construct_object(node)
        except (yaml.YAMLError, ValueError, OverflowError, RecursionError):
            self._fault(path, node, "is not a value that YAML can read here; put it in quotes")
            return None
        return self._one_line(value, path, node) if isinstance(value, str) else value

    def _one_line(self, text: str, path: Path, node: Node) -> str:
        """Block texts end with a line end that nobody means; no value of a configuration has lines."""
        line = " ".join(text.split()) if "\n" in text else text.strip()
        if control_character(line):
            self._fault(path, node, f"holds the control character {control_character(line)}; delete it")
        return line

    def _fault(self, path: Path, node: Node, text: str) -> None:
        self._faults.append(Fault(path=path, line=_line(node), text=text))


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1
