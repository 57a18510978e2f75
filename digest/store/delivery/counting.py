"""Deliveries of editions that are long over, as counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from digest.models import DeliveryCounts, DeliveryState, EditionKind, EditionState
from digest.store.database.basics import among, to_seconds
from digest.store.database.part import Part, write_meta

_COUNTED = "deliveries counted"
"""Name of the day on which nothing was left to be counted."""
_NEWEST = "(SELECT max(key) FROM delivery)"
"""Stays, so that SQLite gives its key to no other."""
_ENDED = among(
    (
        *(DeliveryState.SENT, DeliveryState.FAILED, DeliveryState.SKIPPED, DeliveryState.EXPIRED),
        DeliveryState.IN_DOUBT,
    )
)
_OVER = f"""
    SELECT key FROM edition WHERE frozen_at < ? AND kind <> '{EditionKind.NOTICE}'
    AND state IN ({among((EditionState.FINISHED, EditionState.EXPIRED, EditionState.CANCELLED))})
    AND EXISTS (SELECT 1 FROM delivery d WHERE d.edition_key = edition.key AND d.key < {_NEWEST}
        AND d.state IN ({_ENDED}))
    ORDER BY key LIMIT 1"""
_TAKE = f"""
    DELETE FROM delivery WHERE key IN (SELECT key FROM delivery WHERE edition_key = ? AND key < {_NEWEST}
    AND state IN ({_ENDED}) LIMIT ?) RETURNING channel, state, domain"""
_ADD = """
    INSERT INTO delivery_count (edition_key, channel, state, domain, number) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (edition_key, channel, state, domain) DO UPDATE SET number = delivery_count.number + excluded.number"""
_ADD_TO_ALL = """
    INSERT INTO delivery_total (channel, state, number) VALUES (?, ?, ?)
    ON CONFLICT (channel, state) DO UPDATE SET number = delivery_total.number + excluded.number"""
ALL_BY_STATE = """
    SELECT channel, state, count(*) FROM delivery {0} GROUP BY channel, state
    UNION ALL SELECT channel, state, number FROM delivery_total {0}"""
"""What became of all deliveries, those included that are counted; ``{0}``: a condition on both."""
BY_STATE = """
    SELECT edition_key, state, count(*) FROM delivery WHERE {0} GROUP BY edition_key, state
    UNION ALL SELECT edition_key, state, sum(number) FROM delivery_count WHERE {0} GROUP BY edition_key, state"""
"""The same of editions."""


def added_up(rows: Iterable[tuple[Any, str, Any]]) -> dict[Any, DeliveryCounts]:
    """What such questions answer, by what is in their first column."""
    found: dict[Any, Counter[DeliveryState]] = {}
    for key, state, number in rows:
        found.setdefault(key, Counter())[DeliveryState(state)] += int(number)
    return {key: DeliveryCounts(by_state=dict(states)) for key, states in found.items()}


class Counting(Part):
    """What is known of deliveries for good: how many of an edition ended how, by channel and domain."""

    def count_old_deliveries(self, now: datetime, before: datetime, limit: int) -> int:
        """Make counts of some rows of an edition that was frozen ``before``, ``limit`` at most. Returns how many; 0
        when none is left, which is asked once a day."""
        today = now.date().isoformat()
        if self._meta(_COUNTED) == today:
            return 0
        with self._database.changing() as connection:
            key = connection.value(_OVER, to_seconds(before))
            if key is None:
                write_meta(connection, _COUNTED, today)
                return 0
            ended = Counter(connection.rows(_TAKE, key, limit))
            connection.run_many(_ADD, [(key, *which, number) for which, number in sorted(ended.items())])
            connection.run_many(_ADD_TO_ALL, [(*which[:2], number) for which, number in sorted(ended.items())])
            connection.run("DELETE FROM mail WHERE edition_key = ?", key)
            if not ended:  # somebody else has just taken them
                write_meta(connection, _COUNTED, today)
            return ended.total()

    def is_counted(self, edition: int) -> bool:
        """Whether only counts are left of an edition's deliveries, or of some of them."""
        return self._has("SELECT 1 FROM delivery_count WHERE edition_key = ? LIMIT 1", edition)
