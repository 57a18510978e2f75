"""Bad input and bad luck: one clear message, the right exit code, and the next run makes up for it."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from tests.run.site_folder import CONFIG, Result, Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path / "there")
    site.some_posts()
    return site


def assert_one_line(result: Result, code: int, *parts: str) -> None:
    """The exit code, and one line on standard error that has all parts."""
    assert result.code == code, result.err + result.out
    lines = [line for line in result.err.splitlines() if all(part in line for part in parts)]
    assert len(lines) == 1, result.err


def assert_whole(site: Site) -> None:
    """A run without fault afterwards has everything, and mailed once."""
    result = site.run_json()
    assert result.code == 0, result.err
    assert (site.folder / "public/feed.xml").is_file()
    assert len(site.mails()) == 1
    assert not [name for name in site.tree("public") if ".tmp" in name or name.startswith(".")]


# ----------------------------------------------------------- configuration


@pytest.mark.parametrize(
    ("config", "parts"),
    [
        ("site: [", ("config.yaml:1",)),
        (CONFIG.replace("timezone: Asia/Shanghai", "timezone: Asia/Shanghay"), ("config.yaml:5", "Asia/Shanghai")),
        (CONFIG.replace("  title:", "  titel:"), ("config.yaml:2", "titel", "title")),
    ],
)
def test_bad_config_touches_nothing(site: Site, config: str, parts: tuple[str, ...]) -> None:
    """Exit code 2, file and line."""
    site.configure(config)
    before = site.tree(".")
    assert site.run().code == 2
    err = site.run().err
    assert all(part in err for part in parts), err
    assert site.tree(".") == before


def test_missing_templates_touch_nothing(site: Site) -> None:
    """A folder of one's own templates that is not there would be a site in the wrong clothes."""
    site.configure(CONFIG + "templates: looks\n")
    assert_one_line(site.run(), 2, "templates: ", "looks is not a folder; make it, or take the key out")
    assert not (site.folder / "public").exists()
    assert not site.mails()


def test_missing_config(site: Site) -> None:
    """Says that there is none."""
    (site.folder / "config.yaml").unlink()
    assert_one_line(site.run(), 2, "config.yaml", "no such file")


# ------------------------------------------------------------------- posts


def test_missing_posts_folder(site: Site) -> None:
    """Nothing is withdrawn because a folder is not mounted."""
    site.run()
    away = site.folder / "away"
    (site.folder / "site").rename(away)
    assert_one_line(site.run(as_of="2026-11-24 10:00"), 1, str(site.folder / "site"))
    away.rename(site.folder / "site")
    report = site.run_json(as_of="2026-11-24 10:05").report
    assert (report["collected"]["gone"], report["collected"]["arrived"]) == (0, 0)
    assert len(site.mails()) == 1


def test_emptied_posts_folder(site: Site) -> None:
    """Every post gone at once is an accident, not a withdrawal."""
    site.run()
    kept = site.folder / "kept"
    shutil.copytree(site.posts, kept)
    for path in site.posts.iterdir():
        path.unlink()
    assert_one_line(site.run(as_of="2026-11-24 10:00"), 1, "nothing was withdrawn")
    assert "已撤回" not in (site.folder / "public/feed.xml").read_text(encoding="utf-8")


@pytest.fixture
def bound() -> tuple[str, ...]:
    """Words in front of a command that make it subject to permissions, which root is not."""
    if os.getuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("root without setpriv cannot be told that a file is not readable")
    return ("setpriv", "--bounding-set", "-all", "--inh-caps", "-all", "--")


def test_unreadable_file_is_skipped_and_told(site: Site, bound: tuple[str, ...]) -> None:
    """The rest of the run goes on; when it can be read, it arrives."""
    secret = site.posts / "2026-11-24-second.md"
    secret.chmod(0)
    result = site.run("--json", prefix=bound)
    problems = [each for each in result.report["collected"]["problems"] if each["path"].endswith("second.md")]
    assert len(problems) == 1
    assert "permission" in problems[0]["reason"].lower()
    assert result.report["collected"]["arrived"] == 2
    secret.chmod(0o644)
    assert site.run("--json", prefix=bound, as_of="2026-11-24 09:05").report["collected"]["arrived"] == 1


def test_unreadable_folder_withdraws_nothing(site: Site, bound: tuple[str, ...]) -> None:
    """What cannot be looked into is unknown, not gone."""
    site.post("deep/2026-11-24-deep.md", title="深处", link="http://x.example.com/8")
    site.run(prefix=bound)
    (site.posts / "deep").chmod(0)
    result = site.run("--json", prefix=bound, as_of="2026-11-24 09:30")
    (site.posts / "deep").chmod(0o755)
    assert result.report["collected"]["gone"] == 0
    assert any("deep" in problem["path"] for problem in result.report["collected"]["problems"])


def test_broken_post_costs_only_itself(site: Site) -> None:
    """Others are published; mended, it arrives."""
    broken = site.posts / "2026-11-24-broken.md"
    broken.write_bytes(b"---\ntitle: [x\n---\n> y\n")
    result = site.run_json()
    assert (result.code, result.report["collected"]["arrived"], result.report["collected"]["skipped"]) == (0, 3, 1)
    site.post("2026-11-24-broken.md", title="修好了", link="http://x.example.com/4")
    assert site.run_json(as_of="2026-11-24 09:05").report["collected"]["arrived"] == 1


# ------------------------------------------------------------ disk and output


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[None]:
    """A file system of its own that is soon full."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = shutil.which("mount")
    made = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)], capture_output=True
    )
    if not made or made.returncode != 0:
        pytest.skip("cannot mount a small file system (needs root)")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(path: Path) -> None:
    """Write until nothing more fits."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        for size in (4096, 1):
            with suppress(OSError):
                while True:
                    os.write(descriptor, b"x" * size)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("folder", ["public", "var", "var/outbox"])
def test_full_disk(site: Site, folder: str) -> None:
    """Nothing half-written stays; with room again everything is made up for, nothing twice."""
    with small_disk(site.folder / folder, 16):
        filler = site.folder / folder / "filler"
        fill(filler)
        result = site.run()
        assert result.code == 1, result.out
        assert "no space left" in result.err.lower() or "full" in result.err.lower(), result.err
        filler.unlink()
        subprocess.run(["mount", "-o", "remount,size=4m", str(site.folder / folder)], check=True)
        assert_whole(site)


def test_read_only_output(site: Site, bound: tuple[str, ...]) -> None:
    """The mail waits for its page, and says so: its links would lead nowhere."""
    public = site.folder / "public"
    public.mkdir()
    public.chmod(0o555)
    result = site.run(prefix=bound)
    assert result.code == 1
    assert "public" in result.err
    assert "0 sent, 1 waiting, 1 of them for their page" in result.out
    assert "daily 2026-11-24: 1 not sent yet: the edition's page and feed are not in place" in result.err
    assert site.mails() == []
    public.chmod(0o755)
    assert site.run(prefix=bound, as_of="2026-11-24 09:05").code == 0
    assert (public / "feed.xml").is_file()
    assert (public / "editions/daily/2026-11-24/index.html").is_file()
    assert len(site.mails()) == 1


def test_mail_that_would_expire_leaves_without_its_page(site: Site, bound: tuple[str, ...]) -> None:
    """Two hours before its end, and the report says so."""
    public = site.folder / "public"
    public.mkdir()
    public.chmod(0o555)
    site.run(prefix=bound)
    assert site.run(prefix=bound, as_of="2026-11-25 00:59").code == 1
    assert site.mails() == []
    result = site.run(prefix=bound, as_of="2026-11-25 01:01")
    assert result.code == 1
    assert "daily 2026-11-24: 1 sent although the edition's page is not in place: they would have expired" in result.err
    assert len(site.mails()) == 1


# ------------------------------------------------------------------- store


def test_corrupt_store(site: Site) -> None:
    """Says which file it is and what to do; other files are left alone."""
    site.run()
    database = site.folder / "var/digest.db"
    good = database.read_bytes()
    database.write_bytes(b"this is no database at all, " * 400)
    assert_one_line(site.run(), 1, str(database))
    database.write_bytes(good)
    assert site.run_json().written == []


@pytest.mark.long
@pytest.mark.slow  # waits as long as the program does: 30 s
def test_locked_store(site: Site) -> None:
    """Another program that holds the database is told; nothing is lost."""
    site.run()
    database = site.folder / "var/digest.db"
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        result = site.run("--json", as_of="2026-11-24 09:30")
        other.execute("ROLLBACK")
    assert result.code == 1
    assert str(database) in result.err


def test_two_runs_at_once(site: Site) -> None:
    """One works, the other says so and ends well."""
    import fcntl

    site.run()
    lock = site.folder / "var/digest.db.lock"
    with lock.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        result = site.run(as_of="2026-11-25 08:30")
    assert result.code == 0
    assert "another" in result.err
    assert len(site.mails()) == 1
    results: list[Result] = []
    site.post("2026-11-25-new.md", title="新消息", date="2026-11-25 07:00:00 +0800", link="http://x.example.com/11")
    threads = [threading.Thread(target=lambda: results.append(site.run(as_of="2026-11-25 08:30"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result.code for result in results] == [0, 0, 0, 0]
    assert len(site.mails()) == 2


# -------------------------------------------------------------------- mail


def free_port() -> int:
    """A port that nobody listens on."""
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


def test_wrong_smtp_host(site: Site) -> None:
    """The run goes on, the mail waits and goes out once the host is right."""
    smtp = f"mail:\n  transport: smtp\n  host: 127.0.0.1\n  port: {free_port()}\n  security: none\n"
    site.configure(CONFIG.replace("mail:\n", smtp))
    result = site.run()
    assert result.code == 1
    assert "127.0.0.1" in result.err
    assert (site.folder / "public/feed.xml").is_file()
    site.configure(CONFIG)
    assert site.run(as_of="2026-11-24 09:30").code == 0
    assert len(site.mails()) == 1


def test_smtp_refuses_one_recipient(site: Site) -> None:
    """The others get theirs, the refused one is named without its name, and nobody gets a second one."""
    from aiosmtpd.controller import Controller

    received: list[str] = []

    class Handler:
        async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
            if address.startswith("nobody@"):
                return "550 5.1.1 no such user"
            envelope.rcpt_tos.append(address)
            return "250 OK"

        async def handle_DATA(self, server, session, envelope):  # noqa: N802
            received.extend(envelope.rcpt_tos)
            return "250 2.0.0 queued"

    controller = Controller(Handler(), hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        smtp = f"mail:\n  transport: smtp\n  host: 127.0.0.1\n  port: {controller.port}\n  security: none\n"
        to = "to: [nobody@example.com, a@example.com, b@example.com]"
        site.configure(CONFIG.replace("mail:\n", smtp).replace("to: reader@example.com", to))
        result = site.run()
        assert result.code == 1
        assert "5.1.1" in result.err
        assert "n***@example.com" in result.err
        assert "nobody@" not in result.err
        assert sorted(received) == ["a@example.com", "b@example.com"]
        assert site.run(as_of="2026-11-24 10:00").code == 0
        assert len(received) == 2
    finally:
        controller.stop()


# ------------------------------------------------------------- nasty names


def test_nasty_categories_have_files_of_their_own(site: Site) -> None:
    """Each inside the output folder, no two shared."""
    names = ["../../etc/passwd", "a/b", ".", "CON", "", "财" * 300, "Techweb", "TechWeb"]
    for number, name in enumerate(names):
        site.post(
            f"2026-11-24-nasty-{number}.md",
            title=f"怪名字{number}",
            categories=f'["{name}"]',
            link=f"http://x.example.com/n{number}",
        )
    outside = site.bytes_of("site")
    assert site.run().code == 0
    feeds = sorted(path.name for path in (site.folder / "public/feed").glob("*.xml"))
    assert len(feeds) == len({name.casefold() for name in feeds}) == len(names) - 1 + 2, "none is no category"
    assert site.bytes_of("site") == outside
    assert not (site.folder.parent / "etc").exists()
