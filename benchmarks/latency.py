"""How long `digest serve` takes from a new post in the folder to the feed on disk."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

PATIENCE = 120.0
"""Seconds to wait for anything before giving up."""
PAUSE = 0.005
"""Seconds between two looks at the feed."""
REST = 2.5
"""Seconds before each post: the service is at rest."""
SETTLE = 2.0
"""Seconds after which a file is read (``posts.settle``)."""

POST = """\
---
layout: post
title: "{title}"
date: {date}
categories: {category}
tags: 滚动新闻
---
> 一篇新的文章，用来测量时间。（晨钟财讯）

<p>一篇新的文章，用来测量时间。</p>
"""


class NoAnswer(Exception):
    """The service did not do what it was waited for."""


def serve_latency(python: str, config: Path, posts: Path, feed: Path, *, category: str, times: int = 5) -> float:
    """Median of seconds from the moment a post's file in the folder ``posts`` has settled to its title in ``feed``.
    The service runs on a store that knows all other posts; what it is given is taken away again."""
    process = subprocess.Popen(
        [python, "-m", "digest", "serve", "--config", str(config), "--no-web"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: list[str] = []
    assert process.stdout is not None
    reader = threading.Thread(target=lines.extend, args=(process.stdout,), daemon=True)
    reader.start()
    written: list[Path] = []
    try:
        taken = []
        for number in range(times + 1):
            time.sleep(REST)
            title = f"latency {number} {time.time_ns()}"
            written.append(_put(posts, number, title, category))
            settled = time.perf_counter() + SETTLE
            _wait(lambda title=title: title.encode() in feed.read_bytes(), process, lines)
            taken.append(time.perf_counter() - settled)
        return median(taken[1:])  # the first one may have waited for the service to begin
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        process.kill()
        process.wait()
        reader.join()
        process.stdout.close()
        for path in written:
            path.unlink(missing_ok=True)


def _put(posts: Path, number: int, title: str, category: str) -> Path:
    """A post that appears at once and whole, dated a minute ago."""
    when = datetime.now(UTC) - timedelta(minutes=1)
    path = posts / f"{when:%Y-%m-%d}-latency-{number}-{time.time_ns()}.md"
    text = POST.format(title=title, date=f"{when:%Y-%m-%d %H:%M:%S} +0000", category=category)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.rename(path)
    return path


def _wait(is_there: Callable[[], bool], process: subprocess.Popen[str], lines: list[str]) -> None:
    end = time.monotonic() + PATIENCE
    while not is_there():
        if process.poll() is not None or time.monotonic() > end:
            raise NoAnswer("digest serve published nothing: " + " / ".join(line.strip() for line in lines[-3:]))
        time.sleep(PAUSE)
