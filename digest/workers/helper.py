"""What the second process does. It imports little, since it starts in the middle of a run."""

from __future__ import annotations

import gc
import os
import pickle
import sys
from contextlib import suppress

LENGTH = 8
"""Bytes that say how long the result after them is."""


def serve() -> None:
    """The helper's side: take the work, then chunks until there are none."""
    gc.set_threshold(100_000, 20, 20)  # results go away, nearly all else stays: little is garbage
    stream = sys.stdin.buffer
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints does not print into the results
    work = pickle.load(stream)  # noqa: S301 - from our own process
    with suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        while True:
            frame = pickle.dumps(work(pickle.load(stream)), protocol=5)  # noqa: S301
            out.write(len(frame).to_bytes(LENGTH, "big") + frame)
            out.flush()
