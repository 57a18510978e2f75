"""Weeks of a service in minutes: the clock is made up, the power fails at any moment, everything else is real (files,
store, scheduler, SMTP server). What must hold afterwards is reckoned here from the calendar alone."""

from __future__ import annotations

import os
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from digest.app.assembly import App
from digest.app.moment import When
from digest.app.running import RunOrder, run_steps
from digest.app.sending import send_mail
from digest.config import Settings, load
from digest.edition.contents import edition_from_json
from digest.jobs.progress import silent
from digest.jobs.run import RunReport
from digest.jobs.subscribers.people import Proof
from digest.models import DeliveryState, EditionState
from digest.service.scheduler import Scheduler, jobs_of
from digest.store import SqlStore, open_store
from digest.store.database.connect import Database
from digest.subscribers.subscription import Preferences
from tests.delivery.scripted_smtp import ScriptedServer

SITE_ZONE = "America/New_York"
CATEGORIES = ("alpha", "beta", "gamma", "delta", "essays", "zeta")

CONFIG = """\
site: {{title: News, url: https://news.example.com, language: en, timezone: {zone}, author: A}}
posts: {{folder: site, settle: 0, schedule: every 6 hours}}
categories: [alpha, beta, gamma, delta, {{name: essays, schedule: daily 09:00}}, zeta]
feeds: {{formats: [atom], window_hours: 1, min_items: 10, max_items: 20, archives: false}}
digests:
  night: {{title: Night, schedule: "daily 02:30", group_stories: false, max_age: 6 days}}
  work: {{title: Work, schedule: "weekdays 18:00", group_stories: false, categories: [alpha, beta], late: skip}}
  week: {{title: Week, schedule: "weekly sat 08:00", group_stories: false, categories: [gamma], max_age: 20 days,
    holidays: [{holiday}]}}
mail:
  {{transport: smtp, host: 127.0.0.1, port: {port}, security: none, sender: digest@news.example.com,
   to: always@example.org, rate: 1000, connections: 1, in_doubt: hold}}
"""

READERS = {
    "newyork@example.org": Preferences(hour=6),
    "berlin@example.org": Preferences(hour=12, zone="Europe/Berlin"),
    "shanghai@example.org": Preferences(hour=23, zone="Asia/Shanghai"),
    "beirut@example.org": Preferences(hour=0, zone="Asia/Beirut"),
    "atonce@example.org": Preferences(),
}


class PowerCut(BaseException):
    """Nothing of this process happens any more."""


@dataclass
class Power:
    """Fails before or after a transaction that writes, when its time has come."""

    left: int | None = None
    """Transactions until it fails; None: it does not."""
    dead: bool = False

    def step(self) -> None:
        if self.left is not None:
            self.left -= 1
            self.dead = self.dead or self.left <= 0
        if self.dead:
            raise PowerCut

    def restore(self) -> None:
        self.left, self.dead = None, False


@contextmanager
def unreliable(power: Power) -> Iterator[None]:
    """While this lasts, every transaction that writes is a moment at which the power may fail."""
    real = Database.changing

    @contextmanager
    def changing(self: Database) -> Iterator[Any]:
        power.step()
        with real(self) as connection:
            yield connection
        power.step()

    Database.changing = changing  # type: ignore[method-assign]
    try:
        yield
    finally:
        Database.changing = real  # type: ignore[method-assign]


@dataclass
class Mail:
    """One message, when it was accepted."""

    recipient: str
    message_id: str
    at: datetime


@dataclass(kw_only=True, eq=False)
class Month:
    """One site, its clock, its posts, and what became of everything."""

    folder: Path
    store_url: str
    server: ScriptedServer
    start: datetime
    days: int
    posts_a_day: int
    downtime: tuple[datetime, datetime]
    reboots: int
    seed: int
    pause: timedelta
    """Between two looks of the mail worker, at the most."""
    now: datetime = field(init=False)
    settings: Settings = field(init=False)
    mails: list[Mail] = field(default_factory=list)
    cuts: list[datetime] = field(default_factory=list)
    runs: int = 0
    written: int = 0
    ticks: float = 0.0

    def __post_init__(self) -> None:
        self.now = self.start
        self.end = self.start + timedelta(days=self.days)
        self.chance = random.Random(self.seed)
        self.power = Power()
        self.zone = ZoneInfo(SITE_ZONE)
        (self.folder / "site" / "_posts").mkdir(parents=True)
        saturdays = [day for day in self.dates() if day.isoweekday() == 6]
        self.holiday = saturdays[-1] if len(saturdays) > 1 else date(2099, 1, 1)
        text = CONFIG.format(zone=SITE_ZONE, port=self.server.port, holiday=self.holiday)
        (self.folder / "config.yaml").write_text(text, encoding="utf-8")
        self.settings = load(self.folder / "config.yaml", {"DIGEST_STORE": self.store_url})
        hours = sorted(self.chance.sample(range(6, self.days * 24 - 12), self.reboots))
        self.planned = [self.start + timedelta(hours=hour) for hour in hours]

    def dates(self) -> list[date]:
        first = self.start.astimezone(self.zone).date()
        return [first + timedelta(days=number) for number in range(self.days + 1)]

    # ------------------------------------------------------------------- time

    def go(self) -> None:
        """From the start to the end, and until all mail is out."""
        with unreliable(self.power):
            while self.now < self.end:
                try:
                    self._process()
                except PowerCut:
                    self.cuts.append(self.now)
                    self.power.restore()
                    self._pass(timedelta(minutes=self.chance.randint(1, 9)))
                if self.downtime[0] <= self.now < self.downtime[1]:
                    self._pass(self.downtime[1] - self.now)
        with open_store(self.store_url) as store:
            self._run(store, None)  # what came since the last run
        for _ in range(80):  # leases end, the last readers' hours come
            self._pass(timedelta(minutes=30), posts=False)
            with open_store(self.store_url) as store:
                self._send(store)

    def _process(self) -> None:
        """One process, from its start until the power fails."""
        store = open_store(self.store_url)
        try:
            self._admit(store)
            if store.is_importing():  # an archive that was empty, and no first edition of its newest day
                store.finish_import(self.now)
            scheduler = Scheduler(
                jobs_of(self.settings),
                self.zone,
                store,
                lambda order: self._run(store, order),
                clock=lambda: self.now,
                ticks=lambda: self.ticks,
            )
            with scheduler.closing():
                while self.now < self.end and not self.downtime[0] <= self.now < self.downtime[1]:
                    self._look(scheduler, store)
        finally:
            store.close()

    def _look(self, scheduler: Scheduler, store: SqlStore) -> None:
        """What a tick does, then what the mail worker does, then the next thing happens."""
        cut = bool(self.planned) and self.now >= self.planned[0]
        if cut:
            self.planned.pop(0)
            self.power.left = self.chance.randint(1, 60)
        scheduler.tick()
        if self.chance.random() < 0.05:  # somebody calls digest run by hand, or cron does
            self._run(store, None)
        self._send(store)
        if cut:
            raise PowerCut  # between two steps, if not in one of them
        soon = self.now + self.pause
        moments = [job.next for job in scheduler.state().jobs]
        self._pass(max(min([soon, *moments]) - self.now, timedelta(seconds=1)))

    def _pass(self, length: timedelta, *, posts: bool = True) -> None:
        """Time goes on, and posts are written meanwhile."""
        self.now += length
        self.ticks += length.total_seconds()
        every = timedelta(days=1) / self.posts_a_day
        while posts and (moment := self.start + every * self.written) <= self.now:
            self._write(moment)

    def _write(self, moment: datetime) -> None:
        number, self.written = self.written, self.written + 1
        path = self.folder / "site" / "_posts" / f"{moment:%Y-%m-%d}-n{number:06}.md"
        path.write_text(
            f"---\ntitle: Post {number}\ndate: {moment:%Y-%m-%d %H:%M:%S} +0000\n"
            f"categories: {CATEGORIES[number % len(CATEGORIES)]}\n---\n> Summary {number}.\n",
            encoding="utf-8",
        )
        os.utime(path, (moment.timestamp(), moment.timestamp()))

    # ------------------------------------------------------------ what is done

    def _app(self, store: SqlStore) -> App:
        when = When(now=self.now, wall=self.now + timedelta(seconds=3))
        return App(self.settings, store, when, dry_run=False, progress=silent)

    def _admit(self, store: SqlStore) -> None:
        people = self._app(store).subscriber_service.people
        for address, preferences in READERS.items():
            choices = [people.choice(name) for name in self.settings.digests]
            proof = Proof(source="paper", given_at=self.start)
            people.add(address, choices, self.now, preferences=preferences, proof=proof)

    def _run(self, store: SqlStore, order: RunOrder | None) -> RunReport:
        with store.exclusive("digest run"):
            report = run_steps(self._app(store), (), order=order)
        self._note()
        self.runs += 1
        assert not report.failures, report.failures
        return report

    def _send(self, store: SqlStore) -> None:
        try:
            report = send_mail(self._app(store))
        finally:
            self._note()
        odd = [line for line in report.failures if "doubt" not in line and "expired" not in line]
        assert not odd, odd

    def _note(self) -> None:
        for each in self.server.accepted[len(self.mails) :]:
            self.mails.append(Mail(recipient=each.recipient, message_id=each.message_id, at=self.now))

    # --------------------------------------------------------- what must hold

    def check(self) -> None:
        """Every slot is accounted for, every post and every message is there once."""
        with open_store(self.store_url) as store:
            made = {name: self._check_slots(store, name) for name in self.settings.digests}
            self._check_posts(store, made)
            self._check_mail(store, made)

    @cache  # noqa: B019 - one object for each test
    def slots(self, digest: str) -> dict[str, datetime]:
        """The periods of a digest with their times, by the calendar."""
        at, days = {"night": (time(2, 30), range(1, 8)), "work": (time(18), range(1, 6)), "week": (time(8), [6])}[
            digest
        ]
        found = {}
        for day in self.dates():
            moment = self._first_moment(datetime.combine(day, at))
            if day.isoweekday() in days and self.start < moment <= self.end:
                year, week, _ = day.isocalendar()
                found[f"{year}-W{week:02}" if digest == "week" else day.isoformat()] = moment
        return found

    def _first_moment(self, local: datetime) -> datetime:
        """The first minute at which the zone's clocks show this time or a later one of that date: asked minute by
        minute, so that it owes nothing to what is tested."""
        moment = (local - timedelta(hours=15)).replace(tzinfo=UTC)
        while moment.astimezone(self.zone).replace(tzinfo=None) < local:
            moment += timedelta(minutes=1)
        return moment

    def _check_slots(self, store: SqlStore, digest: str) -> list[str]:
        """Made on time, or a reason. Returns the periods that were made."""
        made, began = [], store.began(digest)
        assert began is not None
        late = timedelta(hours=6) if digest != "work" else timedelta(minutes=30)
        down, up = self.downtime
        for period, moment in self.slots(digest).items():
            saved = store.edition(digest, period)
            assert saved is not None, f"{digest} {period} is not accounted for"
            if digest == "week" and moment.astimezone(self.zone).date() == self.holiday:
                assert saved.state is EditionState.SKIPPED
                assert period in store.skipped_periods(digest, "holiday")
            elif down <= moment < up and up - moment > late:
                assert saved.state is EditionState.SKIPPED, f"{digest} {period}"
                assert period in store.skipped_periods(digest, "missed")
            else:
                assert saved.state is EditionState.FINISHED, f"{digest} {period} is {saved.state}"
                limit = up if down <= moment < up else moment
                near = [cut for cut in self.cuts if timedelta() <= cut - limit <= timedelta(minutes=20)]
                assert timedelta() <= saved.frozen_at - limit <= timedelta(minutes=20 if near else 1), (
                    f"{digest} {period} was made at {saved.frozen_at}, not at {limit}"
                )
                made.append(period)
        first = {row.period for row in store.edition_rows(digest)} - set(made)
        assert len(first) <= 1, f"{digest}: {first} were made and have no slot"
        return made

    def _check_posts(self, store: SqlStore, made: dict[str, list[str]]) -> None:
        """Each post is in one edition of its digest, unless the digest leaves out what is late."""
        assert store.count_posts() == self.written
        for digest, categories in (("night", CATEGORIES), ("work", ("alpha", "beta")), ("week", ("gamma",))):
            times: Counter[int] = Counter()
            for row in store.edition_rows(digest):
                saved = store.edition(digest, row.period)
                assert saved is not None
                times.update(store.posts_in([saved.key]).keys())
                assert edition_from_json(saved.document).balance.arrived == row.posts
            assert max(times.values()) == 1, f"{digest}: a post is in two editions"
            expected = sum(
                CATEGORIES[number % len(CATEGORIES)] in categories and self._is_due(digest, number, made[digest])
                for number in range(self.written)
            )
            assert len(times) == expected, f"{digest}: {expected} posts should be in an edition, {len(times)} are"

    def _is_due(self, digest: str, number: int, made: list[str]) -> bool:
        """Whether a post must be in an edition: one follows it; with ``late: skip``, the very next one was made."""
        moment = self.start + timedelta(days=1) / self.posts_a_day * number
        following = [period for period, slot in self.slots(digest).items() if slot >= moment]
        if digest == "work" and number:
            return bool(following) and following[0] in made
        return not number or any(period in made for period in following)

    def _check_mail(self, store: SqlStore, made: dict[str, list[str]]) -> None:
        """Everybody has each edition once, at their own hour; what nobody knows is counted."""
        counts = store.counts().by_state
        editions = sum(len(store.edition_rows(digest)) for digest in made)
        sent, in_doubt, expired = (
            counts.get(state, 0) for state in (DeliveryState.SENT, DeliveryState.IN_DOUBT, DeliveryState.EXPIRED)
        )
        assert sent + in_doubt + expired == sum(counts.values()) == editions * (len(READERS) + 1), counts
        assert in_doubt <= len(self.cuts), "one connection: one message a cut"
        assert expired <= len(READERS) * len(made), "mail that waited for its hour when the machine was off"
        copies = Counter(mail.message_id for mail in self.mails)
        assert max(copies.values()) == 1, "nobody got an edition twice"
        assert sent <= len(copies) <= sent + in_doubt
        by_reader: dict[str, list[Mail]] = defaultdict(list)
        for mail in self.mails:
            by_reader[mail.recipient].append(mail)
        for address, preferences in READERS.items():
            zone = ZoneInfo(preferences.zone or SITE_ZONE)
            for mail in by_reader[address] if preferences.hour is not None else ():
                local = mail.at.astimezone(zone)
                if not self._is_disturbed(mail.at):
                    assert self._shows(local, preferences.hour), f"{address} got a mail at {local}"

    def _shows(self, local: datetime, hour: int | None) -> bool:
        """The hour, or the first one after a gap that swallows it."""
        earlier = (local.astimezone(UTC) - timedelta(hours=1)).astimezone(local.tzinfo)
        jumped = (local.utcoffset() or timedelta()) > (earlier.utcoffset() or timedelta())
        return local.hour == hour or (jumped and local.hour - 1 == hour)

    def _is_disturbed(self, at: datetime) -> bool:
        """Mail that waited for a process to come back may leave later than wished."""
        if self.downtime[0] <= at <= self.downtime[1] + timedelta(hours=1):
            return True
        return any(timedelta() <= at - cut <= timedelta(hours=1) for cut in self.cuts)
