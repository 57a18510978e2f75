"""Editions that wait for approval, with subscribers, on each kind of database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from digest.app.approving import approve_edition
from digest.errors import AlreadyRunning, StoreError
from digest.jobs.editions.approvals import Approvals, Standing
from digest.jobs.run import RunReport
from digest.models import DeliveryState
from digest.store import open_store
from digest.subscribers.subscription import Frequency
from tests.subscribers.reader_world import CONFIG, NOON, World, link, opened, token

APPROVE = CONFIG.replace('  evening: {title: 晚报, schedule: "weekdays 18:00"}\n', "") + (
    "  approve: {wait: 1 h, else: skip}\n"
    "subscriptions: {url: https://news.example.com/mail, weekly_on: sat}\n"
    "watch: {mail: desk@example.com}\n"
)


@pytest.fixture
def asking(tmp_path: Path, store_url: str) -> Iterator[World]:
    """A reader of the daily digest, whose edition of the 25th has just begun to wait."""
    with opened(tmp_path, store_url, APPROVE) as world:
        world.news("first")
        assert outcomes(world.run()) == ["daily waits for approval"]
        [first] = world.store.open_approvals()
        world.store.approve(first.key, world.now)
        assert outcomes(world.run()) == ["daily made"]
        world.new_mails()
        world.join()
        world.now = NOON + timedelta(hours=19)
        world.news("early")
        world.now = NOON + timedelta(hours=20)
        yield world


def approvals(world: World) -> Approvals:
    keys = world.subscriber_service.keys
    return Approvals(world.store, keys, world.settings.site.timezone, lambda digest, period: f"{digest}/{period}")


def outcomes(report: RunReport) -> list[str]:
    assert report.ok, report.failures
    assert report.editions is not None
    return [f"{each.digest} {each.outcome.value}" for each in report.editions.results]


def test_from_the_preview_to_the_reader(asking: World) -> None:
    """The link of the mail shows it, approves it once, and tells for ever what became of it."""
    assert outcomes(asking.run()) == ["daily waits for approval"]
    [mail] = asking.new_mails()
    assert mail["To"] == "desk@example.com"
    text, desk = token(link(mail)), approvals(asking)
    assert desk.is_link(text)
    assert not desk.is_link(asking.manage_link("ann@example.org").rpartition("/")[2])
    assert asking.signup.open(text, asking.now) is None, "no link of a subscriber"
    asked = desk.open(text, asking.now)
    assert asked is not None
    assert (asked.standing, asked.approval.readers) == (Standing.WAITING, 1)
    assert "央行开展逆回购操作" in desk.preview(text)

    seen = asked.approval.seen
    asking.later(minutes=10)
    asking.news("late", title="另一条消息")
    asking.run()
    changed = desk.approve(text, seen, asking.now)
    assert changed is not None
    assert (changed.standing, changed.has_changed) == (Standing.WAITING, True)
    for _ in range(2):
        done = desk.approve(text, changed.approval.seen, asking.now)
        assert done is not None
        assert (done.standing, done.has_changed) == (Standing.APPROVED, False)
    assert asking.new_mails() == []
    asking.later(minutes=5)
    assert outcomes(asking.run()) == ["daily made"]
    assert [mail["To"] for mail in asking.new_mails()] == ["ann@example.org"]
    assert desk.preview(text) == ""
    asking.later(days=20)
    over = desk.approve(text, changed.approval.seen, asking.now)
    assert over is not None
    assert (over.standing, over.mails, over.total, over.page) == (Standing.MADE, 1, 1, "daily/2026-11-25")
    assert desk.open(text[:-1] + ("A" if text[-1] != "A" else "B"), asking.now) is None


def test_too_late_is_too_late(asking: World) -> None:
    """At the very second; between it and the run, and after that."""
    asking.run()
    [mail] = asking.new_mails()
    text, desk = token(link(mail)), approvals(asking)
    asked = desk.open(text, asking.now)
    assert asked is not None
    asking.now = asked.approval.until
    for _ in range(2):
        late = desk.approve(text, asked.approval.seen, asking.now)
        assert late is not None
        assert late.standing is Standing.OVER
    assert outcomes(asking.run()) == ["daily not approved"]
    over = desk.approve(text, asked.approval.seen, asking.now)
    assert over is not None
    assert over.standing is Standing.NOT_APPROVED
    assert asking.new_mails() == []
    asking.now = NOON + timedelta(hours=44)
    assert outcomes(asking.run()) == ["daily waits for approval"]
    [again] = asking.new_mails()
    assert link(again) != link(mail)
    next_one = desk.open(token(link(again)), asking.now)
    assert next_one is not None
    assert len(next_one.approval.posts) == 1, "what was skipped is in the next one"


def test_a_weekly_mail_waits_as_well(asking: World) -> None:
    """The summary for those who want one mail a week; those who read daily are asked about apart."""
    asking.run()
    asking.new_mails()
    asking.join("eve@example.org", frequency=Frequency.WEEKLY)
    asking.run()
    asking.now = NOON + timedelta(days=3, hours=20)  # Saturday, 08:00
    asking.news("weekend")
    found = outcomes(asking.run())
    assert "daily waits for approval" in found
    assert [each for each in found if "weekly" in each] == ["daily--weekly waits for approval"]
    waiting = {each.digest: each.readers for each in asking.store.open_approvals()}
    assert waiting == {"daily": 1, "daily--weekly": 1}
    assert len(asking.new_mails()) == 2


def test_two_machines_ask_and_freeze_once(asking: World, store_url: str) -> None:
    """Runs at the same moment: one is at work, the other is refused; or comes after it and finds it done."""
    reports: list[str] = []

    def elsewhere() -> None:
        with open_store(store_url) as store:
            other = asking.app()
            other.store = store
            from digest.app.running import run_steps

            try:
                with store.exclusive("digest run", asking.now):
                    reports.extend(outcomes(run_steps(other, ())))
            except AlreadyRunning:
                reports.append("refused")

    def both() -> None:
        threads = [threading.Thread(target=elsewhere) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

    both()
    assert len(reports) == 2
    assert [mail["To"] for mail in asking.sent()] == ["desk@example.com"]
    [waiting] = asking.store.open_approvals()
    asking.store.approve(waiting.key, asking.now)
    both()
    assert reports.count("daily made") == 1
    assert [mail["To"] for mail in asking.sent()] == ["ann@example.org"]
    assert asking.store.counts()[DeliveryState.SENT] == 4, "with the first preview, and the one to subscribe"


def test_no_word_of_it_is_an_alarm_before_its_time(asking: World) -> None:
    """Whoever waits is not late; nobody who makes it then is."""
    from digest.app.monitor import monitor_of
    from digest.jobs.monitoring.status import overview

    asking.run()
    rules = monitor_of(asking.settings).rules()
    asking.later(minutes=89)
    assert overview(asking.store, rules, asking.now).alarms == ()
    [waiting] = overview(asking.store, rules, asking.now).approvals
    assert waiting.digest == "daily"
    asking.later(minutes=2)
    assert [alarm.name for alarm in overview(asking.store, rules, asking.now).alarms] == ["slot:daily"]


def test_the_latest_of_two_and_only_what_waits(asking: World) -> None:
    asking.run()
    [waits] = asking.store.open_approvals()
    earlier = replace(waits, period="2026-11-20", began_at=waits.began_at - timedelta(days=5), until=waits.began_at)
    key = asking.store.begin_approval(earlier, "")
    assert approve_edition(asking.app(), "daily", "latest").period == waits.period
    assert approve_edition(asking.app(), "daily", "latest").period == waits.period, "twice is once"
    gone = asking.store.approval(key)
    assert gone is not None
    asking.store.end_approvals([gone], asking.now)
    with pytest.raises(StoreError, match="no such edition waits for approval"):
        approve_edition(asking.app(), "daily", gone.period)
