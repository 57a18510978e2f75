"""A store with editions and recipients, a clock, and the invariants that hold whatever happens."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace
from scripted_smtp import ScriptedServer

from digest.errors import PermanentFailure
from digest.jobs.delivery.deliver import DeliverOptions, DeliveryReport, Route, deliver
from digest.mail.smtp import SmtpChannel, TimeLimits
from digest.models import ChannelEdition, Delivery, DeliveryState, FrozenEdition, Outgoing, Recipient, SavedEdition
from digest.store import open_store

START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
PATIENT = TimeLimits(**{field.name: 20.0 for field in msgspec.structs.fields(TimeLimits)})
"""For servers that answer, on machines that are slow."""
QUICK = TimeLimits(**{field.name: 0.4 for field in msgspec.structs.fields(TimeLimits)})
"""For servers that do not."""
FINAL = {"sent", "failed", "skipped", "expired", "in_doubt"}


@dataclass
class Clock:
    """Time that passes only by sleeping."""

    seconds: float = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def ticks(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass(frozen=True)
class Row:
    """A delivery as it stands in the database."""

    message_id: str
    address: str
    edition_key: int
    state: str
    attempts: int
    reply_code: int | None
    reply_enhanced: str
    reply_text: str
    queue_id: str


def compose(row: Delivery, edition: SavedEdition) -> Outgoing:
    """From the frozen edition and the row alone, as the real one."""
    if row.address.startswith("unfit"):
        raise PermanentFailure("recipient", f"{row.address!r} is not a mail address", step="rcpt")
    lines = [
        f"Message-ID: {row.message_id}",
        f"To: {row.address}",
        f"Subject: {edition.subject}",
        "",
        edition.text,
        f".for {row.address}",
        "",
    ]
    return Outgoing(pieces=("\r\n".join(lines).encode(),), envelope_from=f"b+{row.token}@bounces.test")


def recipients(period: str, addresses: Sequence[str]) -> list[Recipient]:
    names = [hashlib.sha256(f"{period} {address}".encode()).hexdigest()[:24] for address in addresses]
    return [
        Recipient(address=address, message_id=f"<{name}@news.test>", token=name[:16])
        for address, name in zip(addresses, names, strict=True)
    ]


def channel_edition(row: Delivery, edition: SavedEdition) -> ChannelEdition:
    """As the real one, without items."""
    return ChannelEdition(
        digest=edition.digest,
        title="Daily",
        period=edition.period,
        language="en",
        subject=edition.subject,
        url="https://news.test/",
        items=(),
        text=edition.text,
        html=edition.html,
    )


def to_channel(name: str, period: str = "2026-11-24") -> Recipient:
    [recipient] = recipients(period, [name])
    return replace(recipient, channel=name)


def frozen(
    period: str, *, text: str = "words", now: datetime = START, life: timedelta = timedelta(hours=18)
) -> FrozenEdition:
    return FrozenEdition(
        digest="daily",
        period=period,
        subject=f"News of {period}",
        html="<p>words</p>",
        text=text,
        document="{}",
        frozen_at=now,
        send_after=now,
        expires_at=now + life,
    )


class World:
    """Use as a context manager."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.clock = Clock()
        self.store = open_store(url)

    def __enter__(self) -> World:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()

    def freeze(
        self,
        addresses: Sequence[str] | int,
        period: str = "2026-11-24",
        *,
        channels: Sequence[str] = (),
        **edition: Any,
    ) -> SavedEdition:
        """An edition for these addresses, or for so many, and for channels; its page is in place."""
        if isinstance(addresses, int):
            addresses = [f"reader{number}@example.com" for number in range(addresses)]
        everybody = [*recipients(period, addresses), *(to_channel(name, period) for name in channels)]
        saved = self.store.freeze(frozen(period, now=self.clock.now(), **edition), everybody)
        assert saved is not None
        self.store.mark_page_published(saved.key)
        return self.store.edition_by_key(saved.key)

    def deliver(
        self,
        transport: Any,
        *others: Route,
        ledger: Any = None,
        compose: Callable[[Delivery, SavedEdition], Outgoing] = compose,
        once: bool = True,
        stop: Callable[[], bool] = lambda: False,
        left: Callable[[Delivery], str] = lambda row: "",
        tell: Callable[[str], None] = lambda alarm: None,
        progress: Callable[[str, int, int], None] = lambda work, done, total: None,
        again: Callable[[], bool] = lambda: False,
        hurry: Callable[[], bool] = lambda: False,
        **options: Any,
    ) -> DeliveryReport:
        return deliver(
            ledger or self.store,
            [Route(channel=transport, compose=compose, options=DeliverOptions(**options)), *others],
            clock=self.clock.now,
            ticks=self.clock.ticks,
            sleep=self.clock.sleep,
            once=once,
            stop=stop,
            left=left,
            tell=tell,
            progress=progress,
            again=again,
            hurry=hurry,
        )

    def smtp(self, server: ScriptedServer, **options: Any) -> SmtpChannel:
        return smtp_to(server.port, **options)

    def rows(self) -> list[Row]:
        columns = "message_id, address, edition_key, state, attempts, reply_code, reply_enhanced, reply_text, queue_id"
        with self.store._database.asking() as connection:
            return [Row(*row) for row in connection.rows(f"SELECT {columns} FROM delivery ORDER BY key")]

    def states(self) -> dict[str, int]:
        return dict(Counter(row.state for row in self.rows()))

    def state_of(self, address: str) -> str:
        return next(row.state for row in self.rows() if row.address == address)

    def edition_states(self) -> list[tuple[str, str]]:
        with self.store._database.asking() as connection:
            return connection.rows("SELECT period, state FROM edition ORDER BY key")

    def count(self, state: DeliveryState) -> int:
        return self.store.counts()[state]

    def drain(self, transport: Any, *, tries: int = 40, **options: Any) -> None:
        """Run after run, an hour or what is needed apart, until nothing is open."""
        for _ in range(tries):
            self.deliver(transport, **options)
            if not {row.state for row in self.rows()} - FINAL:
                return
            self.clock.sleep(1_800)
        raise AssertionError(f"never drained: {self.states()}")


def smtp_to(port: int, **options: Any) -> SmtpChannel:
    return SmtpChannel(**{"host": "127.0.0.1", "port": port, "security": "none", "limits": PATIENT, **options})


def fault_line(name: str, faults: int, rows: Sequence[Row], server: ScriptedServer) -> str:
    """A line of the table of faults: how many there were, how many rows were accepted, twice, lost, in doubt (and
    arrived all the same)."""
    copies = server.copies()
    doubtful = [row for row in rows if row.state == "in_doubt"]
    arrived = sum(copies[row.message_id] > 0 for row in doubtful)
    twice = sum(count > 1 for count in copies.values())
    lost = sum(row.state == "sent" and not copies[row.message_id] for row in rows)
    figures = (faults, len(rows), len(copies), twice, lost, len(doubtful), arrived)
    return f"{name:<34}" + "".join(f"{figure:>10}" for figure in figures)


def check_invariants(
    rows: Sequence[Row],
    server: ScriptedServer,
    *,
    audience: int,
    hold: bool,
    doubts_allowed: int,
) -> None:
    """What holds once everything came to rest, whatever happened. ``doubts_allowed``: kills x connections +
    breaks after the dot."""
    copies = server.copies()
    assert len(rows) == audience, "a row for each recipient"
    assert {row.state for row in rows} <= FINAL, "every row has ended"
    if hold:
        assert all(count == 1 for count in copies.values()), "accepted at most once"
    for row in rows:
        if row.state == "sent":
            assert copies[row.message_id] >= 1, "what is sent was accepted"
        elif copies[row.message_id]:
            assert row.state == "in_doubt", "accepted and not sent is in doubt"
    assert all(len(forms) == 1 for forms in server.bytes_of().values()), "all attempts have equal bytes"
    doubts = sum(row.state == "in_doubt" for row in rows)
    assert doubts <= doubts_allowed, "no more doubt than there is reason for"
