"""Signing up: double opt-in, one answer for everybody, limits."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from msgspec.structs import force_setattr

from digest.app.collecting import collect_posts
from digest.app.publishing import freeze_due_editions, publish_frozen_editions
from digest.app.sending import send_mail
from digest.errors import StoreError
from digest.jobs.subscribers.moving import Moved
from digest.jobs.subscribers.people import Added, Proof
from digest.jobs.subscribers.signup import Asked, Opened
from digest.models import DeliveryState
from digest.store.database.connection import Connection
from digest.subscribers.subscription import ActionRequest, Choice, Consent, Frequency, ListState, Origin, parse_address
from tests.subscribers.reader_world import World, link, links, text_of, token


def test_nobody_is_subscribed_before_they_confirm(world: World) -> None:
    """A mail with a link; the reader is active only after its button; the proof says what, when, which words."""
    assert world.ask(categories=("macro",), frequency=Frequency.WEEKLY) is Asked.NOTED
    (mail,) = world.sent()
    assert mail["To"] == "ann@example.org"
    reader = world.people.find("ann@example.org")
    assert reader.active == ()
    assert reader.subscriptions[0].state is ListState.PENDING

    world.later(hours=1)
    page = world.signup.confirm(token(link(mail)), world.now)
    assert page is not None
    assert page.opened is Opened.CONFIRM
    reader = world.people.find("ann@example.org")
    assert [(each.digest, each.categories) for each in reader.active] == [("daily", ("macro",))]
    assert reader.preferences.frequency is Frequency.WEEKLY
    (proof,) = world.store.consents(reader.key)
    assert proof.origin is Origin.FORM
    assert proof.text == "I want mail."
    assert proof.choices == (Choice(digest="daily", categories=("macro",)),)
    assert proof.confirmed_at is not None
    assert proof.confirmed_at - proof.asked_at == timedelta(hours=1)
    assert proof.ip == ""


def test_the_ip_address_is_kept_shortened_if_configured(quick: World) -> None:
    """24 bits of IPv4, 48 of IPv6."""
    config = (quick.folder / "config.yaml").read_text()
    (quick.folder / "config.yaml").write_text(config + "subscriptions: {keep_ip: true}\n")
    from digest.config import load

    quick.settings = load(quick.folder / "config.yaml", {"DIGEST_STORE": quick.settings.store.url})
    quick.ask("a@example.org", ip="192.0.2.77")
    quick.ask("b@example.org", ip="2001:db8:1:2:3:4:5:6")
    quick.ask("c@example.org", ip="::ffff:192.0.2.77")
    assert [each.ip for each in quick.store.unhandled()] == ["192.0.2.0/24", "2001:db8:1::/48", "192.0.2.0/24"]


def test_the_confirmation_is_no_digest(quick: World) -> None:
    """Another From; auto-generated; no List fields; nothing of what a visitor typed but their address."""
    quick.ask()
    (mail,) = quick.sent()
    assert mail["From"].addresses[0].addr_spec == "subscriptions@news.example.com"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert not [name for name in mail if name.startswith("List-") or name == "Precedence"]
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert "请确认" in str(mail["Subject"])
    assert len(link(mail)) < 70
    assert "%%" not in text_of(mail)


def test_an_active_address_is_told_so_once_a_day(world: World) -> None:
    """A mail that says so, at most one a day; its link leads to the preferences."""
    world.join()
    for _ in range(3):
        assert world.ask() is Asked.NOTED
    (mail,) = world.sent()
    assert "已订阅" in str(mail["Subject"])
    page = world.signup.open(token(link(mail)), world.now)
    assert page is not None
    assert page.opened is Opened.MANAGE
    world.later(hours=23)
    world.ask()
    assert world.sent() == []
    world.later(hours=2)
    world.ask()
    assert len(world.sent()) == 1


def test_a_suppressed_address_gets_nothing_and_leaves_no_trace(world: World) -> None:
    """Nothing is sent, and nothing about it is kept."""
    world.people.suppress("ann@example.org", "", world.now)
    assert world.ask("Ann@EXAMPLE.org") is Asked.NOTED
    assert world.sent() == []
    assert world.store.subscriber_by("ann@example.org") is None
    assert world.store.unhandled() == []


def test_everybody_gets_the_same_answer_for_the_same_work(world: World) -> None:
    """Unknown, pending, active and suppressed addresses: one answer, the very same statements to the database and
    so about the same time; no mail is looked at, made or sent yet."""
    world.join("active@example.org")
    world.ask("pending@example.org")
    world.sent()
    world.people.suppress("suppressed@example.org", "", world.now)
    work: dict[str, list[str]] = {}
    for turn, who in enumerate(("unknown", "pending", "active", "suppressed")):
        with statements() as done:
            assert world.ask(f"{who}@example.org", ip=f"198.51.100.{turn}") is Asked.NOTED
        work[who] = done
    assert work["unknown"]
    assert all(done == work["unknown"] for done in work.values()), work
    assert world.new_mails() == []


@contextmanager
def statements() -> Iterator[list[str]]:
    """What is said to the database meanwhile, without the values."""
    said: list[str] = []

    def note(connection: Connection, statement: str) -> str:
        said.append(statement)
        return spelt(connection, statement)

    spelt = Connection._spelt
    with patch.object(Connection, "_spelt", note):
        yield said


def test_an_address_gets_three_confirmations_a_day(world: World) -> None:
    """Further sign-ups are noted, and no mail is sent until the next day."""
    for turn in range(5):
        assert world.ask(ip=f"192.0.2.{turn}") is Asked.NOTED
    assert len(world.sent()) == 3
    world.later(hours=25)
    world.ask()
    assert len(world.sent()) == 1


def test_tags_of_one_mailbox_count_together(world: World) -> None:
    """Thirty tags are no way to fill somebody's mailbox; two of them are two subscribers all the same."""
    world.join("victim+news@example.org", ip="192.0.2.1")
    world.join("victim@example.org", ip="192.0.2.2")
    assert len(list(world.people.everybody())) == 2
    for number in range(1, 31):
        assert world.ask(f"victim+{number}@example.org", ip=f"198.51.{number}.7") is Asked.NOTED
    assert len(world.sent()) == 1
    world.ask("Victim+X@Example.org", ip="192.0.2.3")
    assert world.sent() == []
    world.ask("victim2+1@example.org", ip="192.0.2.4")
    world.ask("+victim@example.org", ip="192.0.2.5")
    assert len(world.sent()) == 2
    world.later(days=1, hours=1)
    world.ask("victim+31@example.org")
    assert len(world.sent()) == 1


def test_tags_are_no_way_to_more_fresh_links(world: World) -> None:
    """The same for links about data, and for mails to a new address."""
    first, second = world.join("ann+a@example.org"), world.join("ann+b@example.org")
    assert [world.signup.request(token(first), ActionRequest.EXPORT, world.now) for _ in range(2)] == [True, True]
    assert [world.signup.request(token(second), ActionRequest.EXPORT, world.now) for _ in range(2)] == [True, False]
    people = [world.people.find(f"ann+{each}@example.org") for each in "ab"]
    asked = [
        world.subscriber_service.moving.ask(people[number % 2], parse_address(f"neu+{number}@example.net"), world.now)
        for number in range(4)
    ]
    assert asked == [Moved.ASKED] * 3 + [Moved.TOO_MANY]


def test_a_suppressed_tag_is_one_address(world: World) -> None:
    """Who may not be written to is told by the whole address."""
    world.people.suppress("ann+a@example.org", "", world.now)
    world.ask("ann+a@example.org")
    world.ask("ann+b@example.org")
    assert [mail["To"] for mail in world.sent()] == ["ann+b@example.org"]


def test_whoever_has_no_address_has_one_limit(quick: World) -> None:
    """As behind a socket in the file system."""
    asked = [quick.ask(f"r{number}@example.org", ip="") for number in range(11)]
    assert asked == [Asked.NOTED] * 10 + [Asked.TOO_MANY]


def test_a_place_may_sign_up_ten_times_an_hour(world: World) -> None:
    """By address of IPv4, by /64 of IPv6; the answer does not depend on the address typed."""
    for turn in range(10):
        assert world.ask(f"r{turn}@example.org") is Asked.NOTED
    assert world.ask("r10@example.org") is Asked.TOO_MANY
    assert world.ask("r10@example.org", ip="192.0.2.8") is Asked.NOTED
    assert world.ask("r11@example.org", ip="") is Asked.NOTED
    for turn in range(10):
        assert world.ask(f"s{turn}@example.org", ip=f"2001:db8::{turn + 1}") is Asked.NOTED
    assert world.ask("s10@example.org", ip="2001:db8::ffff:1") is Asked.TOO_MANY
    assert world.ask("s10@example.org", ip="2001:db8:0:1::1") is Asked.NOTED
    world.later(minutes=61)
    assert world.ask("r10@example.org") is Asked.NOTED


def test_there_is_a_cap_over_all(quick: World) -> None:
    """A botnet fills the cap, not the mail server."""
    signup = quick.signup
    force_setattr(signup.policy, "signups_total", 5)
    from digest.jobs.subscribers.signup import SignUp
    from digest.subscribers.subscription import Preferences

    results = [
        signup.ask(
            SignUp(
                address=f"r{turn}@example.org",
                choices=(Choice(digest="daily"),),
                preferences=Preferences(),
                text="",
                stamp=signup.stamp(quick.now - timedelta(seconds=5)),
                ip=f"192.0.2.{turn}",
            ),
            quick.now,
        )
        for turn in range(7)
    ]
    assert results == [Asked.NOTED] * 5 + [Asked.TOO_MANY] * 2


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ({"trap": "x"}, Asked.NOTED),
        ({"address": "no address"}, Asked.BAD_ADDRESS),
        ({"address": "ann@example.org\r\nBcc: x@example.org"}, Asked.BAD_ADDRESS),
        ({"choices": ()}, Asked.NOTHING_CHOSEN),
        ({"stamp": ""}, Asked.TOO_FAST),
        ({"stamp": "x" * 35}, Asked.TOO_FAST),
    ],
)
def test_programs_and_mistakes_come_to_nothing(quick: World, fields: dict[str, Any], asked: Asked) -> None:
    """Who fills in the trap is told that all went well; nothing is kept in any of these cases."""
    assert quick.ask(**fields) is asked
    assert quick.store.unhandled() == []


@pytest.mark.parametrize(
    ("age", "asked"), [(1, Asked.TOO_FAST), (2, Asked.NOTED), (86_400, Asked.NOTED), (86_401, Asked.TOO_FAST)]
)
def test_a_form_takes_two_seconds_and_lasts_a_day(quick: World, age: int, asked: Asked) -> None:
    """Nobody types faster; an old form is shown again."""
    assert quick.ask(stamp=quick.signup.stamp(quick.now - timedelta(seconds=age))) is asked


def test_a_token_of_another_purpose_is_no_stamp(quick: World) -> None:
    """A genuine link is not a form."""
    manage = quick.join()
    assert quick.ask("b@example.org", stamp=token(manage)) is Asked.TOO_FAST


def test_one_more_digest_is_confirmed_too(world: World) -> None:
    """Who reads one digest and asks for another confirms that one; what they wished for before stays."""
    world.join(frequency=Frequency.WEEKLY)
    world.ask(digest="evening")
    (mail,) = world.sent()
    assert [each.digest for each in world.people.find("ann@example.org").active] == ["daily"]
    world.signup.confirm(token(link(mail)), world.now)
    reader = world.people.find("ann@example.org")
    assert [each.digest for each in reader.active] == ["daily", "evening"]
    assert reader.preferences.frequency is Frequency.WEEKLY


def test_two_spellings_are_one_reader(world: World) -> None:
    """Mail goes to the address as it was confirmed."""
    world.ask("Ann@Example.ORG")
    (mail,) = world.sent()
    assert mail["To"] == "Ann@example.org"
    world.signup.confirm(token(link(mail)), world.now)
    world.ask("aNN@example.org")
    (again,) = world.sent()
    assert again["To"] == "aNN@example.org"
    assert len(list(world.people.everybody())) == 1
    assert world.people.find("ANN@EXAMPLE.ORG").address == "Ann@example.org"


def test_a_crash_between_answer_and_mail_loses_nothing(world: World) -> None:
    """A sign-up is on disk before the answer; whoever comes next looks at it, and only once."""
    world.ask()
    app = world.app()
    app.subscriber_service.prepare(world.now)
    assert app.subscriber_service.signup.handle(world.now) == 0
    assert [mail["To"] for mail in world.sent()] == ["ann@example.org"]
    assert world.sent() == []


def test_two_processes_handle_a_sign_up_once(world: World) -> None:
    """Whoever comes second finds it handled, and queues no mail."""
    world.ask()
    (asked,) = world.store.unhandled()
    signup = world.signup
    signup._handle(asked, world.now)
    signup._handle(asked, world.now)
    assert len(world.sent()) == 1


def test_two_processes_and_two_sign_ups_make_one_reader(world: World) -> None:
    """The same address twice, each looked at by another process at the same time."""
    for turn in range(2):
        world.ask(digest=("daily", "evening")[turn])
    first, second = world.store.unhandled()
    ready, ended = threading.Barrier(2, timeout=60), []

    def enrol(asked: Consent) -> None:
        ready.wait()
        ended.append(world.store.enrol(asked, world.subscriber_service.keys.hashed(asked.canonical), world.now))

    threads = [threading.Thread(target=enrol, args=(asked,)) for asked in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert ended == [True, True]
    assert [each.digest for each in world.people.find("ann@example.org").subscriptions] == ["daily", "evening"]


@pytest.mark.parametrize("place", ["sign-up", "import", "freezing", "sending"])
def test_suppression_is_looked_up_at_four_places(world: World, place: str) -> None:
    """By any spelling; whatever came before, nothing is mailed."""
    world.begin()
    proof = Proof(source="paper", given_at=world.now)
    if place in ("freezing", "sending"):
        world.people.add("ann@example.org", (Choice(digest="daily"),), world.now, proof=proof)
    if place != "sending":
        world.people.suppress("Ann@EXAMPLE.org", "", world.now)
    if place == "sign-up":
        world.ask()
        assert world.sent() == []
    if place == "import":
        report = world.people.import_csv(
            b"address\nANN@example.org\n", world.now, default=(Choice(digest="daily"),), proof=proof, dry_run=False
        )
        assert report.counts == {Added.SUPPRESSED: 1}
    world.later(days=1)
    world.news("more")
    app = world.app()
    collect_posts(app)
    frozen = publish_frozen_editions(app, freeze_due_editions(app))
    if place == "sending":
        assert any(made.recipients for made in frozen.made)
        world.people.suppress("Ann@EXAMPLE.org", "", world.now)
    send_mail(app)
    assert world.new_mails() == []
    if place == "sending":
        assert world.store.counts()[DeliveryState.SKIPPED] == 1


def test_a_failing_database_tells_no_address(world: World) -> None:
    """Neither in our message nor in what it comes from, which a log may hold."""

    def write() -> None:
        values = dict.fromkeys(("address", "canonical", "hash", "frequency", "zone"), "ann@example.org")
        with world.store._database.changing() as connection:
            connection.insert_many("subscriber", (*values, "created_at"), [(*values.values(), None)])

    with pytest.raises(StoreError, match="the database failed") as caught:
        write()
    told = "".join(traceback.format_exception(caught.value))
    assert "ann@" not in told


def test_unconfirmed_sign_ups_are_forgotten(world: World) -> None:
    """After 14 days; readers who confirmed stay."""
    world.join("ann@example.org")
    world.ask("bob@example.org")
    world.sent()
    world.later(days=13)
    world.subscriber_service.prepare(world.now)
    assert world.store.subscriber_by("bob@example.org") is not None
    world.later(days=2)
    world.subscriber_service.prepare(world.now)
    assert world.store.subscriber_by("bob@example.org") is None
    assert world.store.subscriber_by("ann@example.org") is not None
    assert not world.store.tidy(world.now, keep_addresses=timedelta(days=90))


def test_a_list_is_asked_some_a_day(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their time to confirm begins with the mail; until then they stay, however long it takes, and can be erased."""
    monkeypatch.setattr("digest.jobs.subscribers.signup.LIST_MAILS", 2)
    text = "".join(f"{name}@example.org\n" for name in "abcdef")

    def load() -> dict[Added, int]:
        default = (Choice(digest="daily"),)
        return world.people.import_csv(text.encode(), world.now, default=default, proof=None, dry_run=False).counts

    assert load() == {Added.ASKED: 6}
    assert load() == {Added.KNOWN: 6}
    assert [str(mail["To"]) for mail in world.sent()] == ["a@example.org", "b@example.org"]
    assert world.sent() == []
    world.ask("z@example.org")
    assert [str(mail["To"]) for mail in world.sent()] == ["z@example.org"]
    world.people.erase("e@example.org", world.now)
    world.people.remove("f@example.org", world.now)
    world.later(days=20)
    world.subscriber_service.prepare(world.now)
    assert world.store.subscriber_by("a@example.org") is None
    first, second = world.sent()
    assert (first["To"], second["To"]) == ("c@example.org", "d@example.org")
    world.later(days=6)
    assert world.signup.confirm(token(link(first)), world.now) is not None
    assert world.people.find("c@example.org").active
    assert world.sent() == []
    world.later(days=7)
    world.subscriber_service.prepare(world.now)
    assert world.store.subscriber_by("d@example.org") is not None
    world.later(days=2)
    world.subscriber_service.prepare(world.now)
    assert world.store.subscriber_by("d@example.org") is None


def test_links_of_the_mail_name_no_address(quick: World) -> None:
    """No address in any URL."""
    quick.join()
    quick.ask()
    for mail in quick.sent():
        for each in links(mail):
            assert "ann" not in each
            assert "@" not in each
