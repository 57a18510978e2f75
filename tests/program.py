"""``digest`` in a process of its own that does not begin with loading it.

Tests start the program hundreds of times, and most of that was importing. Here the process is forked from one that
has imported everything (``preloaded.py``) and does nothing else. It has its own memory, folder, environment, output
and exit code; what it has not is a start of Python. Tests of that, of signals and of what stands before the command
start a real one.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path


def run_program(
    *words: str, cwd: Path | None = None, env: Mapping[str, str] | None = None, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """As ``subprocess.run([sys.executable, "-m", "digest", *words], capture_output=True, text=True)``."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.preloaded"])
    with tempfile.TemporaryDirectory() as folder:
        told = [Path(folder, name) for name in ("out", "err")]
        given = (words, cwd or Path.cwd(), dict(os.environ if env is None else env), *told)
        process = context.Process(target=_become, args=given, daemon=True)
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(list(words), timeout)
        out, err = (path.read_text(encoding="utf-8") if path.exists() else "" for path in told)
    return subprocess.CompletedProcess(list(words), process.exitcode, out, err)


def _become(words: tuple[str, ...], cwd: Path, env: dict[str, str], out: Path, err: Path) -> None:
    for number, path, how in ((0, os.devnull, os.O_RDONLY), (1, out, os.O_WRONLY), (2, err, os.O_WRONLY)):
        file = os.open(path, how | os.O_CREAT, 0o600)
        os.dup2(file, number)
        os.close(file)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    sys.argv = ["digest", *words]
    runpy.run_module("digest", run_name="__main__", alter_sys=True)
