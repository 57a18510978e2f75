"""``digest check``: many small questions, each answered by findings; what they are about is known elsewhere.

    local checks, one after the other -> network checks, all at once, each within its time -> findings in order

A check never raises what a user can cause: that is its finding. What a network check does not answer in time is a
finding too, and whatever hangs is left behind.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from digest.errors import DigestError
from digest.jobs.progress import Progress, silent


class Verdict(StrEnum):
    """How it stands with one thing."""

    OK = "ok"
    WARNING = "warning"
    """It works, and something should be done."""
    PROBLEM = "problem"
    """It does not work, or will not."""
    SKIPPED = "skipped"
    """Not looked at; the finding says why."""


class Finding(Struct, frozen=True, kw_only=True):
    """What one check found."""

    name: str
    """What was looked at."""
    verdict: Verdict
    says: str
    """Lower case, no full stop."""
    remedy: str = ""
    """What to do about it."""
    details: tuple[str, ...] = ()
    """More lines of the same, such as one for each file."""
    group: str = ""
    """Filled in by ``run_checks``."""


Ask = Callable[[], Finding | Iterable[Finding]]


class Check(Struct, frozen=True, kw_only=True):
    """One question."""

    group: str
    name: str
    ask: Ask
    network: bool = False
    """It talks to others, and may have to wait for them."""


class CheckReport(Struct, frozen=True, kw_only=True):
    """Everything that was found, in the order of the checks."""

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Nothing but warnings."""
        return not self.count(Verdict.PROBLEM)

    def count(self, verdict: Verdict) -> int:
        return sum(finding.verdict is verdict for finding in self.findings)


def ok(name: str, says: str, details: Iterable[str] = ()) -> Finding:
    return Finding(name=name, verdict=Verdict.OK, says=says, details=tuple(details))


def warning(name: str, says: str, remedy: str = "", details: Iterable[str] = ()) -> Finding:
    return Finding(name=name, verdict=Verdict.WARNING, says=says, remedy=remedy, details=tuple(details))


def problem(name: str, says: str, remedy: str = "", details: Iterable[str] = ()) -> Finding:
    return Finding(name=name, verdict=Verdict.PROBLEM, says=says, remedy=remedy, details=tuple(details))


def skipped(name: str, says: str, remedy: str = "") -> Finding:
    return Finding(name=name, verdict=Verdict.SKIPPED, says=says, remedy=remedy)


def from_error(name: str, error: DigestError, verdict: Verdict = Verdict.PROBLEM) -> Finding:
    return Finding(name=name, verdict=verdict, says=f"{error.subject}: {error.cause}", remedy=error.remedy)


def run_checks(
    checks: Sequence[Check],
    *,
    offline: bool,
    clock: Callable[[], float],
    seconds: float = 15.0,
    progress: Progress = silent,
) -> CheckReport:
    """Ask everything. ``clock`` counts seconds and never goes back; ``offline`` leaves out what needs the network, for
    which it waits so many ``seconds``."""
    answers: dict[int, list[Finding]] = {}
    for number, check in enumerate(checks):
        if not check.network:
            answers[number] = _answer(check)
            progress("checking", len(answers), len(checks))
    remote = {number: check for number, check in enumerate(checks) if check.network}
    if offline:
        answers |= {number: _marked(check, [skipped(check.name, "--offline")]) for number, check in remote.items()}
    else:
        answers |= _all_at_once(remote, seconds, clock)
    progress("checking", len(checks), len(checks))
    return CheckReport(findings=tuple(finding for number in sorted(answers) for finding in answers[number]))


def _all_at_once(checks: dict[int, Check], seconds: float, clock: Callable[[], float]) -> dict[int, list[Finding]]:
    answers: dict[int, list[Finding]] = {}

    def work(number: int, check: Check) -> None:
        answers[number] = _answer(check)

    threads = {
        number: threading.Thread(target=work, args=(number, check), name=check.name, daemon=True)
        for number, check in checks.items()
    }
    end = clock() + seconds
    for thread in threads.values():
        thread.start()
    for thread in threads.values():
        thread.join(max(end - clock(), 0))
    found = dict(answers)  # whoever comes later comes too late
    for number, check in checks.items():
        if number not in found:
            late = problem(
                check.name, f"no answer within {seconds:g} seconds", "check the network, or give it --timeout"
            )
            found[number] = _marked(check, [late])
    return found


def _answer(check: Check) -> list[Finding]:
    try:
        found = check.ask()
        return _marked(check, [found] if isinstance(found, Finding) else list(found))
    except DigestError as error:
        return _marked(check, [from_error(check.name, error)])


def _marked(check: Check, findings: Iterable[Finding]) -> list[Finding]:
    return [replace(each, group=check.group) for each in findings]
