"""A worker with a webhook, in a process of its own that kills itself at one point of its work: see
``delivery_driver``."""

from __future__ import annotations

import os
import signal
import sys
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent))

from delivery_driver import Killer, KillingStore
from delivery_world import START, channel_edition

from digest.channels.webhook import Webhook
from digest.jobs.delivery.deliver import DeliverOptions, Route, deliver
from digest.store import open_store

POINTS = (
    "after-claim",
    "after-connect",
    "half-body",
    "before-transmitting",
    "after-transmitting",
    "after-body",
    "after-reply",
    "after-final",
)


def arm_connection(killer: Killer) -> None:
    """A death after each step of the request."""
    connect, send, getresponse = HTTPConnection.connect, HTTPConnection.send, HTTPConnection.getresponse

    def connected(connection: HTTPConnection) -> None:
        connect(connection)
        killer.at("after-connect")

    def sent(connection: HTTPConnection, data: Any) -> None:
        is_body = not data.startswith(b"POST")
        if is_body and len(data) > 1 and killer.is_next("half-body"):
            send(connection, data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        send(connection, data)
        if is_body and len(data) == 1:
            killer.at("after-body")

    def answered(connection: HTTPConnection) -> Any:
        answer = getresponse(connection)
        killer.at("after-reply")
        return answer

    HTTPConnection.connect = connected  # type: ignore[assignment, method-assign]
    HTTPConnection.send = sent  # type: ignore[assignment, method-assign]
    HTTPConnection.getresponse = answered  # type: ignore[assignment, method-assign]


def work(options: dict[str, Any]) -> None:
    """``options``: ``url`` of the store, ``to``, ``point`` and whether to ``resend``."""
    killer = Killer(options["point"], 1)
    with open_store(options["url"]) as store:
        arm_connection(killer)
        report = deliver(
            KillingStore(store, killer),
            [
                Route(
                    name="chat",
                    channel=Webhook(Webhook.Settings(), options["to"]),
                    compose=channel_edition,
                    options=DeliverOptions(resend=False),
                )
            ],
            clock=lambda: START,
        )
    print(report.line())
