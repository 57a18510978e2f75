"""What somebody got and did not get, and why."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from digest.app.asking import look_into_subscriber
from digest.inquiry import Omission
from digest.jobs.explain.posts import Fact
from digest.models import Reply
from digest.ports import CommitBatch
from digest.subscribers.subscription import Choice, Frequency, Preferences
from tests.subscribers.reader_world import World, link, token

ANN = "ann@example.org"


def explain(world: World, address: str = ANN, digest: str | None = "daily", day: str | None = None) -> list[Fact]:
    return list(look_into_subscriber(world.app(), address, digest, day).facts)


def codes(world: World, address: str = ANN, digest: str | None = "daily", day: str | None = None) -> dict[str, str]:
    """What is said by code; of several of one code the first."""
    told: dict[str, str] = {}
    for fact in explain(world, address, digest, day):
        told.setdefault(fact.code, fact.says)
    return told


def morning(world: World, day: int = 25) -> None:
    """To a minute past eight on that day of November, with something new."""
    world.now = datetime.fromisoformat(f"2026-11-{day}T07:30:00+08:00").astimezone(world.now.tzinfo)
    world.news(f"news{day}", title=f"新闻{day}")
    world.run()
    world.later(minutes=31)
    world.run()


def test_a_mail_that_was_sent(world: World) -> None:
    """With its time and the server's word; and when the next one comes."""
    world.begin()
    world.later(minutes=5)
    world.join()
    morning(world)
    told = codes(world)
    assert told["confirmed"].startswith("asked 2026-11-24 12:05 for daily (form), confirmed 2026-11-24 12:05")
    assert told["active"] == "daily: active since 2026-11-24 12:05"
    assert told["sent"].startswith("daily 2026-11-25: sent 2026-11-25 08:01")
    assert told["next"] == "daily: the next is 2026-11-26, due 2026-11-26 08:00"
    assert told["later"].startswith("daily 2026-11-24: no mail; confirmed 2026-11-24 12:05, after it was made")


def test_mails_about_the_subscription_are_told(quick: World) -> None:
    """Unless only one digest is asked for."""
    quick.begin()
    quick.join()
    assert any(fact.says.startswith("mail “") for fact in explain(quick, digest=None))
    assert any(fact.says.startswith("mail “") for fact in explain(quick, digest=None, day="2026-11-24"))
    assert not any(fact.says.startswith("mail “") for fact in explain(quick, digest=None, day="2026-11-23"))


def test_one_day_alone(quick: World) -> None:
    """By its date, or a period by its name."""
    quick.begin()
    quick.join()
    morning(quick)
    morning(quick, 26)
    assert [fact.period for fact in explain(quick, day="2026-11-25") if fact.period] == ["2026-11-25"]
    assert "no edition of 2026-11-30" in codes(quick, day="2026-11-30")["none"]
    assert [fact.period for fact in explain(quick, day="2026-W48") if fact.period] == [
        "2026-11-26",
        "2026-11-25",
        "2026-11-24",
    ]


def paused(world: World) -> str:
    manage = world.join()
    preferences = Preferences(paused_until=date(2026, 11, 26))
    assert world.signup.change(token(manage), preferences, (Choice(digest="daily"),), world.now)
    return "they had paused when it was made"


def suppressed(world: World) -> str:
    world.join()
    world.people.suppress(ANN, "asked by letter", world.now)
    return "the address was suppressed when it was made"


def pending(world: World) -> str:
    world.ask()
    world.sent()
    return "the subscription was not confirmed when it was made"


def held(world: World) -> str:
    world.join()
    hashed = world.subscriber_service.keys.hashed(ANN)
    world.store.hold(hashed, world.now + timedelta(days=7))
    return "the mailbox had refused mail for days"


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (paused, Omission.PAUSED),
        (suppressed, Omission.SUPPRESSED),
        (pending, Omission.PENDING),
        (held, Omission.HELD),
    ],
)
def test_why_an_edition_left_somebody_out_is_kept(prepare, reason: Omission, world: World) -> None:
    """As it was then: it is told the same when all of it is over."""
    world.begin()
    says = prepare(world)
    morning(world)
    assert says in codes(world, day="2026-11-25")[f"was-{reason.value}"]
    if reason is Omission.SUPPRESSED:
        world.people.unsuppress(ANN)
    if reason is Omission.PAUSED:
        manage = world.manage_link(ANN)
        assert world.signup.change(token(manage), Preferences(), (Choice(digest="daily"),), world.now)
    assert any(says in fact.says for fact in explain(world, day="2026-11-25"))
    reader = world.people.find(ANN)
    assert reason in world.store.omissions(reader.key).values()
    assert world.store.erase(reader.key, world.now)
    assert world.store.omissions(reader.key) == {}


def test_nobody_is_noted_who_got_it_or_did_not_ask(world: World) -> None:
    """Those who left, want other categories or a mail a week are known by what they chose."""
    world.begin()
    world.join()
    world.join("weekly@example.org", frequency=Frequency.WEEKLY)
    world.join("funds@example.org", categories=("funds",))
    left = world.join("left@example.org")
    assert world.signup.unsubscribe(token(left), world.now, everything=True)
    morning(world)
    for address in (ANN, "weekly@example.org", "funds@example.org", "left@example.org"):
        assert world.store.omissions(world.people.find(address).key) == {}
    assert "they had left 2026-11-24 12:00" in codes(world, "left@example.org")["left"]
    told = [fact.says for fact in explain(world, "weekly@example.org") if fact.period]
    assert any("they want one mail a week, which daily--weekly is" in says for says in told)
    assert "had no post in their categories (funds)" in codes(world, "funds@example.org")["no-posts"]


def test_a_weekly_mail(quick: World) -> None:
    """The digest that sums up is told of, and only to those who want it."""
    quick.begin()
    quick.join("weekly@example.org", frequency=Frequency.WEEKLY)
    morning(quick)
    morning(quick, 30)
    told = explain(quick, "weekly@example.org", None)
    assert any(fact.code == "sent" and fact.digest == "daily--weekly" for fact in told)
    quick.new_mails()
    quick.join()
    assert not any(fact.digest == "daily--weekly" for fact in explain(quick, ANN, None))


def test_own_hour(quick: World) -> None:
    """The mail waits for it, and so does the next one."""
    quick.begin()
    manage = quick.join()
    assert quick.signup.change(token(manage), Preferences(hour=21), (Choice(digest="daily"),), quick.now)
    morning(quick)
    told = codes(quick)
    assert told["hour"] == "wants mail not before 21:00 (Asia/Shanghai)"
    assert "waits until 2026-11-25 21:00, their own hour" in told["queued"]
    assert told["next"] == "daily: the next is 2026-11-26, due 2026-11-26 21:00, their own hour"


def test_states_of_a_mail(quick: World) -> None:
    """Every state, with what the server said."""
    quick.begin()
    manage = quick.join()
    assert quick.signup.change(token(manage), Preferences(hour=21), (Choice(digest="daily"),), quick.now)
    morning(quick)
    store, key = quick.store, next(note.key for note in quick.store.edition_notes("daily"))
    late = quick.now + timedelta(hours=14)

    def claimed():
        (row,) = store.claim(late, 1, timedelta(minutes=2))
        return row

    row = claimed()
    assert codes(quick)["leased"].endswith("being sent now")
    assert store.retry(row, late + timedelta(minutes=5), Reply(code=450, enhanced="4.2.0", text="busy"), counted=True)
    fact = next(each for each in explain(quick) if each.code == "queued")
    assert "its next try" in fact.says
    assert fact.reasons == ("the server said: 450 4.2.0 busy",)
    assert store.pause_edition(key, "5 recipients in a row were refused alike", quick.now)
    assert "the edition is paused (5 recipients in a row" in codes(quick)["paused-edition"]
    store.resume_edition(key, late)
    assert store.stop_receiver(key, row.address.partition("@")[2], "5 recipients in a row", late)
    says = codes(quick)["paused-edition"]
    assert "sending to its receiver is paused (example.org: 5 recipients in a row); digest deliver --resume" in says
    assert store.resume_edition(key, late) == 1
    quick.now = late + timedelta(minutes=1)
    assert "waits to be sent since" in codes(quick)["queued"]
    with store._database.changing() as connection:
        connection.run("UPDATE edition SET page_published = false")
    assert "waits for the edition's page, and leaves without it only shortly before" in codes(quick)["queued"]
    store.mark_page_published(key)
    row = claimed()
    assert store.turn(CommitBatch(now=late, begun=row, until=late + timedelta(minutes=11))).leased
    assert store.in_doubt(row, late, "no answer came in time")
    assert "the server may or may not have it" in codes(quick)["in-doubt"]
    assert store.release_doubtful() == 1
    row = claimed()
    assert store.failed(row, late, Reply(code=550, enhanced="5.1.1", text="no such user"))
    assert codes(quick)["failed"] == "daily 2026-11-25: refused for good 2026-11-25 22:01 after 3 tries"


def test_left_between_making_and_sending(quick: World) -> None:
    """The ledger says why the mail was held back."""
    quick.begin()
    manage = quick.join()
    assert quick.signup.change(token(manage), Preferences(hour=21), (Choice(digest="daily"),), quick.now)
    morning(quick)
    assert quick.signup.unsubscribe(token(manage), quick.now, everything=True)
    quick.later(hours=14)
    quick.run()
    assert codes(quick)["skipped"] == "daily 2026-11-25: not sent 2026-11-25 22:01: unsubscribed"


def test_expired(quick: World) -> None:
    quick.begin()
    manage = quick.join()
    assert quick.signup.change(token(manage), Preferences(hour=21), (Choice(digest="daily"),), quick.now)
    morning(quick)
    quick.later(days=3)
    quick.store.expire(quick.now)
    assert "its time was over 2026-11-26 15:00" in codes(quick)["expired"]


def test_an_edition_that_was_not_made(quick: World) -> None:
    """Nothing new, or missed: that is why there is no mail."""
    quick.begin()
    quick.join()
    quick.later(hours=20, minutes=1)
    quick.run()
    assert codes(quick)["not-made"] == "daily 2026-11-25: no mail; the edition of 2026-11-25 had nothing new"


def test_strangers(quick: World) -> None:
    """Never heard of, or asked a moment ago; a suppressed one that is no subscriber; an address of mail.to."""
    quick.begin()
    assert list(codes(quick, "nobody@example.org")) == ["unknown"]
    quick.ask("new@example.org")
    assert "the mail to confirm is not made yet" in codes(quick, "new@example.org")["asked"]
    quick.people.suppress("bad@example.org", "", quick.now)
    assert "suppressed since 2026-11-24 12:00 (manual)" in codes(quick, "bad@example.org")["suppressed"]


def test_unconfirmed_sign_ups(quick: World) -> None:
    """Until when the link can be used."""
    quick.begin()
    quick.ask()
    (mail,) = quick.sent()
    assert link(mail)
    assert codes(quick)["unconfirmed"].endswith("not confirmed; the link is valid until 2026-12-01 12:00")
    quick.later(days=8)
    assert "the link was valid until" in codes(quick)["unconfirmed"]


def test_paused_and_held_are_told(quick: World) -> None:
    quick.begin()
    paused(quick)
    assert codes(quick)["paused"] == "paused until 2026-11-26, no mail until then"
    quick.later(days=5)
    assert codes(quick)["paused"] == "paused until 2026-11-26, over"
    quick.store.hold(quick.subscriber_service.keys.hashed(ANN), quick.now + timedelta(days=7))
    assert "the mailbox refused mail for days" in codes(quick)["held"]
