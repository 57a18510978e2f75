"""Files are read alike by one process and by two."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from digest.app import reading
from digest.app.chunks import Chunk
from digest.app.reading import FileReader
from digest.errors import SourceError
from digest.hashing import hash_of
from digest.models import UNREAD, Post
from digest.posts import Rules, parse_post
from digest.sources import FolderSource

RULES = Rules(site_url="https://example.org", timezone=ZoneInfo("UTC"), now=datetime(2026, 11, 24, tzinfo=UTC))
ODD = {
    "2026-11-01-no-date.md": "no front matter at all",
    "2026-11-01-bad.md": "---\ntitle: [\n---\n",
    "2027-01-01-later.md": "---\ntitle: later\n---\nText",
    "2026-11-01-rich.md": '---\ntitle: "A&amp;B"\nauthor: {name: X, email: x@a.org}\n---\n'
    '> S\n\n<img src="/a.png"> <a data-code="1,600000">A</a>',
}


@pytest.fixture
def source(tmp_path: Path) -> FolderSource:
    for number in range(300):
        text = f"---\ntitle: Post {number}\ndate: 2026-11-0{number % 9 + 1} 08:00:00\n---\n> Number {number}\n\nBody.\n"
        (tmp_path / f"2026-11-02-{number:04}.md").write_text(text)
    for name, text in ODD.items():
        (tmp_path / name).write_text(text)
    return FolderSource(tmp_path, kind="jekyll")


@pytest.mark.parametrize(("many", "processors"), [(1, 2), (10_000, 2), (1, 1)])
def test_any_number_of_processes_reads_the_same(
    source: FolderSource, many: int, processors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same posts, refusals and errors, in the order of the paths; only bodies, which nobody remembers, are left out."""
    monkeypatch.setattr(reading, "MANY", many)
    monkeypatch.setattr(reading, "processors", lambda: processors)
    monkeypatch.setattr(reading, "CHUNK", 7)
    (source.root / "_posts").mkdir()
    paths = [*sorted(path.name for path in source.root.glob("*.md")), "2026-11-03-gone.md"]
    expected = []
    for path in paths[:-1]:
        data = source.read(path)
        outcome = parse_post(path, data, RULES)
        outcome = replace(outcome, lead="", body="") if isinstance(outcome, Post) else outcome
        status = (source.root / path).stat()
        expected.append((path, hash_of(data), (status.st_size, status.st_mtime_ns), outcome))
    got = list(FileReader(source, RULES)(paths))
    assert got[:-1] == expected
    path, hashed, version, error = got[-1]
    assert (path, hashed, version) == ("2026-11-03-gone.md", "", UNREAD)
    assert isinstance(error, SourceError)
    assert "vanished" in str(error)


def test_what_a_second_process_is_given_does_not_grow_with_the_archive(source: FolderSource) -> None:
    """It is told how to read, not what the folder's listing saw: nobody waits until megabytes of names have gone."""
    source = FolderSource(source.root, kind="hugo")
    fresh = len(pickle.dumps(Chunk(source, RULES)))
    assert len(source.scan().files) == 304
    assert len(pickle.dumps(Chunk(source, RULES))) <= fresh
    assert pickle.loads(pickle.dumps(source)).read("2026-11-02-0001.md") == source.read("2026-11-02-0001.md")
    assert len(source.scan().files) == 304


def test_a_second_process_loads_little() -> None:
    """It starts in the middle of a run, which has the libraries loaded that only deciding and writing need."""
    code = "import sys, digest.workers.helper, digest.app.chunks, digest.sources.folder; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert "digest.posts.parse" in loaded
    assert not {"subprocess", "sqlite3", "yaml", "click", "digest.changes"} & set(loaded)


@dataclass(frozen=True)
class Trouble:
    """A folder in which reading some files breaks in ways that nobody foresaw."""

    source: FolderSource

    def read_version(self, path: str) -> tuple[bytes, tuple[int, int]]:
        if "0007" in path:
            raise RecursionError("maximum recursion depth exceeded")
        if "0207" in path:
            raise MemoryError
        return self.source.read_version(path)


@pytest.mark.parametrize(("many", "processors"), [(1, 2), (10_000, 2)])
def test_whatever_goes_wrong_with_a_file_is_its_own_problem(
    source: FolderSource, many: int, processors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names the class of the exception, in this process and in the second one; the others are read."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))  # where the second process finds this module
    monkeypatch.setattr(reading, "MANY", many)
    monkeypatch.setattr(reading, "processors", lambda: processors)
    monkeypatch.setattr(reading, "CHUNK", 7)
    paths = sorted(path.name for path in source.root.glob("2026-11-02-*.md"))
    trouble = Trouble(source)
    got = {path: outcome for path, _, _, outcome in FileReader(trouble, RULES)(paths)}  # type: ignore[arg-type]
    broken = {path: outcome for path, outcome in got.items() if not isinstance(outcome, Post)}
    assert len(got) - len(broken) == 298
    assert {path: re.sub(r" \(\w+\.py:\d+\)", " (a.py:1)", str(outcome)) for path, outcome in broken.items()} == {
        "2026-11-02-0007.md": "2026-11-02-0007.md: cannot be read: "
        "RecursionError: maximum recursion depth exceeded (a.py:1); "
        "this should not happen: please report it, with the file",
        "2026-11-02-0207.md": "2026-11-02-0207.md: cannot be read: MemoryError (a.py:1); "
        "this should not happen: please report it, with the file",
    }
