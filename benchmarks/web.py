#!/usr/bin/env python3
"""Measure how our web server serves a feed, beside nginx with deploy/nginx.conf and the same files, in turn.

    web.py                       five rounds; nginx is left out if it is not installed
    web.py  --rounds 3 --seconds 2 --json after.json

Both are one process and are asked by the same client over loopback: 32 connections that stay, one request after the
other on each. Cases: a compressed feed (brotli is left out, nginx needs a module for it), a feed as it is, and a poll
that finds nothing new (304). Figures are medians of requests a second; ratios are taken round by round, so that a busy
machine disturbs them little. The client is in Python and sets a limit of its own
to what nginx can show; CPU for one request does not depend on it.

Then a day of readers, on a simulated clock: many of them poll a feed that changes every five minutes, or every hour,
each at an interval of its own, with the validators that it was given; the share of 304 and the bytes are counted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from measure import descendants

ROOT = Path(__file__).parent.parent
CONNECTIONS = 32
ENTRY = b"<entry><id>tag:example.com,2026:%d</id><title>%s</title><summary>%s</summary></entry>\n"

SERVER = """\
import asyncio, socket, sys
from pathlib import Path
from starlette.responses import PlainTextResponse
from digest.web.files import Files, Options
from digest.web.front import Front
from digest.web.server import make_server
listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
print(listener.getsockname()[1], flush=True)
options = Options(max_age=300)
files = Files(root=Path(sys.argv[1]), options=options, nothing=lambda status: PlainTextResponse("", status))
server = make_server(Front(files))
with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
    runner.run(server.serve(sockets=[listener]))
"""


@dataclass(frozen=True)
class Case:
    name: str
    headers: bytes = b""
    status: int = 200
    conditional: bool = False


CASES = (
    Case("feed, gzip", b"Accept-Encoding: gzip\r\n"),
    Case("feed, plain"),
    Case("nothing new", b"Accept-Encoding: gzip\r\n", 304, conditional=True),
)


def feed(version: int, entries: int = 60) -> bytes:
    """About 60 KB of Chinese news; a third of it as gzip."""
    draw = random.Random(version)
    words = ["".join(chr(draw.randrange(0x4E00, 0x5E00)) for _ in range(4)) for _ in range(400)]
    text = b"".join(
        ENTRY
        % (version + number, "".join(draw.choices(words, k=5)).encode(), "".join(draw.choices(words, k=60)).encode())
        for number in range(entries)
    )
    return b'<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">\n' + text + b"</feed>\n"


# ------------------------------------------------------------------- servers


@contextmanager
def ours(root: Path, python: str) -> Iterator[tuple[int, int]]:
    process = subprocess.Popen(
        [python, "-c", SERVER, str(root)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.environ.get("PYTHONPATH", str(ROOT))},
        text=True,
    )
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline()), process.pid
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def nginx(root: Path, folder: Path, program: str) -> Iterator[tuple[int, int]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    site = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    for shipped, here in {
        "listen 80;": f"listen 127.0.0.1:{port};",
        "    listen [::]:80;\n": "",
        "root /srv/digest/public;": f'root "{root}";',
        "include /etc/nginx/digest-brotli.con[f];": "",
    }.items():
        site = site.replace(shipped, here)
    places = "".join(f"{kind}_temp_path {folder};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    user = "user root;" if os.geteuid() == 0 else ""
    main = f"{user} daemon off; pid {folder}/pid; worker_processes 1; events {{ worker_connections 4096; }}\n"
    (folder / "nginx.conf").write_text(
        f"{main}http {{ access_log off; sendfile on; keepalive_requests 9999999; {places}\n{site}\n}}\n",
        encoding="utf-8",
    )
    process = subprocess.Popen([program, "-p", str(folder), "-e", f"{folder}/log", "-c", f"{folder}/nginx.conf"])
    try:
        deadline = time.monotonic() + 20
        while not answers(port):
            if time.monotonic() > deadline or process.poll() is not None:
                sys.exit((folder / "log").read_text())
            time.sleep(0.05)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(20)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def cpu(pid: int) -> float:
    """Seconds that a process and its children have worked, as Linux says."""
    found = 0.0
    for each in [pid, *descendants(pid)]:
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        found += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found


# -------------------------------------------------------------------- client


class Asker(asyncio.Protocol):
    """One connection: asks again as soon as it is answered, counts answers, and looks at each one's status and
    length."""

    def __init__(self, request: bytes, status: int, length: int) -> None:
        self.request = request
        self.begins = b"HTTP/1.1 %d " % status
        self.length = length
        self.answers = 0
        self.stopped = False
        self.wrong: bytes | None = None
        self._got = bytearray()
        self._needed = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self._got += data
        if self._needed < 0:
            end = self._got.find(b"\r\n\r\n")
            if end < 0:
                return
            self._needed = end + 4 + self.length
        if len(self._got) < self._needed:
            return
        if len(self._got) > self._needed or not self._got.startswith(self.begins):
            self.wrong = bytes(self._got[:200])
            self._transport.close()
            return
        self._got.clear()
        self._needed = -1
        self.answers += 1
        if self.stopped:
            self._transport.close()
        else:
            self._transport.write(self.request)


async def one(port: int, path: str, headers: bytes) -> tuple[bytes, bytes]:
    """Head and body of one answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n" % (path.encode(), headers))
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return head, body


def field(head: bytes, name: str) -> str:
    for line in head.decode("latin-1").split("\r\n")[1:]:
        key, _, value = line.partition(": ")
        if key.lower() == name:
            return value
    return ""


async def rate(port: int, pid: int, case: Case, seconds: float) -> tuple[float, float]:
    """Requests a second, and the server's CPU seconds for one. Ends the program if an answer is wrong."""
    head, body = await one(port, "/feed.xml", case.headers)
    headers = case.headers
    if case.conditional:
        etag, date = field(head, "etag"), field(head, "last-modified")
        headers += f"If-None-Match: {etag}\r\nIf-Modified-Since: {date}\r\n".encode()
    request = b"GET /feed.xml HTTP/1.1\r\nHost: localhost\r\n%s\r\n" % headers
    length = len(body) if case.status == 200 else 0
    loop = asyncio.get_running_loop()
    askers = []
    began, worked = time.perf_counter(), cpu(pid)
    for _ in range(CONNECTIONS):
        _, asker = await loop.create_connection(lambda: Asker(request, case.status, length), "127.0.0.1", port)
        askers.append(asker)
    await asyncio.sleep(seconds)
    count, took, worked = sum(each.answers for each in askers), time.perf_counter() - began, cpu(pid) - worked
    for asker in askers:
        asker.stopped = True
        if asker.wrong is not None or not asker.answers:
            sys.exit(f"{case.name}: a wrong answer: {asker.wrong!r}")
    await asyncio.sleep(0.1)
    return count / took, worked / count


# ------------------------------------------------------------------- readers


async def a_day_of_readers(port: int, root: Path, readers: int, hours: int, every: int) -> dict[str, float]:
    """Readers with intervals from 5 minutes to a day, four of five with ETag and date, some with the date alone,
    one of twenty with nothing. The feed changes every so many minutes, by night at every sixth of these."""
    draw = random.Random(1)
    intervals = [draw.choices((5, 15, 30, 60, 360, 1440), (5, 15, 20, 40, 15, 5))[0] for _ in range(readers)]
    starts = [draw.randrange(interval) for interval in intervals]
    kinds = draw.choices(("both", "date", "none"), (80, 15, 5), k=readers)
    known: list[bytes] = [b""] * readers
    asked = unchanged = sent = whole = changes = previous = 0
    for minute in range(hours * 60):
        if minute % every == 0 and (minute // 60 % 24 >= 7 or minute % (6 * every) == 0):
            changes += 1
            write(root, 10_000 * every + changes)
        for reader in range(readers):
            if (minute - starts[reader]) % intervals[reader]:
                continue
            head, body = await one(port, "/feed.xml", b"Accept-Encoding: gzip\r\n" + known[reader])
            asked += 1
            sent += len(head) + len(body)
            whole += len(head) + (len(body) or previous)
            if head.startswith(b"HTTP/1.1 304"):
                unchanged += 1
                continue
            previous = len(body)
            etag, date = field(head, "etag").encode(), field(head, "last-modified").encode()
            by_date = b"If-Modified-Since: %s\r\n" % date
            known[reader] = {"both": b"If-None-Match: %s\r\n%s" % (etag, by_date), "date": by_date, "none": b""}[
                kinds[reader]
            ]
    return {
        "every": every,
        "requests": asked,
        "changes": changes,
        "share_304": unchanged / asked,
        "bytes": sent,
        "bytes_without": whole,
    }


# ---------------------------------------------------------------------- main


def write(root: Path, version: int) -> None:
    from digest.publish.folder import FolderOutput

    FolderOutput(root).write("feed.xml", feed(version))
    moment = 1_790_000_000 + version * 300  # the simulated clock: what is asked about by date has to differ
    for name in ("feed.xml.br", "feed.xml.gz", "feed.xml"):
        os.utime(root / name, (moment, moment))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    program = None if options.no_nginx else shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    rates: dict[str, dict[str, list[tuple[float, float]]]] = {case.name: {"ours": [], "nginx": []} for case in CASES}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        root = folder / "public"
        root.mkdir()
        folder.chmod(0o755)
        write(root, 0)
        with ours(root, options.python) as (port, pid):
            for _ in range(options.rounds):
                for case in CASES:
                    rates[case.name]["ours"].append(asyncio.run(rate(port, pid, case, options.seconds)))
                    if program:
                        with nginx(root, folder, program) as (other, its_pid):
                            rates[case.name]["nginx"].append(asyncio.run(rate(other, its_pid, case, options.seconds)))
            population = [
                asyncio.run(a_day_of_readers(port, root, options.readers, options.hours, every)) for every in (5, 60)
            ]
    return {"rates": rates, "readers": population}


def shown(found: dict[str, Any]) -> str:
    lines = [
        "| | requests a second | nginx | share | CPU for one | nginx | times |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, rates in found["rates"].items():
        both = list(zip(rates["ours"], rates["nginx"], strict=False))
        cells = []
        for part, form in ((0, "{:,.0f}"), (1, "{:.1f} µs")):
            scale = 1e6 if part else 1
            cells.append(form.format(scale * median(each[part] for each in rates["ours"])))
            cells.append(form.format(scale * median(each[part] for each in rates["nginx"])) if both else "")
            cells.append(f"{median(mine[part] / other[part] for mine, other in both):.2f}" if both else "")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    for day in found["readers"]:
        lines.append(
            f"\nA day of readers, a change every {day['every']} minutes: {day['requests']:,} requests, "
            f"{day['share_304']:.0%} of the answers 304, {day['bytes'] / 1e6:,.0f} MB instead of "
            f"{day['bytes_without'] / 1e6:,.0f}."
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--readers", type=int, default=1000)
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--no-nginx", action="store_true")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--json", type=Path, help="write all figures there")
    options = parser.parse_args()
    found = measure(options)
    print(shown(found))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
