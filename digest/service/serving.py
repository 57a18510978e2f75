"""``digest serve`` as a process: web server, scheduler, mail worker and the eye on the folder, each in a thread.

    main thread   web server, signals, signs of life to the supervisor
    schedule      starts runs, each in a process of its own (``child``)
    mail          works through the ledger, beside any other worker
    folder        tells the scheduler of new posts

Ends in order when it is told to: the message in hand is finished, nothing new is begun. A thread that ends for another
reason ends the process, with a word about why: whoever started it starts it again, and no part is ever missing
unnoticed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from digest.app.moment import going_on, uptime
from digest.app.running import RunOrder
from digest.app.secret import secrets_of
from digest.app.service import Service, refuse_unfit, service
from digest.errors import ConfigError, DigestError, StoreError
from digest.languages import what_is_missing
from digest.models import MAIN
from digest.service import logs
from digest.service.child import run_in_child
from digest.service.health_monitor import HealthMonitor
from digest.service.scheduler import Scheduler, jobs_of
from digest.service.supervisor import Supervisor

if TYPE_CHECKING:
    import uvicorn

    from digest.config import Settings
    from digest.jobs.run import RunReport
    from digest.sources.folder import FolderSource

log = logging.getLogger("digest.serve")

_SOCKET_VARIABLE = "DIGEST_SERVE_SOCKET"
"""Names the descriptor of the listening socket that a reload hands to itself."""
_STOP_WITHIN = 9.0
"""Seconds that threads have to end by themselves."""
_SHIFT = 600.0
"""Seconds after which the mail worker sums up: what refusals say about addresses is learned then."""
_HUNG = 300.0
"""Seconds without a sign of the scheduler after which the supervisor is no longer told that all is well."""
_STORE_RETRIES = (5.0, 15.0, 60.0)


class ServeOptions(Struct, frozen=True, kw_only=True):
    """What the command line says."""

    host: str = "127.0.0.1"
    port: int = 8000
    web: bool = True
    schedule: bool = True


@dataclass(kw_only=True, eq=False)
class Serving:
    """One service from start to end."""

    config: Path
    options: ServeOptions
    service: Service
    supervisor: Supervisor
    stop: threading.Event = field(default_factory=threading.Event)
    reload: bool = False
    scheduler: Scheduler | None = None
    health_monitor: HealthMonitor = field(init=False)
    _clock: Callable[[], datetime] = field(init=False)
    _mail: threading.Event = field(default_factory=threading.Event)
    """There may be something to send."""
    _fatal: list[str] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)
    _server: uvicorn.Server | None = None
    _signals: int = 0
    _store_missed: int = 0
    """Looks in a row that did not find the database's file in its place."""

    # ------------------------------------------------------------- from outside

    def run(self, listener: socket.socket | None) -> int:
        """Until told to stop. Returns the exit code: 1 if something broke."""
        self._make()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGHUP, self._on_reload)
        for thread in self._threads:
            thread.start()
        try:
            if self._server is not None:
                assert listener is not None
                with asyncio.Runner(loop_factory=self._server.config.get_loop_factory()) as runner:  # uvloop, if there
                    runner.run(self._serve(self._server, listener))
            else:
                self._watch_over()
        finally:
            self._end()
        for line in self._fatal:
            log.error("%s; the process ends, so that it is started again", line)
        return 1 if self._fatal else 0

    # ------------------------------------------------------------------ parts

    def _make(self) -> None:
        settings = self.service.settings
        clock = self._clock = going_on(self.service.store.clock)
        self.health_monitor = health_monitor = HealthMonitor(service=self.service, clock=clock, ticks=uptime)
        self._threads.append(self._thread("watch", lambda: health_monitor.work(self.stop)))
        self._threads.append(self._thread("mail", self._send_mail))
        if self.options.schedule:
            self.scheduler = Scheduler(
                jobs_of(settings),
                settings.site.timezone,
                self.service.store,
                self._run,
                clock=clock,
                ticks=uptime,
                observers=(_tell_run, lambda report, began, ended: self._mail.set(), health_monitor.run_is_over),
            )
            health_monitor.scheduler = self.scheduler
            scheduler = self.scheduler
            self._threads.append(self._thread("schedule", lambda: scheduler.work(self.stop)))
            if settings.posts.watch:
                for name, look in self.service.folders.items():
                    self._threads.append(self._thread(f"folder {name}", partial(self._watch_folder, name, look)))
        if self.options.web:
            self._server = self._make_server(replace(self.service, send_waiting=self._answer_people))

    def _make_server(self, running: Service) -> uvicorn.Server:
        from digest.web.server import make_server
        from digest.web.site import site_app

        host = self.options.host
        server = make_server(
            site_app(running, local=host in ("127.0.0.1", "::1", "localhost"), routes=self.health_monitor.routes()),
            host,
            self.options.port,
        )
        server.capture_signals = nullcontext  # type: ignore[method-assign, assignment] # they are ours
        return server

    def _thread(self, name: str, work: Callable[[], None]) -> threading.Thread:
        def guarded() -> None:
            try:
                work()
                if not self.stop.is_set():
                    self._fatal.append(f"{name}: it ended by itself")
            except DigestError as error:
                self._fatal.append(f"{name}: {error}")
            except BaseException:
                log.exception("%s: this should not happen; please report it", name)
                self._fatal.append(f"{name}: it broke")
            finally:
                self._order_stop()

        return threading.Thread(target=guarded, name=name, daemon=True)

    def _run(self, order: RunOrder) -> RunReport:
        assert self.scheduler is not None
        self.health_monitor.run_begins()
        return run_in_child(self.service.settings, order, stop=self.stop, alive=self.scheduler.lives)

    def _answer_people(self) -> None:
        """Somebody subscribed or asked for something: write the mail, and let the worker send it at once."""
        self.service.subscriber_service.signup.handle(self._clock())
        self._mail.set()

    def _send_mail(self) -> None:
        """Work through the ledger until told to stop. A store that cannot be used is tried again."""
        told, failures = "", 0
        while not self.stop.is_set():
            try:
                ends = time.monotonic() + _SHIFT
                report = self.service.work(
                    stop=lambda ends=ends: self._ends_mail(ends),  # type: ignore[misc]
                    hurry=self._has_mail,
                    tell=lambda line: log.warning("%s", line),
                )
                failures = 0
                if report.sent or report.failed:
                    log.info("mail: %s", report.line())
                if report.failures:
                    line = "; ".join(report.failures)
                    if line != told:
                        log.error("mail: %s", line)
                    told = line
            except StoreError as error:
                if str(error) != told:
                    log.error("mail: %s", error)
                told = str(error)
                self.stop.wait(_STORE_RETRIES[min(failures, len(_STORE_RETRIES) - 1)])
                failures += 1

    def _ends_mail(self, until: float) -> bool:
        """Asked by the mail worker all the time, which is how it is known to live."""
        self.health_monitor.mail_lives()
        return self.stop.is_set() or time.monotonic() > until

    def _watch_folder(self, name: str, look: Callable[[], FolderSource]) -> None:
        from digest.sources.watch import watch

        assert self.scheduler is not None
        watch(
            look,
            self.scheduler.posts_changed,
            stop=self.stop,
            tell=lambda line: log.warning("%s: %s", "posts.folder" if name == MAIN else f"sources.{name}", line),
        )

    def _has_mail(self) -> bool:
        if not self._mail.is_set():
            return False
        self._mail.clear()
        return True

    # ------------------------------------------------------------ main thread

    async def _serve(self, server: uvicorn.Server, listener: socket.socket) -> None:
        watch = asyncio.create_task(self._watch_over_web(server))
        await server.serve(sockets=[listener.dup()])  # it closes what it is given; ours may serve again
        self._order_stop()
        await watch

    async def _watch_over_web(self, server: uvicorn.Server) -> None:
        while not server.started and not self.stop.is_set():
            await asyncio.sleep(0.05)
        self._say_ready()
        while not self.stop.is_set():
            self._look_around()
            await asyncio.sleep(0.5)

    def _watch_over(self) -> None:
        self._say_ready()
        while not self.stop.is_set():
            self._look_around()
            self.stop.wait(0.5)

    def _say_ready(self) -> None:
        if not self.stop.is_set():
            self.supervisor.ready("at work")
            self._next_sign = 0.0

    def _look_around(self) -> None:
        self._sign_of_life()
        store = self.service.store
        self._store_missed = 0 if store.is_in_place() else self._store_missed + 1
        if self._store_missed > 1:
            self._fatal.append(f"{store.subject}: was deleted or replaced; what is written to the one before is lost")
            self._order_stop()

    def _sign_of_life(self) -> None:
        seconds = self.supervisor.watchdog
        if seconds is None or time.monotonic() < self._next_sign:
            return
        if self.scheduler is None or uptime() - self.scheduler.beat < _HUNG:
            self.supervisor.alive()
        self._next_sign = time.monotonic() + seconds

    _next_sign: float = 0.0

    def _end(self) -> None:
        """Let everything finish what it has in hand."""
        self._order_stop()
        deadline = time.monotonic() + _STOP_WITHIN
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        late = [thread.name for thread in self._threads if thread.is_alive()]
        if late:
            log.warning("%s did not end in time; what it had in hand is taken up at the next start", ", ".join(late))

    def _order_stop(self) -> None:
        self.stop.set()
        if self.scheduler is not None:
            self.scheduler.wake()
        self.health_monitor.wake()
        if self._server is not None:
            self._server.should_exit = True

    # ---------------------------------------------------------------- signals

    def _on_stop(self, number: int, frame: object) -> None:
        self._signals += 1
        if self._signals > 1:
            os._exit(130 if number == signal.SIGINT else 143)
        self.reload = False
        self._order_stop()
        self.supervisor.stopping()
        log.info("finishing what is in hand; once more to leave at once")

    def _on_reload(self, number: int, frame: object) -> None:
        if self.stop.is_set():
            return
        from digest.config import load

        try:
            refuse_unfit(load(self.config, os.environ), collects=self.options.schedule)
        except DigestError as error:
            for line in (isinstance(error, ConfigError) and error.problems) or (str(error),):
                log.error("%s", line)
            log.error("the configuration was not read again, the one before is still used")
            return
        self.supervisor.reloading()
        log.info("reading the configuration again")
        self.reload = True
        self._order_stop()


def serve(config: Path, options: ServeOptions, *, say: Callable[[str], None]) -> int:
    """``digest serve``; ``say`` gets the lines for whoever started it. Raises ConfigError, StoreError, Refused, and
    OSError's words as ConfigError if the address cannot be listened at."""
    inherited = os.environ.pop(_SOCKET_VARIABLE, "")
    with service(config, collects=options.schedule) as running:
        logs.set_up(os.environ, secrets_of(running.settings))
        if missing := what_is_missing(running.language.tag):
            log.warning("%s", missing)
        listener = _listener(options, inherited) if options.web else None
        serving = Serving(config=config, options=options, service=running, supervisor=Supervisor(os.environ))
        if listener is not None:
            _say_where(running.settings, listener, say)
        code = serving.run(listener)
    if serving.reload and code == 0:
        _start_again(listener)
    elif listener is not None:
        listener.close()
    return code


def _listener(options: ServeOptions, inherited: str) -> socket.socket:
    """The listening socket: the one before a reload, so that nobody is refused, or a new one."""
    if inherited.isdecimal():
        try:
            return socket.socket(fileno=int(inherited))
        except OSError:
            pass
    try:
        family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
        return socket.create_server((options.host, options.port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower().partition(" (")[0]
        raise ConfigError(
            f"{options.host}:{options.port}", f"cannot listen there: {reason}", "choose another --host or --port"
        ) from error


def _say_where(settings: Settings, listener: socket.socket, say: Callable[[str], None]) -> None:
    host, port = listener.getsockname()[:2]
    host = f"[{host}]" if ":" in host else host
    if isinstance(settings.output, Path):
        say(f"http://{host}:{port}/ shows {settings.output}")
    if settings.subscriptions.enabled:
        say(f"people subscribe at {settings.subscriptions_url}/")


def _start_again(listener: socket.socket | None) -> None:
    """This very process from the beginning, with what the configuration says now; its number stays."""
    if listener is not None:
        listener.set_inheritable(True)
        os.environ[_SOCKET_VARIABLE] = str(listener.fileno())
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", "digest", *sys.argv[1:]])  # noqa: S606 - ourselves


def _tell_run(report: RunReport, began: datetime, ended: datetime) -> None:
    """One line about a run that did something."""
    parts = []
    if report.collected is not None:
        found = report.collected
        parts += [
            f"{count} {word}"
            for count, word in (
                (found.arrived, "arrived"),
                (found.edited, "edited"),
                (found.renamed, "renamed"),
                (found.gone, "gone"),
                (found.retained, "left by age or moved"),
            )
            if count
        ]
    written = len(report.feeds.written) if report.feeds is not None else 0
    if report.editions is not None:
        written += len(report.editions.written)
        parts += [f"{each.digest} {each.period} {each.outcome.value}" for each in report.editions.results]
    if written:
        parts.append(f"{written} files written")
    if parts:
        log.info("run: %s", ", ".join(parts))
    for line in report.warnings:
        log.warning("%s", line)
