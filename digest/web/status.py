"""``/status``: the operator's page, in the site's language. Behind a token; without a token there is no such page.

GET shows the form or the page, POST logs in or out. The cookie is ``__Host-``, Secure, HttpOnly and SameSite=Strict, so
it goes to no other host and comes with no other site's request; forms of other sites are refused besides.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from digest.errors import DigestError
from digest.jobs.monitoring.page import Seen, context_of
from digest.ports import Language, Templates
from digest.web.access import COOKIE, SESSION, Access
from digest.web.forms import TooMuch, fields, receive
from digest.web.guard import host_in, is_foreign, secured

PATH = "/status"
_AGAIN = 900
_FORM_LIMIT = 8 * 1024
"""Bytes: the form has a token and nothing else."""


def status_routes(
    look: Callable[[], Seen],
    access: Access,
    templates: Templates,
    language: Language,
    *,
    site_title: str,
    site_url: str,
) -> list[BaseRoute]:
    """The page's routes; none where nobody can log in. ``look`` may take its time, and raises StoreError."""
    if not access.has_token:
        return []
    page = _Page(look, access, templates, language, {"site_title": site_title, "site_url": site_url})
    return [Route(PATH, page.answer, methods=["GET", "POST"])]


class _Page(Struct, eq=False):
    _look: Callable[[], Seen]
    _access: Access
    _templates: Templates
    _language: Language
    _frame: dict[str, object]

    async def answer(self, request: Request) -> Response:
        if request.method == "POST":
            return await self._post(request)
        if not self._access.is_in(request):
            return self._form()
        return await run_in_threadpool(self._page)

    def _page(self) -> Response:
        try:
            seen = self._look()
        except DigestError as error:
            return self._show("status/broken.html", {"says": str(error)}, 503)
        return self._show("status/page.html", context_of(seen, self._language))

    async def _post(self, request: Request) -> Response:
        text = self._language.text
        if is_foreign(request, (host_in(request.headers.get("host", "")),)):
            return self._form(text("This form came from another site."), 403)
        try:
            form = fields(await receive(request, _FORM_LIMIT))
        except TooMuch as error:
            return error.answer()
        if "leave" in form:
            return self._leave()
        shut = self._access.is_shut(request)
        cookie = self._access.log_in(form.get("token", [""])[0].strip(), request)
        if cookie is None and shut:
            return self._form(text("There were too many attempts. Try again in a quarter of an hour."), 429)
        if cookie is None:
            return self._form(text("That is not the token."), 403)
        response = RedirectResponse(PATH, 303)
        _set_cookie(response, cookie, SESSION)
        return secured(response)

    def _leave(self) -> Response:
        response = RedirectResponse(PATH, 303)
        _set_cookie(response, "", 0)
        return secured(response)

    def _form(self, says: str = "", status: int = 200) -> Response:
        response = self._show("status/login.html", {"says": says}, status)
        if status == 429:
            response.headers["Retry-After"] = str(_AGAIN)
        return response

    def _show(self, template: str, context: dict[str, object], status: int = 200) -> Response:
        return secured(HTMLResponse(self._templates.render(template, {**self._frame, **context}), status))


def _set_cookie(response: Response, value: str, seconds: int) -> None:
    response.set_cookie(COOKIE, value, max_age=seconds, path="/", secure=True, httponly=True, samesite="strict")
