"""Channels beside mail: each by itself on one ledger, and none of them a reason for another to stop."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import webhook_driver
from delivery_world import FINAL, START, World, channel_edition, check_invariants
from scripted_smtp import Hang, at, serving
from webhook_driver import POINTS

from digest.channels.webhook import Limits, Webhook
from digest.jobs.delivery.deliver import DeliverOptions, DeliveryReport, Route
from digest.jobs.delivery.doubts import Doubts
from digest.mail.dry_run import DryRunChannel
from digest.models import Delivery, DeliveryState, SavedEdition
from tests.program import run_forked
from tests.webhook_server import WELL, WebhookServer, webhook

QUICK = Limits(connect=5, step=0.4, whole=2)
BUSY = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
NO = "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"


def route(url: str, name: str = "chat", *, limits: Limits | None = None, **options: Any) -> Route:
    return Route(
        name=name,
        channel=Webhook(Webhook.Settings(), url, limits=limits),
        compose=channel_edition,
        options=DeliverOptions(**options),
    )


def deliver(world: World, *routes: Route, **given: Any) -> DeliveryReport:
    """With nobody who gets mail."""
    return world.deliver(DryRunChannel(), *routes, **given)


def test_an_edition_goes_by_mail_and_by_channels(world: World) -> None:
    world.freeze(3, channels=("chat", "log"))
    with serving() as server, webhook() as chat, webhook() as log:
        report = world.deliver(world.smtp(server), route(chat.url), route(log.url, "log"))
        assert world.deliver(world.smtp(server), route(chat.url), route(log.url, "log")).line() == "nothing to send"
        assert sum(server.copies().values()) == 3
    assert (report.line(), report.finished) == ("5 sent", ("daily 2026-11-24: finished",))
    assert [request.edition["subject"] for request in (*chat.accepted, *log.accepted)] == ["News of 2026-11-24"] * 2
    [key] = chat.copies()
    assert f"<{key}>" == next(row.message_id for row in world.rows() if row.address == "chat")
    assert {row.reply_text for row in world.rows() if row.address in ("chat", "log")} == {"OK"}


def test_a_row_waits_for_its_own_channel(world: World) -> None:
    """A worker that does not know a channel leaves its rows alone."""
    world.freeze(1, channels=("chat",))
    with serving() as server:
        assert world.deliver(world.smtp(server)).line() == "1 sent, 1 waiting"
    assert not world.store.is_due(world.clock.now())
    assert world.store.is_due(world.clock.now(), ("mail", "chat"))
    [row] = world.store.claim(world.clock.now(), 9, timedelta(minutes=2), "chat")
    assert (row.channel, row.address) == ("chat", "chat")
    assert [state for _, state in world.edition_states()] == ["sending"]


def test_a_channel_out_of_reach_stops_no_other(world: World) -> None:
    world.freeze(2, channels=("chat", "log"))
    with serving() as server, webhook() as log:
        with webhook() as gone:
            pass
        report = world.deliver(world.smtp(server), route(gone.url), route(log.url, "log"))
        assert (report.sent, report.waiting) == (3, 1)
        assert [line.partition(":")[0] for line in report.failures] == ["chat waits for the next run"]
        assert list(world.store.outages()) == ["chat"]
    with webhook() as chat:
        assert deliver(world, route(chat.url)).sent == 1
    assert world.store.outages() == {}


def test_mail_that_cannot_leave_stops_no_channel(world: World) -> None:
    world.freeze(2, channels=("chat",))
    with serving() as server:
        pass
    with webhook() as chat:
        report = world.deliver(world.smtp(server), route(chat.url))
        assert (report.sent, report.waiting) == (1, 2)
    assert list(world.store.outages()) == ["mail"]


def test_a_paused_edition_is_paused_for_mail_alone(world: World) -> None:
    """Mail servers refuse mail; what chat does with the edition is no business of theirs."""
    edition = world.freeze(2, channels=("chat",))
    assert world.store.pause_edition(edition.key, "refused", world.clock.now())
    with webhook() as chat:
        assert deliver(world, route(chat.url)).sent == 1
    assert world.edition_states() == [("2026-11-24", "paused")]
    assert world.store.resume_edition(edition.key, world.clock.now()) == 2


def test_what_a_channel_refuses_pauses_nothing(world: World) -> None:
    for day in range(20, 27):
        world.freeze(0, f"2026-11-{day}", channels=("chat",))
    with webhook(NO) as chat:
        report = deliver(world, route(chat.url))
    assert (report.failed, report.paused) == (7, ())
    assert len(report.failures) == 1
    assert report.failures[0].startswith("chat: not sent, and not tried again: 127.0.0.1: refuses it: HTTP 410 Gone")


def test_a_busy_receiver_is_asked_again_by_the_plan(sqlite_world: World) -> None:
    world = sqlite_world
    world.freeze(0, channels=("chat",))
    with webhook(lambda number: BUSY if number < 3 else WELL) as chat:
        for _ in range(3):
            assert deliver(world, route(chat.url)).retried == 1
            world.clock.sleep(1_200)
        assert deliver(world, route(chat.url)).sent == 1
    [row] = world.rows()
    assert (row.state, row.attempts) == ("sent", 4)
    assert len({request.body for request in chat.whole}) == 1, "all attempts have equal bytes"


def test_a_receiver_that_wants_to_be_left_alone_is(sqlite_world: World) -> None:
    sqlite_world.freeze(0, channels=("chat",))
    with webhook(BUSY.replace("\r\n\r\n", "\r\nRetry-After: 7200\r\n\r\n")) as chat:
        report = deliver(sqlite_world, route(chat.url))
    assert report.next_due == START + timedelta(hours=2)


@pytest.mark.parametrize("resend", [True, False])
def test_what_nobody_can_know_is_in_doubt(world: World, resend: bool) -> None:
    """As with mail: once more with the same key, or on the operator's word."""
    world.freeze(1, channels=("chat",))
    with serving() as server, webhook(lambda number: WELL if number else "hang") as chat:
        report = world.deliver(world.smtp(server), route(chat.url, limits=QUICK, resend=resend))
        assert (report.in_doubt, report.sent) == (1, 1 + resend)
        if not resend:
            doubts = Doubts(world.store, world.clock.now())
            assert [(each.channel, each.address) for each in doubts.all()] == [("chat", "chat")]
            assert world.deliver(world.smtp(server), route(chat.url, resend=False)).line() == "0 sent, 1 in doubt now"
            assert doubts.resend("daily", "2026-11-24", "chat").changed == 1
            assert deliver(world, route(chat.url)).sent == 1
        assert [request.key for request in chat.whole] == [request.key for request in chat.whole[:1]] * 2


def test_doubts_are_each_channels_own(sqlite_world: World) -> None:
    """``mail.in_doubt: hold`` holds no webhook, and the other way round."""
    world = sqlite_world
    world.freeze(1, channels=("chat",))
    with serving(at("dot", Hang())) as server, webhook("close") as chat:
        from delivery_world import QUICK as IMPATIENT

        report = world.deliver(world.smtp(server, limits=IMPATIENT), route(chat.url), resend=False)
        assert (report.in_doubt, report.repeated) == (3, 1)
        assert len(chat.whole) == 2


def test_what_waits_for_a_channel_that_was_taken_out_is_skipped(world: World) -> None:
    world.freeze(1, channels=("chat", "log"))
    with webhook() as gone:
        pass
    deliver(world, route(gone.url))
    now = world.clock.now()
    assert world.store.retire_channels(["log"], now) == 1
    assert world.store.retire_channels(["log"], now) == 0
    assert world.store.outages() == {}
    states = {row.address: (row.state, row.reply_text) for row in world.rows()}
    assert states["chat"] == ("skipped", "its channel is no longer configured")
    assert states["log"][0] == "queued"
    assert world.store.counts_elsewhere()["chat"][DeliveryState.SKIPPED] == 1
    assert list(world.store.counts_elsewhere()) == ["chat", "log"]


def test_what_breaks_one_channel_ends_the_run(sqlite_world: World) -> None:
    """A fault of ours is no outage: it is told, and no row is lost."""
    world = sqlite_world
    world.freeze(1, channels=("chat",))

    def broken(row: Delivery, edition: SavedEdition) -> None:
        raise RuntimeError("no such luck")

    with serving() as server, pytest.raises(RuntimeError, match="no such luck"):
        world.deliver(world.smtp(server), Route(name="chat", channel=DryRunChannel(), compose=broken))
    assert world.state_of("chat") == "queued"


# --------------------------------------------------------------------- kills

KINDS = ["sqlite", pytest.param("postgres", marks=[pytest.mark.postgres, pytest.mark.slow])]


@pytest.fixture(params=KINDS)
def killing_world(request: pytest.FixtureRequest) -> Iterator[World]:
    with World(request.getfixturevalue(f"{request.param}_url")) as world:
        yield world


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_point(point: str, killing_world: World) -> None:
    """Nothing lost, nothing twice; in doubt if the last byte may have left, and never otherwise."""
    world = killing_world
    world.freeze(0, channels=("chat",))
    with webhook() as chat:
        done = run_forked(webhook_driver.work, {"url": world.url, "to": chat.url, "point": point})
        assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr
        world.clock.sleep(121)
        deliver(world, route(chat.url, resend=False))
        world.clock.sleep(661)
        deliver(world, route(chat.url, resend=False))
        copies = list(chat.copies().values())
        uncertain = point in ("after-transmitting", "after-body", "after-reply")
        assert {row.state for row in world.rows()} == {"in_doubt" if uncertain else "sent"} <= FINAL
        assert copies == ([] if point == "after-transmitting" else [1])
        if uncertain:
            world.store.release_doubtful("chat")
            assert deliver(world, route(chat.url)).sent == 1
            assert len(chat.copies()) == 1, "whoever goes by the key has it once"


def test_invariants_of_mail_hold_beside_a_channel(sqlite_world: World) -> None:
    world = sqlite_world
    world.freeze(6, channels=("chat",))
    with serving() as server, webhook(BUSY) as chat:
        world.deliver(world.smtp(server, connections=2), route(chat.url), connections=2, resend=False)
        mails = [row for row in world.rows() if row.address != "chat"]
        check_invariants(mails, server, audience=6, hold=True, doubts_allowed=0)
    assert isinstance(chat, WebhookServer)
