"""Questions about what happened: nothing here changes anything, except what a frozen edition notes of whom it left
out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, insert, literal, or_, select

from digest.inquiry import Candidates, DeliveryNote, EditionNote, FoundFile, Membership, Omission
from digest.models import DeliveryState, EditionState, KnownPost, Problem, Severity
from digest.store.part import Part
from digest.store.queries import read_posts, select_posts
from digest.store.schema import (
    begun,
    consent,
    delivery,
    edition,
    edition_member,
    file,
    omission,
    post,
    problem,
    reader_list,
    subscriber,
    subscription,
    suppression,
)
from digest.subscribers.subscription import WEEKLY, ListState

LIMIT = 20
"""Candidates at the most."""
_ESCAPE = "/"


class Inquiries(Part):
    """What ``digest explain`` asks."""

    def look_for(self, words: str) -> Candidates:
        """Posts and files that words may mean: a path or the end of one, an id, an address, else a part of a title or
        of a path. What fits exactly comes alone."""
        if not words:
            return Candidates()
        with self._database.reading() as connection:
            for fits in (_names(post.c.path, words), or_(post.c.id == words, post.c.url == words)):
                found = _posts(connection, fits)
                files = _files(connection, and_(_names(file.c.path, words), file.c.taken.is_(False)))
                if found or files:
                    taken = {each.path for each in found if each.gone_at is None}
                    return _candidates(_without_doubles(found), [each for each in files if each.path not in taken])
            pattern = f"%{words.replace(_ESCAPE, _ESCAPE * 2).replace('%', '/%').replace('_', '/_')}%"
            title, path = (column.ilike(pattern, escape=_ESCAPE) for column in (post.c.title, post.c.path))
            found = _without_doubles(_posts(connection, or_(title, path)))
            unused = and_(file.c.path.ilike(pattern, escape=_ESCAPE), file.c.taken.is_(False))
            return _candidates(found, _files(connection, unused))

    def file_at(self, path: str) -> FoundFile | None:
        """The file as it was last looked at; None if it is not there any more."""
        with self._database.reading() as connection:
            return next(iter(_files(connection, file.c.path == path)), None)

    def memberships(self, post_key: int) -> list[Membership]:
        """Every edition that has the post, oldest first; those of everything before those of some categories."""
        others = edition_member.alias()
        size = select(func.count()).where(others.c.edition_key == edition.c.key).scalar_subquery()
        query = (
            select(
                *_NOTE,
                edition_member.c.section,
                edition_member.c.position,
                edition_member.c.shown,
                edition_member.c.reason.label("member_reason"),
                size.label("members"),
            )
            .join_from(edition_member, edition)
            .where(edition_member.c.post_key == post_key)
            .order_by(edition.c.frozen_at, edition.c.category, edition.c.key)
        )
        with self._database.reading() as connection:
            return [
                Membership(
                    edition=_note(row),
                    section=row.section,
                    position=row.position,
                    shown=row.shown,
                    reason=row.member_reason,
                    members=row.members,
                )
                for row in connection.execute(query)
            ]

    def titles_of(self, keys: Sequence[int]) -> dict[int, str]:
        """Titles of posts as they are now."""
        with self._database.reading() as connection:
            rows = connection.execute(select(post.c.key, post.c.title).where(post.c.key.in_(list(keys))))
            return {row.key: row.title for row in rows}

    def beginning(self, digest: str) -> tuple[datetime, int] | None:
        """When a digest began, and the greatest key of a post that was there before."""
        with self._database.reading() as connection:
            row = connection.execute(
                select(begun.c.began_at, begun.c.began_after).where(begun.c.name == digest)
            ).first()
        return None if row is None else (row.began_at, row.began_after)

    def edition_notes(self, digest: str, since: datetime | None = None, limit: int = 400) -> list[EditionNote]:
        """Editions of a digest for everything, newest period first, those included that were not made; with ``since``
        those frozen or given up then or later."""
        query = select(*_NOTE).where(edition.c.digest == digest, edition.c.category == "")
        if since is not None:
            query = query.where(edition.c.frozen_at >= since)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(edition.c.period.desc()).limit(limit))
            return [_note(row) for row in rows]

    def has_variant(self, digest: str, period: str, category: str) -> bool:
        """Whether there was an edition for readers of just these categories."""
        query = select(edition.c.key).where(
            edition.c.digest == digest, edition.c.period == period, edition.c.category == category
        )
        with self._database.reading() as connection:
            return connection.scalar(query) is not None

    def mails_to(self, address: str, subscriber_key: int | None) -> list[DeliveryNote]:
        """Every mail to a reader, or to an address of the configuration, newest first."""
        by_address = and_(delivery.c.subscriber_key.is_(None), func.lower(delivery.c.address) == address.lower())
        mine = by_address if subscriber_key is None else or_(delivery.c.subscriber_key == subscriber_key, by_address)
        query = (
            select(*_NOTE, *_DELIVERY)
            .join_from(delivery, edition)
            .where(mine)
            .order_by(edition.c.frozen_at.desc(), delivery.c.key.desc())
        )
        with self._database.reading() as connection:
            return [_delivery(row) for row in connection.execute(query)]

    def omissions(self, subscriber_key: int) -> dict[int, Omission]:
        """Why editions left a reader out, by the edition's key."""
        query = select(omission.c.edition_key, omission.c.reason).where(omission.c.subscriber_key == subscriber_key)
        with self._database.reading() as connection:
            return {row.edition_key: Omission(row.reason) for row in connection.execute(query)}

    def unconfirmed(self, canonical: str) -> datetime | None:
        """When somebody last asked for this address without anybody confirming it."""
        query = select(func.max(consent.c.asked_at)).where(
            consent.c.canonical == canonical, consent.c.confirmed_at.is_(None)
        )
        with self._database.reading() as connection:
            found: datetime | None = connection.scalar(query)
        return found


def note_omissions(connection: Connection, edition_key: int, digest: str, now: datetime) -> None:
    """Write down whom an edition leaves out although they asked for its digest, and why. The complement of
    ``Subscribers.readers``: what may be another tomorrow. Who had left, or wants other categories or a mail a week, is
    known from what they chose."""
    held = and_(
        subscriber.c.held_until.is_not(None),
        or_(subscriber.c.held_until > now, subscriber.c.probe_at.is_not(None)),
    )
    reasons = (
        (suppression.c.hash.is_not(None), Omission.SUPPRESSED),
        (subscription.c.state == ListState.PENDING.value, Omission.PENDING),
        (subscriber.c.pause_ends > now, Omission.PAUSED),
        (held, Omission.HELD),
    )
    left_out = (
        select(
            literal(edition_key),
            subscription.c.subscriber_key,
            case(*((condition, reason.value) for condition, reason in reasons)),
        )
        .join_from(subscription, reader_list)
        .join(subscriber, subscriber.c.key == subscription.c.subscriber_key)
        .outerjoin(suppression, suppression.c.hash == subscriber.c.hash)
        .where(
            reader_list.c.digest == digest.removesuffix(WEEKLY),
            subscription.c.state.in_([ListState.ACTIVE.value, ListState.PENDING.value]),
            or_(*(condition for condition, _ in reasons)),
        )
    )
    connection.execute(insert(omission).from_select(["edition_key", "subscriber_key", "reason"], left_out))


# ------------------------------------------------------------------- values

_NOTE = (
    edition.c.key,
    edition.c.digest,
    edition.c.category,
    edition.c.period,
    edition.c.state,
    edition.c.reason,
    edition.c.frozen_at,
    edition.c.subject,
    edition.c.page_published,
)
_DELIVERY = (
    delivery.c.state.label("delivery_state"),
    delivery.c.attempts,
    delivery.c.doubts,
    delivery.c.not_before,
    func.coalesce(delivery.c.expires_at, edition.c.expires_at).label("expires"),
    delivery.c.ended_at,
    delivery.c.reply_code,
    delivery.c.reply_enhanced,
    delivery.c.reply_text,
    delivery.c.queue_id,
)


def _note(row: Any) -> EditionNote:
    key, digest, category, period, state, reason, frozen_at, subject, page_published = row[:9]
    return EditionNote(
        key=key,
        digest=digest,
        category=category,
        period=period,
        state=EditionState(state),
        reason=reason,
        frozen_at=frozen_at,
        subject=subject,
        page_published=page_published,
    )


def _delivery(row: Any) -> DeliveryNote:
    return DeliveryNote(
        edition=_note(row),
        state=DeliveryState(row.delivery_state),
        attempts=row.attempts,
        doubts=row.doubts,
        not_before=row.not_before,
        expires_at=row.expires,
        ended_at=row.ended_at,
        reply_code=row.reply_code,
        reply_enhanced=row.reply_enhanced,
        reply_text=row.reply_text,
        queue_id=row.queue_id,
    )


def _names(column: Any, words: str) -> ColumnElement[bool]:
    """The column is this path, or ends in it."""
    wanted = words.removeprefix("./").lstrip("/")
    ending = func.substr(column, func.length(column) - len(wanted)) == f"/{wanted}"
    return or_(column == wanted, ending)


def _posts(connection: Connection, condition: ColumnElement[bool]) -> list[KnownPost]:
    query: Select[Any] = select_posts().where(condition).order_by(post.c.published.desc(), post.c.key).limit(LIMIT + 1)
    return read_posts(connection, query)


def _without_doubles(posts: list[KnownPost]) -> list[KnownPost]:
    """A path may have had several posts; the one that stands counts, else the latest."""
    kept: dict[str, KnownPost] = {}
    for each in sorted(posts, key=lambda each: (each.gone_at is None, each.key)):
        kept[each.path] = each
    return list(kept.values())


def _candidates(posts: Sequence[KnownPost], files: Sequence[FoundFile]) -> Candidates:
    gone = {each.path for each in posts}
    others = [each for each in files if each.path not in gone]
    return Candidates(
        posts=tuple(posts[:LIMIT]), files=tuple(others[:LIMIT]), more=len(posts) > LIMIT or len(others) > LIMIT
    )


def _files(connection: Connection, condition: ColumnElement[bool]) -> list[FoundFile]:
    rows = connection.execute(
        select(file.c.path, file.c.taken, file.c.recheck_at).where(condition).order_by(file.c.path).limit(LIMIT + 1)
    ).all()
    faults = connection.execute(
        select(problem)
        .where(problem.c.path.in_([row.path for row in rows]))
        .order_by(problem.c.path, problem.c.position)
    ).all()
    return [
        FoundFile(
            path=row.path,
            taken=row.taken,
            recheck_at=row.recheck_at,
            problems=tuple(
                Problem(
                    path=fault.path,
                    line=fault.line,
                    reason=fault.reason,
                    remedy=fault.remedy,
                    severity=Severity(fault.severity),
                )
                for fault in faults
                if fault.path == row.path
            ),
        )
        for row in rows
    ]
