"""Work shared with a helper process: the same results in the same order, whatever happens to the helper."""

from __future__ import annotations

import os
import pickle
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from digest.errors import ConfigError, PermanentFailure, SourceError
from digest.workers.spreading import processors, spread

CHUNKS = [list(range(start, start + 5)) for start in range(0, 1000, 5)]


def squares(numbers: Sequence[int]) -> list[int]:
    return [number * number for number in numbers]


@dataclass(frozen=True)
class WhereDone:
    """Says which process did a chunk, so that a test knows that both did some."""

    home: int

    def __call__(self, numbers: Sequence[int]) -> bool:
        sum(number * number for number in range(20_000))
        return os.getpid() == self.home


@dataclass(frozen=True)
class Fatal:
    """Work at which every process but its home ends at once."""

    home: int
    after: int

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        if os.getpid() != self.home and numbers[0] >= self.after:
            os.kill(os.getpid(), signal.SIGKILL)
        return squares(numbers)


@dataclass(frozen=True)
class Failing:
    def __call__(self, numbers: Sequence[int]) -> list[int]:
        if 500 in numbers:
            raise ValueError("no")
        return squares(numbers)


@dataclass(frozen=True)
class Printing:
    def __call__(self, numbers: Sequence[int]) -> list[int]:
        print("noise")
        return squares(numbers)


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The helper can import this module under the name that pickle gives it."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


EXPECTED = [squares(chunk) for chunk in CHUNKS]


@pytest.mark.parametrize("work", [squares, Printing(), Fatal(os.getpid(), 0), Fatal(os.getpid(), 300)])
def test_results_come_complete_and_in_order(work: Callable[[Sequence[int]], list[int]]) -> None:
    """Also if the helper prints, or is killed at its first chunk or in the middle."""
    assert list(spread(work, CHUNKS)) == EXPECTED


def test_both_processes_work() -> None:
    """Neither of them does everything."""
    assert set(spread(WhereDone(os.getpid()), CHUNKS)) == {True, False}


def test_what_work_raises_is_raised_here() -> None:
    """An error is the caller's to see, wherever it happened first."""
    with pytest.raises(ValueError, match="no"):
        list(spread(Failing(), CHUNKS))


@pytest.mark.parametrize("executable", ["", "/nonexistent/python", "/bin/false"])
def test_no_helper_no_difference(executable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no second interpreter can be started, this process does it all."""
    monkeypatch.setattr(sys, "executable", executable)
    assert list(spread(squares, CHUNKS)) == EXPECTED


def children() -> set[str]:
    """Processes that this one has started; a server for other tests may be among them."""
    return {
        child
        for tasks in Path("/proc/self/task").glob("*/children")
        for child in tasks.read_text(encoding="ascii").split()
    }


@pytest.mark.skipif(not list(Path("/proc/self/task").glob("*/children")), reason="needs Linux's list of children")
def test_work_that_was_left_half_way_leaves_no_process() -> None:
    """A consumer that stops early closes the helper."""
    before = children()
    stream = spread(squares, CHUNKS)
    assert next(stream) == EXPECTED[0]
    stream.close()
    assert children() == before


def test_nothing_to_do() -> None:
    assert list(spread(squares, [])) == []


def test_processors_are_those_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """At least one; by the count of all where the system does not tell which are ours."""
    assert processors() >= 1
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert processors() == 1


@pytest.mark.parametrize(
    "error",
    [
        SourceError("a.md", "is gone", "look"),
        ConfigError("x", "y", problems=("a", "b")),
        PermanentFailure("host", "refused"),
    ],
)
def test_errors_travel(error: SourceError) -> None:
    """An error that comes from another process says what it said there."""
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.__dict__) == (type(error), str(error), error.__dict__)
