"""The progress bar: only on a terminal, only for work that takes a while."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

import pytest

from digest.cli import progress as bars

SCRIPT = """
import time
from digest.cli import progress
progress.PATIENCE = {patience}
with progress.terminal_progress(enabled={enabled}) as tell:
    for done in range(0, 101, 20):
        tell("reading posts", done, 100)
        time.sleep(0.15)
"""


def shown(patience: float, *, enabled: bool = True) -> str:
    """What a terminal gets to see."""
    leader, follower = pty.openpty()
    worker = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(patience=patience, enabled=enabled)],
        stderr=follower,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
    )
    os.close(follower)
    output = b""
    try:
        while chunk := os.read(leader, 65536):
            output += chunk
    except OSError:  # the other side is closed
        pass
    os.close(leader)
    assert worker.wait(timeout=60) == 0
    return output.decode()


def test_a_bar_appears_for_long_work() -> None:
    """It names the work and how far it is, and vanishes at the end."""
    output = shown(0.1)
    assert "reading posts" in output
    assert re.search(r"([4-9]|10)0%", output)


def test_no_bar_for_short_work_or_for_programs() -> None:
    """Nobody wants to see it flicker, or to find it in a log."""
    assert shown(60) == ""
    assert shown(0.1, enabled=False) == ""


def test_no_bar_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Standard error may be a file."""
    with bars.terminal_progress(enabled=True) as tell:
        tell("reading posts", 1, 2)
    assert capsys.readouterr().err == ""
