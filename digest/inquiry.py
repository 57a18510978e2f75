"""What is kept that explains something: why a post is where it is, why a subscriber got what they got. Only nouns."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from digest.models import DeliveryState, EditionKind, EditionState, KnownPost, Problem


class Omission(StrEnum):
    """Why an edition left out somebody who asked for it, as it was when the edition was frozen."""

    SUPPRESSED = "suppressed"
    PENDING = "pending"
    """The subscription was not confirmed yet."""
    PAUSED = "paused"
    HELD = "held"
    """The mailbox had refused mail for days."""


class BrokenFile(Struct, frozen=True, kw_only=True):
    """A post whose file cannot be read any more, so that its last good version stays published."""

    problem: Problem
    since: datetime
    """When the file was last written, by its own time."""


class EditionNote(Struct, frozen=True, kw_only=True):
    """An edition without its contents, those included that were not made."""

    key: int
    digest: str
    kind: EditionKind
    period: str
    state: EditionState
    reason: str
    """Why it was not made, or stopped."""
    frozen_at: datetime
    """When it was made, or when it was found that it would not be."""
    subject: str = ""
    page_published: bool = True
    """Its page and feed are in place; until then its mail waits."""


class Membership(Struct, frozen=True, kw_only=True):
    """A post's place in an edition."""

    edition: EditionNote
    section: str
    position: int
    shown: str
    reason: str
    """As ``edition.Entry`` has it."""
    members: int
    """How many posts the edition has."""


class FoundFile(Struct, frozen=True, kw_only=True):
    """A file of the posts folder as the last look at it found it."""

    path: str
    taken: bool
    """It gave a post."""
    recheck_at: datetime | None
    problems: tuple[Problem, ...] = ()


class Candidates(Struct, frozen=True, kw_only=True):
    """What words may mean: posts, and files that gave none."""

    posts: tuple[KnownPost, ...] = ()
    files: tuple[FoundFile, ...] = ()
    more: bool = False
    """There are others."""


class DeliveryNote(Struct, frozen=True, kw_only=True):
    """What became of one mail."""

    edition: EditionNote
    selection: str
    """As ``models.Delivery`` has it."""
    state: DeliveryState
    attempts: int
    doubts: int
    not_before: datetime
    expires_at: datetime
    ended_at: datetime | None
    reply_code: int | None
    reply_enhanced: str
    reply_text: str
    queue_id: str
    stopped: str = ""
    """To which receiver no more of the edition goes, this one's, and why."""
