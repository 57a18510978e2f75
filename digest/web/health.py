"""``/healthz``, ``/readyz`` and ``/metrics``: for supervisors, load balancers and Prometheus.

The first two tell everybody one word and nothing more; why is in the log. The figures are for those who have the token,
or, where there is none, for this machine itself: a request that came by way of a proxy is nobody's own.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from msgspec import Struct, field
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


T = TypeVar("T")


class Checks(Struct, frozen=True, kw_only=True):
    """What is asked. Each gives a line for everything that is wrong; they may take their time."""

    lives: Callable[[], list[str]]
    ready: Callable[[], list[str]]
    figures: Callable[[], bytes]
    """The metrics in Prometheus's text format. Raises StoreError."""


def health_routes(checks: Checks, access: Access) -> list[BaseRoute]:
    """The routes, for GET and HEAD."""
    lives = _Recent(_Logged(checks.lives, "the service is not well"), _KEPT)
    ready = _Recent(_Logged(checks.ready, "the service is not ready"), _KEPT)
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


class _Logged(Struct, eq=False):
    """Whether nothing is wrong; what changes is logged."""

    check: Callable[[], list[str]]
    title: str
    wrong: list[str] = field(default_factory=list)

    def __call__(self) -> bool:
        wrong = self.check()
        if wrong and wrong != self.wrong:
            log.warning("%s: %s", self.title, "; ".join(wrong))
        self.wrong = wrong
        return not wrong


class _Recent(Struct, Generic[T], eq=False):
    """What several ask for at once is found out once, and stands for some seconds."""

    make: Callable[[], T]
    seconds: float
    turn: threading.Lock = field(default_factory=threading.Lock)
    made: tuple[float, T] | None = None
    """With the time until which it stands."""

    def __call__(self) -> T:
        with self.turn:
            if self.made is None or time.monotonic() >= self.made[0]:
                made = self.make()
                self.made = time.monotonic() + self.seconds, made
            return self.made[1]
