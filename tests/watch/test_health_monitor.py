"""The health_monitor of a service: what hangs, what is not ready, what is told once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from digest.app import publishing
from digest.app.monitor import LOOK_EVERY
from digest.app.service import Service, service
from digest.errors import ConfigError, OutputError, StoreError
from digest.jobs.monitoring.status import receiver_rows
from digest.jobs.run import RunReport
from digest.models import Reply
from digest.receivers import Limits, Throttle
from digest.service.health_monitor import MAIL_HUNG, SCHEDULE_HUNG, HealthMonitor
from digest.web.access import Access
from digest.web.health import _Logged, _Recent
from digest.web.tries import Tries
from tests.run.site_folder import Site

NOW = datetime(2026, 11, 24, 4, tzinfo=UTC)


class Clock:
    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Service]:
    site = Site(tmp_path)
    site.some_posts()
    with service(tmp_path / "config.yaml") as made:
        yield made


@pytest.fixture
def health_monitor(running: Service) -> HealthMonitor:
    return HealthMonitor(service=running, clock=lambda: NOW, ticks=Clock())


def test_a_part_that_hangs_is_not_well(health_monitor: HealthMonitor) -> None:
    """A part that was never begun does not hang."""
    assert health_monitor.hanging() == []
    assert isinstance(health_monitor.ticks, Clock)
    health_monitor.scheduler = SimpleNamespace(beat=health_monitor.ticks())  # type: ignore[assignment]
    health_monitor.mail_lives()
    health_monitor.ticks.seconds += SCHEDULE_HUNG + 1
    assert health_monitor.hanging() == ["the scheduler hangs"]
    health_monitor.ticks.seconds += MAIL_HUNG
    assert health_monitor.hanging() == ["the scheduler hangs", "the mail worker hangs"]
    health_monitor.mail_lives()
    assert health_monitor.hanging() == ["the scheduler hangs"]


def test_it_is_ready_after_the_first_run(health_monitor: HealthMonitor, monkeypatch: pytest.MonkeyPatch) -> None:
    (health_monitor.service.settings.output).mkdir(parents=True)  # type: ignore[union-attr]
    assert health_monitor.not_ready() == ["no run has collected everything yet"]
    health_monitor.service.store.finish_import(NOW)
    assert health_monitor.not_ready() == []

    def broken(self: object) -> bool:
        raise StoreError("var/digest.db", "disk I/O error")

    monkeypatch.setattr(type(health_monitor.service.store), "is_importing", broken)
    assert health_monitor.not_ready() == ["var/digest.db: disk I/O error"]
    (health_monitor.service.settings.output).rmdir()  # type: ignore[union-attr]
    assert len(health_monitor.not_ready()) == 2


def test_the_thread_tells_each_run_and_the_same_trouble_once(
    health_monitor: HealthMonitor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A run's alarms come before its ping; a store that cannot be used, or a mail that cannot be sent, is one line."""
    monitor, looked = health_monitor.service.monitor, []
    stop = threading.Event()
    errors = [StoreError("db", "locked"), StoreError("db", "locked"), OutputError("x", "cannot be read"), None]

    def look(store: object, now: datetime, *, run: object = None) -> list[str]:
        looked.append(run)
        error = errors.pop(0)
        if not errors:
            stop.set()
        if error is not None:
            raise error
        return []

    def run_ended(*, ok: bool) -> list[str]:
        looked.append(ok)
        return []

    monkeypatch.setattr(monitor, "look", look)
    monkeypatch.setattr(monitor, "run_ended", run_ended)
    monkeypatch.setattr("digest.service.health_monitor.LOOK_EVERY", 0.01)
    health_monitor.run_is_over(RunReport(now=NOW), NOW, NOW)
    health_monitor.run_is_over(RunReport(now=NOW, failures=["x"]), NOW, NOW)
    with caplog.at_level("WARNING", "digest.watch"):
        health_monitor.work(stop)
    assert looked[1] is True
    assert looked[3] is False
    assert [record.message for record in caplog.records].count("db: locked") <= 2
    assert any("cannot be read" in record.message for record in caplog.records)
    assert LOOK_EVERY == 60


def test_a_broken_token_stops_the_start(
    health_monitor: HealthMonitor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DIGEST_WATCH_TOKEN", "short")
    with pytest.raises(ConfigError, match="DIGEST_WATCH_TOKEN: is no token"):
        health_monitor.routes()
    monkeypatch.setenv("DIGEST_WATCH_TOKEN", "a-token-of-the-operator")
    assert [route.path for route in health_monitor.routes()] == ["/healthz", "/readyz", "/metrics", "/status"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("written", "says"),
    [(None, "cannot be read: no such file"), (b"\xff" * 20, "it is not UTF-8 text"), (b" short \n", "is no token")],
)
def test_a_token_file_that_cannot_be_used(
    tmp_path: Path, written: bytes | None, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from digest.config import WatchSettings, watch_token

    path = tmp_path / "token"
    if written is not None:
        path.write_bytes(written)
    with pytest.raises(ConfigError, match=says):
        watch_token(WatchSettings(token_file=path), {})
    path.write_text("  a-token-of-the-operator\n", encoding="utf-8")
    assert watch_token(WatchSettings(token_file=path), {}) == "a-token-of-the-operator"
    assert watch_token(WatchSettings(), {}) is None


def test_the_page_has_what_is_worth_a_look(health_monitor: HealthMonitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ``digest status``: digests that are made for nothing, once there are posts."""
    from tests.store.conftest import Maker

    assert health_monitor.seen().warnings == ()
    monkeypatch.setattr(publishing, "idle", lambda settings, store: ["digest daily: nobody gets it"])
    store, make = health_monitor.service.store, Maker()
    make.add(store, make.arrival())
    assert health_monitor.seen().warnings == ("digest daily: nobody gets it",)


def test_figures_hold_what_was_refused(health_monitor: HealthMonitor) -> None:
    """By whose fault it is; slots that are late; and of a part that was seen, for how long not."""
    from tests.store.conftest import Maker

    store, make = health_monitor.service.store, Maker()
    make.freeze(store, 5)
    replies = [Reply(code=550, enhanced="5.1.1"), Reply(code=554, enhanced="5.7.1"), Reply(code=None)]
    rows = store.claim(make.now, 5, make.now - make.ago(hours=1))
    for row, reply in zip(rows, replies, strict=False):
        store.failed(row, NOW, reply)
    store.retry(rows[-1], None, Reply(text="mx:25: cannot be reached"), counted=False)
    store.begin("daily", make.ago(days=3))
    health_monitor.mail_lives()
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(health_monitor.figures().decode())
        for sample in family.samples
    }
    assert samples["digest_send_errors_recent", "dead"] == 1
    assert samples["digest_send_errors_recent", "none"] == 2
    assert samples["digest_receiver_errors_recent", "dead", "others"] == 1
    assert samples["digest_deliveries", "leased"] >= 1
    assert samples["digest_beat_age_seconds", "mail"] == 0
    assert ("digest_leading",) not in samples
    assert samples["digest_slot_late", "daily"] == 0
    assert len(samples) < 200


def test_figures_tell_which_receiver_gets_less(health_monitor: HealthMonitor) -> None:
    """What waits for it, and how fast it leaves; also in digest status."""
    from tests.store.conftest import Maker

    monitor, make = health_monitor.service.monitor, Maker()
    assert monitor.rules().limits is None, "nothing is limited in a folder"
    rules = replace(monitor.rules(), limits=Limits(ceiling=15))
    store = health_monitor.service.store
    people = [replace(each, address=each.address.partition("@")[0] + "@foxmail.com") for each in make.recipients(3)]
    assert store.freeze(make.edition("2026-11-24"), people) is not None
    rows = receiver_rows(store, rules, NOW)
    assert [(row.name, row.queued, row.rate, row.is_slow) for row in rows] == [("qq.com", 3, 5.0, False)]
    store.slow_receiver(Throttle(name="qq.com").slower(NOW, 5.0, "450 too much", rests=True))
    [row] = receiver_rows(store, rules, NOW)
    assert (row.rate, row.most, row.rests_until, row.reason) == (2.5, 5.0, NOW + timedelta(minutes=1), "450 too much")
    [row] = receiver_rows(store, rules, NOW + timedelta(minutes=6))
    assert row.is_slow
    assert row.rests_until is None
    [row] = receiver_rows(store, rules, NOW + timedelta(minutes=11))
    assert (row.rate, row.is_slow, row.reason) == (5.0, False, "")


@pytest.mark.parametrize("name", ["", "all posts", "名" * 300, 'a"b\\c', "../../etc/passwd"])
def test_no_two_figures_are_the_same(health_monitor: HealthMonitor, name: str) -> None:
    """Prometheus refuses all of them otherwise; whatever categories are called."""
    from tests.store.conftest import Maker

    make = Maker()
    for number, category in enumerate([name, "(no name)", f"{name}x", "名" * 301]):
        make.add(health_monitor.service.store, make.arrival(f"p{number}", categories=(category,)))
    samples = [
        (sample.name, tuple(sample.labels.items()))
        for family in text_string_to_metric_families(health_monitor.figures().decode())
        for sample in family.samples
    ]
    assert len(samples) == len(set(samples))
    assert all(len(value) < 300 for _, labels in samples for _, value in labels)


def test_whoever_asks_all_day_learns_nothing_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks and figures are made once in a while, however many ask."""
    asked: list[int] = []
    well = _Recent(_Logged(lambda: asked.append(1) or ["bad"] * (len(asked) == 1), "x"), 100.0)  # type: ignore[func-returns-value]
    assert [well(), well()] == [False, False]
    figures = _Recent(lambda: asked.append(2) or b"x", 100.0)  # type: ignore[func-returns-value]
    assert [figures(), figures()] == [b"x", b"x"]
    assert asked == [1, 2]


def test_attempts_are_counted_by_place_and_in_all() -> None:
    """A quarter of an hour; another place is another count, but only a hundred in all."""
    clock = Clock()
    tries = Tries(each=10, all=100, seconds=900, ticks=clock)
    for _ in range(10):
        tries.note("a")
    assert (tries.are_too_many("a"), tries.are_too_many("b")) == (True, False)
    for number in range(90):
        tries.note(f"c{number}")
    assert tries.are_too_many("b")
    clock.seconds += 901
    assert not tries.are_too_many("a")
    assert not Access(None).has_token
