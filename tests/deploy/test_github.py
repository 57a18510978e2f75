"""The workflow for GitHub: its form, its rights, and its steps run against a repository, with runners that die."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.commands import understood
from tests.run.site_folder import post_text

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy" / "github"
TEXT = (DEPLOY / "digest.yml").read_text(encoding="utf-8")
WORKFLOW: dict[Any, Any] = yaml.safe_load(TEXT)
JOBS: dict[str, Any] = WORKFLOW["jobs"]
STEPS: dict[str, list[dict[str, Any]]] = {name: JOBS[name]["steps"] for name in ("digest", "mail")}
ALL_STEPS = [step for steps in STEPS.values() for step in steps]


def test_workflow_follows_its_schema() -> None:
    """The published one."""
    pytest.importorskip("check_jsonschema")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run([*command, DEPLOY / "digest.yml"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout


def test_actions_are_pinned() -> None:
    """To commits, with the version in words."""
    used = re.findall(r"uses: (\S+)(.*)", TEXT)
    assert len(used) == 6
    for action, comment in used:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", action)
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment)


def test_rights_are_the_least() -> None:
    """None by default; what each job needs."""
    assert WORKFLOW["permissions"] == {}
    assert JOBS["digest"]["permissions"] == JOBS["mail"]["permissions"] == {"contents": "write"}
    assert JOBS["pages"]["permissions"] == {"pages": "write", "id-token": "write"}


def test_runs_wait_for_each_other() -> None:
    """And none is cut off."""
    assert WORKFLOW["concurrency"] == {"group": "digest", "cancel-in-progress": False}


def test_nothing_from_outside_is_put_into_a_script() -> None:
    """Inputs and secrets come as variables only."""
    for step in ALL_STEPS:
        assert "${{" not in step.get("run", "")


def test_mail_leaves_when_the_site_is_deployed() -> None:
    """Not before, and not at all when it was not."""
    assert JOBS["pages"]["needs"] == "digest"
    assert JOBS["mail"]["needs"] == "pages"
    assert JOBS["mail"]["if"] == "!cancelled() && needs.pages.result == 'success'"


def test_state_is_saved_whatever_happens() -> None:
    """Once something may have changed, and before anything else can fail."""
    for job, work, saving, condition in (
        ("digest", "Collect, publish, make editions", "Save what is known now", "fetch"),
        ("mail", "Send", "Save what was sent", "begin"),
    ):
        names = [step.get("name") for step in STEPS[job]]
        assert STEPS[job][names.index(saving)]["if"] == f"always() && steps.{condition}.outcome == 'success'"
        assert names.index(saving) == names.index(work) + 1


def test_secrets_are_given_to_the_steps_that_need_them() -> None:
    """The password to the one that sends, the key to those that keep the state."""
    holders = {step.get("name"): set(step.get("env", {})) for step in ALL_STEPS}
    senders = [name for name, env in holders.items() if "DIGEST_SMTP_PASSWORD" in env]
    assert senders == ["Collect, publish, make editions", "Send"]
    assert all("state.sh" in step["run"] for step in ALL_STEPS if "STATE_KEY" in step.get("env", {}))


def test_commands_are_ours() -> None:
    """With options that they have."""
    lines = [line for step in ALL_STEPS for line in step.get("run", "").splitlines()]
    lines += (DEPLOY / "state.sh").read_text(encoding="utf-8").splitlines()
    commands = [line.strip() for line in lines if re.match(r"\s*digest [a-z]", line)]
    assert len(commands) == 6
    for command in commands:
        words = command.replace('"$WORD"', "sent").replace('"', "").split()[1:]
        understood(words)


# ----------------------------------------------------------------- running


SHIM = """\
#!/bin/sh
# The clock of the test: a run takes place at AS_OF, and what may be sent was sent until then.
case "$1 $*" in
    "deliver "*) exec {python} "$(dirname "$0")/deliver_at.py" "$@" ;;
    "run "*) exec {python} -m digest "$@" --as-of "$AS_OF" ;;
    "restore "*--nothing-sent*) exec {python} -m digest "$@" ;;
    "restore "*) exec {python} -m digest "$@" --sent-until "$AS_OF" ;;
    *) exec {python} -m digest "$@" ;;
esac
"""
DELIVER_AT = """\
import os, sys
from digest.app import moment, sending
from digest.cli import main
sending.moment = lambda as_of, zone: moment.moment(os.environ["AS_OF"], zone)
main(sys.argv[1:])
"""
CONFIG = """\
site: {title: News, url: https://news.example.com, language: en, timezone: Asia/Shanghai, author: A}
mail: {to: [reader@example.com], folder: .digest/outbox}
subscriptions: {enabled: false, secret_file: .digest/secret}
store: sqlite:///.digest/digest.db
output: .digest/public
"""


class Repository:
    """A site's repository at the server, and runners that check it out afresh each time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = folder / "server.git"
        self.git("init", "--quiet", "--bare", str(self.server), cwd=folder)
        self.work = folder / "work"
        self.git("clone", "--quiet", str(self.server), str(self.work), cwd=folder)
        (self.work / ".github").mkdir()
        shutil.copy(DEPLOY / "state.sh", self.work / ".github" / "digest-state.sh")
        (self.work / "config.yaml").write_text(CONFIG)
        (self.work / ".gitignore").write_text(".digest/\n")
        (folder / "bin").mkdir()
        (folder / "bin" / "digest").write_text(SHIM.format(python=sys.executable))
        (folder / "bin" / "digest").chmod(0o755)
        (folder / "bin" / "deliver_at.py").write_text(DELIVER_AT)
        self.count = 0
        self.site = folder
        """What the last run built."""
        self.mails: list[str] = []
        """What left, by file name: the Message-ID decides it."""

    def git(self, *words: str, cwd: Path) -> str:
        settings = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"]
        return subprocess.run(["git", *settings, *words], cwd=cwd, check=True, capture_output=True, text=True).stdout

    def post(self, name: str, date: str) -> None:
        """Written and pushed."""
        (self.work / "_posts").mkdir(exist_ok=True)
        (self.work / "_posts" / name).write_text(post_text(name, date=date), encoding="utf-8")
        self.git("add", "--all", cwd=self.work)
        self.git("commit", "--quiet", "--message", name, cwd=self.work)
        self.git("push", "--quiet", "origin", "HEAD:main", cwd=self.work)

    def run(
        self, as_of: str, *, dies_before: str = "", deploys: bool = True, key: str = "k" * 40, **inputs: str
    ) -> list[str]:
        """A run of the workflow: the names of the steps that failed. A runner that dies runs no further step, and no
        job follows; where nothing is built or deployed, nothing is sent."""
        failed = self.run_job("digest", as_of, dies_before, key, inputs)
        self.site = self.folder / f"runner{self.count}" / "_site"
        if self.site.is_dir() and deploys and dies_before not in [step.get("name") for step in STEPS["digest"]]:
            failed += self.run_job("mail", as_of, dies_before, key, inputs)
        return failed

    def run_job(self, job: str, as_of: str, dies_before: str, key: str, inputs: dict[str, str]) -> list[str]:
        """The names of its steps that failed."""
        self.count += 1
        runner = self.folder / f"runner{self.count}"
        self.git("clone", "--quiet", "--branch", "main", str(self.server), str(runner), cwd=self.folder)
        failed: list[str] = []
        for step in STEPS[job]:
            name = step.get("name", "")
            if dies_before and name == dies_before:
                break
            if "run" in step and name != "Install" and self.wanted(step, failed, inputs):
                env = self.variables(runner, step, as_of, key, inputs)
                shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
                done = subprocess.run(shell, cwd=runner, env=env, capture_output=True, text=True, timeout=120)
                assert "Traceback" not in done.stderr
                if done.returncode:
                    failed.append(name)
        outbox = runner / ".digest" / "outbox"
        self.mails += sorted(path.name for path in outbox.glob("*.eml")) if outbox.is_dir() else []
        return failed

    def wanted(self, step: dict[str, Any], failed: list[str], inputs: dict[str, str]) -> bool:
        condition = step.get("if", "success()")
        if "inputs.word" in condition:
            return not failed and inputs.get("word") in ("sent", "resend")
        if "steps.fetch.outcome" in condition or "steps.begin.outcome" in condition:
            return not any(name.startswith(("Bring back", "Note that")) for name in failed)
        return not failed

    def variables(
        self, runner: Path, step: dict[str, Any], as_of: str, key: str, inputs: dict[str, str]
    ) -> dict[str, str]:
        given = {
            "STATE_KEY": key,
            "DIGEST_SMTP_PASSWORD": "p",
            "WORD": inputs.get("word", ""),
            "NAME": inputs.get("digest", ""),
            "PERIOD": inputs.get("period", ""),
        }
        own = {name: given[name] for name in step.get("env", {})}
        return {
            **{name: str(value) for name, value in WORKFLOW["env"].items()},
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(self.folder),
            "AS_OF": as_of,
            "GITHUB_OUTPUT": str(runner / ".github-output"),
            **own,
        }

    def branch(self) -> list[str]:
        """Files on the branch with the state."""
        return self.git("ls-tree", "--name-only", "digest-state", cwd=self.server).split()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """With one post, and a first run behind it."""
    for program in ("git", "openssl", "bash"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")
    found = Repository(tmp_path)
    found.post("2026-11-19-first.md", "2026-11-19 10:00:00 +0800")
    assert found.run("2026-11-20 09:00") == []
    return found


def test_runs_follow_each_other(repository: Repository) -> None:
    """Each edition is mailed once, site and feeds are built each time, and the branch has one commit."""
    assert len(repository.mails) == 1
    assert (repository.site / "feed.xml").is_file()
    repository.post("2026-11-20-second.md", "2026-11-20 10:00:00 +0800")
    assert repository.run("2026-11-20 10:37") == []
    assert repository.run("2026-11-21 08:07") == []
    assert repository.run("2026-11-21 08:37") == []
    assert len(repository.mails) == len(set(repository.mails)) == 2
    assert "second" in (repository.site / "feed.xml").read_text()
    assert repository.branch() == ["state"]
    assert repository.git("rev-list", "--count", "digest-state", cwd=repository.server).strip() == "1"


def test_a_runner_that_dies_after_sending_makes_nobody_get_it_twice(repository: Repository) -> None:
    """What it may have sent is held; the next edition goes out as ever; and the operator's word is heard."""
    repository.post("2026-11-20-second.md", "2026-11-20 10:00:00 +0800")
    repository.run("2026-11-21 08:07", dies_before="Save what was sent")
    assert len(repository.mails) == 2
    assert repository.branch() == ["state", "unsaved"]
    repository.run("2026-11-21 08:37")
    repository.run("2026-11-21 09:07")
    assert len(repository.mails) == 2
    assert repository.branch() == ["state"]
    assert repository.run("2026-11-21 09:37", word="sent", digest="daily", period="2026-11-21") == []
    repository.post("2026-11-21-third.md", "2026-11-21 10:00:00 +0800")
    assert repository.run("2026-11-22 08:07") == []
    assert len(repository.mails) == len(set(repository.mails)) == 3


def test_a_step_that_fails_loses_nothing(repository: Repository) -> None:
    """The state is saved, the site is built."""
    config = repository.work / "config.yaml"
    config.write_text(
        CONFIG.replace("folder: .digest/outbox", "transport: smtp, host: 127.0.0.1, port: 1, security: none")
    )
    config.write_text(config.read_text().replace("{to:", "{sender: n@news.example.com, to:"))
    repository.post("2026-11-20-second.md", "2026-11-20 10:00:00 +0800")
    repository.run("2026-11-21 08:07")
    assert repository.branch() == ["state"]
    assert (repository.site / "feed.xml").is_file()
    config.write_text(CONFIG)
    repository.post("2026-11-20-third.md", "2026-11-20 11:00:00 +0800")
    assert repository.run("2026-11-21 08:37") == []
    assert len(repository.mails) == 2


def test_a_wrong_key_stops_the_run(repository: Repository) -> None:
    """It is not taken for a first one, and the branch is left alone."""
    before = repository.git("rev-parse", "digest-state", cwd=repository.server)
    assert repository.run("2026-11-21 08:07", key="x" * 40) == ["Bring back what is known"]
    assert repository.run("2026-11-21 08:07", key="")[0] == "Bring back what is known"
    assert repository.git("rev-parse", "digest-state", cwd=repository.server) == before
    assert len(repository.mails) == 1


def test_the_state_cannot_be_read_without_the_key(repository: Repository) -> None:
    """No address stands on a branch that everybody may see."""
    raw = subprocess.run(
        ["git", "cat-file", "blob", "digest-state:state"], cwd=repository.server, capture_output=True, check=True
    ).stdout
    assert raw.startswith(b"Salted__")
    assert b"reader@example.com" not in raw


def test_a_run_that_dies_before_it_saves_is_made_again(tmp_path: Path) -> None:
    """It sent nothing, so nothing is held: the next one begins where it began."""
    found = Repository(tmp_path)
    found.post("2026-11-19-first.md", "2026-11-19 10:00:00 +0800")
    found.run("2026-11-20 09:00", dies_before="Save what is known now")
    assert found.mails == []
    assert found.run("2026-11-20 09:37") == []
    assert len(found.mails) == 1


def test_mail_waits_for_a_deployment(repository: Repository) -> None:
    """Of the site with its page; the next run that deploys sends it."""
    repository.post("2026-11-20-second.md", "2026-11-20 10:00:00 +0800")
    assert repository.run("2026-11-21 08:07", deploys=False) == []
    assert len(repository.mails) == 1
    assert (repository.site / "editions" / "daily" / "2026-11-21" / "index.html").is_file()
    assert repository.run("2026-11-21 08:37") == []
    assert len(repository.mails) == 2
