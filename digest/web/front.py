"""Who answers which path: routes of the service itself, the subscription pages, and the published files."""

from __future__ import annotations

import re
from collections.abc import Sequence

from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from digest.web.files import Files
from digest.web.server import Headers, Quick

_TOKEN = re.compile(r"/[A-Za-z0-9_-]*\Z")


class Front:
    """The whole site as one ASGI application; what files can answer at once passes nothing else.

    ``routes`` come first. ``pages`` has what lies directly below ``prefix`` (``/mail``); where that is the root itself,
    what could be a link of theirs and is none of the files.
    """

    def __init__(
        self, files: Files, *, routes: Sequence[BaseRoute] = (), pages: ASGIApp | None = None, prefix: str = ""
    ) -> None:
        self.files = files
        self._pages = pages
        self._prefix = prefix
        self._router = Router(routes, default=self._rest, redirect_slashes=False)

    def at_once(self, method: bytes, target: bytes, headers: Headers) -> Quick | None:
        """What was asked for before came through ``__call__``, so no route is passed by."""
        return self.files.at_once(method, target, headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._router(scope, receive, send)

    async def _rest(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._pages is not None and self._is_page(scope["path"]):
            await self._pages(scope, receive, send)
        else:
            await self.files(scope, receive, send)

    def _is_page(self, path: str) -> bool:
        if self._prefix:
            return path == self._prefix or path.startswith(f"{self._prefix}/")
        return bool(_TOKEN.match(path)) and not self.files.holds(path)
