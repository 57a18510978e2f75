"""Erased is erased: not only in the tables, but in the bytes of every file, while everything runs."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

import pytest
from click.testing import CliRunner

from digest.app.sending import send_mail
from digest.cli.subscribers import command
from digest.errors import StoreError, TemporaryFailure
from digest.jobs.delivery.deliver import file_name
from digest.jobs.subscribers.people import Proof
from digest.mail.folder import FolderChannel, remove_mails
from digest.models import Outgoing, Receipt, Target
from digest.ports import Commit
from digest.store.database import connect
from digest.subscribers.subscription import ActionRequest, Choice
from tests.scheduler.serve_process import Served, serving, until, write_site
from tests.subscribers.reader_world import World, link, token

NAME = "Zoe.Very-Special"
ADDRESS = f"{NAME}@reader.example"
OTHER = "joann@example.org"


def holding(folder: Path) -> list[str]:
    """The files that hold the address or what tells it from others, in capitals or not. Another process looks: closing
    a database's file would take the locks from its connections here."""
    found = subprocess.run(["grep", "-rlai", "very-special", folder], capture_output=True, text=True)
    assert found.returncode < 2, found.stderr
    return [Path(line).name for line in found.stdout.splitlines()]


def reads_daily(world: World, *addresses: str) -> None:
    """They are taken in, with a proof."""
    proof = Proof(source="paper form", given_at=world.now)
    for address in addresses:
        world.people.add(address, (Choice(digest="daily"),), world.now, proof=proof)


@pytest.fixture
def town(tmp_path: Path, sqlite_url: str) -> Iterator[World]:
    """Readers, mail that went out, and a database that lies beside it all."""
    from tests.subscribers.reader_world import opened

    with opened(tmp_path, f"sqlite:///{tmp_path}/var/digest.db") as world:
        world.begin()
        reads_daily(world, ADDRESS, OTHER, *[f"reader{number}@example.net" for number in range(50)])
        world.later(days=1)
        world.news("more")
        world.run()
        assert {"digest.db", "digest.db-wal"} <= set(holding(tmp_path / "var"))
        world.new_mails()
        yield world


# ----------------------------------------------------------- a whole service


class Visitor:
    """Somebody with a browser."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.port = served.port()

    def ask(self, path: str, **form: str) -> str:
        """A POST if there is a form, which must go well."""
        raw = HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        raw.request("POST" if form else "GET", path, urlencode(form) if form else None, headers)
        response = raw.getresponse()
        text = response.read().decode()
        raw.close()
        assert response.status == 200, text
        return text

    def mailed(self, subject: str) -> str:
        """Wait for a mail to the address, and give the path of its link."""
        until(lambda: self._found(subject), f"no mail says {subject}")
        return self._found(subject)

    def _found(self, subject: str) -> str:
        for path in self.served.mails():
            mail = message_from_bytes(path.read_bytes(), policy=policy.default)
            if mail["To"] == ADDRESS and subject in mail["Subject"]:
                body = mail.get_body(("plain",))
                assert body is not None
                found = re.search(r"https?://[^/]+(/mail/[A-Za-z0-9_-]{35})", body.get_content())
                assert found is not None
                return found[1]
        return ""

    def join(self) -> None:
        form = self.ask("/mail/")
        stamp = re.search(r'name="stamp" value="([^"]+)"', form)
        assert stamp is not None
        time.sleep(2.1)  # nobody fills in a form faster
        self.ask("/mail/", email=ADDRESS, digest="daily", frequency="daily", stamp=stamp[1])
        self.ask(self.mailed("确认"), action="confirm")


def told(folder: Path, *words: str) -> None:
    done = CliRunner().invoke(command, [*words, "--config", str(folder / "config.yaml")], standalone_mode=False)
    assert done.exception is None, done.output
    assert not done.return_value, done.output


@pytest.mark.parametrize("by", ["command", "page"])
def test_nothing_is_left_while_the_service_runs(by: str, tmp_path: Path) -> None:
    """Somebody signs up on the page and gets mail, and is erased by the operator or by themselves: no file holds
    anything of the address, with the service still at work. Others keep theirs."""
    write_site(tmp_path)
    proof = ("--consent", "paper form", "--consent-date", "2026-01-02")
    for address in (ADDRESS, OTHER):
        told(tmp_path, "add", address, *proof)
    told(tmp_path, "remove", ADDRESS)
    with serving(tmp_path) as served:
        visitor = Visitor(served)
        visitor.join()
        told(tmp_path, "suppress", "someone@example.net", "--note", f"as {ADDRESS} asked")
        manage = manage_path(tmp_path)
        visitor.ask(manage, action="export")
        visitor.mailed("数据")
        assert {"digest.db-wal", "digest.db"} & set(holding(tmp_path / "var"))
        if by == "command":
            told(tmp_path, "erase", ADDRESS.upper(), "--yes")
        else:
            visitor.ask(manage, action="erase")
            visitor.ask(visitor.mailed("删除"), action="erase")
        assert holding(tmp_path) == []
        told(tmp_path, "show", OTHER)
        assert visitor.ask("/mail/")
        assert holding(tmp_path) == []


def manage_path(folder: Path) -> str:
    from digest.app.service import service

    with service(folder / "config.yaml") as running:
        reader = running.subscriber_service.people.find(ADDRESS)
        return "/mail/" + token(running.subscriber_service.links.manage(reader.key))


# --------------------------------------------------------------- the database


def test_erasing_takes_the_bytes_too(town: World) -> None:
    """Of the file, of its log, of what was rearranged; and the mails. Nothing else changes."""
    mails = len(list((town.folder / "var" / "outbox").iterdir()))
    others = [reader.address for reader in town.people.everybody()]
    assert town.people.erase(ADDRESS, town.now) == ()
    assert holding(town.folder / "var") == []
    assert len(list((town.folder / "var" / "outbox").iterdir())) == mails - 1
    assert [reader.address for reader in town.people.everybody()] == [each for each in others if each != ADDRESS]
    assert town.store.faults() == []


def test_what_an_earlier_version_left_goes_too(town: World) -> None:
    """Pages that were freed without being overwritten are found by their bytes, and the file is written anew."""
    with closing(sqlite3.connect(town.folder / "var" / "digest.db", isolation_level=None)) as earlier:
        earlier.execute("PRAGMA secure_delete = OFF")
        earlier.execute("CREATE TABLE old (words)")
        earlier.executemany("INSERT INTO old VALUES (?)", [(f"{ADDRESS} {number}" * 40,) for number in range(200)])
        earlier.execute("DROP TABLE old")
    town.people.erase(ADDRESS, town.now)
    assert holding(town.folder / "var") == []
    assert town.store.faults() == []


def test_others_still_see_that_the_database_is_in_use(town: World) -> None:
    """Looking through its file takes no locks from the connections of this process: another one that ends does not
    believe that it was the last, and leaves the log alone."""
    town.people.erase(ADDRESS, town.now)
    reads_daily(town, "later@example.org")
    log = town.folder / "var" / "digest.db-wal"
    size = log.stat().st_size
    assert size
    code = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT count(*) FROM run'); c.close()"
    subprocess.run([sys.executable, "-c", code, town.folder / "var" / "digest.db"], check=True)
    assert log.stat().st_size == size


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Somebody who has begun to read, and does not end."""
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM subscriber").fetchone()
        yield


def test_whoever_reads_is_waited_for(town: World) -> None:
    """For a moment: then it is done as if nobody had been there."""
    ended = threading.Event()

    def read() -> None:
        with reading(town.folder / "var" / "digest.db"):
            begun.set()
            ended.wait(0.5)

    begun = threading.Event()
    thread = threading.Thread(target=read)
    thread.start()
    begun.wait(30)
    assert town.people.erase(ADDRESS, town.now) == ()
    thread.join()
    assert holding(town.folder / "var") == []


def test_whoever_reads_all_the_time_is_told_of(town: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is deleted, its bytes are not yet: that is said, and the next run ends it."""
    monkeypatch.setattr(connect, "SCRUB_PATIENCE", 0.1)
    config = town.folder / "config.yaml"
    monkeypatch.setenv("DIGEST_STORE", town.settings.store.url)
    with reading(town.folder / "var" / "digest.db"):
        done = CliRunner().invoke(command, ["erase", ADDRESS, "--yes", "--config", str(config)], standalone_mode=False)
        assert done.return_value == 1
        assert "still in the file, which others are reading; the next run takes it out of there" in done.output
        assert town.store.subscriber_by(ADDRESS.lower()) is None
        town.subscriber_service.prepare(town.now)
        assert holding(town.folder / "var") != []
    town.run()
    assert holding(town.folder / "var") == []
    assert town.store._meta("to_scrub") is None


def test_what_a_crash_left_is_done_by_the_next_run(town: World) -> None:
    reader = town.people.find(ADDRESS)
    assert town.store.erase(reader.key, town.now) is not None
    remove_mails(town.settings.mail.folder, (), (ADDRESS,))
    assert holding(town.folder / "var") != []
    town.run()
    assert holding(town.folder / "var") == []


def test_a_disk_without_room_is_told(town: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file cannot be written anew: said, and left to the next run."""

    def full(*_: object) -> bool:
        raise StoreError("var/digest.db", "the disk is full", "make room")

    with monkeypatch.context() as patch:
        patch.setattr(connect.SqliteDatabase, "scrub", full)
        (line,) = town.people.erase(ADDRESS, town.now)
    assert line.startswith(
        "var/digest.db: the address is deleted and still in the file: the disk is full; the next run"
    )
    town.run()
    assert holding(town.folder / "var") == []


def test_what_is_forgotten_by_its_age_is_gone_from_the_file_too(town: World) -> None:
    """A sign-up that nobody confirmed."""
    town.people.erase(ADDRESS, town.now)
    town.ask(ADDRESS)
    town.sent()
    town.later(days=15)
    town.run()
    remove_mails(town.settings.mail.folder, (), (ADDRESS,))
    town.later(days=31)
    town.run()
    town.later(days=1)  # a clock that has jumped a month is believed when another run says the same
    town.run()
    assert holding(town.folder / "var") == []


# ------------------------------------------------------------ both databases


def test_words_that_name_somebody_are_masked(world: World) -> None:
    """Reports and alarms hide addresses by themselves; what slipped through is found."""
    reads_daily(world, ADDRESS, OTHER)
    report = f'{{"failures": ["{ADDRESS} and {ADDRESS.lower()} and {OTHER}"]}}'
    world.store.ended(world.store.started(world.now), world.now, report)
    world.people.suppress("someone@example.net", f"{ADDRESS} asked", world.now)
    world.people.erase(ADDRESS, world.now)
    (kept,) = [run[0] for run in rows(world, "SELECT report FROM run")]
    assert kept == f'{{"failures": ["Z***@reader.example and z***@reader.example and {OTHER}"]}}'
    assert rows(world, "SELECT note FROM suppression") == [("Z***@reader.example asked",)]


def rows(world: World, question: str) -> list[tuple[object, ...]]:
    with world.store._database.asking() as connection:
        return [tuple(row) for row in connection.rows(question)]


def test_what_is_about_to_be_sent_is_not(world: World, tmp_path: Path) -> None:
    """A worker has it already: it finds that it is not its own any more before the message is in place."""
    reads_daily(world, ADDRESS)
    world.signup.request(token(world.manage_link(ADDRESS)), ActionRequest.EXPORT, world.now)
    (row,) = world.store.claim(world.now, 5, timedelta(minutes=2))
    folder = FolderChannel(tmp_path / "out")

    def erased_meanwhile() -> bool:
        world.people.erase(ADDRESS, world.now)
        return world.store.renew(row, world.now + timedelta(minutes=2))

    with pytest.raises(TemporaryFailure, match="given up"):
        folder.send(
            Outgoing(pieces=(b"To: x\r\n",), envelope_from=""),
            Target(address=row.address, name="n"),
            Commit(erased_meanwhile),
        )
    assert list((tmp_path / "out").iterdir()) == []
    assert not world.store.sent(row, world.now, Receipt(text=ADDRESS))
    send_mail(world.app())
    assert world.new_mails() == []
    assert rows(world, "SELECT state, address, reply_text FROM delivery") == [("skipped", f"gone:{row.key}", "")]


def test_a_mail_that_is_just_put_in_place_is_waited_for(world: World) -> None:
    """It is removed when it is there; a worker that died in between does not send it to nobody."""
    reads_daily(world, ADDRESS)
    world.signup.request(token(world.manage_link(ADDRESS)), ActionRequest.EXPORT, world.now)
    (row,) = world.store.claim(world.now, 5, timedelta(minutes=2))
    from digest.ports import CommitBatch

    turn = CommitBatch(
        now=world.now,
        begun=row,
        until=world.now + timedelta(minutes=1),
        taken=None,
        claim=0,
        lease=timedelta(minutes=2),
    )
    assert world.store.turn(turn).leased
    outbox = world.settings.mail.folder
    put_in_place = threading.Timer(0.5, lambda: _put(outbox, row.message_id, world, row))
    put_in_place.start()
    assert world.people.erase(ADDRESS, world.now) == ()
    put_in_place.join()
    assert list(outbox.glob("*.eml")) == []


def _put(outbox: Path, message_id: str, world: World, row: object) -> None:
    outbox.mkdir(parents=True, exist_ok=True)
    (outbox / f"{file_name(message_id)}.eml").write_bytes(b"To: somebody\r\n\r\n")
    world.store.sent(row, world.now, Receipt(text="there"))  # type: ignore[arg-type]


def test_a_dead_workers_mail_to_somebody_erased_is_not_sent(world: World) -> None:
    reads_daily(world, ADDRESS)
    world.signup.request(token(world.manage_link(ADDRESS)), ActionRequest.EXPORT, world.now)
    (row,) = world.store.claim(world.now, 5, timedelta(minutes=2))
    from digest.ports import CommitBatch

    turn = CommitBatch(
        now=world.now,
        begun=row,
        until=world.now + timedelta(minutes=1),
        taken=None,
        claim=0,
        lease=timedelta(minutes=2),
    )
    world.store.turn(turn)
    world.store.erase(world.people.find(ADDRESS).key, world.now)
    world.later(minutes=5)
    world.store.recover(world.now, atomic=True)
    send_mail(world.app())
    assert world.new_mails() == []
    assert rows(world, "SELECT state FROM delivery") == [("skipped",)]


# ----------------------------------------------------------------- the outbox


MAIL = "From: {0}\r\nTo: {1}\r\nSubject: to {0}\r\n\r\nTo: {0}\r\n"


@pytest.mark.parametrize(
    ("to", "goes"),
    [
        (ADDRESS, True),
        (ADDRESS.lower(), True),
        (f"Zoe <{ADDRESS}>", True),
        (f"x{ADDRESS}", False),
        (f"{ADDRESS}.cn", False),
        (f"a.{ADDRESS}", False),
        (OTHER, False),
        ("", False),
    ],
)
def test_mails_are_found_by_whom_they_go_to(to: str, goes: bool, tmp_path: Path) -> None:
    """Not by who else is named in them, nor by an address that only ends or begins like it."""
    mail = tmp_path / "some.eml"
    mail.write_bytes(MAIL.format(ADDRESS, to).encode())
    (tmp_path / "note.txt").write_text(f"To: {ADDRESS}")
    (tmp_path / "folder.eml").mkdir()
    (tmp_path / ".digest-left.tmp").write_bytes(MAIL.format("x", ADDRESS).encode())
    assert remove_mails(tmp_path, (), (ADDRESS.lower(),)) == []
    assert mail.exists() is not goes
    assert sorted(path.name for path in tmp_path.iterdir() if path != mail) == ["folder.eml", "note.txt"]


def test_mails_are_found_by_their_names(tmp_path: Path) -> None:
    """Those to an earlier address too."""
    for name in ("one", "two"):
        (tmp_path / f"{name}.eml").write_bytes(MAIL.format("x", OTHER).encode())
    assert remove_mails(tmp_path, ["one", "none"], (ADDRESS,)) == []
    assert [path.name for path in tmp_path.iterdir()] == ["two.eml"]
    assert remove_mails(tmp_path / "nowhere", ["one"], (ADDRESS,)) == []


def test_a_mail_that_cannot_be_removed_is_told(town: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without whose it is."""

    def refused(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refused)
        (line,) = town.people.erase(ADDRESS, town.now)
    assert line.endswith(".eml: it cannot be removed: permission denied; remove it")
    assert "special" not in line.lower()


def test_the_page_says_that_it_is_done_and_the_log_what_is_left(town: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "SCRUB_PATIENCE", 0.1)
    town.signup.request(token(town.manage_link(ADDRESS)), ActionRequest.ERASE, town.now)
    (mail,) = town.sent()
    with reading(town.folder / "var" / "digest.db"):
        left = town.signup.erase(token(link(mail)), town.now)
    assert left is not None
    assert len(left) == 1
    assert town.signup.erase(token(link(mail)), town.now) is None


def test_moments_are_whole(world: World) -> None:
    """What was skipped has its time."""
    reads_daily(world, ADDRESS)
    world.signup.request(token(world.manage_link(ADDRESS)), ActionRequest.EXPORT, world.now)
    world.people.erase(ADDRESS, world.now)
    ((ended,),) = rows(world, "SELECT ended_at FROM delivery")
    assert datetime.fromtimestamp(int(str(ended)), UTC) == world.now
