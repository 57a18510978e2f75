"""The container image, as far as it can be tested without an engine; and its loop, really run."""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
EVERY = DEPLOY / "every.sh"


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
    assert {"HEALTHCHECK", "CMD", "VOLUME"} <= set(after)


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
    for name in ("README.md", "digest", "templates"):
        assert f'"{name}"' in project or f"\n{name} = " in project
        assert name in copied_from_checkout()


# -------------------------------------------------------------------- loop


@pytest.fixture
def stage(tmp_path: Path) -> dict[str, str]:
    """An environment with a ``digest`` that notes how it was called and ends as the file ``code`` says."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "digest"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n[ -e {tmp_path}/slow ] && exec sh {tmp_path}/slow\n'
        f"exit $(cat {tmp_path}/code)\n"
    )
    program.chmod(0o755)
    (tmp_path / "code").write_text("0")
    return {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "DIGEST_EVERY": "1",
        "DIGEST_ALIVE": str(tmp_path / "alive"),
    }


def start(stage: dict[str, str], *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sh", str(EVERY), *arguments], env=stage, stdout=subprocess.DEVNULL)


def calls(tmp_path: Path) -> list[str]:
    path = tmp_path / "calls"
    return path.read_text().splitlines() if path.exists() else []


def wait_for(met: Callable[[], bool], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end, "nothing happened in time"
        time.sleep(0.05)


def healthy(stage: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", str(EVERY), "--healthy"], env=stage, capture_output=True, text=True, timeout=20)


def test_loop_is_executable() -> None:
    """Git keeps the bit; the image sets it anyway."""
    assert os.access(EVERY, os.X_OK)


@pytest.mark.parametrize("code", ["0", "1"])
def test_loop_runs_again_and_again(stage: dict[str, str], tmp_path: Path, code: str) -> None:
    """With its arguments, also after a run with failures; and it is healthy meanwhile."""
    (tmp_path / "code").write_text(code)
    process = start(stage, "--config", "/data/config.yaml")
    try:
        wait_for(lambda: len(calls(tmp_path)) >= 3)
        assert set(calls(tmp_path)) == {"run --config /data/config.yaml"}
        assert healthy(stage).returncode == 0
    finally:
        process.terminate()
    assert process.wait(timeout=10) == 0


def test_loop_ends_with_a_bad_configuration(stage: dict[str, str], tmp_path: Path) -> None:
    """Nothing would change by trying again; the engine shows the code."""
    (tmp_path / "code").write_text("2")
    process = start(stage)
    assert process.wait(timeout=10) == 2
    assert len(calls(tmp_path)) == 1


def test_loop_hands_on_the_signal_and_waits(stage: dict[str, str], tmp_path: Path) -> None:
    """The run in hand ends in its own time and way; no other one starts."""
    (tmp_path / "slow").write_text(
        f"trap 'sleep 0.5; echo ended > {tmp_path}/ended; exit 0' TERM\n"
        f"touch {tmp_path}/going\nwhile :; do sleep 0.1; done\n"
    )
    process = start(stage)
    wait_for((tmp_path / "going").exists)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 0
    assert (tmp_path / "ended").exists()
    assert len(calls(tmp_path)) == 1


@pytest.mark.parametrize(
    ("ago", "word"), [(None, "no run has ended yet"), (10_000, "the last run ended")], ids=["never", "long ago"]
)
def test_loop_that_hangs_is_not_healthy(stage: dict[str, str], tmp_path: Path, ago: int | None, word: str) -> None:
    """No run yet, or none for three intervals."""
    if ago is not None:
        (tmp_path / "alive").write_text(str(int(time.time()) - ago))
    answer = healthy(stage)
    assert answer.returncode == 1
    assert word in answer.stdout
