"""Nothing that is printed acts on a terminal, whichever command prints it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from digest.cli.streams import shown

NAME = "2026-11-24-b\u202e\x1b[2J.md"
CONFIG = """\
site: {title: 财经早报, language: zh-CN, url: https://news.example.com, timezone: UTC, author: 财经早报}
posts: {folder: posts, settle: 0}
digests: {daily: {schedule: "daily 08:00"}}
mail: {sender: a@news.example.com, to: b@example.com}
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("plain 中文\tok\n", "plain 中文\tok\n"),
        ("\x1b[1m\x1b[31mred\x1b[0m", "\x1b[1m\x1b[31mred\x1b[0m"),
        ("a\x1b[2J\x07\u202eb\x9bc\r", r"a\u001b[2J\u0007\u202eb\u009bc\u000d"),
        ("\x1b[8mhidden", r"\u001b[8mhidden"),
        ("a,b\r\nc,d\r\n", "a,b\r\nc,d\r\n"),
    ],
)
def test_what_is_shown(text: str, said: str) -> None:
    assert shown(text) == said


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A site with titles, categories and files whose names act."""
    posts = tmp_path / "posts"
    posts.mkdir()
    post = '---\ntitle: "t\u202e\\x1b[2J"\ncategories: ["c\u202e\\x07"]\n---\n> s\n'
    for name in ("2026-11-24-a.md", NAME):
        (posts / name).write_text(post, "utf-8")
    (posts / "2026-11-24-c\u202e\x9b.md").write_text("---\ntitle: [\n---\n", "utf-8")
    (tmp_path / "config.yaml").write_text(CONFIG, "utf-8")
    return tmp_path


@pytest.mark.parametrize("words", [["run"], ["check"], ["status", "--json"]], ids=lambda words: words[0])
def test_commands_show_what_acts(folder: Path, words: list[str]) -> None:
    """On a terminal, where colours are allowed."""
    main, side = pty.openpty()
    with subprocess.Popen([sys.executable, "-m", "digest", *words], cwd=folder, stdout=side, stderr=subprocess.DEVNULL):
        os.close(side)
        said = b""
        with suppress(OSError):  # the other side is closed
            while chunk := os.read(main, 65536):
                said += chunk
    os.close(main)
    text = said.decode().replace("\r\n", "\n")
    assert text
    assert shown(text) == text
    if "status" in words:
        json.loads(text)


def test_whatever_a_command_prints(tmp_path: Path) -> None:
    """The streams themselves see to it."""
    code = (
        "import sys; from digest.cli.streams import make_printable as m; m(); "
        "print('a\\x1b[2J\\u202e'); sys.stderr.write('\\x9b')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("a\\u001b[2J\\u202e\n", "\\u009b")
