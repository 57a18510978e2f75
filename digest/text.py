"""Plain text: what every string goes through before it is stored, and how a text is shortened.

Never raises on any ``str``; never returns a character that XML 1.0 (section 2.2) forbids.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime, tzinfo
from itertools import groupby
from operator import itemgetter
from string import ascii_lowercase, ascii_uppercase

# What XML 1.0 forbids, and the C1 controls, which are legal there and garbage everywhere. NEL (U+0085) is a line end.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
# Embeddings, overrides and isolates: what one title opens turns round what stands after it, and hides what it says.
_DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefe\U00010800-\U00010fff\U0001e800-\U0001efff]")
_LEFT_TO_RIGHT = re.compile("[A-Za-z\u00c0-\u058f\u0900-\u1fff\u2c00-\ud7ff]")
_ACTS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_LINE_END = re.compile("\r\n?|[\x85\u2028\u2029]")
_SPACES = re.compile(r"\s+")
_SMALL = str.maketrans(ascii_uppercase, ascii_lowercase)
"""Keeps every character in its place, which ``str.lower`` does not."""
_PIECE = 8
_UNSPACED = "\u0e00-\u0eff\u3000-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"
_LAST_WORD = re.compile(rf"[^\s{_UNSPACED}]+\Z")
"""In scripts that have blanks between words."""
_SENTENCE_END = re.compile(r"[。！？…!?；;]+[”’」』）)\"']*|\.(?=\s|$)[”’\"')]*")


def deferred(message: str) -> str:
    """Marks a text that is translated where it is used; here it stays as it is."""
    return message


def clean(text: str) -> str:
    """The text with line ends as ``\\n`` and without characters that XML forbids."""
    if text.isprintable():  # no control, no line end, nothing unassigned
        return text
    return _FORBIDDEN.sub("", _LINE_END.sub("\n", text))


def clean_line(text: str) -> str:
    """As ``clean``, in one line: every run of white space is one space, none at the ends, and nothing in it turns the
    direction of what follows."""
    if text.isprintable() and "  " not in text:  # then its only white space is single blanks
        return text.strip(" ")
    return _SPACES.sub(" ", _DIRECTION.sub("", clean(text))).strip()


def undirected(text: str) -> str:
    """A text of several lines in which nothing turns the direction of what follows."""
    return text if text.isprintable() else _DIRECTION.sub("", text)


def turns(text: str, direction: str) -> bool:
    """Whether a text has letters that run against the direction (``ltr`` or ``rtl``) of what it stands in."""
    if direction == "rtl":
        return _LEFT_TO_RIGHT.search(text) is not None
    return not text.isascii() and _RIGHT_TO_LEFT.search(text) is not None


def isolated(text: str, direction: str) -> str:
    """A text that stands in one of that direction and leaves its order as it is (UAX 9, isolates)."""
    return f"\N{FIRST STRONG ISOLATE}{text}\N{POP DIRECTIONAL ISOLATE}" if turns(text, direction) else text


def printable(text: str) -> str:
    """A text of several lines as a terminal may get it: what would move its cursor, colour it or turn directions is
    shown as an escape."""
    return text if text.isprintable() else _ACTS.sub(lambda found: ascii(found[0])[1:-1], text)


def hiding(secrets: Iterable[str]) -> Callable[[str], str]:
    """A function that puts ``***`` in place of secrets in what others say: of a whole one, and of any eight characters
    in a row of one, in capitals or not, for who quotes may cut, fold and change the case."""
    pieces: dict[int, set[str]] = {}
    for secret in secrets:
        size = min(_PIECE, len(secret))
        small = secret.translate(_SMALL)
        pieces.setdefault(size, set()).update(small[at : at + size] for at in range(len(small) - size + 1))
    pieces.pop(0, None)

    def hide(text: str) -> str:
        small, spots = text.translate(_SMALL), bytearray(len(text))
        for size, known in pieces.items():
            for at in range(len(small) - size + 1):
                if small[at : at + size] in known:
                    spots[at : at + size] = b"\1" * size
        if not any(spots):
            return text
        runs = groupby(zip(text, spots, strict=True), key=itemgetter(1))
        return "".join("***" if hidden else "".join(sign for sign, _ in run) for hidden, run in runs)

    return hide


def local_time(moment: datetime, zone: tzinfo, now: datetime | None = None) -> str:
    """``2026-11-24 08:05`` in a zone; without the day if that is ``now``'s."""
    local = moment.astimezone(zone)
    is_today = now is not None and local.date() == now.astimezone(zone).date()
    return f"{local:%H:%M}" if is_today else f"{local:%Y-%m-%d %H:%M}"


def cut(text: str, limit: int, *, ellipsis: str = "…") -> str:
    """At most ``limit`` characters as a reader counts them (grapheme clusters, UAX 29), never inside one.

    Ends after a whole sentence if one ends in the second half of what fits, else after a whole word, or cluster where
    words are not set apart, with ``ellipsis``.
    """
    if len(text) <= limit:
        return text
    import regex  # late: only long texts need it, and it costs start-up time

    clusters = regex.findall(r"\X", text)
    if len(clusters) <= limit:
        return text
    head = "".join(clusters[:limit])
    ends = [match.end() for match in _SENTENCE_END.finditer(head)]
    if ends and ends[-1] * 2 >= len(head):
        return head[: ends[-1]].rstrip()
    room = max(limit - len(ellipsis), 0)
    return _whole_words("".join(clusters[:room]), clusters[room][0]).rstrip() + ellipsis


def _whole_words(head: str, following: str) -> str:
    """Without the word that is cut in two, unless that is most of the text."""
    word = _LAST_WORD.search(head) if head[-1:].isalnum() and following.isalnum() else None
    if word is None or not _LAST_WORD.match(following) or word.start() * 2 < len(head):
        return head
    return head[: word.start()].rstrip(" ,;:-–—")


def without_source(summary: str, names: Iterable[str]) -> str:
    """The summary without one of these names in brackets at its end: it stands in the line below."""
    for name in names:
        for mark in (f"（{name}）", f"({name})"):
            if name and summary.endswith(mark):
                return summary.removesuffix(mark).rstrip()
    return summary
