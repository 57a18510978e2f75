"""A real receiver of webhooks on loopback that does as it is told, and keeps every whole request."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

WELL = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
"""An answer. Others: ``hang``, ``close`` and ``reset`` after the body, ``drip``: answer slowly; ``early``: reset in its
middle."""


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def key(self) -> str:
        return self.headers["idempotency-key"]

    @property
    def edition(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class WebhookServer:
    script: Callable[[int], str]
    """What is done with the request of this number, counted from 0."""
    whole: list[Request] = field(default_factory=list)
    accepted: list[Request] = field(default_factory=list)
    port: int = 0
    over: threading.Event = field(default_factory=threading.Event)
    _begun: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/secret?to=all"

    def copies(self) -> Counter[str]:
        return Counter(request.key for request in self.accepted)

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            act, self._begun = self.script(self._begun), self._begun + 1
            threading.Thread(target=self._one, args=(client, act), daemon=True).start()

    def _one(self, client: socket.socket, act: str) -> None:
        with client, suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                piece = client.recv(1 if act == "early" else 65_536)
                if not piece:
                    return
                head += piece
            head, _, body = head.partition(b"\r\n\r\n")
            request, *lines = head.decode().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            while act != "early" and len(body) < int(headers["content-length"]):
                piece = client.recv(65_536)
                if not piece:
                    return
                body += piece
            if act != "early":
                self.whole.append(Request(path=request.split()[1], headers=headers, body=body))
            self._answer(client, act)

    def _answer(self, client: socket.socket, act: str) -> None:
        if act in ("reset", "early"):
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif act == "hang":
            self.over.wait(30)
        elif act == "drip":
            for letter in WELL:
                client.sendall(letter.encode())
                time.sleep(0.15)
        elif act != "close":
            if act.startswith("HTTP/1.1 2"):
                self.accepted.append(self.whole[-1])
            client.sendall(act.encode())


@contextmanager
def webhook(script: Callable[[int], str] | str = WELL) -> Iterator[WebhookServer]:
    does = script if callable(script) else lambda number: script
    server = WebhookServer(does)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server.port = listener.getsockname()[1]
        threading.Thread(target=server.serve, args=(listener,), daemon=True).start()
        try:
            yield server
        finally:
            server.over.set()
            listener.shutdown(socket.SHUT_RDWR)
