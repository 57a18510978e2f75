"""The store as far as most runs need it, without SQLAlchemy; the rest of it is loaded when it is first asked for."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from digest.store.absences import Absences
from digest.store.ahead import Ahead
from digest.store.erasing import Erasing
from digest.store.feeds import Feeds
from digest.store.glances import Glances
from digest.store.known import Known
from digest.store.posts import Posts
from digest.store.runs import Runs

if TYPE_CHECKING:
    from typing import Self


class Everyday(Known, Posts, Absences, Feeds, Glances, Runs, Erasing, Ahead):
    """What is asked in every run, on one database. Becomes a ``SqlStore`` when more is asked of it. May be used by
    several threads. Close it, or use it as a context manager."""

    schema_found: str | None = None
    """The version that its tables had when it was opened; None if there were none."""

    if not TYPE_CHECKING:  # mypy knows it as a SqlStore from the beginning

        def __getattr__(self, name: str) -> object:
            from digest.store.whole import SqlStore

            if not hasattr(SqlStore, name):
                raise AttributeError(name)
            self.__class__ = SqlStore  # another thread may just have done the same
            return object.__getattribute__(self, name)

    @property
    def subject(self) -> str:
        """How messages name it: without a password."""
        return self._database.subject

    def is_in_place(self) -> bool:
        """Whether who opens it now gets this very one: its file may have been deleted or replaced."""
        return self._database.is_in_place()

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
