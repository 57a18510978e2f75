"""Editions for subscribers: who gets which, when, and with which links."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from digest.app.collecting import collect_posts
from digest.app.publishing import freeze_due_editions, publish_frozen_editions
from digest.app.sending import composer, send_mail
from digest.edition.selection import Selection
from digest.jobs.editions.make import mail_for
from digest.jobs.subscribers.people import Proof
from digest.jobs.subscribers.signup import Opened
from digest.models import Delivery, DeliveryState, RenderedMail, SavedEdition
from digest.store.database.basics import to_seconds
from digest.subscribers.subscription import Choice, EditionSubscriber, Frequency, Preferences
from tests.subscribers.reader_world import CONFIG, World, html_of, link, links, opened, text_of, token

PROOF = Proof(source="form on paper", given_at=datetime(2026, 1, 1, tzinfo=UTC))
MORNING = datetime(2026, 11, 25, 0, 1, tzinfo=UTC)
"""Wednesday, 08:01 in Shanghai."""


def admit(
    world: World, address: str, *categories: str, digest: str = "daily", preferences: Preferences | None = None
) -> None:
    """Take somebody in who is active at once."""
    world.people.add(
        address, (Choice(digest=digest, categories=categories),), world.now, preferences=preferences, proof=PROOF
    )


def morning(world: World, *names: str) -> list[EmailMessage]:
    """The next morning's run, with this news (``category`` each): the mails that leave."""
    world.now = MORNING
    for number, name in enumerate(names):
        world.news(f"news-{number}", name, title=f"{name} 要闻")
    world.run()
    return world.new_mails()


def to(mails: list[EmailMessage]) -> list[str]:
    return [str(mail["To"]) for mail in mails]


def test_who_gets_an_edition(world: World) -> None:
    """The active ones; not who is pending, left, suppressed, paused, or reads something else."""
    world.begin()
    for who in ("active", "left", "suppressed", "paused", "back"):
        admit(world, f"{who}@example.org")
    admit(world, "evening@example.org", digest="evening")
    world.ask("pending@example.org")
    world.sent()
    world.people.remove("left@example.org", world.now)
    world.people.suppress("suppressed@example.org", "", world.now)
    for who, until in (("paused", date(2026, 11, 26)), ("back", date(2026, 11, 25))):
        manage = token(world.manage_link(f"{who}@example.org"))
        assert world.signup.change(manage, Preferences(paused_until=until), (Choice(digest="daily"),), world.now)
    mails = morning(world, "macro")
    assert to(mails) == ["active@example.org", "back@example.org"]


def test_who_leaves_after_the_freeze_gets_nothing(world: World) -> None:
    """Looked up again right before each send: unsubscribed, suppressed, paused, erased."""
    world.begin()
    for who in ("stays", "leaves", "suppressed", "pauses", "erased"):
        admit(world, f"{who}@example.org")
    world.now = MORNING
    world.news("news")
    app = world.app()
    collect_posts(app)
    publish_frozen_editions(app, freeze_due_editions(app))
    world.people.remove("leaves@example.org", world.now)
    world.people.suppress("suppressed@example.org", "", world.now)
    pause = Preferences(paused_until=date(2026, 12, 1))
    world.signup.change(token(world.manage_link("pauses@example.org")), pause, (Choice(digest="daily"),), world.now)
    world.people.erase("erased@example.org", world.now)
    report = send_mail(world.app())
    assert to(world.new_mails()) == ["stays@example.org"]
    assert report.skipped == 3
    assert world.store.counts()[DeliveryState.SKIPPED] == 4


def test_readers_get_the_categories_that_they_chose(world: World) -> None:
    """Of one edition; with nothing new in them, no mail."""
    world.begin()
    admit(world, "all@example.org")
    admit(world, "macro@example.org", "macro")
    admit(world, "two@example.org", "macro", "stocks")
    admit(world, "funds@example.org", "funds")
    mails = dict(zip(to(found := morning(world, "macro", "stocks")), found, strict=True))
    assert list(mails) == ["all@example.org", "macro@example.org", "two@example.org"]
    shown = {who: [name for name in ("macro", "stocks") if f"{name} 要闻" in text_of(mails[who])] for who in mails}
    assert shown == {
        "all@example.org": ["macro", "stocks"],
        "macro@example.org": ["macro"],
        "two@example.org": ["macro", "stocks"],
    }
    assert len({str(mail["List-Id"]) for mail in mails.values()}) == 1
    assert len({str(mail["Message-ID"]) for mail in mails.values()}) == 3
    page = (world.folder / "public/editions/daily/2026-11-25/index.html").read_text(encoding="utf-8")
    assert "stocks 要闻" in page
    assert world.store.unpublished_pages() == []
    with world.store._database.asking() as connection:
        assert connection.value("SELECT count(*) FROM edition WHERE kind = 'digest' AND period = '2026-11-25'") == 1
        chosen = dict(connection.rows("SELECT address, selection FROM delivery WHERE list_key IS NOT NULL"))
    assert chosen == {
        "all@example.org": "",
        "macro@example.org": '{"categories":["macro"]}',
        "two@example.org": '{"categories":["macro","stocks"]}',
    }


def test_a_mail_is_made_once_for_all_who_chose_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By all workers together: who tries again after an upgrade sends what was made before."""
    made: list[str] = []

    def counted(saved: SavedEdition, selection: str, *rest: Any) -> RenderedMail:
        made.append(selection)
        return mail_for(saved, selection, *rest)

    monkeypatch.setattr("digest.jobs.editions.make.mail_for", counted)
    world.begin()
    for number in range(30):
        admit(world, f"{number}@example.org", *(("macro",), ("stocks",), ())[number % 3])
    mails = morning(world, "macro", "stocks")
    assert len(mails) == 30
    assert sorted(made) == [str(Selection.of([name])) for name in ("macro", "stocks")]
    [row] = world.store.mails_to("0@example.org", world.people.find("0@example.org").key)[:1]
    saved = world.store.edition_by_key(row.edition.key)
    again = Delivery(
        key=1,
        edition_key=saved.key,
        address="0@example.org",
        message_id=str(mails[0]["Message-ID"]),
        token="t",
        attempts=2,
        lease="2",
        selection=row.selection,
    )
    monkeypatch.setattr("digest.jobs.editions.make.mail_for", None)
    [first] = [mail for mail in mails if mail["To"] == "0@example.org"]
    retried = message_from_bytes(composer(world.app())(again, saved).message, policy=policy.default)
    assert retried.get_boundary() == first.get_boundary(), "which is made of subject and both parts"


def test_once_a_week(world: World) -> None:
    """Readers of one mail a week get what is new since the last one, on the configured day, under the same list."""
    world.begin()
    admit(world, "weekly@example.org", preferences=Preferences(frequency=Frequency.WEEKLY))
    admit(world, "daily@example.org")
    world.run()
    assert to(morning(world, "macro")) == ["daily@example.org"]
    world.later(days=1)
    world.news("thursday", "stocks", title="周四要闻")
    world.run()
    assert to(world.new_mails()) == ["daily@example.org"]
    world.now = datetime(2026, 11, 30, 0, 1, tzinfo=UTC)  # Monday
    world.news("monday", "macro", title="周一要闻")
    report = world.run()
    mails = dict(zip(to(found := world.new_mails()), found, strict=True))
    assert sorted(mails) == ["daily@example.org", "weekly@example.org"]
    weekly = mails["weekly@example.org"]
    assert [name in text_of(weekly) for name in ("macro 要闻", "周四要闻", "周一要闻")] == [True] * 3
    assert "周四要闻" not in text_of(mails["daily@example.org"])
    assert weekly["List-Id"] == mails["daily@example.org"]["List-Id"]
    assert str(weekly["Subject"]) == "周一要闻｜11月23日至29日", "the days that it covers"
    assert "每周" in text_of(weekly)
    assert report.ok
    world.signup.unsubscribe(token(str(weekly["List-Unsubscribe"]).strip("<>")), world.now)
    assert world.people.find("weekly@example.org").active == ()
    assert (world.folder / "public/editions/daily--weekly/2026-W49/index.html").exists()


def test_a_weekly_digest_goes_to_both_kinds_of_readers(quick: World) -> None:
    """Where there is only one edition a week, wishing for one mail a week changes nothing."""
    admit(quick, "a@example.org", preferences=Preferences(frequency=Frequency.WEEKLY))
    assert readers(quick) == []
    config = CONFIG.replace('"daily 08:00"', '"weekly sat 08:00"')
    (quick.folder / "config.yaml").write_text(config, encoding="utf-8")
    from digest.config import load

    quick.settings = load(quick.folder / "config.yaml", {"DIGEST_STORE": quick.settings.store.url})
    assert readers(quick) == ["a@example.org"]
    assert [plan.name for plan in quick.app().plans()] == ["daily", "evening"]


def readers(world: World) -> list[str]:
    """Of the daily digest."""
    plan = world.app().configured_plans()[0]
    return [each.address for each in world.subscriber_service.audience(plan, world.now)]


def test_own_hour_and_zone(world: World) -> None:
    """Mail waits in the queue until the reader's hour, and expires as long after it as all others."""
    world.begin()
    admit(world, "now@example.org")
    admit(world, "nine@example.org", preferences=Preferences(hour=9))
    admit(world, "berlin@example.org", preferences=Preferences(hour=7, zone="Europe/Berlin"))
    admit(world, "tomorrow@example.org", preferences=Preferences(hour=7))
    assert to(morning(world, "macro")) == ["now@example.org"]
    for hours, expected in (
        (1, ["nine@example.org"]),
        (5, ["berlin@example.org"]),
        (16.9, []),
        (0.1, ["tomorrow@example.org"]),
    ):
        world.later(hours=hours)
        send_mail(world.app())
        assert to(world.new_mails()) == expected
    assert world.store.counts()[DeliveryState.EXPIRED] == 0


def test_mail_that_waited_too_long_expires(world: World) -> None:
    """18 hours after the reader's own hour, not after the freeze."""
    world.begin()
    admit(world, "nine@example.org", preferences=Preferences(hour=9))
    morning(world, "macro")
    world.later(hours=18, minutes=50)
    assert world.store.expire(world.now) == 0
    world.later(minutes=20)
    send_mail(world.app())
    assert world.new_mails() == []
    assert world.store.counts()[DeliveryState.EXPIRED] == 1


def test_links_of_a_subscriber(world: World) -> None:
    """One https URI under 70 characters that names subscriber and list, and the one-click field; links that
    manage and leave in both bodies; the operator's own addresses get neither."""
    config = CONFIG.replace("mail:\n", "mail:\n  to: [desk@example.com, Ann@example.org]\n")
    (world.folder / "config.yaml").write_text(config, encoding="utf-8")
    from digest.config import load

    world.settings = load(world.folder / "config.yaml", {"DIGEST_STORE": world.settings.store.url})
    world.begin()
    admit(world, "ann@example.org")
    admit(world, "bob@example.org")
    ann, bob, signup = morning(world, "macro")
    assert to([ann, bob, signup]) == ["Ann@example.org", "bob@example.org", "desk@example.com"]
    assert bob["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    uri = str(bob["List-Unsubscribe"])
    assert uri.startswith("<https://")
    assert len(uri) - 2 < 70
    for read in (text_of(bob), html_of(bob)):
        assert uri.strip("<>") in read
        assert world.manage_link("bob@example.org") in read
        assert "管理者" not in read
        assert "%%" not in read
    assert len(links(bob)) == 2
    for listed in (ann, signup):
        assert "List-Unsubscribe" not in listed
        assert links(listed) == []
        assert "管理者" in text_of(listed)


def test_the_envelope_names_the_delivery(world: World) -> None:
    """``b+TOKEN@`` the address for bounces; a token holds through servers that lower-case it."""
    world.begin()
    admit(world, "ann@example.org")
    app = world.app()
    world.now = MORNING
    world.news("news")
    app = world.app()
    collect_posts(app)
    publish_frozen_editions(app, freeze_due_editions(app))
    (row,) = world.store.claim(world.now, 1, timedelta(minutes=2))
    envelope = composer(app)(row, world.store.edition_by_key(row.edition_key)).envelope_from
    local, _, domain = envelope.partition("@")
    assert local == f"b+{row.token}"
    assert domain == "bounces.example.com"
    assert row.token == row.token.lower()
    assert len(local) <= 64


def test_without_an_address_for_bounces_the_envelope_is_the_senders(quick: World) -> None:
    (quick.folder / "config.yaml").write_text(CONFIG.replace("  bounce_address: b@bounces.example.com\n", ""))
    from digest.config import load

    quick.settings = load(quick.folder / "config.yaml", {})
    assert quick.subscriber_service.envelope_from("x" * 32) == "digest@news.example.com"


def test_whoever_confirms_later_waits(world: World) -> None:
    """The audience is the one at the freeze; the next edition goes to newcomers too."""
    world.begin()
    assert to(morning(world, "macro")) == []
    world.join("late@example.org")
    world.run()
    assert world.new_mails() == []
    world.later(days=1)
    world.news("thursday")
    world.run()
    assert to(world.new_mails()) == ["late@example.org"]


def test_one_click_from_one_day_to_the_next(world: World) -> None:
    """Two subscribe and get a mail each; one leaves; the next day's run leaves one mail."""
    world.begin()
    world.join("ann@example.org")
    world.join("bob@example.org")
    mails = morning(world, "macro")
    assert to(mails) == ["ann@example.org", "bob@example.org"]
    page = world.signup.unsubscribe(token(str(mails[0]["List-Unsubscribe"]).strip("<>")), world.now)
    assert page is not None
    assert page.opened is Opened.UNSUBSCRIBE
    world.later(days=1)
    world.news("thursday")
    world.run()
    assert to(world.new_mails()) == ["bob@example.org"]


def test_a_dry_run_sends_and_keeps_nothing(tmp_path: Path, empty_sqlite: Path) -> None:
    """With --dry-run no secret is made and nobody is noted as served."""
    path = tmp_path / "digest.db"
    path.write_bytes(empty_sqlite.read_bytes())
    with opened(tmp_path / "site", f"sqlite:///{path}") as world:
        world.news("first")
        result = world.site.run("--dry-run", as_of="2026-11-24 12:00")
        assert result.code == 0
        assert not (tmp_path / "site" / "var").exists()


def test_without_subscribers_no_secret_is_made(quick: World) -> None:
    """Who never uses subscriptions has nothing to keep."""
    quick.begin()
    assert not (quick.folder / "var" / "secret").exists()


def test_notices_do_not_show_in_reports(quick: World) -> None:
    """A mail about a subscription is no edition that finishes."""
    quick.ask()
    app = quick.app()
    app.subscriber_service.signup.handle(quick.now)
    report = send_mail(app)
    assert report.sent == 1
    assert report.finished == ()


def test_notices_expire(world: World) -> None:
    """A link that lasts an hour is not mailed the day after."""
    manage = token(world.join())
    from digest.subscribers.subscription import ActionRequest

    world.signup.request(manage, ActionRequest.EXPORT, world.now)
    world.later(hours=2)
    assert world.sent() == []
    world.ask("bob@example.org")
    world.signup.handle(world.now)
    world.later(hours=25)
    assert world.sent() == []


@pytest.mark.slow
def test_memory_does_not_grow_with_the_list(quick: World) -> None:
    """Freezing for 20,000 subscribers takes hardly more memory than for 2,000, and each gets one row."""
    peaks = []
    for number in (2_000, 20_000):
        fill(quick, number)
        tracemalloc.start()
        app = quick.app()
        count = sum(
            isinstance(each, EditionSubscriber) for each in app.subscriber_service.audience(app.plans()[0], quick.now)
        )
        assert count == number
        from digest.period import Slot
        from tests.store.conftest import Maker

        frozen = Maker().edition(f"n{number}")
        from digest.jobs.editions.make import _recipients

        slot = Slot(period=frozen.period, day=date(2026, 11, 24), at=quick.now)
        recipients = _recipients(
            app.configured_plans()[0], slot, app.audience(), quick.settings.site.timezone, quick.now, ()
        )
        assert quick.store.freeze(frozen, recipients) is not None
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert quick.store.counts().total == 22_000
    assert peaks[1] < peaks[0] * 1.5


def fill(world: World, number: int) -> None:
    """Make it that many active subscribers, quickly."""
    moment = to_seconds(world.now)
    with world.store._database.changing() as connection:
        have = connection.value("SELECT count(*) FROM subscriber")
        keys = range(have + 1, number + 1)
        connection.insert_many("reader_list", ("key", "digest"), [(1, "daily")], or_ignore=True)
        connection.insert_many(
            "subscriber",
            ("key", "address", "canonical", "hash", "created_at", "frequency", "zone"),
            [(key, *(f"r{key}@example.org",) * 2, f"{key:032x}", moment, "daily", "") for key in keys],
        )
        connection.insert_many(
            "subscription",
            ("subscriber_key", "list_key", "state", "categories", "selection", "since"),
            [(key, 1, "active", "[]", "", moment) for key in keys],
        )


def test_a_confirmation_can_be_opened_from_its_mail(quick: World) -> None:
    """Both bodies of a notice have the same one link."""
    quick.ask()
    (mail,) = quick.sent()
    assert link(mail) in text_of(mail)
    assert link(mail) in html_of(mail)
