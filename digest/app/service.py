"""What a process needs that goes on: ``digest serve``, its pages and its worker."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from digest.app.admission import Admission
from digest.app.assembly import App
from digest.app.moment import agreed, moment
from digest.app.monitor import monitor_of
from digest.app.places import further_folder, posts_folder
from digest.app.sending import send_mail
from digest.config import Settings, load
from digest.config.settings import FolderSourceSettings
from digest.jobs.progress import silent
from digest.models import MAIN

if TYPE_CHECKING:
    from digest.app.monitor import Monitor
    from digest.app.subscriber_service import SubscriberService
    from digest.jobs.delivery.deliver import DeliveryReport
    from digest.languages import CatalogueLanguage
    from digest.sources.folder import FolderSource
    from digest.store import SqlStore
    from digest.templates import FolderTemplates


class Work(Protocol):
    """Works through the ledger beside other workers."""

    def __call__(
        self, *, stop: Callable[[], bool], hurry: Callable[[], bool], tell: Callable[[str], None]
    ) -> DeliveryReport:
        """Until ``stop`` says so; looks again at once when ``hurry`` does. Raises StoreError."""
        ...


class Service(Struct, frozen=True, kw_only=True):
    """What a process needs that goes on: the settings, the store, the use cases of subscribers, and ways to send."""

    settings: Settings
    store: SqlStore
    subscriber_service: SubscriberService
    templates: FolderTemplates
    language: CatalogueLanguage
    send_waiting: Callable[[], object]
    """What people asked for, and whatever else is due; returns when nothing is."""
    work: Work
    """Send until told to stop."""
    folders: Mapping[str, Callable[[], FolderSource]]
    """Every folder of posts by the name of its source, looked at afresh."""
    monitor: Monitor


def refuse_unfit(settings: Settings, *, collects: bool) -> None:
    """As ``service`` would, for a configuration that is to take another's place. Raises StoreError, Refused."""
    from digest.store import open_store

    open_store(settings.store.url, admit=Admission(settings=settings, collects=collects)).close()


def _folders(settings: Settings) -> dict[str, Callable[[], FolderSource]]:
    found: dict[str, Callable[[], FolderSource]] = (
        {MAIN: partial(posts_folder, settings)} if settings.posts.has_folder else {}
    )
    for entry in settings.sources:
        if isinstance(entry, FolderSourceSettings):
            found[entry.name] = partial(further_folder, settings, entry)
    return found


@contextmanager
def service(config: Path, *, collects: bool = True) -> Iterator[Service]:
    """``collects``: it starts runs. Raises ConfigError, StoreError, Refused."""
    settings = load(config, os.environ)
    from digest.store import open_store

    with open_store(settings.store.url, admit=Admission(settings=settings, collects=collects)) as store:

        def app() -> App:
            when = agreed(moment(None, settings.site.timezone), store.clock)
            return App(settings, store, when, dry_run=False, progress=silent)

        def send_waiting() -> DeliveryReport:
            present = app()
            present.subscriber_service.signup.handle(present.when.now)
            return send_mail(present)

        def work(*, stop: Callable[[], bool], hurry: Callable[[], bool], tell: Callable[[str], None]) -> DeliveryReport:
            return send_mail(app(), once=False, stop=stop, hurry=hurry, tell=tell)

        first = app()
        yield Service(
            settings=settings,
            store=store,
            work=work,
            folders=_folders(settings),
            monitor=monitor_of(settings),
            subscriber_service=first.subscriber_service,
            templates=first.templates,
            language=first.language,
            send_waiting=send_waiting,
        )
