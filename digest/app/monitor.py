"""Watching over the program: binds alarms, pings and figures to the settings and the store.

Nothing here may harm what it watches: whatever fails is a line, and the run is as it was.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from digest.alarms.watching import KeptAlarm, Planned, store_alarm, subject_of
from digest.app.moment import present
from digest.config.settings import FIRST_RATE
from digest.errors import DigestError, OutputError, StoreError
from digest.jobs.monitoring.watch import Disk, RunEnd, WatchRules, tell, watch
from digest.models import MAIL, Outgoing, SourceState, Target
from digest.ports import WITHOUT_LEDGER

if TYPE_CHECKING:
    from digest.config import Settings
    from digest.config.settings import MailSettings
    from digest.jobs.monitoring.status import SourceRow
    from digest.jobs.run import RunReport
    from digest.store import SqlStore

log = logging.getLogger("digest.watch")

LOOK_EVERY = 60.0
"""Seconds between two looks while something goes on."""
_STORE_AGAIN = timedelta(hours=6)
"""A store that cannot be used keeps no alarms; this is told again after so long."""


class Monitor:
    """Watches one site. Opens nothing until there is something to tell."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._pinged: threading.Thread | None = None
        self._ping_lines: list[str] = []

    # ----------------------------------------------------------------- pings

    def run_begins(self) -> None:
        """Ping that a run begins; does not wait for the answer."""
        address = self.settings.watch.ping_start
        if address is not None:
            self._pinged = threading.Thread(target=self._ping, args=(str(address),), name="ping", daemon=True)
            self._pinged.start()

    def run_ended(self, *, ok: bool) -> list[str]:
        """Ping how it went, after the ping of its beginning. Returns what went wrong with either."""
        watching = self.settings.watch
        if self._pinged is not None:
            self._pinged.join()
            self._pinged = None
        address = watching.ping_success if ok else watching.ping_fail
        if address is not None:
            self._ping(str(address))
        lines, self._ping_lines = self._ping_lines, []
        return lines

    def _ping(self, address: str) -> None:
        from digest.app.pings import ping

        line = ping(address)
        if line is not None:
            self._ping_lines.append(line)

    # ---------------------------------------------------------------- alarms

    def look(self, store: SqlStore, now: datetime, *, run: RunEnd | None = None) -> list[str]:
        """Look what is wrong, keep it, and tell the operator what is new. Returns what could not be told. Raises
        StoreError."""
        ahead = present(store.clock).ahead
        watch(store, self.rules(), now, run=run, disks=tuple(self.disks()), ahead=ahead)
        if self.settings.watch.mail is None:
            self._tell_nobody(store, now)
            return []
        return tell(store, lambda alarms: self._mail(alarms, now), now, per_hour=self.settings.watch.mails_per_hour)

    def look_on(self, store: SqlStore, now: datetime, *, run: RunEnd | None = None) -> list[str]:
        """As ``look``, by whoever goes on whatever the answer. Returns all that went wrong; raises nothing."""
        try:
            return [*self.look(store, now, run=run), *self.store_works(now)]
        except StoreError as error:
            return [f"watch: {error}", *self.store_failed(error, now)]
        except DigestError as error:
            return [f"watch: {error}"]

    @contextmanager
    def beside(
        self,
        store: SqlStore,
        clock: Callable[[], datetime],
        tell: Callable[[str], None],
        stop: Callable[[], bool] = lambda: False,
    ) -> Iterator[None]:
        """Look every minute while something else goes on, and once when it is over; not when it is because of
        ``stop``, which should be soon."""
        over, said = threading.Event(), Said(tell)

        def watching() -> None:
            while not over.wait(LOOK_EVERY):
                said(self.look_on(store, clock()))

        thread = threading.Thread(target=watching, name="watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        if not stop():
            said(self.look_on(store, clock()))

    def after_run(self, store: SqlStore, report: RunReport, now: datetime) -> list[str]:
        """After a run: alarms and the ping. Returns what could not be told; raises nothing."""
        return [*self.look_on(store, now, run=run_end(report)), *self.run_ended(ok=report.ok)]

    def run_broke(self, error: StoreError, now: datetime) -> None:
        """A run that could not use the store: what else goes wrong is only logged."""
        for line in [*self.store_failed(error, now), *self.run_ended(ok=False)]:
            log.warning("%s", line)

    def run_was_held_up(self, error: StoreError, now: datetime) -> None:
        """A run that could not begin, since another one seems to hang: as bad as one that failed."""
        from digest.store import open_store

        try:
            with open_store(self.settings.store.url) as store:
                lines = self.look(store, now, run=RunEnd(failures=(str(error),), collected=False))
        except DigestError as trouble:
            lines = [f"watch: {trouble}"]
        for line in [*lines, *self.run_ended(ok=False)]:
            log.warning("%s", line)

    def store_failed(self, error: StoreError, now: datetime) -> list[str]:
        """The store cannot be used, so the alarm is kept beside it: told once, and again after some hours."""
        marker = self._marker
        with suppress(OSError):
            if 0 <= now.timestamp() - marker.stat().st_mtime < _STORE_AGAIN.total_seconds():
                return []
        lines = self._mail_store(f"{error.subject}: {error.cause}", now)
        if not lines:
            with suppress(OSError):
                marker.parent.mkdir(parents=True, exist_ok=True)
                marker.write_text(f"{now.isoformat()}\n", encoding="ascii")
                os.utime(marker, (now.timestamp(), now.timestamp()))
        return lines

    def store_works(self, now: datetime) -> list[str]:
        """It can be used again: told if the alarm was."""
        if not self._marker.exists():
            return []
        lines = self._mail_store("", now, ended_at=now, end_text="the store can be used again")
        if not lines:
            with suppress(OSError):
                self._marker.unlink()
        return lines

    @property
    def _marker(self) -> Path:
        return self.settings.subscriptions.secret_file.parent / "store-alarm"

    def _mail_store(self, text: str, now: datetime, **over: Any) -> list[str]:
        """That the store cannot be used, or can be again."""
        if self.settings.watch.mail is None:
            return []
        alarm = store_alarm(text)
        try:
            self._mail((KeptAlarm(key=0, name=alarm.name, text=alarm.text, raised_at=now, **over),), now)
        except DigestError as error:
            return [f"alarm mail: {error}"]
        return []

    def _tell_nobody(self, store: SqlStore, now: datetime) -> None:
        """Without an address alarms are shown and not told; an address that is set later gets no old ones."""
        store.release_alarms(store.claim_alarms(now, now), told=True)

    def rules(self) -> WatchRules:
        """What the operator wants to be told."""
        settings, wanted = self.settings, self.settings.watch
        others = ((each.common.name, each.common.in_doubt) for each in settings.channels)
        in_doubt = [(MAIL, settings.mail.in_doubt), *others]
        return WatchRules(
            zone=settings.site.timezone,
            plans=self.planned(),
            holds=tuple(name for name, rule in in_doubt if rule == "hold"),
            rate=_slowest(settings.mail) if settings.mail.transport == "smtp" else None,
            limits=settings.mail.limits if settings.mail.transport == "smtp" else None,
            silence=wanted.silence,
            silence_except=tuple(wanted.silence_except),
            sources=tuple(source.name for source in settings.sources),
            holidays=tuple((each.days[0], each.days[-1]) for each in wanted.holidays),
            late_after=wanted.late_after,
            min_free=int(wanted.min_free),
        )

    def planned(self) -> tuple[Planned, ...]:
        """The digests and their schedules."""
        return tuple(
            Planned(digest=name, schedule=digest.schedule.rule, holidays=digest.days_off)
            for name, digest in self.settings.digests.items()
        )

    def names(self) -> tuple[str, ...]:
        """The categories of the configuration."""
        return tuple(category.name for category in self.settings.categories)

    def sources(self, store: SqlStore) -> Iterator[SourceRow]:
        """How it stands with those beside ``posts.folder``. Raises StoreError."""
        if not self.settings.sources:
            return
        from digest.app.collecting import source_row

        states, wall = store.source_states(), present(store.clock).wall
        for entry in self.settings.sources:
            yield source_row(entry, states.get(entry.name, SourceState(name=entry.name)), wall)

    def disks(self) -> Iterator[Disk]:
        """Room for the store and for the output, as far as they are files here."""
        places = {"store": self.settings.store.path, "output": self.settings.output}
        for what, place in places.items():
            if not isinstance(place, Path):
                continue
            with suppress(OSError):
                usage = shutil.disk_usage(_existing(place))
                yield Disk(what=what, place=str(place), free=usage.free, total=usage.total)

    # ------------------------------------------------------------------ mail

    def _mail(self, alarms: Sequence[KeptAlarm], now: datetime) -> None:
        """Hand over one mail. Raises DigestError. The same alarms give the same Message-ID, so that a mail that was
        sent twice is one for many mailboxes."""
        from digest.app.assembly import mail_channel, signer_of
        from digest.languages import CatalogueLanguage
        from digest.render.alarm import alarm_message
        from digest.templates import FolderTemplates

        language = CatalogueLanguage(str(self.settings.site.language))
        address = self.settings.watch.mail
        assert address is not None
        sender = self.settings.sender
        told = " ".join(f"{alarm.name} {alarm.raised_at} {alarm.ended_at}" for alarm in alarms)
        name = hashlib.sha256(f"{self.settings.site.url} {told}".encode()).hexdigest()[:32]
        message = alarm_message(
            alarms,
            subject=subject_of(alarms, self.settings.site.title),
            site_title=self.settings.site.title,
            site_url=str(self.settings.site.url),
            sender=(sender.name, sender.address),
            to=address.address,
            message_id=f"<{name}@{sender.domain}>",
            zone=self.settings.site.timezone,
            now=now,
            templates=FolderTemplates(language, self.settings.templates, self.settings.theme),
        )
        signer, channel = signer_of(self.settings), mail_channel(self.settings)
        signed = message if signer is None else signer.sign(message)
        try:
            channel.send(
                Outgoing(pieces=(signed,), envelope_from=sender.address),
                Target(address=address.address, name=f"alarm-{name}"),
                WITHOUT_LEDGER,
            )
        finally:
            channel.close()


class Said:
    """Tells what goes wrong; what stays as it was is told once."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._last = ""

    def __call__(self, lines: Sequence[str]) -> None:
        told = "; ".join(lines)
        if told and told != self._last:
            self._tell(told)
        self._last = told


def run_end(report: RunReport) -> RunEnd:
    """What is judged of a run. That posts are missing, or that clocks differ, has an alarm of its own."""
    apart = set(report.collected.failures if report.collected is not None else ())
    apart |= {report.editions.withheld} if report.editions is not None else set()
    failures = tuple(line for line in report.failures if line not in apart)
    return RunEnd(failures=failures, collected=report.collected is not None)


def _existing(place: Path) -> Path:
    """The place, or the nearest folder above it that is there. Raises OutputError if there is none."""
    for each in (place, *place.parents):
        if each.exists():
            return each
    raise OutputError(str(place), "no folder above it exists")


def monitor_of(settings: Settings) -> Monitor:
    """Whoever tells the operator."""
    return Monitor(settings)


def _slowest(mail: MailSettings) -> float:
    """Mails a second at which an edition may have to leave, were all its readers at one receiver."""
    return min([mail.rate or FIRST_RATE, *(each.rate for each in mail.domains.values() if each.rate)])
