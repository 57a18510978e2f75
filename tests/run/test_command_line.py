"""The command line under odd circumstances: closed or full streams, narrow encodings, times out of range."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.run.site_folder import Site


def in_shell(site: Site, redirections: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """``digest run`` on the site, started by a shell with these redirections."""
    command = f"exec '{sys.executable}' -m digest run --config '{site.folder}/config.yaml' {redirections}"
    return subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, timeout=120, env={**os.environ, **environment}, check=False
    )


@pytest.mark.parametrize("redirections", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", "--json 2>&-"])
def test_closed_streams_do_not_stop_a_run(site: Site, redirections: str) -> None:
    """As a careless init script or cron starts it."""
    site.some_posts()
    done = in_shell(site, redirections)
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr
    assert len(site.mails()) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("words", ["", "--json"])
def test_a_report_that_cannot_be_written_is_one_clear_line(site: Site, words: str) -> None:
    """The work is done all the same."""
    site.some_posts()
    done = in_shell(site, f"{words} >/dev/full")
    assert done.returncode == 1
    assert done.stderr.decode() == "digest: standard output: no space left on device; make room\n"
    assert len(site.mails()) == 1


@pytest.mark.parametrize("words", ["", "--json"])
def test_a_narrow_encoding_shows_escapes(site: Site, words: str) -> None:
    """A Latin terminal is no reason to fail on a Chinese file name."""
    site.some_posts()
    (site.posts / "2026-11-24-坏.md").write_text("no front matter", encoding="utf-8")
    done = in_shell(site, words, PYTHONIOENCODING="latin-1")
    assert done.returncode == 0, done.stderr
    assert b"2026-11-24-\\u574f.md" in done.stdout


@pytest.mark.parametrize("time", ["0001-01-01", "9999-12-31 23:59", "1969-12-31"])
def test_a_time_out_of_range_is_misuse(site: Site, time: str) -> None:
    """Refused in one line, nothing is touched."""
    result = site.run(as_of=time)
    assert (result.code, result.out) == (2, "")
    assert "is out of range; name one from 1970 to 9000" in result.err
    assert not (site.folder / "var").exists()
