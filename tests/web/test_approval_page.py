"""The page on which an edition is approved, behind a real server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from html import unescape
from pathlib import Path

import pytest

from digest.app.assembly import App
from digest.app.moment import When
from digest.app.running import run_steps
from digest.jobs.progress import silent
from tests.web.web_server import Answer, Served, kind, link, serving

CONFIG = """\
site: {title: 财经早报, url: "https://news.example.com", language: zh-CN, timezone: Asia/Shanghai, author: 财经早报}
posts: {folder: site, settle: 0}
digests: {daily: {title: 早报, schedule: "daily 08:00"}}
mail:
  sender: 财经早报 <digest@news.example.com>
  to: reader@example.com
  approve: {wait: 1 h, else: send}
subscriptions: {url: "http://127.0.0.1:PORT/mail"}
watch: {mail: desk@example.com}
"""


class Waiting(Served):
    """A service whose first edition waits."""

    def post(self, title: str) -> None:
        now = datetime.now(UTC) - timedelta(minutes=1)
        text = f'---\ntitle: "{title}"\ndate: {now:%Y-%m-%d %H:%M:%S} +0000\ncategories: macro\n---\n> {title}。\n'
        (self.folder / "site" / "_posts" / f"{now:%Y-%m-%d}-{abs(hash(title))}.md").write_text(text, "utf-8")

    def run(self, later: timedelta = timedelta()) -> None:
        now = datetime.now(UTC).replace(microsecond=0)
        when = When(now=now + later, wall=now)
        store = self.running.subscriber_service.store
        report = run_steps(App(self.running.settings, store, when, dry_run=False, progress=silent), ())
        assert report.ok, report.failures

    def preview(self) -> EmailMessage:
        [mail] = [mail for mail in self.mails(len(self.outbox())) if kind(mail) == "approve"]
        return mail

    def approve(self, address: str, seen: str, **headers: str) -> Answer:
        return self.ask(address, form={"action": "approve", "seen": seen}, headers=headers)


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[Waiting]:
    with serving(tmp_path, own_config=CONFIG) as running:
        running.__class__ = Waiting
        assert isinstance(running, Waiting)
        running.post("央行 <b>开展</b> 逆回购操作")
        running.run()
        yield running


def seen_on(page: Answer) -> str:
    found = re.search(r'name="seen" value="([0-9a-f]+)"', page.text)
    assert found is not None
    return found[1]


def test_looking_changes_nothing_and_shows_everything(waiting: Waiting) -> None:
    """Subject, readers, what happens when; the mail itself in a frame that runs nothing."""
    address = link(waiting.preview())
    page = waiting.ask(address)
    assert page.status == 200
    assert "开展" in page.heading
    assert "<b>开展" not in page.text
    assert "将发给 1 位读者" in page.text
    assert re.search(r"将于 [0-9: -]+ 自动发出", page.text)
    assert "frame-src 'self'" in page.headers["content-security-policy"]
    found = re.search(r'<iframe class="preview" src="([^"]+)" title="预览" sandbox="([^"]*)"', page.text)
    assert found is not None
    assert "allow-scripts" not in found[2]
    assert "allow-same-origin" not in found[2]
    mail = waiting.ask(unescape(found[1]))
    assert mail.status == 200
    assert mail.headers["content-security-policy"].startswith("sandbox allow-popups")
    assert "default-src 'none'" in mail.headers["content-security-policy"]
    assert mail.headers["x-frame-options"] == "SAMEORIGIN"
    assert "逆回购操作" in mail.text
    assert "%%" not in mail.text
    before = waiting.state()
    for _ in range(2):
        waiting.ask(address)
        waiting.ask(address, "HEAD")
    waiting.ask(address, form={"action": "something"})
    assert waiting.state() == before


def test_the_button(waiting: Waiting) -> None:
    """Twice says the same; the next run makes it; the link tells of it afterwards."""
    address = link(waiting.preview())
    seen = seen_on(waiting.ask(address))
    for _ in range(2):
        done = waiting.approve(address, seen)
        assert (done.status, "已批准，将在下一次运行时发出" in done.text) == (200, True)
        assert "<button" not in done.text
    waiting.run()
    over = waiting.ask(address)
    assert "已发出邮件：1/1" in over.text
    assert "批准时间：" in over.text
    assert "https://news.example.com/editions/daily/" in over.text
    assert "<iframe" not in over.text
    assert waiting.ask(f"{address[address.index('/mail') :]}?preview").status == 404
    assert waiting.approve(address, seen).text == over.text


def test_what_was_not_seen_is_not_approved(waiting: Waiting) -> None:
    address = link(waiting.preview())
    seen = seen_on(waiting.ask(address))
    waiting.post("另一条消息")
    waiting.run()
    again = waiting.approve(address, seen)
    assert again.status == 409
    assert "内容在您查看之后有变动" in again.text
    assert waiting.approve(address, seen_on(again)).status == 200


def test_other_sites_and_false_links_approve_nothing(waiting: Waiting) -> None:
    address = link(waiting.preview())
    seen, before = seen_on(waiting.ask(address)), waiting.state()
    foreign = waiting.approve(address, seen, **{"Sec-Fetch-Site": "cross-site"})
    assert foreign.status == 403
    false = waiting.approve(address[:-3] + "AAA", seen)
    assert false.status == 404
    links = waiting.running.subscriber_service.links
    assert waiting.ask(links.approve(77)).status == 404
    assert waiting.state() == before


def test_an_edition_that_left_by_itself(waiting: Waiting) -> None:
    address = link(waiting.preview())
    waiting.run(timedelta(minutes=61))
    assert "已自动发出" in waiting.ask(address).text
