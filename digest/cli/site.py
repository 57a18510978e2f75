"""The site as one ASGI application: the subscription pages, and the output folder for everything else. What is in a
bucket is not served from here."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from digest.app import Service
from digest.web import Site, create_app
from digest.web.guard import networks


def site_app(running: Service, *, local: bool) -> ASGIApp:
    """``local``: it is for this machine alone, and may be asked for by its name."""
    settings = running.settings
    app = subscription_app(running, local=local) if settings.subscriptions.enabled else Starlette()
    if isinstance(settings.output, Path):
        settings.output.mkdir(parents=True, exist_ok=True)
        files = StaticFiles(directory=settings.output, html=True)
        app.router.routes.append(Mount("/", files, name="output"))
    return app


def subscription_app(running: Service, *, local: bool) -> Starlette:
    """The subscription pages alone."""
    settings = running.settings
    addresses = (settings.subscriptions_url, str(settings.site.url), settings.feeds_url)
    hosts = {urlsplit(address).hostname or "" for address in addresses}
    return create_app(
        running.readership.desk,
        Site(
            title=settings.site.title,
            url=str(settings.site.url),
            base=settings.subscriptions_url,
            hosts=tuple(hosts | ({"localhost", "127.0.0.1", "::1"} if local else set())),
            proxies=networks(settings.subscriptions.trusted_proxies),
        ),
        running.templates,
        running.language,
        clock=lambda: datetime.now(UTC).replace(microsecond=0),  # as whole as what is kept
        afterwards=one_at_a_time(running.send_waiting),
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
