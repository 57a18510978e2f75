"""What is looked at to know whether all is well: the log of runs, volumes, the state of mail; and the open alarms."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from digest.alarms.watching import Alarm, EditionMail, Ending, Freshness, KeptAlarm, RunRow, RunTotals
from digest.models import MAIN, DeliveryCounts, DeliveryState, EditionKind, EditionState
from digest.outbox import refusal
from digest.store.database.basics import QUARTER, optional_moment, to_moment, to_seconds
from digest.store.database.part import Part
from digest.store.delivery.counting import BY_STATE, added_up
from digest.store.monitoring.status_queries import ALARM, kept_alarm

_KEEP_ALARMS = timedelta(days=90)
_FAILURES = 5
"""Failures of a run that are shown."""
_MAILS = "alarm mails"

_RUNS = "SELECT key, started_at, ended_at, ok, arrived, written, {} FROM run ORDER BY key DESC LIMIT ?"
_TOTALS = "SELECT ok, count(*), sum(ended_at - started_at), sum(arrived), sum(written) FROM run GROUP BY ok"
_NEWEST_RUN = "key <> (SELECT max(key) FROM run)"
_LISTED = "unlisted = false AND retired = false"
_SOURCE_VOLUMES = f"""
    SELECT source, first_seen / {QUARTER} AS quarter, count(*) FROM post
    WHERE {_LISTED} AND first_seen >= ? AND source <> '{MAIN}' GROUP BY source, quarter"""
_FRESH = """
    SELECT name, max(published), max(first_seen), sum(CASE WHEN first_seen >= ? THEN 1 ELSE 0 END) AS recent
    FROM post_category {} GROUP BY name"""
_EDITIONS = """
    SELECT key, digest, period, state, reason, frozen_at, send_after FROM edition WHERE kind <> ?
    ORDER BY key DESC LIMIT ?"""
_REFUSALS = f"""
    SELECT receiver, reply_verdict, reply_code, reply_enhanced, count(*) FROM delivery
    WHERE state = '{DeliveryState.FAILED}' AND ended_at >= ? OR state = '{DeliveryState.QUEUED}' AND reply_text <> ''
    GROUP BY receiver, reply_verdict, reply_code, reply_enhanced"""
_READERS = """
    SELECT l.digest, s.state, count(*) FROM subscription s JOIN reader_list l ON l.key = s.list_key
    GROUP BY l.digest, s.state"""


class Watch(Part):
    """Satisfies ``jobs.monitoring.watch.WatchStore``."""

    # ----------------------------------------------------------------- runs

    def runs(self, limit: int, *, failures: bool = False) -> list[RunRow]:
        """The latest runs, newest first; with ``failures`` also what the failed ones said."""
        report = "CASE WHEN ok = false THEN report ELSE '' END" if failures else "''"
        return [_run(*row) for row in self._rows(_RUNS.format(report), limit)]

    def run_totals(self) -> RunTotals:
        """Over all runs that the log still has."""
        rows = {None if ok is None else bool(ok): sums for ok, *sums in self._rows(_TOTALS)}
        counts = {ok: sums[0] for ok, sums in rows.items()}
        seconds, arrived, written = (
            sum(int(sums[place] or 0) for ok, sums in rows.items() if ok is not None) for place in (1, 2, 3)
        )
        return RunTotals(
            ok=counts.get(True, 0),
            failed=counts.get(False, 0),
            cut_off=counts.get(None, 0),
            seconds=seconds,
            arrived=arrived,
            written=written,
        )

    def run_spans(self, since: datetime) -> list[tuple[datetime, int]]:
        """When each run that ended began, and how many seconds it took."""
        chosen = (
            "SELECT started_at, ended_at - started_at FROM run WHERE started_at >= ? AND ended_at IS NOT NULL "
            "ORDER BY started_at"
        )
        return [(to_moment(began), took) for began, took in self._rows(chosen, to_seconds(since))]

    def forget_runs(self, before: datetime, reports_before: datetime) -> int:
        """Drop the log of runs that began before ``before``, and the reports of those that went well before
        ``reports_before``; the latest run stays. Returns how many were dropped."""
        done = f"started_at < ? AND ok = true AND report <> '' AND {_NEWEST_RUN}"
        with self._database.changing() as connection:
            connection.run(f"UPDATE run SET report = '' WHERE {done}", to_seconds(reports_before))
            return connection.change(f"DELETE FROM run WHERE started_at < ? AND {_NEWEST_RUN}", to_seconds(before))

    # ---------------------------------------------------------------- posts

    def arrivals(self, since: datetime) -> dict[int, int]:
        """How many posts came in, by quarter of an hour."""
        chosen = f"SELECT first_seen / {QUARTER} AS quarter, count(*) FROM post WHERE {_LISTED} AND first_seen >= ?"
        return dict(self._rows(f"{chosen} GROUP BY quarter", to_seconds(since)))

    def source_volumes(self, since: datetime) -> dict[str, dict[int, int]]:
        """How many posts of each source beside ``posts.folder`` came in, by quarter of an hour."""
        found: dict[str, dict[int, int]] = {}
        with self._database.asking() as connection:
            for source, quarter, posts in connection.run(_SOURCE_VOLUMES, to_seconds(since)):
                found.setdefault(source, {})[quarter] = posts
        return found

    def freshness(self, names: Sequence[str], since: datetime, limit: int) -> list[Freshness]:
        """All posts, then these categories, then the busiest since then, ``limit`` at most."""
        moment = to_seconds(since)
        with self._database.asking() as connection:
            newest = connection.row(f"SELECT max(published), max(first_seen) FROM post WHERE {_LISTED}") or (None, None)
            named = connection.rows(
                _FRESH.format(f"WHERE name {connection.is_one_of}"), moment, connection.listed(names)
            )
            busiest = connection.rows(f"{_FRESH.format('')} ORDER BY recent DESC, name LIMIT ?", moment, limit)
        rows = {name: tuple(values) for name, *values in (*named, *busiest)}
        whole = (*newest, sum(self.arrivals(since).values()))
        return [_freshness(None, *whole), *(_freshness(name, *values) for name, values in list(rows.items())[:limit])]

    # ----------------------------------------------------------------- mail

    def edition_mail(self, limit: int) -> list[EditionMail]:
        """The latest editions, newest first, each with the state of its mail; notices are no editions."""
        with self._database.asking() as connection:
            rows = connection.rows(_EDITIONS, EditionKind.NOTICE.value, limit)
            keys = connection.listed([row[0] for row in rows])
            counted = BY_STATE.format(f"edition_key {connection.is_one_of}")
            counts = added_up(connection.rows(counted, keys, keys))
        return [
            EditionMail(
                digest=digest,
                period=period,
                state=EditionState(state),
                reason=reason,
                frozen_at=to_moment(frozen_at),
                send_after=to_moment(send_after),
                counts=counts.get(key, DeliveryCounts()),
            )
            for key, digest, period, state, reason, frozen_at, send_after in rows
        ]

    def refusals_by_receiver(self, since: datetime) -> dict[tuple[str, str], int]:
        """What refusals say, by receiver (empty: those without limits of their own): of deliveries that failed since
        then, and of those that wait for another attempt; empty: nobody answered. What was kept without a verdict is
        judged by its codes."""
        counts: Counter[tuple[str, str]] = Counter()
        for receiver, verdict, code, enhanced, number in self._rows(_REFUSALS, to_seconds(since)):
            is_silent = code is None and not enhanced
            counts[receiver, verdict or ("" if is_silent else refusal(code, enhanced, "").value)] += number
        return dict(counts)

    def bounces(self, since: datetime) -> list[datetime]:
        """When each bounce or complaint was learnt of."""
        return [
            to_moment(at) for at in self._column("SELECT at FROM refusal WHERE at >= ? ORDER BY at", to_seconds(since))
        ]

    def subscribers_by_state(self) -> dict[tuple[str, str], int]:
        """Subscriptions by digest and state; addresses that are never written to as ``suppressed`` of no digest."""
        with self._database.asking() as connection:
            found = {(digest, state): number for digest, state, number in connection.rows(_READERS)}
            return {**found, ("", "suppressed"): connection.value("SELECT count(*) FROM suppression")}

    # --------------------------------------------------------------- alarms

    def recent_alarms(self, since: datetime) -> list[KeptAlarm]:
        """Those that are over, the latest first."""
        chosen = f"SELECT {ALARM} FROM alarm WHERE ended_at >= ? ORDER BY ended_at DESC, key DESC"
        return [kept_alarm(row) for row in self._rows(chosen, to_seconds(since))]

    def note_alarms(
        self, raised: Iterable[Alarm], ended: Iterable[Ending], now: datetime, reworded: Iterable[Alarm] = ()
    ) -> None:
        """Write down what began, what is over, and what says something else by now, in one transaction. What another
        process wrote first stays."""
        moment = to_seconds(now)
        with self._database.changing() as connection:
            connection.insert_many(
                "alarm",
                ("name", "text", "raised_at", "end_text", "told"),
                [(each.name, each.text, moment, "", False) for each in raised],
                or_ignore=True,
            )
            connection.run_many(
                "UPDATE alarm SET text = ? WHERE name = ? AND ended_at IS NULL",
                [(each.text, each.name) for each in reworded],
            )
            connection.run_many(
                "UPDATE alarm SET ended_at = ?, end_text = ?, told = ?, held_until = NULL "
                "WHERE name = ? AND ended_at IS NULL",
                [(moment, each.text, not each.text, each.name) for each in ended],
            )
            connection.run("DELETE FROM alarm WHERE ended_at < ?", to_seconds(now - _KEEP_ALARMS))

    def alarm_mails(self) -> list[datetime]:
        """When the latest mails about alarms were sent."""
        return [to_moment(seconds) for seconds in json.loads(self._meta(_MAILS) or "[]")]

    def set_alarm_mails(self, moments: Iterable[datetime]) -> None:
        self._set_meta(_MAILS, json.dumps([to_seconds(moment) for moment in moments]))


def _run(
    key: int, started_at: int, ended_at: int | None, ok: Any, arrived: int | None, written: int | None, report: str
) -> RunRow:
    return RunRow(
        key=key,
        started_at=to_moment(started_at),
        ended_at=optional_moment(ended_at),
        ok=None if ok is None else bool(ok),
        arrived=arrived or 0,
        written=written or 0,
        failures=_failures(report),
    )


def _failures(report: str) -> tuple[str, ...]:
    if not report:
        return ()
    try:
        lines = json.loads(report).get("failures", [])
    except (ValueError, AttributeError):
        return ()
    return tuple(str(line) for line in lines[:_FAILURES])


def _freshness(name: str | None, published: int | None, arrived: int | None, recent: int) -> Freshness:
    return Freshness(
        category=name, published=optional_moment(published), arrived=optional_moment(arrived), recent=int(recent)
    )
