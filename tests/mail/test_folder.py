"""The transport that writes files."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from digest.errors import PermanentFailure, TemporaryFailure, TransportError
from digest.mail.dry_run import DryRunChannel
from digest.mail.folder import FolderChannel
from digest.models import Outgoing, Target
from digest.ports import Commit

MESSAGE = b"Message-ID: <1@news.test>\r\nSubject: x\r\n\r\n.one\r\ntwo\r\n"


def send(transport, *, name: str = "1@news.test", message: bytes = MESSAGE, before_dot=lambda: True):
    letter = Outgoing(pieces=(message,), envelope_from="b@bounces.test")
    return transport.send(letter, Target(address="ann@example.com", name=name), Commit(before_dot))


def failing(transport, **letter: Any) -> TransportError:
    with pytest.raises(TransportError) as caught:
        send(transport, **letter)
    return caught.value


def listing(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_a_message_is_a_file_that_mail_programs_read(tmp_path: Path) -> None:
    """Bytes as given, in a folder that is made."""
    folder = tmp_path / "var" / "outbox"
    reply = send(FolderChannel(folder))
    file = folder / "1@news.test.eml"
    assert reply.text == file.name
    assert file.read_bytes() == MESSAGE
    assert message_from_bytes(file.read_bytes(), policy=policy.default).get_content() == ".one\r\ntwo\r\n"
    assert listing(folder) == ["1@news.test.eml"]


def test_a_message_is_for_its_owner_alone(tmp_path: Path) -> None:
    """It names somebody, and its links act for them. A folder that is there keeps its rights, the files do not get
    them."""
    old = os.umask(0)
    try:
        made, there = tmp_path / "var" / "outbox", tmp_path / "there"
        there.mkdir(0o775)
        for folder in (made, there):
            send(FolderChannel(folder))
    finally:
        os.umask(old)
    rights = [stat.S_IMODE((folder / "1@news.test.eml").stat().st_mode) for folder in (made, there)]
    assert rights == [0o600, 0o600]
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (made, there)] == [0o700, 0o775]


def test_doing_it_twice_changes_nothing(tmp_path: Path) -> None:
    """Not even the file's time: the second attempt of a delivery is no second mail."""
    transport = FolderChannel(tmp_path)
    assert transport.atomic
    send(transport)
    before = (tmp_path / "1@news.test.eml").stat()
    transport.close()
    send(transport)
    send(FolderChannel(tmp_path))
    after = (tmp_path / "1@news.test.eml").stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)


def test_a_file_with_other_bytes_is_replaced(tmp_path: Path) -> None:
    """What a crash or a hand left under that name is no message of ours; neither is a link."""
    target = tmp_path / "1@news.test.eml"
    for make in (lambda: target.write_bytes(b"half"), lambda: target.symlink_to(tmp_path / "elsewhere")):
        make()
        send(FolderChannel(tmp_path))
        assert target.read_bytes() == MESSAGE
        assert not target.is_symlink()
        target.unlink()
    assert not (tmp_path / "elsewhere").exists()


def test_nothing_is_put_in_place_if_the_row_is_lost(tmp_path: Path) -> None:
    """And while the question is asked, the file is not there yet."""
    seen: list[bool] = []

    def lost() -> bool:
        seen.append((tmp_path / "1@news.test.eml").exists())
        return False

    error = failing(FolderChannel(tmp_path), before_dot=lost)
    assert isinstance(error, TemporaryFailure)
    assert seen == [False]
    assert listing(tmp_path) == []


def test_an_error_while_asking_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> bool:
        raise RuntimeError("the ledger is gone")

    with pytest.raises(RuntimeError):
        send(FolderChannel(tmp_path), before_dot=broken)
    assert listing(tmp_path) == []


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a\0b", "x" * 201, "中"])
def test_a_name_that_is_no_file_name_is_refused(name: str, tmp_path: Path) -> None:
    error = failing(FolderChannel(tmp_path), name=name)
    assert isinstance(error, PermanentFailure)
    assert error.step == "write"
    assert listing(tmp_path) == []


def test_a_file_in_the_way_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("")
    for folder in (tmp_path / "outbox", tmp_path / "outbox" / "deeper"):
        error = failing(FolderChannel(folder))
        assert isinstance(error, TemporaryFailure)
        assert error.step == "connect"
        assert "a file is in the way of the folder" in str(error)


def test_a_folder_in_the_way_of_the_file(tmp_path: Path) -> None:
    """One message's trouble, not the folder's."""
    (tmp_path / "1@news.test.eml").mkdir()
    error = failing(FolderChannel(tmp_path))
    assert isinstance(error, TemporaryFailure)
    assert error.step == "write"
    assert "a folder is in the way of the file" in str(error)
    assert listing(tmp_path) == ["1@news.test.eml"]


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EDQUOT, "free some space"),
        (errno.EROFS, "set mail.folder to a folder that can be written"),
        (errno.EACCES, "give this user the right to write there"),
        (errno.EIO, ""),
    ],
)
@pytest.mark.parametrize("call", ["write", "fsync", "replace", "mkstemp"])
def test_trouble_with_the_disk_is_temporary_and_leaves_nothing(
    call: str, number: int, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever call fails: the error names the folder and what to do, and the next attempt works."""
    transport = FolderChannel(tmp_path)
    send(transport, name="earlier")

    def fails(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(f"digest.mail.folder.{'tempfile' if call == 'mkstemp' else 'os'}.{call}", fails)
        error = failing(transport)
    assert isinstance(error, TemporaryFailure)
    assert error.step == "connect"
    assert str(error).startswith(f"{tmp_path}: {os.strerror(number).lower()}")
    assert remedy in str(error)
    assert listing(tmp_path) == ["earlier.eml"]
    send(transport)
    assert listing(tmp_path) == ["1@news.test.eml", "earlier.eml"]


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    """A file system of 64 KB, if this user may mount one."""
    import shutil
    import subprocess

    place = tmp_path / "small"
    place.mkdir()
    if (
        shutil.which("mount") is None
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "none", place], capture_output=True, check=False
        ).returncode
    ):
        pytest.xfail("this user may not mount a file system")
    try:
        transport = FolderChannel(place)
        error = failing(transport, message=MESSAGE + b"x" * 100_000)
        assert "no space left on device: free some space" in str(error).replace("; ", ": ")
        assert listing(place) == []
        send(transport)
        assert listing(place) == ["1@news.test.eml"]
    finally:
        subprocess.run(["umount", place], check=True)


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not(tmp_path: Path) -> None:
    (tmp_path / ".digest-dead.tmp").write_bytes(b"half")
    (tmp_path / "note.tmp").write_bytes(b"not ours")
    with (tmp_path / ".digest-alive.tmp").open("wb") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
        send(FolderChannel(tmp_path))
        assert listing(tmp_path) == [".digest-alive.tmp", "1@news.test.eml", "note.tmp"]


def test_a_file_swept_away_before_it_was_locked_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process starts, and sweeps, in between making and locking."""
    lock = fcntl.flock
    swept: list[Path] = []

    def late(descriptor: int, operation: int) -> None:
        if operation == fcntl.LOCK_EX and len(swept) < 3:
            [leftover] = (tmp_path / "outbox").glob(".digest-*")
            leftover.unlink()
            swept.append(leftover)
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    assert send(FolderChannel(tmp_path / "outbox")).text
    assert len(swept) == 3
    assert [path.suffix for path in (tmp_path / "outbox").iterdir()] == [".eml"]


def test_threads_may_share_it(tmp_path: Path) -> None:
    transport = FolderChannel(tmp_path / "outbox")
    threads = [
        threading.Thread(target=lambda n=n: [send(transport, name=f"{n}-{k}") for k in range(10)]) for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(listing(tmp_path / "outbox")) == 40


def test_a_dry_run_takes_everything_and_keeps_nothing(tmp_path: Path) -> None:
    asked: list[int] = []

    def before_dot() -> bool:
        asked.append(1)
        return True

    transport = DryRunChannel()
    reply = send(transport, before_dot=before_dot)
    transport.close()
    assert transport.atomic
    assert asked == [1]
    assert reply.code is None
    assert listing(tmp_path) == []
