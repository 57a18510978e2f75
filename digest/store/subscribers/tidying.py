"""What is forgotten with time."""

from __future__ import annotations

from datetime import datetime, timedelta

from digest.models import MAIL, DeliveryState, EditionKind, EditionState
from digest.store.database.basics import among, to_seconds
from digest.store.database.connection import Connection
from digest.store.database.part import Part, write_meta
from digest.store.subscribers.erasing import NOBODY
from digest.subscribers.subscription import FORGET_UNCONFIRMED, ListState

_DROP_UNCONFIRMED = "DELETE FROM consent WHERE confirmed_at IS NULL AND handled = true AND asked_at < ?"
_DROP_PENDING = (
    f"DELETE FROM subscription WHERE state = '{ListState.PENDING}' AND since < ? AND NOT EXISTS "
    "(SELECT 1 FROM consent c WHERE c.subscriber_key = subscription.subscriber_key AND c.handled = false)"
)
"""Whoever was asked long ago; who waits for the mail of an import stays."""
_DROP_NOBODIES = (
    "DELETE FROM subscriber WHERE created_at < ? "
    "AND NOT EXISTS (SELECT 1 FROM subscription p WHERE p.subscriber_key = subscriber.key) "
    "AND NOT EXISTS (SELECT 1 FROM consent c WHERE c.subscriber_key = subscriber.key)"
)
"""Subscribers who never confirmed anything."""
_OLD_NOTICES = (
    f"FROM edition WHERE kind = '{EditionKind.NOTICE}' AND frozen_at < ? "
    f"AND state IN ({among((EditionState.FINISHED, EditionState.EXPIRED))})"
)
_ENDED = (
    DeliveryState.SENT,
    DeliveryState.FAILED,
    DeliveryState.SKIPPED,
    DeliveryState.EXPIRED,
    DeliveryState.IN_DOUBT,
)
_FORGET_ADDRESSES = (
    f"UPDATE delivery SET {NOBODY} WHERE channel = '{MAIL}' AND edition_key IN "
    f"(SELECT key FROM edition WHERE key > ? AND key <= ? AND frozen_at < ?) AND state IN ({among(_ENDED)})"
)


class Tidying(Part):
    """What nobody needs any more."""

    def tidy(
        self,
        now: datetime,
        *,
        believed: datetime | None = None,
        keep_addresses: timedelta,
        keep_notices: timedelta = timedelta(days=30),
    ) -> bool:
        """Forget what nobody needs any more: sign-ups that were never confirmed, counts of the day before yesterday,
        addresses of old deliveries, old mails about subscriptions. ``believed`` is the time to go by if ``now`` may be
        too late. Once a day; False if it was done today."""
        today = now.date().isoformat()
        if self._meta("tidied") == today:
            return False
        now = believed or now
        unconfirmed, noticed = to_seconds(now - FORGET_UNCONFIRMED), to_seconds(now - keep_notices)
        with self._database.changing() as connection:
            write_meta(connection, "tidied", today)
            connection.run(_DROP_UNCONFIRMED, unconfirmed)
            connection.run(_DROP_PENDING, unconfirmed)
            connection.run(_DROP_NOBODIES, unconfirmed)
            connection.run("DELETE FROM attempt WHERE at < ?", to_seconds(now - timedelta(days=2)))
            connection.run("DELETE FROM errand WHERE asked_at < ?", noticed)
            connection.run(f"DELETE FROM delivery WHERE edition_key IN (SELECT key {_OLD_NOTICES})", noticed)
            emptied = "NOT EXISTS (SELECT 1 FROM delivery d WHERE d.edition_key = edition.key)"
            connection.run(f"DELETE {_OLD_NOTICES} AND {emptied}", noticed)
            _forget_addresses(connection, to_seconds(now - keep_addresses))
        self._database.empty_log()
        return True


def _forget_addresses(connection: Connection, old: int) -> None:
    """Editions are gone through once; the greatest key that was is remembered."""
    after = int(connection.value("SELECT value FROM meta WHERE name = 'forgotten'") or 0)
    last = connection.value("SELECT max(key) FROM edition WHERE frozen_at < ?", old)
    if last is not None and last > after:
        connection.run(_FORGET_ADDRESSES, after, last, old)
        write_meta(connection, "forgotten", str(last))
