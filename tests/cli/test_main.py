"""What every command has in common."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import digest
from digest.cli import COMMANDS


def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "digest", *words], capture_output=True, text=True, cwd=cwd, timeout=60)


def test_help_lists_every_command(tmp_path: Path) -> None:
    """With its line; the modules behind are not imported for it."""
    done = run("--help", cwd=tmp_path)
    assert done.returncode == 0
    for name in COMMANDS:
        assert f"  {name} " in done.stdout


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_and_an_example(name: str, tmp_path: Path) -> None:
    """One sentence, an example, its options."""
    done = run(name, "--help", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Options:" in done.stdout or "Commands:" in done.stdout
    assert "xample" in done.stdout


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    """Start-up stays quick."""
    heavy = {"sqlalchemy", "lxml", "jinja2", "bs4", "feedgen", "babel", "yaml", "msgspec", "rich", "email.message"}
    script = (
        "import sys\nfrom digest.cli import main\ntry: main(['--help'])\n"
        "except SystemExit: pass\nprint(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert not heavy & set(done.stderr.split())


def test_version_and_misuse(tmp_path: Path) -> None:
    """Exit code 2 for what is not understood."""
    assert digest.__version__ in run("--version", cwd=tmp_path).stdout
    done = run("no-such-command", cwd=tmp_path)
    assert done.returncode == 2
    assert "No such command" in done.stderr
    assert run("run", cwd=tmp_path).returncode == 2, "there is no config.yaml"
