"""What is looked at to know whether all is well: the log of runs, volumes, the state of mail; and the open alarms."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, and_, case, delete, func, or_, select, type_coerce, update

from digest.alarms.watching import Alarm, EditionMail, Ending, Freshness, KeptAlarm, RunRow, RunTotals
from digest.models import DeliveryCounts, DeliveryState, EditionState
from digest.store.basics import QUARTER, to_moment, to_seconds
from digest.store.part import Part
from digest.store.schema import (
    alarm,
    delivery,
    edition,
    post,
    post_category,
    reader_list,
    refusal,
    run,
    subscription,
    suppression,
)
from digest.store.sql import among
from digest.subscribers.subscription import NOTICES

_KEEP_ALARMS = timedelta(days=90)
_FAILURES = 5
"""Failures of a run that are shown."""


class Watch(Part):
    """Satisfies ``jobs.watch.WatchStore``."""

    # ----------------------------------------------------------------- runs

    def runs(self, limit: int, *, failures: bool = False) -> list[RunRow]:
        """The latest runs, newest first; with ``failures`` also what the failed ones said."""
        columns = (run.c.key, run.c.started_at, run.c.ended_at, run.c.ok, run.c.arrived, run.c.written)
        reports = case((run.c.ok.is_(False), run.c.report), else_="").label("report")
        query = select(*columns, *((reports,) if failures else ())).order_by(run.c.key.desc()).limit(limit)
        with self._database.reading() as connection:
            return [_run(row, row.report if failures else "") for row in connection.execute(query)]

    def run_totals(self) -> RunTotals:
        """Over all runs that the log still has."""
        query = select(
            run.c.ok,
            func.count().label("runs"),
            func.sum(_seconds(run.c.ended_at) - _seconds(run.c.started_at)).label("seconds"),
            func.sum(run.c.arrived).label("arrived"),
            func.sum(run.c.written).label("written"),
        ).group_by(run.c.ok)
        with self._database.reading() as connection:
            rows = {row.ok: row for row in connection.execute(query)}
        ended = [row for ok, row in rows.items() if ok is not None]
        return RunTotals(
            ok=rows[True].runs if True in rows else 0,
            failed=rows[False].runs if False in rows else 0,
            cut_off=rows[None].runs if None in rows else 0,
            seconds=sum(int(row.seconds or 0) for row in ended),
            arrived=sum(int(row.arrived or 0) for row in ended),
            written=sum(int(row.written or 0) for row in ended),
        )

    def run_spans(self, since: datetime) -> list[tuple[datetime, int]]:
        """When each run that ended began, and how many seconds it took."""
        query = (
            select(run.c.started_at, run.c.ended_at)
            .where(run.c.started_at >= since, run.c.ended_at.is_not(None))
            .order_by(run.c.started_at)
        )
        with self._database.reading() as connection:
            return [
                (row.started_at, int((row.ended_at - row.started_at).total_seconds()))
                for row in _all(connection, query)
            ]

    def forget_runs(self, before: datetime, reports_before: datetime) -> int:
        """Drop the log of runs that began before ``before``, and the reports of those that went well before
        ``reports_before``; the latest run stays. Returns how many were dropped."""
        newest = select(func.max(run.c.key)).scalar_subquery()
        done = (run.c.started_at < reports_before, run.c.ok.is_(True), run.c.report != "", run.c.key != newest)
        with self._database.writing() as connection:
            connection.execute(update(run).where(*done).values(report=""))
            return connection.execute(delete(run).where(run.c.started_at < before, run.c.key != newest)).rowcount

    # ---------------------------------------------------------------- posts

    def arrivals(self, since: datetime) -> dict[int, int]:
        """How many posts came in, by quarter of an hour."""
        query = (
            select(_quarter(post.c.first_seen), func.count().label("posts"))
            .where(post.c.unlisted.is_(False), post.c.retired.is_(False), post.c.first_seen >= since)
            .group_by("quarter")
        )
        with self._database.reading() as connection:
            return {int(row.quarter): row.posts for row in connection.execute(query)}

    def freshness(self, names: Sequence[str], since: datetime, limit: int) -> list[Freshness]:
        """All posts, then these categories, then the busiest since then, ``limit`` at most."""
        recent = func.sum(case((post_category.c.first_seen >= since, 1), else_=0)).label("recent")
        query = select(
            post_category.c.name,
            func.max(post_category.c.published).label("published"),
            func.max(post_category.c.first_seen).label("arrived"),
            recent,
        ).group_by(post_category.c.name)
        busiest = query.order_by(recent.desc(), post_category.c.name).limit(limit)
        with self._database.reading() as connection:
            whole = connection.execute(
                select(func.max(post.c.published), func.max(post.c.first_seen)).where(
                    post.c.unlisted.is_(False), post.c.retired.is_(False)
                )
            ).one()
            named = (
                connection.execute(query.where(among(connection, post_category.c.name, names))).all() if names else []
            )
            rows = {row.name: row for row in (*named, *connection.execute(busiest))}
        chosen = list(rows.values())[:limit]
        everything = sum(self.arrivals(since).values())
        return [
            Freshness(category=None, published=whole[0], arrived=whole[1], recent=everything),
            *(Freshness(category=r.name, published=r.published, arrived=r.arrived, recent=r.recent) for r in chosen),
        ]

    # ----------------------------------------------------------------- mail

    def edition_mail(self, limit: int) -> list[EditionMail]:
        """The latest editions, newest first, each with the state of its mail; notices are no editions."""
        latest = (
            select(*(edition.c[name] for name in ("key", "digest", "category", "period", "state", "reason")))
            .add_columns(edition.c.frozen_at, edition.c.send_after)
            .where(edition.c.digest != NOTICES)
            .order_by(edition.c.key.desc())
            .limit(limit)
        )
        with self._database.reading() as connection:
            rows = connection.execute(latest).all()
            counts = connection.execute(
                select(delivery.c.edition_key, delivery.c.state, func.count())
                .where(among(connection, delivery.c.edition_key, [row.key for row in rows]))
                .group_by(delivery.c.edition_key, delivery.c.state)
            ).all()
        return [
            EditionMail(
                digest=row.digest,
                category=row.category,
                period=row.period,
                state=EditionState(row.state),
                reason=row.reason,
                frozen_at=row.frozen_at,
                send_after=row.send_after,
                counts=DeliveryCounts(by_state={DeliveryState(s): n for key, s, n in counts if key == row.key}),
            )
            for row in rows
        ]

    def refusals_since(self, since: datetime) -> dict[tuple[int | None, str], int]:
        """Replies by code and enhanced code: of deliveries that failed since then, and of those that wait for another
        attempt; no code at all: nobody answered."""
        failed = and_(delivery.c.state == DeliveryState.FAILED.value, delivery.c.ended_at >= since)
        waiting = and_(delivery.c.state == DeliveryState.QUEUED.value, delivery.c.reply_text != "")
        query = (
            select(delivery.c.reply_code, delivery.c.reply_enhanced, func.count())
            .where(or_(failed, waiting))
            .group_by(delivery.c.reply_code, delivery.c.reply_enhanced)
        )
        with self._database.reading() as connection:
            return {(code, enhanced): number for code, enhanced, number in connection.execute(query)}

    def bounces(self, since: datetime) -> list[datetime]:
        """When each bounce or complaint was learnt of."""
        query = select(refusal.c.at).where(refusal.c.at >= since).order_by(refusal.c.at)
        with self._database.reading() as connection:
            return list(connection.scalars(query))

    def readers_by_state(self) -> dict[tuple[str, str], int]:
        """Subscriptions by digest and state; addresses that are never written to as ``suppressed`` of no digest."""
        query = (
            select(reader_list.c.digest, subscription.c.state, func.count())
            .join_from(subscription, reader_list, subscription.c.list_key == reader_list.c.key)
            .group_by(reader_list.c.digest, subscription.c.state)
        )
        with self._database.reading() as connection:
            found = {(digest, state): number for digest, state, number in connection.execute(query)}
            suppressed = connection.scalar(select(func.count()).select_from(suppression)) or 0
        return {**found, ("", "suppressed"): suppressed}

    # --------------------------------------------------------------- alarms

    def recent_alarms(self, since: datetime) -> list[KeptAlarm]:
        """Those that are over, the latest first."""
        query = select(alarm).where(alarm.c.ended_at >= since).order_by(alarm.c.ended_at.desc(), alarm.c.key.desc())
        with self._database.reading() as connection:
            return [_alarm(row) for row in connection.execute(query)]

    def note_alarms(
        self, raised: Iterable[Alarm], ended: Iterable[Ending], now: datetime, reworded: Iterable[Alarm] = ()
    ) -> None:
        """Write down what began, what is over, and what says something else by now, in one transaction. What another
        process wrote first stays."""
        insert = import_module(f"sqlalchemy.dialects.{'postgresql' if self._database.is_postgres else 'sqlite'}").insert
        with self._database.writing() as connection:
            for each in raised:
                values = {"name": each.name, "text": each.text, "raised_at": now, "end_text": "", "told": False}
                connection.execute(insert(alarm).values(values).on_conflict_do_nothing())
            for each in reworded:
                said = update(alarm).where(alarm.c.name == each.name, alarm.c.ended_at.is_(None)).values(text=each.text)
                connection.execute(said)
            for ending in ended:
                over = {"ended_at": now, "end_text": ending.text, "told": not ending.text, "held_until": None}
                connection.execute(
                    update(alarm).where(alarm.c.name == ending.name, alarm.c.ended_at.is_(None)).values(over)
                )
            connection.execute(delete(alarm).where(alarm.c.ended_at < now - _KEEP_ALARMS))

    def alarm_mails(self) -> list[datetime]:
        """When the latest mails about alarms were sent."""
        return [to_moment(seconds) for seconds in json.loads(self._meta(_MAILS) or "[]")]

    def set_alarm_mails(self, moments: Iterable[datetime]) -> None:
        self._set_meta(_MAILS, json.dumps([to_seconds(moment) for moment in moments]))


_MAILS = "alarm mails"


def _seconds(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """A moment as the number that it is kept as."""
    return type_coerce(column, BigInteger())


def _quarter(column: ColumnElement[Any]) -> Any:
    return _seconds(column).op("/")(QUARTER).label("quarter")


def _all(connection: Any, query: Select[Any]) -> Sequence[Any]:
    rows: Sequence[Any] = connection.execute(query).all()
    return rows


def _run(row: Any, report: str) -> RunRow:
    return RunRow(
        key=row.key,
        started_at=row.started_at,
        ended_at=row.ended_at,
        ok=row.ok,
        arrived=row.arrived or 0,
        written=row.written or 0,
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


def _alarm(row: Any) -> KeptAlarm:
    return KeptAlarm(
        key=row.key,
        name=row.name,
        text=row.text,
        raised_at=row.raised_at,
        ended_at=row.ended_at,
        end_text=row.end_text,
    )
