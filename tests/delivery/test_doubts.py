"""What is in doubt is decided by the operator; what must not go out any more is cancelled."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from delivery_world import World
from scripted_smtp import Close, at, serving

from digest.cli import main
from digest.errors import StoreError
from digest.jobs.delivery.doubts import Doubts
from digest.models import EditionState, Reply
from digest.ports import CommitBatch
from tests.run.site_folder import CONFIG, Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site")


@pytest.fixture
def doubtful(world: World) -> World:
    """Three of five messages got no answer; nothing is sent again without a word."""
    world.freeze(5)
    with serving(at("dot", Close(), Close(), Close())) as server:
        for _ in range(3):
            world.deliver(world.smtp(server), resend=False)
    assert world.states() == {"in_doubt": 3, "sent": 2}
    return world


def doubts(world: World) -> Doubts:
    return Doubts(world.store, world.clock.now())


def test_doubts_are_listed(doubtful: World) -> None:
    """With what is needed to look them up in a mail server's log, and until when they can be sent again."""
    first, *_ = found = doubts(doubtful).all()
    assert len(found) == 3
    row = doubtful.rows()[0]
    assert (first.address, first.message_id, first.attempts) == (row.address, row.message_id, 1)
    assert (first.digest, first.selection, first.period) == ("daily", "", "2026-11-24")
    assert first.reason
    assert first.expires_at == doubtful.store.edition_by_key(row.edition_key).expires_at


def test_a_doubt_is_sent_again_on_the_operators_word(doubtful: World) -> None:
    """With hold too, with the same bytes; the edition, which was finished, goes on, and ends once more."""
    assert doubtful.edition_states() == [("2026-11-24", "finished")]
    one = doubts(doubtful).resend("daily", "2026-11-24", " Reader0@example.com")
    assert (one.changed, one.late) == (1, 0)
    assert doubtful.edition_states() == [("2026-11-24", "sending")]
    with serving() as server:
        assert doubtful.deliver(doubtful.smtp(server), resend=False).sent == 1
        assert [each.recipient for each in server.accepted] == ["reader0@example.com"]
        assert doubts(doubtful).resend("daily", "2026-11-24").changed == 2
        assert doubtful.deliver(doubtful.smtp(server), resend=False).sent == 2
        assert all(len(forms) == 1 for forms in server.bytes_of().values())
    assert doubtful.states() == {"sent": 5}
    assert doubtful.edition_states() == [("2026-11-24", "finished")]


def test_a_doubt_is_taken_as_sent(doubtful: World) -> None:
    """And never sent again."""
    assert doubts(doubtful).sent("daily", "2026-11-24").changed == 3
    assert doubtful.states() == {"sent": 5}
    assert doubtful.rows()[0].reply_text == "taken as sent by the operator"
    with serving() as server:
        assert doubtful.deliver(doubtful.smtp(server)).line() == "nothing to send"
        assert server.accepted == []


def test_what_is_too_late_stays_in_doubt(doubtful: World) -> None:
    """Yesterday's news is not sent, not even on the operator's word."""
    doubtful.clock.sleep(19 * 3600)
    settled = doubts(doubtful).resend("daily", "2026-11-24")
    assert (settled.changed, settled.late) == (0, 3)
    assert doubtful.states() == {"in_doubt": 3, "sent": 2}


@pytest.mark.parametrize("name", [("daily", "2026-11-25"), ("evening", "2026-11-24")])
def test_what_is_not_in_doubt_is_told(doubtful: World, name: tuple[str, str]) -> None:
    with pytest.raises(StoreError, match=f"{name[0]} {name[1]}: nothing of it is in doubt; see digest doubts list"):
        doubts(doubtful).resend(*name)
    with pytest.raises(StoreError, match="in doubt for this address"):
        doubts(doubtful).sent("daily", "2026-11-24", "nobody@example.com")


def test_a_decision_does_not_undo_another(doubtful: World) -> None:
    """Rows that are in doubt no more stay as they are: the late answer of the same attempt, or another operator."""
    keys = [each.key for each in doubts(doubtful).all()]
    now = doubtful.clock.now()
    assert doubtful.store.settle_doubts(keys[:1], now, sent=True) == 1
    assert doubtful.store.settle_doubts(keys, now, sent=False) == 2
    assert doubtful.states() == {"sent": 3, "queued": 2}


def test_of_a_cancelled_edition_nothing_is_sent_again(doubtful: World) -> None:
    """Neither by itself nor on a word; it can still be taken as sent."""
    doubtful.freeze(["later@example.com"], "2026-11-25")
    [key] = {row.edition_key for row in doubtful.rows() if row.state == "in_doubt"}
    assert doubtful.store.cancel_edition("daily", "2026-11-24", doubtful.clock.now()) is None, "it is finished"
    keys = [each.key for each in doubts(doubtful).all()]
    doubtful.store.settle_doubts(keys[:1], doubtful.clock.now(), sent=False)
    assert doubtful.store.cancel_edition("daily", "2026-11-24", doubtful.clock.now()) == 1
    assert doubts(doubtful).resend("daily", "2026-11-24").changed == 0
    assert doubtful.store.release_doubtful() == 0
    assert doubts(doubtful).sent("daily", "2026-11-24").changed == 2
    assert doubtful.store.edition_by_key(key).state is EditionState.CANCELLED


def test_cancelling_takes_comebacks_with_it(world: World) -> None:
    """What was on its way and is refused for now is not tried again."""
    world.freeze(3)
    now = world.clock.now()
    [row] = world.store.claim(now, 1, timedelta(minutes=2))
    assert world.store.turn(CommitBatch(now=now, begun=row, until=now + timedelta(minutes=11))).leased
    assert world.store.cancel_edition("daily", "2026-11-24", now) == 2
    assert world.store.cancel_edition("daily", "2026-11-24", now) is None
    assert world.store.retry(row, now, Reply(code=451, text="later"), counted=True)
    assert world.states() == {"queued": 1, "skipped": 2}
    world.store.settle(now)
    assert world.states() == {"skipped": 3}


# ------------------------------------------------------------- the commands


def test_the_commands(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """As an operator uses them: a run leaves a doubt and says what to do; it is listed, and settled."""
    with serving(at("dot", Close())) as server:
        smtp = f"  transport: smtp\n  host: 127.0.0.1\n  port: {server.port}\n  security: none\n  in_doubt: hold\n"
        site.configure(CONFIG.replace("mail:\n", f"mail:\n{smtp}", 1))
        site.some_posts()
        run = site.run(as_of=None)
        assert run.code == 1
        assert "see: digest doubts list" in run.err + run.out
        [period] = [line.split()[1] for line in said(capsys, site, "doubts", "list").splitlines()]
        values = json.loads(said(capsys, site, "doubts", "list", "--json"))
        assert (values["digest"], values["period"], values["attempts"]) == ("daily", period, 1)
        assert values["message_id"].startswith("<")
        assert "1 queued again" in said(capsys, site, "doubts", "resend", "daily", period)
        assert "nothing is in doubt" in said(capsys, site, "doubts", "list")
        assert "1 sent" in site.command("deliver", "--once").out
        assert len(server.accepted) == 1
        told = said(capsys, site, "doubts", "sent", "daily", period, code=1)
        assert f"daily {period}: nothing of it is in doubt" in told


def test_cancelling_by_command(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """What waits for a server out of reach is called off; what is not to be sent is said to be so."""
    from tests.run.test_faults import free_port

    smtp = f"  transport: smtp\n  host: 127.0.0.1\n  port: {free_port()}\n  security: none\n"
    site.configure(CONFIG.replace("mail:\n", f"mail:\n{smtp}", 1))
    site.some_posts()
    site.run(as_of=None)
    from digest.store import open_store

    with open_store(f"sqlite:///{site.folder}/var/digest.db") as store:
        period = store.editions("daily")[0].period
    assert "cancelled, 1 mail not sent" in said(capsys, site, "editions", "cancel", "daily", period)
    assert "there is nothing to be sent" in said(capsys, site, "editions", "cancel", "daily", period, code=1)
    assert "nothing to send" in site.command("deliver", "--once").out


def said(capsys: pytest.CaptureFixture[str], site: Site, *words: str, code: int = 0) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main([*words, "--config", str(Path(site.folder) / "config.yaml")])
    assert ended.value.code == code
    out = capsys.readouterr()
    return out.out + out.err
