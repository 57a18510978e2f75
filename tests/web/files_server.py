"""Our own server with files only, on a free port, and a client that sends exactly what it is told."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from digest.web.files import Files, Options
from digest.web.front import Front
from digest.web.server import ClientLimits, make_server

OPTIONS = Options(max_age=300, address="https://news.example.com", hubs=("https://hub.example.com/",))


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True)
class FileServer:
    port: int
    files: Files
    server: uvicorn.Server

    def ask(self, target: str, method: str = "GET", **headers: str) -> Answer:
        """One request; ``target`` as it goes over the wire."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, target, headers=sent)
            answer = connection.getresponse()
            return Answer(answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def connect(self, sent: bytes = b"") -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        connection.sendall(sent)
        return connection


def rest(connection: socket.socket) -> bytes:
    """All that comes until the server ends the connection."""
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except ConnectionResetError:
        pass
    return received


def next_answer(connection: socket.socket, method: str = "GET") -> Answer:
    """One whole answer, in however many pieces it comes; nothing else may be under way on this connection."""
    answer = http.client.HTTPResponse(connection, method=method)
    answer.begin()
    return Answer(answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read())


def page(status: int) -> Response:
    return PlainTextResponse(f"page {status}", status)


@contextmanager
def serving_files(
    root: Path | None,
    options: Options = OPTIONS,
    *,
    limits: ClientLimits | None = None,
    is_gone: Callable[[str], bool] = lambda path: False,
    routes: Sequence[BaseRoute] = (),
    pages: ASGIApp | None = None,
    prefix: str = "",
) -> Iterator[FileServer]:
    """As digest serve does."""
    files = Files(root=root, options=options, nothing=page, is_gone=is_gone)
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    port = listener.getsockname()[1]
    server = make_server(Front(files, routes=routes, pages=pages, prefix=prefix), limits=limits)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield FileServer(port=port, files=files, server=server)
    finally:
        server.should_exit = True
        thread.join(60)
        listener.close()
