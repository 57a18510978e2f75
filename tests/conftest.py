"""What all tests share: databases to test on, and the rule about skipping."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.compiled import compile_templates_once
from tests.scale import scaled

# --------------------------------------------------------------- byte code

# Is kept, whatever the environment says: tests start the program hundreds of times, and each start would compile it
# again; so would each worker all the tests.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# ------------------------------------------------------------------ memory

MEMORY = Path("/dev/shm")
ROOM = 3 * 1024**3
"""Several times what all tests at once have ever had."""


def _work_in_memory() -> None:
    """Where there is plenty of room, tests write to memory. Stores and publishers sync all that they write, and tests
    make thousands of both: waiting for a disk was half of their time, and proves nothing that ends with a process.
    ``TMPDIR`` has the last word."""
    if "TMPDIR" in os.environ or "PYTEST_DEBUG_TEMPROOT" in os.environ or not MEMORY.is_dir():
        return
    there = os.statvfs(MEMORY)
    programs_run = not there.f_flag & getattr(os, "ST_NOEXEC", 0)  # some tests write programs
    if programs_run and os.access(MEMORY, os.W_OK) and there.f_bavail * there.f_frsize > ROOM:
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


_work_in_memory()

# -------------------------------------------------------------- properties

# For the whole suite: how long an example takes says something about the machine, and the same tests meet the same
# examples each time. What fails is printed so that it can be repeated. `make test-slow` asks for the thorough profile
# and has all properties tried once more, with half as many examples again.
settings.register_profile(
    "digest",
    deadline=None,
    derandomize=True,
    max_examples=scaled(25),
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", settings.get_profile("digest"), max_examples=scaled(40))
settings.load_profile("digest")

# ---------------------------------------------------------------- skipping


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """With ``DIGEST_NO_SKIPS`` set, a test that skips fails: a server that should have every program has not.
    The real posts are no program and may be missing; what root may do is no program either, nor is IPv6."""
    report = yield
    if os.environ.get("DIGEST_NO_SKIPS") and report.skipped and not hasattr(report, "wasxfail"):
        reason = str(call.excinfo.value) if call.excinfo else "skipped"
        if not any(words in reason for words in ("real posts", "root may", "no IPv6")):
            report.outcome = "failed"
            report.longrepr = f"DIGEST_NO_SKIPS is set, and this test skips: {reason}"
    return report


# ----------------------------------------------------------------- workers


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes long begins first, so that nobody waits for it alone at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
    if config.getoption("cov_source", None):
        _trace_less(items)


TRACED = 3
"""Of a test that is run with many values so many are traced: tracing takes as long as all else, and the others hardly
ever come to a line that none of these did."""


def _trace_less(items: list[pytest.Item]) -> None:
    seen: Counter[str] = Counter()
    for item in items:
        name = item.nodeid.partition("[")[0]
        seen[name] += 1
        if seen[name] > TRACED:
            item.add_marker(pytest.mark.no_cover)


def pytest_xdist_auto_num_workers() -> int:
    """For ``-n auto``: half as many workers again as there are processors; a third of the time tests wait."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return processors + (processors + 1) // 2


# --------------------------------------------------------------- templates


@pytest.fixture(scope="session", autouse=True)
def _templates_are_compiled_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        compile_templates_once(patch)
        yield


# ----------------------------------------------------------------- figures


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the fault tests counted, as a table: ``record_property("faults", line)``."""
    passed = terminalreporter.stats.get("passed", [])
    lines = sorted(line for report in passed for name, line in report.user_properties if name == "faults")
    if lines:
        titles = ("faults", "rows", "accepted", "twice", "lost", "in doubt", "arrived")
        terminalreporter.section("faults injected, and what became of the mail")
        terminalreporter.write_line(" " * 34 + "".join(f"{title:>10}" for title in titles))
        for line in lines:
            terminalreporter.write_line(line)


# -------------------------------------------------------------- real posts


@pytest.fixture(scope="session")
def real_posts() -> Path:
    """A folder of other people's sites, one a folder. Absent on most machines."""
    folder = Path(os.environ.get("DIGEST_REAL_POSTS") or Path(__file__).parents[2] / "shared" / "real-posts")
    if not folder.is_dir():
        pytest.skip("no folder of real posts (DIGEST_REAL_POSTS)")
    return folder


# --------------------------------------------------------------- databases


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A private PostgreSQL server, without TCP, in a temporary folder: the path of its socket's folder."""
    programs = _postgres_programs()
    if programs is None:
        pytest.skip("needs a PostgreSQL server: no initdb in PATH or /usr/lib/postgresql")
    with _folder_for_postgres() as folder, _running_postgres(programs, folder):
        yield str(folder)


_numbers = count(1)


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of a database on the private server that holds nothing."""
    with _postgres_database(postgres_server) as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a database file that does not exist yet."""
    return f"sqlite:///{tmp_path}/var/digest.db"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def bare_url(request: pytest.FixtureRequest) -> str:
    """The URL of a database that holds nothing, not even tables; once of each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty store, once of each kind; quicker than making one from nothing (``bare_url``)."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_store_url")
    else:
        url = request.getfixturevalue("_postgres_store")
        _empty(url)
        yield url


@pytest.fixture
def sqlite_store_url(empty_sqlite: Path, sqlite_url: str) -> str:
    """The URL of an empty store in a file; quicker than making one from nothing (``sqlite_url``)."""
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    path.parent.mkdir()
    shutil.copyfile(empty_sqlite, path)
    return sqlite_url


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store's file."""
    from digest.store import open_store

    path = tmp_path_factory.mktemp("empty") / "digest.db"
    open_store(f"sqlite:///{path}").close()
    return path


@pytest.fixture(scope="session")
def _postgres_store(postgres_server: str) -> Iterator[str]:
    """A store on the private server that tests use in turn."""
    from digest.store import open_store

    with _postgres_database(postgres_server) as url:
        open_store(url).close()
        yield url


def _empty(url: str) -> None:
    """Make a store as it was when it was new."""
    import psycopg

    from digest.store.versions import tables

    with psycopg.connect(url) as connection:
        for table in reversed(tables("postgresql")):
            keep = " WHERE kind <> 'all'" if table == "feed" else ""
            connection.execute(f"DELETE FROM {table}{keep}")
        connection.execute("UPDATE feed SET posts = 0, dirty = true")


@contextmanager
def _postgres_database(server: str) -> Iterator[str]:
    """A database of its own."""
    import psycopg

    name = f"test{next(_numbers)}"
    with psycopg.connect(host=server, user="digest", dbname="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield f"postgresql://digest@/{name}?host={server}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _postgres_programs() -> Path | None:
    """The folder of initdb and postgres: the one that PATH leads to, else Debian's newest."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return debian[-1].parent if debian else None


@contextmanager
def _folder_for_postgres() -> Iterator[Path]:
    """A folder with a short name (sockets have a limit), owned by whom the server runs as."""
    folder = Path(tempfile.mkdtemp(prefix="digest-pg-"))
    try:
        if _other_user():
            shutil.chown(folder, **_other_user())
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _other_user() -> dict[str, str]:
    """PostgreSQL refuses to run as root."""
    return {"user": "nobody", "group": "nogroup"} if os.geteuid() == 0 else {}


@contextmanager
def _running_postgres(programs: Path, folder: Path) -> Iterator[None]:
    other: dict[str, Any] = {**_other_user(), "extra_groups": ()} if _other_user() else {}
    data = folder / "data"
    initdb: list[str | Path] = [programs / "initdb", "-D", data, "-U", "digest", "-A", "trust", "-E", "UTF8"]
    initdb += ["--locale=C.UTF-8", "-N"]
    subprocess.run(initdb, check=True, capture_output=True, cwd=folder, **other)
    quiet = ["-c", "fsync=off", "-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}"]
    with Path(folder, "log").open("wb") as log:
        server = subprocess.Popen(
            [programs / "postgres", "-D", data, *quiet], cwd=folder, stdout=log, stderr=log, **other
        )
    try:
        _wait_for_postgres(server, folder)
        yield
    finally:
        server.send_signal(signal.SIGINT)  # a fast shutdown
        server.wait(timeout=30)


def _wait_for_postgres(server: subprocess.Popen[bytes], folder: Path) -> None:
    import psycopg

    for _ in range(300):
        try:
            psycopg.connect(host=str(folder), user="digest", dbname="postgres").close()
        except psycopg.OperationalError:
            assert server.poll() is None, Path(folder, "log").read_text()
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"PostgreSQL does not start: {Path(folder, 'log').read_text()}")
