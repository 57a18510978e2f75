"""``digest serve`` as a process, and ways to see what it does: real files, real HTTP, real signals."""

from __future__ import annotations

import http.client
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from tests.program import Forked, start_program

CONFIG = """\
site: {title: 财经早报, url: https://news.example.com, language: zh-CN, timezone: Asia/Shanghai, author: A}
posts: {folder: posts, settle: 0}
mail: {sender: digest@news.example.com, to: reader@example.org}
"""
PATIENCE = 180.0
"""Seconds that a test waits for what must come; machines that test are busy."""


def write_site(folder: Path, *, posts: int = 2, more: str = "") -> None:
    """A configuration, and posts of today."""
    (folder / "posts" / "_posts").mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(CONFIG + more, encoding="utf-8")
    for number in range(posts):
        write_post(folder, f"post{number}")


def write_post(folder: Path, name: str, category: str = "macro") -> None:
    """A whole file at once, as a program would put it there."""
    now = datetime.now(UTC)
    path = folder / "posts" / "_posts" / f"{now:%Y-%m-%d}-{name}.md"
    path.with_suffix(".tmp").write_text(
        f"---\ntitle: 标题 {name}\ndate: {now:%Y-%m-%d %H:%M:%S} +0000\ncategories: {category}\n---\n> 摘要。\n",
        encoding="utf-8",
    )
    path.with_suffix(".tmp").rename(path)


class Served:
    """A running service, and all that it said."""

    def __init__(self, process: subprocess.Popen[str] | Forked, folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.said: list[str] = []
        self._queue: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._readers = [
            threading.Thread(target=self._read, args=(stream,), daemon=True)
            for stream in (process.stdout, process.stderr)
            if stream is not None
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                self._queue.put(line.rstrip("\n"))

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The first line from now on that holds the pattern."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                line = self._queue.get(timeout=0.2)
            except queue.Empty:
                assert self.process.poll() is None, "\n".join(["it ended; it said:", *self.said])
                continue
            self.said.append(line)
            found = re.search(pattern, line)
            if found:
                return found
        raise AssertionError("\n".join([f"nothing said {pattern!r}; it said:", *self.said]))

    def port(self) -> int:
        return int(self.wait_for(r"http://127\.0\.0\.1:(\d+)/ shows")[1])

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def ends(self) -> int:
        """Its exit code. All that it said is in ``said`` then."""
        code = self.process.wait(timeout=PATIENCE)
        self.close()
        while not self._queue.empty():
            self.said.append(self._queue.get())
        return code

    def close(self) -> None:
        for reader in self._readers:
            reader.join(PATIENCE)

    def mails(self) -> list[Path]:
        return list((self.folder / "var" / "outbox").glob("*.eml"))


def until(question: Callable[[], object], what: str) -> None:
    """Ask until the answer is yes."""
    deadline = time.monotonic() + PATIENCE
    while not question():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def get(port: int, path: str) -> tuple[int, bytes]:
    """Status and body; 0 if nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    except ConnectionRefusedError:
        return 0, b""
    finally:
        connection.close()


@contextmanager
def serving(folder: Path, *words: str, env: Mapping[str, str] | None = None, fresh: bool = False) -> Iterator[Served]:
    """Start it on a free port; whatever is left of it at the end is killed. ``fresh``: in a new Python, as its users
    do, and not in a copy of one that has loaded it."""
    command = ["serve", "--config", str(folder / "config.yaml"), "--port", "0", *words]
    variables = {**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})}
    process: subprocess.Popen[str] | Forked
    if fresh:
        process = subprocess.Popen(
            [sys.executable, "-m", "digest", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=variables,
        )
    else:
        process = start_program(*command, env=variables)
    served = Served(process, folder)
    try:
        yield served
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()
        served.close()
