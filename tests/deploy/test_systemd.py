"""The systemd units verify, stay hardened, and fit the documentation and each other."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from digest.config import load

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy" / "systemd"
SERVICES = ("digest", "digest-run")
DOCS = (ROOT / "docs" / "deploy" / "systemd.md").read_text(encoding="utf-8")


def unit(name: str) -> str:
    return (DEPLOY / f"{name}.service").read_text(encoding="utf-8")


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"needs {name} (Debian: systemd)")
    return found


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=180)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units as they would be installed, with the program of these tests in place of the installed one."""
    program = tmp_path / "digest"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m digest "$@"\n')
    program.chmod(0o755)
    for name in SERVICES:
        (tmp_path / f"{name}.service").write_text(unit(name).replace("/opt/digest/bin/digest", str(program)))
    shutil.copy(DEPLOY / "digest-run.timer", tmp_path)
    return tmp_path


def test_units_verify(units: Path) -> None:
    """systemd has no word against them."""
    files = sorted(str(path) for path in units.glob("digest*.*"))
    done = run(program("systemd-analyze"), "verify", *files)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", SERVICES)
def test_service_is_as_hardened_as_documented(units: Path, name: str) -> None:
    """The exposure that the page quotes is the measured one, and low."""
    done = run(program("systemd-analyze"), "security", "--offline=true", "--no-pager", str(units / f"{name}.service"))
    found = re.search(rf"Overall exposure level for {name}\.service: ([\d.]+) OK", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= 1.5
    documented = re.search(r"exposure of ([\d.]+) of 10", DOCS)
    assert documented
    assert abs(float(documented[1]) - float(found[1])) <= 0.3, "other versions of systemd weigh a little differently"


def test_timer_fires_every_five_minutes() -> None:
    """By systemd's own reading of the line."""
    timer = (DEPLOY / "digest-run.timer").read_text(encoding="utf-8")
    [calendar] = re.findall(r"^OnCalendar=(.+)$", timer, re.MULTILINE)
    done = run(
        program("systemd-analyze"), "calendar", "--iterations=3", "--base-time=2026-11-24 07:58:00 UTC", calendar
    )
    assert re.findall(r"\b(\d\d:\d\d:\d\d) UTC", done.stdout)[:3] == ["08:00:00", "08:05:00", "08:10:00"]


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize(
    "line",
    [
        "User=digest",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "ProtectHome=yes",
        "StateDirectory=digest",
        "StateDirectoryMode=0700",
        "ReadWritePaths=/srv/digest/public",
        "LoadCredential=digest.smtp-password",
        "SystemCallFilter=@system-service",
        "CapabilityBoundingSet=",
        "MemoryDenyWriteExecute=yes",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
    ],
)
def test_service_keeps_its_limits(line: str, name: str) -> None:
    """What protects subscribers' addresses and the machine is not lost in a later edit."""
    assert line in unit(name).splitlines()


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A root folder with the two snippets in their places, and the account made."""
    if os.geteuid() != 0:
        pytest.skip("making accounts needs root, even in a folder of its own")
    for kind in ("sysusers", "tmpfiles"):
        place = tmp_path / "etc" / f"{kind}.d"
        place.mkdir(parents=True)
        shutil.copy(DEPLOY / f"digest.{kind}.conf", place / "digest.conf")
    done = run(program("systemd-sysusers"), f"--root={tmp_path}", "digest.conf")
    assert done.returncode == 0, done.stderr
    return tmp_path


def account(root: Path) -> list[str]:
    [line] = [line for line in (root / "etc/passwd").read_text().splitlines() if line.startswith("digest:")]
    return line.split(":")


def test_account_is_made(installed: Path) -> None:
    """It has no shell to log in with."""
    assert account(installed)[5:] == ["/var/lib/digest", "/usr/sbin/nologin"]


def test_output_folder_is_made(installed: Path) -> None:
    """The folder that the service may write to is its own, and readable for the web server."""
    done = run(program("systemd-tmpfiles"), "--create", f"--root={installed}", "digest.conf")
    assert done.returncode == 0, done.stderr
    public = (installed / "srv/digest/public").stat()
    assert (public.st_mode & 0o777, public.st_uid, public.st_gid) == (0o755, *map(int, account(installed)[2:4]))


def test_program_runs_without_writable_code(tmp_path: Path) -> None:
    """MemoryDenyWriteExecute holds for the whole program: no library needs memory that is both."""
    (tmp_path / "_posts").mkdir()
    shutil.copy(ROOT / "examples/archive/_posts/2026-11-21-markdown-body.md", tmp_path / "_posts")
    (tmp_path / "config.yaml").write_text(
        "site: {title: T, url: https://t.example.com, language: zh-CN, timezone: Asia/Shanghai, author: A}\n"
        "mail: {to: [reader@example.com]}\n",
        encoding="utf-8",
    )
    script = (
        "import ctypes, re, sys\n"
        "from pathlib import Path\n"
        "PR_SET_MDWE, REFUSE_EXEC_GAIN = 65, 1\n"
        "ctypes.CDLL(None).prctl(PR_SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0)  # Linux 6.3; older ones know no such thing\n"
        "from digest.cli import main\n"
        "try:\n"
        "    main(['run'])\n"
        "except SystemExit as end:\n"
        "    sys.exit(end.code or re.search(r'^[^ ]+ .wx', Path('/proc/self/maps').read_text(), re.M) is not None)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "public/feed.xml").exists()
    assert list((tmp_path / "var/outbox").glob("*.eml"))


def test_documented_configuration_is_valid_and_fits_the_service(tmp_path: Path) -> None:
    """It loads, and names only folders that the service has."""
    block = re.search(r"```yaml\n(.*?)```", DOCS, re.DOTALL)
    assert block
    path = tmp_path / "config.yaml"
    path.write_text(textwrap.dedent(block[1].rpartition("\n")[0]), encoding="utf-8")
    settings = load(path, env={})
    for name in SERVICES:
        assert str(settings.output) in unit(name)
        [state] = re.findall(r"^StateDirectory=(.+)$", unit(name), re.MULTILINE)
        assert settings.mail.folder.is_relative_to(Path("/var/lib") / state)
        assert settings.subscriptions.secret_file.is_relative_to(Path("/var/lib") / state)
        assert str(Path("/var/lib") / state) in str(settings.store)
    [credential] = re.findall(r"^LoadCredential=(.+)$", unit("digest"), re.MULTILINE)
    assert settings.mail.password_file == Path("/run/credentials/digest.service") / credential
    assert f"/run/credentials/digest-run.service/{credential}" in DOCS


def test_documentation_installs_every_file() -> None:
    """And no file that is not there."""
    words = [word for line in DOCS.splitlines() if "install -" in line for word in line.split()]
    named = {path for word in words if word.startswith("deploy/systemd/") for path in ROOT.glob(word)}
    assert named == set(DEPLOY.iterdir())


# ----------------------------------------------------------------- running


@pytest.fixture
def notify(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket that systemd would listen at."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(60)
        yield listener


def said(notify: socket.socket, word: str) -> str:
    """The first message with this word in it."""
    while True:
        message = notify.recv(4096).decode()
        if word in message:
            return message


def test_service_runs_as_its_unit_says(tmp_path: Path, notify: socket.socket) -> None:
    """Started with the unit's command line and variables it says that it is ready, publishes, sends what is due, and
    ends in order when it is told to."""
    (tmp_path / "_posts").mkdir()
    shutil.copy(ROOT / "examples/archive/_posts/2026-11-21-markdown-body.md", tmp_path / "_posts")
    (tmp_path / "config.yaml").write_text(
        "site: {title: T, url: https://t.example.com, language: zh-CN, timezone: Asia/Shanghai, author: A}\n"
        "mail: {to: [reader@example.com]}\n",
        encoding="utf-8",
    )
    [line] = re.findall(r"^ExecStart=(.+)$", unit("digest"), re.MULTILINE)
    words = line.replace("/etc/digest/config.yaml", "config.yaml").replace("8000", "0").split()
    assert words[0] == "/opt/digest/bin/digest"
    variables = dict(word.split("=") for word in re.findall(r"^Environment=(.+)$", unit("digest"), re.MULTILINE))
    env = {**variables, "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "NOTIFY_SOCKET": str(tmp_path / "notify")}
    process = subprocess.Popen([sys.executable, "-m", "digest", *words[1:]], cwd=tmp_path, env=env)
    try:
        assert "READY=1" in said(notify, "READY")
        wait_for(lambda: bool(list((tmp_path / "var/outbox").glob("*.eml"))), process)
        assert (tmp_path / "public/feed.xml").exists()
        process.terminate()
        assert "STOPPING=1" in said(notify, "STOPPING")
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()


def wait_for(met: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if met():
            return
        assert process.poll() is None, "the service ended by itself"
        time.sleep(0.1)
    raise AssertionError("nothing happened in time")
