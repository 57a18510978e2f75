"""The subscription pages behind a real server on loopback, and a client that sends exactly what it is told."""

from __future__ import annotations

import http.client
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from html import unescape
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from starlette.routing import BaseRoute

from digest.app.assembly import App
from digest.app.moment import When
from digest.app.running import run_steps
from digest.app.service import Service, service
from digest.jobs.progress import silent
from digest.subscribers.subscription import Notice
from digest.web.server import make_server
from digest.web.site import site_app

CONFIG = """\
site:
  title: "财经<b>早报</b>"
  url: https://news.example.com
  language: zh-CN
  timezone: Asia/Shanghai
  author: 财经早报
posts: {{folder: site, settle: 0}}
categories: {{macro: 宏观, stocks: "<script>alert(1)</script>"}}
digests:
  daily: {{title: 早报, schedule: "daily 08:00"}}
  evening: {{title: 晚报, schedule: "daily 18:00"}}
mail:
  sender: 财经早报 <digest@news.example.com>
subscriptions:
  url: http://127.0.0.1:{port}/mail
  trusted_proxies: {proxies}
"""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def heading(self) -> str:
        found = re.search(r"<h1>(.*?)</h1>", self.text, re.DOTALL)
        return unescape(found[1]) if found else ""


class Served:
    """A running service."""

    def __init__(self, folder: Path, port: int, running: Service, loop: threading.Thread) -> None:
        self.folder = folder
        self.port = port
        self.running = running
        self.loop = loop
        self.url = f"http://127.0.0.1:{port}/mail"

    # --------------------------------------------------------------- client

    def ask(
        self,
        address: str,
        method: str = "GET",
        form: Mapping[str, str] | list[tuple[str, str]] | None = None,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request; a form makes it a POST."""
        sent = dict(headers or {})
        if form is not None:
            method, body = "POST", urlencode(form).encode()
            sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
        raw = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        path = urlsplit(address).path if "://" in address else address
        raw.request(method, path, body=body, headers=sent)
        response = raw.getresponse()
        data = response.read()
        raw.close()
        return Answer(status=response.status, headers={k.lower(): v for k, v in response.getheaders()}, body=data)

    def loop_seconds(self) -> float:
        """What the event loop has worked so far; its waiting does not count, nor what others do meanwhile."""
        assert self.loop.ident is not None
        return time.clock_gettime(time.pthread_getcpuclockid(self.loop.ident))

    def stamp(self, **age: float) -> str:
        then = datetime.now(UTC) - timedelta(**(age or {"seconds": 5}))
        return self.running.subscriber_service.signup.stamp(then)

    def sign_up(self, address: str = "ann@example.org", **fields: str) -> Answer:
        values = {"email": address, "digest": "daily", "frequency": "daily", "stamp": self.stamp(), **fields}
        return self.ask("/mail/", form=values)

    # ------------------------------------------------------------ the inside

    def mails(self, number: int, seconds: float = 60.0) -> list[EmailMessage]:
        """Wait until so many mails are in the outbox: all of them, by recipient."""
        deadline = time.monotonic() + seconds
        while True:
            files = self.outbox()
            if len(files) >= number or time.monotonic() > deadline:
                assert len(files) == number
                return [_parsed(path) for path in files]
            time.sleep(0.05)

    def join(self, address: str = "ann@example.org") -> str:
        """Sign up and confirm. Returns the address of the preferences."""
        before = len(self.outbox())
        assert self.sign_up(address).status == 200
        mail = self.mails(before + 1)[-1]
        assert self.ask(link(mail), form={"action": "confirm"}).status == 200
        reader = self.running.subscriber_service.people.find(address)
        return self.running.subscriber_service.links.manage(reader.key)

    def unsubscribe_link(self, address: str = "ann@example.org", digest: str = "daily") -> str:
        reader = self.running.subscriber_service.people.find(address)
        subscription = reader.to(digest)
        assert subscription is not None
        return self.running.subscriber_service.links.unsubscribe(reader.key, subscription.list_key)

    def move_to(self, manage: str, address: str) -> None:
        """Ask for a new address, as far as the mail to it."""
        before = len(self.outbox())
        self.ask(manage, form={"action": "move"})
        form = link(self.mails(before + 1)[-1])
        self.ask(form, form={"action": "move", "email": address})
        self.mails(before + 2)

    def outbox(self) -> list[Path]:
        files = (self.folder / "var" / "outbox").glob("*.eml")
        return sorted(files, key=lambda path: path.stat().st_mtime_ns)

    def every_mail(self) -> list[EmailMessage]:
        """Readers in every state, and at least one mail of each kind that is ever sent."""
        manage = self.join()
        self.sign_up("bob@example.org")
        self.sign_up("ann@example.org")
        self.mails(3)
        cid = self.join("cid@example.org")
        self.move_to(cid, "dan@example.org")
        self.ask(link(self.mails(6)[-1]), form={"action": "arrive"})
        for errand in ("export", "erase", "move"):
            self.ask(manage, form={"action": errand})
        self.mails(10)
        self.move_to(manage, "eve@example.org")
        self.edition()
        found = [_parsed(path) for path in self.outbox()]
        assert {kind(mail) for mail in found} == {*(each.value for each in Notice), "digest"}
        return found

    def edition(self) -> None:
        """A day's edition, mailed to whoever reads."""
        post = self.folder / "site" / "_posts" / "2026-11-24-news.md"
        post.write_text(
            "---\ntitle: 要闻\ndate: 2026-11-24 07:00:00 +0800\ncategories: macro\n---\n> 今日要闻。\n", "utf-8"
        )
        now = datetime(2026, 11, 24, 1, tzinfo=UTC)
        when = When(now=now, wall=datetime.now(UTC))
        app = App(self.running.settings, self.running.subscriber_service.store, when, dry_run=False, progress=silent)
        run_steps(app, ())

    def state(self) -> str:
        """All tables, as text, once what is sent in the background is written down, its editions closed."""
        deadline = time.monotonic() + 60
        while self._is_sending():
            assert time.monotonic() < deadline, "mail is not sent"
            time.sleep(0.05)
        return self._tables()

    def _is_sending(self) -> bool:
        with self.running.subscriber_service.store._database.asking() as connection:
            open_ones = "SELECT 1 FROM edition WHERE state IN ('frozen', 'sending')"
            return connection.row(open_ones) is not None

    def _tables(self) -> str:
        from digest.store.versions import tables

        with self.running.subscriber_service.store._database.asking() as connection:
            return "\n".join(
                f"{table}: {row}" for table in tables("sqlite") for row in connection.rows(f'SELECT * FROM "{table}"')
            )


def _parsed(path: Path) -> EmailMessage:
    mail = BytesParser(policy=policy.default).parsebytes(path.read_bytes())
    assert isinstance(mail, EmailMessage)
    return mail


def kind(mail: EmailMessage) -> str:
    """Of a notice; or ``digest``."""
    return "digest" if mail["List-Id"] else str(mail["Feedback-ID"]).partition(":")[0]


def links(mail: EmailMessage) -> list[str]:
    """Every link of a mail, in its text, its HTML and its header."""
    parts = [mail.get_body(("plain",)), mail.get_body(("html",))]
    told = "".join(str(part.get_content()) for part in parts if part) + str(mail["List-Unsubscribe"] or "")
    return list(dict.fromkeys(re.findall(r"http://127\.0\.0\.1:\d+/mail/[A-Za-z0-9_-]+", told)))


def link(mail: EmailMessage) -> str:
    (only,) = links(mail)
    return only


@contextmanager
def serving(
    folder: Path,
    *,
    proxies: str = "[]",
    own_config: str | None = None,
    routes: Callable[[Service], Sequence[BaseRoute]] = lambda running: (),
) -> Iterator[Served]:
    """``digest serve`` in a thread, on a free port. In a configuration of one's own ``PORT`` stands for it. ``routes``
    are those of the service itself."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    (folder / "site" / "_posts").mkdir(parents=True, exist_ok=True)
    config = folder / "config.yaml"
    text = CONFIG.format(port=port, proxies=proxies) if own_config is None else own_config.replace("PORT", str(port))
    config.write_text(text, encoding="utf-8")
    with service(config) as running:
        server = make_server(site_app(running, local=True, routes=routes(running)))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield Served(folder, port, running, thread)
        finally:
            server.should_exit = True
            thread.join(60)
            listener.close()
