"""``/healthz``, ``/readyz`` and ``/metrics``: for supervisors, load balancers and Prometheus.

The first two tell everybody one word and nothing more; why is in the log. The figures are for those who have the token,
or, where there is none, for this machine itself: a request that came by way of a proxy is nobody's own.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from digest.errors import DigestError
from digest.web.access import Access

log = logging.getLogger("digest.watch")

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_KEPT = 2.0
"""Seconds for which an answer stands: whoever asks all day learns nothing sooner."""
_METRICS_KEPT = 5.0


class Figures(Protocol):
    def __call__(self) -> bytes:
        """The metrics in Prometheus's text format. Raises StoreError."""
        ...


class Checks(Struct, frozen=True, kw_only=True):
    """What is asked. Each gives a line for everything that is wrong; they may take their time."""

    lives: Callable[[], list[str]]
    ready: Callable[[], list[str]]
    figures: Figures


def health_routes(checks: Checks, access: Access) -> list[BaseRoute]:
    """The routes, for GET and HEAD."""
    lives = _Kept(checks.lives, _KEPT, "the service is not well")
    ready = _Kept(checks.ready, _KEPT, "the service is not ready")
    figures = _Recent(checks.figures, _METRICS_KEPT)

    async def healthz(request: Request) -> Response:
        return _word(await run_in_threadpool(lives))

    async def readyz(request: Request) -> Response:
        return _word(await run_in_threadpool(ready))

    async def metrics(request: Request) -> Response:
        if not access.may_read(request):
            return _plain("not here\n", 404)
        try:
            data = await run_in_threadpool(figures)
        except DigestError as error:
            log.warning("metrics: %s", error)
            return _plain("not now\n", 503)
        return Response(data, headers={"Content-Type": METRICS_TYPE, "Cache-Control": "no-store"})

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]


def _word(well: bool) -> Response:
    return _plain("ok\n", 200) if well else _plain("not now\n", 503)


def _plain(text: str, status: int) -> Response:
    return PlainTextResponse(text, status, {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})


class _Kept:
    """Whether nothing is wrong, asked once in a while; what changes is logged."""

    def __init__(self, check: Callable[[], list[str]], seconds: float, title: str) -> None:
        self._check = check
        self._seconds = seconds
        self._title = title
        self._turn = threading.Lock()
        self._until = 0.0
        self._wrong: list[str] = []

    def __call__(self) -> bool:
        with self._turn:
            if time.monotonic() >= self._until:
                wrong = self._check()
                if wrong and wrong != self._wrong:
                    log.warning("%s: %s", self._title, "; ".join(wrong))
                self._wrong = wrong
                self._until = time.monotonic() + self._seconds
            return not self._wrong


class _Recent:
    """Figures that several ask for at once are made once."""

    def __init__(self, make: Figures, seconds: float) -> None:
        self._make = make
        self._seconds = seconds
        self._turn = threading.Lock()
        self._until = 0.0
        self._made = b""

    def __call__(self) -> bytes:
        with self._turn:
            if time.monotonic() >= self._until:
                self._made = self._make()
                self._until = time.monotonic() + self._seconds
            return self._made
