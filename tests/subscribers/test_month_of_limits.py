"""A month in which QQ takes thirty mails an hour and refuses the rest, in another way each day: no reader is lost,
every mail arrives, and nobody else waits."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from digest.errors import PermanentFailure, TemporaryFailure, TransportError
from digest.jobs.delivery.deliver import DeliverOptions, Route, deliver
from digest.models import Delivery, FrozenEdition, Outgoing, Receipt, Recipient, SavedEdition, Target
from digest.ports import Commit
from digest.receivers import Limit, Limits, receiver_of
from digest.subscribers.subscription import Choice
from tests.subscribers.reader_world import World
from tests.subscribers.test_editions import PROOF

READERS = {"qq.com": 90, "foxmail.com": 10, "163.com": 40, "gmail.com": 60, "example.edu": 50, "example.org": 30}
AN_HOUR = 30
"""What QQ takes."""
WORDS: tuple[tuple[str, int, str, str], ...] = (
    ("dot", 550, "", "Ip frequency limited. http://service.mail.qq.com/cgi-bin/help?subtype=1&id=20022&no=1000725"),
    ("rcpt", 550, "", "Connection frequency limited"),
    ("rcpt", 450, "4.7.0", "Message rate exceeds the limit"),
    ("data", 421, "4.7.0", "too many messages in this session, try again later"),
    ("dot", 452, "4.3.1", "Mail rate limit exceeded"),
)
FIRST = datetime(2026, 11, 1, tzinfo=UTC)


class Servers:
    """What the relay hands on: QQ takes so many an hour, everybody else everything."""

    atomic = False

    def __init__(self, now: Callable[[], datetime], work: Callable[[float], None]) -> None:
        self._now, self._work = now, work
        self._lately: deque[datetime] = deque()
        self.words = WORDS[0]
        self.taken: dict[str, list[datetime]] = {}
        self.refused = 0

    def send(self, message: Any, target: Target, before_commit: Commit) -> Receipt:
        self._work(0.05)
        now, step = self._now(), self.words[0]
        if receiver_of(target.address.partition("@")[2]) == "qq.com":
            while self._lately and self._lately[0] <= now - timedelta(hours=1):
                self._lately.popleft()
            if len(self._lately) >= AN_HOUR:
                self.refused += 1
                if step == "dot":
                    assert before_commit()
                raise self._refusal()
            self._lately.append(now)
        assert before_commit()
        self.taken.setdefault(target.address, []).append(now)
        return Receipt(code=250)

    def _refusal(self) -> TransportError:
        step, code, enhanced, text = self.words
        kind = PermanentFailure if code >= 500 else TemporaryFailure
        return kind("relay", f"refused: {code} {text}", step=step, code=code, enhanced=enhanced, text=text)

    def close(self) -> None:
        pass


class Month:
    """Days that pass as fast as the work of them can be done."""

    def __init__(self, world: World) -> None:
        self.world, self.now = world, FIRST
        self.servers = Servers(lambda: self.now, self.sleep)
        for domain, count in READERS.items():
            for number in range(count):
                world.people.add(f"r{number}@{domain}", (Choice(digest="daily"),), FIRST, proof=PROOF)
        self.people = {reader.address: reader.key for reader in world.store.subscribers()}
        self.options = DeliverOptions(
            rate=15.0,
            first_rate=2.0,
            limits=Limits(ceiling=15.0, given={"qq.com": Limit(rate=1.0)}),
            connections=1,
            idle=300.0,
            upkeep=600.0,
        )

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def freeze(self) -> datetime:
        period = f"{self.now:%Y-%m-%d}"
        edition = FrozenEdition(
            digest="daily",
            period=period,
            subject="s",
            html="h",
            text="t",
            document="{}",
            frozen_at=self.now,
            send_after=self.now,
            expires_at=self.now + timedelta(hours=18),
        )
        everybody = [
            Recipient(
                address=address,
                message_id=f"<{key}.{period}@x>",
                token=f"{key:04}{period}".replace("-", "x") * 2,
                subscriber=key,
                list_key=1,
            )
            for address, key in self.people.items()
        ]
        saved = self.world.store.freeze(edition, everybody)
        assert saved is not None
        self.world.store.mark_page_published(saved.key)
        return self.now

    def day(self, number: int) -> tuple[datetime, dict[str, list[datetime]]]:
        """From eight in the morning until the edition is over, with one worker that goes on. When it began, and who
        got it."""
        self.now = FIRST + timedelta(days=number)
        self.servers.words, self.servers.taken = WORDS[number % len(WORDS)], {}
        began = self.freeze()
        deliver(
            self.world.store,
            [Route(channel=self.servers, compose=_compose, options=self.options)],
            clock=lambda: self.now,
            ticks=self.now_ticks,
            sleep=self.sleep,
            once=False,
            stop=lambda: self.now > began + timedelta(hours=18),
        )
        learned = self.world.subscriber_service.learn(self.now)
        assert learned is not None
        assert (learned.suppressed, learned.held, learned.waiting) == (0, 0, 0)
        return began, self.servers.taken

    def now_ticks(self) -> float:
        return (self.now - FIRST).total_seconds()


def _compose(row: Delivery, edition: SavedEdition) -> Outgoing:
    return Outgoing(pieces=(b"x\r\n",), envelope_from="b@x.test")


@pytest.mark.slow
def test_a_month_of_limits_at_qq(quick: World) -> None:
    month = Month(quick)
    total = sum(READERS.values())
    for number in range(30):
        before = month.servers.refused
        began, taken = month.day(number)
        assert Counter(map(len, taken.values())) == {1: total}, f"day {number}: everybody has it, once"
        others = [at for address, (at,) in taken.items() if receiver_of(address.partition("@")[2]) != "qq.com"]
        assert max(others) - began < timedelta(minutes=2), f"day {number}: nobody else waits"
        refused = month.servers.refused - before
        assert refused < 60, f"day {number}: QQ is not asked all the time ({refused})"
    assert month.servers.refused > 30, "there were limits"
    readers = list(quick.store.subscribers())
    assert len(readers) == total
    assert all(reader.suppressed is None and reader.held_until is None for reader in readers)
    assert quick.store.paused_editions() == []
    assert quick.store.stopped_receivers() == []
