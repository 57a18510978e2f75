"""The judge: from a server's words to a verdict, with the rule that led there.

The most specific thing that the server itself said decides: the last enhanced code in its words (RFC 2034), then the
words, then the ``Status:`` of a report (RFC 3464 section 2.3.4), then the bare reply code (RFC 5321). ``X.0.0`` says
nothing (RFC 3463 section 3.1), and neither does a number that only looks like a code: an address, a version.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from msgspec import Struct

from digest.models import Verdict
from digest.text import clean_line
from digest.verdicts.codes import NEUTRAL, REPLIES, meaning
from digest.verdicts.phrases import CERTAIN, PHRASES, Phrase

_CODE = re.compile(
    r"(?:^|(?<=[#(;:])|(?<=[#(;:] )|(?<![\d.])[245]\d\d[ -]+['\x22#]?(?:[a-z_]+ )?|(?<=\.\.\. ))"
    r"([245]\.\d{1,3}\.\d{1,3})(?![\d\w]|\.\d)",
    re.IGNORECASE,
)
_PRECISE = re.compile(r"\.7\.\d{3}$")
_STATUS = re.compile(r"^\D{0,2}([245]\.\d{1,3}\.\d{1,3})(?![\d\w]|\.\d)")
_REPLY = re.compile(r"(?:^|(?<=[\s;:(<>\"']))([45]\d\d)(?=[\s\-:#,]|$)(?!-\d)")
_ADDRESS = re.compile(r"<?[^\s<>@]+@[^\s<>@]+>?")
_HOST = re.compile(r"\bhost \S+ ?\[[\d.:a-f]+\]", re.IGNORECASE)
_SUMMARY = re.compile(r"^[245]\.\d{1,3}\.\d{1,3} - [A-Za-z ]{1,60} (?=[45]\d\d[- ]')")
"""What Cisco's mailers put before a server's words."""
_BLANKS = re.compile(r"\s+")
_GAP = ".{0,60}?"


class Judgement(Struct, frozen=True, kw_only=True):
    """A verdict and how it came about."""

    verdict: Verdict
    rule: str
    """For people: what decided."""
    status: str = ""
    """The enhanced code that is the most specific one; else the bare code, else empty."""
    is_own: bool = True
    """The server's own words say so, not only what another program made of them."""


def judge(words: str, *, code: int | None = None, enhanced: str = "", status: str = "") -> Judgement:
    """What a refusal says. ``code`` and ``enhanced`` are those of a reply in the dialogue, ``status`` the field of a
    report; ``words`` all that the server said, with its codes or without."""
    line = _SUMMARY.sub("", clean_line(words))
    own = _last_code(line) or (enhanced if _says_something(enhanced) else "")
    told = status_code(status)
    bare = code if code is not None else reply_code(line)
    found = (
        (_by_code(own, line) if own else None)
        or _by_words(line, own or told or enhanced)
        or (_by_status(told, line) if _says_something(told) else None)
        or _by_reply(bare, own or told or enhanced)
    )
    if found is not None:
        return found
    named = own or told or enhanced or str(bare or "")
    return Judgement(verdict=Verdict.UNKNOWN, rule="neither code nor words say why", status=named)


def status_code(field: str) -> str:
    """The code of a ``Status`` field; empty if there is none."""
    match = _STATUS.match(field.strip())
    return match.group(1) if match else ""


def reply_code(words: str) -> int | None:
    """The last reply code of 400 and more in a server's words."""
    found = _REPLY.findall(words)
    return int(found[-1]) if found else None


def has_code(words: str) -> bool:
    """Whether there is any code of a refusal in these words."""
    return bool(_CODE.search(words) or _REPLY.search(words))


def phrase_in(words: str) -> Phrase | None:
    """The first row of the table whose words are there."""
    text = _plain(words)
    return next((phrase for phrase, first, found in _patterns() if first in text and found(text)), None)


def _last_code(line: str) -> str:
    return next((each for each in reversed(_CODE.findall(line)) if _says_something(each)), "")


def _says_something(enhanced: str) -> bool:
    return bool(enhanced) and not enhanced.endswith(f".{NEUTRAL}.{NEUTRAL}") and enhanced[0] in "45"


def _by_code(enhanced: str, line: str) -> Judgement | None:
    """A code that has one meaning, or one that words make precise."""
    verdict, is_open = meaning(enhanced)
    if verdict is Verdict.DEAD and (sure := next((each for each in CERTAIN if each in _plain(line)), "")):
        return Judgement(verdict=verdict, rule=f"{enhanced}, and the words \u201c{sure}\u201d", status=enhanced)
    if is_open and (phrase := phrase_in(line)) is not None and not _is_too_much_said(enhanced, phrase):
        return Judgement(verdict=phrase.verdict, rule=f"{enhanced}, and {_quoted(phrase)}", status=enhanced)
    if verdict is None:
        return None
    return Judgement(verdict=verdict, rule=f"{enhanced} in the server's words", status=enhanced)


def _is_too_much_said(enhanced: str, phrase: Phrase) -> bool:
    """Exchange's own codes of policies (X.7.515 and so on) are precise: no phrase that is about the address by the way
    makes one the reader's."""
    return phrase.verdict is Verdict.DEAD and _PRECISE.search(enhanced) is not None and phrase.words not in CERTAIN


def _by_words(line: str, named: str) -> Judgement | None:
    phrase = phrase_in(line)
    return None if phrase is None else Judgement(verdict=phrase.verdict, rule=_quoted(phrase), status=named)


def _by_status(told: str, line: str) -> Judgement | None:
    """What the mailer that reports made of it. It is the server itself if there are no other words."""
    verdict, _ = meaning(told)
    if verdict is None:
        return None
    return Judgement(verdict=verdict, rule=f"Status: {told}", status=told, is_own=not has_code(line))


def _by_reply(bare: int | None, named: str) -> Judgement | None:
    verdict = None if bare is None else REPLIES.get(bare)
    if verdict is None:
        return None
    return Judgement(verdict=verdict, rule=f"reply code {bare}", status=named or str(bare))


def _quoted(phrase: Phrase) -> str:
    return f"the words \u201c{phrase.words}\u201d ({phrase.source})"


def _plain(words: str) -> str:
    """In lower case, without addresses and names of hosts: these are no words of a server's."""
    text = _HOST.sub(" ", _ADDRESS.sub(" ", words)).lower().replace("\u2019", "'")
    return _BLANKS.sub(" ", text)


@cache
def _patterns() -> tuple[tuple[Phrase, str, Callable[[str], object]], ...]:
    """Each row, what has to be there anyway (looked for at a twentieth of the cost), and the whole search."""
    return tuple((phrase, phrase.words.partition("*")[0], _pattern(phrase.words).search) for phrase in PHRASES)


def _pattern(words: str) -> re.Pattern[str]:
    start = r"(?<![a-z0-9])" if words[0].isascii() and words[0].isalnum() else ""
    return re.compile(start + _GAP.join(re.escape(piece) for piece in words.split("*")))
