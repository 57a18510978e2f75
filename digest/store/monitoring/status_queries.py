"""What every run asks about editions, mail, subscribers and alarms, and most runs hear that there is nothing.

Short questions, so that such a run ends soon.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from digest.alarms.watching import KeptAlarm
from digest.models import (
    MAIL,
    AwaitedPage,
    Backlog,
    DeliveryCounts,
    DeliveryState,
    EditionKind,
    EditionState,
    Expired,
    Outage,
    SavedEdition,
)
from digest.store.database.basics import QUARTER, among, as_value, optional_moment, to_moment, to_seconds
from digest.store.database.connection import Connection
from digest.store.database.part import Part, write_meta
from digest.store.delivery.counting import ALL_BY_STATE, BY_STATE, added_up
from digest.text import clean_line

SELECT_EDITIONS = (
    "SELECT digest, kind, sums_up, period, subject, html, text, document, frozen_at, send_after, expires_at, look, "
    "key, state, page_published FROM edition"
)
ALARM = "key, name, text, raised_at, ended_at, end_text"
_SKIP = """
    INSERT INTO edition (digest, kind, period, state, reason, frozen_at, send_after, expires_at, page_published,
        subject, html, text, document)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, false, '', '', '', '') ON CONFLICT DO NOTHING"""


UNSEEN = among((EditionState.SKIPPED, EditionState.CANCELLED))
_MAIL_TO_SEND = (
    "SELECT 1 FROM delivery WHERE state IN "
    f"({among((DeliveryState.QUEUED, DeliveryState.LEASED, DeliveryState.TRANSMITTING, DeliveryState.IN_DOUBT))}) "
    "LIMIT 1"
)
_EDITION_UNDER_WAY = (
    "SELECT 1 FROM edition WHERE state IN "
    f"({among((EditionState.FROZEN, EditionState.SENDING, EditionState.PAUSED))}) LIMIT 1"
)
_AWAITED = (
    "SELECT e.digest, e.period, min(e.frozen_at), min(e.expires_at), count(*) "
    "FROM edition e JOIN delivery d ON d.edition_key = e.key "
    f"WHERE e.page_published = false AND e.state IN ({among((EditionState.FROZEN, EditionState.SENDING))}) "
    f"AND d.state = '{DeliveryState.QUEUED}' GROUP BY e.digest, e.period ORDER BY min(e.key)"
)
_DUE_SINCE = "CASE WHEN d.not_before < e.send_after THEN e.send_after ELSE d.not_before END"
_BACKLOG = (
    f"SELECT e.digest, e.period, min({_DUE_SINCE}), count(*), d.channel FROM edition e "
    f"JOIN delivery d ON d.edition_key = e.key WHERE d.state = '{DeliveryState.QUEUED}' "
    f"AND e.state IN ({among((EditionState.FROZEN, EditionState.SENDING))}) AND e.page_published = true "
    f"AND {_DUE_SINCE} <= ? AND coalesce(d.expires_at, e.expires_at) > ? GROUP BY e.digest, e.period, "
    f"d.channel HAVING min({_DUE_SINCE}) <= ? ORDER BY 3"
)
_ALL_MAIL = (
    "SELECT count(*) FROM delivery d JOIN edition e ON e.key = d.edition_key WHERE e.digest = ? AND e.period = ? "
    "AND d.channel = ?"
)
_EXPIRED = (
    "SELECT e.digest, e.period, count(*) FROM delivery d JOIN edition e ON e.key = d.edition_key "
    f"WHERE d.state = '{DeliveryState.EXPIRED}' AND d.ended_at >= ? GROUP BY e.digest, e.period ORDER BY 1, 2"
)
_OUTAGE = " outage"
"""Ends the name of the value that says since when a channel takes nothing."""
_ELSEWHERE = ALL_BY_STATE.format(f"WHERE channel <> '{MAIL}'")
_VOLUMES = (
    f"SELECT name, first_seen / {QUARTER} AS quarter, count(*) FROM post_category WHERE first_seen >= ? "
    "GROUP BY name, quarter"
)
_ACTIVE_READER = (
    "SELECT 1 FROM subscription JOIN reader_list ON reader_list.key = subscription.list_key "
    "WHERE reader_list.digest = ? AND subscription.state = 'active' LIMIT 1"
)
_SOMEBODY = tuple(f"SELECT 1 FROM {table} LIMIT 1" for table in ("subscriber", "consent", "suppression"))


class StatusQueries(Part):
    """Parts of ``ports.EditionStore``, ``ports.Ledger`` and ``jobs.monitoring.watch.WatchStore``."""

    # ------------------------------------------------------------- editions

    def began(self, digest: str) -> datetime | None:
        return optional_moment(self._value("SELECT began_at FROM digest WHERE name = ?", digest))

    def edition(self, digest: str, period: str) -> SavedEdition | None:
        row = self._row(f"{SELECT_EDITIONS} WHERE digest = ? AND period = ?", digest, period)
        return None if row is None else saved_edition(row)

    def skip(
        self,
        digest: str,
        period: str,
        now: datetime,
        kind: EditionKind = EditionKind.DIGEST,
        reason: str = "nothing new",
        *,
        decided: datetime | None = None,
    ) -> bool:
        moment = to_seconds(now)
        early = moment if decided is None else min(moment, to_seconds(decided))
        with self._database.changing() as connection:
            done = connection.run(
                _SKIP, *(digest, kind.value, period, EditionState.SKIPPED.value, reason), *(moment, early, moment)
            )
            return bool(done.rowcount == 1)

    def has_editions(self, digest: str) -> bool:
        """Whether there is an edition that anybody sees."""
        question = f"SELECT 1 FROM edition WHERE digest = ? AND state NOT IN ({UNSEEN}) LIMIT 1"
        return self._has(question, digest)

    def unpublished_pages(self) -> list[SavedEdition]:
        chosen = f"{SELECT_EDITIONS} WHERE page_published = false AND state NOT IN ({UNSEEN}) ORDER BY key"
        return [saved_edition(row) for row in self._rows(chosen)]

    def pages_look(self) -> str:
        return self._meta("pages look") or ""

    def set_pages_look(self, fingerprint: str) -> None:
        self._set_meta("pages look", fingerprint)

    def slot_state(self, digest: str, period: str, now: datetime | None = None) -> tuple[EditionState | None, str]:
        """State and reason of the edition of a period; None if there is none. One that was given up at a time that has
        not come ``now`` is none: the next run opens it again."""
        question = "SELECT state, reason, frozen_at FROM edition WHERE digest = ? AND period = ?"
        row = self._row(question, digest, period)
        if row is None or (row[0] == EditionState.SKIPPED and now is not None and row[2] > to_seconds(now)):
            return None, ""
        return EditionState(row[0]), row[1]

    def is_taken(self, digest: str, period: str, now: datetime) -> bool:
        """Whether a period has or will have no other edition than the one that it has, or has none for good."""
        return self.slot_state(digest, period, now)[0] is not None

    # ----------------------------------------------------------------- mail

    def clock(self, now: datetime) -> datetime:
        if not self._database.is_postgres:
            return now
        moment: datetime = self._value("SELECT clock_timestamp()")
        return moment.astimezone(UTC)

    def has_mail(self) -> bool:
        """Whether a worker would find something to send, to repeat or to close."""
        return any(self._row(question) is not None for question in (_MAIL_TO_SEND, _EDITION_UNDER_WAY))

    def awaited_pages(self) -> list[AwaitedPage]:
        return [as_value(AwaitedPage, row) for row in self._rows(_AWAITED)]

    def outages(self) -> dict[str, Outage]:
        with self._database.asking() as connection:
            return outages(connection)

    def note_outage(self, now: datetime, reason: str, *, is_try: bool, channel: str = MAIL) -> None:
        with self._database.changing() as connection:
            known = outages(connection).get(channel)
            since = now if known is None else known.since
            tries = (0 if known is None else known.tries) + is_try
            keep_outage(connection, channel, Outage(since=since, tries=tries, reason=clean_line(reason)))

    def end_outage(self, channel: str = MAIL) -> None:
        with self._database.changing() as connection:
            end_outages(connection, [channel])

    def backlog(self, now: datetime, before: datetime) -> list[Backlog]:
        """Editions with mail in the queue that was due before ``before``, the oldest first. What waits for its page or
        belongs to a paused edition is not due."""
        moments = to_seconds(now), to_seconds(now), to_seconds(before)
        with self._database.asking() as connection:
            return [
                as_value(Backlog, (*row[:4], connection.value(_ALL_MAIL, *row[:2], row[4]), row[4]))
                for row in connection.rows(_BACKLOG, *moments)
            ]

    def expired(self, since: datetime) -> list[Expired]:
        """Editions with mail that could not be sent in time, and became that since then."""
        return [as_value(Expired, row) for row in self._rows(_EXPIRED, to_seconds(since))]

    def doubts_over(self, repeats: int, holds: Sequence[str]) -> int:
        """How many deliveries are in doubt and were so more than ``repeats`` times, or at all by one of the channels in
        ``holds``."""
        with self._database.asking() as connection:
            question = (
                f"SELECT count(*) FROM delivery WHERE state = '{DeliveryState.IN_DOUBT}' "
                f"AND (doubts > ? OR channel {connection.is_one_of})"
            )
            return int(connection.value(question, repeats, connection.listed(holds)))

    def counts(self, edition_key: int | None = None) -> DeliveryCounts:
        if edition_key is not None:
            rows = self._rows(BY_STATE.format("edition_key = :edition"), edition=edition_key)
            return added_up(rows).get(edition_key, DeliveryCounts())
        rows = self._rows(ALL_BY_STATE.format(""))
        return added_up(("", state, number) for _, state, number in rows).get("", DeliveryCounts())

    def counts_elsewhere(self) -> dict[str, DeliveryCounts]:
        """What became of deliveries by channels that are not mail."""
        found = added_up(self._rows(_ELSEWHERE))
        return {channel: found[channel] for channel in sorted(found)}

    def paused_editions(self) -> list[tuple[SavedEdition, str]]:
        chosen = f"{SELECT_EDITIONS.replace(' FROM', ', reason FROM')} WHERE state = ? ORDER BY key"
        return [(saved_edition(row[:-1]), row[-1]) for row in self._rows(chosen, EditionState.PAUSED.value)]

    def knows_somebody(self) -> bool:
        """Whether anybody ever subscribed or is suppressed. If not, there is nothing to look after."""
        return any(self._row(question) is not None for question in _SOMEBODY)

    def is_read(self, digest: str) -> bool:
        """Whether anybody has an active subscription to a digest."""
        return self._has(_ACTIVE_READER, digest)

    # ------------------------------------------------------ volumes, alarms

    def volumes(self, since: datetime) -> dict[str, dict[int, int]]:
        """How many posts of each category came in, by quarter of an hour (seconds since 1970 divided by 900)."""
        found: dict[str, dict[int, int]] = {}
        with self._database.asking() as connection:
            for name, quarter, posts in connection.run(_VOLUMES, to_seconds(since)):
                found.setdefault(name, {})[quarter] = posts
        return found

    def open_alarms(self) -> list[KeptAlarm]:
        """The oldest first."""
        return [kept_alarm(row) for row in self._rows(f"SELECT {ALARM} FROM alarm WHERE ended_at IS NULL ORDER BY key")]

    def claim_alarms(self, now: datetime, until: datetime) -> list[KeptAlarm]:
        """Those that there is something to say about and that nobody else is just saying; nobody gets them again
        before ``until``, unless they are given back."""
        free = "told = false AND (held_until IS NULL OR held_until <= ?)"
        with self._database.asking() as connection:
            if connection.row(f"SELECT 1 FROM alarm WHERE {free} LIMIT 1", to_seconds(now)) is None:
                return []
        claim = f"UPDATE alarm SET held_until = ? WHERE {free} RETURNING {ALARM}"
        with self._database.changing() as connection:
            rows = connection.rows(claim, to_seconds(until), to_seconds(now))
        return sorted((kept_alarm(row) for row in rows), key=lambda each: each.key)

    def release_alarms(self, alarms: Sequence[KeptAlarm], *, told: bool) -> None:
        """They were told, or could not be. One that ended meanwhile is still to be told."""
        if not alarms:
            return
        with self._database.changing() as connection:
            for each in alarms:
                ended = None if each.ended_at is None else to_seconds(each.ended_at)
                same = "ended_at IS NULL" if ended is None else "ended_at = ?"
                release = f"UPDATE alarm SET told = ?, held_until = NULL WHERE key = ? AND {same}"
                connection.run(release, told, each.key, *(() if ended is None else (ended,)))

    def looked_at(self, what: str) -> datetime | None:
        """When something was last looked at that is not looked at each time."""
        seconds = self._meta(f"looked at {what}")
        return None if seconds is None else to_moment(int(seconds))

    def set_looked_at(self, what: str, now: datetime) -> None:
        self._set_meta(f"looked at {what}", str(to_seconds(now)))


def outages(connection: Connection) -> dict[str, Outage]:
    """By channel."""
    found = {}
    for name, kept in connection.rows(f"SELECT name, value FROM meta WHERE name LIKE '%{_OUTAGE}' ORDER BY name"):
        value = json.loads(kept)
        outage = Outage(since=to_moment(value["since"]), tries=value["tries"], reason=value["reason"])
        found[name.removesuffix(_OUTAGE)] = outage
    return found


def keep_outage(connection: Connection, channel: str, outage: Outage) -> None:
    value = {"since": to_seconds(outage.since), "tries": outage.tries, "reason": outage.reason}
    write_meta(connection, channel + _OUTAGE, json.dumps(value, ensure_ascii=False))


def end_outages(connection: Connection, channels: Iterable[str]) -> None:
    connection.run_many("DELETE FROM meta WHERE name = ?", [(channel + _OUTAGE,) for channel in channels])


def edition_at(connection: Connection, key: int) -> SavedEdition | None:
    row = connection.row(f"{SELECT_EDITIONS} WHERE key = ?", key)
    return None if row is None else saved_edition(row)


def saved_edition(row: tuple[Any, ...]) -> SavedEdition:
    """Of a row of ``SELECT_EDITIONS``."""
    return as_value(SavedEdition, row)


def kept_alarm(row: tuple[Any, ...]) -> KeptAlarm:
    """Of ``ALARM``."""
    return as_value(KeptAlarm, row)
