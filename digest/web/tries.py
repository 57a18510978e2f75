"""How often somebody tried something lately."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable


class Tries:
    """Tries within the last ``seconds``, of ``each`` one and of ``all``. No more are kept than are allowed. May be used
    by several threads; ``ticks`` gives seconds that never go back."""

    def __init__(self, *, each: int, all: int, seconds: float, ticks: Callable[[], float]) -> None:
        self._each = each
        self._all = all
        self._seconds = seconds
        self._ticks = ticks
        self._turn = threading.Lock()
        self._tries: deque[tuple[float, str]] = deque()
        self._counts: Counter[str] = Counter()

    def are_too_many(self, who: str) -> bool:
        """Whether one more would be."""
        with self._turn:
            return self._is_full(who)

    def note(self, who: str) -> bool:
        """One more. False if that is too many."""
        with self._turn:
            if self._is_full(who):
                return False
            self._tries.append((self._ticks(), who))
            self._counts[who] += 1
            return True

    def _is_full(self, who: str) -> bool:
        while self._tries and self._tries[0][0] <= self._ticks() - self._seconds:
            _, gone = self._tries.popleft()
            self._counts[gone] -= 1
            if not self._counts[gone]:
                del self._counts[gone]
        return self._counts[who] >= self._each or len(self._tries) >= self._all
