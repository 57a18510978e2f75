"""A worker in a process of its own that kills itself (SIGKILL) at one point of its work.

    python delivery_driver.py JSON

The point is reached by wrapping the store and the SMTP session from outside; the program knows nothing of it.
Points, in order: before-freeze, after-freeze, after-claim, after-mail, after-rcpt, after-data, half-body,
before-transmitting, after-transmitting, after-dot, after-reply, after-final.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent))

from delivery_world import PATIENT, START, compose, frozen, recipients

from digest.jobs.delivery.deliver import DeliverOptions, Route, deliver
from digest.mail.smtp import Session, SmtpChannel
from digest.receivers import Limits
from digest.store import open_store

POINTS = (
    "before-freeze",
    "after-freeze",
    "after-claim",
    "after-mail",
    "after-rcpt",
    "after-data",
    "half-body",
    "before-transmitting",
    "after-transmitting",
    "after-dot",
    "after-reply",
    "after-final",
)


class Killer:
    """Kills this process when a point is reached for the ``nth`` time."""

    def __init__(self, point: str | None, nth: int) -> None:
        self._point, self._left = point, nth
        self._lock = threading.Lock()

    def at(self, point: str) -> None:
        if self.is_next(point):
            os.kill(os.getpid(), signal.SIGKILL)

    def is_next(self, point: str) -> bool:
        """Whether it is due here; counts."""
        if point != self._point:
            return False
        with self._lock:
            self._left -= 1
            return self._left == 0


class KillingStore:
    """The store, with a death before or after what it does."""

    _BEFORE = {"turn": "before-transmitting"}
    _AFTER = {"freeze": "after-freeze", "claim": "after-claim", "turn": "after-transmitting", "sent": "after-final"}

    def __init__(self, store: Any, killer: Killer, announce: bool = False) -> None:
        self._store, self._killer = store, killer
        self._to_announce = announce

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._store, name)
        if name not in self._BEFORE and name not in self._AFTER:
            return real

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if name in self._BEFORE:
                self._killer.at(self._BEFORE[name])
            result = real(*args, **kwargs)
            if name in self._AFTER and result:
                self._killer.at(self._AFTER[name])
                self._announce(name)
            return result

        return wrapped

    def _announce(self, name: str) -> None:
        if name == "claim" and self._to_announce:
            self._to_announce = False
            print("claimed", flush=True)


def arm_session(killer: Killer) -> None:
    """A death after each step of the dialogue."""
    for name, point in (("mail", "after-mail"), ("rcpt", "after-rcpt"), ("data", "after-data")):
        _arm_step(name, point, killer)
    write_body, end = Session._write_body, Session._end

    def half_body(session: Session, pieces: Sequence[bytes]) -> None:
        if killer.is_next("half-body"):
            data = b"".join(pieces)
            write_body(session, [data[: len(data) // 2]])
            os.kill(os.getpid(), signal.SIGKILL)
        write_body(session, pieces)

    def dot(session: Session, after_dot: Callable[[], None]) -> Any:
        if killer.is_next("after-dot"):
            session._wire.write([b".\r\n"], 5)
            os.kill(os.getpid(), signal.SIGKILL)
        answer = end(session, after_dot)
        killer.at("after-reply")
        return answer

    Session._write_body = half_body  # type: ignore[assignment, method-assign]
    Session._end = dot  # type: ignore[assignment, method-assign]


def _arm_step(name: str, point: str, killer: Killer) -> None:
    step: Callable[..., None] = getattr(Session, name)

    def wrapped(session: Session, *args: Any) -> None:
        step(session, *args)
        killer.at(point)

    setattr(Session, name, wrapped)


def freeze(store: Any, killer: Killer, addresses: list[str]) -> None:
    """Freeze the edition, unless an earlier process did, and put its page in place."""
    if killer._point == "before-freeze":
        store._store._database._commit = lambda connection: killer.at("before-freeze")
    store.freeze(frozen("2026-11-24"), recipients("2026-11-24", addresses))
    for saved in store.unpublished_pages():
        store.mark_page_published(saved.key)


def main(
    url: str,
    port: int,
    *,
    point: str | None = None,
    nth: int = 1,
    audience: int = 0,
    resend: bool = False,
    connections: int = 1,
    ahead: float | None = 0.0,
    once: bool = True,
    lease: float = 120.0,
    dot_lease: float = 660.0,
    announce: bool = False,
) -> None:
    """``announce``: say when there is work in hand. ``ahead``: the ledger's clock stands at so many seconds after
    START; None: it is the real one."""
    killer = Killer(point, nth)
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    with open_store(url) as real:
        store = KillingStore(real, killer, announce)
        if audience:
            freeze(store, killer, [f"reader{number}@example.com" for number in range(audience)])
        arm_session(killer)
        channel = SmtpChannel(host="127.0.0.1", port=port, security="none", connections=connections, limits=PATIENT)
        options = DeliverOptions(
            connections=connections,
            resend=resend,
            lease=timedelta(seconds=lease),
            dot_lease=timedelta(seconds=dot_lease),
            upkeep=0.5,
            idle=0.2,
            limits=Limits(ceiling=100_000),
        )
        report = deliver(
            store,
            [Route(channel=channel, compose=compose, options=options)],
            clock=(lambda: datetime.now(UTC)) if ahead is None else (lambda: START + timedelta(seconds=ahead)),
            once=once,
            stop=stopping.is_set,
        )
    print(report.line())


def work(options: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):
        main(**options)


if __name__ == "__main__":
    work(json.loads(sys.argv[1]))
    time.sleep(0)
