"""What is said of the look, and of a foot without a postal address (digest/jobs/check/look.py)."""

from __future__ import annotations

import pytest

from digest.jobs.check.findings import Verdict
from digest.jobs.check.look import judge_accent, judge_address
from digest.theme import Theme


def test_an_accent_that_had_to_change_is_told() -> None:
    """With what became of it in light and in dark."""
    assert judge_accent(Theme()).says == "#0b5a7a (6.9 to 1) in light, #70b5d8 (7.1 to 1) in dark"
    yellow = judge_accent(Theme(accent="#ffcc00"))
    assert yellow.verdict is Verdict.OK
    assert yellow.says.startswith("#ffcc00 could not be read (1.4 to 1), so it is #785f01 (5.5 to 1) in light, ")


@pytest.mark.parametrize(
    ("address", "readers", "verdict"),
    [
        ("", {}, Verdict.OK),
        ("", {"daily": 100, "weekly": 100}, Verdict.OK),
        ("", {"daily": 1, "weekly": 101}, Verdict.WARNING),
        ("1 Main Street", {"daily": 101}, Verdict.OK),
    ],
)
def test_many_readers_want_a_postal_address(address: str, readers: dict[str, int], verdict: Verdict) -> None:
    found = judge_address(address, readers)
    assert found.verdict is verdict
    assert ("weekly goes to 101 readers" in found.says) == (verdict is Verdict.WARNING)
