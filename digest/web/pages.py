"""The pages: a form, and one page behind each kind of link. They work without JavaScript and set no cookie.

GET and HEAD show, POST acts: gateways that open every link in a mail, and browsers of theirs that run scripts, change
nothing. What is allowed is decided by ``jobs.subscribers.signup``; here it is only shown. Every link that is invalid,
for whatever reason, gets the same answer.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from msgspec import Struct, field
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from digest.jobs.editions.approvals import Approvals
from digest.jobs.editions.approvals import Asked as ApprovalAsked
from digest.jobs.subscribers.signup import Asked, Opened, Page, SignUp, SignupService, is_only_list
from digest.ports import Language, Templates
from digest.render.pages import frame
from digest.subscribers.subscription import (
    ASKABLE,
    PAUSES,
    ActionRequest,
    Choice,
    Frequency,
    Less,
    Offer,
    Preferences,
    Subscriber,
    is_zone,
    zone_of,
)
from digest.web.approving import approval_context
from digest.web.forms import Body, Form, TooMuch, fields, receive
from digest.web.guard import HostGuard, Network, is_foreign, is_from, network_of, sandboxed, secured, visitor
from digest.web.tries import Tries

log = logging.getLogger("digest.web")

_STATUS = {Asked.NOTED: 200, Asked.TOO_MANY: 429}
MINUTE = 60
ADDRESS_LIMIT = 254
"""Characters of an address that are shown again (RFC 5321)."""
FORMS_EACH = 60
FORMS_ALL = 6_000
"""Forms a minute, of one visitor and of all, that come without a link which is worth something."""


class Site(Struct, frozen=True, kw_only=True):
    """What pages say about the site, and where they are."""

    title: str
    url: str
    base: str
    """Address of the pages, without a slash at its end."""
    hosts: tuple[str, ...]
    """Names under which they may be asked for."""
    proxies: tuple[Network, ...] = ()


def create_app(
    signup: SignupService,
    site: Site,
    templates: Templates,
    language: Language,
    *,
    clock: Callable[[], datetime],
    afterwards: Callable[[], None],
    approvals: Approvals | None = None,
) -> Starlette:
    """The application. ``afterwards`` is called when an answer is out that left something to do (a sign-up waits, a
    mail is queued); it may take its time. With ``approvals`` it has the page on which editions are approved."""
    path = urlsplit(site.base).path.rstrip("/")
    pages = _Pages(signup, site, templates, language, clock, afterwards, path, approvals)
    return Starlette(
        routes=pages.routes(),
        middleware=[Middleware(HostGuard, hosts=site.hosts)],
        exception_handlers={TooMuch: _too_much, 404: pages.nothing_there, 405: pages.nothing_there},
    )


async def _too_much(request: Request, error: Exception) -> Response:
    assert isinstance(error, TooMuch)
    return error.answer()


class _Pages(Struct, eq=False):
    _signup: SignupService
    _site: Site
    _templates: Templates
    _language: Language
    _clock: Callable[[], datetime]
    _afterwards: Callable[[], None]
    _path: str
    _approvals: Approvals | None = None
    _forms: Tries = field(
        default_factory=lambda: Tries(each=FORMS_EACH, all=FORMS_ALL, seconds=MINUTE, ticks=time.monotonic)
    )

    def routes(self) -> list[Route]:
        both = ["GET", "POST"]
        places = [f"{self._path}/"] + ([self._path] if self._path else [])
        return [
            *(Route(place, self.form, methods=both) for place in places),
            Route(f"{self._path}/{{token}}", self.link, methods=both),
        ]

    # ----------------------------------------------------------------- form

    async def form(self, request: Request) -> Response:
        """Show the form; take a sign-up in."""
        if request.method != "POST":
            return await run_in_threadpool(self._form, status=200)
        self._admit(request)
        foreign = is_foreign(request, self._site.hosts)
        if foreign and not is_from(request, self._site.hosts):
            return self._nothing(403)
        form = await run_in_threadpool(fields, await receive(request))  # a hostile body may take its time
        if "email" in form and "stamp" not in form:  # of a page beside the form: the whole form comes next
            return await run_in_threadpool(self._form, status=200, form=form)
        if foreign:
            return self._nothing(403)
        return await run_in_threadpool(self._asked, form, visitor(request, self._site.proxies))

    def _admit(self, request: Request) -> None:
        """Count what is looked at for nobody in particular. Raises TooMuch."""
        if not self._forms.note(network_of(visitor(request, self._site.proxies))):
            raise TooMuch(429, MINUTE)

    def _asked(self, form: Form, ip: str) -> Response:
        result = self._signup.ask(self._sign_up(form, ip), self._clock())
        if result is not Asked.NOTED:
            return self._form(status=_STATUS.get(result, 400), result=result, form=form)
        return self._later("web/sent.html", {"correctable": True, **self._entered(form)})

    def _entered(self, form: Form) -> dict[str, object]:
        """What stands in a form, as templates show it again: all digests ticked if it names none of them."""
        offers = self._signup.policy.offers
        names_some = "digest" in form or "stamp" in form
        ticked = set(form.get("digest", [])) if names_some else {offer.digest for offer in offers}
        return {
            "email": _first(form, "email").strip()[:ADDRESS_LIMIT],
            "offers": [
                _shown(offer, offer.choice(form.get(f"in {offer.digest}", [])), offer.digest in ticked)
                for offer in offers
            ],
            "frequency": _frequency(form).value,
        }

    def _sign_up(self, form: Form, ip: str) -> SignUp:
        return SignUp(
            address=_first(form, "email"),
            choices=_choices(form, self._signup.policy.offers),
            preferences=Preferences(frequency=_frequency(form)),
            text=self._consent_text(),
            stamp=_first(form, "stamp"),
            trap=_first(form, "website"),
            ip=ip,
        )

    def _consent_text(self) -> str:
        return self._language.text(
            "I want mail from {site} at this address. I can leave at any time, by the link in every mail.",
            site=self._site.title,
        )

    def _form(self, *, status: int, result: Asked | None = None, form: Form | None = None) -> Response:
        return self._show(
            "web/form.html",
            {
                "stamp": self._signup.stamp(self._clock()),
                "problem": result.value if result else "",
                "consent": self._consent_text(),
                **self._entered(form or {}),
            },
            status=status,
            indexed=result is None,
        )

    # ---------------------------------------------------------------- links

    async def link(self, request: Request) -> Response:
        """Show what is behind a link; act on its button."""
        token = request.path_params["token"]
        now = self._clock()
        if self._approvals is not None and self._approvals.is_link(token):
            return await self._approval(self._approvals, request, token, now)
        if request.method != "POST":
            return await run_in_threadpool(lambda: self._page(self._signup.open(token, now)))
        page = await run_in_threadpool(self._signup.open, token, now)
        if page is None:
            self._admit(request)
            return self._nothing(404)
        foreign = is_foreign(request, self._site.hosts)
        if page.opened is not Opened.UNSUBSCRIBE and foreign:
            return self._nothing(403)
        body = await receive(request)
        if page.opened is Opened.UNSUBSCRIBE:
            return await run_in_threadpool(self._leave, token, body, now, foreign)
        return await run_in_threadpool(self._act, page, token, body, now)

    async def _approval(self, approvals: Approvals, request: Request, token: str, now: datetime) -> Response:
        """Show an edition that waits for approval, or what became of it; approve it."""
        if request.method != "POST":
            show = self._preview if "preview" in request.query_params else self._approval_page
            return await run_in_threadpool(show, approvals, token, now)
        if is_foreign(request, self._site.hosts):
            return self._nothing(403)
        body = await receive(request)
        return await run_in_threadpool(self._approved, approvals, token, body, now)

    def _preview(self, approvals: Approvals, token: str, now: datetime) -> Response:
        html = approvals.preview(token)
        if not html:
            return self._nothing(404)
        return sandboxed(HTMLResponse(html.replace("<head>", '<head><base target="_blank">', 1)))

    def _approved(self, approvals: Approvals, token: str, body: Body, now: datetime) -> Response:
        form = fields(body)
        if _first(form, "action") != "approve":
            return self._approval_page(approvals, token, now)
        return self._standing(approvals, token, approvals.approve(token, _first(form, "seen"), now), now)

    def _approval_page(self, approvals: Approvals, token: str, now: datetime) -> Response:
        return self._standing(approvals, token, approvals.open(token, now), now)

    def _standing(self, approvals: Approvals, token: str, asked: ApprovalAsked | None, now: datetime) -> Response:
        if asked is None:
            return self._nothing(404)
        address = f"{self._path}/{token}?preview"
        context = approval_context(asked, approvals.zone, self._language, now=now, preview=address)
        return self._show("web/approve.html", context, status=409 if asked.has_changed else 200)

    def _leave(self, token: str, body: Body, now: datetime, foreign: bool) -> Response:
        """Any POST leaves, from wherever, since mail programs send what they like (RFC 8058), but those of our page
        that name a way to get less instead."""
        form = fields(body)
        action = _first(form, "action")
        if action not in tuple(Less) or "List-Unsubscribe" in form:
            return self._page(
                self._signup.unsubscribe(token, now, everything=action == "everything"), done=action or "leave"
            )
        if foreign:
            return self._nothing(403)
        page = self._signup.lessen(token, Less(action), _first(form, "back"), now)
        return self._page(self._signup.open(token, now)) if page is None else self._page(page, done=action)

    def _act(self, page: Page, token: str, body: Body, now: datetime) -> Response:
        form = fields(body)
        action = _first(form, "action")
        if page.opened is Opened.CONFIRM and action == "confirm":
            return self._page(self._signup.confirm(token, now), done="confirm")
        if page.opened is Opened.MANAGE:
            return self._manage(token, form, action, now)
        if page.opened is Opened.EXPORT and action == "export":
            return self._exported(self._signup.export(token, now))
        if page.opened is Opened.ERASE and action == "erase":
            return self._erased(self._signup.erase(token, now))
        if page.opened is Opened.MOVE and action == "move":
            return self._moved(page, self._signup.move(token, _first(form, "email"), now), _first(form, "email"))
        if page.opened is Opened.ARRIVE and action == "arrive":
            arrived = self._signup.arrive(token, now)
            return self._later("web/arrived.html", {}) if arrived else self._nothing(404)
        return self._page(page)

    def _manage(self, token: str, form: Form, action: str, now: datetime) -> Response:
        if action == "save":
            preferences = _preferences(form)
            return self._page(
                self._signup.change(token, preferences, _choices(form, self._signup.policy.offers), now), done="saved"
            )
        if action in tuple(Less):
            return self._page(self._signup.change_to_less(token, Less(action), now), done="saved")
        if action == "everything":
            return self._page(self._signup.unsubscribe(token, now, everything=True), done="left")
        if action in ASKABLE:
            queued = self._signup.request(token, ActionRequest(action), now)
            answer = self._page(self._signup.open(token, now), done="mailed" if queued else "too many")
            answer.background = BackgroundTask(self._afterwards)
            return answer
        return self._page(self._signup.open(token, now))

    def _moved(self, page: Page, asked: Asked | None, typed: str) -> Response:
        if asked is None:
            return self._nothing(404)
        email = typed.strip()[:ADDRESS_LIMIT]
        if asked is Asked.NOTED:
            return self._later("web/sent.html", {"correctable": False, "email": email, "offers": [], "frequency": ""})
        return self._show("web/move.html", {"problem": asked.value, "email": email}, status=400)

    def _later(self, template: str, context: dict[str, object]) -> Response:
        """A page whose request left mail to be sent."""
        answer = self._show(template, context)
        answer.background = BackgroundTask(self._afterwards)
        return answer

    def _erased(self, left: tuple[str, ...] | None) -> Response:
        for line in left or ():
            log.warning("erasing a subscriber: %s", line)
        return self._nothing(404) if left is None else self._show("web/erased.html", {})

    def _exported(self, data: dict[str, Any] | None) -> Response:
        if data is None:
            return self._nothing(404)
        text = json.dumps(data, ensure_ascii=False, indent=2)
        headers = {"Content-Disposition": 'attachment; filename="my-data.json"'}
        return secured(Response(text, media_type="application/json", headers=headers))

    def _page(self, page: Page | None, done: str = "") -> Response:
        if page is None:
            return self._nothing(404)
        context: dict[str, object] = {"done": done, "offers": self._offers_of(page)}
        if page.opened is Opened.UNSUBSCRIBE:
            context |= self._leaving(page, done)
        elif page.opened is Opened.MANAGE and page.subscriber is not None:
            context |= self._preferences(page.subscriber)
        elif page.opened is Opened.MOVE:
            context |= {"problem": "", "email": ""}
        elif page.opened is Opened.CONFIRM and page.consent is not None:
            context |= self._confirming(page)
        return self._show(f"web/{page.opened.value}.html", context)

    def _offers_of(self, page: Page) -> list[dict[str, object]]:
        """The digests that a page is about, with what is chosen of each."""
        titles = {offer.digest: offer for offer in self._signup.policy.offers}
        chosen: Sequence[Choice] = ()
        if page.consent is not None:
            chosen = page.consent.choices
        elif page.subscriber is not None:
            chosen = [Choice(digest=each.digest, categories=each.categories) for each in page.subscriber.active]
        return [
            _shown(titles.get(choice.digest) or Offer(digest=choice.digest, title=choice.digest), choice, True)
            for choice in chosen
        ]

    def _confirming(self, page: Page) -> dict[str, object]:
        """What was signed up for; whoever reads something already keeps how often that comes."""
        assert page.consent is not None
        reader = page.subscriber if page.subscriber is not None and page.subscriber.active else page.consent
        return {
            "confirmed": page.consent.confirmed_at is not None,
            "address": masked(page.consent.address),
            "frequency": reader.preferences.frequency.value,
        }

    def _leaving(self, page: Page, done: str) -> dict[str, object]:
        title = next((offer.title for offer in self._signup.policy.offers if offer.digest == page.digest), "")
        subscriber = page.subscriber
        here = subscriber.to(page.digest) if subscriber is not None else None
        reads = here is not None and here in (subscriber.active if subscriber else ())
        more = [each for each in subscriber.active if each.digest != page.digest] if subscriber is not None else []
        return {
            "title": title or self._site.title,
            "reads": reads,
            "more": bool(more),
            "back": page.back,
            "less": bool(page.back) or is_only_list(page),
            "weekly": subscriber is not None and self._can_be_weekly(subscriber, [page.digest]),
            "until": self._until(subscriber, done) if subscriber is not None else "",
        }

    def _can_be_weekly(self, subscriber: Subscriber, digests: Sequence[str]) -> bool:
        is_daily = subscriber.preferences.frequency is Frequency.DAILY
        return is_daily and any(map(self._signup.policy.has_weekly, digests))

    def _until(self, subscriber: Subscriber, done: str) -> str:
        """The day on which a pause ends that was just asked for, or the longer one that was there; of no other one,
        which is not for the link to tell."""
        if done not in tuple(PAUSES):
            return ""
        now = self._clock().astimezone(zone_of(subscriber.preferences, self._signup.policy.zone))
        ends, kept = now + PAUSES[Less(done)], subscriber.preferences.paused_until
        longer = timedelta() if kept is None else max(kept - ends.date(), timedelta())
        return self._language.short_day(ends + longer, with_year=True)

    def _preferences(self, subscriber: Subscriber) -> dict[str, object]:
        preferences = subscriber.preferences
        return {
            "address": masked(subscriber.address),
            "frequency": preferences.frequency.value,
            "hour": "" if preferences.hour is None else str(preferences.hour),
            "hours": [str(hour) for hour in range(24)],
            "zone": preferences.zone,
            "site_zone": self._signup.policy.zone.key,
            "zones": sorted(name for name in available_timezones() if "/" in name or name == "UTC"),
            "paused_until": preferences.paused_until.isoformat() if preferences.paused_until else "",
            "weekly": self._can_be_weekly(subscriber, [each.digest for each in subscriber.active]),
        }

    # ---------------------------------------------------------------- frame

    async def nothing_there(self, request: Request, error: Exception) -> Response:
        """No such page, or no such method."""
        return self._nothing(getattr(error, "status_code", 404))

    def _nothing(self, status: int) -> Response:
        return self._show("web/nothing.html", {}, status=status)

    def _show(
        self, template: str, context: dict[str, object], *, status: int = 200, indexed: bool = False
    ) -> HTMLResponse:
        framed = frame(self._site.title, self._site.url, f"{self._site.base}/") | {"form_url": f"{self._path}/"}
        response = HTMLResponse(self._templates.render(template, framed | context), status)
        secured(response, indexed=indexed)
        return response


# -------------------------------------------------------------------- forms


def _first(form: Form, name: str) -> str:
    return form.get(name, [""])[0]


def masked(address: str) -> str:
    """As much of an address as its owner knows it by: a link may be seen by others."""
    name, at, domain = address.rpartition("@")
    return f"{name[:1]}***{name[-1:] if len(name) > 2 else ''}{at}{domain}"


def _frequency(form: Form) -> Frequency:
    return Frequency.WEEKLY if _first(form, "frequency") == Frequency.WEEKLY.value else Frequency.DAILY


def _choices(form: Form, offers: Sequence[Offer]) -> tuple[Choice, ...]:
    """The digests that are ticked, each with its ticked categories. Where there is only one it needs no tick."""
    ticked = set(form.get("digest", []))
    return tuple(offer.choice(form.get(f"in {offer.digest}", [])) for offer in offers if offer.digest in ticked)


def _preferences(form: Form) -> Preferences:
    """What cannot be understood is as if it were not there."""
    hour, zone, pause = (_first(form, name) for name in ("hour", "zone", "paused_until"))
    paused_until = None
    with suppress(ValueError):
        paused_until = max(date.fromisoformat(pause), date(1970, 1, 2)) if pause else None  # over in every zone
    return Preferences(
        frequency=_frequency(form),
        hour=int(hour) if hour.isascii() and hour.isdigit() and len(hour) < 3 and int(hour) < 24 else None,
        zone=zone if zone and is_zone(zone) else "",
        paused_until=paused_until,
    )


def _shown(offer: Offer, choice: Choice, ticked: bool) -> dict[str, object]:
    """An offer for a template: with no category chosen all are ticked."""
    chosen = set(choice.categories)
    return {
        "digest": offer.digest,
        "title": offer.title,
        "ticked": ticked,
        "all": not chosen,
        "categories": [
            {"name": name, "title": title, "ticked": not chosen or name in chosen} for name, title in offer.categories
        ],
    }
