"""The eye on a folder (digest/sources/watch.py), on a real folder."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from digest.sources import watch as module
from digest.sources.folder import FolderSource
from digest.sources.watch import remote_type, watch

pytestmark = pytest.mark.slow


class Eye:
    """What was told, and how often something was seen."""

    def __init__(self) -> None:
        self.seen = threading.Semaphore(0)
        self.told: list[str] = []

    def sees(self) -> bool:
        """Something, within a generous time; and nothing more of the same burst afterwards."""
        found = self.seen.acquire(timeout=60)
        self.rests()
        return found

    def rests(self) -> None:
        """Whatever is under way is over."""
        while self.seen.acquire(timeout=0.8):
            pass


@contextmanager
def watching(root: Path, *, poll: bool = False, **options: Any) -> Iterator[Eye]:
    """Ready when something was seen."""
    eye, stop = Eye(), threading.Event()

    def look() -> FolderSource:
        return FolderSource(root, **options)

    thread = threading.Thread(
        target=watch,
        args=(look, eye.seen.release),
        kwargs={"stop": stop, "tell": eye.told.append, "poll": poll},
        daemon=True,
    )
    thread.start()
    try:
        yield eye
    finally:
        stop.set()
        thread.join(60)
        assert not thread.is_alive()


def ready(eye: Eye, post: Path) -> None:
    """It takes a moment until the system watches: change something until it is noticed."""
    for _ in range(100):
        post.write_text("x", encoding="utf-8")
        if eye.seen.acquire(timeout=0.3):
            break
    eye.rests()
    post.unlink()
    assert eye.sees()


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "site" / "_posts").mkdir(parents=True)
    (tmp_path / "site" / "_site").mkdir()
    (tmp_path / "site" / "_config.yml").write_text("title: T\n", encoding="utf-8")
    return tmp_path / "site"


CHANGES: list[tuple[str, Callable[[Path], object]]] = [
    ("new", lambda site: (site / "_posts/2026-11-24-b.md").write_text("b", encoding="utf-8")),
    ("changed in place", lambda site: (site / "_posts/2026-11-24-a.md").write_text("aa", encoding="utf-8")),
    ("renamed", lambda site: (site / "_posts/2026-11-24-a.md").rename(site / "_posts/2026-11-24-c.md")),
    ("gone", lambda site: (site / "_posts/2026-11-24-a.md").unlink()),
    ("put in place", lambda site: (site / "x").rename(site / "_posts/2026-11-24-d.md")),
    ("new folder", lambda site: (site / "news/_posts").mkdir(parents=True)),
]


@pytest.mark.parametrize("change", [change for _, change in CHANGES], ids=[name for name, _ in CHANGES])
def test_changes_of_posts_are_seen(change: Callable[[Path], object], site: Path) -> None:
    (site / "_posts/2026-11-24-a.md").write_text("a", encoding="utf-8")
    (site / "x").write_text("d", encoding="utf-8")
    with watching(site) as eye:
        ready(eye, site / "_posts/2026-11-24-z.md")
        change(site)
        assert eye.sees()
        assert not eye.told


def test_what_is_no_post_is_not_seen(site: Path) -> None:
    """Drafts of editors, pictures, and what is written beside the posts."""
    with watching(site, exclude=("_posts/private*",)) as eye:
        ready(eye, site / "_posts/2026-11-24-z.md")
        for name in (
            "_posts/.2026-11-24-a.md.swp",
            "_posts/a.png",
            "_posts/private-a.md",
            "_site/index.html",
            "README",
        ):
            (site / name).write_text("x", encoding="utf-8")
        time.sleep(1.5)
        assert not eye.seen.acquire(blocking=False)
        (site / "_posts/2026-11-24-a.md").write_text("x", encoding="utf-8")
        assert eye.sees()


def test_a_post_in_a_folder_that_is_new_is_seen(site: Path) -> None:
    """Also when it was written before the folder could be watched."""
    with watching(site) as eye:
        ready(eye, site / "_posts/2026-11-24-z.md")
        (site / "_posts/2026/11").mkdir(parents=True)
        (site / "_posts/2026/11/2026-11-24-a.md").write_text("x", encoding="utf-8")
        assert eye.sees()
        (site / "_posts/2026/11/2026-11-24-b.md").write_text("x", encoding="utf-8")
        assert eye.sees()


def test_a_folder_that_goes_and_comes_back_is_watched_again(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a drive is unmounted, or a site generator's checkout replaced."""
    monkeypatch.setattr(module, "_ABSENT", 0.1)
    with watching(site) as eye:
        ready(eye, site / "_posts/2026-11-24-z.md")
        shutil.move(site, site.with_name("away"))
        time.sleep(2)
        (site.with_name("away") / "_posts/2026-11-24-a.md").write_text("x", encoding="utf-8")
        eye.rests()
        shutil.move(site.with_name("away"), site)
        assert eye.sees(), "whatever came meanwhile"
        ready(eye, site / "_posts/2026-11-24-y.md")
        assert not eye.told


@pytest.mark.parametrize("poll", [False, True], ids=["told", "looked at"])
def test_a_link_that_is_set_anew_is_seen(site: Path, poll: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is watched by its name, whichever part of it is the link; then the new folder is watched."""
    monkeypatch.setattr(module, "_POLL", 0.1)
    (site.parent / "1").mkdir()
    shutil.move(site, site.parent / "1")
    shutil.copytree(site.parent / "1", site.parent / "2")  # times and all
    current = site.parent / "current"
    current.symlink_to("1")
    with watching(current / "site", poll=poll) as eye:
        ready(eye, current / "site/_posts/2026-11-24-z.md")
        subprocess.run(["ln", "-sfn", "2", str(current)], check=True)
        assert eye.sees()
        (site.parent / "2/site/_posts/2026-11-24-a.md").write_text("x", encoding="utf-8")
        assert eye.sees()
        assert not eye.told


def test_where_the_system_cannot_tell_folders_are_looked_at(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says so, and what to expect."""
    import watchfiles

    def full(*_: object, **__: object) -> None:
        raise OSError('OS file watch limit reached. about ["/x"]')

    monkeypatch.setattr(watchfiles, "watch", full)
    monkeypatch.setattr(module, "_POLL", 0.1)
    with watching(site) as eye:
        ready(eye, site / "_posts/2026-11-24-z.md")
        (site / "_posts/deep").mkdir()
        assert eye.sees()
        (site / "_posts/deep/2026-11-24-a.md").write_text("x", encoding="utf-8")
        assert eye.sees()
        shutil.rmtree(site / "_posts/deep")
        assert eye.sees()
    assert eye.told == ["changes are not told by the system: os file watch limit reached; looking every 0 seconds"]


def test_folders_are_listed_again_once_in_a_while(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the system forgot to tell is made up for."""
    monkeypatch.setattr(module, "_LOOK_AGAIN", 0.0)
    with watching(site) as eye:
        assert eye.sees()
        assert eye.sees()


TABLE = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /mnt/posts rw - nfs4 server:/posts rw
31 22 0:41 / /mnt/posts/local rw - xfs /dev/sdb1 rw
32 22 0:42 / /mnt/my\\040drive rw - fuse.sshfs me@host:/ rw
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/srv/site", ""),
        ("/mnt/posts", "nfs4"),
        ("/mnt/posts/a/b", "nfs4"),
        ("/mnt/posts/local/a", ""),
        ("/mnt/poststar", ""),
        ("/mnt/my drive/x", "fuse.sshfs"),
    ],
)
def test_network_drives_are_known(path: str, expected: str, tmp_path: Path) -> None:
    """The innermost mount decides."""
    (tmp_path / "mountinfo").write_text(TABLE, encoding="utf-8")
    assert remote_type(path, str(tmp_path / "mountinfo")) == expected


def test_a_system_without_a_table_has_none() -> None:
    assert remote_type("/srv", "/nowhere/mountinfo") == ""


def test_a_network_drive_is_not_even_asked(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "remote_type", lambda path: "nfs4")
    monkeypatch.setattr(module, "_POLL", 0.1)
    with watching(site) as eye:
        ready(eye, site / "_posts/2026-11-24-z.md")
    assert "it is on a network drive (nfs4)" in eye.told[0]
