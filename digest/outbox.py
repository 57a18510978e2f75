"""Deciding what becomes of a delivery: retries, refusals, when to slow down, when to stop.

Pure: outcomes and times go in, decisions come out; ``jobs.delivery.deliver`` carries them out. The rules are those of a
cautious mail sender (RFC 5321 4.5.4.1 for retries, RFC 3463 for enhanced status codes).
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from digest.errors import Doubtful, PermanentFailure, TransportError
from digest.models import Answer, Reply, Verdict
from digest.text import clean_line
from digest.verdicts.judging import judge, phrase_in
from digest.verdicts.phrases import GREYLISTING

LEASE = timedelta(seconds=120)
"""How long a worker has a row at the least, renewed while it is at it,"""
DOT_LEASE = timedelta(minutes=11)
"""and once the server is asked for its answer, which may take ten minutes."""
LAST_CALL = timedelta(hours=2)
"""For so long before its end, but for no more than half of its life, mail is sent although its page is not in place."""


def last_call(frozen_at: datetime, expires_at: datetime) -> datetime:
    """From when on an edition's mail no longer waits for its page: it would expire."""
    return expires_at - min(LAST_CALL, (expires_at - frozen_at) / 2)


# ------------------------------------------------------------------ replies

CONNECTING = frozenset({"connect", "greeting", "ehlo", "tls", "login"})
"""Steps before any message: a failure there says nothing about a message or its subscriber."""
MESSAGE = frozenset({"data", "body", "dot"})
"""Steps at which the message is refused, and not its recipient."""
RECEIVERS_WORD = MESSAGE | {"rcpt"}
"""Steps at which the answer may be the receiver's, handed on by a relay; what is said before is the relay's own."""
OURS = (Verdict.POLICY, Verdict.CONTENT, Verdict.RELAY)
"""What says something about us, and may be mended by us."""
WAITING = frozenset({Verdict.RATE, Verdict.FULL})
"""What passes: a refusal for good that says so is tried again as long as the edition lasts."""

_OF_MAILBOX = re.compile(r"[45]\.2\.[1-9]")
_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s|$)")
_ADDRESS = re.compile(r"([^\s<>@,;:\"()\[\]])[^\s<>@,;:\"()\[\]]*@([^\s<>@,;:\"()]+)")
_TOKEN = re.compile(r"(?<![A-Za-z0-9_-])A[A-Za-z0-9_-]{34}(?![A-Za-z0-9_-])")
"""Of a link in a mail (``tokens``): some servers quote what they do not like."""
_SHORTEST_NAME = 3
_TEXT_LIMIT = 300
"""Characters of a server's words that are kept."""


def split_reply(code: int, text: str) -> Reply:
    """A server's answer as a value: the enhanced code (RFC 2034) is taken from its front, the rest is cleaned of
    control characters, its addresses are masked, and it is cut."""
    line = clean_line(text)
    match = _ENHANCED.match(line)
    enhanced = match.group(1) if match is not None and match.group(1)[0] == str(code)[0] else ""
    rest = line[match.end() :].strip() if match is not None and enhanced else line
    if enhanced and enhanced in rest:  # lines of a long answer repeat the code
        rest = re.sub(rf"(?<!\S){re.escape(enhanced)}(?!\S)\s*", "", rest)
    return Reply(code=code, enhanced=enhanced, text=masked(rest)[:_TEXT_LIMIT].strip())


def masked(text: str, address: str = "") -> str:
    """The text with every mail address as ``a***@example.com``, and no token of a link. Of ``address`` the part before
    the @ is found alone too, as in ``no such user: ann``."""
    text = _TOKEN.sub("***", _ADDRESS.sub(r"\1***@\2", text))
    local = address.rpartition("@")[0]
    if len(local) < _SHORTEST_NAME:
        return text
    return re.sub(rf"(?<![\w.+-]){re.escape(local)}(?![\w+-])", lambda _: f"{local[0]}***", text, flags=re.IGNORECASE)


_OF_US = {Verdict.DEAD: Verdict.POLICY, Verdict.UNKNOWN: Verdict.POLICY, Verdict.FULL: Verdict.RELAY}
"""What it means before a recipient was named: the sender, or the way there, is refused."""


def refusal(code: int | None, enhanced: str, text: str, *, step: str = "rcpt") -> Verdict:
    """What a server's answer in the dialogue says. What is refused for now kills nobody, and what is refused
    before a recipient was named, or as a message (after DATA), says nothing about the reader."""
    found = judge(text, code=code, enhanced=enhanced)
    verdict = found.verdict
    if step not in MESSAGE and step != "rcpt":
        return _OF_US.get(verdict, verdict)
    if step in MESSAGE and code == 552 and found.rule.startswith("reply code"):
        return Verdict.CONTENT  # RFC 5321 4.5.3.1.9: the message is what is too large
    if verdict not in (Verdict.DEAD, Verdict.UNKNOWN, Verdict.EXPIRED):
        return verdict
    if code is not None and code < 500:
        return Verdict.DELAYED
    return Verdict.CONTENT if step in MESSAGE else verdict


def is_throttling(error: TransportError, verdict: Verdict | None) -> bool:
    """The server asks for less: in words, by 421 or 450, or by a temporary policy answer (4.7.x). That one
    mailbox gets too much (RFC 3463: X.2.1 and so on, as Gmail says) is about nobody else."""
    if verdict is Verdict.RATE and _OF_MAILBOX.match(error.enhanced):
        return False
    return verdict is Verdict.RATE or error.code in (421, 450) or error.enhanced.startswith("4.7.")


def is_limit(error: TransportError, verdict: Verdict | None) -> bool:
    """The receiver, whose word the relay may hand on, says that it is too much at once, so that it had better be left
    alone. Greylisting does not mean that: who waits there waits for each reader anew."""
    if verdict is not Verdict.RATE or error.step not in RECEIVERS_WORD or not is_throttling(error, verdict):
        return False
    phrase = phrase_in(error.text)
    return phrase is None or phrase.source != GREYLISTING


# ---------------------------------------------------------------- decisions


REPEATS = 1
"""How often a message in doubt is sent again: a server that takes everything and never answers gets no third copy."""


class Fate(StrEnum):
    """What becomes of a row after an attempt."""

    SENT = "sent"
    RETRY = "retry"
    FAILED = "failed"
    IN_DOUBT = "in_doubt"


class RetryPlan(Struct, frozen=True, kw_only=True):
    """When to try again. The last delay is used again and again until the edition expires."""

    delays: tuple[timedelta, ...] = tuple(timedelta(minutes=each) for each in (1, 5, 15, 30, 60, 120))
    jitter: float = 0.2
    """Each delay is shortened or lengthened by up to this part of it, so that a list does not come back at once."""

    def delay(self, key: int, attempts: int) -> timedelta:
        """After the ``attempts``-th attempt, counted from 1. The same delivery and attempt give the same delay."""
        planned = self.delays[min(max(attempts, 1), len(self.delays)) - 1]
        return planned * (1 + self.jitter * (2 * _chance(key, attempts) - 1))


def _chance(key: int, attempts: int) -> float:
    """A number in [0, 1) that looks random and is not."""
    value = hashlib.blake2b(f"{key} {attempts}".encode(), digest_size=8).digest()
    return int.from_bytes(value, "big") / 2**64


def hinders(error: TransportError) -> bool:
    """Whether nothing can be handed over at all, for now, as far as this shows: the server is out of reach, or it puts
    off what is no business of one recipient's. Says nothing where it refuses for good."""
    if isinstance(error, PermanentFailure) and error.step not in CONNECTING:
        return False
    return error.code is None or error.step != "rcpt"


class RowDecision(Struct, frozen=True, kw_only=True):
    """What an outcome means for the row, its edition and the way out."""

    fate: Fate
    not_before: datetime | None = None
    """When to try again (``Fate.RETRY``); None: the row keeps its place, since this was not about it."""
    counted: bool = True
    """Whether the attempt counts; it does not when it never came to this message."""
    pauses: bool = False
    """The edition must stop at once."""
    rests: bool = False
    """The connection or the server is at fault: the whole transport backs off."""
    slows: bool = False
    """Send more slowly from now on."""
    limits: bool = False
    """Its receiver says that it is too much: it had better get nothing for a while."""
    verdict: Verdict | None = None
    """What the server's words say, if it refused."""


def decide(outcome: Reply | TransportError, *, key: int, attempts: int, now: datetime, plan: RetryPlan) -> RowDecision:
    """The failure table. ``attempts`` counts this one; ``key`` is the delivery's."""
    if isinstance(outcome, Reply):
        return RowDecision(fate=Fate.SENT)
    if isinstance(outcome, Doubtful):
        return RowDecision(fate=Fate.IN_DOUBT, rests=True)
    about = None
    if outcome.code is not None:
        about = refusal(outcome.code, outcome.enhanced, outcome.text, step=outcome.step)
    slows, limits = is_throttling(outcome, about), is_limit(outcome, about)
    if outcome.step in CONNECTING:
        return RowDecision(fate=Fate.RETRY, counted=False, rests=True, slows=slows, verdict=about)
    if outcome.code == 421 and outcome.step != "dot":
        again = RowDecision(fate=Fate.RETRY, not_before=now, counted=False, slows=slows, verdict=about)
        return replace(again, limits=limits, rests=not limits)  # a limit closes the connection for its receiver alone
    if isinstance(outcome, PermanentFailure):
        if outcome.step == "mail" and outcome.code is not None:
            return RowDecision(fate=Fate.RETRY, not_before=now, counted=False, pauses=True, verdict=about)
        if about not in WAITING:
            return RowDecision(fate=Fate.FAILED, verdict=about)
    return RowDecision(
        fate=Fate.RETRY,
        not_before=now + max(plan.delay(key, attempts), outcome.retry_after or timedelta()),
        rests=outcome.code in (None, 421) and not limits,  # a broken connection, or the server is closing it
        slows=slows,
        limits=limits,
        verdict=about,
    )


# -------------------------------------------------------------- stop switch

STREAK = 5
"""Equal refusals in a row that stop an edition."""
ANSWERS = 50
"""How many of an edition's latest answers are looked at,"""
SHARE = 0.2
"""the part of them that may be refusals for good,"""
LEAST_REFUSALS = 10
"""and how many of these it takes at least."""


def verdict(answers: Sequence[Answer]) -> str:
    """Why nothing more must go to one group after its latest answers, the last one first; empty if it may go on. What
    is tried again or in doubt says nothing yet. A wrong DNS record must not fail a whole list."""
    names = _names(answers)
    if (streak := _streak(names)) >= STREAK:
        return f"{streak} recipients in a row were refused alike: {names[0]}"
    return _too_many(names)


def paused_line(edition: str, reason: str, to: str = "") -> str:
    """What the operator is told of an edition that stands still; ``to``: for the one receiver that it is about."""
    what = f"sending to {to}" if to else "sending"
    return f"{edition}: {what} is paused: {reason}; mend that, then run: digest deliver --resume {edition}"


def verdict_of_all(answers: Sequence[Answer]) -> str:
    """Why an edition must stop for everybody, after its latest answers of all groups; empty if it may go on. What one
    group refuses says nothing of others, so it takes at least two: a relay that is half broken, a sender who is
    blocked in many places."""
    names = _names(answers)
    streak = _streak(names)
    if streak >= STREAK and len({answer.group for answer in answers[:streak]}) > 1:
        return f"{streak} recipients in a row were refused alike: {names[0]}"
    refused = Counter(answer.group for answer in answers[:ANSWERS] if answer.refusal is not None)
    worst = refused.most_common(1)[0][0] if refused else ""
    return _too_many(_names([answer for answer in answers[:ANSWERS] if answer.group != worst]))


def _names(answers: Sequence[Answer]) -> list[str]:
    return ["" if each.refusal is None else _name_of(each.refusal) for each in answers[:ANSWERS]]


def _streak(names: Sequence[str]) -> int:
    return next((index for index, name in enumerate(names) if not name or name != names[0]), len(names))


def _too_many(names: Sequence[str]) -> str:
    refused = sum(map(bool, names))
    if refused >= LEAST_REFUSALS and refused > SHARE * len(names):
        return f"{refused} of the last {len(names)} recipients were refused"
    return ""


def _name_of(refusal: Reply) -> str:
    """As far as refusals can be equal: by their codes; by the words, without ids and addresses in them, if there is
    no enhanced code."""
    words = refusal.enhanced or " ".join(re.sub(r"\S*[@\d]\S*", "", refusal.text).split())
    return f"{refusal.code or ''} {words}".strip() or "no reason given"


# --------------------------------------------------------------------- pace

_RESTS = (1.0, 5.0, 15.0, 60.0, 300.0)


def rest_seconds(failures: int) -> float:
    """How long the transport backs off after so many failures of the connection in a row (at least one)."""
    return _RESTS[min(failures, len(_RESTS)) - 1]


class Pace(Struct, frozen=True, kw_only=True):
    """A token bucket. Times are seconds of any clock that never goes back."""

    ceiling: float
    """Messages a second at the most."""
    rate: float
    """Messages a second now."""
    tokens: float = 1.0
    """May be negative: messages that were promised a moment to come."""
    at: float = 0.0

    @classmethod
    def starting(cls, ceiling: float, now: float, first: float | None = None) -> Pace:
        """``first``: messages a second at the beginning, if not as many as may be."""
        return cls(ceiling=ceiling, rate=first or ceiling, at=now)

    def take(self, now: float) -> tuple[Pace, float]:
        """One message; and how many seconds it has to wait."""
        tokens = self._filled(now) - 1
        return replace(self, tokens=tokens, at=max(now, self.at)), max(0.0, -tokens / self.rate)

    def slower(self, now: float) -> Pace:
        """Half as fast, at least one message a minute."""
        floor = min(1 / 60, self.ceiling)
        return replace(self, tokens=self._filled(now), at=max(now, self.at), rate=max(self.rate / 2, floor))

    def faster(self, now: float) -> Pace:
        """After a message was taken: a fiftieth of the ceiling faster."""
        if self.rate >= self.ceiling:
            return self
        rate = min(self.ceiling, self.rate + self.ceiling / 50)
        return replace(self, tokens=self._filled(now), at=max(now, self.at), rate=rate)

    def _filled(self, now: float) -> float:
        room = max(1.0, self.rate / 10)
        return min(room, self.tokens + max(0.0, now - self.at) * self.rate)
