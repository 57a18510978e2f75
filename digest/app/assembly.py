"""What is built from the settings: source, store, output, templates, and what use cases are told.

Here no use case is called; the modules beside this one do that with an ``App``.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from digest.app.admission import Admission
from digest.app.moment import When, agreed, clock_of, moment
from digest.app.places import output_of, posts_folder
from digest.config import Settings, load
from digest.jobs.progress import Progress, silent
from digest.models import InLanguage, Outgoing
from digest.ports import Channel, Output

if TYPE_CHECKING:
    from digest.app.subscriber_service import SubscriberService
    from digest.config import MailSettings
    from digest.config.settings import FolderSettings
    from digest.config.values import LanguageTag
    from digest.jobs.editions.make import Audience, DigestPlan
    from digest.jobs.feeds import FeedOptions
    from digest.languages import CatalogueLanguage
    from digest.mail.dkim import Signer
    from digest.mail.smtp import SmtpChannel, TimeLimits
    from digest.models import Origin
    from digest.posts import Rules
    from digest.posts.hexosite import HexoSite
    from digest.posts.hugosite import HugoSite
    from digest.posts.jekyllsite import JekyllSite
    from digest.render.context import RenderContext
    from digest.sources.folder import FolderSource
    from digest.store import Admit, SqlStore
    from digest.templates import FolderTemplates

_BELIEVED = timedelta(days=1)


class App:
    """What use cases need, bound to the settings; made when it is first asked for."""

    def __init__(
        self,
        settings: Settings,
        store: SqlStore,
        when: When,
        *,
        dry_run: bool,
        progress: Progress,
        let_go: Callable[[], None] = lambda: None,
    ) -> None:
        """``let_go`` gives the right to run back, if this one has it."""
        self.settings = settings
        self.store = store
        self.when = when
        self.dry_run = dry_run
        self.progress = progress
        self.let_go = let_go

    def clock(self) -> Callable[[], datetime]:
        """The time that the run stands for, going on while it lasts."""
        return clock_of(self.when, self.store.clock)

    def believed(self) -> datetime:
        """The time by which something is forgotten: since that cannot be had back, no clock that jumped is believed for
        more than a day after the run before."""
        earlier = self.store.runs(2)[1:]
        return min(self.when.now, earlier[0].started_at + _BELIEVED) if earlier else self.when.now

    # --------------------------------------------------------------- posts

    @cached_property
    def source(self) -> FolderSource:
        return posts_folder(self.settings)

    @cached_property
    def rules(self) -> Rules:
        """By which files of ``posts.folder`` become posts."""
        base = self.store.keep_first("id base", str(self.settings.site.url))
        posts, url = self.settings.posts, str(self.settings.site.url)
        return self.rules_for(posts, url, self.source.kind, base, posts.folder)

    def rules_for(
        self,
        posts: FolderSettings,
        site_url: str,
        kind: str,
        id_base: str,
        folder: Path | None = None,
    ) -> Rules:
        """By which files of a folder become posts that a site of this address shows."""
        from digest.posts import hexosite, hugosite, jekyllsite
        from digest.posts.rules import Rules

        settings = self.settings
        return Rules(
            site_url=site_url,
            timezone=settings.site.timezone,
            kind=kind,
            permalink=posts.permalink,
            future=posts.future,
            unpublished=posts.unpublished,
            drafts=posts.drafts,
            id_scheme=settings.feeds.id_scheme,
            id_base=_plain(settings.feeds.id_base) or id_base,
            id_authority=settings.feeds.id_authority or "",
            id_nfkc=settings.feeds.id_nfkc,
            lang=str(settings.site.language),
            hugo=hugosite.NO_SITE if folder is None or kind != "hugo" else self._hugo_site(folder),
            jekyll=jekyllsite.NO_SITE if folder is None or kind != "jekyll" else self._jekyll_site(folder, posts),
            hexo=hexosite.NO_SITE if folder is None or kind != "hexo" else self._hexo_site(folder),
            hidden_by=posts.hidden_by,
            builder_zone=posts.builder_timezone,
            now=self.when.now,
        )

    def _jekyll_site(self, folder: Path, posts: FolderSettings) -> JekyllSite:
        from digest.app.jekyllsite import jekyll_site

        return jekyll_site(folder, posts.collections)

    def _hexo_site(self, folder: Path) -> HexoSite:
        from digest.app.generator_files import hexo_configuration
        from digest.posts.hexosite import read_hexo_site

        return read_hexo_site(hexo_configuration(folder) or {})

    def _hugo_site(self, folder: Path) -> HugoSite:
        from digest.app.generator_files import hugo_configuration
        from digest.app.hugosite import hugo_site

        return hugo_site(folder, str(self.settings.site.language), hugo_configuration(folder))

    # --------------------------------------------------------------- pages

    @cached_property
    def output(self) -> Output:
        """Raises ConfigError if the library for it is not installed."""
        from digest.publish.folder import DryOutput

        output = output_of(self.settings)
        return DryOutput(output) if self.dry_run else output

    def feeds_look(self) -> str:
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

        settings = self.settings
        return FolderTemplates(self.language, settings.templates, settings.theme, mail_form=settings.mail_form)

    def feed_options(self) -> FeedOptions:
        """What feeds are made by."""
        from digest.jobs.feeds import FeedOptions
        from digest.render.feeds.window import WindowLimits

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
            limits=WindowLimits(
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
            languages=feeds.languages if isinstance(feeds.languages, bool) else tuple(map(str, feeds.languages)),
            origins=self._origins,
        )

    @cached_property
    def _origins(self) -> dict[str, Origin]:
        """What posts of other sites were taken from, those included that are followed no longer."""
        found = {state.name: state.origin for state in self.store.source_states().values()}
        return {name: origin for name, origin in found.items() if origin and (origin.feed_url or origin.url)}

    # ------------------------------------------------- editions and mails

    def configured_plans(self) -> list[DigestPlan]:
        """The digests of the configuration."""
        from msgspec import convert

        from digest.edition.contents import CategoryTitle, Limits
        from digest.edition.ranking import Weights
        from digest.jobs.editions.make import DigestPlan
        from digest.period import Late

        titles = tuple(CategoryTitle(name=each.name, title=each.title) for each in self.settings.categories)
        plans = []
        for name, digest in self.settings.digests.items():
            plans.append(
                DigestPlan(
                    name=name,
                    title=digest.title,
                    subject=digest.subject or self.settings.mail.subject,
                    schedule=digest.schedule.rule,
                    categories=digest.categories,
                    language=self._chosen(digest.language),
                    titles=titles,
                    max_age=digest.max_age,
                    late=Late(digest.late),
                    max_lateness=digest.max_lateness,
                    holidays=digest.days_off,
                    expires_after=digest.expires_after,
                    send_empty=digest.send_empty,
                    min_items=digest.min_items,
                    group_stories=digest.group_stories,
                    weights=convert(digest.weights, Weights, from_attributes=True),
                    limits=Limits(
                        items=digest.max_items,
                        minutes=digest.minutes,
                        quota=digest.quota,
                        source_quota=digest.source_quota,
                        html_bytes=int(digest.max_bytes),
                    ),
                )
            )
        return plans

    def _chosen(self, tag: LanguageTag | None) -> InLanguage | None:
        return None if tag is None else InLanguage.of(str(tag), str(self.settings.site.language), wide=True)

    def plans(self) -> list[DigestPlan]:
        """The digests of the configuration, and those that sum them up for some subscribers."""
        plans = self.configured_plans()
        return plans + self.subscriber_service.weekly_plans(plans)

    def render_context(self) -> RenderContext:
        """What editions are rendered with."""
        from digest.edition.contents import Publisher
        from digest.render.context import RenderContext

        return RenderContext(
            publisher=Publisher(
                site_title=self.settings.site.title,
                site_url=str(self.settings.site.url),
                pages_url=self.settings.feeds_url.rstrip("/") + "/",
                zone=self.settings.site.timezone,
                contact=(self.settings.mail.reply_to or self.settings.sender).address,
            ),
            templates=self.templates,
            language=self.language,
            theme=self.settings.theme,
        )

    @cached_property
    def subscriber_service(self) -> SubscriberService:
        """What there is to do for subscribers."""
        from digest.app.subscriber_service import SubscriberService

        return SubscriberService(
            self.settings, self.store, templates=self.templates, language=self.language, dry_run=self.dry_run
        )

    def audience(self) -> Audience:
        """Who gets the next editions."""
        from digest.jobs.editions.make import Audience

        return Audience(
            addresses=tuple(mailbox.address for mailbox in self.settings.mail.to),
            domain=self.settings.mail.list_domain or self.settings.sender.domain,
            new_token=lambda: secrets.token_hex(16),
            channels={
                name: tuple(each.common.name for each in self.settings.channels if each.common.digest == name)
                for name in self.settings.digests
            },
            subscribers=lambda plan: self.subscriber_service.audience(plan, self.when.now),
        )

    @cached_property
    def signer(self) -> Signer | None:
        """Signs messages, if there are keys for it."""
        return signer_of(self.settings)


@contextmanager
def opened(
    settings: Settings,
    when: When,
    *,
    dry_run: bool,
    purpose: str = "digest run",
    progress: Progress = silent,
    admit: Admit | None = None,
    must_exist: bool = False,
) -> Iterator[App]:
    """The application on its store: held exclusively, until it lets go, or a dry run of it that leaves no trace.
    ``purpose`` is told to whoever is refused meanwhile. Raises ConfigError, StoreError, and Refused if store, site,
    posts and output do not belong together."""
    from digest.store import open_dry_run, open_store

    admit = admit or Admission(settings=settings)
    if dry_run:
        with open_dry_run(settings.store.url, admit=admit) as store:
            yield App(settings, store, agreed(when, store.clock), dry_run=True, progress=progress)
        return
    with open_store(settings.store.url, admit=admit, must_exist=must_exist) as store, ExitStack() as right:
        right.enter_context(store.exclusive(purpose, when.wall))
        yield App(settings, store, agreed(when, store.clock), dry_run=False, progress=progress, let_go=right.close)


@contextmanager
def opened_beside(config: Path) -> Iterator[App]:
    """The application for commands beside any run, most of which only look. Raises ConfigError, StoreError, Refused."""
    settings = load(config, os.environ)
    from digest.store import open_store

    with open_store(settings.store.url, admit=Admission(settings=settings, collects=False)) as store:
        when = agreed(moment(None, settings.site.timezone), store.clock)
        yield App(settings, store, when, dry_run=False, progress=silent)


@contextmanager
def with_subscriber_service(config: Path) -> Iterator[tuple[SubscriberService, datetime]]:
    """What commands about subscribers need, beside any run or before the first; and the present time. Raises
    ConfigError, StoreError, Refused."""
    settings = load(config, os.environ)
    from digest.store import open_store

    with open_store(settings.store.url, admit=Admission(settings=settings, collects=False, may_be_new=True)) as store:
        when = agreed(moment(None, settings.site.timezone), store.clock)
        yield App(settings, store, when, dry_run=False, progress=silent).subscriber_service, when.now


def mail_channel(settings: Settings) -> Channel[Outgoing]:
    """The way out that ``mail.transport`` names. Raises ConfigError if its password cannot be read."""
    mail = settings.mail
    if mail.transport == "folder":
        from digest.mail.folder import FolderChannel

        return FolderChannel(mail.folder)
    return smtp_channel(mail)


def smtp_channel(mail: MailSettings, limits: TimeLimits | None = None) -> SmtpChannel:
    """The way to the mail server of the configuration. Raises ConfigError."""
    from digest.config import password
    from digest.mail.smtp import SmtpChannel

    assert mail.host is not None, "checked when the configuration was read"
    return SmtpChannel(
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
