#!/usr/bin/env python3
"""Measure `digest deliver --once` beside Postfix's C sender `smtp-source`, in turn, into the same `smtp-sink`.

    delivery.py                                       10,000 readers, 1 and 10 connections, 1 and 2 workers, five rounds
    delivery.py --readers 1000 100000 --rounds 3
    delivery.py --memory /dev/shm --postgres postgresql://me@localhost/empty --json after.json

Both send as many messages over as many connections that stay; `smtp-source` sends the message of one reader again and
again. Ours looks each reader up again, makes and checks each message, and commits once a message before its end leaves.
So besides the store on disk there may be one on a memory disk (what is left without the wait), one on a server, and two
floors: `plain_sender.py`, which does in Python what `smtp-source` does, without and with one fdatasync a message.

Each run is checked: the sink took as many messages as there are readers, each row of the ledger is sent at the first
attempt. Figures are medians; ratios are taken round by round, so that a busy machine disturbs them little. Start-up
counts, and is told.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench import HERE, Cost, Series, machine, measure, seconds, write_figures
from checks import WorkNotDone
from make_archive import make_archive, write_archive

POSTS = 120
TARGETS = {1: (0.6, 0.9), 10: (0.35, 0.6)}
"""Of smtp-source's messages a second, by connections: what must hold, and what is aimed at."""
DISK = "SQLite, disk"
PLAIN, SYNCED = "plain Python", "with one fdatasync each"
"""What ``plain_sender.py`` does."""
BEGIN, END = "<!-- figures: written by benchmarks/delivery.py --write -->", "<!-- end of these figures -->"
PATIENCE = 30.0
CONFIG = """\
site:
  title: Benchmark
  url: https://posts.example.com
  language: zh-CN
  timezone: Asia/Shanghai
  author: Benchmark
posts:
  folder: posts
mail:
  transport: smtp
  host: 127.0.0.1
  port: {port}
  security: none
  connections: {connections}
  rate: 100000
  sender: Benchmark <digest@posts.example.com>
store: {store}
output: public
"""
_WAITING = (
    "UPDATE delivery SET state = 'queued', attempts = 0, doubts = 0, lease = 0, not_before = 1, lease_until = NULL, "
    "ended_at = NULL, reply_code = NULL, reply_text = '', queue_id = ''"
)
_FRESH = (_WAITING, "UPDATE edition SET state = 'frozen', reason = ''")
_LEDGER = "SELECT state, attempts, count(*) FROM delivery GROUP BY state, attempts"


def program(name: str) -> str | None:
    """One of Postfix's; they are not in everybody's PATH."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


# -------------------------------------------------------------------- store


@dataclass(frozen=True)
class Ledger:
    """A store in which an edition is frozen for all readers, and which can be made so again."""

    name: str
    folder: Path
    url: str

    def configure(self, port: int, connections: int) -> None:
        text = CONFIG.format(port=port, connections=connections, store=self.url)
        (self.folder / "config.yaml").write_text(text, encoding="utf-8")

    def refresh(self) -> None:
        """Everything waits again, nothing was tried."""
        kept, used = self.folder / "kept.db", self.folder / "digest.db"
        if self.is_file:
            used.with_name("digest.db-wal").unlink(missing_ok=True)
            used.with_name("digest.db-shm").unlink(missing_ok=True)
            shutil.copyfile(kept, used)
            with used.open("rb") as copied:
                os.fsync(copied.fileno())
        else:
            self.run(*_FRESH)
            self.run("VACUUM ANALYZE delivery")

    def keep(self) -> None:
        self.run(*_FRESH)
        if self.is_file:
            shutil.copyfile(self.folder / "digest.db", self.folder / "kept.db")

    def check(self, readers: int) -> None:
        found = self.run(_LEDGER)
        if found != [("sent", 1, readers)]:
            raise WorkNotDone(f"{self.name}: the ledger has {found}, not {readers} sent at once")

    @property
    def is_file(self) -> bool:
        return self.url.startswith("sqlite:")

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        """Each statement; the rows of the last one."""
        if self.is_file:
            with closing(sqlite3.connect(self.folder / "digest.db", isolation_level=None)) as connection:
                found = [connection.execute(statement).fetchall() for statement in statements][-1]
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return found
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            cursors = [connection.execute(statement) for statement in statements]  # type: ignore[arg-type]
            return cursors[-1].fetchall() if cursors[-1].description else []


@dataclass
class Prepared:
    """What it took to get there."""

    ledger: Ledger
    imported: Cost
    frozen: Cost


def prepare(folder: Path, name: str, url: str, readers: int, python: str) -> Prepared:
    """Posts, readers with proof of consent, and an edition frozen for them; no server is there yet, so all waits."""
    ledger = Ledger(name, folder, url)
    folder.mkdir(parents=True)
    write_archive(folder / "posts", make_archive(POSTS, 6, 1, 1))
    with closed_port() as port:
        ledger.configure(port, 1)
        table = folder / "readers.csv"
        table.write_text("address\n" + "".join(f"reader{number}@example.org\n" for number in range(readers)))
        proof = ["--consent", "form", "--consent-date", "2026-01-01", "--apply"]
        imported, _ = measure([python, "-m", "digest", "subscribers", "import", str(table), *proof], folder)
        frozen, _ = measure([python, "-m", "digest", "run"], folder, codes=(0, 1))  # 1: nobody takes the mail
    queued = ledger.run("SELECT count(*) FROM delivery")
    if queued != [(readers,)]:
        raise WorkNotDone(f"{name}: {queued[0][0]} deliveries for {readers} readers")
    ledger.keep()
    return Prepared(ledger, imported, frozen)


def fdatasync_cost(folder: Path, times: int = 200) -> float:
    """Seconds of one small write that is on disk when it returns; the median."""
    took = []
    path = folder / "fdatasync"
    with path.open("wb", buffering=0) as file:
        for _ in range(times):
            file.write(b"x" * 4096)
            begun = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - begun)
    path.unlink()
    return median(took)


# --------------------------------------------------------------------- sink


@contextmanager
def closed_port() -> Iterator[int]:
    """A port that refuses: it is taken, and nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


class Sink:
    """A running smtp-sink."""

    def __init__(self, port: int, said: Path) -> None:
        self.port = port
        self._said = said
        self._seen = 0

    def took(self, count: int) -> None:
        """Wait until it has counted so many more messages, and no more. Raises WorkNotDone."""
        deadline = time.monotonic() + PATIENCE
        while (counted := self._counted() - self._seen) < count and time.monotonic() < deadline:
            time.sleep(0.02)
        if counted != count:
            raise WorkNotDone(f"smtp-sink took {counted} messages, not {count}")
        self._seen += counted

    def _counted(self) -> int:
        with self._said.open("rb") as said:
            said.seek(max(self._said.stat().st_size - 200, 0))
            numbers = re.findall(rb"mesg=(\d+)\D", said.read())
        return int(numbers[-1]) if numbers else 0


@contextmanager
def sink(folder: Path, *options: str) -> Iterator[Sink]:
    """An smtp-sink on a free port, until the block ends."""
    with closed_port() as port:
        pass
    said = folder / "sink.txt"
    account = ["-u", "nobody"] if os.geteuid() == 0 else []
    command = [str(program("smtp-sink")), "-c", *account, *options, f"127.0.0.1:{port}", "1000"]
    with said.open("wb") as out, subprocess.Popen(command, stdout=out, cwd=folder) as process:
        try:
            _await(port, process)
            yield Sink(port, said)
        finally:
            process.terminate()


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as greeted:
                greeted.sendall(b"QUIT\r\n")
                while greeted.recv(100):
                    pass
                return
        except OSError:
            time.sleep(0.05)
    raise WorkNotDone("smtp-sink does not listen")


def sample(folder: Path, python: str) -> bytes:
    """One message as it is on the wire but for line ends, which are line feeds: one is sent, and the sink writes down
    what it got."""
    prepared = prepare(folder, "one reader", "sqlite:///digest.db", 1, python)
    dumps = folder / "dumps"
    dumps.mkdir()
    dumps.chmod(0o777)  # the sink is somebody else
    with sink(folder, "-d", f"{dumps}/%M.") as taking:
        prepared.ledger.configure(taking.port, 1)
        measure([python, "-m", "digest", "deliver", "--once"], folder)
        taking.took(1)
    [dump] = dumps.iterdir()
    ours = dump.read_bytes().replace(b"\r\n", b"\n")
    return ours[re.search(rb"^(?!X-|Received|[ \t])", ours, re.MULTILINE).start() :]  # type: ignore[union-attr]


# ----------------------------------------------------------------- measuring


@dataclass
class Case:
    """One store, so many workers with so many connections each."""

    ledger: Ledger
    readers: int
    connections: int
    workers: int
    ours: Series = field(default_factory=Series)
    idle: Series = field(default_factory=Series)
    """With nothing to send."""
    theirs: Series = field(default_factory=Series)
    floors: dict[str, Series] = field(default_factory=dict)

    def round(self, taking: Sink, message: Path, python: str) -> None:
        """All senders once, in turn."""
        every, folder = self.connections * self.workers, self.ledger.folder
        shape = ["-d", "-s", str(every), "-m", str(self.readers), "-F", str(message)]
        who = ["-f", "digest@posts.example.com", "-t", "reader@example.org", f"127.0.0.1:{taking.port}"]
        self.theirs.costs.append(measure([str(program("smtp-source")), *shape, *who], folder)[0])
        taking.took(self.readers)
        self.ledger.refresh()
        self.ledger.configure(taking.port, self.connections)
        deliver = [python, "-m", "digest", "deliver", "--once"]
        self.ours.costs.append(together(deliver, self.workers, folder))
        taking.took(self.readers)
        self.ledger.check(self.readers)
        self.idle.costs.append(together(deliver, 1, folder))
        for name, floor in self.floors.items():
            plain = [sys.executable, str(HERE / "plain_sender.py"), str(taking.port), str(self.readers), str(message)]
            sync = ["--sync", str(folder / "note")] if name == SYNCED else []
            floor.costs.append(measure([*plain, str(every), *sync], folder)[0])
            taking.took(self.readers)

    def ratio(self) -> float:
        """Our messages a second as a part of theirs."""
        return self.theirs.times(self.ours)

    def to_json(self) -> dict[str, Any]:
        wall = self.ours.middle(lambda cost: cost.wall)
        return {
            "store": self.ledger.name,
            "readers": self.readers,
            "connections": self.connections,
            "workers": self.workers,
            "rate": round(self.readers / wall, 1),
            "source_rate": round(self.readers / self.theirs.middle(lambda cost: cost.wall), 1),
            "ratio": round(self.ratio(), 3),
            "idle": self.idle.middle(lambda cost: cost.wall),
            "floors": {
                name: round(self.readers / floor.middle(lambda cost: cost.wall), 1)
                for name, floor in self.floors.items()
            },
            "cpu_each": self.ours.middle(lambda cost: cost.cpu) / self.readers,
            "peak": int(self.ours.middle(lambda cost: cost.peak)),
        }


def together(command: Sequence[str], workers: int, folder: Path) -> Cost:
    """The same command several times at once: until the last one ends, CPU of all, memory of the largest."""
    places = [folder / f"worker{number}" for number in range(workers)]
    started = []
    begun = time.perf_counter()
    for place in places:
        place.mkdir(exist_ok=True)
        files = [str(place / name) for name in ("cost.json", "stdout", "stderr")]
        meter = [sys.executable, "-I", "-S", str(HERE / "measure.py"), *files, *command]
        started.append(subprocess.Popen(meter, cwd=folder))
    for each in started:
        each.wait()
    wall = time.perf_counter() - begun
    costs = [json.loads((place / "cost.json").read_text()) for place in places]
    for place, cost in zip(places, costs, strict=True):
        if cost["code"] != 0:
            raise WorkNotDone(f"a worker ended with {cost['code']}: {(place / 'stderr').read_text()[-500:]}")
    return Cost(wall=wall, cpu=sum(cost["cpu"] for cost in costs), peak=max(cost["peak"] for cost in costs))


@dataclass(frozen=True)
class Options:
    readers: tuple[int, ...] = (10_000,)
    connections: tuple[int, ...] = (1, 10)
    workers: tuple[int, ...] = (1, 2)
    rounds: int = 5
    python: str = sys.executable
    disk: Path | None = None
    memory: Path | None = None
    postgres: str | None = None


def delivery(options: Options) -> dict[str, Any]:
    """All cases, in turn; see ``Case.to_json``. Raises WorkNotDone."""
    with tempfile.TemporaryDirectory(prefix="digest-delivery-", dir=options.disk) as made:
        disk = Path(made)
        disk.chmod(0o755)
        message = disk / "message"
        message.write_bytes(text := sample(disk / "one", options.python))
        stores = [(DISK, disk, "sqlite:///digest.db")]
        with tempfile.TemporaryDirectory(prefix="digest-delivery-", dir=options.memory) as fast:
            if options.memory:
                stores.append(("SQLite, memory disk", Path(fast), "sqlite:///digest.db"))
            if options.postgres:
                stores.append(("PostgreSQL", disk / "postgres", options.postgres))
            prepared = []
            cases: list[Case] = []
            for name, folder, url in stores:
                for readers in options.readers if url.startswith("sqlite:") else options.readers[:1]:
                    each = prepare(folder / str(readers), name, url, readers, options.python)
                    prepared.append((readers, each))
                    cases += [
                        Case(each.ledger, readers, connections, workers, floors=floors(name, workers))
                        for connections in options.connections
                        for workers in options.workers
                    ]
            syncs = []
            with sink(disk) as taking:
                for _ in range(options.rounds):
                    syncs.append(fdatasync_cost(disk))
                    for case in cases:
                        case.round(taking, message, options.python)
            return {
                "message": len(text) + text.count(b"\n"),
                "rounds": options.rounds,
                "fdatasync": median(syncs),
                "prepared": [_preparation(readers, each) for readers, each in prepared],
                "cases": [case.to_json() for case in cases],
            }


def floors(store: str, workers: int) -> dict[str, Series]:
    """They have no store: once is enough."""
    return (
        {PLAIN: Series(), SYNCED: Series()}
        if store.endswith(" disk") and "memory" not in store and workers == 1
        else {}
    )


def _preparation(readers: int, prepared: Prepared) -> dict[str, Any]:
    return {
        "store": prepared.ledger.name,
        "readers": readers,
        **{
            what: {"wall": cost.wall, "cpu": cost.cpu, "peak": cost.peak}
            for what, cost in (("import", prepared.imported), ("freeze", prepared.frozen))
        },
    }


# ------------------------------------------------------------------- tables


def verdict(case: dict[str, Any]) -> tuple[str, str, str]:
    """What must hold, what is aimed at, and what came of it: for one worker on a disk or server."""
    if case["workers"] != 1 or case["connections"] not in TARGETS or "memory" in case["store"]:
        return "", "", ""
    must, aim = TARGETS[case["connections"]]
    return (
        str(must),
        str(aim),
        "aim reached" if case["ratio"] >= aim else "holds" if case["ratio"] >= must else "missed",
    )


def table(figures: dict[str, Any]) -> list[str]:
    """As lines of Markdown."""
    idle = median(case["idle"] for case in figures["cases"])
    told = (
        f"Messages of {figures['message'] / 1000:.0f} KB; one fdatasync on this disk: {seconds(figures['fdatasync'])}; "
        f"start-up, which counts: {seconds(idle)}."
    )
    heading = (
        "store, readers, workers, connections each, messages a second, smtp-source, ×, must, aim, , CPU each, peak"
    )
    lines = [f"{told} Medians of {figures['rounds']}.", "", f"| {heading.replace(', ', ' | ')} |", "|---" * 12 + "|"]
    for case in figures["cases"]:
        cells = (
            *(case["store"], f"{case['readers']:,}", case["workers"], case["connections"], f"{case['rate']:,.0f}"),
            *(f"{case['source_rate']:,.0f}", f"{case['ratio']:.2f}", *verdict(case), seconds(case["cpu_each"])),
            f"{case['peak'] >> 20} MiB",
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    lines += ["", f"| messages a second, connections | smtp-source | {PLAIN} | {SYNCED} | digest |", "|---" * 5 + "|"]
    for case in (each for each in figures["cases"] if each["floors"]):
        rates = (case["source_rate"], case["floors"][PLAIN], case["floors"][SYNCED], case["rate"])
        lines.append(f"| {case['connections']} | {' | '.join(f'{rate:,.0f}' for rate in rates)} |")
    lines += ["", "| store | readers | import | peak | run that freezes | peak |", "|---|---:|---:|---:|---:|---:|"]
    for each in figures["prepared"]:
        costs = [f"{seconds(each[what]['wall'])} | {each[what]['peak'] >> 20} MiB" for what in ("import", "freeze")]
        lines.append(f"| {each['store']} | {each['readers']:,} | {' | '.join(costs)} |")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure digest deliver beside smtp-source.")
    parser.add_argument("--readers", type=int, nargs="+", default=[10_000])
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--python", default=sys.executable, help="the Python that has the digest to measure")
    parser.add_argument("--disk", type=Path, help="folder on the disk to measure (the system's temporary one)")
    parser.add_argument("--memory", type=Path, help="folder on a memory disk, to measure there too (/dev/shm)")
    parser.add_argument("--postgres", help="URL of an empty database, to measure there too, with the first audience")
    parser.add_argument("--json", type=Path, help="save the figures")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the figures into this Markdown file")
    given = parser.parse_args()
    if not (program("smtp-sink") and program("smtp-source")):
        print("smtp-sink and smtp-source are not installed (Debian: postfix)", file=sys.stderr)
        return 2
    options = Options(
        readers=tuple(given.readers),
        connections=tuple(given.connections),
        workers=tuple(given.workers),
        rounds=given.rounds,
        python=given.python,
        disk=given.disk,
        memory=given.memory,
        postgres=given.postgres,
    )
    about = machine()
    try:
        figures = delivery(options)
    except WorkNotDone as error:
        print(f"the work was not done: {error}", file=sys.stderr)
        return 1
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    told = "\n".join(table(figures)) + "\n"
    if given.write:
        where = f"{about['date'][:10]}, {about['processors']} processors, load {about['load'][0]}"
        write_figures(given.write, f"{where}. {told}", BEGIN, END)
    print(told)
    return 0


if __name__ == "__main__":
    sys.exit(main())
