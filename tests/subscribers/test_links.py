"""What the links in mails allow, to whom, and how long."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from msgspec.structs import replace

from digest.jobs.subscribers.signup import Opened
from digest.subscribers.subscription import ActionRequest, Choice, Frequency, Less, ListState, Preferences, lessened
from digest.subscribers.tokens import Keyring, Purpose, Token
from tests.subscribers.reader_world import World, link, token


def test_looking_changes_nothing(world: World) -> None:
    """Every link may be opened any number of times by anybody."""
    world.ask()
    (mail,) = world.sent()
    reader = world.people.find("ann@example.org")
    unsubscribe = world.subscriber_service.links.unsubscribe(reader.key, reader.subscriptions[0].list_key)
    for text in (token(link(mail)), token(unsubscribe), token(world.manage_link("ann@example.org"))):
        for _ in range(3):
            assert world.signup.open(text, world.now) is not None
    assert world.people.find("ann@example.org") == reader


def test_a_confirmation_lasts_seven_days(world: World) -> None:
    """Then its link is invalid; pressed in time it says the same ever after."""
    world.ask("late@example.org")
    world.ask("ann@example.org")
    mails = {str(mail["To"]): token(link(mail)) for mail in world.sent()}
    world.later(days=6, hours=23)
    assert world.signup.confirm(mails["ann@example.org"], world.now) is not None
    world.later(hours=2)
    assert world.signup.confirm(mails["late@example.org"], world.now) is None
    assert world.signup.open(mails["late@example.org"], world.now) is None
    page = world.signup.confirm(mails["ann@example.org"], world.now)
    assert page is not None
    assert page.consent is not None
    assert page.consent.confirmed_at is not None


def test_confirming_again_does_not_bring_back_who_left(world: World) -> None:
    """The second press changes nothing: a gateway that comes late subscribes nobody again."""
    world.ask()
    (mail,) = world.sent()
    world.signup.confirm(token(link(mail)), world.now)
    world.people.remove("ann@example.org", world.now)
    assert world.signup.confirm(token(link(mail)), world.now) is not None
    assert world.people.find("ann@example.org").active == ()


def test_unsubscribing_works_for_ever_and_any_number_of_times(world: World) -> None:
    """It ends that one list; years later too."""
    world.join()
    world.ask(digest="evening")
    (mail,) = world.sent()
    world.signup.confirm(token(link(mail)), world.now)
    reader = world.people.find("ann@example.org")
    daily = reader.to("daily")
    assert daily is not None
    text = token(world.subscriber_service.links.unsubscribe(reader.key, daily.list_key))
    world.later(days=4000)
    for _ in range(3):
        page = world.signup.unsubscribe(text, world.now)
        assert page is not None
        assert page.digest == "daily"
    assert [each.digest for each in world.people.find("ann@example.org").active] == ["evening"]
    world.signup.unsubscribe(text, world.now, everything=True)
    assert world.people.find("ann@example.org").active == ()


def test_an_erased_reader_is_told_the_same(world: World) -> None:
    """The link of a mail from before is still answered, and hits nobody who came later."""
    world.join()
    reader = world.people.find("ann@example.org")
    text = token(world.subscriber_service.links.unsubscribe(reader.key, reader.active[0].list_key))
    world.people.erase("ann@example.org", world.now)
    world.join("new@example.org")
    page = world.signup.unsubscribe(text, world.now)
    assert page is not None
    assert page.subscriber is None
    assert len(world.people.find("new@example.org").active) == 1


def test_a_link_is_good_for_its_own_purpose_alone(world: World) -> None:
    """Every use case refuses every other kind of link, forged ones and those of another list."""
    manage = token(world.join())
    world.ask("bob@example.org")
    (mail,) = world.sent()
    reader = world.people.find("ann@example.org")
    unsubscribe = token(world.subscriber_service.links.unsubscribe(reader.key, reader.active[0].list_key))
    confirm = token(link(mail))
    forged = Keyring({1: "x" * 43}).sign(Token(purpose=Purpose.MANAGE, subject=reader.key))
    stamp = world.signup.stamp(world.now)
    signup, now = world.signup, world.now
    for wrong in (manage, unsubscribe, forged, stamp, "", "x" * 35):
        assert signup.confirm(wrong, now) is None
    for wrong in (confirm, forged, stamp):
        assert signup.unsubscribe(wrong, now) is None
    for wrong in (confirm, unsubscribe, forged, stamp):
        assert signup.change(wrong, Preferences(), (), now) is None
        assert signup.request(wrong, ActionRequest.EXPORT, now) is None
        assert signup.export(wrong, now) is None
        assert signup.erase(wrong, now) is None
    assert world.people.find("ann@example.org").active == reader.active


def test_preferences(world: World) -> None:
    """Categories, frequency, hour, zone and pause of what is read; a digest that is not ticked is left."""
    manage = token(world.join())
    preferences = Preferences(frequency=Frequency.WEEKLY, hour=7, zone="Europe/Berlin", paused_until=date(2026, 12, 24))
    page = world.signup.change(manage, preferences, (Choice(digest="daily", categories=("funds",)),), world.now)
    assert page is not None
    assert page.subscriber is not None
    assert page.subscriber.preferences == preferences
    assert page.subscriber.active[0].categories == ("funds",)
    page = world.signup.change(manage, Preferences(), (), world.now)
    assert page is not None
    assert page.subscriber is not None
    assert page.subscriber.active == ()


def test_a_managing_link_cannot_bring_back_who_left(world: World) -> None:
    """A forwarded mail subscribes nobody: joining again takes a confirmation."""
    manage = token(world.join())
    world.people.remove("ann@example.org", world.now)
    world.signup.change(manage, Preferences(), (Choice(digest="daily"), Choice(digest="evening")), world.now)
    reader = world.people.find("ann@example.org")
    assert [each.state for each in reader.subscriptions] == [ListState.UNSUBSCRIBED]


@pytest.mark.parametrize("errand", [ActionRequest.EXPORT, ActionRequest.ERASE])
def test_export_and_erase_need_a_fresh_link(world: World, errand: ActionRequest) -> None:
    """Mailed to the reader's own address, good for one hour and for once."""
    manage = token(world.join())
    assert world.signup.request(manage, errand, world.now)
    assert world.signup.request(manage, errand, world.now)
    first, second = (token(link(mail)) for mail in world.sent())
    opened = Opened(errand.value)
    page = world.signup.open(first, world.now)
    assert page is not None
    assert page.opened is opened

    world.later(minutes=59)
    if errand is ActionRequest.EXPORT:
        data = world.signup.export(first, world.now)
        assert data is not None
        assert data["subscriber"]["address"] == "ann@example.org"
        assert data["subscriptions"][0]["digest"] == "daily"
        assert data["consents"][0]["text"] == "I want mail."
        assert [mail["digest"] for mail in data["mails"]] == ["@notice"] * 3
        assert world.signup.export(first, world.now) is None
        assert world.signup.open(first, world.now) is None
        world.later(minutes=2)
        assert world.signup.export(second, world.now) is None
    else:
        assert not world.signup.export(first, world.now), "the other errand's link"
        assert world.signup.erase(first, world.now) == ()
        assert world.signup.erase(first, world.now) is None
        assert world.signup.open(second, world.now) is None
        assert world.store.subscriber_by("ann@example.org") is None


def test_fresh_links_are_limited_too(world: World) -> None:
    """Three a day of each kind."""
    manage = token(world.join())
    assert [world.signup.request(manage, ActionRequest.EXPORT, world.now) for _ in range(4)] == [
        True,
        True,
        True,
        False,
    ]
    assert world.signup.request(manage, ActionRequest.ERASE, world.now)
    assert len(world.sent()) == 4


def test_erasing_leaves_counts_alone(world: World) -> None:
    """No trace of the address in any table; what was sent stays as a number; what waits is not sent."""
    world.begin()
    world.join("ann.very.special@example.org")
    world.news("news")
    world.later(days=1)
    world.news("more")
    world.run()
    before = world.store.counts().total
    reader = world.people.find("ann.very.special@example.org")
    world.signup.request(token(world.manage_link(reader.address)), ActionRequest.EXPORT, world.now)
    world.people.erase("ann.very.special@example.org", world.now)
    assert world.store.counts().total == before + 1
    world.new_mails()
    assert world.sent() == []
    assert "special" not in dump(world)


def test_old_deliveries_lose_their_addresses(world: World) -> None:
    """After the configured time; the subscriber stays, and so do counts."""
    world.begin()
    world.join("ann.very.special@example.org")
    world.later(days=1)
    world.news("more")
    world.run()
    total = world.store.counts().total
    kept = replace(world.people.find("ann.very.special@example.org"))
    world.later(days=89)
    world.subscriber_service.prepare(world.now)
    assert "special" in dump(world, "delivery")
    world.later(days=2)
    world.subscriber_service.prepare(world.now)
    assert "special" not in dump(world, "delivery")
    assert world.people.find("ann.very.special@example.org") == kept
    assert world.store.counts().total == total - 1, "mails about the subscription are gone altogether"


def dump(world: World, *names: str) -> str:
    """Every row of these tables, or of all, as text."""
    from digest.store.versions import tables

    with world.store._database.asking() as connection:
        return "\n".join(
            str(row) for table in names or tables("sqlite") for row in connection.rows(f'SELECT * FROM "{table}"')
        )


def test_confirmed_links_end_with_erasing(world: World) -> None:
    """After that the neutral answer, as for any link that is invalid."""
    world.ask()
    (mail,) = world.sent()
    world.signup.confirm(token(link(mail)), world.now)
    manage = token(world.manage_link("ann@example.org"))
    world.people.erase("ann@example.org", world.now)
    assert world.signup.open(token(link(mail)), world.now) is None
    assert world.signup.open(manage, world.now + timedelta(days=1)) is None


def test_less_mail_is_never_more() -> None:
    """A pause that lasts longer stays."""
    today = date(2026, 11, 24)
    for until, less, then in (
        (None, Less.PAUSE, date(2026, 12, 24)),
        (date(2026, 11, 25), Less.PAUSE, date(2026, 12, 24)),
        (date(2027, 3, 1), Less.PAUSE, date(2027, 3, 1)),
        (date(2027, 3, 1), Less.WEEKLY, date(2027, 3, 1)),
    ):
        assert lessened(Preferences(paused_until=until), less, today).paused_until == then
