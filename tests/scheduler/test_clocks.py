"""By which clock mail leaves: the database's where there is one, and never one that was set in between."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.app import moment as module
from digest.app.assembly import App
from digest.app.moment import When, moment
from digest.app.running import RunOrder, run_steps
from digest.app.sending import send_mail
from digest.config import load
from digest.jobs.progress import silent
from digest.period import daily, slot_on, slots_between
from digest.store import SqlStore, open_store
from digest.subscribers.subscription import Preferences, not_before
from tests.scheduler.serve_process import write_site

YEARS = datetime(2040, 1, 1, tzinfo=UTC)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    write_site(tmp_path)
    return tmp_path


def ready(site: Path, store: SqlStore, when: When) -> App:
    """An application whose first edition is frozen, and not sent."""
    app = App(load(site / "config.yaml", {}), store, when, dry_run=False, progress=silent)
    run_steps(app, (), order=RunOrder())
    return app


@pytest.mark.postgres
def test_a_worker_goes_by_the_databases_clock(site: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's is an hour behind: what is due by the database's leaves all the same."""
    zone = ZoneInfo("Asia/Shanghai")
    with open_store(postgres_url) as store:
        ready(site, store, moment(None, zone))

        class Behind(datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime.now(tz) - timedelta(hours=1)

        monkeypatch.setattr(module, "datetime", Behind)
        behind = Behind.now(UTC).replace(microsecond=0)
        app = App(load(site / "config.yaml", {}), store, When(now=behind, wall=behind), dry_run=False, progress=silent)
        assert send_mail(app).sent == 1


def test_a_run_that_stands_for_another_time_asks_no_database(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``--as-of``: its own time goes on."""
    monkeypatch.setattr(SqlStore, "clock", lambda self, now: YEARS)
    with open_store(f"sqlite:///{site}/digest.db") as store:
        then = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
        app = ready(site, store, When(now=then, wall=then - timedelta(days=1)))
        assert send_mail(app).sent == 1


def test_a_run_waits_for_a_database_that_is_a_little_behind(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else what it froze would wait for the next run."""
    zone = ZoneInfo("Asia/Shanghai")
    waited: list[float] = []
    with open_store(f"sqlite:///{site}/digest.db") as store:
        app = ready(site, store, moment(None, zone))
        slow = app.when.now - timedelta(seconds=3)
        monkeypatch.setattr(SqlStore, "clock", lambda self, now: slow + timedelta(seconds=sum(waited)))
        monkeypatch.setattr(module, "uptime", lambda: sum(waited, 0.0))
        monkeypatch.setattr("digest.app.sending.time.sleep", waited.append)
        assert send_mail(app).sent == 1
    assert waited == [3.0]


@pytest.mark.parametrize("step", [timedelta(hours=1), -timedelta(hours=1), timedelta(days=1)], ids=str)
def test_a_clock_that_is_set_during_a_run_changes_nothing(
    step: timedelta, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leases and hours are measured by seconds that pass, from the moment the work began."""
    with open_store(f"sqlite:///{site}/digest.db") as store:
        app = App(load(site / "config.yaml", {}), store, moment(None, ZoneInfo("UTC")), dry_run=False, progress=silent)
        clock = app.clock()
        before = clock()

        class Jumped(datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime.now(tz) + step

        monkeypatch.setattr(module, "datetime", Jumped)
        assert timedelta() <= clock() - before < timedelta(minutes=5)


# ------------------------------------------------------------- readers' hours

ZONES = ("America/New_York", "Europe/Berlin", "Asia/Beirut", "Australia/Lord_Howe", "Asia/Shanghai", "Pacific/Apia")


@given(
    hour=st.integers(0, 23),
    zone=st.sampled_from(ZONES),
    site=st.sampled_from(ZONES),
    slot=st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2030, 1, 1)),  # noqa: DTZ001
    late=st.timedeltas(min_value=timedelta(), max_value=timedelta(hours=6)),
)
def test_mail_leaves_at_the_readers_hour_whatever_the_clocks_do(
    hour: int, zone: str, site: str, slot: datetime, late: timedelta
) -> None:
    """A law: never before the edition is made; at the reader's next hour after its time, which is no further away than
    a day and the hour that clocks change by; and its moment is the one slot that the hour has on that local date."""
    at = slot.replace(tzinfo=UTC, second=0, microsecond=0)
    place = ZoneInfo(zone)
    leaves = not_before(Preferences(hour=hour, zone=zone), ZoneInfo(site), slot=at, made=at + late)
    assert at + late <= leaves <= max(at + timedelta(hours=25), at + late)
    if leaves > at + late:
        local = leaves.astimezone(place)
        only = slot_on(daily(time(hour)), place, local.date())
        assert only is not None
        assert only.at == leaves
        assert local.hour == hour or local.hour == hour + 1, "a gap moves it behind itself"


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("hour", [0, 2, 8, 12, 23])
def test_a_year_of_daily_editions_reaches_a_reader_in_order(zone: str, hour: int) -> None:
    """One message for each edition, none before the one of the day before; at most on the day on which clocks go back
    two of them leave together, as the reader's hour came once between them."""
    site = ZoneInfo("Asia/Shanghai")
    start = datetime(2026, 1, 1, tzinfo=UTC)
    editions = slots_between(daily(time(8)), site, start, start + timedelta(days=365))
    leaves = [not_before(Preferences(hour=hour, zone=zone), site, slot=slot.at, made=slot.at) for slot in editions]
    assert len(leaves) == 365
    assert leaves == sorted(leaves)
    together = [later for later, earlier in zip(leaves[1:], leaves, strict=False) if later == earlier]
    assert len(together) <= 1
