#!/usr/bin/env python3
"""Run one command and write what it cost as JSON: measure.py RESULT STDOUT STDERR COMMAND...

A program of its own because the kernel counts the memory of whoever starts a process as that process's peak: this
one is smaller than anything it measures. Peak memory is what ``wait4`` says (the largest single process) or, if the
command has workers, the largest sum of resident memory seen while they ran together (pages that they share count
for each, so it is an upper bound).
"""

from __future__ import annotations

import os
import sys
import threading
import time

PAUSE = 0.01
"""Seconds between two looks at the memory of workers."""
PAGE = os.sysconf("SC_PAGE_SIZE")


def descendants(pid: int) -> list[int]:
    """The process's children, their children, and so on; none where the system does not tell."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as listed:  # noqa: PTH123 - pathlib would triple the memory
            children = [int(child) for child in listed.read().split()]
    except OSError:
        return []
    return children + [below for child in children for below in descendants(child)]


def resident(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm") as found:  # noqa: PTH123
            return int(found.read().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


class Watch(threading.Thread):
    """Looks at the memory of a process and its workers until told to stop."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._stop_now = threading.Event()
        self.peak = 0

    def run(self) -> None:
        while not self._stop_now.wait(PAUSE):
            workers = descendants(self._pid)
            if workers:
                self.peak = max(self.peak, sum(map(resident, [self._pid, *workers])))

    def stop(self) -> None:
        self._stop_now.set()
        self.join()


def main() -> None:
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    result, stdout, stderr, *command = sys.argv[1:]
    written = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    actions = [(os.POSIX_SPAWN_OPEN, 1, stdout, written, 0o644), (os.POSIX_SPAWN_OPEN, 2, stderr, written, 0o644)]
    started = time.perf_counter()
    pid = os.posix_spawnp(command[0], command, os.environ, file_actions=actions)
    watch = Watch(pid)
    watch.start()
    _, status, used = os.wait4(pid, 0)
    wall = time.perf_counter() - started
    watch.stop()
    peak = max(used.ru_maxrss * (1 if sys.platform == "darwin" else 1024), watch.peak)
    with open(result, "w") as out:  # noqa: PTH123
        out.write(
            f'{{"code": {os.waitstatus_to_exitcode(status)}, "wall": {wall:.6f}, '
            f'"cpu": {used.ru_utime + used.ru_stime:.6f}, "peak": {peak}}}\n'
        )


if __name__ == "__main__":
    main()
