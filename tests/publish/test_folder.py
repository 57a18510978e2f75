"""Files are put in place whole, beside their compressed siblings, below the output folder and nowhere else."""

from __future__ import annotations

import gzip
import os
import resource
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.errors import OutputError
from digest.publish.folder import DryOutput, FolderOutput, compress
from tests.scale import scaled

FEED = "<feed>晨报 &amp; 快讯</feed>".encode() * 40


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "public"


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def assert_whole(path: Path, data: bytes) -> None:
    """The file and its siblings hold ``data`` and carry the same time."""
    br, gz = Path(f"{path}.br"), Path(f"{path}.gz")
    assert path.read_bytes() == data
    assert brotli.decompress(br.read_bytes()) == data
    assert gzip.decompress(gz.read_bytes()) == data
    assert path.stat().st_mtime_ns == br.stat().st_mtime_ns == gz.stat().st_mtime_ns


# ------------------------------------------------------------------- writing


def test_a_file_is_written_with_its_siblings(root: Path) -> None:
    output = FolderOutput(root)
    assert output.write("feed/能源.xml", FEED)
    assert names(root) == {"feed/能源.xml", "feed/能源.xml.br", "feed/能源.xml.gz"}
    assert_whole(root / "feed/能源.xml", FEED)
    assert all((root / name).stat().st_mode & 0o777 == 0o644 for name in names(root))
    assert output.tally.written == ["feed/能源.xml"]


@pytest.mark.parametrize("name", ["a.png", "a.bin", "a", "a.pdf"])
def test_what_does_not_compress_has_no_siblings(root: Path, name: str) -> None:
    FolderOutput(root).write(name, FEED)
    assert names(root) == {name}


def test_siblings_of_what_does_not_compress_are_removed(root: Path) -> None:
    """A stale sibling would be served instead of the file."""
    root.mkdir()
    (root / "a.bin.gz").write_bytes(b"old")
    FolderOutput(root).write("a.bin", b"new")
    assert names(root) == {"a.bin"}


def test_equal_bytes_are_not_touched(root: Path) -> None:
    FolderOutput(root).write("feed.xml", FEED)
    before = {name: (root / name).stat() for name in names(root)}
    output = FolderOutput(root)
    assert not output.write("feed.xml", FEED)
    assert {name: (root / name).stat().st_mtime_ns for name in before} == {
        name: status.st_mtime_ns for name, status in before.items()
    }
    assert {name: (root / name).stat().st_ino for name in before} == {
        name: status.st_ino for name, status in before.items()
    }
    assert (output.tally.written, output.tally.unchanged) == ([], ["feed.xml"])


def test_other_bytes_of_the_same_length_are_written(root: Path) -> None:
    output = FolderOutput(root)
    output.write("feed.xml", b"<a>1</a>")
    assert output.write("feed.xml", b"<a>2</a>")
    assert_whole(root / "feed.xml", b"<a>2</a>")


@pytest.mark.parametrize("harm", ["missing", "stale", "folder-of-links"])
@pytest.mark.parametrize("ending", [".br", ".gz"])
def test_missing_and_stale_siblings_are_repaired(root: Path, ending: str, harm: str) -> None:
    """Servers send a sibling without comparing it with the file."""
    FolderOutput(root).write("feed.xml", FEED)
    sibling = root / f"feed.xml{ending}"
    if harm == "stale":
        sibling.write_bytes(b"stale")
    else:
        sibling.unlink()
        if harm == "folder-of-links":
            sibling.symlink_to(root / "feed.xml")
    assert FolderOutput(root).write("feed.xml", FEED)
    assert_whole(root / "feed.xml", FEED)
    assert not sibling.is_symlink()


def test_compression_does_not_know_the_time() -> None:
    """gzip without time and name (RFC 1952: MTIME 0, no FNAME flag), so equal data is equal bytes."""
    packed = compress(FEED)[".gz"]
    assert packed[3] == 0
    assert packed[4:8] == b"\0\0\0\0"
    assert compress(FEED) == compress(FEED)


@given(st.binary(max_size=4000))
def test_compression_loses_nothing(data: bytes) -> None:
    packed = compress(data)
    assert brotli.decompress(packed[".br"]) == data
    assert gzip.decompress(packed[".gz"]) == data


def test_siblings_are_in_place_before_the_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    replace = os.replace

    def recording(source: str, target: str) -> None:
        order.append(Path(target).name)
        replace(source, target)

    monkeypatch.setattr(os, "replace", recording)
    FolderOutput(root).write("feed.xml", FEED)
    assert order == ["feed.xml.br", "feed.xml.gz", "feed.xml"]


def test_everything_is_on_disk_before_it_is_in_place(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fsync of the files, then rename, then fsync of the folder."""
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        steps.append("folder" if os.fstat(descriptor).st_mode & 0o040000 else "file")
        fsync(descriptor)

    def replaced(source: str, target: str) -> None:
        steps.append("rename")
        replace(source, target)

    root.mkdir()
    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    FolderOutput(root).write("feed.xml", FEED)
    assert steps == ["file"] * 3 + ["rename"] * 3 + ["folder"]


# ------------------------------------------------------------------- reading


def test_reading_removing_listing(root: Path) -> None:
    output = FolderOutput(root)
    output.write("feed/a.xml", FEED)
    (root / "feed/deep").mkdir()
    assert output.read("feed/a.xml") == FEED
    assert output.read("feed/b.xml") is None
    assert output.read("feed/a.xml/b.xml") is None
    assert output.listing("feed") == {"a.xml", "a.xml.br", "a.xml.gz"}
    assert output.listing("rss") == set()
    assert output.remove("feed/a.xml")
    assert not output.remove("feed/a.xml")
    assert not output.remove("other/a.xml")
    assert names(root) == set()
    assert output.tally.removed == ["feed/a.xml"]
    assert output.listing("") == set()


def test_siblings_are_removed_before_the_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FolderOutput(root).write("feed.xml", FEED)
    order: list[str] = []
    unlink = Path.unlink

    def noting(path: Path) -> None:
        order.append(path.name)
        unlink(path)

    monkeypatch.setattr(Path, "unlink", noting)
    FolderOutput(root).remove("feed.xml")
    assert order == ["feed.xml.br", "feed.xml.gz", "feed.xml"]


def test_an_archive_has_fewer_siblings(root: Path) -> None:
    """And loses one that an earlier version made as soon as the file is another."""
    output = FolderOutput(root)
    assert output.write("archive/000001.xml", FEED)
    assert names(root) == {"archive/000001.xml", "archive/000001.xml.gz"}
    assert gzip.decompress((root / "archive/000001.xml.gz").read_bytes()) == FEED
    stale = root / "archive/000001.xml.br"
    stale.write_bytes(brotli.compress(FEED))
    assert not output.write("archive/000001.xml", FEED)
    assert stale.exists()
    assert output.write("archive/000001.xml", FEED + b"<!-- renewed -->")
    assert names(root) == {"archive/000001.xml", "archive/000001.xml.gz"}


# -------------------------------------------------------------------- groups


def test_a_batch_ends_with_everything_in_place(root: Path) -> None:
    output = FolderOutput(root)
    with output.batch():
        for number in range(150):
            assert output.write(f"feed/{number}.xml", FEED + b"%d" % number)
            assert output.read(f"feed/{number}.xml") == FEED + b"%d" % number
        assert not output.write("feed/149.xml", FEED + b"149")
    for number in range(150):
        assert_whole(root / f"feed/{number}.xml", FEED + b"%d" % number)
    assert output.tally.written == [f"feed/{number}.xml" for number in range(150)]


def test_the_last_word_in_a_batch_counts(root: Path) -> None:
    output = FolderOutput(root)
    with output.batch(), output.batch():
        output.write("feed.xml", b"<a/>")
        output.write("feed.xml", b"<b/>")
        output.write("rss.xml", b"<c/>")
        assert output.remove("rss.xml")
    assert_whole(root / "feed.xml", b"<b/>")
    assert names(root) == {"feed.xml", "feed.xml.br", "feed.xml.gz"}


def test_a_batch_that_breaks_keeps_what_was_written(root: Path) -> None:
    output = FolderOutput(root)

    def fill() -> None:
        with output.batch():
            output.write("feed.xml", FEED)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fill()
    assert_whole(root / "feed.xml", FEED)


def test_one_failure_at_the_end_of_a_batch_does_not_stop_the_others(root: Path) -> None:
    output = FolderOutput(root)

    def fill() -> None:
        with output.batch():
            output.write("a.xml", FEED)
            output.write("b.xml", FEED)
            output.write("c.xml", FEED)
            (root / "b.xml").mkdir()

    with pytest.raises(OutputError, match=r"b\.xml: .*; a folder is in the way, move it away"):
        fill()
    assert_whole(root / "a.xml", FEED)
    assert_whole(root / "c.xml", FEED)
    assert not {name for name in names(root) if "tmp" in name}


# -------------------------------------------------------------------- faults


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../x.xml", "a/../../x.xml", "a//b.xml", "./a.xml", "a\0.xml"])
def test_paths_out_of_the_folder_are_refused(root: Path, path: str) -> None:
    output = FolderOutput(root)
    for act in (lambda: output.write(path, b""), lambda: output.read(path), lambda: output.remove(path)):
        with pytest.raises(OutputError, match="not a path below the output folder"):
            act()
    assert not root.exists()


def test_links_out_of_the_folder_are_refused(root: Path, tmp_path: Path) -> None:
    """Neither written through, nor read through, nor removed through."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.xml").write_bytes(b"theirs")
    root.mkdir()
    (root / "feed").symlink_to(outside)
    output = FolderOutput(root)
    for act in (
        lambda: output.write("feed/x.xml", b""),
        lambda: output.read("feed/x.xml"),
        lambda: output.remove("feed/x.xml"),
    ):
        with pytest.raises(OutputError, match="leads out of the output folder"):
            act()
    assert names(outside) == {"x.xml"}
    assert (outside / "x.xml").read_bytes() == b"theirs"


def test_a_linked_file_is_replaced_not_followed(root: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.xml"
    theirs.write_bytes(FEED)
    root.mkdir()
    (root / "feed.xml").symlink_to(theirs)
    output = FolderOutput(root)
    assert output.read("feed.xml") is None
    assert output.write("feed.xml", FEED)
    assert not (root / "feed.xml").is_symlink()
    assert theirs.read_bytes() == FEED


def test_the_output_folder_itself_may_be_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    root.symlink_to(tmp_path / "disk")
    FolderOutput(root).write("feed/a.xml", FEED)
    assert_whole(tmp_path / "disk/feed/a.xml", FEED)


@pytest.mark.parametrize(
    ("prepare", "path", "words"),
    [
        (lambda root: (root / "feed.xml").mkdir(), "feed.xml", "is a directory; a folder is in the way, move it away"),
        (lambda root: (root / "feed").write_bytes(b""), "feed/a.xml", "a file is in the way of a folder, move it away"),
        (lambda root: None, "x" * 300 + ".xml", "file name too long; use a shorter name"),
    ],
)
def test_what_is_in_the_way_is_named(root: Path, prepare, path: str, words: str) -> None:
    root.mkdir()
    prepare(root)
    before = names(root)
    output = FolderOutput(root)
    with pytest.raises(OutputError) as raised:
        output.write(path, FEED)
    assert str(raised.value).startswith(str(root / path))
    assert str(raised.value).endswith(words)
    assert names(root) == before
    assert output.write("rss.xml", FEED)


def test_a_folder_that_may_not_be_written_is_named() -> None:
    """As an ordinary user: root is never refused."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "feed.xml").write_bytes(b"old")
        root.chmod(0o555)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            with pytest.raises(OutputError) as raised:
                FolderOutput(root).write("feed.xml", b"new")
        finally:
            os.seteuid(user)
            root.chmod(0o755)
        assert str(raised.value) == (
            f"{root}/feed.xml: permission denied; give this user the right to write there, or set 'output' to another "
            "folder"
        )
        assert names(root) == {"feed.xml"}


def test_a_full_disk_leaves_nothing_half(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = FolderOutput(root)
    output.write("feed.xml", b"<old/>")

    def full(_descriptor: int, _data: bytes) -> int:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OutputError, match="no space left on device; free some space, the next run makes up for it"):
            output.write("feed.xml", FEED)
    assert_whole(root / "feed.xml", b"<old/>")
    assert names(root) == {"feed.xml", "feed.xml.br", "feed.xml.gz"}
    assert output.write("feed.xml", FEED)


def test_a_really_limited_file_size_leaves_nothing_half(root: Path) -> None:
    """The same with the operating system refusing in the middle of a file (RLIMIT_FSIZE)."""
    output = FolderOutput(root)
    output.write("feed.bin", b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        with pytest.raises(OutputError, match="file too large"):
            output.write("feed.bin", os.urandom(5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old)
    assert (root / "feed.bin").read_bytes() == b"old"
    assert names(root) == {"feed.bin"}


def test_a_failing_fsync_keeps_the_old_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = FolderOutput(root)
    output.write("feed.xml", b"<old/>")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _descriptor: (_ for _ in ()).throw(OSError(5, "Input/output error")))
        with pytest.raises(OutputError, match="input/output error"):
            output.write("feed.xml", FEED)
    assert_whole(root / "feed.xml", b"<old/>")
    assert names(root) == {"feed.xml", "feed.xml.br", "feed.xml.gz"}


# --------------------------------------------------------------------- kills


def test_leftovers_of_killed_runs_are_removed(root: Path) -> None:
    (root / "feed").mkdir(parents=True)
    (root / "feed/.digest-abc.tmp").write_bytes(b"half")
    (root / "feed/.digest-notes").write_bytes(b"somebody's")
    FolderOutput(root).write("feed/a.xml", FEED)
    assert names(root / "feed") == {"a.xml", "a.xml.br", "a.xml.gz", ".digest-notes"}


def test_temporary_files_of_a_living_run_are_left_alone(root: Path) -> None:
    first, second = FolderOutput(root), FolderOutput(root)
    with first.batch():
        first.write("a.xml", FEED)
        second.write("b.xml", FEED)
    assert_whole(root / "a.xml", FEED)
    assert_whole(root / "b.xml", FEED)


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_whole_files(root: Path) -> None:
    """Forty kills: every file that a server would send parses, and no sibling is older than its file."""
    program = """
        import sys, itertools
        from pathlib import Path
        from digest.publish.folder import FolderOutput
        print("ready", flush=True)
        for version in itertools.count(int(sys.argv[2])):
            output = FolderOutput(Path(sys.argv[1]))
            with output.batch():
                for name in range(12):
                    output.write(f"feed/{name}.xml", b"<feed>" + b"%d " % version * 3000 + b"</feed>")
    """
    for kill in range(scaled(40)):
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(program), str(root), str(kill * 1000)],
            stdout=subprocess.PIPE, cwd=Path(__file__).parents[2],
        )  # fmt: skip
        with child:
            assert child.stdout is not None
            child.stdout.readline()
            time.sleep((kill % 40) * 0.002)
            child.kill()
        for path in root.glob("feed/*.xml"):
            served = [path.read_bytes()]
            for ending, unpack in ((".br", brotli.decompress), (".gz", gzip.decompress)):
                sibling = Path(f"{path}{ending}")
                assert sibling.exists()
                served.append(unpack(sibling.read_bytes()))
            for data in served:
                assert data.startswith(b"<feed>")
                assert data.endswith(b"</feed>")
                assert len(set(data[6:-7].split())) == 1
            plain, br, gz = (int(data[6:-7].split()[0]) for data in served)
            assert br >= plain
            assert gz >= plain
    FolderOutput(root).write("feed/0.xml", FEED)
    assert not [name for name in names(root) if name.endswith(".tmp")]


# ------------------------------------------------------------------- dry runs


def test_a_dry_run_only_counts(root: Path) -> None:
    output = FolderOutput(root)
    output.write("feed.xml", FEED)
    output.write("rss.xml", FEED)
    before = {name: (root / name).stat().st_mtime_ns for name in names(root)}
    dry = DryOutput(FolderOutput(root))
    with dry.batch():
        assert not dry.write("feed.xml", FEED)
        assert dry.write("feed.json", b"{}")
        assert not dry.write("feed.json", b"{}")
        assert dry.remove("rss.xml")
        assert not dry.remove("rss.xml")
    assert dry.read("feed.json") == b"{}"
    assert dry.read("rss.xml") is None
    assert "feed.json" in dry.listing("")
    assert "rss.xml" not in dry.listing("")
    assert dry.tally.written == ["feed.json"]
    assert dry.tally.removed == ["rss.xml"]
    assert {name: (root / name).stat().st_mtime_ns for name in names(root)} == before


def test_a_dry_run_does_not_even_make_the_folder(root: Path) -> None:
    dry = DryOutput(FolderOutput(root))
    assert dry.write("feed/a.xml", FEED)
    assert dry.listing("feed") == {"a.xml"}
    assert not root.exists()
