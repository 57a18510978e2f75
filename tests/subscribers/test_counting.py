"""Old deliveries become counts in the course of runs, and nothing that a reader or the operator does needs them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from digest.app.asking import look_into_subscriber
from digest.app.assembly import App
from digest.app.moment import When
from digest.app.running import run_steps
from digest.app.sending import resume_edition
from digest.errors import StoreError
from digest.jobs.progress import silent
from digest.models import DeliveryState
from digest.subscribers.subscription import ListState
from tests.explain.test_subscribers import ANN, morning
from tests.subscribers.reader_world import World, token


def run_at_present(world: World) -> None:
    """By a clock that can be believed, as nothing is counted otherwise."""
    run_steps(App(world.settings, world.store, When(now=world.now, wall=world.now), dry_run=False, progress=silent), ())


def first(world: World) -> int:
    """The key of the edition that went to somebody first."""
    saved = world.store.edition("daily", "2026-11-25")
    assert saved is not None
    return saved.key


@pytest.fixture
def old(quick: World) -> World:
    """A world with three editions of forty days ago, one reader who got them, and the mail that the first had."""
    quick.begin()
    quick.join()
    for day in (25, 26, 27):
        morning(quick, day)
    quick.later(days=40)
    return quick


def test_runs_count_what_is_old(old: World) -> None:
    """Not by a clock that was never that late before: it may have jumped."""
    sent = old.store.counts(first(old))
    assert sent[DeliveryState.SENT] == 1
    run_at_present(old)
    assert not old.store.is_counted(first(old))
    old.later(days=1)
    run_at_present(old)
    assert old.store.is_counted(first(old))
    assert old.store.counts(first(old)) == sent


def test_rehearsals_and_other_times_count_nothing(old: World) -> None:
    for _ in range(2):
        old.later(days=1)
        old.run()
    assert not old.store.is_counted(first(old))


def test_links_of_old_mails_work(old: World) -> None:
    unsubscribe = next(mail["List-Unsubscribe"] for mail in old.new_mails() if "List-Unsubscribe" in mail)
    for _ in range(2):
        old.later(days=1)
        run_at_present(old)
    assert old.store.is_counted(first(old))
    assert old.signup.unsubscribe(token(unsubscribe.strip("<>")), old.now) is not None
    assert old.people.find(ANN).subscriptions[0].state is ListState.UNSUBSCRIBED


def test_what_is_asked_of_old_editions_is_answered(old: World) -> None:
    for _ in range(2):
        old.later(days=1)
        run_at_present(old)
    told = {fact.period: fact for fact in look_into_subscriber(old.app(), ANN, "daily", "2026-11-25").facts}
    assert told["2026-11-25"].code == "counted"
    assert "of old editions only counts are kept" in told["2026-11-25"].says
    with pytest.raises(StoreError, match="its deliveries are counted and no longer kept"):
        resume_edition(old.app(), "daily", "2026-11-25")
    assert timedelta(days=35) == old.settings.mail.keep_deliveries


def test_a_run_that_cannot_count_says_so_and_is_none_the_worse(old: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object) -> int:
        raise StoreError("store", "another program holds the database")

    monkeypatch.setattr(type(old.store), "count_old_deliveries", busy)
    app = App(old.settings, old.store, When(now=old.now, wall=old.now), dry_run=False, progress=silent)
    report = run_steps(app, ())
    assert report.ok
    assert "old deliveries were not counted: store: another program holds the database" in report.warnings
