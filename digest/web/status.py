"""``/status``: the operator's page. Behind a token; without a token there is no such page.

GET shows the form or the page, POST logs in or out. The cookie is ``__Host-``, Secure, HttpOnly and SameSite=Strict, so
it goes to no other host and comes with no other site's request; forms of other sites are refused besides.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from msgspec import Struct
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from digest.alarms.watching import EditionMail, KeptAlarm, RunRow, counted
from digest.errors import DigestError
from digest.jobs.monitoring.status import Daily, Overview, Plots
from digest.ports import Templates
from digest.render.plots import bar_plot, describe
from digest.web.access import COOKIE, SESSION, Access
from digest.web.forms import TooMuch, fields, receive
from digest.web.guard import host_in, is_foreign, secured

PATH = "/status"
_AGAIN = 900
_FORM_LIMIT = 8 * 1024
"""Bytes: the form has a token and nothing else."""


class Seen(Struct, frozen=True, kw_only=True):
    """What the page shows."""

    overview: Overview
    plots: Plots
    warnings: tuple[str, ...] = ()
    """What works, and should be looked at."""


def status_routes(
    look: Callable[[], Seen], access: Access, templates: Templates, *, site_title: str, site_url: str
) -> list[BaseRoute]:
    """The page's routes; none where nobody can log in. ``look`` may take its time, and raises StoreError."""
    if not access.has_token:
        return []
    page = _Page(look, access, templates, {"site_title": site_title, "site_url": site_url})
    return [Route(PATH, page.answer, methods=["GET", "POST"])]


class _Page(Struct, eq=False):
    _look: Callable[[], Seen]
    _access: Access
    _templates: Templates
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
        return self._show("status/page.html", context_of(seen))

    async def _post(self, request: Request) -> Response:
        if is_foreign(request, (host_in(request.headers.get("host", "")),)):
            return self._form("This form came from another site.", 403)
        try:
            form = fields(await receive(request, _FORM_LIMIT))
        except TooMuch as error:
            return error.answer()
        if "leave" in form:
            return self._leave()
        shut = self._access.is_shut(request)
        cookie = self._access.log_in(form.get("token", [""])[0].strip(), request)
        if cookie is None and shut:
            return self._form("There were too many attempts. Try again in a quarter of an hour.", 429)
        if cookie is None:
            return self._form("That is not the token.", 403)
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


# ----------------------------------------------------------------- context


def context_of(seen: Seen) -> dict[str, object]:
    """Everything as the template shows it: texts in the site's zone, in order."""
    overview, local = seen.overview, _Local(seen.overview)
    return {
        "now": local.full(overview.now),
        "zone": overview.zone.key,
        "alarms": [_alarm(each, local) for each in overview.alarms],
        "warnings": seen.warnings,
        "past_alarms": [_alarm(each, local) for each in overview.past_alarms],
        "next": [{"at": local.time(each.at), "name": f"{each.digest} {each.period}"} for each in overview.next],
        "runs": [_run(each, local) for each in overview.runs],
        "editions": [_edition(each, local) for each in overview.editions],
        "mail": counted(overview.counts),
        "next_mail": "" if overview.next_due is None else local.time(overview.next_due),
        "categories": [
            {
                "name": each.label,
                "published": local.time(each.published),
                "arrived": local.time(each.arrived),
                "recent": str(each.recent),
                "silent": each.category in overview.silent,
            }
            for each in overview.categories
        ],
        "readers": [
            {"digest": digest or "no digest", "state": state, "number": str(number)}
            for (digest, state), number in sorted((overview.subscribers or {}).items())
            if number
        ],
        "plots": [
            _plot("posts", "Posts a day", "posts", seen.plots.posts),
            _plot("seconds", "Longest run of the day", "s", seen.plots.seconds),
            _plot("bounces", "Bounces and complaints a day", "reports", seen.plots.bounces),
        ],
    }


class _Local:
    """Times without their date where it is today's."""

    def __init__(self, seen: Overview) -> None:
        self._zone = seen.zone
        self._today = seen.now.astimezone(seen.zone).date()

    def full(self, moment: datetime) -> str:
        return f"{moment.astimezone(self._zone):%Y-%m-%d %H:%M}"

    def time(self, moment: datetime | None) -> str:
        if moment is None:
            return "never"
        local = moment.astimezone(self._zone)
        return f"{local:%H:%M}" if local.date() == self._today else self.full(moment)


def _alarm(alarm: KeptAlarm, local: _Local) -> dict[str, str]:
    until = "" if alarm.ended_at is None else local.time(alarm.ended_at)
    return {"text": alarm.text, "since": local.time(alarm.raised_at), "until": until}


def _run(run: RunRow, local: _Local) -> dict[str, Any]:
    result = "cut off or at work" if run.ok is None else "went well" if run.ok else "failed"
    return {
        "began": local.time(run.started_at),
        "result": result,
        "bad": run.ok is False,
        "took": "" if run.seconds is None else f"{run.seconds} s",
        "arrived": str(run.arrived),
        "written": str(run.written),
        "failures": list(run.failures),
    }


def _edition(edition: EditionMail, local: _Local) -> dict[str, Any]:
    return {
        "name": edition.name,
        "made": local.time(edition.frozen_at),
        "state": edition.state.value + (f": {edition.reason}" if edition.reason else ""),
        "bad": edition.state.value == "paused",
        "mail": counted(edition.counts),
    }


def _plot(name: str, title: str, unit: str, daily: Daily) -> dict[str, Any]:
    return {
        "title": title,
        "unit": unit,
        "svg": bar_plot(daily.days, daily.values, name=name, title=title, unit=unit),
        "says": describe(daily.days, daily.values, unit),
        "rows": [
            {"day": day.isoformat(), "value": "none known" if value is None else str(value)}
            for day, value in reversed(list(zip(daily.days, daily.values, strict=True)))
        ],
    }
