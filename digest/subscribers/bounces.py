"""What follows from mail that came back: points and days go in, what becomes of an address comes out.

Pure. Only what says that an address is dead ends it at once; what says something about us never touches a reader.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from digest.models import Verdict

VALID_FOR = timedelta(days=30)
"""How long after an edition a report about it counts."""

WITHIN = timedelta(days=14)
"""How long a refusal weighs."""
UNKNOWN_DAYS = 3
"""So many days with a refusal for good, for no reason that is told, suppress an address."""
SOFT_POINTS = 5
"""So many soft points, one a day, hold an address,"""
HELD_FOR = timedelta(days=7)
"""for so long; then one mail is tried."""
PROBE_COUNTS = timedelta(days=3)
"""When nothing came back for so long after that mail, the mailbox works again."""

_SOFT = (Verdict.FULL, Verdict.DELAYED)
"""What earns a soft point."""


class Outcome(StrEnum):
    """What becomes of an address."""

    NOTHING = "nothing"
    SUPPRESS = "suppress"
    HOLD = "hold"


class Mark(Struct, frozen=True, kw_only=True):
    """An earlier refusal of an address."""

    verdict: Verdict
    at: datetime
    """UTC; days are counted in UTC."""


def follows(marks: Iterable[Mark], *, now: datetime, on_probe: bool) -> Outcome:
    """What to do after the last of these refusals, which are in the order of time. ``on_probe``: it was about the one
    mail that is tried after a hold."""
    known = list(marks)
    if any(mark.verdict is Verdict.DEAD for mark in known):
        return Outcome.SUPPRESS
    recent = [mark for mark in known if mark.at > now - WITHIN]
    if len(_days(recent, Verdict.UNKNOWN)) >= UNKNOWN_DAYS:
        return Outcome.SUPPRESS
    if on_probe and known and known[-1].verdict in (*_SOFT, Verdict.UNKNOWN):
        return Outcome.SUPPRESS
    return Outcome.HOLD if len(_days(recent, *_SOFT)) >= SOFT_POINTS else Outcome.NOTHING


def _days(marks: Iterable[Mark], *about: Verdict) -> set[date]:
    return {mark.at.date() for mark in marks if mark.verdict in about}


# ------------------------------------------------------------- too many at once

MASS_WITHIN = timedelta(hours=24)
"""Within so long no more than"""
_MASS_LEAST, _MASS_SHARE = 5, 0.02
"""so many, or this part of the list if that is more,"""
MASS_OF_DOMAIN = 20
"""and so many of one domain are suppressed for one verdict. What is more says something about us, or about a server."""


def most_at_once(subscribers: int) -> int:
    """How many of a list may be suppressed within a day for one verdict."""
    return max(_MASS_LEAST, int(subscribers * _MASS_SHARE))


class BatchState(StrEnum):
    """What the operator said to a batch."""

    OPEN = "open"
    ACCEPTED = "accepted"
    UNDONE = "undone"


class Batch(Struct, frozen=True, kw_only=True):
    """Suppressions that were too many at once."""

    key: int
    verdict: Verdict
    domain: str
    """Empty: of several."""
    opened_at: datetime
    state: BatchState
    suppressed: int
    """Those of the day before it was noticed, and what was accepted."""
    waiting: int
    """Those that are not suppressed until the operator says so."""

    def line(self) -> str:
        """For people."""
        whose = f" at {self.domain}" if self.domain else ""
        counts = f"{self.suppressed} suppressed, {self.waiting} waiting"
        return f"batch {self.key}: {self.verdict}{whose}, {counts}, {self.state}"
