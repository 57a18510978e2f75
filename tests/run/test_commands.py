"""``digest deliver`` and ``digest adopt-ids`` as their users see them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import feedparser
import pytest

from tests.run.site_folder import CONFIG, Site
from tests.run.test_faults import free_port

EARLIER = """<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom">
<id>https://news.example.com/old-feed</id><title>x</title><updated>2026-11-24T08:00:00+08:00</updated>
<entry><id>urn:old:42</id><title>央行开展逆回购操作</title><updated>2026-11-24T08:00:00+08:00</updated>
<published>2026-11-24T08:00:00+08:00</published>
<link href="https://news.example.com/macro/2026/11/24/first.html"/></entry>
</feed>
"""


def mail_that_waits(site: Site) -> None:
    """One mail in the ledger, which a run could not hand over."""
    smtp = f"mail:\n  transport: smtp\n  host: 127.0.0.1\n  port: {free_port()}\n  security: none\n"
    site.some_posts()
    site.configure(CONFIG.replace("mail:\n", smtp))
    assert site.run(as_of=None).code == 1
    site.configure(CONFIG)


def test_deliver_sends_what_a_run_could_not(site: Site) -> None:
    """A worker finds the mail that waits in the ledger, and sends it once."""
    mail_that_waits(site)
    assert "1 sent" in site.command("deliver", "--once").out
    assert "nothing to send" in site.command("deliver", "--once").out
    assert len(site.mails()) == 1


def until_it_waits(worker: subprocess.Popen[str]) -> None:
    """Until the worker has threads that look for mail, which is after it has learnt what to do about signals."""
    while worker.poll() is None:
        if len(list(Path(f"/proc/{worker.pid}/task").iterdir())) > 1:
            return
        time.sleep(0.05)
    raise AssertionError(worker.communicate())


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
def test_deliver_ends_when_it_is_told_to(site: Site) -> None:
    """SIGTERM ends a waiting worker soon, with exit code 0."""
    mail_that_waits(site)
    worker = subprocess.Popen(
        [sys.executable, "-m", "digest", "deliver", "--config", str(site.folder / "config.yaml")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not site.mails():
        assert worker.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    worker.send_signal(signal.SIGTERM)
    out, err = worker.communicate(timeout=60)
    assert (worker.returncode, out.strip()) == (0, "1 sent"), err


def test_resume_of_what_is_not_paused(site: Site) -> None:
    """One clear line."""
    site.some_posts()
    site.run(as_of=None)
    result = site.command("deliver", "--once", "--resume", "daily", "2020-01-01")
    assert result.code == 1
    assert "daily 2020-01-01: there is no paused edition of that name" in result.err


def test_adopted_ids_are_kept(site: Site) -> None:
    """Posts of the earlier feed keep their ids, later ones get new ones, older ones stay out of the feed."""
    site.some_posts()
    feed = site.folder / "old.xml"
    feed.write_text(EARLIER, encoding="utf-8")
    result = site.command("adopt-ids", str(feed))
    assert (result.code, result.err) == (0, "")
    assert "1 ids adopted" in result.out
    site.run()
    parsed = feedparser.parse((site.folder / "public/feed.xml").read_bytes())
    assert parsed.feed.id == "https://news.example.com/old-feed"
    assert [(entry.title, entry.id) for entry in parsed.entries] == [
        ("半导体板块走强", "https://news.example.com/stocks/2026/11/24/second"),
        ("央行开展逆回购操作", "urn:old:42"),
    ]
    late = site.command("adopt-ids", str(feed))
    assert late.code == 1
    assert "collected before" in late.err


def test_adopting_what_is_no_feed(site: Site) -> None:
    """One clear line."""
    page = site.folder / "page.html"
    page.write_text("<!doctype html><p>no feed", encoding="utf-8")
    for path in (page, site.folder / "nowhere.xml"):
        result = site.command("adopt-ids", str(path))
        assert result.code == 1
        assert len(result.err.splitlines()) == 1
