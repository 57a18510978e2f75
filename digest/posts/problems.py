"""How reading stops early, and where it leaves remarks on its way."""

from __future__ import annotations

from datetime import datetime

from digest.models import Problem, Severity


class Rejected(Exception):
    """Reading one file ends here; ``parse_post`` turns it into a ``Refusal``."""

    def __init__(
        self,
        reason: str,
        remedy: str = "",
        *,
        line: int | None = None,
        severity: Severity = Severity.SKIPPED,
        recheck_at: datetime | None = None,
        expired: bool = False,
        withdraws: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy
        self.line = line
        self.severity = severity
        self.recheck_at = recheck_at
        self.expired = expired
        self.withdraws = withdraws


class Remarks:
    """Collects what is to be said of one file that gives a post."""

    __slots__ = ("_found", "_path")

    def __init__(self, path: str) -> None:
        self._path = path
        self._found: list[Problem] = []

    def warn(self, reason: str, remedy: str = "", *, line: int | None = None) -> None:
        """Somebody should mend it."""
        self._add(reason, remedy, line, Severity.WARNING)

    def note(self, reason: str, *, line: int | None = None) -> None:
        """It is meant so, and has a consequence."""
        self._add(reason, "", line, Severity.NOTE)

    def _add(self, reason: str, remedy: str, line: int | None, severity: Severity) -> None:
        self._found.append(Problem(path=self._path, line=line, reason=reason, remedy=remedy, severity=severity))

    def all(self) -> tuple[Problem, ...]:
        return tuple(self._found)
