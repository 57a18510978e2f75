"""One post at which a step breaks costs nobody else's: whatever was not foreseen is caught here, and named.

What is foreseen has errors and refusals of its own, with better words; what comes by here is a fault of the program.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import TypeVar

from digest.errors import DigestError

T = TypeVar("T")
R = TypeVar("R")

REMEDY = "this should not happen: please report it, with the file"


def tried(act: Callable[[], R], fallen: Callable[[str], R]) -> R:
    """What ``act`` gives; if it breaks, what ``fallen`` makes of the reason. Raises DigestError alone, and what is no
    fault of anything, such as KeyboardInterrupt."""
    try:
        return act()
    except DigestError:
        raise
    except Exception as error:
        words = " ".join(str(error).split())[:200]
        return fallen(f"{type(error).__name__}{f': {words}' if words else ''} ({_place(error)})")


def _place(error: Exception) -> str:
    """Where it broke: the file and line of whoever mends it."""
    from traceback import extract_tb

    frame = extract_tb(error.__traceback__)[-1]
    return f"{PurePath(frame.filename).name}:{frame.lineno}"


def without_broken(things: Sequence[T], make: Callable[[Sequence[T]], R], tell: Callable[[T, str], None]) -> R:
    """What ``make`` gives of the things; if it breaks, of those with which it does not break. ``tell`` gets each of the
    others, and why. Raises what ``make`` does if none of them is to blame."""

    def is_sound(thing: T) -> bool:
        def broke(reason: str) -> bool:
            tell(thing, reason)
            return False

        return tried(lambda: [make([thing])] != [], broke)

    whole = tried(lambda: [make(things)], lambda reason: [])
    return whole[0] if whole else make([thing for thing in things if is_sound(thing)])
