"""README's first hour: two people subscribe to the sample site in a browser, get a day's mail, one of them leaves, and
the next day one of them gets mail. Real processes, the configuration that comes with the program."""

from __future__ import annotations

import http.client
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest

from tests.web.test_browser import chromium, heading  # noqa: F401 - a fixture
from tests.web.test_serve import status
from tests.web.web_server import link, links

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
SHANGHAI = ZoneInfo("Asia/Shanghai")


class Newcomer:
    """Somebody with a copy of the sample and a terminal."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(ROOT / "examples", folder / "examples")
        self.config = (ROOT / "config.yaml").read_text(encoding="utf-8")
        self.server: subprocess.Popen[str] | None = None
        self.port = 0
        self._seen: set[Path] = set()
        self.today = datetime.now(SHANGHAI)

    def serve(self) -> None:
        """``digest serve --no-schedule``, on any free port instead of 8000."""
        self.server = subprocess.Popen(
            [sys.executable, "-m", "digest", "serve", "--no-schedule", "--port", str(self.port)],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert status(self.port, "/mail/") == 200

    def write_config(self) -> None:
        import socket

        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        text = self.config.replace("127.0.0.1:8000", f"127.0.0.1:{self.port}")
        assert text != self.config
        (self.folder / "config.yaml").write_text(text, encoding="utf-8")

    def run(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "digest", "run", *words],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode in (0, 1), done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout

    def day(self, number: int) -> list[EmailMessage]:
        """A post, and the run of that day's morning: the mails that it leaves."""
        then = self.today + timedelta(days=number)
        path = self.folder / "examples/archive/_posts" / f"{then:%Y-%m-%d}-day-{number}.md"
        front = f"---\ntitle: 第{number}天的消息\ndate: {then:%Y-%m-%d} 07:00:00 +0800\ncategories: macro\n---\n"
        path.write_text(f"{front}> 第{number}天的摘要。\n", encoding="utf-8")
        self.run("--as-of", f"{then:%Y-%m-%d} 08:30")
        return self.new_mails()

    def new_mails(self) -> list[EmailMessage]:
        files = set((self.folder / "var/outbox").glob("*.eml")) - self._seen
        self._seen |= files
        mails = [BytesParser(policy=policy.default).parsebytes(path.read_bytes()) for path in files]
        return sorted(mails, key=lambda mail: str(mail["To"]))

    def wait_for_mail(self, page: Any) -> EmailMessage:
        for _ in range(1_200):
            if mails := self.new_mails():
                (mail,) = mails
                return mail
            page.wait_for_timeout(50)
        raise AssertionError("no mail came")


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Newcomer]:
    made = Newcomer(tmp_path)
    made.write_config()
    yield made
    if made.server is not None:
        made.server.send_signal(signal.SIGTERM)
        _, err = made.server.communicate(timeout=60)
        assert "Traceback" not in err, err


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:  # noqa: F811
    context = chromium.new_context(java_script_enabled=False)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("way", ["button", "one-click"])
def test_two_join_one_leaves(newcomer: Newcomer, page: Any, way: str) -> None:
    newcomer.run()
    assert [str(mail["To"]) for mail in newcomer.new_mails()] == ["reader@example.com"], "the sample's own reader"
    newcomer.serve()
    for address in ("ann@example.org", "bob@example.org"):
        page.goto(f"http://127.0.0.1:{newcomer.port}/mail/")
        page.fill("input[type=email]", address)
        page.wait_for_timeout(2_100)  # nobody fills in a form faster
        page.click("button[type=submit]")
        assert heading(page) == "请查看您的邮箱"
        mail = newcomer.wait_for_mail(page)
        assert mail["To"] == address
        page.goto(link(mail))
        page.click("button")
        assert heading(page) == "订阅成功"

    ann, bob, _ = mails = newcomer.day(1)
    assert [str(mail["To"]) for mail in mails] == ["ann@example.org", "bob@example.org", "reader@example.com"]
    assert "第1天的消息" in str(ann.get_body(("plain",)).get_content())  # type: ignore[union-attr]
    leave = str(ann["List-Unsubscribe"]).strip("<>")
    assert leave in links(ann)
    if way == "button":
        page.goto(leave)
        page.click("button[value=leave]")
        assert heading(page) == "您已退订"
    else:
        assert one_click(leave) == 200
    assert [str(mail["To"]) for mail in newcomer.day(2)] == ["bob@example.org", "reader@example.com"]
    assert str(bob["List-Unsubscribe"]) != str(ann["List-Unsubscribe"])


def one_click(address: str) -> int:
    """What a mail program does (RFC 8058)."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", parts.path, body="List-Unsubscribe=One-Click", headers=kind)
    try:
        return connection.getresponse().status
    finally:
        connection.close()


def test_readme_tells_these_steps() -> None:
    """The commands and places that the test uses stand there."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition("## Subscribing")[2].partition("\n## ")[0]
    for told in ("digest serve --no-schedule", "http://127.0.0.1:8000/mail/", "var/outbox", "--as-of", "Unsubscribe"):
        assert told in section, told
    assert re.search(r"curl .*List-Unsubscribe=One-Click", section)
