"""Alarms about sources: one fails for a day, many at once, one has fallen silent; on each kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from digest.config import load
from digest.jobs.monitoring.watch import RunEnd
from digest.models import SourceState
from tests.run.site_folder import body_of
from tests.store.conftest import Maker
from tests.subscribers.reader_world import World
from tests.watch.test_alarms import look, open_names
from tests.watch.watched import CONFIG, alarm_mails, world_of

FEED = "  - {{kind: feed, name: {0}, url: 'https://{0}.example.com/feed.xml'}}\n"
NAMES = ("wire", *(f"feed-{number}" for number in range(6)))


def config(*names: str) -> str:
    return f"{CONFIG}sources:\n{''.join(map(FEED.format, names))}" if names else CONFIG


@pytest.fixture
def fed(tmp_path: Path, store_url: str) -> Iterator[World]:
    """With seven feeds."""
    with world_of(tmp_path, store_url, config(*NAMES)) as made:
        yield made


def configure(world: World, text: str) -> None:
    (world.folder / "config.yaml").write_text(text, encoding="utf-8")
    world.settings = load(world.folder / "config.yaml", {"DIGEST_STORE": world.settings.store.url})


def fail(world: World, *names: str, hours: float = 24, fault: str = "answered 410: the feed is gone for good") -> None:
    since = world.now - timedelta(hours=hours)
    world.store.keep_source_states(SourceState(name=name, failing_since=since, fault=fault) for name in names)


def mend(world: World, *names: str) -> None:
    world.store.keep_source_states(SourceState(name=name, ok_at=world.now) for name in names)


def subjects(world: World) -> list[str]:
    return [mail["Subject"].removeprefix("[财经早报] ") for mail in alarm_mails(world)]


def test_a_source_that_fails_for_a_day(fed: World) -> None:
    """Not before; once; and once when it can be looked at again."""
    fail(fed, "wire", hours=23.9)
    look(fed)
    assert subjects(fed) == []
    fail(fed, "wire")
    for _ in range(2):
        look(fed)
    assert subjects(fed) == [
        "alarm: source wire: fails since 2026-11-23 12:00: answered 410: the feed is gone for good"
    ]
    mend(fed, "wire")
    look(fed)
    assert subjects(fed) == ["over: source wire: it can be looked at again"]


def test_many_at_once_are_one_alarm(fed: World) -> None:
    """The network is down; those that had an alarm each are in it. What still fails when it is over has its own."""
    fail(fed, "wire", hours=30)
    look(fed)
    fail(fed, *NAMES[1:], fault="cannot be reached")
    look(fed)
    assert open_names(fed) == ["source:*"]
    first, second = subjects(fed)
    assert first.startswith("alarm: source wire: fails")
    assert second.startswith(
        "alarm: 7 sources cannot be looked at, the first since 2026-11-23 06:00: wire, feed-0, feed-1"
    )
    mend(fed, *NAMES[:5])
    look(fed)
    assert open_names(fed) == ["source:feed-4", "source:feed-5"]
    (mail,) = alarm_mails(fed)
    assert "sources can be looked at again, but for 2" in body_of(mail)


def test_nobody_waits_for_a_source_that_is_taken_out(fed: World) -> None:
    """Whether others are left or not: that ends without a word."""
    fail(fed, "wire", "feed-0")
    look(fed)
    assert open_names(fed) == ["source:feed-0", "source:wire"]
    alarm_mails(fed)
    configure(fed, config("wire"))
    look(fed)
    assert open_names(fed) == ["source:wire"]
    configure(fed, CONFIG)
    look(fed)
    assert (open_names(fed), subjects(fed)) == ([], [])


def test_a_source_that_falls_silent(fed: World) -> None:
    """It listens well, and nothing comes though it usually does. One that fails is none of these."""
    make, day = Maker(), fed.now - timedelta(hours=3)
    moments = [
        day - timedelta(days=back) + timedelta(minutes=15 * quarter)
        for back in range(35, -1, -1)
        for quarter in range(12 if back else 1)
    ]
    posts = [
        make.arrival(
            f"{number}", path=f"{name}//{number}", feed_id=f"{name} {number}", first_seen=moment, categories=()
        )
        for name in ("wire", "feed-0", "posts")
        for number, moment in enumerate(moments)
    ]
    make.add(fed.store, *posts)
    volumes = fed.store.source_volumes(fed.now - timedelta(hours=25))
    assert {name: sum(counts.values()) for name, counts in volumes.items()} == {"wire": 5, "feed-0": 5}
    mend(fed, "wire")
    fail(fed, "feed-0", hours=1)
    look(fed, RunEnd())
    assert subjects(fed) == ["alarm: source:wire: 0 posts since 09:15, usually 11"]
    fed.later(minutes=20)
    make.add(fed.store, make.arrival("back", path="wire//back", first_seen=fed.now - timedelta(minutes=5)))
    look(fed, RunEnd())
    assert subjects(fed) == ["over: source:wire: posts come in again, the newest at 12:20"]
    fed.later(hours=4)
    configure(fed, f"{config(*NAMES)}".replace("watch:\n", 'watch:\n  silence_except: ["source:wire"]\n'))
    look(fed, RunEnd())
    assert subjects(fed) == []
