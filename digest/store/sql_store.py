"""The store in one piece, from its parts by topic."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from digest.store.archive.absences import Absences
from digest.store.archive.feeds import Feeds
from digest.store.archive.known import Known
from digest.store.archive.posts import Posts
from digest.store.delivery.batches import Batches
from digest.store.delivery.counting import Counting
from digest.store.delivery.ledger import Deliveries
from digest.store.delivery.pauses import Pauses
from digest.store.delivery.receivers import Receivers
from digest.store.delivery.refusals import Refusals
from digest.store.editions.audience import Audience
from digest.store.editions.editions import Editions
from digest.store.monitoring.ahead import Ahead
from digest.store.monitoring.alarms import Watch
from digest.store.monitoring.inquiry import Inquiries
from digest.store.monitoring.runs import Runs
from digest.store.monitoring.status_queries import StatusQueries
from digest.store.subscribers.erasing import Erasing
from digest.store.subscribers.intake import Intake
from digest.store.subscribers.subscribers import Subscribers
from digest.store.subscribers.tidying import Tidying


class SqlStore(
    Known,
    Posts,
    Absences,
    Feeds,
    StatusQueries,
    Runs,
    Erasing,
    Ahead,
    Editions,
    Deliveries,
    Pauses,
    Receivers,
    Subscribers,
    Audience,
    Intake,
    Tidying,
    Refusals,
    Batches,
    Counting,
    Watch,
    Inquiries,
):
    """Everything that is kept, in one database. Satisfies ``ports.Store``. May be used by several threads. Close it, or
    use it as a context manager."""

    schema_found: str | None = None
    """The version that its tables had when it was opened; None if there were none."""

    @property
    def subject(self) -> str:
        """How messages name it: without a password."""
        return self._database.subject

    def is_in_place(self) -> bool:
        """Whether who opens it now gets this very one: its file may have been deleted or replaced."""
        return self._database.is_in_place()

    def faults(self) -> list[str]:
        """What the database finds when it checks itself (SQLite: pages, indexes, references); nothing if it is
        sound. May take a while."""
        if self._database.is_postgres:
            return []
        with self._database.asking() as connection:
            found = connection.column("PRAGMA integrity_check(20)")
            broken = connection.rows("PRAGMA foreign_key_check")[:20]
        return [line for line in found if line != "ok"] + [
            f"table {table}, row {row}: refers to what is not in {parent}" for table, row, parent, _ in broken
        ]

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
