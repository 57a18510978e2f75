"""A new address: confirmed there, told to the old one; nothing for whoever finds a forwarded mail."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from digest.cli import main
from digest.jobs.subscribers.people import Proof
from digest.jobs.subscribers.signup import Asked, Opened
from digest.subscribers.subscription import (
    ActionRequest,
    Choice,
    Frequency,
    ListState,
    Origin,
    Preferences,
    SuppressionReason,
)
from tests.subscribers.reader_world import World, link, text_of, token
from tests.subscribers.test_links import dump

OLD, NEW = "ann@example.org", "ann.new@example.net"


def form_link(world: World, manage: str) -> str:
    """What the preference page mails to the known address."""
    assert world.signup.request(token(manage), ActionRequest.MOVE, world.now)
    (mail,) = world.sent()
    assert mail["To"] == OLD
    return token(link(mail))


def confirm_link(world: World, manage: str, new: str = NEW) -> str:
    """What is mailed to the new address."""
    assert world.signup.move(form_link(world, manage), new, world.now) is Asked.NOTED
    (mail,) = world.sent()
    assert mail["To"] == new
    return token(link(mail))


def test_from_the_preferences_to_the_new_address(world: World) -> None:
    """Three mails: a link to the known address, one to the new address, and word to the old one. Choices, preferences
    and links in old mails stay."""
    manage = world.join(categories=("macro",), frequency=Frequency.WEEKLY)
    before = world.people.find(OLD)
    confirm = confirm_link(world, manage)
    assert world.people.find(OLD) == before, "nothing has changed yet"
    page = world.signup.open(confirm, world.now)
    assert page is not None
    assert page.opened is Opened.ARRIVE
    assert world.people.find(OLD) == before, "nor by opening the link"
    assert world.signup.arrive(confirm, world.now)
    (told,) = world.sent()
    assert told["To"] == OLD
    assert NEW not in text_of(told)
    assert link(told) == manage
    reader = world.people.find(NEW)
    assert (reader.key, reader.choices, reader.preferences) == (before.key, before.choices, before.preferences)
    assert world.store.subscriber_by(OLD) is None
    proof = world.store.consents(reader.key)[-1]
    assert (proof.origin, proof.address, proof.choices) == (Origin.MOVE, NEW, before.choices)
    assert proof.confirmed_at == world.now
    assert world.manage_link(NEW) == manage


def test_the_next_edition_goes_to_the_new_address(world: World) -> None:
    world.begin()
    confirm = confirm_link(world, world.join())
    world.signup.arrive(confirm, world.now)
    world.sent()
    world.later(days=1)
    world.news("more")
    world.run()
    assert [str(mail["To"]) for mail in world.new_mails()] == [NEW]


def test_links_last_an_hour_and_work_once(world: World) -> None:
    """The form's and the confirmation's, each by itself."""
    manage = world.join()
    form = form_link(world, manage)
    world.later(minutes=61)
    assert world.signup.move(form, NEW, world.now) is None
    confirm = confirm_link(world, manage)
    assert world.signup.arrive(confirm, world.now)
    assert not world.signup.arrive(confirm, world.now)
    world.sent()
    assert world.people.find(NEW).address == NEW


def test_a_late_confirmation_changes_nothing(world: World) -> None:
    confirm = confirm_link(world, world.join())
    world.later(minutes=61)
    assert world.signup.open(confirm, world.now) is None
    assert not world.signup.arrive(confirm, world.now)
    assert world.people.find(OLD).address == OLD


def test_other_links_move_nobody(world: World) -> None:
    """A forwarded mail holds links that manage and leave: neither names an address, neither confirms one; a form's link
    used once is invalid."""
    manage = world.join()
    reader = world.people.find(OLD)
    unsubscribe = token(world.subscriber_service.links.unsubscribe(reader.key, reader.active[0].list_key))
    form = form_link(world, manage)
    for wrong in (token(manage), unsubscribe, world.signup.stamp(world.now), "x" * 35):
        assert world.signup.move(wrong, NEW, world.now) is None
        assert not world.signup.arrive(wrong, world.now)
    assert not world.signup.arrive(form, world.now), "the form's link confirms nothing"
    assert world.signup.request(token(manage), ActionRequest.ARRIVE, world.now) is None, (
        "nobody can ask for the second one"
    )
    assert world.signup.move(form, NEW, world.now) is Asked.NOTED
    assert world.signup.move(form, "other@example.net", world.now) is None
    assert world.people.find(OLD) == reader


@pytest.mark.parametrize("typed", ["no address", "a@b\r\nBcc: x@example.org", '"a b"@example.org', ""])
def test_what_is_no_address_can_be_typed_again(world: World, typed: str) -> None:
    form = form_link(world, world.join())
    assert world.signup.move(form, typed, world.now) is Asked.BAD_ADDRESS
    assert world.signup.move(form, NEW, world.now) is Asked.NOTED


def test_the_answer_is_the_same_whoever_has_the_address(world: World) -> None:
    """Unknown, reading, suppressed: one answer. Who reads already is told so, once a day; a suppressed address
    gets nothing; neither can be taken."""
    world.join("bob@example.org")
    world.people.suppress("gone@example.org", "", world.now)
    manage = world.join()
    answers, mails = [], []
    for new in ("bob@example.org", "gone@example.org", NEW):
        form = form_link(world, manage)
        answers.append(world.signup.move(form, new, world.now))
        mails.append([str(mail["To"]) for mail in world.sent()])
        world.later(hours=25)
    assert answers == [Asked.NOTED] * 3
    assert mails == [["bob@example.org"], [], [NEW]]


def test_a_new_address_gets_three_mails_a_day(world: World) -> None:
    """Nobody can flood a stranger's mailbox."""
    world.store.clock(world.now)
    readers = [f"r{number}@example.org" for number in range(5)]
    for address in readers:
        proof = Proof(source="paper", given_at=world.now)
        world.people.add(address, (Choice(digest="daily"),), world.now, proof=proof)
        world.subscriber_service.moving.ask(world.people.find(address), world.people.parse(NEW), world.now)
    assert [str(mail["To"]) for mail in world.sent()] == [NEW] * 3


def test_an_address_taken_meanwhile_stays_its_readers(world: World) -> None:
    """Somebody subscribes with it between the two mails: they keep it, and this link is invalid."""
    confirm = confirm_link(world, world.join())
    world.join(NEW)
    assert not world.signup.arrive(confirm, world.now)
    assert {each.address for each in world.people.everybody()} == {OLD, NEW}


def test_an_address_suppressed_meanwhile_is_not_taken(world: World) -> None:
    confirm = confirm_link(world, world.join())
    world.people.suppress(NEW, "", world.now)
    assert not world.signup.arrive(confirm, world.now)


def test_an_address_that_reads_nothing_is_taken_over(world: World) -> None:
    """It was asked for once, or has left: what is known about it belongs to the reader from now on."""
    world.join(NEW, digest="evening")
    world.people.remove(NEW, world.now)
    ghost = world.people.find(NEW)
    confirm = confirm_link(world, world.join())
    assert world.signup.arrive(confirm, world.now)
    reader = world.people.find(NEW)
    assert reader.key != ghost.key
    assert [(each.digest, each.state) for each in reader.subscriptions] == [("daily", ListState.ACTIVE)]
    assert world.store.subscriber(ghost.key) is None
    assert len(world.store.consents(reader.key)) == 3


def test_bounces_of_the_old_mailbox_do_not_follow(world: World) -> None:
    """A held address is let go by moving; the suppression of the old one stays."""
    confirm = confirm_link(world, world.join())
    keys = world.subscriber_service.keys
    world.store.hold(keys.hashed(OLD), world.now + timedelta(days=7))
    world.store.suppress(keys.hashed(OLD), SuppressionReason.BOUNCE, "5.1.1", world.now)
    assert world.signup.arrive(confirm, world.now)
    reader = world.people.find(NEW)
    assert (reader.held_until, reader.suppressed) == (None, None)
    assert world.store.suppressed(keys.hashed(OLD)) is not None
    assert world.sent() == [], "and the old one is not written to"


def test_erasing_finds_both_addresses(world: World) -> None:
    """No trace of either in any table; the export shows the move."""
    confirm = confirm_link(world, world.join())
    world.signup.arrive(confirm, world.now)
    world.sent()
    told = json.dumps(world.people.dossier(NEW))
    assert '"origin": "move"' in told
    assert NEW in told
    world.people.erase(NEW, world.now)
    assert "example.net" not in dump(world)
    assert OLD not in dump(world)


def test_wishes_stay(world: World) -> None:
    manage = world.join()
    preferences = Preferences(hour=7, zone="Europe/Berlin", paused_until=date(2026, 12, 24))
    world.signup.change(token(manage), preferences, (Choice(digest="daily"),), world.now)
    assert world.signup.arrive(confirm_link(world, manage), world.now)
    assert world.people.find(NEW).preferences == preferences


# --------------------------------------------------------------- the command


def test_the_operator_moves_somebody(quick: World, capsys: pytest.CaptureFixture[str]) -> None:
    """With proof at once, the old address is told; without it the new one is asked; what cannot be is said."""

    def move(*words: str) -> tuple[object, str]:
        with pytest.raises(SystemExit) as ended:
            main(["subscribers", "move", *words, "--config", str(quick.folder / "config.yaml")])
        out = capsys.readouterr()
        return ended.value.code, out.out + out.err

    config = quick.folder / "config.yaml"
    config.write_text(config.read_text(encoding="utf-8") + f"store: {quick.settings.store.url}\n", encoding="utf-8")
    quick.now = datetime.now(UTC).replace(microsecond=0)  # the command's
    quick.join()
    assert move(OLD, NEW) == (0, f"{OLD} to {NEW}: asked to confirm at the new address\n")
    quick.later(minutes=1)
    assert [str(mail["To"]) for mail in quick.sent()] == [NEW]
    proof = ("--consent", "by letter", "--consent-date", "2026-11-20")
    assert move(OLD, NEW, *proof) == (0, f"{OLD} to {NEW}: moved\n")
    assert quick.people.find(NEW).address == NEW
    assert quick.store.consents(quick.people.find(NEW).key)[-1].text == "by letter"
    quick.later(minutes=1)
    assert [str(mail["To"]) for mail in quick.sent()] == [OLD]
    quick.join("bob@example.org")
    assert move("bob@example.org", NEW, *proof)[0] == 1
    assert "another subscriber has the new address" in move("bob@example.org", NEW)[1]
    quick.people.suppress("gone@example.org", "", quick.now)
    assert "the new address is suppressed" in move("bob@example.org", "gone@example.org", *proof)[1]
    assert move("nobody@example.org", NEW)[0] == 1
    assert "cannot be used" in move("bob@example.org", "rubbish")[1]
