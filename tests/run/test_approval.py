"""``mail.approve`` as its users see it: cron, the command line, the reports; and a run that is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.run.site_folder import CONFIG, Site, body_of

APPROVE = """\
  approve: {wait: 1 h, else: OTHERWISE}
subscriptions: {url: "https://news.example.com/mail"}
watch: {mail: desk@example.com}
"""


def asks(folder: Path, otherwise: str = "send") -> Site:
    """A site that has begun, with a post for the edition of the 25th."""
    site = Site(folder)
    site.some_posts()
    assert site.run().code == 0
    site.configure(CONFIG + APPROVE.replace("OTHERWISE", otherwise))
    site.post("2026-11-25-news.md", title="今日要闻", date="2026-11-25 06:00:00 +0800", link="http://x.example.com/5")
    return site


def at(site: Site, time: str, *words: str) -> str:
    done = site.run(*words, as_of=f"2026-11-25 {time}")
    assert done.code == 0, done.err
    return done.out


def to(site: Site) -> list[str]:
    return [str(mail["To"]) for mail in site.mails()]


def test_by_cron(tmp_path: Path) -> None:
    """One mail to the operator, then one to the reader, at the end of the wait."""
    site = asks(tmp_path)
    out = at(site, "08:00")
    assert "daily 2026-11-25: waits for approval until 09:00; would go to 1 address: 今日要闻｜11月25日" in out
    assert sorted(to(site)) == ["desk@example.com", "reader@example.com"], "the first edition's, and the preview"
    [mail] = [mail for mail in site.mails() if mail["To"] == "desk@example.com"]
    assert (mail["Subject"], mail["From"]) == ("预览：今日要闻｜11月25日", "财经早报 <digest@news.example.com>")
    assert not mail["List-Id"]
    for kind in ("plain", "html"):
        told = body_of(mail, kind)
        assert "09:00 自动发出" in told
        assert "将发给 1 位读者" in told
        assert told.count("https://news.example.com/mail/") == 1
        assert told.index("https://news.example.com/mail/") < told.index("一千亿元逆回购")
        assert "%%" not in told
    for time in ("08:05", "08:30", "08:55"):
        assert "waits for approval" in at(site, time)
    assert len(site.mails()) == 2
    assert not (tmp_path / "public/editions/daily/2026-11-25").exists()
    assert "daily 2026-11-25: 1 post = 1 in the mail" in at(site, "09:00")
    assert to(site).count("reader@example.com") == 2
    assert (tmp_path / "public/editions/daily/2026-11-25/index.html").exists()
    at(site, "09:05")
    assert len(site.mails()) == 3


def test_a_dry_run_asks_nobody(tmp_path: Path) -> None:
    site = asks(tmp_path)
    before = site.tree("var", "public")
    out = at(site, "08:00", "--dry-run")
    assert "waits for approval until 09:00" in out
    assert "1 would be sent" in out
    assert site.tree("var", "public") == before
    assert "waits for approval" in at(site, "08:00")


def test_approved_on_the_command_line(tmp_path: Path) -> None:
    """By name or as the latest; twice is once; the next run makes it."""
    site = asks(tmp_path, "skip")
    nothing = site.command("editions", "approve", "daily", "2026-11-25")
    assert (nothing.code, nothing.err) == (
        1,
        "digest: daily 2026-11-25: no such edition waits for approval; see digest editions list\n",
    )
    at(site, "08:00")
    wrong = site.command("editions", "approve", "daily", "2026-11-24")
    assert "it is finished; there waits daily 2026-11-25" in wrong.err
    for period in ("2026-11-25", "latest"):
        done = site.command("editions", "approve", "daily", period)
        assert (done.code, done.err) == (0, "")
        assert "daily 2026-11-25: approved, it leaves with the next run: 今日要闻" in done.out
    assert "daily 2026-11-25: 1 post = 1 in the mail" in at(site, "08:05")
    over = site.command("editions", "approve", "daily", "2026-11-25")
    assert over.code == 1
    assert "no such edition waits for approval: it is finished" in over.err


def test_one_that_nobody_approved(tmp_path: Path) -> None:
    """Is told in the run's report and the list; its posts are in the next one."""
    site = asks(tmp_path, "skip")
    at(site, "08:00")
    assert "building" in site.command("editions", "list").out.splitlines()[0]
    out = at(site, "09:00")
    assert "daily 2026-11-25: not approved, 1 left to the next edition" in out
    assert sorted(to(site)) == ["desk@example.com", "reader@example.com"], "the first edition's, and the preview"
    first, *_ = json.loads(site.command("editions", "list", "--json").out)
    assert (first["period"], first["state"], first["subject"]) == ("2026-11-25", "skipped", "今日要闻｜11月25日")
    report = site.run_json(as_of="2026-11-26 08:00").report
    [waiting] = report["editions"]["results"]
    assert (waiting["outcome"], waiting["until"]) == ("waits for approval", "2026-11-26T01:00:00+00:00")
    assert waiting["subject"].startswith("今日要闻")


def test_the_status_shows_it(tmp_path: Path) -> None:
    site = asks(tmp_path)
    at(site, "08:00")
    shown = site.command("status").out
    assert "waiting for approval:" in shown
    assert "daily 2026-11-25: until 2026-11-25 09:00, then send: 今日要闻｜11月25日" in shown
    [waiting] = json.loads(site.command("status", "--json").out)["approvals"]
    assert waiting == {
        "digest": "daily",
        "period": "2026-11-25",
        "began_at": "2026-11-25T00:00:00+00:00",
        "until": "2026-11-25T01:00:00+00:00",
        "otherwise": "send",
        "approved_at": None,
        "readers": 1,
        "subject": "今日要闻｜11月25日",
    }
    site.command("editions", "approve", "daily", "latest")
    assert "is approved, and made by the next run" in site.command("status").out


def test_called_off(tmp_path: Path) -> None:
    """Nobody gets it, whatever was to happen; explain tells where its post is, before and after."""
    site = asks(tmp_path)
    at(site, "08:00")
    told = site.command("explain", "2026-11-25-news.md").out
    assert "it is in the edition of 2026-11-25, which waits for approval until 2026-11-25 09:00" in told
    done = site.command("editions", "cancel", "daily", "2026-11-25")
    assert (done.code, done.out) == (0, "daily 2026-11-25: cancelled, 1 mail not sent\n")
    assert site.command("editions", "cancel", "daily", "2026-11-25").code == 1
    assert "edition" not in at(site, "09:00")
    assert len(site.mails()) == 2
    assert "waits for approval" in site.run(as_of="2026-11-26 08:00").out


# ------------------------------------------------------------------ killed

_KILLED = """
import os, signal, sys
from digest.cli import main
from {module} import {owner} as owner
def die(*args, **named):
    {before}
    os.kill(os.getpid(), signal.SIGKILL)
whole = owner.{name}
owner.{name} = die
main({words!r})
"""


@pytest.mark.parametrize(
    ("module", "owner", "name", "before"),
    [
        ("digest.store.sql_store", "SqlStore", "begin_approval", "pass"),
        ("digest.store.editions", "approvals as module, approvals", "save_edition", "pass"),
        ("digest.store.sql_store", "SqlStore", "begin_approval", "whole(*args, **named)"),
        ("digest.mail.folder", "FolderChannel", "send", "pass"),
        ("digest.mail.folder", "FolderChannel", "send", "whole(*args, **named)"),
    ],
)
def test_a_killed_run_asks_once(module: str, owner: str, name: str, before: str, tmp_path: Path) -> None:
    """Before the mark, between the mark and the mail in one transaction, after both, before and after handing over."""
    site = asks(tmp_path)
    words = ["run", "--config", str(tmp_path / "config.yaml"), "--as-of", "2026-11-25 08:00"]
    code = _KILLED.format(module=module, owner=owner, name=name, before=before, words=words)
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=os.environ)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    for time in ("08:20", "08:40"):
        assert "waits for approval" in at(site, time)
    assert to(site).count("desk@example.com") == 1
    at(site, "09:30")
    assert to(site).count("desk@example.com") == 1
    assert to(site).count("reader@example.com") == 2
