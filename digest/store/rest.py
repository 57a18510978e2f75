"""When what is stored asks for work by itself: nobody has to write anything, time only has to pass."""

from __future__ import annotations

from datetime import datetime, timedelta

from digest.models import DeliveryState, EditionState
from digest.store.basics import REPEATS, to_moment
from digest.store.connect import SqliteDatabase
from digest.store.part import Part
from digest.subscribers.bounces import PROBE_COUNTS

_NOW = 0
"""A moment that is over: there is something to do already."""

_UNDER_WAY = f"('{EditionState.FROZEN.value}', '{EditionState.SENDING.value}')"

# Each gives the earliest moment in seconds, or nothing.
_FILES = "SELECT min(recheck_at) FROM file"
_WITHDRAWN = "SELECT min(gone_at) FROM post WHERE retired = false AND gone_at IS NOT NULL"
_PAGES = (
    f"SELECT min({_NOW}) FROM edition WHERE page_published = false "  # noqa: S608 - our own words, here and below
    f"AND state NOT IN ('{EditionState.SKIPPED.value}', '{EditionState.CANCELLED.value}')"
)
_LEASES = (
    "SELECT min(lease_until) FROM delivery "  # noqa: S608
    f"WHERE state IN ('{DeliveryState.LEASED.value}', '{DeliveryState.TRANSMITTING.value}')"
)
_TRIES = (
    "SELECT min(CASE WHEN e.send_after > d.not_before THEN e.send_after ELSE d.not_before END) "  # noqa: S608
    "FROM delivery d JOIN edition e ON e.key = d.edition_key "
    f"WHERE d.state = '{DeliveryState.QUEUED.value}' AND e.state IN {_UNDER_WAY}"
)
_EXPIRIES = (
    "SELECT min(coalesce(d.expires_at, e.expires_at)) "  # noqa: S608
    f"FROM delivery d JOIN edition e ON e.key = d.edition_key WHERE d.state = '{DeliveryState.QUEUED.value}'"
)
_DOUBTS = (
    f"SELECT min({_NOW}) FROM delivery d JOIN edition e ON e.key = d.edition_key "  # noqa: S608
    f"WHERE d.state = '{DeliveryState.IN_DOUBT.value}' AND d.doubts <= {REPEATS} "
    f"AND e.state <> '{EditionState.CANCELLED.value}'"
)
_SIGN_UPS = f"SELECT min({_NOW}) FROM consent WHERE handled = false"  # noqa: S608
_HOLDS = "SELECT min(held_until) FROM subscriber WHERE probe_at IS NULL"
_PROBES = "SELECT min(probe_at) FROM subscriber"


class Rest(Part):
    """Satisfies ``ports.RestStore``."""

    def next_change(self, *, withdrawn_stays: timedelta, resend: bool) -> datetime | None:
        questions = [
            (_FILES, timedelta()),
            (_WITHDRAWN, withdrawn_stays),
            (_PAGES, timedelta()),
            (_LEASES, timedelta()),
            (_TRIES, timedelta()),
            (_EXPIRIES, timedelta()),
            (_SIGN_UPS, timedelta()),
            (_HOLDS, timedelta()),
            (_PROBES, PROBE_COUNTS),
        ]
        if resend:
            questions.append((_DOUBTS, timedelta()))
        moments = []
        with self._database.asking() as plain:
            for question, later in questions:
                seconds = plain.value(question)
                if seconds is not None:
                    moments.append(to_moment(seconds) + later)
        return min(moments, default=None)

    def save_all(self) -> None:
        """Bring what was committed from SQLite's log into its file, as far as nobody stands in the way: closing the
        store changes no file then."""
        if isinstance(self._database, SqliteDatabase):
            self._database.save_all()
