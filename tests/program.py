"""``digest``, or any function, in a process of its own that does not begin with loading it.

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
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


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
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.preloaded"])
    with tempfile.TemporaryDirectory() as folder:
        told = [Path(folder, name) for name in ("out", "err")]
        place = (cwd or Path.cwd(), dict(os.environ if env is None else env), *told)
        process = context.Process(target=_become, args=(place, function, args), daemon=True)
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(function.__name__, timeout)
        out, err = (path.read_text(encoding="utf-8") if path.exists() else "" for path in told)
    return subprocess.CompletedProcess(args, process.exitcode, out, err)


def _become(
    place: tuple[Path, dict[str, str], Path, Path], function: Callable[..., object], args: tuple[Any, ...]
) -> None:
    cwd, env, out, err = place
    for number, path, how in ((0, os.devnull, os.O_RDONLY), (1, out, os.O_WRONLY), (2, err, os.O_WRONLY)):
        file = os.open(path, how | os.O_CREAT, 0o600)
        os.dup2(file, number)
        os.close(file)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    function(*args)


def _digest(*words: str) -> None:
    sys.argv = ["digest", *words]
    runpy.run_module("digest", run_name="__main__", alter_sys=True)
