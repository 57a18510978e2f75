"""``digest serve`` as a process of its own, on a free port."""

from __future__ import annotations

import http.client
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.program import Forked, start_program


class Process:
    """A running service; its output goes to files, so that nothing waits for a reader."""

    def __init__(self, folder: Path, process: Forked) -> None:
        self.folder = folder
        self.process = process
        found = wait_for(lambda: re.search(r"http://127\.0\.0\.1:(\d+)/ shows", self.out), process)
        self.port = int(found[1])
        wait_for(lambda: self.ask("/healthz")[0] == 200, process)

    @property
    def out(self) -> str:
        return (self.folder / "out").read_text(encoding="utf-8")

    @property
    def err(self) -> str:
        return (self.folder / "err").read_text(encoding="utf-8")

    def logged(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.err.splitlines()]

    def ask(
        self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None, form: Any = None
    ) -> tuple[int, str, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = dict(headers or {})
        body = None
        if form is not None:
            body = urlencode(form)
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, path, body=body, headers=sent)
            response = connection.getresponse()
            text = response.read().decode()
            return response.status, text, {key.lower(): value for key, value in response.getheaders()}
        except ConnectionError:
            return 0, "", {}
        finally:
            connection.close()

    def wait_for(self, condition: Callable[[], Any], seconds: float = 60) -> Any:
        return wait_for(condition, self.process, seconds)


def wait_for(condition: Callable[[], Any], process: Forked, seconds: float = 60) -> Any:
    """The first value of the condition that is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert process.poll() is None, "the service ended"
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)
    return found


@contextmanager
def serving(folder: Path, *words: str, env: Mapping[str, str] | None = None) -> Iterator[Process]:
    command = ["serve", "--config", str(folder / "config.yaml"), "--port", "0", *words]
    told = {"out": folder / "out", "err": folder / "err"}
    for path in told.values():
        path.write_bytes(b"")
    process = start_program(*command, **told, env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})})
    try:
        yield Process(folder, process)
    finally:
        process.terminate()
        try:
            process.wait(60)
        finally:
            process.kill()
