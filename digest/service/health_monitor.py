"""Watches over ``digest serve`` from inside: alarms and pings in a thread of its own, and pages that show how it is.

Neither waits for the other: a ping or a mail server that does not answer keeps no run and no reader waiting.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from digest.app.moment import present
from digest.app.monitor import LOOK_EVERY, Said, run_end
from digest.app.running import NO_POSTS
from digest.errors import DigestError
from digest.jobs.monitoring.watch import RunEnd

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from digest.app.service import Service
    from digest.jobs.monitoring.page import Seen
    from digest.jobs.run import RunReport
    from digest.service.scheduler import Scheduler
    from digest.web.metrics import Live

log = logging.getLogger("digest.watch")

SCHEDULE_HUNG = 300.0
MAIL_HUNG = 1200.0
"""Seconds without a sign of a part after which it is taken to hang. A mail server may take ten minutes to answer."""


@dataclass(kw_only=True, eq=False)
class HealthMonitor:
    """``clock`` gives the time, ``ticks`` seconds that never go back."""

    service: Service
    clock: Callable[[], datetime]
    ticks: Callable[[], float]
    scheduler: Scheduler | None = None
    mail_beat: float | None = None
    """When the mail worker was last seen at work, in ticks."""
    _ends: queue.SimpleQueue[RunReport] = field(default_factory=queue.SimpleQueue)
    _woken: threading.Event = field(default_factory=threading.Event)
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _say: Said = field(default_factory=lambda: Said(log.warning))

    # ---------------------------------------------------------------- others

    def run_begins(self) -> None:
        """A run is about to begin."""
        self.service.monitor.run_begins()

    def run_is_over(self, report: RunReport, began: datetime, ended: datetime) -> None:
        """Observes the scheduler."""
        self._ends.put(report)
        self._woken.set()

    def mail_lives(self) -> None:
        """A sign of life of the mail worker."""
        self.mail_beat = self.ticks()

    def wake(self) -> None:
        """Look now, and whether to stop."""
        self._woken.set()

    # ------------------------------------------------------------- the thread

    def work(self, stop: threading.Event) -> None:
        """Look after every run and every minute until told to stop (call ``wake`` then)."""
        while not stop.is_set():
            self._woken.clear()
            reports = []
            while not self._ends.empty():
                reports.append(self._ends.get())
            for report in reports:
                self._look(run_end(report))
                self._say(self.service.monitor.run_ended(ok=report.ok))
            if not reports:
                self._look(None)
            self._woken.wait(LOOK_EVERY)

    def _look(self, run: RunEnd | None) -> None:
        self._say(self.service.monitor.look_on(self.service.store, self.clock(), run=run))

    # -------------------------------------------------------------- the pages

    def routes(self) -> list[BaseRoute]:
        """``/healthz``, ``/readyz``, ``/metrics``, and with a token ``/status``. Raises ConfigError if the token cannot
        be read."""
        from digest.config import watch_token
        from digest.web.access import Access
        from digest.web.guard import networks
        from digest.web.health import Checks, health_routes
        from digest.web.status import status_routes

        settings = self.service.settings
        access = Access(
            watch_token(settings.watch, os.environ), proxies=networks(settings.subscriptions.trusted_proxies)
        )
        checks = Checks(lives=self.hanging, ready=self.not_ready, figures=self.figures)
        return health_routes(checks, access) + status_routes(
            self.seen,
            access,
            self.service.templates,
            self.service.language,
            site_title=settings.site.title,
            site_url=str(settings.site.url),
        )

    def seen(self) -> Seen:
        """What the status page shows. Raises StoreError."""
        from digest.app.publishing import idle
        from digest.jobs.monitoring.page import Seen
        from digest.jobs.monitoring.status import overview, plots

        store, monitor, now = self.service.store, self.service.monitor, self.clock()
        rules, disks, ahead = monitor.rules(), tuple(monitor.disks()), present(store.clock).ahead
        with self._turn:  # it reads weeks of counts: one after the other
            return Seen(
                overview=overview(
                    store,
                    rules,
                    now,
                    names=monitor.names(),
                    disks=disks,
                    ahead=ahead,
                    sources=monitor.sources(store),
                ),
                plots=plots(store, rules.zone, now),
                warnings=tuple(map(str, idle(self.service.settings, store) if store.knows_posts() else ())),
            )

    def hanging(self) -> list[str]:
        """Parts that were not seen at work for too long."""
        wrong = []
        if self.scheduler is not None and self.ticks() - self.scheduler.beat > SCHEDULE_HUNG:
            wrong.append("the scheduler hangs")
        if self.mail_beat is not None and self.ticks() - self.mail_beat > MAIL_HUNG:
            wrong.append("the mail worker hangs")
        return wrong

    def not_ready(self) -> list[str]:
        """Why readers should not be sent here."""
        wrong = self.hanging()
        try:
            store = self.service.store
            if store.is_importing() and store.recall(NO_POSTS) is None:
                wrong.append("no run has collected everything yet")
        except DigestError as error:
            wrong.append(str(error))
        output = self.service.settings.output
        if isinstance(output, Path) and not os.access(output, os.W_OK | os.X_OK):
            wrong.append(f"{output}: cannot be written")
        return wrong

    def figures(self) -> bytes:
        """The metrics. Raises StoreError."""
        return self._figures()

    @cached_property
    def _figures(self) -> Callable[[], bytes]:
        from digest.web.metrics import figures  # late: the library is wanted only where somebody asks

        service, monitor = self.service, self.service.monitor
        output = service.settings.output
        return figures(
            service.store,
            monitor.rules(),
            names=monitor.names(),
            disks=lambda: tuple(monitor.disks()),
            clock=self.clock,
            live=self._live,
            output=output if isinstance(output, Path) else None,
        )

    def _live(self) -> Live:
        from digest.web.metrics import Live

        now = self.ticks()
        state = None if self.scheduler is None else self.scheduler.state()
        return Live(
            schedule=None if self.scheduler is None else now - self.scheduler.beat,
            mail=None if self.mail_beat is None else now - self.mail_beat,
            runs_failed_in_a_row=0 if state is None else state.failures_in_a_row,
            leading=None if state is None else state.leading,
        )
