"""What people install: its name, its licence, and that nothing sends them to somebody else's package."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
INSTALLS = re.compile(
    r"""(?:\b(?:pipx?|uv|uvx|poetry)\b[^\n|&;`]*?\s(?:install|add|run|tool\ install)|\buvx)\s[^\n|&;`]*?
    (?<![\w./-])digest(?!-publisher)(?=[\[\s"'`=<>~!]|$)""",
    re.VERBOSE,
)
"""An installer, and ``digest`` as the name of what it is to install."""
EXTRA = re.compile(r"(?<![\w-])digest(?:\[| @ )")


def tracked() -> list[Path]:
    """The project's own texts, but for the changelog, which may speak of the past."""
    try:
        done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("needs git")
    if done.returncode:
        pytest.skip("no git checkout")
    names = [name for name in done.stdout.split("\0") if name and not name.startswith("examples/archive/")]
    return [ROOT / name for name in names if name not in ("CHANGELOG.md", "tests/test_distribution.py")]


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock", "requirements-s3.lock"])
def test_what_is_installed_is_known_by_its_hashes(name: str) -> None:
    """Each package by its version and the hashes of its files, and nothing says where they are."""
    text = (ROOT / name).read_text(encoding="utf-8")
    assert re.fullmatch(r"(?:[a-z0-9-]+==[\w.]+(?: \\\n    --hash=sha256:[0-9a-f]{64})+\n)+", text)


def test_locks_agree() -> None:
    """The tests run with the versions that people get."""
    run, s3, everything = (
        set(re.findall(r"^[^\s#]+==\S+", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE))
        for name in ("requirements.lock", "requirements-s3.lock", "requirements-dev.lock")
    )
    assert run | s3 <= everything
    assert not run & s3


def test_it_is_called_digest_publisher() -> None:
    """The command and the package that is imported are called digest."""
    assert PROJECT["name"] == "digest-publisher"
    assert PROJECT["scripts"] == {"digest": "digest.cli:main"}


def test_it_is_free_software() -> None:
    """Apache-2.0, as SPDX writes it, with its whole text."""
    assert (PROJECT["license"], PROJECT["license-files"]) == ("Apache-2.0", ["LICENSE"])
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


STRANGER = PROJECT["name"].removesuffix("-publisher")
"""Somebody else's package."""


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        (f'pip install "{STRANGER}[s3]"', True),
        (f"pip install {STRANGER}", True),
        ("pipx install --quiet 'digest==1.0'", True),
        ("uvx digest run", True),
        ("DIGEST: digest @ git+https://example.com/digest", True),
        ("uv tool install digest", True),
        ('pip install "digest-publisher[s3]"', False),
        ("uvx --from digest-publisher run", False),
        ("pip install --no-deps . && cat digest.txt", False),
        ("/opt/digest/bin/pip install --requirement requirements.lock", False),
    ],
)
def test_a_stranger_is_told(line: str, wrong: bool) -> None:
    assert bool(INSTALLS.search(line) or EXTRA.search(line)) is wrong


def test_nothing_installs_a_stranger() -> None:
    """Somebody else has a package named digest."""
    found = []
    for path in tracked():
        if not path.is_file() or b"\0" in (raw := path.read_bytes()):
            continue
        for number, line in enumerate(raw.decode("utf-8", "replace").splitlines(), 1):
            if INSTALLS.search(line) or EXTRA.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not found
