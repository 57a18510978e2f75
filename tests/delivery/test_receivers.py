"""Each receiver gets mail as fast as it takes it, and one that wants less, or nothing, delays nobody else."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from delivery_world import START, World

from digest.errors import PermanentFailure, TemporaryFailure
from digest.jobs.delivery.bounces import RefusalStore
from digest.jobs.delivery.shares import Shares
from digest.models import Receipt, Target
from digest.ports import Commit, CommitBatch, Share
from digest.receivers import RECEIVERS, RESTS, SLOWEST, Limit, Limits, Throttle, receiver_of

LIMITS = Limits(ceiling=100.0, given={"qq.com": Limit(rate=1.0)})
Answer = Callable[[str], Exception | None]


class Servers:
    """Takes what ``answer`` has no objection to, by domain; remembers when."""

    atomic = False

    def __init__(self, world: World, answer: Answer = lambda domain: None, seconds: float = 0.01) -> None:
        self.world, self.answer, self.seconds = world, answer, seconds
        self.taken: list[tuple[float, str]] = []
        self.asked: Counter[str] = Counter()

    def send(self, message: Any, target: Target, before_commit: Commit) -> Receipt:
        domain = target.address.partition("@")[2]
        self.asked[domain] += 1
        self.world.clock.sleep(self.seconds)
        error = self.answer(domain)
        if error is not None:
            raise error
        assert before_commit()
        self.taken.append((self.world.clock.seconds, domain))
        return Receipt(code=250)

    def close(self) -> None:
        pass

    def times(self, domain: str) -> list[float]:
        return [at for at, of in self.taken if of == domain]


def too_much(
    code: int = 450, enhanced: str = "4.7.0", text: str = "mail rate limit exceeded", step: str = "rcpt"
) -> Exception:
    kind = PermanentFailure if code >= 500 else TemporaryFailure
    return kind("server", "refused", step=step, code=code, enhanced=enhanced, text=text)


def policy(code: int = 550) -> Exception:
    return PermanentFailure("server", "refused", step="dot", code=code, enhanced="5.7.1", text="blocked by our policy")


def only(domain: str, error: Callable[[], Exception]) -> Answer:
    return lambda to: error() if to == domain else None


def readers(**domains: int) -> list[str]:
    """Those of the first domain first: nobody may have to wait for them."""
    return [f"r{number}@{name.replace('_', '.')}" for name, count in domains.items() for number in range(count)]


# ------------------------------------------------------------------ who it is


@pytest.mark.parametrize(
    ("domain", "receiver"),
    [
        ("foxmail.com", "qq.com"),
        ("vip.qq.com", "qq.com"),
        ("126.com", "163.com"),
        ("yeah.net", "163.com"),
        ("googlemail.com", "gmail.com"),
        ("hotmail.com", "outlook.com"),
        ("gmail.com", "gmail.com"),
        ("example.com", ""),
        ("xqq.com", ""),
    ],
)
def test_domains_with_the_same_servers_are_one_receiver(domain: str, receiver: str) -> None:
    assert receiver_of(domain) == receiver


def test_no_domain_has_two_receivers() -> None:
    domains = [domain for name, each in RECEIVERS.items() for domain in (name, *each.also)]
    assert len(domains) == len(set(domains))


def test_what_is_written_is_the_limit_and_never_more_than_that_of_all() -> None:
    limits = Limits(
        ceiling=8, given={"qq.com": Limit(rate=1), "gmail.com": Limit(rate=50), "a.test": Limit(connections=1)}
    )
    assert [limits.rate_of(name) for name in ("qq.com", "gmail.com", "a.test", "163.com")] == [1, 8, 8, 5]
    assert [limits.connections_of(name) for name in ("qq.com", "a.test", "b.test")] == [2, 1, None]


# -------------------------------------------------------------- slowing down


def test_a_receiver_gets_half_as_much_and_all_of_it_again_with_time() -> None:
    slow = Throttle(name="qq.com").slower(START, 4.0, "too much", rests=True)
    assert slow.rate_at(START, 4.0) == 2.0
    assert slow.rest(START) == RESTS[0]
    assert slow.rate_at(START + timedelta(minutes=5), 4.0) == pytest.approx(2.83, abs=0.01)
    assert slow.rate_at(START + timedelta(hours=1), 4.0) == 4.0
    assert slow.rest(START + timedelta(hours=1)) == timedelta()


def test_what_was_under_way_together_counts_once() -> None:
    slow = Throttle(name="qq.com").slower(START, 4.0, "too much", rests=True)
    assert slow.slower(START + timedelta(seconds=1), 4.0, "too much", rests=True) is slow
    greylisted = Throttle(name="a.test").slower(START, 4.0, "later", rests=False)
    assert greylisted.rest(START) == timedelta()
    assert greylisted.slower(START + timedelta(seconds=1), 4.0, "later", rests=False) is greylisted
    assert greylisted.slower(START + timedelta(minutes=2), 4.0, "later", rests=False).rate_at(START, 4.0) < 2.0


def test_it_rests_for_longer_as_long_as_it_goes_on_and_never_stops_for_good() -> None:
    throttle, now, rests = Throttle(name="qq.com"), START, []
    for _ in range(12):
        throttle = throttle.slower(now, 4.0, "too much", rests=True)
        rests.append(throttle.rest(now))
        now += throttle.rest(now)
    assert rests == [*RESTS, *[RESTS[-1]] * 8]
    assert throttle.rate_at(now, 4.0) >= SLOWEST
    later = throttle.slower(now + timedelta(hours=3), 4.0, "too much", rests=True)
    assert later.rest(now + timedelta(hours=3)) == RESTS[0], "of another day"


def test_a_clock_that_was_wrong_stops_nobody() -> None:
    ahead = Throttle(name="qq.com").slower(START + timedelta(days=2), 4.0, "too much", rests=True)
    assert ahead.rest(START) == timedelta()
    assert ahead.rate_at(START, 4.0) == 4.0


# ------------------------------------------------------------------ delivery


def test_a_slow_receiver_delays_nobody(world: World) -> None:
    """Ten mails to QQ, at one a second, come first in the queue; all others have left before the second of them."""
    world.freeze(readers(qq_com=10, gmail_com=20, a_test=20))
    servers = Servers(world)
    report = world.deliver(servers, limits=LIMITS)
    assert report.sent == 50
    assert max(*servers.times("gmail.com"), *servers.times("a.test")) < 2.5
    slow = servers.times("qq.com")
    assert slow == sorted(slow)
    assert 8.0 <= slow[-1] - slow[0] <= 11.0


def test_members_of_a_group_share_its_limit(sqlite_world: World) -> None:
    sqlite_world.freeze(readers(qq_com=4, foxmail_com=4))
    servers = Servers(sqlite_world)
    sqlite_world.deliver(servers, limits=LIMITS)
    assert servers.taken[-1][0] >= 6.0


def test_workers_keep_to_a_limit_together(world: World) -> None:
    """As if they were on several machines: each has its own memory, and only the store in common."""
    world.freeze(readers(qq_com=4))
    now, lease = world.clock.now(), timedelta(minutes=2)
    share = Share(receiver="qq.com", spacing=timedelta(seconds=1), connections=2)
    assert len(world.store.claim(now, 1, lease, share=share)) == 1
    assert world.store.claim(now, 1, lease, share=share) == []
    assert len(world.store.claim(now + timedelta(seconds=1), 1, lease, share=share)) == 1
    assert world.store.claim(now + timedelta(seconds=5), 1, lease, share=share) == [], "two are under way"
    assert len(world.store.claim(now + timedelta(minutes=3), 1, lease, share=share)) == 1, "those workers died"


def test_a_connection_that_goes_on_is_no_second_one(world: World) -> None:
    """What it is about to be done with is not under way besides the next."""
    world.freeze(readers(qq_com=3))
    now, lease = world.clock.now(), timedelta(minutes=2)
    share = Share(receiver="qq.com", spacing=timedelta(milliseconds=100), connections=1)
    [row] = world.store.claim(now, 1, lease, share=share)
    now += timedelta(seconds=1)
    assert world.store.claim(now, 1, lease, share=share) == [], "one is under way"
    batch = CommitBatch(now=now, begun=row, until=now + lease, claim=1, lease=lease, share=share)
    assert len(world.store.turn(batch).claimed) == 1


def test_a_turn_is_asked_for_once(sqlite_world: World) -> None:
    """A second connection that asks meanwhile waits for the turn after it, and is not put off for long."""
    sqlite_world.freeze(readers(qq_com=3))
    clock = sqlite_world.clock
    shares = Shares(sqlite_world.store, LIMITS, clock=clock.now, ticks=clock.ticks, patience=None)
    first = shares.next()
    assert first is not None
    assert shares.next() is None
    assert shares.seconds() == pytest.approx(1.0)
    shares.gave(first, 0)
    assert shares.seconds() == pytest.approx(0.1), "somebody else has just had it"


def test_no_more_connections_than_it_takes(sqlite_world: World) -> None:
    """Four could be used."""
    sqlite_world.freeze(readers(qq_com=8, a_test=8))
    at_once, most, lock = Counter[str](), Counter[str](), threading.Lock()

    class Slow(Servers):
        def send(self, message: Any, target: Target, before_commit: Commit) -> Receipt:
            domain = target.address.partition("@")[2]
            with lock:
                at_once[domain] += 1
                most[domain] = max(most[domain], at_once[domain])
            try:
                return super().send(message, target, before_commit)
            finally:
                with lock:
                    at_once[domain] -= 1

    limits = Limits(ceiling=1000.0, given={"qq.com": Limit(rate=1000.0, connections=1)})
    assert sqlite_world.deliver(Slow(sqlite_world), limits=limits, connections=4).sent == 16
    assert most["qq.com"] == 1


@pytest.mark.parametrize(
    "error",
    [
        lambda: too_much(),
        lambda: too_much(421, "4.7.28", "Gmail has detected an unusual rate of mail"),
        lambda: too_much(550, "", "Ip frequency limited", step="dot"),
        lambda: too_much(550, "", "Connection frequency limited"),
    ],
    ids=["for-now", "and-closes", "for-good-at-the-dot", "for-good"],
)
def test_a_receiver_that_says_it_is_too_much_is_left_alone(error: Callable[[], Exception], world: World) -> None:
    """It alone, for a minute, and then gets half as much. Nobody is lost."""
    world.freeze(readers(qq_com=6, gmail_com=20))
    servers = Servers(world, only("qq.com", error))
    report = world.deliver(servers, limits=LIMITS)
    assert (report.sent, report.failed, report.waiting) == (20, 0, 6)
    assert servers.asked["qq.com"] == 1
    assert world.clock.seconds < 5.0
    assert world.edition_states() == [("2026-11-24", "sending")]
    [line] = [line for line in report.warnings if line.startswith("qq.com: ")]
    assert line.startswith("qq.com: nothing for 1 min, then 0.5/s instead of 1/s: ")
    servers.answer = lambda domain: None
    world.deliver(servers, limits=LIMITS)
    assert servers.asked["qq.com"] == 1, "another worker leaves it alone, too"
    world.clock.sleep(90)
    began = world.clock.seconds
    assert world.deliver(servers, limits=LIMITS).sent == 6
    assert world.clock.seconds - began >= 8.0


def test_a_domain_that_nobody_knows_becomes_a_receiver_when_it_asks_for_less(world: World) -> None:
    """What is queued for it then, and whatever comes later."""
    world.freeze(readers(uni_test=30, a_test=10))
    servers = Servers(world, only("uni.test", too_much))
    report = world.deliver(servers, limits=LIMITS)
    assert (report.sent, report.waiting) == (10, 30)
    assert servers.asked["uni.test"] <= 3
    world.freeze(readers(uni_test=5, a_test=5), "2026-11-25")
    world.clock.sleep(1)
    assert {each.name for each in world.store.queues(world.clock.now())} == {"uni.test", ""}


def test_a_relay_that_says_so_to_everybody_is_slowed_as_a_whole(sqlite_world: World) -> None:
    """Three receivers in a row: it is the way there that is too full."""
    sqlite_world.freeze(readers(a_test=1, b_test=1, c_test=1, d_test=40))
    servers = Servers(sqlite_world, lambda domain: None if domain == "d.test" else too_much())
    sqlite_world.deliver(servers, limits=LIMITS, rate=10.0)
    assert sqlite_world.clock.seconds > 4.5


def test_greylisting_slows_and_does_not_rest(sqlite_world: World) -> None:
    sqlite_world.freeze(readers(qq_com=3, a_test=3))
    greylists = lambda: too_much(450, "4.2.0", "greylisted, try again later")  # noqa: E731
    servers = Servers(sqlite_world, only("qq.com", greylists))
    sqlite_world.deliver(servers, limits=LIMITS)
    assert servers.asked["qq.com"] == 3
    [slowed] = sqlite_world.store.throttles()
    assert (slowed.name, slowed.rests_until) == ("qq.com", None)


def test_a_mailbox_that_gets_too_much_slows_nobody_else(sqlite_world: World) -> None:
    """Gmail says so of one reader; all others there go on as before."""
    sqlite_world.freeze(readers(gmail_com=9))
    words = [too_much(450, "4.2.1", "The user you are trying to contact is receiving mail at a rate that prevents")]
    servers = Servers(sqlite_world, lambda domain: words.pop() if words else None)
    assert sqlite_world.deliver(servers, limits=LIMITS).sent == 8
    assert sqlite_world.store.throttles() == []


def test_a_worker_waits_for_a_receiver_that_rests(sqlite_world: World) -> None:
    """And is not done before; a single run leaves it to the next."""
    sqlite_world.freeze(readers(qq_com=3))
    words = [too_much()]
    servers = Servers(sqlite_world, lambda domain: words.pop() if words else None)
    sqlite_world.deliver(servers, limits=LIMITS, once=False, stop=lambda: len(servers.taken) == 3)
    assert servers.taken[0][0] >= 60.0


def test_a_worker_that_waits_for_one_receiver_is_there_for_all(sqlite_world: World) -> None:
    """A confirmation, say, leaves at once while QQ rests."""
    sqlite_world.freeze(readers(qq_com=2))
    words, hurries = [too_much()], [False]
    servers = Servers(sqlite_world, lambda domain: words.pop() if words else None)

    def hurry() -> bool:
        if sqlite_world.clock.seconds > 20 and not hurries[0]:
            hurries[0] = True
            sqlite_world.freeze(readers(a_test=1), "2026-11-25")
            sqlite_world.clock.sleep(1)
            return True
        return False

    sqlite_world.deliver(servers, limits=LIMITS, once=False, hurry=hurry, stop=lambda: bool(servers.taken))
    assert servers.taken[0][1] == "a.test"
    assert servers.taken[0][0] < 25.0


def test_a_first_rate_grows_while_answers_are_good(sqlite_world: World) -> None:
    sqlite_world.freeze(100)
    servers = Servers(sqlite_world, seconds=0.0)
    sqlite_world.deliver(servers, rate=15.0, first_rate=2.0)
    times = [at for at, _ in servers.taken]
    assert times[2] - times[1] == pytest.approx(0.4, abs=0.06)
    assert times[-1] - times[-16] == pytest.approx(1.0, abs=0.1)


# ---------------------------------------------------------------- stop switch


def test_one_receiver_that_refuses_stops_for_itself_alone(world: World) -> None:
    """Of this edition nothing more goes there until the operator says so; everybody else gets it."""
    saved = world.freeze(readers(qq_com=20, gmail_com=30, a_test=10))
    servers = Servers(world, only("qq.com", policy))
    report = world.deliver(servers, limits=Limits(ceiling=1000.0))
    assert (report.sent, report.failed, report.waiting) == (40, 5, 15)
    assert world.edition_states() == [("2026-11-24", "sending")]
    [line] = [line for line in report.failures if "paused" in line]
    assert line.startswith("daily 2026-11-24: sending to qq.com is paused: 5 recipients in a row were refused alike: ")
    again = world.deliver(servers, limits=Limits(ceiling=1000.0))
    assert servers.asked["qq.com"] == 5, "not asked again"
    assert line in again.failures, "and told again"
    servers.answer = lambda domain: None
    assert world.store.resume_edition(saved.key, world.clock.now()) == 20, "those that were refused for us, too"
    assert world.deliver(servers, limits=Limits(ceiling=1000.0)).sent == 20
    assert world.edition_states() == [("2026-11-24", "finished")]


def test_what_comes_back_to_the_queue_of_a_stopped_receiver_stays_there(world: World) -> None:
    """A worker died with it; the receiver was stopped meanwhile."""
    world.freeze(readers(qq_com=6, a_test=1))
    now = world.clock.now()
    [lost] = world.store.claim(now, 1, timedelta(minutes=2), share=Share(receiver="qq.com"))
    servers = Servers(world, only("qq.com", policy))
    world.deliver(servers, limits=Limits(ceiling=1000.0))
    assert servers.asked["qq.com"] == 5
    world.clock.sleep(600)
    servers.answer = lambda domain: None
    assert world.deliver(servers, limits=Limits(ceiling=1000.0)).sent == 0
    assert world.state_of(lost.address) == "queued"


def test_what_a_stopped_receiver_refused_ends_no_reader(world: World) -> None:
    """Even if it said "no such user" to everybody."""
    world.freeze(readers(qq_com=20, gmail_com=5))
    gone = lambda: PermanentFailure("s", "no", step="rcpt", code=550, enhanced="5.1.1", text="no such user")  # noqa: E731
    world.deliver(Servers(world, only("qq.com", gone)), limits=Limits(ceiling=1000.0))
    store: RefusalStore = world.store
    assert list(store.refused(world.clock.now(), timedelta(days=3))) == []


@pytest.mark.parametrize("refusing", [("qq.com", "gmail.com"), ("qq.com", "b.test")])
def test_two_receivers_that_refuse_stop_it_for_everybody(refusing: Sequence[str], world: World) -> None:
    world.freeze(readers(qq_com=20, gmail_com=20, b_test=20, a_test=200))
    servers = Servers(world, lambda domain: policy(550 + len(domain) % 4) if domain in refusing else None)
    world.deliver(servers, limits=Limits(ceiling=1000.0))
    assert world.edition_states() == [("2026-11-24", "paused")]
    assert max(servers.asked[each] for each in refusing) <= 6


def test_many_small_domains_that_refuse_alike_stop_it_for_everybody(world: World) -> None:
    world.freeze([f"r@d{number}.test" for number in range(30)])
    servers = Servers(world, lambda domain: policy())
    world.deliver(servers, limits=LIMITS)
    assert world.edition_states() == [("2026-11-24", "paused")]
    assert sum(servers.asked.values()) == 5


def test_a_receiver_that_is_stopped_is_not_waited_for(world: World) -> None:
    """Its mail expires with the edition, and another edition goes there as ever."""
    world.freeze(readers(qq_com=9, gmail_com=9), life=timedelta(hours=2))
    servers = Servers(world, only("qq.com", policy))
    world.deliver(servers, limits=Limits(ceiling=1000.0))
    servers.answer = lambda domain: None
    world.freeze(readers(qq_com=3), "2026-11-25", life=timedelta(hours=20))
    world.clock.sleep(1)
    assert world.deliver(servers, limits=Limits(ceiling=1000.0)).sent == 3
    world.clock.sleep(3 * 3600)
    report = world.deliver(servers, limits=Limits(ceiling=1000.0))
    assert report.expired == 4
    assert report.paused == ()
    assert not [line for line in report.failures if "paused" in line]
