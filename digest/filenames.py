"""File names for categories and tags: readable, safe everywhere, never shared.

A name keeps its script, its case and its spaces; only what some file system, archive or web server would choke on is
replaced. Two names never get stems that differ in case or compatibility forms only, since many file systems see one
file there. A stem depends on the names that came before it, so it is assigned once and kept.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Container

MAX_BYTES = 180
"""Longest stem in UTF-8; with its endings and a temporary mark it stays within the 255 bytes file systems allow."""

_HASH_DIGITS = 8

_FORBIDDEN = re.compile(r'[/\\:*?"<>|]')
# A name of these before the first dot is a device on Windows, whatever follows.
_DEVICE = re.compile(r"(?:con|prn|aux|nul|clock\$|conin\$|conout\$|(?:com|lpt)[0-9])\Z")
_RESERVED = frozenset({"index"})
_JOINERS = "\u200c\u200d"  # they are part of the spelling in Persian, Indic scripts and emoji
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")


def assign_stem(name: str, taken: Container[str]) -> str:
    """A file name without ending for a category or tag.

    ``taken`` holds the folded form (``fold_stem``) of every stem given so far; the caller adds the new one to it.
    Names that cannot stand as they are, or whose folded form is taken, get a short hash of the name.
    """
    whole = _safe(name)
    stem = whole if _size(whole) <= MAX_BYTES else _hashed(name, whole, 0)
    attempt = 0
    while fold_stem(stem) in taken:
        stem = _hashed(name, whole, attempt)
        attempt += 1
    return stem


def fold_stem(stem: str) -> str:
    """What a stem looks like to a file system that minds neither case, nor width, nor invisible characters."""
    wide = unicodedata.normalize("NFKC", stem).casefold().upper().casefold()
    visible = "".join(character for character in wide if unicodedata.category(character) != "Cf")
    return unicodedata.normalize("NFKC", _INVISIBLE.sub("", visible))


def _safe(name: str) -> str:
    """The name without what is unsafe in it; not yet short, not yet unique."""
    text = "".join(map(_visible, unicodedata.normalize("NFC", name)))
    text = unicodedata.normalize("NFC", _FORBIDDEN.sub("-", text)).strip(". ")
    folded = fold_stem(text)
    if not folded or folded in _RESERVED or _DEVICE.match(folded.partition(".")[0].rstrip()):
        return f"_{text}"
    return text


def _visible(character: str) -> str:
    """The character; a space for line ends, tabs and every other kind of space; nothing for what cannot be seen."""
    match unicodedata.category(character):
        case "Zs" | "Zl" | "Zp":
            return " "
        case "Cc":
            return " " if character.isspace() else ""
        case "Cf" if character not in _JOINERS:
            return ""
        case "Cs" | "Cn":
            return ""
    return character


def _hashed(name: str, whole: str, attempt: int) -> str:
    """As much of the stem as fits, and some digits of a hash that differs by attempt."""
    salted = f"{attempt}:{name}" if attempt else name
    mark = hashlib.sha256(salted.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_DIGITS]
    return f"{_cut(whole, MAX_BYTES - _HASH_DIGITS - 1)}-{mark}"


def _cut(text: str, limit: int) -> str:
    """At most ``limit`` bytes of UTF-8, not ending inside a character or in what is unsafe at an end."""
    return text.encode()[:limit].decode(errors="ignore").rstrip(". " + _JOINERS)


def _size(text: str) -> int:
    return len(text.encode())
