"""``digest``, or any function, in a process of its own that does not begin with loading it.

Tests start the program hundreds of times, and most of that was importing. Here the process is forked from one that
has imported everything (``preloaded.py``) and does nothing else. It has its own memory, folder, environment, output
and exit code, and takes signals; what it has not is a start of Python. Tests of that, of what stands before the
command and of how much memory it takes start a real one.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any


def run_program(
    *words: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """As ``subprocess.run([sys.executable, "-m", "digest", *words], capture_output=True, text=True)``."""
    return run_forked(_digest, *words, cwd=cwd, env=env)


def run_forked(
    function: Callable[..., object],
    *args: Any,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 180,
) -> subprocess.CompletedProcess[str]:
    """Call a function of a module in a process of its own, and wait for its end."""
    with tempfile.TemporaryDirectory() as folder:
        told = [Path(folder, name) for name in ("out", "err")]
        process = _fork(function, args, *told, cwd=cwd, env=env)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        out, err = (path.read_text(encoding="utf-8") if path.exists() else "" for path in told)
    return subprocess.CompletedProcess(args, code, out, err)


class Forked:
    """What tests use of ``subprocess.Popen``."""

    def __init__(self, process: Any, stdout: IO[str] | None = None, stderr: IO[str] | None = None) -> None:
        self._process = process
        self.pid: int = process.pid
        self.stdout, self.stderr = stdout, stderr

    def poll(self) -> int | None:
        code: int | None = self._process.exitcode
        return code

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start_program(
    *words: str,
    out: Path | None = None,
    err: Path | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Forked:
    """As ``subprocess.Popen([sys.executable, "-m", "digest", *words], text=True)``: what it says goes to these files,
    or to pipes."""
    context = multiprocessing.get_context("forkserver")
    reading: list[IO[str] | None] = []
    told: list[Path | Connection] = []
    for path in (out, err):
        if path is not None:
            path.touch()
            told.append(path)
            reading.append(None)
        else:
            ours, theirs = context.Pipe(duplex=False)
            told.append(theirs)
            reading.append(os.fdopen(os.dup(ours.fileno()), encoding="utf-8"))
            ours.close()
    forked = _fork(_digest, words, *told, cwd=cwd, env=env)
    for end in told:
        if isinstance(end, Connection):
            end.close()
    forked.stdout, forked.stderr = reading
    return forked


def _fork(
    function: Callable[..., object],
    args: tuple[Any, ...],
    out: Path | Connection,
    err: Path | Connection,
    *,
    cwd: Path | None,
    env: Mapping[str, str] | None,
) -> Forked:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.preloaded"])
    place = (cwd or Path.cwd(), dict(os.environ if env is None else env), out, err)
    process = context.Process(target=_become, args=(place, function, args), daemon=True)
    process.start()
    return Forked(process)


def _become(
    place: tuple[Path, dict[str, str], Path | Connection, Path | Connection],
    function: Callable[..., object],
    args: tuple[Any, ...],
) -> None:
    cwd, env, out, err = place
    for number, end, how in ((0, Path(os.devnull), os.O_RDONLY), (1, out, os.O_WRONLY), (2, err, os.O_WRONLY)):
        file = os.open(end, how | os.O_CREAT, 0o600) if isinstance(end, Path) else end.fileno()
        os.dup2(file, number)
        os.close(file) if isinstance(end, Path) else end.close()
    # The streams at hand know what they led to when they were made, whether it was a file or a pipe.
    lines = 1 if "PYTHONUNBUFFERED" in env else -1
    out_stream = os.fdopen(1, "w", lines, encoding="utf-8", closefd=False)
    err_stream = os.fdopen(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)
    for name in ("{}", "__{}__"):
        setattr(sys, name.format("stdout"), out_stream)
        setattr(sys, name.format("stderr"), err_stream)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    function(*args)


def _digest(*words: str) -> None:
    sys.argv = ["digest", *words]
    runpy.run_module("digest", run_name="__main__", alter_sys=True)
