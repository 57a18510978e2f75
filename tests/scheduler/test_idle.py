"""What digest serve costs while nothing happens, with 17,000 posts."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest

from tests.scheduler.serve_process import get, serving, until, write_site

POSTS = 17_000
MEGABYTE = 1024 * 1024


def usage(process: int) -> tuple[int, float]:
    """Bytes in memory, and seconds of processor time of the process and of those that it waited for."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(") ")[2].split()
    ticks = sum(int(field) for field in fields[11:15])
    return int(fields[21]) * os.sysconf("SC_PAGE_SIZE"), ticks / os.sysconf("SC_CLK_TCK")


def wait_until_alone(pid: int) -> None:
    """Until a process has had no children for a while: what they used counts when they end."""
    deadline, quiet_since = time.monotonic() + 120, time.monotonic()
    while time.monotonic() - quiet_since < 5:
        assert time.monotonic() < deadline
        if any(each.read_text() for each in Path(f"/proc/{pid}/task").glob("*/children")):
            quiet_since = time.monotonic()
        time.sleep(0.2)


def one_run(folder: Path) -> float:
    """Seconds of processor time that a run takes which looks for itself and finds nothing new."""
    command = [sys.executable, "-m", "digest", "run", "--config", str(folder / "beside.yaml")]
    with (folder / "beside.txt").open("wb") as said:
        process = os.posix_spawn(
            sys.executable,
            command,
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, said.fileno(), 1), (os.POSIX_SPAWN_DUP2, said.fileno(), 2)],
        )
        _, status, used = os.wait4(process, 0)
    assert status == 0, (folder / "beside.txt").read_text(encoding="utf-8")
    return used.ru_utime + used.ru_stime


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_it_idles_in_little_memory_and_time(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """Under 150 MB, and in five minutes, the run of every five minutes included, at most seven times what one run
    takes that finds nothing: on an idle machine of today 1 % of a processor."""
    write_site(tmp_path, posts=0)
    for number in range(POSTS):
        day = f"2026-{1 + number % 10:02}-{1 + number // 10 % 28:02}"
        (tmp_path / "posts" / "_posts" / f"{day}-{number}.md").write_text(
            f"---\ntitle: 标题 {number}\ndate: {day} 08:00:00 +0800\ncategories: c{number % 40}\n---\n> 摘要。\n",
            encoding="utf-8",
        )
    (tmp_path / "beside.yaml").write_text(
        (tmp_path / "config.yaml").read_text(encoding="utf-8").replace("mail: {", "mail: {folder: beside/outbox, ")
        + "store: sqlite:///beside/digest.db\noutput: beside/public\n",
        encoding="utf-8",
    )
    one_run(tmp_path)
    with serving(tmp_path, fresh=True) as served:
        port = served.port()
        served.wait_for(f"{POSTS} arrived")
        assert get(port, "/feed.xml")[0] == 200
        until(served.mails, "the mail of the first edition, the last of the start")
        wait_until_alone(served.process.pid)
        began, (_, before) = time.monotonic(), usage(served.process.pid)
        beside = []
        for _ in range(5):
            time.sleep(60)
            beside.append(one_run(tmp_path))  # in the same crowd
        memory, after = usage(served.process.pid)
        share = (after - before) / (time.monotonic() - began)
        served.signal(signal.SIGTERM)
        assert served.ends() == 0
    times = (after - before) / median(beside)
    record_property("idle", f"{memory / MEGABYTE:.0f} MB, {share:.2%} of a processor, {times:.1f} runs")
    assert memory < 150 * MEGABYTE
    assert times < 7, f"{share:.2%} of a processor, {times:.1f} times a run"
