"""The container images, as far as they can be tested without an engine; and what runs in them, really run."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.commands import understood

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
ENTRYPOINT = DEPLOY / "entrypoint.sh"


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order; continued lines joined, comments left out."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def stages() -> list[list[tuple[str, str]]]:
    found: list[list[tuple[str, str]]] = []
    for word, rest in instructions():
        if word == "FROM":
            found.append([])
        if found:
            found[-1].append((word, rest))
    return found


def copied_from_checkout() -> list[str]:
    sources = []
    for word, rest in instructions():
        words = shlex.split(rest)
        if word == "COPY" and not any(part.startswith("--from=") for part in words):
            sources += [part for part in words[:-1] if not part.startswith("--")]
    return sources


def test_image_is_built_in_two_stages_on_one_base() -> None:
    """What builds does not ship; both stages have the same Python."""
    build, final = stages()
    bases = [stage[0][1].removesuffix(" AS build") for stage in (build, final)]
    assert bases == ["python:${PYTHON}"] * 2
    default = dict(instructions())["ARG"]
    version = re.fullmatch(r"PYTHON=3\.(\d+)-slim", default)
    assert version
    assert int(version[1]) >= 11


def test_image_runs_without_root() -> None:
    """The last USER is a number, so that an orchestrator can see that it is not root."""
    final = stages()[-1]
    users = [rest for word, rest in final if word == "USER"]
    assert users
    assert all(re.fullmatch(r"[1-9]\d+:[1-9]\d+", user) for user in users)
    after = [word for word, _ in final[max(i for i, (word, _) in enumerate(final) if word == "USER") :]]
    assert "RUN" not in after
    assert {"HEALTHCHECK", "ENTRYPOINT", "CMD", "VOLUME"} <= set(after)


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    """And everything that the .dockerignore lets through is used."""
    ignore = [line for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert ignore[0] == "*"
    allowed = {line[1:] for line in ignore if line.startswith("!")}
    assert set(copied_from_checkout()) == allowed
    for source in copied_from_checkout():
        assert (ROOT / source).exists(), source
        assert not any(fnmatch.fnmatch(source, line) for line in ignore[1:] if line[0] != "!")


def test_what_the_build_needs_is_copied() -> None:
    """The readme and the folders that pyproject.toml names for the wheel."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for name in ("README.md", "LICENSE", "digest", "templates"):
        assert f'"{name}"' in project or f"\n{name} = " in project
        assert name in copied_from_checkout()


def test_image_runs_a_command_that_exists() -> None:
    """With options that it has."""
    final = dict(stages()[-1])
    assert json.loads(final["ENTRYPOINT"]) == ["digest-entrypoint", "digest"]
    assert understood(json.loads(final["CMD"]))["host"] == "0.0.0.0"


def test_health_check_is_a_program() -> None:
    """It asks the port that is exposed."""
    final = dict(stages()[-1])
    program = json.loads(final["HEALTHCHECK"].partition("CMD ")[2])
    assert f"127.0.0.1:{final['EXPOSE']}/healthz" in program[2]
    compile(program[2], "healthcheck", "exec")


# -------------------------------------------------------------- entrypoint


def start(env: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], **env}
    return subprocess.run(["sh", str(ENTRYPOINT), *command], env=env, capture_output=True, text=True, timeout=180)


SHOW = (sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))")


def test_entrypoint_is_executable() -> None:
    """Git keeps the bit; the image sets it anyway."""
    assert os.access(ENTRYPOINT, os.X_OK)
    assert os.access(DEPLOY / "relay" / "start.sh", os.X_OK)


def test_secrets_come_from_files(tmp_path: Path) -> None:
    """Each becomes its variable; odd characters and all; what is given plainly stays."""
    (tmp_path / "a").write_text("p$w 'x\" \\\n")
    (tmp_path / "b").write_text("postgresql://digest@db/digest")
    done = start(
        {
            "PGPASSWORD_FILE": str(tmp_path / "a"),
            "DIGEST_STORE_FILE": str(tmp_path / "b"),
            "DIGEST_SECRET": "plain",
        },
        *SHOW,
    )
    env = json.loads(done.stdout)
    assert env["PGPASSWORD"] == "p$w 'x\" \\"
    assert env["DIGEST_STORE"] == "postgresql://digest@db/digest"
    assert env["DIGEST_SECRET"] == "plain"
    assert not [name for name in env if name.endswith("_FILE")]


def test_a_secret_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    """With one line that names the variable."""
    done = start({"DIGEST_SMTP_PASSWORD_FILE": str(tmp_path / "missing")}, *SHOW)
    assert (done.returncode, done.stdout) == (2, "")
    assert "DIGEST_SMTP_PASSWORD_FILE" in done.stderr


def test_the_command_takes_the_place_of_the_script() -> None:
    """Signals reach it: there is no shell between."""
    done = start({}, sys.executable, "-c", "import os, sys; print(os.getpid()); sys.exit(7)")
    assert done.returncode == 7


# -------------------------------------------------------------------- lint


@pytest.mark.parametrize("folder", ["", "relay"])
def test_dockerfiles_keep_good_habits(folder: str) -> None:
    """Fixed bases, no files that packages leave behind, commands as lists."""
    text = (DEPLOY / folder / "Dockerfile").read_text(encoding="utf-8")
    joined = re.sub(r"\\\n\s*", " ", text)
    for line in joined.splitlines():
        if line.startswith("FROM"):
            assert ":latest" not in line
            assert ":" in line
        if line.startswith(("CMD", "ENTRYPOINT")):
            json.loads(line.partition(" ")[2])
        if "apt-get install" in line:
            assert "--no-install-recommends" in line
            assert "rm -rf /var/lib/apt/lists/*" in line
        assert not line.startswith(("ADD", "MAINTAINER"))
        assert "sudo" not in line


@pytest.mark.parametrize("script", ["entrypoint.sh", "relay/start.sh"])
def test_scripts_are_plain_shell(script: str) -> None:
    """They parse in the shell of the images, and stop at the first mistake."""
    path = DEPLOY / script
    subprocess.run(["sh", "-n", str(path)], check=True, timeout=60)
    assert "\nset -eu\n" in path.read_text(encoding="utf-8")
