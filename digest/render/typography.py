"""Which parts of a text stay together in a line: clauses of Chinese and Japanese headlines, numbers with their units,
the last characters of a paragraph.

Pure; drafts of a mail ask the same again and again, so answers are kept. A text is cut into pieces that give it again
when they are joined; some have a class, which mails and pages style, and which a program that knows none of this reads
as plain text. Headlines break between clauses by a style of theirs (``word-break: keep-all``), so only those need a
class that are not to.
"""

from __future__ import annotations

import re
from functools import lru_cache

Pieces = tuple[tuple[str, str], ...]
"""Text and its class: ``WHOLE``, ``LOOSE`` or none."""
WHOLE = "c"
"""Stays in one line."""
LOOSE = "w"
"""A part of a headline that may break between any two characters."""

NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"
_CJK = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_HAS_CJK = re.compile(f"[{_CJK}]")
_CLOSING = "，。、；：！？）」』”’》〉】％%…"
_OPENING = "（「『“‘《〈【"
_CLAUSE_END = re.compile(r"(?<=[，。、；：！？])|\s+")
"""Where a line may end if words are kept whole."""
_LONGEST = 16.0
"""Width of a clause in full-width characters; a row of a telephone has 19 of 18 pixels."""
_UNIT = (
    "(?:[百千万亿]{0,3}(?:美元|欧元|日元|港元|人民币|个基点|个百分点|个月|公里|小时|分钟|平方米|[元股吨人家只个年月日号时分秒天周次"
    "倍点位名种套台架艘辆件起例岁度期页篇层米克升瓦条期])|[百千万亿]{1,3}|[%％‰℃])"
)
_WITH_UNIT = re.compile(
    f"[{_OPENING}]?[-+−±约]?[$¥￥€£]?(?:[0-9](?:[0-9.,:]*[0-9])? ?{_UNIT}){{1,3}}[{_CLOSING}]{{0,2}}"
)
_TAIL = re.compile(f"(?<=[{_CJK}])[{_CJK}]{{3}}[{_CLOSING}]{{0,3}}$")
_LONG_ENOUGH = 14
"""Characters of a text whose last line may be an orphan."""
_LAST_WORDS = re.compile(r" (?=\S{1,9}$)")


@lru_cache(maxsize=4096)
def headline_pieces(text: str) -> Pieces:
    """A headline. One with a clause that is too long for a row breaks as running text does; one in Latin letters leaves
    no short last word alone."""
    if not _HAS_CJK.search(text):
        return ((_LAST_WORDS.sub(NO_BREAK_SPACE, text) if text.count(" ") > 2 else text, ""),)
    if all(_width(clause) <= _LONGEST for clause in _CLAUSE_END.split(text)):
        return ((text, ""),)
    return tuple((piece, kind or LOOSE) for piece, kind in running_pieces(text))


@lru_cache(maxsize=4096)
def running_pieces(text: str) -> Pieces:
    """Running text: numbers stay with their units, and the last three characters with each other."""
    if not _HAS_CJK.search(text):
        return ((text, ""),)
    spans = [found.span() for found in _WITH_UNIT.finditer(text)]
    tail = _TAIL.search(text) if len(text) >= _LONG_ENOUGH else None
    if tail is not None:
        start = min([tail.start(), *(first for first, last in spans if last > tail.start())])
        spans = [(first, last) for first, last in spans if last <= start] + [(start, len(text))]
    pieces: list[tuple[str, str]] = []
    done = 0
    for first, last in spans:
        pieces += [(text[done:first], ""), (text[first:last], WHOLE)]
        done = last
    return tuple(piece for piece in (*pieces, (text[done:], "")) if piece[0])


def _width(text: str) -> float:
    """In full-width characters."""
    return sum(0.5 if sign.isascii() else 1.0 for sign in text)
