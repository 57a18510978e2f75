"""``/hooks/ses`` and ``/hooks/bounces``: where services that send mail tell of bounces and complaints.

Everybody may knock, so what is not signed by somebody we know costs little and learns nothing: it is counted, bounded
in size and time, and answered with one word. What went wrong on our side is answered so that the sender tries again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from digest.app.bounce_hooks import BounceHooks
from digest.errors import ProbeError, StoreError
from digest.mail.signed_hooks import Unsigned
from digest.subscribers.notifications import NotReadable
from digest.web.forms import TooMuch, receive
from digest.web.guard import Network, network_of, secured, visitor
from digest.web.tries import Tries

log = logging.getLogger("digest.bounces")

BODY_LIMIT = 300 * 1024
"""A message of SNS has 256 KB at most."""
_MINUTE = 60
_UNSIGNED_EACH = 30
_UNSIGNED_ALL = 600
"""Requests a minute, of one visitor and of all, that nobody whom we know has signed."""


def hook_routes(hooks: BounceHooks, proxies: Collection[Network]) -> list[BaseRoute]:
    """Those that are configured, for POST."""
    tries = Tries(each=_UNSIGNED_EACH, all=_UNSIGNED_ALL, seconds=_MINUTE, ticks=time.monotonic)

    async def answer(request: Request, learn: Callable[[bytes], None]) -> Response:
        who = network_of(visitor(request, proxies))
        if tries.are_too_many(who):
            return _said("not now\n", 429, _MINUTE)
        try:
            body = await receive(request, BODY_LIMIT)
        except TooMuch as error:
            return _said("too much\n", error.status)
        status, is_ours = await run_in_threadpool(_learnt, learn, body.data)
        if status != 200 and not is_ours:
            tries.note(who)
        return _said(_WORDS[status], status)

    async def ses(request: Request) -> Response:
        return await answer(request, hooks.from_ses)

    async def signed(request: Request) -> Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        return await answer(request, lambda body: hooks.from_anybody(headers, body))

    routes: list[BaseRoute] = []
    if hooks.topic is not None:
        routes.append(Route("/hooks/ses", ses, methods=["POST"]))
    if hooks.keys:
        routes.append(Route("/hooks/bounces", signed, methods=["POST"]))
    return routes


_WORDS = {200: "ok\n", 400: "not readable\n", 403: "not signed\n", 503: "not now\n"}


def _learnt(learn: Callable[[bytes], None], body: bytes) -> tuple[int, bool]:
    """The status of the answer, and whether what went wrong is ours. What may be forged and costs a question to others
    is not."""
    try:
        learn(body)
    except Unsigned as error:
        log.warning("webhook for bounces: %s", error)
        return 403, False
    except NotReadable as error:
        log.warning("webhook for bounces: %s", error)
        return 400, False
    except (ProbeError, StoreError) as error:
        log.warning("webhook for bounces: %s", error)
        return 503, isinstance(error, StoreError)
    return 200, False


def _said(word: str, status: int, seconds: int = 0) -> Response:
    return secured(PlainTextResponse(word, status, {"Retry-After": str(seconds)} if seconds else {}))
