"""Front matter that is nothing but ``key: scalar`` lines: as that of most posts is, and read without a YAML library.

What it answers is what ``yamlblock`` would answer; whatever it cannot read is read there.
"""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec import Struct, field

Value = str | list["Value"] | dict[str, "Value"] | None
"""What a key of front matter can hold."""

NULLS = frozenset({"", "~", "null", "Null", "NULL"})
"""Plain scalars that YAML calls null."""


NAMES = ("categories", "category")
"""Keys whose numbers become names."""

_INTEGER = re.compile(r"[-+]?(?:0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*)\Z")
_DECIMAL = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)\Z")


def number_name(scalar: str) -> str:
    """A plain scalar as a generator writes it that has read a number in it: ``007`` is 7, ``1.10`` is 1.1."""
    if len(scalar) > 15 or scalar[:1] not in "0123456789+-.":
        return scalar
    if _INTEGER.match(scalar):
        digits = scalar.replace("_", "").lstrip("+-")
        base = 16 if digits[:2] == "0x" else 8 if digits[0] == "0" else 10
        return str(int(digits, base) * (-1 if scalar[0] == "-" else 1))
    return str(float(scalar)) if _DECIMAL.match(scalar) else scalar


class FrontMatter(Struct, frozen=True, kw_only=True):
    """The keys of a post's front matter."""

    values: dict[str, Value]
    lines: dict[str, int] = field(default_factory=dict)
    """Line in the file of each top key."""
    quoted: frozenset[str] = frozenset()
    """Top keys whose scalar was written in quotes or as a block, so that it is text whatever it looks like."""


# One ``key: scalar`` line that means the same to every YAML reader. Excluded: what libyaml takes for a line break
# or refuses (controls, NEL, U+2028/9, byte order marks), anything that opens another construct.
_BAD = "\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff"
_PLAIN_LINE = re.compile(
    r"([A-Za-z_][A-Za-z0-9_-]{0,99}):(?: +(?:"
    rf'"([^"\\{_BAD}]*(?:\\["\\][^"\\{_BAD}]*)*)"'
    rf"|'([^'{_BAD}]*(?:''[^'{_BAD}]*)*)'"
    rf"|([^ \-?:,\[\]{{}}#&*!|>'\"%@`{_BAD}][^:#{_BAD}]*(?:(?::(?! |\Z)|(?<! )#)[^:#{_BAD}]*)*)"
    r")?)? *\Z"
)


_SHORT = 300
"""Characters of a line that is worth to be remembered."""


def read_plain(block: str, first_line: int) -> FrontMatter | None:
    """The front matter if it is nothing but ``key: scalar`` lines, else None (then ``read_yaml`` must look).

    Where it answers, it answers as ``read_yaml`` does (a test holds them together).
    """
    values: dict[str, Value] = {}
    lines: dict[str, int] = {}
    quoted = []
    rows = block.split("\n")
    if not rows[-1]:
        rows.pop()
    for line, row in enumerate(rows, first_line):
        read = _known_line(row) if len(row) <= _SHORT else _plain_line(row)
        if read is None:
            return None
        key, value, in_quotes = read
        if key in values:
            return None
        values[key] = value
        lines[key] = line
        if in_quotes:
            quoted.append(key)
    return FrontMatter(values=values, lines=lines, quoted=frozenset(quoted))


def _plain_line(row: str) -> tuple[str, str | None, bool] | None:
    """Key, value and whether it was quoted."""
    found = _PLAIN_LINE.match(row)
    if found is None:
        return None
    key, double, single, plain = found.groups()
    if plain is not None:
        plain = plain.rstrip(" ")
        if plain in NULLS:
            return key, None, False
        return key, number_name(plain) if key in NAMES else plain, False
    if double is not None:
        return key, re.sub(r"\\(.)", r"\1", double) if "\\" in double else double, True
    return key, None if single is None else single.replace("''", "'"), single is not None


_known_line = lru_cache(maxsize=4096)(_plain_line)
"""Layouts, categories and tags come again and again."""
