"""A month of digest serve: clocks change twice, the power fails twenty times, the machine is off for three days."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.delivery.scripted_smtp import ScriptedServer
from tests.scale import scaled
from tests.scheduler.month import Month


def simulate(
    folder: Path, url: str, *, days: int, posts: int, reboots: int, start: str, down: int, seed: int, pause: timedelta
) -> Month:
    begins = datetime.fromisoformat(start)
    with ScriptedServer() as server:
        month = Month(
            folder=folder,
            store_url=url,
            server=server,
            start=begins,
            days=days,
            posts_a_day=posts,
            downtime=(begins + timedelta(days=down, hours=5), begins + timedelta(days=down + 3, hours=5)),
            reboots=reboots,
            seed=seed,
            pause=pause,
        )
        month.go()
        month.check()
    return month


@pytest.mark.slow
@pytest.mark.long
def test_a_month_ends_with_every_slot_accounted_for_and_nothing_double(tmp_path: Path) -> None:
    """400 posts a day; New York changes its clocks on 8 March 2026, Berlin and Beirut on the 29th."""
    month = simulate(
        tmp_path,
        f"sqlite:///{tmp_path}/digest.db",
        start="2026-03-01T17:00:00+00:00",
        days=30,
        posts=scaled(400),
        reboots=20,
        down=11,
        seed=20260301,
        pause=timedelta(minutes=30),
    )
    assert len(month.cuts) == 20
    assert month.written == 30 * scaled(400) + 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "url",
    ["sqlite_url", pytest.param("postgres_url", marks=pytest.mark.postgres)],
    ids=["sqlite", "postgres"],
)
def test_a_week_with_few_posts(url: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """The same on both kinds of store: autumn in New York, six reboots."""
    month = simulate(
        tmp_path / "site",
        request.getfixturevalue(url),
        start="2026-10-30T17:00:00+00:00",
        days=7,
        posts=24,
        reboots=6,
        down=3,
        seed=1,
        pause=timedelta(hours=1),
    )
    assert len(month.cuts) == 6
