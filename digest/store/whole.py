"""The whole store: what ``everyday`` has, and all that makes editions, sends mail and knows readers."""

from __future__ import annotations

from digest.store.audience import Audience
from digest.store.editions import Editions
from digest.store.everyday import Everyday
from digest.store.inquiry import Inquiries
from digest.store.intake import Intake
from digest.store.ledger import Deliveries
from digest.store.pauses import Pauses
from digest.store.refusals import Refusals
from digest.store.subscribers import Subscribers
from digest.store.tidying import Tidying
from digest.store.watch import Watch


class SqlStore(
    Everyday, Editions, Deliveries, Pauses, Subscribers, Audience, Intake, Tidying, Refusals, Watch, Inquiries
):
    """Everything that is kept, in one database. Satisfies ``ports.Store``."""

    def faults(self) -> list[str]:
        """What the database finds when it checks itself (SQLite: pages, indexes, references); nothing if it is
        sound. May take a while."""
        if self._database.is_postgres:
            return []
        with self._database.reading() as connection:
            found = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check(20)")]
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(20)
        return [line for line in found if line != "ok"] + [
            f"table {table}, row {row}: refers to what is not in {parent}" for table, row, parent, _ in broken
        ]
