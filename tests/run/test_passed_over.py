"""What a run's report says of posts that came late, or too late for any edition."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from digest.cli.report import report_lines
from digest.edition.contents import Balance
from digest.jobs.editions.make import EditionResult, EditionsReport, Outcome
from digest.jobs.run import RunReport

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def report(late: int, left_out: int) -> RunReport:
    made = EditionResult(
        digest="daily",
        period="2026-11-24",
        outcome=Outcome.MADE,
        balance=Balance(arrived=9, here=9, grouped=0, page=0),
        late=late,
        left_out=left_out,
        some_left_out=tuple(f"_posts/{number}.md" for number in range(min(left_out, 20))),
    )
    return RunReport(now=NOW, editions=EditionsReport(results=[made]))


def said(late: int, left_out: int, *, verbose: bool = False) -> list[str]:
    lines = report_lines(report(late, left_out), ZoneInfo("Asia/Shanghai"), verbose=verbose)
    return [line.replace("\x1b[1m", "").replace("\x1b[0m", "") for line in lines][1:]


@pytest.mark.parametrize(
    ("late", "left_out", "lines"),
    [
        (0, 0, []),
        (1, 0, ["  late      1 post of daily 2026-11-24 came after the edition before it"]),
        (0, 1, ["  left out  1 post that came is in no edition of daily: too old (max_age)"]),
        (
            2,
            30,
            [
                "  late      2 posts of daily 2026-11-24 came after the edition before it",
                "  left out  30 posts that came are in no edition of daily: too old (max_age)",
            ],
        ),
    ],
)
def test_late_and_left_out_posts_are_counted(late: int, left_out: int, lines: list[str]) -> None:
    assert said(late, left_out) == lines


def test_verbose_names_the_files_that_are_left_out() -> None:
    lines = said(0, 30, verbose=True)
    assert lines[1] == "    _posts/0.md"
    assert lines[-1] == "    … 10 more"
    assert len(lines) == 22


def test_programs_get_the_numbers() -> None:
    (told,) = json.loads(report(2, 3).to_json())["editions"]["results"]
    assert (told["late"], told["left_out"], len(told["some_left_out"])) == (2, 3, 3)
