"""Alarms: raised when something begins to be wrong, told once, over once; by mail, on each kind of database."""

from __future__ import annotations

import os
import threading
from datetime import date, time, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from digest.alarms.mail import backlog_alarm, doubt_alarm, expired_alarm, relay_alarms
from digest.alarms.watching import (
    Alarm,
    KeptAlarm,
    Observation,
    Planned,
    appointments,
    compare,
    counted,
    disk_alarm,
    run_alarm,
    slot_to_judge,
    subject_of,
)
from digest.app.collecting import collect_posts
from digest.app.monitor import run_end
from digest.app.publishing import freeze_due_editions, publish_frozen_editions
from digest.app.running import run_steps
from digest.config import load
from digest.errors import StoreError, TemporaryFailure
from digest.jobs.monitoring.watch import Disk, RunEnd, watch
from digest.models import Backlog, DeliveryState, Expired, Outage
from digest.period import daily
from digest.store import open_store
from tests.subscribers.reader_world import NOON, World
from tests.watch.watched import CONFIG, alarm_mails, monitor, world_of

MB = 1_000_000


def look(world: World, run: RunEnd | None = None) -> list[str]:
    return monitor(world).look(world.store, world.now, run=run)


def open_names(world: World) -> list[str]:
    return [alarm.name for alarm in world.store.open_alarms()]


# --------------------------------------------------------------- decisions


def kept(name: str, key: int = 1, **fields) -> KeptAlarm:
    return KeptAlarm(key=key, name=name, text=f"{name} is bad", raised_at=NOON, **fields)


OVER = kept("a", 1, ended_at=NOON, end_text="over: a")


def test_what_stays_wrong_is_no_news() -> None:
    """Whatever its text says by now, which is kept; what was not looked at stays as it is."""
    change = compare([kept("run"), kept("disk:store"), kept("silence:x")], Observation(
        alarms=(Alarm(name="run", text="other words"), Alarm(name="slot:daily", text="late")),
        judged=frozenset({"run", "disk", "slot"}),
    ))  # fmt: skip
    assert [alarm.name for alarm in change.raised] == ["slot:daily"]
    assert [(ending.name, ending.text) for ending in change.ended] == [("disk:store", "over: disk:store is bad")]
    assert change.reworded == (Alarm(name="run", text="other words"),)


@pytest.mark.parametrize(
    ("alarms", "subject"),
    [
        ([kept("run")], "[财经早报] alarm: run is bad"),
        ([kept("run", 1), kept("disk", 2)], "[财经早报] alarm: run is bad (and 1 more)"),
        ([OVER, kept("b", 2)], "[财经早报] alarm: b is bad (and 1 more)"),
        ([OVER], "[财经早报] over: a"),
    ],
)  # fmt: skip
def test_subjects(alarms: list[KeptAlarm], subject: str) -> None:
    """One line; what is new comes before what is over."""
    assert subject_of(alarms, "财经早报") == subject


def test_a_subject_is_never_long() -> None:
    subject = subject_of([replace(kept("x"), text="很" * 400)], "名" * 100)
    assert len(subject) < 200
    assert "\n" not in subject


def test_alarms_hold_one_line_of_bounded_length() -> None:
    """Whatever a server or a file name says."""
    alarm = Alarm.of("paused:a\r\nBcc: x", "one\ntwo\x00" + "三" * 999)
    assert "\n" not in alarm.name
    assert "\r" not in alarm.name
    assert len(alarm.text) <= 400
    assert alarm.text.startswith("one two三")


def test_a_failed_run_names_its_first_failures() -> None:
    assert run_alarm([]) is None
    alarm = run_alarm(["a", "b", "c", "d", "e"])
    assert alarm is not None
    assert alarm.text == "the run failed: a | b | c (and 2 more)"


@pytest.mark.parametrize(
    ("free", "total", "alarms"),
    [(600, 100_000, False), (499, 100_000, True), (60, 1_000, False), (40, 1_000, True), (0, 0, False)],
)
def test_disks(free: int, total: int, alarms: bool) -> None:
    """500 MB; of a small disk a twentieth."""
    alarm = disk_alarm("store", "/var", free * MB, total * MB, 500 * MB)
    assert (alarm is not None) is alarms
    if alarm is not None:
        assert alarm.text == f"/var: only {free} MB are free for the store; make room"


def test_doubt_is_an_alarm_where_it_waits_for_a_decision() -> None:
    assert doubt_alarm(0, hold=True) is None
    alarm = doubt_alarm(2, hold=True)
    assert alarm is not None
    assert alarm.text.startswith("2 deliveries are in doubt and held")
    one = doubt_alarm(1, hold=False)
    assert one is not None
    assert one.text.startswith("1 delivery is in doubt and was sent twice without an answer")
    assert counted({DeliveryState.IN_DOUBT: 2, DeliveryState.SENT: 5}) == "5 sent, 2 in doubt"


SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(
    ("tries", "minutes", "alarms"), [(1, 9, False), (2, 0, True), (1, 10, True), (0, 9, False), (0, 10, True)]
)
def test_a_server_that_takes_nothing(tries: int, minutes: int, alarms: bool) -> None:
    """Two tries, or ten minutes. The words are those of what went wrong: the name, the connection, the certificate, the
    login."""
    reason = "smtp.example.com:465: its certificate is not valid: expired; check mail.host"
    outage = Outage(since=NOON, tries=tries, reason=reason)
    found = list(relay_alarms({"mail": outage}, SHANGHAI, NOON + timedelta(minutes=minutes)))
    assert bool(found) is alarms
    for alarm in found:
        assert alarm.text == f"no mail could be handed over since 12:00: {reason}"
    assert list(relay_alarms({}, SHANGHAI, NOON)) == []


def test_each_channel_that_takes_nothing_is_told_by_its_name() -> None:
    out = Outage(since=NOON, tries=2, reason="chat.example.com: cannot be reached")
    alarms = relay_alarms({"chat": out, "mail": out, "log": replace(out, tries=1)}, SHANGHAI, NOON)
    assert [(each.name, each.text.partition(" could")[0]) for each in alarms] == [
        ("relay:chat", "chat: nothing"),
        ("relay", "no mail"),
    ]


@pytest.mark.parametrize(
    ("minutes", "rate", "alarms"),
    [(30, None, False), (31, None, True), (31, 1.0, False), (81, 1.0, True)],
)
def test_mail_that_is_overdue(minutes: int, rate: float | None, alarms: bool) -> None:
    """Half an hour, and what ``mail.rate`` needs for the whole edition: 3,000 readers at one a second take 50
    minutes."""
    waiting = [Backlog(digest="daily", period="2026-11-24", since=NOON, mails=7, total=3000)]
    alarm = backlog_alarm(waiting, rate, SHANGHAI, NOON + timedelta(minutes=minutes))
    assert (alarm is not None) is alarms
    if alarm is not None:
        assert alarm.text.startswith("7 mails are due and not sent, the oldest since 12:00: daily 2026-11-24")


def test_mail_that_expired() -> None:
    assert expired_alarm([]) is None
    expired = [Expired(digest=name, period="2026-11-24", mails=1) for name in "abcde"]
    alarm = expired_alarm(expired)
    assert alarm is not None
    assert alarm.text == (
        "5 mails could not be sent in time and expired: a 2026-11-24, b 2026-11-24, c 2026-11-24 and 2 more"
    )


# ------------------------------------------------------------ whole alarms


def test_a_failed_run_is_told_once_and_its_end_once(world: World) -> None:
    """Also over a restart: what was told is in the store."""
    assert look(world, RunEnd(failures=("site: cannot be read",))) == []
    (mail,) = alarm_mails(world)
    assert mail["Subject"] == "[财经早报] alarm: the run failed: site: cannot be read"
    assert mail["From"].addresses[0].addr_spec == "digest@news.example.com"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Id"] is None
    connection, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert connection is not None
    assert html is not None
    assert "the run failed: site: cannot be read\r\nsince 2026-11-24 12:00" in connection.get_content()
    assert "the run failed: site: cannot be read" in html.get_content()
    world.later(minutes=5)
    look(world, RunEnd(failures=("something else",)))
    look(world)
    assert alarm_mails(world) == []
    assert open_names(world) == ["run"]
    world.later(minutes=5)
    look(world, RunEnd())
    (mail,) = alarm_mails(world)
    assert mail["Subject"] == "[财经早报] over: runs go well again"
    connection = mail.get_body(("plain",))
    assert connection is not None
    assert "2026-11-24 12:00 to 2026-11-24 12:10" in connection.get_content()
    assert open_names(world) == []


def test_at_most_so_many_mails_an_hour(quick: World) -> None:
    """What waits is put into one mail when there is room again."""
    for number in range(9):
        quick.store.note_alarms([Alarm(name=f"paused:{number}", text=f"no {number}")], [], quick.now)
        monitor(quick).look(quick.store, quick.now)
        quick.later(minutes=1)
    assert len(alarm_mails(quick)) == 4
    quick.later(hours=1)
    look(quick)
    (mail,) = alarm_mails(quick)
    assert "more)" in mail["Subject"]


def test_a_mail_that_cannot_be_sent_is_tried_again(quick: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says why; the alarm is not lost."""
    from digest.mail.folder import FolderChannel

    def refuse(self: FolderChannel, *values: object) -> None:
        raise TemporaryFailure("smtp.example.com", "cannot be reached")

    with monkeypatch.context() as patch:
        patch.setattr(FolderChannel, "send", refuse)
        assert look(quick, RunEnd(failures=("x",))) == ["alarm mail: smtp.example.com: cannot be reached"]
    assert alarm_mails(quick) == []
    assert look(quick) == []
    assert len(alarm_mails(quick)) == 1


def test_without_an_address_alarms_are_shown_and_not_told(tmp_path: Path, sqlite_url: str) -> None:
    """And an address that is set later gets no old ones."""
    with world_of(tmp_path, sqlite_url, CONFIG.partition("watch:")[0]) as world:
        look(world, RunEnd(failures=("x",)))
        assert open_names(world) == ["run"]
        assert world.store.claim_alarms(world.now, world.now) == []
        assert world.new_mails() == []


def test_mail_that_waits_for_its_page(world: World, tmp_path: Path) -> None:
    """After a quarter of an hour; over when the page is in place."""
    world.news("a")
    app = world.app()
    collect_posts(app)
    report = freeze_due_editions(app)
    world.later(minutes=14)
    look(world)
    assert open_names(world) == []
    world.later(minutes=1)
    look(world)
    (mail,) = alarm_mails(world)
    assert "daily 2026-11-24: 1 mail waits, since its page and feed cannot be put in place" in mail["Subject"]
    [alarm] = world.store.open_alarms()
    assert alarm.name == "page:daily"
    assert alarm.text.endswith("; without them it leaves from 2026-11-25 04:00 on")
    publish_frozen_editions(app, report)
    look(world)
    assert open_names(world) == []


def test_a_paused_edition(world: World) -> None:
    """Named with its reason; over when it goes on."""
    world.news("a")
    world.run()
    saved = world.store.edition("daily", "2026-11-24")
    assert saved is not None
    with world.store._database.changing() as connection:
        connection.run("UPDATE edition SET state = 'sending'")
    assert world.store.pause_edition(saved.key, "five equal refusals in a row: 550 5.7.1 no", world.now)
    look(world)
    (mail,) = alarm_mails(world)
    assert "daily 2026-11-24: sending is paused: five equal refusals" in mail["Subject"]
    world.store.resume_edition(saved.key, world.now)
    look(world)
    (mail,) = alarm_mails(world)
    assert "over: daily 2026-11-24: sending is paused" in mail["Subject"]


def test_what_is_in_doubt_and_held(tmp_path: Path, store_url: str) -> None:
    with world_of(tmp_path, store_url, CONFIG.replace("mail:\n", "mail:\n  in_doubt: hold\n", 1)) as world:
        world.news("a")
        world.run()
        with world.store._database.changing() as connection:
            connection.run("UPDATE delivery SET state = 'in_doubt', doubts = 1")
        look(world)
        assert open_names(world) == ["doubt"]


def test_its_text_follows(quick: World) -> None:
    """What is shown is true, and no second mail says it."""
    quick.store.note_alarms([Alarm(name="doubt", text="5 deliveries are in doubt")], [], quick.now)
    quick.store.release_alarms(quick.store.claim_alarms(quick.now, quick.now), told=True)
    quick.news("a")
    quick.run()
    with quick.store._database.changing() as connection:
        connection.run("UPDATE delivery SET state = 'in_doubt', doubts = 2")
    quick.new_mails()
    look(quick)
    assert [alarm.text.split(" and ")[0] for alarm in quick.store.open_alarms()] == ["1 delivery is in doubt"]
    assert alarm_mails(quick) == []


def test_a_dead_server_is_told_in_every_mode(tmp_path: Path, store_url: str) -> None:
    """It cannot be reached: first the connection, then what waits too long, then what expired; over when mail leaves.
    ``status`` fails meanwhile, and readers are sent here all the same."""
    dead = CONFIG.replace("mail:\n", "mail:\n  transport: smtp\n  host: 127.0.0.1\n  port: 9\n  security: none\n", 1)
    with world_of(tmp_path, store_url, dead) as world:
        world.news("a")
        assert not world.run().ok
        look(world)
        assert open_names(world) == []
        world.later(minutes=5)
        world.run()
        look(world)
        [alarm] = world.store.open_alarms()
        assert alarm.name == "relay"
        assert "handed over since 12:00: 127.0.0.1:9: cannot be reached" in alarm.text
        world.later(minutes=31)
        look(world)
        assert open_names(world) == ["relay", "backlog"]
        world.later(hours=20)
        world.run()
        look(world)
        assert open_names(world) == ["relay", "expired"]
        world.store.end_outage()
        world.later(hours=25)
        look(world)
        assert "expired" not in open_names(world)
        assert "relay" not in open_names(world)


def test_whoever_sends_looks_meanwhile(quick: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ``digest deliver`` does: again and again, and once when it is done; what stays wrong is said once."""
    monkeypatch.setattr("digest.app.monitor.LOOK_EVERY", 0.01)
    looker, stopped = monitor(quick), False
    said: list[str] = []
    looked = threading.Event()
    whole = looker.look

    def look(*args, **named) -> list[str]:
        whole(*args, **named)
        looked.set()
        return ["watch: no room"]

    monkeypatch.setattr(looker, "look", look)
    with looker.beside(quick.store, lambda: quick.now, said.append, stop=lambda: stopped):
        quick.store.note_outage(quick.now - timedelta(minutes=20), "the name is not known", is_try=True)
        looked.clear()
        assert looked.wait(60)
    assert open_names(quick) == ["relay"]
    quick.store.end_outage()
    with looker.beside(quick.store, lambda: quick.now, said.append, stop=lambda: stopped):
        pass
    assert open_names(quick) == []
    assert said == ["watch: no room"] * 2
    monkeypatch.setattr("digest.app.monitor.LOOK_EVERY", 60)
    stopped = True
    looked.clear()
    with looker.beside(quick.store, lambda: quick.now, said.append, stop=lambda: stopped):
        pass
    assert not looked.is_set()


def test_a_slot_without_an_edition_is_late_then_missed_then_forgotten(world: World) -> None:
    """Nothing is late before the digest began; a quarter of an hour is not late."""
    look(world)
    assert open_names(world) == []
    world.news("a")
    world.run()
    world.new_mails()
    world.now = NOON + timedelta(hours=20, minutes=15)  # 08:15 the next day
    look(world)
    assert open_names(world) == []
    world.later(minutes=30)
    look(world)
    (mail,) = alarm_mails(world)
    assert "daily 2026-11-25: late; it was due 2026-11-25 08:00, 45 min ago" in mail["Subject"]
    world.later(hours=24)
    world.run()
    assert world.store.slot_state("daily", "2026-11-25")[1] == "missed"
    look(world)
    assert open_names(world) == []


def test_a_missed_slot_is_an_alarm_until_the_next_edition(quick: World) -> None:
    quick.news("a")
    quick.run()
    quick.now = NOON + timedelta(hours=30)  # 18:00, later than an edition may be
    quick.run()
    look(quick)
    (alarm,) = quick.store.open_alarms()
    assert alarm.text == "daily 2026-11-25: missed; it was due 2026-11-25 08:00 and no run took place"
    quick.now = NOON + timedelta(hours=45)
    quick.news("b")
    quick.run()
    look(quick)
    assert open_names(quick) == []


def test_a_full_disk(quick: World) -> None:
    rules = replace(monitor(quick).rules(), min_free=500 * MB)
    full = Disk(what="output", place="/srv/www", free=3 * MB, total=10**12)
    watch(quick.store, rules, quick.now, disks=[full])
    assert open_names(quick) == ["disk:output"]
    watch(quick.store, rules, quick.now)
    assert open_names(quick) == ["disk:output"], "nobody looked"
    watch(quick.store, rules, quick.now, disks=[replace(full, free=10**11)])
    assert open_names(quick) == []


def test_disks_are_looked_at_where_things_are(quick: World) -> None:
    """Also before the folders are made."""
    quick.settings = load(quick.folder / "config.yaml", {"DIGEST_STORE": f"sqlite:///{quick.folder}/not/yet/digest.db"})
    disks = {disk.what: disk for disk in monitor(quick).disks()}
    assert set(disks) == {"store", "output"}
    assert all(disk.total >= disk.free > 0 for disk in disks.values())


def test_a_silent_category(world: World) -> None:
    """Learnt from five weeks; told when posts stop, looked at once in ten minutes, over when posts are back."""
    habit(world, weeks=5)
    assert look(world, RunEnd(collected=False)) == []
    assert open_names(world) == []
    look(world, RunEnd())
    (mail,) = alarm_mails(world)
    assert mail["Subject"] == "[财经早报] alarm: macro: 0 posts since 09:15, usually 11"
    world.news("back")
    world.run()
    world.new_mails()
    world.later(minutes=5)
    look(world, RunEnd())
    assert open_names(world) == ["silence:macro"], "it is not looked at that often"
    world.later(minutes=6)
    look(world, RunEnd())
    (mail,) = alarm_mails(world)
    assert mail["Subject"] == "[财经早报] over: macro: posts come in again, the newest at 12:11"


@pytest.mark.parametrize(
    "said",
    ["silence: false", "silence_except: [macro]", "holidays: [2026-11-24]", "holidays: [2026-11-20..2026-11-24]"],
)
def test_a_silence_that_is_no_alarm(said: str, tmp_path: Path, sqlite_url: str) -> None:
    """It ends without a word where the operator says so."""
    with world_of(tmp_path, sqlite_url, CONFIG) as world:
        habit(world, weeks=5)
        look(world, RunEnd())
        assert open_names(world) == ["silence:macro"]
        world.new_mails()
        (world.folder / "config.yaml").write_text(f"{CONFIG}  {said}\n", encoding="utf-8")
        world.settings = load(world.folder / "config.yaml", {"DIGEST_STORE": sqlite_url})
        world.later(minutes=11)
        look(world, RunEnd())
        assert open_names(world) == []
        assert world.new_mails() == []


def habit(world: World, weeks: int) -> None:
    """Four posts an hour on weekdays from nine to twelve, the last today at nine."""
    number = 0
    day = world.now - timedelta(hours=3)
    for back in range(weeks * 7, -1, -1):
        for quarter in range(12 if back else 1):
            moment = day - timedelta(days=back) + timedelta(minutes=15 * quarter)
            if (moment + timedelta(hours=8)).weekday() < 5:
                world.site.post(
                    f"{moment + timedelta(hours=8):%Y-%m-%d}-{number}.md",
                    date=f"{moment + timedelta(hours=8):%Y-%m-%d %H:%M:%S} +0800",
                    link=f"http://finance.example.com/{number}.html",
                )
                number += 1
    collect_posts(world.app())


# --------------------------------------------------------- missing posts


def test_posts_that_are_missing_at_once(world: World) -> None:
    """Told once, by an alarm of its own and not by that of the run too; over when they are back, or accepted."""
    for number in range(4):
        world.news(f"{number}")
    assert world.run().ok
    paths = sorted(world.site.posts.glob("*.md"))
    texts = {path: path.read_text(encoding="utf-8") for path in paths}
    for path in paths:
        path.unlink()
    for _ in range(2):
        world.later(minutes=5)
        report = world.run()
        assert not report.ok
        look(world, run_end(report))
        assert open_names(world) == ["gone"]
    (mail,) = alarm_mails(world)
    assert mail["Subject"].startswith(
        "[财经早报] alarm: 4 posts are missing or unusable, too many to be withdrawn unasked"
    )
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    look(world, run_end(world.run()))
    (mail,) = alarm_mails(world)
    assert mail["Subject"] == "[财经早报] over: no posts are missing any more, or their going was accepted"
    for path in paths:
        path.unlink()
    assert not world.run().ok
    assert run_steps(world.app(), (), accept_gone=True).ok
    look(world)
    assert open_names(world) == []


# --------------------------------------------------------- a broken store


def test_a_store_that_cannot_be_used(quick: World) -> None:
    """Told without the store, once in some hours, and when it is back."""
    error = StoreError("var/digest.db", "the disk is full", "make room")
    assert monitor(quick).store_failed(error, quick.now) == []
    (mail,) = alarm_mails(quick)
    assert mail["Subject"] == "[财经早报] alarm: the store cannot be used: var/digest.db: the disk is full"
    marker = quick.folder / "var" / "store-alarm"
    os.utime(marker, (quick.now.timestamp(),) * 2)
    quick.later(hours=5)
    monitor(quick).store_failed(error, quick.now)
    assert alarm_mails(quick) == []
    quick.later(hours=2)
    monitor(quick).store_failed(error, quick.now)
    assert len(alarm_mails(quick)) == 1
    assert monitor(quick).store_works(quick.now) == []
    assert [mail["Subject"] for mail in alarm_mails(quick)] == ["[财经早报] over: the store can be used again"]
    assert monitor(quick).store_works(quick.now) == []
    assert alarm_mails(quick) == []


def test_old_runs_are_forgotten_once_a_day(quick: World) -> None:
    """More than a year is kept."""
    quick.store.started(quick.now - timedelta(days=500))
    quick.store.started(quick.now - timedelta(days=300))
    quick.store.started(quick.now)
    look(quick)
    assert len(quick.store.runs(9)) == 2


def test_it_is_quick(quick: World) -> None:
    """Looking opens no second store and leaves the first in order."""
    look(quick, RunEnd())
    with open_store(f"sqlite:///{quick.folder}/var/digest.db") as again:
        assert again.looked_at("silence") == quick.now


@pytest.mark.parametrize(
    ("holidays", "grace", "period"),
    [((), 30, "2026-11-24"), ((24,), 30, "2026-11-23"), ((24, 23), 30, "2026-11-22"), ((), 300, "2026-11-23")],
)
def test_which_slot_is_judged(holidays: tuple[int, ...], grace: int, period: str) -> None:
    """The latest one that is no holiday and has had its time; none before the digest began."""
    plan = Planned(digest="daily", schedule=daily(time(8)), holidays=frozenset(date(2026, 11, day) for day in holidays))
    zone = ZoneInfo("Asia/Shanghai")
    judge = partial(slot_to_judge, plan, zone, now=NOON, grace=timedelta(minutes=grace))
    slot = judge(began=NOON - timedelta(days=9))
    assert slot is not None
    assert slot.period == period
    assert judge(began=NOON) is None
    assert judge(began=None) is None
    (ahead,) = appointments([replace(plan, holidays=frozenset({date(2026, 11, 25)}))], zone, NOON)
    assert ahead.period == "2026-11-26"
