"""Every fault of a configuration comes as one line that says where, what, and what to write instead."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from digest.config import load
from digest.errors import ConfigError

SITE = """\
site:
  title: News
  url: https://news.example.com
  language: en
  timezone: UTC
  author: Ann
"""


def cases() -> list[tuple[str, str, tuple[str, ...]]]:
    """Name, file, expected lines."""
    found = []
    for block in (Path(__file__).parent / "faults.txt").read_text(encoding="utf-8").split("\n===")[1:]:
        name, _, rest = block.partition("\n")
        text, _, expected = rest.partition("\n---\n")
        start = "" if name.startswith("!") else SITE
        found.append((name.lstrip("! "), f"{start}{text}\n", tuple(expected.strip().splitlines())))
    return found


CASES = cases()


@pytest.mark.parametrize(("text", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_fault_is_named(text: str, expected: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The problems of a file are exactly these lines, with the line numbers of the file."""
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(Path("config.yaml"), {})
    assert caught.value.problems == expected
    assert "geheim" not in str(caught.value)


def test_there_are_many_cases() -> None:
    """The table was read."""
    assert len(CASES) > 120
    assert len({case[0] for case in CASES}) == len(CASES)


def faults_of(raw: bytes, folder: Path) -> tuple[str, ...]:
    path = folder / "config.yaml"
    path.write_bytes(raw)
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    return tuple(line.removeprefix(str(path)) for line in caught.value.problems)


NOT_YAML = {
    "empty": (b"", ': the file is empty; write at least "site:" with title, url, language, timezone and author'),
    "only a comment": (
        b"# later\n",
        ': the file is empty; write at least "site:" with title, url, language, timezone and author',
    ),
    "a list at the top": (b"- a\n", ":1: the file holds a list at the top; write keys such as: site:"),
    "a word at the top": (b"hello\n", ":1: the file holds a single value at the top; write keys such as: site:"),
    "UTF-16": ("site: {}\n".encode("utf-16"), ":1: the file is UTF-16 text; save it as UTF-8"),
    "GB18030": (
        "site:\n  title: 财经\n".encode("gb18030"),
        ":2: the file is not UTF-8 text; save it as UTF-8",
    ),
    "NUL": (b"site:\n  title: a\x00b\n", ":2: the control character U+0000 stands here; delete it"),
    "tab": (b"site:\n\ttitle: a\n", ":2: the line is indented with a tab; use spaces"),
    "colon in a text": (
        b"site:\n  title: News: today\n",
        ':2: not valid YAML: a ": " too many, or one that the line before lacks; a text with ": " in it goes in quotes',
    ),
    "line without colon": (
        b"site:\n  title\n  url: x\n",
        ':3: not valid YAML: a ": " too many, or one that the line before lacks; a text with ": " in it goes in quotes',
    ),
    "open quote": (b'site:\n  title: "News\n  url: x\n', ":2: not valid YAML: a quote is not closed"),
    "open bracket": (
        b"mail:\n  to: [a@example.com\nstore: x\n",
        ":3: not valid YAML: a list or mapping in brackets is not closed",
    ),
    "star": (b"site:\n  title: *x\n", ":2: not valid YAML: a text cannot start with *; put it in quotes"),
    "at sign": (
        b"site:\n  title: @x\n",
        ":2: not valid YAML: a text cannot start with this character; put it in quotes",
    ),
    "unknown tag handle": (
        b"site:\n  title: !x!y z\n",
        ":2: not valid YAML: a text cannot start with !; put it in quotes",
    ),
    "wrong indentation": (
        b"site:\n  title: a\n url: b\n",
        (
            ":3: not valid YAML: a key was expected; look at the indentation; "
            "a text that begins with a quote or bracket goes in quotes"
        ),
    ),
    "text after a bracket": (
        b"site:\n  title: [News] today\n",
        (
            ":2: not valid YAML: a key was expected; look at the indentation; "
            "a text that begins with a quote or bracket goes in quotes"
        ),
    ),
    "backslash": (
        b'site:\n  title: "C:\\Users"\n',
        r":2: not valid YAML: a \ in double quotes starts an escape; use single quotes",
    ),
    "two documents": (
        b"site: {}\n---\nsite: {}\n",
        ":2: not valid YAML: a second document starts here (---); keep one",
    ),
    "too large": (
        b"#" * 1_000_001,
        ": the file has 1,000,001 bytes, and a configuration at most 1,000,000",
    ),
    "brackets without end": (
        b"[" * 50_000,
        ":1: the file is nested more than 20 levels deep, and a configuration needs four",
    ),
    "lists in lists": (
        b"- " * 50_000,
        ":1: the file is nested more than 20 levels deep, and a configuration needs four",
    ),
    "a little too deep": (
        b"site: " + b"[" * 30 + b"]" * 30,
        ":1: the file is nested more than 20 levels deep, and a configuration needs four",
    ),
    "a value inside itself": (
        b"site: &a\n  title: *a\n",
        ":1: the file is nested more than 20 levels deep, and a configuration needs four",
    ),
    "aliases of aliases": (
        b"a: &a [x,x,x,x,x,x,x,x,x]\n"
        + b"".join(b"%c: &%c [%s]\n" % (98 + n, 98 + n, b",".join([b"*%c" % (97 + n)] * 9)) for n in range(8)),
        ":1: the file holds more than 100,000 values, aliases counted each time",
    ),
    "merges of merges": (
        b"a: &a {x: 1}\n"
        + b"".join(b"%c: &%c {<<: [*%c, *%c, *%c]}\n" % (98 + n, 98 + n, *[97 + n] * 3) for n in range(20)),
        ":2: the file holds more than 100,000 values, aliases counted each time",
    ),
}


@pytest.mark.parametrize(("raw", "expected"), NOT_YAML.values(), ids=NOT_YAML)
def test_file_that_is_no_configuration(raw: bytes, expected: str, tmp_path: Path) -> None:
    """A file that cannot be read as YAML at all gives one line with a hint."""
    assert faults_of(raw, tmp_path) == (expected,)


def test_line_ends_of_windows_count_once(tmp_path: Path) -> None:
    """CRLF and a byte order mark change no line number."""
    raw = b"\xef\xbb\xbf" + (SITE + "output: a\noutput: b\n").replace("\n", "\r\n").encode()
    assert faults_of(raw, tmp_path) == (":8: output: stands here and in line 7; keep one of them",)


def test_reason_of_last_resort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should the thorough check ever miss what decoding found, decoding's own words are shown."""
    monkeypatch.setattr("digest.config.explain.Explainer.faults", lambda self, data: [])
    assert faults_of((SITE + "feeds:\n  ttl: 5\n").encode(), tmp_path) == (": Expected `int` >= 15 - at `$.feeds.ttl`",)


def test_missing_file(tmp_path: Path) -> None:
    """Tells how to get one."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "config.yaml", {})
    assert str(caught.value) == (
        f"{tmp_path / 'config.yaml'}: there is no such file; digest init writes one for an existing site, "
        "--config FILE names another"
    )


def test_folder_in_place_of_the_file(tmp_path: Path) -> None:
    """Names the file that is probably meant."""
    with pytest.raises(ConfigError, match=f"is a folder; name the file in it, for example: --config {tmp_path}/config"):
        load(tmp_path, {})


def test_file_below_a_file(tmp_path: Path) -> None:
    """What the operating system says is passed on."""
    (tmp_path / "a").write_text("", encoding="utf-8")
    with pytest.raises(
        ConfigError,
        match="cannot be read: not a directory; a file is in the way of a folder",
    ):
        load(tmp_path / "a" / "config.yaml", {})


def test_impossible_file_name() -> None:
    """A name with a NUL is no traceback either."""
    with pytest.raises(ConfigError, match="cannot be read"):
        load(Path("a\0b"), {})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file(tmp_path: Path) -> None:
    """Points at owner and permissions."""
    path = tmp_path / "config.yaml"
    path.write_text(SITE, encoding="utf-8")
    path.chmod(0)
    with pytest.raises(ConfigError, match="cannot be read: permission denied; give this user the right to read it"):
        load(path, {})


def test_one_problem_is_told_in_one_line(tmp_path: Path) -> None:
    """The message of an error with one problem is that problem's line."""
    path = tmp_path / "config.yaml"
    path.write_text(SITE + "feeds:\n  ttl: 5\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert (str(caught.value),) == caught.value.problems
    assert str(caught.value).endswith(":8: feeds.ttl: 5 is too small; 15 is the least")


def test_several_problems_are_told_in_a_list(tmp_path: Path) -> None:
    """The message begins with their number."""
    path = tmp_path / "config.yaml"
    path.write_text(SITE + "feeds:\n  ttl: 5\n  ttl2: 5\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert str(caught.value) == "\n".join([f"{path}: 2 problems", *caught.value.problems])
