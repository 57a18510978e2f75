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
    """Collects the warnings of one file."""

    __slots__ = ("_found", "_path")

    def __init__(self, path: str) -> None:
        self._path = path
        self._found: list[Problem] = []

    def warn(self, reason: str, remedy: str = "", *, line: int | None = None) -> None:
        self._found.append(Problem(path=self._path, line=line, reason=reason, remedy=remedy, severity=Severity.WARNING))

    def all(self) -> tuple[Problem, ...]:
        return tuple(self._found)
