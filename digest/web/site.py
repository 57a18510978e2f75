"""The site as one ASGI application: routes of the service itself, the subscription pages, and the output folder for
everything else. What is in a bucket is not served from here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from starlette.applications import Starlette
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute

from digest.app.bounce_hooks import bounce_hooks
from digest.app.moment import going_on
from digest.app.service import Service
from digest.config import Settings
from digest.errors import StoreError
from digest.render.pages import frame
from digest.web import Site, create_app
from digest.web.files import Files, Options
from digest.web.front import Front
from digest.web.guard import networks, secured
from digest.web.hooks import hook_routes

if TYPE_CHECKING:
    from digest.jobs.editions.approvals import Approvals

LONGEST_MAX_AGE = 900
"""Seconds; readers take a larger value as the pause they should make."""
_RETIRED_FOR = 60.0
"""Seconds for which is known which feeds are no longer made."""


def site_app(running: Service, *, local: bool, routes: Sequence[BaseRoute] = ()) -> Front:
    """``local``: it is for this machine alone, and may be asked for by its name. ``routes`` are asked before anything
    else, and under any name."""
    settings = running.settings
    output = settings.output if isinstance(settings.output, Path) else None
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
    files = Files(
        root=output,
        options=Options(
            max_age=max_age(settings), address=str(settings.feeds_url), hubs=tuple(map(str, settings.feeds.hubs))
        ),
        nothing=lambda status: _missing(running, status),
        is_gone=Retired(running),
    )
    pages = subscription_app(running, local=local) if settings.subscriptions.enabled else None
    if settings.mail.bounces is not None:
        hooks = bounce_hooks(settings.mail.bounces, running.subscriber_service, going_on(running.store.clock))
        routes = [*routes, *hook_routes(hooks, networks(settings.subscriptions.trusted_proxies))]
    return Front(files, routes=routes, pages=pages, prefix=urlsplit(settings.subscriptions_url).path.rstrip("/"))


def max_age(settings: Settings) -> int:
    """Seconds for which a feed may be kept: as long as the shortest interval between runs, if there is one."""
    rhythms = [settings.posts.schedule, *(each.schedule for each in settings.categories if each.schedule)]
    minutes = [int(rhythm.split()[1]) for rhythm in rhythms if rhythm.startswith("every ")]
    return min([LONGEST_MAX_AGE, *(60 * each for each in minutes)])


def _missing(running: Service, status: int) -> Response:
    """The page for what is not there, in the site's language."""
    settings = running.settings
    here = f"{settings.feeds_url}/"
    context = frame(settings.site.title, str(settings.site.url), here, feeds_page=f"{here}feeds/")
    page = running.templates.render("web/missing.html", context | {"gone": status == 410})
    return secured(HTMLResponse(page, status))


class Retired:
    """Knows the files of feeds and formats that the settings no longer ask for: whoever still polls them may stop."""

    def __init__(self, running: Service, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._running = running
        self._clock = clock
        self._until = 0.0
        self._paths: frozenset[str] = frozenset()

    def __call__(self, path: str) -> bool:
        if self._clock() >= self._until:
            with suppress(StoreError):  # what was known must do until the store can be asked again
                self._paths = self._look()
            self._until = self._clock() + _RETIRED_FOR
        return path in self._paths

    def _look(self) -> frozenset[str]:
        from digest.render.feeds.catalogue import TAG, files_of

        feeds = self._running.settings.feeds
        paths: set[str] = set()
        for row in self._running.store.feeds():
            wanted = row.kind != TAG or feeds.tags is True or (feeds.tags is not False and row.name in feeds.tags)
            kept = files_of(row.kind, row.stem, feeds.formats) if wanted else ()
            paths |= {path for path in files_of(row.kind, row.stem) if path} - set(kept)
        return frozenset(paths)


def subscription_app(running: Service, *, local: bool) -> Starlette:
    """The subscription pages alone."""
    settings = running.settings
    addresses = (settings.subscriptions_url, str(settings.site.url), settings.feeds_url)
    hosts = {urlsplit(address).hostname or "" for address in addresses}
    return create_app(
        running.subscriber_service.signup,
        Site(
            title=settings.site.title,
            url=str(settings.site.url),
            base=settings.subscriptions_url,
            hosts=tuple(hosts | ({"localhost", "127.0.0.1", "::1"} if local else set())),
            proxies=networks(settings.subscriptions.trusted_proxies),
        ),
        running.templates,
        running.language,
        clock=going_on(running.store.clock),
        afterwards=one_at_a_time(running.send_waiting),
        approvals=_approvals(running),
    )


def _approvals(running: Service) -> Approvals:
    from digest.jobs.editions.approvals import Approvals
    from digest.render.mail import edition_path

    settings = running.settings
    pages_url = settings.feeds_url.rstrip("/") + "/"
    return Approvals(
        running.store,
        running.subscriber_service.keys,
        settings.site.timezone,
        lambda digest, period: f"{pages_url}{quote(edition_path(digest, period).removesuffix('index.html'))}",
    )


def one_at_a_time(work: Callable[[], object]) -> Callable[[], None]:
    """Call ``work`` whenever asked, but never twice at once: whoever comes meanwhile is served by one more call."""
    turn, again = threading.Lock(), threading.Event()

    def call() -> None:
        again.set()
        while again.is_set() and turn.acquire(blocking=False):
            try:
                again.clear()
                work()
            finally:
                turn.release()

    return call
