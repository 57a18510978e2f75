"""A site with subscribers, in this process: its clock stands where the test puts it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from hashlib import sha256
from pathlib import Path
from typing import Any

from digest.app.assembly import App
from digest.app.moment import When
from digest.app.running import run_steps
from digest.app.sending import send_mail
from digest.app.subscriber_service import SubscriberService
from digest.config import load
from digest.jobs.progress import silent
from digest.jobs.run import RunReport
from digest.jobs.subscribers.people import People
from digest.jobs.subscribers.signup import Asked, SignUp, SignupService
from digest.store import SqlStore, open_store
from digest.subscribers.subscription import Choice, Frequency, Preferences
from tests.run.site_folder import Site

CONFIG = """\
site:
  title: 财经早报
  url: https://news.example.com
  language: zh-CN
  timezone: Asia/Shanghai
  author: 财经早报
posts:
  folder: site
  settle: 0
categories: {macro: 宏观, stocks: 股票, funds: 基金}
digests:
  daily: {schedule: "daily 08:00"}
  evening: {title: 晚报, schedule: "weekdays 18:00"}
mail:
  sender: 财经早报 <digest@news.example.com>
  bounce_address: b@bounces.example.com
"""

NOON = datetime(2026, 11, 24, 4, tzinfo=UTC)
"""Tuesday, 12:00 in Shanghai."""

WALL = NOON + timedelta(days=365)
"""The clock on the wall: another one, so that not even a database's own is asked for the time."""


class World:
    """Everything about one site. ``now`` may be moved."""

    def __init__(self, folder: Path, store_url: str, config: str = CONFIG) -> None:
        self.folder = folder
        self.site = Site(folder, config)
        self.settings = load(folder / "config.yaml", {"DIGEST_STORE": store_url})
        self.store: SqlStore = open_store(store_url)
        self.now = NOON
        self._seen: set[str] = set()

    def close(self) -> None:
        self.store.close()

    # ---------------------------------------------------------------- parts

    def app(self, *, dry_run: bool = False) -> App:
        when = When(now=self.now, wall=WALL)
        return App(self.settings, self.store, when, dry_run=dry_run, progress=silent)

    @property
    def subscriber_service(self) -> SubscriberService:
        return self.app().subscriber_service

    @property
    def signup(self) -> SignupService:
        return self.subscriber_service.signup

    @property
    def people(self) -> People:
        return self.subscriber_service.people

    # -------------------------------------------------------------- actions

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)

    def ask(
        self,
        address: str = "ann@example.org",
        *,
        digest: str = "daily",
        categories: tuple[str, ...] = (),
        frequency: Frequency = Frequency.DAILY,
        ip: str = "192.0.2.7",
        **fields: Any,
    ) -> Asked:
        """Fill in the form."""
        values: dict[str, Any] = {
            "address": address,
            "choices": (Choice(digest=digest, categories=categories),),
            "preferences": Preferences(frequency=frequency),
            "text": "I want mail.",
            "stamp": self.signup.stamp(self.now - timedelta(seconds=5)),
            "ip": ip,
        }
        return self.signup.ask(SignUp(**values | fields), self.now)

    def join(self, address: str = "ann@example.org", **fields: Any) -> str:
        """Sign up and confirm. Returns the address of the reader's preferences."""
        assert self.ask(address, **fields) is Asked.NOTED
        (mail,) = self.sent()
        assert self.signup.confirm(token(link(mail)), self.now) is not None
        return self.manage_link(address)

    def manage_link(self, address: str) -> str:
        reader = self.people.find(address)
        return self.subscriber_service.links.manage(reader.key)

    def sent(self) -> list[EmailMessage]:
        """Let sign-ups be looked at and send what waits: the mails that are new in the outbox."""
        app = self.app()
        app.subscriber_service.signup.handle(self.now)
        send_mail(app)
        return self.new_mails()

    def run(self) -> RunReport:
        """A whole ``digest run``."""
        return run_steps(self.app(), ())

    def news(self, name: str, category: str = "macro", title: str = "央行开展逆回购操作") -> None:
        """A post that appears now, and tells a story of its own."""
        local = self.now + timedelta(hours=8)
        words = sha256(f"{name} {category} {local}".encode()).hexdigest()
        self.site.post(
            f"{local:%Y-%m-%d}-{name}.md",
            title=title,
            date=f"{local:%Y-%m-%d %H:%M:%S} +0800",
            categories=category,
            summary=f"{words[:20]} {words[20:40]}。",
            body=f"<p>{words[40:50]} {words[50:]}</p>",
            link=f"http://finance.example.com/{words}.html",
        )

    def new_mails(self) -> list[EmailMessage]:
        found = []
        for path in sorted((self.folder / "var" / "outbox").glob("*.eml")):
            if path.name not in self._seen:
                self._seen.add(path.name)
                parsed = BytesParser(policy=policy.default).parsebytes(path.read_bytes())
                assert isinstance(parsed, EmailMessage)
                found.append(parsed)
        return sorted(found, key=lambda mail: str(mail["To"]))

    def begin(self) -> None:
        """Make the first editions, which go to nobody, so that later ones have a slot."""
        self.news("first")
        self.run()
        self.new_mails()


@contextmanager
def opened(folder: Path, store_url: str, config: str = CONFIG) -> Iterator[World]:
    world = World(folder, store_url, config)
    try:
        yield world
    finally:
        world.close()


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def html_of(mail: EmailMessage) -> str:
    body = mail.get_body(("html",))
    assert body is not None
    return str(body.get_content())


def links(mail: EmailMessage) -> list[str]:
    """Every subscription link of a mail, in its text, its HTML and its header."""
    told = text_of(mail) + html_of(mail) + str(mail["List-Unsubscribe"] or "")
    return list(dict.fromkeys(re.findall(r"https?://[^/\s\"<>]+/mail/[A-Za-z0-9_-]+", told)))


def link(mail: EmailMessage) -> str:
    (only,) = links(mail)
    return only


def token(link: str) -> str:
    return link.rpartition("/")[2]
