"""Addresses that must not be written to, and the bounces that lead there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

from sqlalchemy import String, and_, delete, func, literal, or_, select, update

from digest.models import DeliveryState
from digest.outbox import Blame
from digest.store.part import Part
from digest.store.schema import delivery, edition, refusal, subscriber, suppression
from digest.subscribers.bounces import PROBE_COUNTS, Mark
from digest.subscribers.subscription import DIALOGUE, Addressee, Reason, Refused


class Refusals(Part):
    """Suppressions, bounces and complaints."""

    # --------------------------------------------------------- suppression

    def suppress(self, hashed: str, reason: Reason, note: str, now: datetime) -> bool:
        """Never write to an address again. False if that was so before; the first reason stays."""
        dialect = import_module(f"sqlalchemy.dialects.{self._dialect}")
        added = dialect.insert(suppression).values(hash=hashed, reason=reason.value, since=now, note=note)
        with self._database.writing() as connection:
            added = added.on_conflict_do_nothing().returning(suppression.c.hash)
            return connection.scalar(added) is not None

    def unsuppress(self, hashed: str) -> bool:
        """Lift it, and forget the bounces that led to it. False if there was none."""
        with self._database.writing() as connection:
            connection.execute(delete(refusal).where(refusal.c.hash == hashed))
            return connection.execute(delete(suppression).where(suppression.c.hash == hashed)).rowcount == 1

    def suppressed(self, hashed: str) -> tuple[Reason, datetime, str] | None:
        """Why, since when, and the note."""
        with self._database.reading() as connection:
            row = connection.execute(select(suppression).where(suppression.c.hash == hashed)).first()
        return None if row is None else (Reason(row.reason), row.since, row.note)

    # ------------------------------------------------------------- bounces

    def addressee(self, token: str, since: datetime) -> Addressee | None:
        """Whom the delivery with this token went to, if its edition was made after ``since``. A server may have
        changed the case of letters."""
        query = _ADDRESSEES.where(
            delivery.c.token.in_({token, token.lower()}), edition.c.frozen_at > since, ~_forgotten()
        )
        with self._database.reading() as connection:
            row = connection.execute(query.limit(1)).first()
        return None if row is None else _addressee(row)

    def latest_to(self, subscriber_key: int, since: datetime) -> Addressee | None:
        """The latest delivery to a subscriber, if its edition was made after ``since``."""
        query = _ADDRESSEES.where(
            delivery.c.subscriber_key == subscriber_key, edition.c.frozen_at > since, ~_forgotten()
        ).order_by(delivery.c.key.desc())
        with self._database.reading() as connection:
            row = connection.execute(query.limit(1)).first()
        return None if row is None else _addressee(row)

    def record_refusal(
        self, to: Addressee, hashed: str, *, name: str, blame: str, status: str, text: str, now: datetime
    ) -> bool:
        """Keep a bounce or complaint. False if the same report is known. A delivery in doubt did arrive, it turns
        out."""
        dialect = import_module(f"sqlalchemy.dialects.{self._dialect}")
        values: dict[str, Any] = {
            "name": name,
            "hash": hashed,
            "delivery_key": to.delivery,
            "at": now,
            "blame": blame,
            "status": status,
            "text": text,
        }
        with self._database.writing() as connection:
            added = dialect.insert(refusal).values(**values).on_conflict_do_nothing().returning(refusal.c.key)
            if connection.scalar(added) is None:
                return False
            connection.execute(_arrived(to.delivery, now))
        return True

    def arrived(self, to: Addressee, now: datetime) -> bool:
        """A report says that the message came through. True if that ends a doubt."""
        with self._database.writing() as connection:
            return connection.execute(_arrived(to.delivery, now)).rowcount == 1

    def marks(self, hashed: str) -> list[Mark]:
        """Refusals of an address, oldest first."""
        known = [each.value for each in Blame]
        query = (
            select(refusal.c.blame, refusal.c.at)
            .where(refusal.c.hash == hashed, refusal.c.blame.in_(known))
            .order_by(refusal.c.at, refusal.c.key)
        )
        with self._database.reading() as connection:
            return [Mark(blame=Blame(row.blame), at=row.at) for row in connection.execute(query)]

    def hold(self, hashed: str, until: datetime) -> None:
        """No mail to this reader until then; one is tried afterwards."""
        held = update(subscriber).where(subscriber.c.hash == hashed).values(held_until=until, probe_at=None)
        with self._database.writing() as connection:
            connection.execute(held)

    def look_after_probes(self, now: datetime) -> None:
        """Note who has got the one mail after a hold; let go of those from whom nothing came back."""
        tried = (
            select(func.max(edition.c.frozen_at))
            .join_from(edition, delivery)
            .where(
                delivery.c.subscriber_key == subscriber.c.key,
                delivery.c.list_key.is_not(None),
                edition.c.frozen_at >= subscriber.c.held_until,
            )
            .scalar_subquery()
        )
        due = (subscriber.c.held_until <= now, subscriber.c.probe_at.is_(None))
        quiet = subscriber.c.probe_at <= now - PROBE_COUNTS
        with self._database.reading() as connection:
            if connection.scalar(select(subscriber.c.key).where(subscriber.c.held_until.is_not(None)).limit(1)) is None:
                return
        with self._database.writing() as connection:
            connection.execute(update(subscriber).where(*due).values(probe_at=tried))
            connection.execute(update(subscriber).where(quiet).values(held_until=None, probe_at=None))

    def refused(self, now: datetime, within: timedelta) -> Iterator[Refused]:
        """Deliveries to subscribers that a server refused in the dialogue and that were not looked at yet: for good,
        or for now because of the mailbox itself (4.2.x), once a day. Those of an edition that was ever paused say
        nothing about readers."""
        today = f" {now.date().isoformat()}"
        for_good = and_(delivery.c.state == DeliveryState.FAILED.value, delivery.c.ended_at > now - within)
        for_now = and_(
            delivery.c.state.in_([DeliveryState.QUEUED.value, DeliveryState.EXPIRED.value]),
            delivery.c.reply_enhanced.like("4.2.%"),
            edition.c.frozen_at > now - timedelta(days=2),
        )
        name = literal(DIALOGUE) + delivery.c.key.cast(String)
        for condition, ending in ((for_good, ""), (for_now, today)):
            known = select(refusal.c.key).where(refusal.c.name == name + literal(ending)).exists()
            query = (
                select(*_COLUMNS, delivery.c.reply_code, delivery.c.reply_enhanced, delivery.c.reply_text)
                .select_from(_JOINED)
                .where(
                    condition,
                    edition.c.paused_at.is_(None),
                    delivery.c.subscriber_key.is_not(None),
                    delivery.c.reply_code.is_not(None),
                    ~known,
                    ~_forgotten(),
                )
                .order_by(delivery.c.key)
            )
            with self._database.reading() as connection:
                rows = connection.execute(query).all()
            for row in rows:
                yield Refused(
                    to=_addressee(row),
                    name=f"{DIALOGUE}{row.key}{ending}",
                    code=row.reply_code,
                    enhanced=row.reply_enhanced,
                    text=row.reply_text,
                    at=now,
                )

    @property
    def _dialect(self) -> str:
        return "postgresql" if self._database.is_postgres else "sqlite"


_COLUMNS = (
    delivery.c.key,
    delivery.c.address,
    delivery.c.subscriber_key,
    edition.c.frozen_at,
    subscriber.c.probe_at,
    subscriber.c.held_until,
)
_JOINED = delivery.join(edition).outerjoin(subscriber, subscriber.c.key == delivery.c.subscriber_key)
_ADDRESSEES = select(*_COLUMNS).select_from(_JOINED)


def _forgotten() -> Any:
    return or_(delivery.c.address == "", delivery.c.address.like("gone:%"))


def _addressee(row: Any) -> Addressee:
    return Addressee(
        delivery=row.key,
        address=row.address,
        subscriber=row.subscriber_key,
        frozen_at=row.frozen_at,
        probe=row.held_until is not None and row.frozen_at >= row.held_until,
    )


def _arrived(key: int, now: datetime) -> Any:
    doubtful = (delivery.c.key == key, delivery.c.state == DeliveryState.IN_DOUBT.value)
    return (
        update(delivery)
        .where(*doubtful)
        .values(state=DeliveryState.SENT.value, ended_at=now, reply_text="a report about it came back")
    )
