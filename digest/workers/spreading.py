"""A second process for work that is plentiful and pure, such as reading an archive of posts.

    this process --(pickled chunks, stdin)--> helper --(pickled results, stdout)--> this process

Results come in the order of the chunks, and are the same with and without a helper. A helper that cannot be started,
dies or fails costs time, never a result: what it was given is done here. It is a fresh interpreter, not a fork, so it
inherits no lock, connection or thread, and it ends when its standard input does, that is, at the latest with us.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import IO, Any, TypeVar

from digest.workers.helper import LENGTH

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 64
"""Chunks that may be done before the first of them is asked for; bounds memory."""
_GIVEN = 24
"""Chunks that the helper has at most: enough for a while in which this process does something else."""
_BOOT = (
    "import sys, pickle; sys.path[:] = pickle.load(sys.stdin.buffer); from digest.workers.helper import serve; serve()"
)  # fmt: skip
_PIPE = 512 * 1024
"""Bytes that may wait in a pipe (on Linux), so that nobody waits for the other to take what it is given."""


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def spread(work: Callable[[T], R], chunks: Sequence[T]) -> Generator[R, None, None]:
    """``work`` of every chunk, in their order, shared with a helper process. ``work`` must be pure and picklable, as
    must be chunks and results; what it raises here is raised here."""
    with_helper = _Spread(work, chunks)
    try:
        yield from with_helper.results()
    finally:
        with_helper.close()


class _Spread:
    """Who does which chunk."""

    def __init__(self, work: Callable[[T], R], chunks: Sequence[T]) -> None:
        self._work: Callable[[Any], Any] = work
        self._chunks: Sequence[Any] = chunks
        self._helper = _Helper.start(work)
        self._next = 0
        """The first chunk that nobody took."""
        self._given: list[int] = []
        """Chunks at the helper, in the order in which they will come back."""
        self._done: dict[int, Any] = {}

    def results(self) -> Iterator[Any]:
        for number in range(len(self._chunks)):
            while number not in self._done:
                self._feed(number)
                self._receive(wait=False)
                if number not in self._done:
                    self._do_something(number)
            yield self._done.pop(number)

    def close(self) -> None:
        if self._helper is not None:
            self._helper.close()

    def _feed(self, number: int) -> None:
        """Keep the helper busy, but leave enough of the rest to share it evenly."""
        while self._helper is not None and self._may_take(number):
            left = len(self._chunks) - self._next
            if len(self._given) >= min(_GIVEN, 1 + left // 3):
                return
            if not self._helper.give(self._chunks[self._next]):
                self._lose()
                return
            self._given.append(self._next)
            self._next += 1

    def _may_take(self, number: int) -> bool:
        return self._next < min(len(self._chunks), number + _AHEAD)

    def _do_something(self, number: int) -> None:
        """The chunk that is waited for if nobody has it, else the next one, else wait for the helper."""
        if number >= self._next or number not in self._given:
            self._done[number] = self._work(self._chunks[number])
            self._next = max(self._next, number + 1)
        elif self._may_take(number):
            taken, self._next = self._next, self._next + 1
            self._done[taken] = self._work(self._chunks[taken])
        else:
            self._receive(wait=True)

    def _receive(self, *, wait: bool) -> None:
        while self._helper is not None and self._given:
            frame = self._helper.take(wait=wait)
            if frame is None:
                return
            if not frame:
                self._lose()
                return
            self._done[self._given.pop(0)] = pickle.loads(frame)  # noqa: S301 - from our own process
            wait = False

    def _lose(self) -> None:
        """The helper is gone; what it had is for us to do."""
        self.close()
        self._helper = None
        self._given.clear()


class _Helper:
    """The other process, seen from this one."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._to: IO[bytes] = process.stdin
        self._frames: SimpleQueue[bytes] = SimpleQueue()
        """Results as they came; an empty one means that there will be no more."""
        self._reader = threading.Thread(target=self._read, args=(process.stdout,), daemon=True)
        self._reader.start()

    @classmethod
    def start(cls, work: Callable[[T], R]) -> _Helper | None:
        """None if there can be none."""
        if not sys.executable:
            return None
        try:
            process = subprocess.Popen(  # noqa: S603 - ourselves
                [sys.executable, "-c", _BOOT],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pipesize=_PIPE,
            )
        except OSError:
            return None
        helper = cls(process)
        if helper.give(sys.path) and helper.give(work):
            return helper
        helper.close()
        return None

    def give(self, value: object) -> bool:
        """False if it is gone."""
        try:
            pickle.dump(value, self._to, protocol=5)
            self._to.flush()
        except OSError:
            return False
        return True

    def take(self, *, wait: bool) -> bytes | None:
        """The next result, pickled; empty if the helper is gone, None if it is not there yet."""
        try:
            return self._frames.get(block=wait)
        except Empty:
            return None

    def close(self) -> None:
        self._process.kill()
        with suppress(OSError):  # what was still to be written is for nobody
            self._to.close()
        self._process.wait()
        self._reader.join()

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            while True:
                length = int.from_bytes(stream.read(LENGTH), "big")
                frame = stream.read(length)
                if not length or len(frame) < length:
                    self._frames.put(b"")
                    return
                self._frames.put(frame)
