"""The joining: builds sources, store, output and transport from the settings and hands them to the use cases.

The only module that knows all hands. Imports of what only some runs need are late, so that a run that finds nothing
new starts quickly.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from digest import __version__
from digest.app.moment import Moment, moment, time_option
from digest.config import S3Url, Settings, load
from digest.errors import AlreadyRunning, ConfigError, DigestError, SourceError, StoreError
from digest.jobs.progress import Progress, silent
from digest.jobs.run import RunReport, Step, Steps, run
from digest.models import Delivery, KnownPost, Post
from digest.ports import FeedRow, Output, Transport
from digest.subscribers.subscription import NOTICES, WEEKLY, canonical

if TYPE_CHECKING:
    from digest.app.backup import BackupReport, Manifest, RestoreReport
    from digest.app.lookout import Lookout
    from digest.app.readership import Readership
    from digest.app.starting import Draft
    from digest.config import MailSettings
    from digest.inquiry import Candidates
    from digest.jobs.adopt import AdoptReport
    from digest.jobs.back_issues import Issue, Parts
    from digest.jobs.backfill import BackfillReport
    from digest.jobs.collect import CollectReport, Parsed
    from digest.jobs.deliver import Compose, DeliveryReport, Outgoing
    from digest.jobs.doubts import Doubts
    from digest.jobs.editions import Audience, DigestPlan, EditionsReport, Look
    from digest.jobs.explain import Explanation, View
    from digest.jobs.feeds import FeedOptions, FeedReport, Ping
    from digest.jobs.preview import Preview, SentTest, TestMessage
    from digest.jobs.status import Overview
    from digest.languages import CatalogueLanguage
    from digest.mail.dkim import Signer
    from digest.mail.smtp import SmtpTransport, TimeLimits
    from digest.models import EditionRow, SavedEdition
    from digest.posts import Rules
    from digest.publish.s3 import S3Output
    from digest.render.edition_feed import FeedFrame
    from digest.render.feeds.digests import DigestFeed
    from digest.render.message import EditionMessage, Letterhead
    from digest.sources.folder import FolderSource
    from digest.store import SqlStore
    from digest.templates import FolderTemplates


LOOK_EVERY = timedelta(minutes=15)
"""Where alarms are mailed, what is wrong is looked for at least this often, however quiet it is."""


_CLOCK_KEEPS = 20.0
"""Seconds for which a database's clock is taken to go on as this machine's does."""

_CLOCKS_DIFFER = 10.0
"""Seconds that a run waits for a database whose clock is behind its own."""


def uptime() -> float:
    """Seconds that never go back and go on while the machine sleeps, where the system counts them so."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class RunOrder(Struct, frozen=True, kw_only=True):
    """What a service wants a run to do: everything but sending mail, which a worker beside it does. A feed whose time
    has not come is left as it is."""

    everything: bool = True
    """``posts.schedule`` is due: every feed that has no schedule of its own."""
    due: frozenset[str] = frozenset()
    """Categories with a schedule of their own that are due."""
    waiting: frozenset[str] = frozenset()
    """Categories with a schedule of their own that are not."""

    def wants(self, row: FeedRow) -> bool:
        """Whether a feed is published now."""
        if row.kind == "category" and row.name in self.due | self.waiting:
            return row.name in self.due
        return self.everything


def run_order(settings: Settings, order: RunOrder, to_json: Callable[[RunReport], str]) -> RunReport:
    """One run of a service. Raises ConfigError, StoreError, and AlreadyRunning when another run is at work."""
    with opened(settings, moment(None, settings.site.timezone), dry_run=False) as app:
        return app.run(None, to_json, order=order)


def run_once(
    config: Path,
    *,
    as_of: str | None = None,
    only: Step | None = None,
    dry_run: bool = False,
    progress: Progress = silent,
    to_json: Callable[[RunReport], str],
    to_lines: Callable[[RunReport], Sequence[str]] = lambda report: (),
) -> tuple[RunReport, ZoneInfo]:
    """One ``digest run``. Returns its report and the site's zone. ``to_lines`` is what a report says to people, after
    its headline. Raises ConfigError, StoreError, and AlreadyRunning when another run is at work."""
    text = _bytes_of(config)
    settings = load(config, os.environ)
    when = moment(as_of, settings.site.timezone)
    lookout = None if dry_run or as_of is not None else lookout_of(settings)
    with _watched(lookout, when.now), opened(settings, when, dry_run=dry_run, progress=progress) as app:
        if lookout is not None:
            lookout.run_begins()
        report = app.run(only, to_json)
        if lookout is not None:
            report.warnings += lookout.after_run(app.store, report, when.now)
        if only is None and not dry_run and text and text == _bytes_of(config):
            app.note_quiet(report, config, text, to_json=to_json, to_lines=to_lines)
        return report, settings.site.timezone


def lookout_of(settings: Settings) -> Lookout:
    """Whoever tells the operator. Opens nothing until there is something to tell."""
    from digest.app.lookout import Lookout
    from digest.languages import CatalogueLanguage
    from digest.templates import FolderTemplates

    language = CatalogueLanguage(str(settings.site.language))

    def sign(message: bytes) -> bytes:
        signer = signer_of(settings)
        return message if signer is None else signer.sign(message)

    return Lookout(
        settings,
        transport=lambda: transport_of(settings),
        templates=lambda: FolderTemplates(language, settings.templates),
        language=lambda: language,
        sign=sign,
    )


class Status(Struct, frozen=True, kw_only=True):
    """What ``digest status`` shows."""

    title: str
    store: str
    """Where the store is, without a password."""
    exists: bool
    looked_at: datetime | None
    """When a run last found nothing new at a glance; such runs are not in the log."""
    overview: Overview


def status_of(config: Path) -> Status:
    """``digest status``: only looks, beside whatever is at work; a store that does not exist is not made. Raises
    ConfigError, StoreError."""
    from digest.app.quiet import last_look
    from digest.config.values import hide_password
    from digest.jobs.status import nothing_yet, overview

    settings = load(config, os.environ)
    now = moment(None, settings.site.timezone).now
    lookout = lookout_of(settings)
    path = settings.store.path
    exists = path is None or path.exists()
    if exists:
        from digest.store import open_store

        with open_store(settings.store.url) as store:
            seen = overview(store, lookout.rules(), now, names=lookout.names(), disks=tuple(lookout.disks()))
    else:
        seen = nothing_yet(lookout.rules(), now)
    return Status(
        title=settings.site.title,
        store=hide_password(settings.store.url) if path is None else str(path),
        exists=exists,
        looked_at=last_look(path) if path is not None else None,
        overview=seen,
    )


@contextmanager
def _watched(lookout: Lookout | None, now: datetime) -> Iterator[None]:
    """A run that breaks off is told of all the same."""
    if lookout is None:
        yield
        return
    try:
        yield
    except AlreadyRunning:
        raise  # the one at work tells about itself
    except StoreError as error:
        lookout.run_broke(error, now)
        raise
    except DigestError:
        lookout.run_ended(ok=False)
        raise


def _bytes_of(config: Path) -> bytes:
    """Empty if it cannot be read, which ``load`` will explain."""
    try:
        return config.read_bytes()
    except (OSError, ValueError):
        return b""


def work(
    config: Path,
    *,
    once: bool = False,
    resume: tuple[str, str] | None = None,
    progress: Progress = silent,
    stop: Callable[[], bool] = lambda: False,
    tell: Callable[[str], None] = lambda alarm: None,
) -> tuple[DeliveryReport, ZoneInfo]:
    """``digest deliver``: a worker on the ledger, beside any number of others. Raises ConfigError, StoreError."""
    settings = load(config, os.environ)
    when = moment(None, settings.site.timezone)
    from digest.store import open_store

    with open_store(settings.store.url) as store:
        app = App(settings, store, when, dry_run=False, progress=progress)
        if resume is not None:
            tell(f"{' '.join(resume)}: resumed, {app.resume(*resume)} wait")
        return app.deliver(once=once, stop=stop, tell=tell), settings.site.timezone


def draft_configuration(site: Path, config: Path, progress: Progress = silent) -> Draft:
    """``digest init``: a configuration at ``config`` for the site in a folder; nothing is written. Raises SourceError,
    ConfigError."""
    from digest.app.starting import draft

    return draft(site, config, now=moment(None, ZoneInfo("UTC")).now, progress=progress)


def save_backup(config: Path, path: Path) -> BackupReport:
    """``digest backup``, beside any run. Raises ConfigError, StoreError, OutputError."""
    from digest.app.backup import back_up

    settings = load(config, os.environ)
    return back_up(settings, path, os.environ, moment(None, settings.site.timezone).now)


def check_backup(path: Path) -> Manifest:
    """What a backup holds, if it is whole. Raises StoreError."""
    from digest.app.backup import inspect

    return inspect(path)


def restore_backup(
    config: Path, path: Path, *, force: bool, sent_until: str | None, nothing_sent: bool
) -> tuple[RestoreReport, ZoneInfo]:
    """``digest restore``; the report and the site's zone. Raises ConfigError, StoreError."""
    from digest.app.backup import restore

    settings = load(config, os.environ)
    zone = settings.site.timezone
    now = moment(None, zone).now
    until = None if nothing_sent else time_option("--sent-until", sent_until, zone) if sent_until else now
    return restore(settings, path, os.environ, now, sent_until=until, force=force), zone


@contextmanager
def with_readership(config: Path) -> Iterator[tuple[Readership, datetime]]:
    """What commands about subscribers need, beside any run; and the present time. Raises ConfigError, StoreError."""
    settings = load(config, os.environ)
    from digest.store import open_store

    with open_store(settings.store.url) as store:
        when = moment(None, settings.site.timezone)
        yield App(settings, store, when, dry_run=False, progress=silent).readership, when.now


@contextmanager
def reading(config: Path) -> Iterator[App]:
    """The application for commands that only look. Raises ConfigError, StoreError."""
    settings = load(config, os.environ)
    from digest.store import open_store

    with open_store(settings.store.url) as store:
        yield App(settings, store, moment(None, settings.site.timezone), dry_run=False, progress=silent)


def make_up(
    config: Path,
    digest: str | None,
    first: date,
    last: date,
    *,
    as_of: str | None = None,
    dry_run: bool = False,
    progress: Progress = silent,
) -> BackfillReport:
    """``digest editions backfill``. Raises ConfigError, StoreError, and AlreadyRunning when a run is at work."""
    settings = load(config, os.environ)
    with opened(settings, moment(as_of, settings.site.timezone), dry_run=dry_run, progress=progress) as app:
        return app.backfill(digest, first, last)


class Work(Protocol):
    """Works through the ledger beside other workers."""

    def __call__(
        self, *, stop: Callable[[], bool], hurry: Callable[[], bool], tell: Callable[[str], None]
    ) -> DeliveryReport:
        """Until ``stop`` says so; looks again at once when ``hurry`` does. Raises StoreError."""
        ...


class Previewed(Struct, frozen=True, kw_only=True):
    """The next edition, ready to be looked at."""

    preview: Preview
    zone: ZoneInfo
    folder: Path
    """Where files go that nobody wants elsewhere: beside the outbox, which no generator publishes."""
    files: dict[str, tuple[str, bytes]]
    """Names and contents, by what they are: ``html``, ``txt``, ``eml`` of the mail, ``page`` of the web."""
    send: Callable[[], SentTest] | None
    """Sends the mail as a test. Raises TransportError. None if nobody is to get one."""


def preview(
    config: Path,
    digest: str | None = None,
    *,
    as_of: str | None = None,
    to: str | None = None,
    progress: Progress = silent,
) -> Previewed:
    """``digest preview``: on a copy of the store, so nothing is marked or published, whatever run is at work beside
    it; posts that no run has seen yet are in it. Raises ConfigError, StoreError, SourceError, TemplateError."""
    from digest.jobs.preview import files_of_preview

    settings = load(config, os.environ)
    with opened(settings, moment(as_of, settings.site.timezone), dry_run=True, progress=progress) as app:
        app.collect()
        found = app.preview(digest)
        return Previewed(
            preview=found,
            zone=settings.site.timezone,
            folder=settings.mail.folder.parent / "preview",
            files=files_of_preview(found, app.preview_mail(found)),
            send=None if to is None else partial(app.test_message(found, to).send, app.real_transport()),
        )


class Service(Struct, frozen=True, kw_only=True):
    """What a process needs that goes on: the settings, the store, the use cases of subscribers, and ways to send."""

    settings: Settings
    store: SqlStore
    readership: Readership
    templates: FolderTemplates
    language: CatalogueLanguage
    send_waiting: Callable[[], object]
    """What people asked for, and whatever else is due; returns when nothing is."""
    work: Work
    """Send until told to stop."""
    source: Callable[[], FolderSource]
    """The posts folder, looked at afresh."""
    lookout: Lookout


@contextmanager
def service(config: Path) -> Iterator[Service]:
    """Raises ConfigError, StoreError."""
    settings = load(config, os.environ)
    from digest.store import open_store

    with open_store(settings.store.url) as store:

        def app() -> App:
            return App(settings, store, moment(None, settings.site.timezone), dry_run=False, progress=silent)

        def send_waiting() -> DeliveryReport:
            present = app()
            present.readership.desk.handle(present.when.now)
            return present.deliver()

        def work(*, stop: Callable[[], bool], hurry: Callable[[], bool], tell: Callable[[str], None]) -> DeliveryReport:
            return app().deliver(once=False, stop=stop, hurry=hurry, tell=tell)

        first = app()
        yield Service(
            settings=settings,
            store=store,
            work=work,
            source=lambda: app().source,
            lookout=lookout_of(settings),
            readership=first.readership,
            templates=first.templates,
            language=first.language,
            send_waiting=send_waiting,
        )


def adopt_feed(config: Path, feed: Path, category: str | None = None, moved_from: str | None = None) -> AdoptReport:
    """``digest adopt-ids``: remember the ids of an earlier publisher's feed for posts that are still to come.

    ``category``: it was the feed of that category. ``moved_from``: the site's address then. Raises ConfigError,
    SourceError (not a feed), StoreError."""
    from digest.jobs.adopt import adopt

    settings = load(config, os.environ)
    try:
        data = feed.read_bytes()
    except OSError as error:
        raise SourceError(str(feed), f"cannot be read: {str(error.strerror).lower()}", "name a saved feed") from error
    with opened(settings, moment(None, settings.site.timezone), dry_run=False) as app:
        if not app.store.is_importing():
            raise StoreError(
                "adopt-ids", "posts were collected before, they have ids of their own already", "start with a new store"
            )
        if category is None:
            return adopt(app.store, data, str(feed), moved=_moved(moved_from, settings))
        from digest.filenames import assign_stem

        stem = assign_stem(category, ())
        return adopt(app.store, data, str(feed), kind="category", stem=stem, moved=_moved(moved_from, settings))


def _moved(address: str | None, settings: Settings) -> tuple[str, str] | None:
    return None if address is None else (address, str(settings.site.url))


@contextmanager
def opened(settings: Settings, when: Moment, *, dry_run: bool, progress: Progress = silent) -> Iterator[App]:
    """The application on its store: held exclusively, or a rehearsal of it that leaves no trace."""
    from digest.store import open_rehearsal, open_store

    if dry_run:
        with open_rehearsal(settings.store.url) as store:
            yield App(settings, store, when, dry_run=True, progress=progress)
        return
    with open_store(settings.store.url) as store, store.exclusive("digest run"):
        yield App(settings, store, when, dry_run=False, progress=progress)


class App:
    """The use cases, bound to the settings."""

    def __init__(self, settings: Settings, store: SqlStore, when: Moment, *, dry_run: bool, progress: Progress) -> None:
        self.settings = settings
        self.store = store
        self.when = when
        self.dry_run = dry_run
        self.progress = progress

    def run(
        self, only: Step | None, to_json: Callable[[RunReport], str], *, order: RunOrder | None = None
    ) -> RunReport:
        """All steps of ``digest run``, or one; or what a service wants done at this time."""
        _ = self.output  # what it lacks stops the run before anything is touched
        _refuse_missing(self.settings.templates)
        steps = Steps(
            collect=self.collect,
            publish_feeds=lambda: self.publish_feeds(self.output, self._ping(), is_due=(order or RunOrder()).wants),
            make_editions=self._make_editions,
            publish_editions=self._publish_editions,
            deliver=self.deliver if order is None else None,
        )
        return run(
            self.store,
            steps,
            now=self.when.now,
            only=only,
            dry_run=self.dry_run,
            to_json=to_json,
            clock=self._clock(),
        )

    def note_quiet(
        self,
        report: RunReport,
        config: Path,
        text: bytes,
        *,
        to_json: Callable[[RunReport], str],
        to_lines: Callable[[RunReport], Sequence[str]],
    ) -> None:
        """After a whole run: note until when there is nothing to do (``quiet``), or that there is something.

        Other programs may write into the store meanwhile; what they wrote after it was asked shows in its file."""
        from digest.app import quiet
        from digest.jobs.feeds import FOLDERS
        from digest.jobs.rest import quiet_report, quiet_until

        database, output = self.settings.store.path, self.settings.output
        said = quiet_report(report)
        if database is None:
            return
        if self.settings.watch.pings:  # a service waits for a word about every run
            said = None
        if said is None or not isinstance(output, Path):
            quiet.forget(database)
            return
        self.store.save_all()
        seen = quiet.settled_database(database)
        plans = self._all_plans()
        until = quiet_until(
            self.store,
            [plan.schedule for plan in plans],
            self.settings.site.timezone,
            self.when.now,
            resend=self.settings.mail.in_doubt == "resend",
            readers=self.store.knows_somebody(),
        )
        if self.settings.watch.mail is not None:
            until = min(until, self.when.now + LOOK_EVERY)
        places = quiet.Places(
            database=database,
            posts=self.settings.posts.folder,
            kind=self.settings.posts.kind,
            exclude=self.excluded,
            templates=self.settings.templates,
            output=output,
            folders=FOLDERS,
            files=tuple(self._looked_for(plans)),
        )
        published = quiet.output_seen(places)
        settled = seen is not None and until > self.when.now and self._is_settled(plans)
        if seen is None or not settled or quiet.database_seen(database) != seen:
            quiet.forget(database)
            return
        quiet.note(
            places,
            config=config,
            text=text,
            env=os.environ,
            zone=self.settings.site.timezone,
            made=self.when.now,
            until=until,
            posts=self.source.seen(),
            times=self.source.times,
            templates=self.templates.fingerprint(),
            database=seen,
            output=published,
            lines=to_lines(said),
            report=json.loads(to_json(said)),
        )

    def _looked_for(self, plans: Sequence[DigestPlan]) -> Iterator[str]:
        """Files whose absence a run notices, besides those of feeds."""
        from digest.jobs.editions import lists_of
        from digest.jobs.feeds import looked_for

        yield from looked_for(self.store, self._feed_options())
        for plan in plans:
            yield from lists_of(plan.name)

    def _is_settled(self, plans: Sequence[DigestPlan]) -> bool:
        """Whether everything that a run publishes is there."""
        from digest.jobs.editions import lists_of
        from digest.jobs.feeds import is_settled

        return is_settled(self.store, self.output, self._feed_options(), self.language) and all(
            all(self.output.exists(path) for path in lists_of(plan.name)) or not self.store.edition_rows(plan.name)
            for plan in plans
        )

    # ------------------------------------- what is asked without doing it

    def publish_feeds(
        self, output: Output, ping: Ping | None = None, *, is_due: Callable[[FeedRow], bool] = lambda row: True
    ) -> FeedReport:
        """Bring the feeds in ``output`` up to date with the store, those that are due."""
        from digest.jobs.feeds import publish_feeds

        return publish_feeds(
            self.store,
            output,
            self.templates,
            self.language,
            self.feed_options(),
            now=self.when.now,
            look=self._feeds_look(),
            body_html=self._body_html,
            ping=ping,
            digests=self._digest_feeds(),
            has_editions=lambda digest: bool(self.store.edition_rows(digest)),
            is_due=is_due,
        )

    def feed_options(self) -> FeedOptions:
        """What feeds are made by."""
        return self._feed_options()

    def plans(self) -> list[DigestPlan]:
        """The digests of the configuration, then those that sum them up."""
        return self._all_plans()

    def edition_look(self) -> Look:
        """What editions are rendered with."""
        return self._look()

    def message_for(self, delivery: Delivery, edition: SavedEdition, *, signs: bool) -> bytes:
        """The message of a delivery, as it would be sent; signed if there are keys and it is to be."""
        return self._composer(signs=signs)(delivery, edition).message

    def explain_post(self, words: str, digest: str | None) -> Explanation | Candidates:
        """Why a post is where it is; or what the words may mean, if that is several things. Raises StoreError if it is
        nothing, ConfigError for a digest that there is not."""
        from digest.errors import SourceError
        from digest.jobs.explain import explain_file, explain_new_file, explain_post

        words = self._below_posts(words)
        found, view = self.store.look_for(words), self._view(digest, None)
        if len(found.posts) + len(found.files) > 1:
            return found
        if found.posts:
            return explain_post(self.store, self._all_plans(), found.posts[0], view)
        if found.files:
            return explain_file(found.files[0], view)
        try:
            seen = self.source.scan().files
        except SourceError:
            seen = {}
        new = [path for path in seen if words and words in path]
        if len(new) == 1:
            return explain_new_file(new[0])
        raise StoreError(
            words or "post", "no post is known by that", "name a path, an id, an address or a part of the title"
        )

    def explain_reader(self, address: str, digest: str | None, date: str | None) -> Explanation:
        """What an address got and did not get, and why. Raises ConfigError for a digest that there is not."""
        from digest.jobs.explain_reader import Address, explain_reader

        of = canonical(address.strip())
        listed = {canonical(mailbox.address) for mailbox in self.settings.mail.to}
        about = Address(
            typed=address.strip(), canonical=of, hashed=self.readership.keys.hashed(of), is_listed=of in listed
        )
        return explain_reader(self.store, self._all_plans(), about, self._view(digest, date))

    def _view(self, digest: str | None, date: str | None) -> View:
        from digest.jobs.explain import View

        names = [plan.name for plan in self._all_plans()]
        if digest is not None and digest not in names:
            raise ConfigError("--digest", f"there is no digest {digest!r}", f"name one of {', '.join(names)}")
        return View(zone=self.settings.site.timezone, now=self.when.now, digest=digest, date=date)

    def _below_posts(self, words: str) -> str:
        """A path of this machine as one below the posts folder; other words as they are."""
        folder = self.settings.posts.folder
        try:
            path = Path(words).absolute()
            if path.is_relative_to(folder) and path.exists():
                return path.relative_to(folder).as_posix()
        except (OSError, ValueError):
            pass
        return words.strip()

    # ------------------------------------------------------------- collect

    @cached_property
    def source(self) -> FolderSource:
        from digest.sources.folder import FolderSource

        posts = self.settings.posts
        return FolderSource(posts.folder, kind=posts.kind, exclude=self.excluded, max_bytes=int(posts.max_bytes))

    @property
    def excluded(self) -> tuple[str, ...]:
        """Patterns of what is no post."""
        posts, output = self.settings.posts, self.settings.output
        if isinstance(output, Path) and output.is_relative_to(posts.folder) and output != posts.folder:
            return (*posts.exclude, output.relative_to(posts.folder).as_posix())  # what we write is nobody's post
        return posts.exclude

    @cached_property
    def rules(self) -> Rules:
        from digest.posts.rules import Rules

        settings = self.settings
        return Rules(
            site_url=str(settings.site.url),
            timezone=settings.site.timezone,
            kind=self.source.kind,
            permalink=settings.posts.permalink,
            future=settings.posts.future,
            unpublished=settings.posts.unpublished,
            drafts=settings.posts.drafts,
            id_scheme=settings.feeds.id_scheme,
            id_base=_plain(settings.feeds.id_base) or self.store.keep_first("id base", str(settings.site.url)),
            id_authority=settings.feeds.id_authority or "",
            id_nfkc=settings.feeds.id_nfkc,
            lang=str(settings.site.language),
            now=self.when.now,
        )

    def collect(self) -> CollectReport:
        """Bring the store up to date with the posts folder."""
        from digest.jobs.collect import collect

        return collect(
            self.store,
            self.source,
            self._read,
            rules=self.rules.fingerprint(),
            now=self.when.now,
            wall=self.when.wall,
            progress=self.progress,
        )

    def _read(self, paths: Sequence[str]) -> Iterable[Parsed]:
        if not paths:
            return ()
        from digest.app.reading import FileReader  # late: most runs have nothing to read

        return FileReader(self.source, self.rules)(paths)

    def _body_html(self, post: KnownPost) -> str | None:
        """The whole text of a post, read again from its file; None if the file gives no post any more."""
        from digest.posts import parse_post
        from digest.posts.body import to_html

        try:
            parsed = parse_post(post.path, self.source.read(post.path), self.rules)
        except SourceError:
            return None
        return to_html(parsed) if isinstance(parsed, Post) else None

    # ------------------------------------------------------------- publish

    @cached_property
    def output(self) -> Output:
        from digest.publish.folder import DryOutput, FolderOutput

        place = self.settings.output
        output = FolderOutput(place) if isinstance(place, Path) else self._bucket(place)
        return DryOutput(output) if self.dry_run else output

    def _bucket(self, place: S3Url) -> S3Output:
        """Raises ConfigError if the library for it is not installed."""
        from digest.publish.s3 import S3Output

        s3 = self.settings.s3
        return S3Output(
            bucket=place.bucket,
            prefix=place.prefix,
            endpoint=_plain(s3.endpoint),
            region=s3.region,
            addressing=s3.addressing,
            compress=s3.compress,
            max_age=int(s3.max_age.total_seconds()),
        )

    def _feeds_look(self) -> str:
        """Fingerprint of what feeds and their pages are made and stored with, besides the options. Another bucket
        has other files, so everything is compared with it once."""
        place, s3 = self.settings.output, self.settings.s3
        stored = "" if isinstance(place, Path) else f" {place} {s3.endpoint} {s3.compress} {s3.max_age}"
        return self._templates_look + stored

    @cached_property
    def _templates_look(self) -> str:
        return self.templates.fingerprint()

    @cached_property
    def language(self) -> CatalogueLanguage:
        from digest.languages import CatalogueLanguage

        return CatalogueLanguage(str(self.settings.site.language))

    @cached_property
    def templates(self) -> FolderTemplates:
        from digest.templates import FolderTemplates

        return FolderTemplates(self.language, self.settings.templates)

    def _ping(self) -> Ping | None:
        hubs = self.settings.feeds.hubs
        if not hubs or self.dry_run:
            return None
        from digest.publish.websub import WebSub

        return WebSub(tuple(str(hub) for hub in hubs))

    def _feed_options(self) -> FeedOptions:
        from digest.jobs.feeds import FeedOptions
        from digest.render.feeds.window import Limits

        site, feeds = self.settings.site, self.settings.feeds
        return FeedOptions(
            site_title=site.title,
            site_url=str(site.url),
            description=site.description,
            author=site.author.name,
            author_email=site.author.email.address if site.author.email else None,
            rights=site.rights or None,
            icon=_plain(site.icon),
            logo=_plain(site.logo),
            favicon=_plain(site.favicon),
            zone=site.timezone,
            feeds_url=str(self.settings.feeds_url),
            id_base=_plain(feeds.id_base) or self.store.keep_first("feed id base", str(self.settings.feeds_url)),
            formats=feeds.formats,
            limits=Limits(
                window=timedelta(hours=feeds.window_hours),
                min_items=feeds.min_items,
                max_items=feeds.max_items,
                max_bytes=int(feeds.max_bytes),
            ),
            full_text=feeds.full_text,
            hubs=tuple(str(hub) for hub in feeds.hubs),
            archives=feeds.archives,
            ttl=feeds.ttl,
            category_titles={category.name: category.title for category in self.settings.categories},
            tags=feeds.tags,
        )

    # ------------------------------------------------------------ editions

    def _plans(self) -> list[DigestPlan]:
        from digest.edition.contents import CategoryTitle, Limits
        from digest.jobs.editions import DigestPlan
        from digest.period import Late

        titles = tuple(CategoryTitle(name=each.name, title=each.title) for each in self.settings.categories)
        plans = []
        for name, digest in self.settings.digests.items():
            plans.append(
                DigestPlan(
                    name=name,
                    title=digest.title,
                    schedule=digest.schedule.rule,
                    categories=digest.categories,
                    titles=titles,
                    max_age=digest.max_age,
                    late=Late(digest.late),
                    max_lateness=digest.max_lateness,
                    holidays=digest.days_off,
                    expires_after=digest.expires_after,
                    send_empty=digest.send_empty,
                    min_items=digest.min_items,
                    group_stories=digest.group_stories,
                    weights=digest.weights,
                    limits=Limits(
                        items=digest.max_items,
                        minutes=digest.minutes,
                        quota=digest.quota,
                        html_bytes=int(digest.max_bytes),
                    ),
                )
            )
        return plans

    def _all_plans(self) -> list[DigestPlan]:
        """The digests of the configuration, and those that sum them up for some subscribers."""
        plans = self._plans()
        return plans + self.readership.weekly_plans(plans)

    def _make_editions(self) -> EditionsReport:
        from digest.jobs.editions import EditionsReport, make_editions

        if self.store.is_importing():  # no edition before the archive is known: the first one is of its newest day
            return EditionsReport()
        self.readership.prepare(self.when.now)
        return make_editions(self.store, self._all_plans(), self._look(), self._audience(), self.when.now)

    @cached_property
    def readership(self) -> Readership:
        """What there is to do for subscribers."""
        from digest.app.readership import Readership

        return Readership(
            self.settings, self.store, templates=self.templates, language=self.language, dry_run=self.dry_run
        )

    def _look(self) -> Look:
        from digest.edition.contents import Imprint
        from digest.jobs.editions import Look

        return Look(
            imprint=Imprint(
                site_title=self.settings.site.title,
                site_url=str(self.settings.site.url),
                pages_url=self.settings.feeds_url.rstrip("/") + "/",
                zone=self.settings.site.timezone,
                contact=(self.settings.mail.reply_to or self.settings.sender).address,
            ),
            templates=self.templates,
            language=self.language,
        )

    def _publish_editions(self, report: EditionsReport) -> EditionsReport:
        from digest.jobs.editions import publish_editions

        plans = self._all_plans()
        return publish_editions(
            self.store,
            self.output,
            plans,
            self._look(),
            report,
            feed=self._edition_feed,
            fingerprint=self._editions_look([plan.title for plan in plans]),
        )

    def _editions_look(self, titles: Sequence[str]) -> str:
        """Fingerprint of what pages, lists and feeds of editions are made with, besides what was frozen."""
        made_with = (self._look().imprint, self._feed_frame(), self.language.tag, tuple(titles), __version__)
        return hashlib.sha256(f"{self._feeds_look()} {made_with!r}".encode()).hexdigest()

    def _digest_feeds(self) -> list[DigestFeed]:
        from digest.render.feeds.digests import DigestFeed

        return [DigestFeed(name=plan.name, title=plan.title) for plan in self._all_plans()]

    def _edition_feed(self, digest: str, title: str) -> bytes:
        """The feed of a digest's editions."""
        from digest.jobs.edition_feeds import feed_of_editions  # late: most runs make no edition

        return feed_of_editions(self.store, digest, title, self._look(), self._feed_frame())

    def _feed_frame(self) -> FeedFrame:
        from digest.models import Author
        from digest.render.edition_feed import FeedFrame

        options = self._feed_options()
        return FeedFrame(
            author=Author(name=options.author or options.site_title, email=options.author_email),
            id_base=options.id_base,
            rights=options.rights,
            icon=options.icon,
            logo=options.logo,
            max_bytes=options.limits.max_bytes,
        )

    def editions_of(self, digest: str | None = None) -> list[tuple[str, EditionRow]]:
        """The editions of one digest, or of all in the configuration; newest first within each."""
        from digest.jobs.back_issues import list_issues

        return list_issues(self.store, [plan.name for plan in self._all_plans()] if digest is None else [digest])

    def edition_of(self, digest: str, period: str) -> Issue:
        """An edition by its name; the period ``latest`` is the newest one. Raises StoreError if there is none."""
        from digest.jobs.back_issues import find_issue

        return find_issue(self.store, self._look().imprint, digest, period)

    def mail_of(self, issue: Issue) -> Parts:
        """The mail of an edition as the first address of ``mail.to`` gets it, or else the sender's own."""
        from digest.jobs.back_issues import split_message

        row = self._row_for(self._first_address(), issue.saved)
        return split_message(self._composer(signs=False)(row, issue.saved).message)

    def _first_address(self) -> str:
        return next((mailbox.address for mailbox in self.settings.mail.to), self.settings.sender.address)

    def _row_for(self, address: str, saved: SavedEdition) -> Delivery:
        """A delivery as an address of ``mail.to`` would have it, in no ledger."""
        from digest.render.message import message_id

        return Delivery(
            key=0,
            edition_key=saved.key,
            address=address,
            message_id=message_id(
                digest=saved.digest,
                category=saved.category,
                period=saved.period,
                address=address,
                domain=self._audience().domain,
            ),
            token="",
            attempts=0,
            lease="",
        )

    # ------------------------------------------------------------- preview

    def preview(self, digest: str | None) -> Preview:
        """The edition that a run would make next, as it would be if it were made now. Raises ConfigError."""
        from digest.jobs.preview import preview_edition

        return preview_edition(self.store, self._plan_named(digest), self._look(), self.when.now)

    def preview_mail(self, preview: Preview) -> Parts:
        """The mail of a preview as the first address of ``mail.to`` would get it, or else the sender's own."""
        from digest.jobs.back_issues import split_message

        saved = preview.saved
        return split_message(self._composer(signs=False)(self._row_for(self._first_address(), saved), saved).message)

    def test_message(self, preview: Preview, address: str) -> TestMessage:
        """The very message that the address would get, but for its own Message-ID, so that the real one is not taken
        for a copy of it. Where people subscribe it is a subscriber's, with links that are nobody's. Raises
        ConfigError for what is no address or must not get mail."""
        from digest.jobs.preview import TestMessage
        from digest.render.message import is_address, message_id

        if not is_address(address):
            raise ConfigError("--to", f"{address!r} is not a mail address", "for example you@example.com")
        row = self._row_for(address, preview.saved)
        if reason := self.readership.left(row, self.when.now):
            raise ConfigError("--to", f"{address} must not get mail: {reason}", "send the test to another address")
        listed = address in {mailbox.address for mailbox in self.settings.mail.to}
        nobody = None if listed or not self.settings.subscriptions.enabled else 0
        own_id = message_id(
            digest=row.message_id,
            category="test",
            period=self.when.wall.isoformat(),
            address=address,
            domain=self._audience().domain,
        )
        row = replace(row, message_id=own_id, token=secrets.token_hex(16), subscriber=nobody, list_key=nobody)
        outgoing = self._composer()(row, preview.saved)
        return TestMessage(
            address=address, message_id=own_id, message=outgoing.message, envelope_from=outgoing.envelope_from
        )

    def _plan_named(self, digest: str | None) -> DigestPlan:
        """Without a name the only digest. Raises ConfigError."""
        plans = {plan.name: plan for plan in self._plans()}
        if digest is None and len(plans) > 1:
            raise ConfigError("--digest", "there are several digests", f"name one of {', '.join(plans)}")
        plan = plans.get(digest) if digest is not None else next(iter(plans.values()), None)
        if plan is None:
            raise ConfigError("--digest", f"there is no digest {digest or ''!r}", f"name one of {', '.join(plans)}")
        return plan

    def backfill(self, digest: str | None, first: date, last: date) -> BackfillReport:
        """Make up the editions of past days; without a name those of the only digest. Raises ConfigError."""
        from digest.jobs.backfill import backfill

        return backfill(
            self.store,
            self._plan_named(digest),
            self._look(),
            first,
            last,
            self._publish_editions,
            now=self.when.now,
            progress=self.progress,
        )

    def _audience(self) -> Audience:
        from digest.jobs.editions import Audience

        return Audience(
            addresses=tuple(mailbox.address for mailbox in self.settings.mail.to),
            domain=self.settings.mail.list_domain or self.settings.sender.domain,
            new_token=lambda: secrets.token_hex(16),
            selections=self.readership.selections,
            readers=lambda digest, categories: self.readership.readers(digest, categories, self.when.now),
        )

    # ------------------------------------------------------------- deliver

    def deliver(
        self,
        *,
        once: bool = True,
        stop: Callable[[], bool] = lambda: False,
        tell: Callable[[str], None] = lambda alarm: None,
        hurry: Callable[[], bool] = lambda: False,
    ) -> DeliveryReport:
        """Send what is due now and leave later retries to the next run; or work on until ``stop`` says so, looking
        again at once when ``hurry`` does."""
        from digest.jobs.deliver import DeliverOptions, deliver

        mail = self.settings.mail
        by_smtp = mail.transport == "smtp" and not self.dry_run
        clock = self._clock()
        behind = (self.when.now - clock()).total_seconds()
        if once and 0 < behind <= _CLOCKS_DIFFER:  # what this run froze is not due yet by the database's clock
            time.sleep(behind)
        report = deliver(
            self.store,
            self._transport(),
            self._composer(),
            clock=clock,
            left=lambda row: self.readership.left(row, clock()),
            options=DeliverOptions(
                connections=mail.connections if by_smtp else 1,
                rate=mail.rate if by_smtp else None,
                resend=mail.in_doubt == "resend",
            ),
            once=once,
            stop=stop,
            progress=self.progress,
            tell=tell,
            hurry=hurry,
        )
        learned = self.readership.learn(clock())
        return report if learned is None else replace(report, warnings=(*report.warnings, *learned.warnings))

    def resume(self, digest: str, period: str) -> int:
        """Let a paused edition be sent, with its variants for some categories. Returns how many deliveries wait now.
        Raises StoreError if it is not paused."""
        paused = [
            saved.key for saved, _ in self.store.paused_editions() if (saved.digest, saved.period) == (digest, period)
        ]
        if not paused:
            raise StoreError(f"{digest} {period}", "there is no paused edition of that name", "see digest run's report")
        return sum(self.store.resume_edition(key, self.when.now) for key in paused)

    def cancel(self, digest: str, period: str) -> int:
        """Send nothing more of an edition. Returns how many deliveries that spares. Raises StoreError if nothing of it
        was to be sent."""
        spared = self.store.cancel_edition(digest, period, self.when.now)
        if spared is None:
            raise StoreError(f"{digest} {period}", "there is nothing to be sent", "see digest editions list")
        return spared

    @property
    def doubts(self) -> Doubts:
        """Deliveries in doubt, and what may be said about them."""
        from digest.jobs.doubts import Doubts

        return Doubts(self.store, self.when.now)

    def _clock(self) -> Callable[[], datetime]:
        """The time that the run stands for, going on while it lasts, also while the machine sleeps; a clock that is
        set meanwhile changes nothing. Where several machines work on one database, its own clock, unless the run stands
        for another time than the present."""
        is_present = self.when.now == self.when.wall
        began = uptime()
        anchor = datetime.now(UTC) if is_present else self.when.now

        def steady() -> datetime:
            return anchor + timedelta(seconds=uptime() - began)

        ahead, asked_at = timedelta(0), float("-inf")

        def agreed() -> datetime:
            """The store's clock is asked now and then, not for every message: leases last far longer."""
            nonlocal ahead, asked_at
            if uptime() - asked_at > _CLOCK_KEEPS:
                ours = steady()
                ahead, asked_at = self.store.clock(ours) - ours, uptime()
            return (steady() + ahead).replace(microsecond=0)

        return agreed if is_present else lambda: steady().replace(microsecond=0)

    def _transport(self) -> Transport:
        if self.dry_run:
            from digest.mail.rehearsal import RehearsalTransport

            return RehearsalTransport()
        return self.real_transport()

    def real_transport(self) -> Transport:
        """The one of the configuration, in a rehearsal too."""
        return transport_of(self.settings)

    @cached_property
    def _signer(self) -> Signer | None:
        return signer_of(self.settings)

    def dkim_records(self) -> dict[str, str]:
        """What DNS must say about the keys that sign: text by name. Raises ConfigError if there are none."""
        if self._signer is None:
            raise ConfigError("mail.dkim", "there are no keys", "see mail.dkim in docs/configuration.md")
        return self._signer.records()

    def _composer(self, *, signs: bool = True) -> Compose:
        """Makes the message of a delivery; what an edition's recipients share is made once."""
        from digest.jobs.deliver import Outgoing
        from digest.render.mail import edition_url

        imprint = self._look().imprint
        readership = self.readership

        @lru_cache(maxsize=8)
        def message_of(edition: SavedEdition) -> EditionMessage:
            from digest.render.message import EditionMessage  # late: most runs have no mail to send

            return EditionMessage(
                subject=edition.subject,
                html=edition.html,
                text=edition.text,
                period=edition.period,
                date=edition.frozen_at,
                archive_url=edition_url(imprint, edition.digest, edition.period),
                letterhead=self._letterhead(edition.digest),
            )

        def signed(outgoing: Outgoing) -> Outgoing:
            signer = self._signer if signs else None
            return outgoing if signer is None else replace(outgoing, message=signer.sign(outgoing.message))

        def compose(delivery: Delivery, edition: SavedEdition) -> Outgoing:
            if edition.digest == NOTICES:
                return signed(readership.notice(delivery, edition))
            unsubscribe, values = readership.fields(delivery)
            message = message_of(edition).to(
                address=delivery.address, message_id=delivery.message_id, values=values, unsubscribe=unsubscribe
            )
            return signed(Outgoing(message=message, envelope_from=readership.envelope_from(delivery.token)))

        return compose

    def _letterhead(self, digest: str) -> Letterhead:
        from digest.render.message import Letterhead, Mailbox

        settings = self.settings
        reply_to = settings.mail.reply_to
        digest = digest.removesuffix(WEEKLY)  # the same list: whoever leaves it leaves both
        plan = settings.digests.get(digest)
        return Letterhead(
            sender=Mailbox(name=settings.sender.name, address=settings.sender.address),
            digest=digest,
            title=plan.title if plan else settings.site.title,
            site_host=str(settings.mail.list_domain or settings.site.url.host),
            reply_to=Mailbox(name=reply_to.name, address=reply_to.address) if reply_to else None,
        )


def secrets_of(settings: Settings) -> tuple[str, ...]:
    """What no log may hold, as far as it can be read."""
    from urllib.parse import unquote, urlsplit

    from digest.app.secret import VARIABLE
    from digest.config import password, watch_token
    from digest.config.loading import TOKEN_VARIABLE

    found = [os.environ.get(VARIABLE), os.environ.get(TOKEN_VARIABLE), urlsplit(settings.store.url).password]
    found += [unquote(word) for word in found[-1:] if word]
    with suppress(ConfigError):
        found.append(password(settings.mail, os.environ))
    with suppress(ConfigError):
        found.append(watch_token(settings.watch, os.environ))
    with suppress(OSError, UnicodeError):
        found.append(settings.subscriptions.secret_file.read_text(encoding="utf-8").strip())
    return tuple(secret for secret in found if secret)


def transport_of(settings: Settings) -> Transport:
    """The way out that the configuration names. Raises ConfigError if its password cannot be read."""
    mail = settings.mail
    if mail.transport == "folder":
        from digest.mail.folder import FolderTransport

        return FolderTransport(mail.folder)
    return smtp_transport(mail)


def smtp_transport(mail: MailSettings, limits: TimeLimits | None = None) -> SmtpTransport:
    """The way to the mail server of the configuration. Raises ConfigError."""
    from digest.config import password
    from digest.mail.smtp import SmtpTransport

    assert mail.host is not None, "checked when the configuration was read"
    return SmtpTransport(
        host=str(mail.host),
        port=mail.port,
        security=mail.security,
        user=mail.user,
        password=password(mail, os.environ),
        ca_file=mail.ca_file,
        connections=mail.connections,
        limits=limits,
    )


def signer_of(settings: Settings) -> Signer | None:
    """Signs messages, if there are keys for it. Raises ConfigError."""
    dkim = settings.mail.dkim
    if dkim is None:
        return None
    from digest.mail.dkim import Signer

    return Signer(settings.dkim_domain, dkim.keys)


def _plain(text: str | None) -> str | None:
    """A value type of the settings as the plain text that it is."""
    return None if text is None else str(text)


def _refuse_missing(templates: Path | None) -> None:
    if templates is not None and not templates.is_dir():
        remedy = "make it, or take the key out to use the templates of the program"
        raise ConfigError("templates", f"{templates} is not a folder", remedy)
