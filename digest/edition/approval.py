"""When an edition that waits for the operator's approval is made, and when it is given up.

Pure: the time comes in, and what was said so far.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from digest.models import Approval, Otherwise

NOT_APPROVED = "not approved"
"""Why there is no edition that nobody approved."""


class ApprovalRule(Struct, frozen=True, kw_only=True):
    """That editions wait for the operator."""

    wait: timedelta
    """From their slot on."""
    otherwise: Otherwise
    """What becomes of one that nobody approved by then."""

    def until(self, slot: datetime, now: datetime) -> datetime:
        """How long an edition of a slot waits that begins to do so at ``now``. One that is late leaves the operator
        half of the time at least."""
        return max(slot + self.wait, now + self.wait / 2)


class Turn(StrEnum):
    """What is to be done about an edition now."""

    WAIT = "wait"
    MAKE = "make"
    SKIP = "skip"


def next_turn(rule: ApprovalRule | None, approval: Approval | None, now: datetime) -> Turn:
    """``rule`` is that of the configuration (None: nobody is asked), ``approval`` what is known of this edition (None:
    it did not wait yet). What is to happen at the end is as it was when it began to wait: the operator was told so."""
    if rule is None:
        return Turn.MAKE
    if approval is None:
        return Turn.WAIT
    if approval.approved_at is not None:
        return Turn.MAKE
    if now < approval.until:
        return Turn.WAIT
    return Turn.MAKE if approval.otherwise is Otherwise.SEND else Turn.SKIP
