"""The main points of an edition: what a reader in a hurry is to see of it.

Pure. They are the first turns of what the mail shows (``contents.turns``), so that whatever ranks posts ranks them too.
"""

from __future__ import annotations

from digest.edition.contents import Edition, Entry, Limits, Shown, turns
from digest.text import clean_line

MOST = 5
QUIET = 6
"""With fewer posts in the mail there are no main points: all of it is one."""


def first_turns(edition: Edition, count: int) -> tuple[Entry, ...]:
    """The posts in the mail whose turn it was first, at most so many."""
    shown = {entry.key: entry for entry in edition.entries if entry.shown in (Shown.LEAD, Shown.HEADLINE)}
    return tuple(shown[pick.key] for pick in turns(edition, Limits()) if pick.key in shown)[:count]


def lead_of(edition: Edition) -> str:
    """The headline that leads the edition, on one line; empty if it has none."""
    return next((clean_line(entry.title) for entry in first_turns(edition, 1)), "")


def is_quiet(edition: Edition) -> bool:
    """Whether the mail has so few posts that none of them are the main ones."""
    return edition.balance.here < QUIET


def main_points(edition: Edition) -> tuple[Entry, ...]:
    """Three to five posts, the most important first; none on a quiet day."""
    return () if is_quiet(edition) else first_turns(edition, MOST)
