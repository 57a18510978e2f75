"""What ``digest check`` needs: binds every question to the settings, to a dry run of the store and to probes.

Nothing lasts: posts are collected, feeds and mails made on a copy of the store that is thrown away. A store that
cannot be opened costs the questions that need it, and no other.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import fields, replace

from digest.app.admission import Admission
from digest.app.assembly import App, opened, smtp_channel
from digest.app.channels import open_channel
from digest.app.check_sources import source_checks
from digest.app.collecting import collect_posts
from digest.app.moment import moment
from digest.app.publishing import idle, update_feeds
from digest.app.secret import VARIABLE
from digest.app.sending import message_for
from digest.app.showing import next_edition
from digest.config import Settings, load
from digest.config.loading import TOKEN_VARIABLE
from digest.config.settings import FeedSourceSettings, FolderSourceSettings
from digest.errors import ConfigError, DigestError, ProbeError, StoreError
from digest.jobs.check.findings import (
    Check,
    CheckReport,
    Finding,
    Verdict,
    from_error,
    ok,
    problem,
    run_checks,
    skipped,
    warning,
)
from digest.jobs.progress import Progress, silent
from digest.models import MAIN, Delivery
from digest.ports import Fetch, Names
from digest.probes.machine import is_readable, look_at, open_to_others
from digest.probes.names import Dns

if TYPE_CHECKING:
    from digest.config.channels import ConfiguredChannel
    from digest.jobs.check.local import Secret
    from digest.jobs.check.network import Sender, SigningKey


class Wanted(Struct, frozen=True, kw_only=True):
    """How to check."""

    offline: bool = False
    seconds: float = 15.0
    """What each question to the network may take."""
    resolver: str | None = None
    """A name server (``ADDRESS`` or ``ADDRESS:PORT``) instead of this machine's."""
    time_server: str | None = None
    against: str | None = None
    """A built site's folder, its sitemap or its feed, with which addresses are compared."""


def check_up(config: Path, wanted: Wanted, *, progress: Progress = silent) -> CheckReport:
    """``digest check``. Raises ConfigError if the configuration cannot be used."""
    settings = load(config, os.environ)
    with ExitStack() as stack:
        checks = _Checkup(config, settings, wanted, stack).checks()
        return run_checks(
            checks,
            offline=wanted.offline,
            clock=time.monotonic,
            seconds=wanted.seconds,
            progress=progress,
        )


class _Checkup:
    """The questions about one site."""

    def __init__(self, config: Path, settings: Settings, wanted: Wanted, stack: ExitStack) -> None:
        self._config = config
        self._settings = settings
        self._wanted = wanted
        self._stack = stack
        self._opened: App | StoreError | None = None
        self._facts = _Facts()
        self._leaving: list[Finding] = []
        """What was found of the header to leave by."""
        self._keys, self._keys_fault = _signing_keys(settings)

    def checks(self) -> list[Check]:
        """In the order to show them."""
        digests = [
            Check(group="mail", name=f"digest {name}", ask=partial(self._budget, name))
            for name in self._settings.digests
        ]
        channels = self._settings.channels
        return [
            Check(group="configuration", name=self._config.name, ask=self._configuration),
            Check(group="configuration", name="language", ask=self._language),
            Check(group="store", name="store", ask=self._store),
            Check(group="store", name="site", ask=self._needs_store("site", self._site)),
            Check(group="posts", name="files", ask=self._needs_store("files", self._posts)),
            *self._against(),
            *source_checks(self._settings, self._wanted.seconds),
            Check(group="templates", name="templates", ask=self._needs_store("templates", self._templates)),
            Check(group="feeds", name="read back", ask=self._needs_store("read back", self._feeds)),
            *digests,
            Check(group="mail", name="List-Unsubscribe", ask=self._needs_store("List-Unsubscribe", self._headers)),
            Check(group="mail", name="DKIM keys", ask=self._signatures),
            Check(group="mail", name="accent", ask=self._accent),
            Check(group="mail", name="postal address", ask=self._needs_store("postal address", self._address)),
            *(Check(group="channels", name=each.common.name, ask=partial(_channel, each)) for each in channels),
            Check(group="machine", name="folders", ask=self._rooms),
            Check(group="machine", name="secrets", ask=self._secrets),
            *self._remote(),
        ]

    # -------------------------------------------------------------- the store

    def _app(self) -> App:
        """The application on a dry run of the store, opened once. Raises StoreError, every time."""
        if self._opened is None:
            when = moment(None, self._settings.site.timezone)
            try:
                self._opened = self._stack.enter_context(
                    opened(self._settings, when, dry_run=True, admit=lambda store: None)  # _site tells
                )
            except StoreError as error:
                self._opened = error
        if isinstance(self._opened, StoreError):
            raise self._opened
        return self._opened

    def _needs_store(self, name: str, ask: Callable[[App], Iterable[Finding]]) -> Callable[[], Iterable[Finding]]:
        def asked() -> Iterable[Finding]:
            try:
                app = self._app()
            except StoreError:
                return [skipped(name, "the store cannot be opened")]
            return ask(app)

        return asked

    def _store(self) -> Iterator[Finding]:
        from digest.jobs.check.local import Health, judge_store
        from digest.store.database.basics import HEAD

        store, path = self._app().store, self._settings.store.path
        yield from judge_store(
            Health(
                subject=store.subject,
                found=store.schema_found,
                wanted=HEAD,
                faults=tuple(store.faults()) if store.schema_found is not None else (),
                size=path.stat().st_size if path is not None and path.exists() else None,
            )
        )

    def _site(self, app: App) -> Iterator[Finding]:
        """What a run would refuse. A folder of posts that is missing is told with the files."""
        admission = Admission(settings=self._settings, collects=False)
        faults = admission.faults(None if app.store.schema_found is None else app.store)
        yield from [from_error("site", fault) for fault in faults] or [ok("site", "store and output belong to it")]

    # ------------------------------------------------------------ what we make

    def _configuration(self) -> Finding:
        settings = self._settings
        digests = ", ".join(f"{name} ({digest.schedule})" for name, digest in settings.digests.items())
        return ok(self._config.name, f"{self._config}: no faults; {settings.site.url}, digests: {digests}")

    def _language(self) -> Finding:
        from digest.languages import what_is_missing

        tag = str(self._settings.site.language)
        missing, _, remedy = what_is_missing(tag).partition("; ")
        return warning("language", missing, remedy) if missing else ok("language", f"texts and dates in {tag}")

    def _posts(self, app: App) -> Iterable[Finding]:
        from digest.jobs.check.local import judge_posts

        folders = [each for each in self._settings.sources if isinstance(each, FolderSourceSettings)]
        if not (folders or self._settings.posts.has_folder):
            return [skipped("files", "there is no folder of posts (sources)")]
        return judge_posts(collect_posts(app, entries=folders))

    def _against(self) -> list[Check]:
        place = self._wanted.against
        if place is None:
            return []

        def ask(app: App) -> Iterable[Finding]:
            from digest.app.generator_files import hugo_configuration
            from digest.app.hugosite import hugo_site
            from digest.jobs.check.local import judge_addresses
            from digest.probes.built_site import addresses_at

            site_url, folder = str(self._settings.site.url), self._settings.posts.folder
            apart = hugo_site(folder, "en", hugo_configuration(folder)).apart(site_url)
            site = addresses_at(place, site_url, self._fetch, apart)
            return judge_addresses(app.store.addresses(MAIN), site, place)

        return [Check(group="posts", name="addresses", ask=self._needs_store("addresses", ask))]

    def _templates(self, app: App) -> Iterable[Finding]:
        from digest.jobs.check.templates import judge_templates, make_trials

        folder = self._settings.templates
        if folder is not None and not folder.is_dir():
            return [problem("templates", f"{folder}: there is no such folder", "make it, or take templates out")]
        trials = partial(make_trials, app.render_context(), app.feed_options())
        return judge_templates(app.templates, trials, folder=None if folder is None else str(folder))

    def _feeds(self, app: App) -> Iterable[Finding]:
        from digest.jobs.check.feeds import ReadBack, judge_feeds

        read = ReadBack(base=app.feed_options().base)
        return judge_feeds(read, update_feeds(app, read))

    def _budget(self, name: str) -> Iterable[Finding]:
        from digest.jobs.check.mail import judge_budget, judge_purpose

        def judged(app: App) -> Iterable[Finding]:
            yield judge_budget(next_edition(app, name), self._settings.site.timezone)
            yield from judge_purpose(name, idle(self._settings, app.store))

        return self._needs_store(f"digest {name}", judged)()

    def _headers(self, app: App) -> Iterable[Finding]:
        from digest.jobs.check.mail import judge_headers

        if not self._settings.subscriptions.enabled:
            return [skipped("List-Unsubscribe", "nobody can subscribe (subscriptions.enabled)")]
        saved = next_edition(app, next(iter(self._settings.digests))).saved
        found = list(judge_headers(message_for(app, _nobody(), saved, signs=self._keys_fault is None)))
        self._leaving = [each for each in found if each.name == "List-Unsubscribe"]
        return found

    def _signatures(self) -> Finding:
        if self._settings.mail.dkim is None:
            return skipped("DKIM keys", "there are none (mail.dkim); your relay may sign")
        if self._keys_fault is not None:
            return from_error("DKIM keys", self._keys_fault)
        return ok("DKIM keys", ", ".join(key.selector for key in self._keys))

    def _accent(self) -> Finding:
        from digest.jobs.check.look import judge_accent

        return judge_accent(self._settings.theme)

    def _address(self, app: App) -> Iterable[Finding]:
        from digest.jobs.check.look import judge_address

        by_state = app.store.subscribers_by_state() if app.store.schema_found is not None else {}
        always = len(self._settings.mail.to)
        readers = {name: always + by_state.get((name, "active"), 0) for name in self._settings.digests}
        return [judge_address(self._settings.mail.postal_address, readers)]

    # ------------------------------------------------------------ this machine

    def _rooms(self) -> Iterator[Finding]:
        from digest.jobs.check.local import judge_room

        settings = self._settings
        places: list[tuple[str, Path | None]] = [
            ("output", settings.output if isinstance(settings.output, Path) else None),
            ("mail.folder", settings.mail.folder if settings.mail.transport == "folder" else None),
            ("store", settings.store.path.parent if settings.store.path is not None else None),
        ]
        for key, path in places:
            if path is not None:
                yield judge_room(key, look_at(path), int(settings.watch.min_free))

    def _secrets(self) -> Iterable[Finding]:
        from digest.jobs.check.local import judge_secrets

        return judge_secrets(list(self._secret_files()))

    def _secret_files(self) -> Iterator[Secret]:
        from digest.jobs.check.local import Secret

        settings, mail = self._settings, self._settings.mail
        needed = mail.transport == "smtp" and mail.user is not None and not os.environ.get(mail.password_env)
        files: list[tuple[str, Path | None, bool, str, bool]] = [
            ("mail.password_file", mail.password_file, needed, "send mail in your name", True),
            (
                "subscriptions.secret_file",
                None
                if os.environ.get(VARIABLE) or not settings.subscriptions.enabled
                else settings.subscriptions.secret_file,
                False,
                "forge links in mails",
                True,
            ),
            (
                "watch.token_file",
                None if os.environ.get(TOKEN_VARIABLE) else settings.watch.token_file,
                True,
                "see the status page",
                True,
            ),
            ("store", settings.store.path, False, "read addresses", False),
            *(
                (f"sources.{each.name}.url_file", each.url_file, True, "read the feed as you do", True)
                for each in settings.sources
                if isinstance(each, FeedSourceSettings)
            ),
        ]
        if mail.bounces is not None and not (mail.bounces.secret_env and os.environ.get(mail.bounces.secret_env)):
            files.append(("mail.bounces.secret_file", mail.bounces.secret_file, True, "forge bounces", True))
        for channel in settings.channels:
            for part in (channel.common, channel.own):
                named = () if part is None else part.__struct_fields__
                held = [(name, getattr(part, name)) for name in named if isinstance(getattr(part, name), Path)]
                files += [(f"{channel.common.name}.{name}", at, False, "send in your name", True) for name, at in held]
        for key, path, must_exist, why, is_grave in files:
            if path is not None:
                yield Secret(
                    key=key,
                    path=str(path),
                    readers=open_to_others(path),
                    is_readable=is_readable(path),
                    must_exist=must_exist,
                    why=why,
                    is_grave=is_grave,
                )

    # ------------------------------------------------------------ the network

    def _remote(self) -> Iterator[Check]:
        from digest.jobs.check import network as check_network

        settings = self._settings
        self._facts = self._look_up()
        names = Dns(self._wanted.resolver, seconds=self._wanted.seconds)
        if not isinstance(settings.output, Path):
            yield self._check("network", "bucket", self._bucket)
        if settings.mail.transport == "smtp":
            sender, keys = self._sender(), self._keys
            signers = tuple(dict.fromkeys(key.domain for key in keys))
            yield self._check("network", "SMTP", self._smtp)
            yield self._check("network", "SPF", partial(check_network.judge_spf, sender, names))
            yield self._check("network", "DKIM", partial(check_network.judge_dkim, keys, names))
            for domain in self._authors():  # mails about subscriptions may come from a domain of their own
                author = replace(sender, author=domain)
                yield self._check("network", "DMARC", partial(check_network.judge_dmarc, author, signers, names))
            yield self._check("network", "MX", partial(check_network.judge_mailboxes, sender, names))
            yield self._check("receivers", "rules", partial(self._rules, sender, names))
        else:
            for name in ("SMTP", "SPF", "DKIM", "DMARC", "MX"):
                asked = partial(skipped, name, "mail.transport is folder: nothing is sent")
                yield Check(group="network", name=name, ask=asked)
        yield self._check("public pages", "one click", self._one_click)
        yield self._check("public pages", "feeds", self._served)
        yield self._check(
            "time",
            "clock",
            partial(check_network.judge_clock, self._offset, self._fetch, f"{settings.site.url}/", time.time),
        )

    def _rules(self, sender: Sender, names: Names) -> Iterator[Finding]:
        """What the big receivers want of whoever sends much."""
        from digest.jobs.check import bulk
        from digest.jobs.check import network as check_network

        signers = tuple(dict.fromkeys(key.domain for key in self._keys))

        def policies() -> Iterator[Finding]:
            for domain in self._authors():
                yield from check_network.judge_dmarc(replace(sender, author=domain), signers, names)

        return bulk.judge_rules(
            {
                bulk.SPF: partial(check_network.judge_spf, sender, names),
                bulk.DKIM: partial(check_network.judge_dkim, self._keys, names),
                bulk.DMARC: lambda: (each for each in policies() if each.name == bulk.DMARC),
                bulk.ALIGNMENT: lambda: (each for each in policies() if each.name == bulk.ALIGNMENT),
                bulk.ONE_CLICK: lambda: self._leaving,
                bulk.TLS: partial(bulk.judge_tls, self._settings.mail.security),
                bulk.REVERSE: partial(bulk.judge_reverse, sender, names),
                bulk.REPLIES: partial(check_network.judge_mailboxes, sender, names),
            }
        )

    def _look_up(self) -> _Facts:
        settings = self._settings
        published = not isinstance(settings.output, Path) or (settings.output / "feeds.opml").is_file()
        try:
            app = self._app()
        except StoreError:
            return _Facts(has_published=published)
        return _Facts(has_subscribers=app.store.knows_somebody(), has_published=published, stranger=self._stranger(app))

    def _stranger(self, app: App) -> str | None:
        """A secret that cannot be read is told of by what needs it."""
        if not os.environ.get(VARIABLE) and not self._settings.subscriptions.secret_file.is_file():
            return None
        try:
            return app.subscriber_service.links.unsubscribe(0, 0)
        except ConfigError:
            return None

    def _check(self, group: str, name: str, ask: Callable[[], Finding | Iterable[Finding]]) -> Check:
        return Check(group=group, name=name, ask=ask, network=True)

    @property
    def _fetch(self) -> Fetch:
        from digest.probes.web import fetch

        return partial(fetch, seconds=self._wanted.seconds)

    def _offset(self) -> float:
        from digest.probes.clock import SERVER, clock_offset

        return clock_offset(self._wanted.time_server or SERVER, seconds=min(self._wanted.seconds / 2, 5.0))

    def _bucket(self) -> Finding:
        output = self._app().output
        output.listing("")
        return ok("bucket", f"{self._settings.output} answers")

    def _smtp(self) -> Finding:
        from digest.jobs.check.network import judge_smtp
        from digest.mail.smtp import TimeLimits

        mail = self._settings.mail
        limits = TimeLimits(**{field.name: self._wanted.seconds for field in fields(TimeLimits)})
        return judge_smtp(
            smtp_channel(mail, limits).knock, f"{mail.host}:{mail.port}", security=mail.security, user=mail.user or ""
        )

    def _sender(self) -> Sender:
        from digest.jobs.check.network import Sender

        mail = self._settings.mail
        return Sender(
            author=self._settings.sender.domain,
            envelope=(mail.bounce_address or self._settings.sender).address,
            relay=str(mail.host),
        )

    def _authors(self) -> tuple[str, ...]:
        """Domains of From addresses."""
        settings = self._settings
        others = (settings.subscriptions_sender.domain,) if settings.subscriptions.enabled else ()
        return tuple(dict.fromkeys((settings.sender.domain, *others)))

    def _one_click(self) -> Iterator[Finding]:
        from digest.jobs.check.network import judge_one_click

        if not self._settings.subscriptions.enabled:
            yield skipped("one click", "nobody can subscribe (subscriptions.enabled)")
            return
        asked = _told("one click", judge_one_click(self._fetch, self._settings.subscriptions_url, self._facts.stranger))
        for finding in asked:
            if finding.verdict is Verdict.PROBLEM and not self._facts.has_subscribers:
                says = f"{finding.says} (nobody has subscribed yet)"
                yield replace(finding, verdict=Verdict.WARNING, says=says)
            else:
                yield finding

    def _served(self) -> Iterable[Finding]:
        from digest.jobs.check.network import judge_served

        if not self._facts.has_published:
            return [skipped("feeds", "nothing is published yet", "digest run does it")]
        feeds = self._settings.feeds
        named = (("atom", "feed.xml"), ("rss", "rss.xml"), ("json", "feed.json"))
        paths = [path for format, path in named if format in feeds.formats]
        return judge_served(self._fetch, f"{self._settings.feeds_url}/", [*paths, "feeds.opml"])


class _Facts(Struct, frozen=True, kw_only=True):
    """What the network is asked about, looked up beforehand."""

    has_subscribers: bool = False
    has_published: bool = False
    stranger: str | None = None
    """A link to leave by, genuine, of nobody; None if there is no secret to sign it with yet."""


def _signing_keys(settings: Settings) -> tuple[tuple[SigningKey, ...], ConfigError | None]:
    """Our keys as the DNS should have them; or why they are of no use."""
    from digest.jobs.check.network import SigningKey

    dkim = settings.mail.dkim
    if dkim is None:
        return (), None
    from digest.mail.dkim import Signer

    try:
        records = Signer(settings.dkim_domain, dkim.keys).records()
    except ConfigError as error:
        return (), error
    return tuple(SigningKey(place=place, record=record) for place, record in records.items()), None


def _channel(configured: ConfiguredChannel) -> Finding:
    """Whether it could be opened; nothing is sent."""
    name = configured.common.name
    try:
        open_channel(configured)
    except DigestError as error:
        return from_error(name, error)
    return ok(name, f"{configured.common.kind}, editions of {configured.common.digest}; nothing was sent")


def _told(name: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """The same findings; if no answer comes at all, that as one of them."""
    try:
        yield from findings
    except ProbeError as error:
        yield from_error(name, error)


def _nobody() -> Delivery:
    """A delivery to a subscriber who does not exist: keys of subscribers and lists begin with 1."""
    return Delivery(
        key=0,
        edition_key=0,
        address="reader@example.com",
        message_id="<0@example.com>",
        token="0" * 32,
        attempts=0,
        lease="",
        subscriber=0,
        list_key=0,
    )
