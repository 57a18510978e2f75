"""What every command has in common."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import digest
from digest.cli import COMMANDS, _say_system
from tests.program import run_program


def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "digest", *words], capture_output=True, text=True, cwd=cwd, timeout=180
    )


def test_help_lists_every_command(tmp_path: Path) -> None:
    """With its line; the modules behind are not imported for it."""
    done = run("--help", cwd=tmp_path)
    assert done.returncode == 0
    for name in COMMANDS:
        assert f"  {name} " in done.stdout


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_and_an_example(name: str, tmp_path: Path) -> None:
    """One sentence, an example, its options."""
    done = run_program(name, "--help", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Options:" in done.stdout or "Commands:" in done.stdout
    assert "xample" in done.stdout


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    """Start-up stays quick."""
    heavy = {"psycopg", "lxml", "jinja2", "bs4", "feedgen", "babel", "yaml", "msgspec", "rich", "email.message"}
    script = (
        "import sys\nfrom digest.cli import main\ntry: main(['--help'])\n"
        "except SystemExit: pass\nprint(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, timeout=180)
    assert not heavy & set(done.stderr.split())


def test_version_and_misuse(tmp_path: Path) -> None:
    """Exit code 2 for what is not understood."""
    assert digest.__version__ in run("--version", cwd=tmp_path).stdout
    done = run("no-such-command", cwd=tmp_path)
    assert done.returncode == 2
    assert "'no-such-command' is no command; there are init, run, " in done.stderr
    assert run("run", cwd=tmp_path).returncode == 2, "there is no config.yaml"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("rnu",), "'rnu' is no command; did you mean run?"),
        (("Status",), "'Status' is no command; did you mean status?"),
        (("subscribers", "lsit"), "'lsit' is no command; did you mean list?"),
        (("\x1b[31mrun\u202e",), r"'\x1b[31mrun\u202e' is no command; "),
    ],
)
def test_a_slip_is_told_what_is_meant(words: tuple[str, ...], hint: str, tmp_path: Path) -> None:
    done = run_program(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert hint in done.stderr


def test_a_reader_that_has_seen_enough_ends_it(tmp_path: Path) -> None:
    """As it ends other programs: by SIGPIPE, without a word."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "digest", "--help"], stdout=closed, stderr=subprocess.PIPE, cwd=tmp_path, timeout=60
        )
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, b"")


STOPPED = """
import os, signal
from digest import cli
from digest.app import running
signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be started with it ignored
def stopped(*_, **__):
    os.kill(os.getpid(), signal.{name})
    signal.pause()
running.run_once = stopped
cli.main(["run"])
"""


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_run_that_is_cut_short_says_by_what(name: str, code: int, tmp_path: Path) -> None:
    """128 and the signal's number, as a shell would say it."""
    script = STOPPED.format(name=name)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert (done.returncode, done.stderr.strip()) == (code, "digest: stopped")


WORKING = """
import os, signal
from zoneinfo import ZoneInfo
from digest import cli
from digest.app import sending
from digest.jobs.delivery.deliver import DeliveryReport
def work(config, *, stop, **_):
    for _ in range({times}):
        os.kill(os.getpid(), signal.{name})
    assert stop()
    return DeliveryReport(), ZoneInfo("UTC")
sending.work = work
cli.main(["deliver"])
"""


@pytest.mark.parametrize(
    ("name", "times", "code"), [("SIGTERM", 1, 0), ("SIGINT", 1, 0), ("SIGTERM", 2, 143), ("SIGINT", 2, 130)]
)
def test_a_worker_that_is_told_twice_leaves_at_once(name: str, times: int, code: int, tmp_path: Path) -> None:
    """Told once it ends in order."""
    script = WORKING.format(name=name, times=times)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == code, done.stderr
    assert "once more to leave at once" in done.stderr


def test_errors_of_the_system_are_told_as_what_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """Room is made where it helps."""
    for number, line in (
        (errno.EINVAL, "digest: a.txt: invalid argument"),
        (errno.ENOSPC, "digest: a.txt: no space left on device; make room"),
        (errno.EROFS, "digest: a.txt: read-only file system; the file system is read-only: name another place, "),
    ):
        _say_system(OSError(number, os.strerror(number), "a.txt"))
        assert capsys.readouterr().err.startswith(line)
        assert ("make room" in line) is (number == errno.ENOSPC)


def test_what_is_foreign_does_not_act_on_a_terminal(tmp_path: Path) -> None:
    """Names of files with escapes and overrides are shown, not obeyed."""
    done = run("run", "--config", "a\x1b[2J\u202etxt.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert r"a\x1b[2J\u202etxt.yaml" in done.stderr


def test_every_command_says_how_it_ends() -> None:
    """One table has a row for each, in the order of the help."""
    page = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE) == list(COMMANDS)
