"""A run in a process of its own, for a service that goes on: the web server does not wait for it, and the memory it
takes is given back when it ends.

    service --(settings and order, pickled, stdin)--> child --(report or error, pickled, stdout)--> service

The child is a fresh interpreter, not a fork, so it inherits no lock, connection or thread.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from digest.errors import DigestError

if TYPE_CHECKING:
    from digest.app.running import RunOrder
    from digest.config import Settings
    from digest.jobs.run import RunReport

_BOOT = "import sys, pickle; sys.path[:] = pickle.load(sys.stdin.buffer); from digest.service.child import main; main()"
_SLICE = 1.0
"""Seconds between two looks at the stop flag."""
_GRACE = 5.0
"""Seconds that a run has to end by itself when it is told to."""


class RunBroken(DigestError):
    """The child ended without a word."""


class RunStopped(DigestError):
    """The run ended because the service was told to stop: no fault of anybody's."""


def run_in_child(
    settings: Settings, order: RunOrder, *, stop: threading.Event, alive: Callable[[], None] = lambda: None
) -> RunReport:
    """Carry out a run. Calls ``alive`` once a second while it lasts; when ``stop`` is set, the run ends between two
    steps, and what is left is for the next one. Raises what the run raised, RunBroken, and RunStopped if it ended
    early because of ``stop``."""
    process = subprocess.Popen(  # noqa: S603 - ourselves
        [sys.executable, "-c", _BOOT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        process_group=0,  # Ctrl-C is for the service, which tells us
    )
    said = _Conversation(process, [sys.path, (settings, order)])
    told = False
    left = _GRACE
    try:
        while not said.over.wait(_SLICE if not told else 0.1):
            alive()
            if stop.is_set() and not told:
                process.terminate()
                told = True
            elif told:
                left -= 0.1
                if left <= 0:
                    process.kill()
    except BaseException:
        process.kill()
        raise
    finally:
        code = process.wait()
        said.join()
    try:
        return _answer(said.answer, code)
    except RunBroken as error:
        if told:  # before it could listen, or it was killed because it did not
            raise RunStopped(error.subject, error.cause, error.remedy) from error
        raise


def _answer(data: bytes, code: int) -> RunReport:
    from digest.jobs.run import RunReport

    try:
        answer = pickle.loads(data)  # noqa: S301 - from our own process
    except (EOFError, pickle.UnpicklingError) as error:
        if code < 0:
            name = signal.Signals(-code).name if -code in signal.valid_signals() else f"signal {-code}"
            raise RunBroken("run", f"it was ended by {name}", "the next one makes up for it") from error
        raise RunBroken("run", f"it broke off with code {code}", "see the lines above; please report it") from error
    if isinstance(answer, RunReport):
        return answer
    assert isinstance(answer, BaseException)
    raise answer


class _Conversation:
    """Writes the question and reads the answer, in a thread: neither side may wait for the other."""

    def __init__(self, process: subprocess.Popen[bytes], frames: list[object]) -> None:
        self.answer = b""
        self.over = threading.Event()
        self._process = process
        self._frames = frames
        self._thread = threading.Thread(target=self._talk, name="run", daemon=True)
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def _talk(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            with self._process.stdout as out:
                try:
                    with self._process.stdin as into:
                        for frame in self._frames:
                            pickle.dump(frame, into, protocol=5)
                except BrokenPipeError:
                    pass  # it is dead; its code says why
                self.answer = out.read()
        finally:
            self.over.set()


def main() -> None:
    """The child's side."""
    import gc

    gc.set_threshold(100_000, 20, 20)  # nearly all that a run makes stays until its end
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints does not print into the answer
    answer: object
    try:
        signal.signal(signal.SIGTERM, _interrupted)
        answer = _run()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it is over
    except DigestError as error:
        answer = error
    except KeyboardInterrupt:
        answer = RunStopped("run", "it was told to stop", "the next one makes up for it")
    try:
        with out:
            pickle.dump(answer, out, protocol=5)
    except BrokenPipeError:
        os._exit(1)  # the service is gone


def _run() -> RunReport:
    settings, order = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own process
    from digest.app.running import run_order
    from digest.app.secret import secrets_of
    from digest.service import logs

    logs.set_up(os.environ, secrets_of(settings))
    return run_order(settings, order)


def _interrupted(number: int, frame: object) -> None:
    raise KeyboardInterrupt
