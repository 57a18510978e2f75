"""What other packages add: the example, installed from its wheel, and packages that are broken."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from http.client import HTTPConnection
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest

from digest import plugins
from digest.cli import COMMANDS
from digest.config.channels import CHANNEL_KINDS
from digest.config.settings import SOURCE_KINDS
from digest.errors import Doubtful, TemporaryFailure
from digest.models import ChannelEdition, Target
from digest.ports import WITHOUT_LEDGER
from tests.run.site_folder import CONFIG, Result, Site
from tests.webhook_server import WELL, webhook

ROOT = Path(__file__).parent.parent.parent
NOTES = "2026-11-23 08:30 | 早间笔记 | 今天关注三件事。\n2026-11-24 00:30 | 第二条 | 还有一件。\n"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the example is installed in."""
    folder = tmp_path_factory.mktemp("plugin")
    shutil.copytree(ROOT / "examples" / "plugin", folder / "source")
    build = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(folder),
        str(folder / "source"),
    ]
    subprocess.run(build, check=True, capture_output=True, timeout=300)
    [wheel] = folder.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target"]
    subprocess.run([*pip, str(folder / "there"), str(wheel)], check=True, capture_output=True, timeout=300)
    return folder / "there"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    site.post("2026-11-24-own.md")
    (site.folder / "notes.txt").write_text(NOTES, encoding="utf-8")
    return site


def run(site: Site, path: Path, *words: str) -> Result:
    """As a process of its own, which finds what is installed in ``path`` besides."""
    line = [sys.executable, "-m", "digest", *words, "--config", str(site.folder / "config.yaml")]
    env = {**os.environ, "PYTHONPATH": str(path), "NO_COLOR": "1"}
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, env=env)
    assert "Traceback" not in done.stderr, done.stderr
    return Result(code=done.returncode, out=done.stdout, err=done.stderr)


def with_notes(site: Site, more: str = "", file: str = "") -> None:
    file = file or str(site.folder / "notes.txt")
    site.configure(
        f"{CONFIG}sources:\n  - kind: notes\n    name: mine\n    file: {file}\n    site: https://n.example.com/\n{more}"
    )


def test_a_source_of_another_package(site: Site, installed: Path) -> None:
    with_notes(site)
    result = run(site, installed, "run", "--as-of", "2026-11-24 09:00")
    assert (result.code, result.err) == (0, "")
    feed = (site.folder / "public/feed.xml").read_text(encoding="utf-8")
    assert "早间笔记" in feed
    assert "https://n.example.com/#2026-11-23-0830" in feed
    (site.folder / "notes.txt").write_text(NOTES.replace("三件", "四件"), encoding="utf-8")
    result = run(site, installed, "run", "--as-of", "2026-11-24 09:05")
    assert "1 edited" in result.out


def test_what_it_says_is_wrong_is_its_own(site: Site, installed: Path) -> None:
    """The rest of the run goes on; nothing of what it had brought is gone."""
    with_notes(site)
    assert run(site, installed, "run", "--as-of", "2026-11-24 09:00").code == 0
    with_notes(site, file=str(site.folder / "nothing.txt"))
    site.post("2026-11-24-later.md", title="晚到", link="https://x.example.com/later")
    result = run(site, installed, "run", "--as-of", "2026-11-24 09:05")
    assert "1 arrived" in result.out
    assert "0 gone" in result.out


def test_its_keys_are_read_as_ours_are(site: Site, installed: Path) -> None:
    """With the file, the line, and what may be meant."""
    with_notes(site, more="    categroy: x\n")
    result = run(site, installed, "run")
    assert result.code == 2
    assert "config.yaml:18: sources[1].categroy: unknown key; did you mean category?" in result.err


def test_a_kind_that_nobody_brings(site: Site, tmp_path: Path) -> None:
    with_notes(site)
    result = run(site, tmp_path / "empty", "run")
    assert result.code == 2
    assert 'sources[1].kind: "notes" is no kind of source here; ' in result.err


def test_a_command_of_another_package(site: Site, installed: Path) -> None:
    with_notes(site)
    assert run(site, installed, "run", "--as-of", "2026-11-24 09:00").code == 0
    result = run(site, installed, "count")
    assert [line.split() for line in result.out.splitlines()] == [["1", "macro"], ["2", "notes"]]
    result = run(site, installed, "cuont")
    assert result.code == 2
    assert "'cuont' is no command" in result.err


def test_a_channel_of_another_package(site: Site, installed: Path) -> None:
    """Its keys are checked as ours are, paths count from the configuration's folder."""
    site.configure(f"{CONFIG}channels:\n  - {{kind: diary, name: mine, digest: daily, folder: diary}}\n")
    result = run(site, installed, "run", "--as-of", "2026-11-24 09:00")
    assert (result.code, result.err) == (0, "")
    lines = (site.folder / "diary" / "2026-11-24.txt").read_text(encoding="utf-8").splitlines()
    assert lines[1] == "https://news.example.com/editions/daily/2026-11-24/"
    assert len(lines) == 3
    assert "written as 2026-11-24.txt" in run(site, installed, "explain", "--channel", "mine").out
    site.configure(f"{CONFIG}channels:\n  - {{kind: diary, name: mine, digest: daily, foldr: diary}}\n")
    result = run(site, installed, "run")
    assert result.code == 2
    assert "channels[1].foldr: unknown key; did you mean folder?" in result.err
    assert "channels[1].folder: missing; write for example: folder: diary" in result.err


def test_the_channel_in_the_docs_works(tmp_path: Path) -> None:
    """It says of each end of a request what that is worth."""
    text = (ROOT / "docs" / "extend.md").read_text(encoding="utf-8")
    code = text.partition("## Write a channel")[2].partition("```python\n")[2].partition("```")[0]
    space: dict[str, Any] = {}
    exec(f"{CHANNEL_IMPORTS}{code}", space)
    chat = space["Chat"](space["Chat"].Settings(room="news"), "https://chat.example.com/secret")
    edition = ChannelEdition(
        digest="daily", title="", period="", language="", subject="News", url="", items=(), text="", html=""
    )
    for act, kind in ((WELL, None), ("HTTP/1.1 503 No\r\n\r\n", TemporaryFailure), ("close", Doubtful)):
        with webhook(act) as server:
            chat._host = f"127.0.0.1:{server.port}"
            space["HTTPSConnection"] = HTTPConnection
            if kind is None:
                assert chat.send(edition, Target(address="chat", name="1@news"), WITHOUT_LEDGER).code == 200
            else:
                with pytest.raises(kind):
                    chat.send(edition, Target(address="chat", name="1@news"), WITHOUT_LEDGER)


CHANNEL_IMPORTS = """\
import json
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPException, HTTPSConnection

import msgspec

from digest.errors import Doubtful, PermanentFailure, TemporaryFailure
from digest.models import ChannelEdition, Receipt, Target
"""


# ------------------------------------------------------------------- broken

MADE = "    atomic = False\n    def __init__(self, *given): pass\n    def close(self): pass\n"


def broken_package(folder: Path, group: str, name: str, code: str) -> Path:
    """An installed package whose module has this code."""
    info = folder / "broken_things-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-things\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = broken_things:Thing\n", encoding="utf-8")
    (folder / "broken_things.py").write_text(code, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import no_such_library\n", "cannot be loaded: ModuleNotFoundError"),
        ("class Other: pass\n", "cannot be loaded: AttributeError"),
        ("class Thing:\n    def __init__(self):\n        raise KeyError('x')\n", "cannot be made: KeyError"),
        ("class Thing:\n    def scan(self):\n        return 1 / 0\n", "division by zero"),
        ("class Thing:\n    def scan(self):\n        return [1]\n", "sources.odd"),
        (
            "class Thing:\n    def scan(self):\n        yield 'a\\x00b', 1\n        yield 'c' * 9000, 1\n",
            "its ref cannot be kept",
        ),
        (
            "class Thing:\n    def scan(self):\n        yield 'a', 1\n    def read(self, ref):\n        return 7\n",
            "odd//a",
        ),
    ],
    ids=["import", "name", "making", "listing", "pairs", "refs", "reading"],
)
def test_a_broken_source_is_named_and_stops_nothing_else(site: Site, tmp_path: Path, code: str, says: str) -> None:
    path = broken_package(tmp_path / "there", "digest.sources", "things", code)
    site.configure(f"{CONFIG}sources:\n  - {{kind: things, name: odd}}\n")
    result = run(site, path, "run", "--json", "--as-of", "2026-11-24 09:00")
    assert '"arrived": 1' in result.out
    assert says in result.out
    assert (site.folder / "public/feed.xml").is_file()


def test_a_source_that_does_not_load_fails_each_run(site: Site, tmp_path: Path) -> None:
    """It is the operator's to mend, and ``digest check`` names it too; the weather is neither."""
    path = broken_package(tmp_path / "there", "digest.sources", "things", "import no_such_library\n")
    site.configure(f"{CONFIG}sources:\n  - {{kind: things, name: odd}}\n")
    for _ in range(2):
        result = run(site, path, "run", "--as-of", "2026-11-24 09:00")
        assert result.code == 1
        assert "failed: sources.odd: plug-in things of broken-things: cannot be loaded" in result.err
    result = run(site, path, "check", "--offline")
    assert "problem  source odd: sources.odd: plug-in things of broken-things: cannot be loaded" in result.out
    (path / "broken_things.py").write_text("class Thing:\n    def scan(self):\n        return []\n", encoding="utf-8")
    assert run(site, path, "run", "--as-of", "2026-11-24 09:00").code == 0
    assert "ok       source odd: it can be loaded" in run(site, path, "check", "--offline").out


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import no_such_library\n", "cannot be loaded: ModuleNotFoundError"),
        ("class Thing:\n    pass\n", "cannot be opened: TypeError"),
        ("class Thing:\n    def __init__(self, *given): pass\n", "cannot be opened: AttributeError"),
        (f"class Thing:\n{MADE}    def send(self, *what):\n        raise KeyError('secret')\n", "code broke: KeyError"),
        (f"class Thing:\n{MADE}    def send(self, *what):\n        return 1\n", "code broke: ValidationError"),
    ],
    ids=["import", "opening", "shape", "sending", "answer"],
)
def test_a_broken_channel_is_named_and_stops_no_mail(site: Site, tmp_path: Path, code: str, says: str) -> None:
    path = broken_package(tmp_path / "there", "digest.channels", "things", code)
    site.configure(f"{CONFIG}channels:\n  - {{kind: things, name: odd, digest: daily}}\n")
    result = run(site, path, "run", "--as-of", "2026-11-24 09:00")
    assert says in result.err
    assert "secret" not in result.err
    assert len(site.mails()) == 1
    assert json.loads(run(site, path, "status", "--json").out)["channels"] == {"odd": {"queued": 1}}


def test_a_broken_command_is_named(site: Site, tmp_path: Path) -> None:
    path = broken_package(tmp_path / "there", "digest.commands", "things", "raise RuntimeError('half')\n")
    result = run(site, path, "things")
    assert result.code == 1
    assert result.err == (
        "digest: plug-in things of broken-things: cannot be loaded: RuntimeError: half; install a version of "
        "broken-things that fits, or take out what names it\n"
    )


# --------------------------------------------------------------------- ours


def test_ours_come_through_the_same_doors() -> None:
    """What ``pyproject.toml`` names is what the program uses without looking it up, and all of it is there."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        groups = tomllib.load(file)["project"]["entry-points"]
    assert sorted(groups[plugins.SOURCES]) == sorted(SOURCE_KINDS)
    assert groups[plugins.CHANNELS] == CHANNEL_KINDS
    assert list(groups[plugins.COMMANDS]) == list(COMMANDS)
    for group in groups.values():
        for place in group.values():
            module, _, name = place.partition(":")
            assert getattr(import_module(module), name) is not None
    assert all(isinstance(plugins.load(plugins.COMMANDS, name), click.Command) for name in COMMANDS)


def test_nothing_is_looked_up_without_need(site: Site) -> None:
    """Looking always would cost a run that has nothing to do a tenth of its time."""
    code = (
        "import sys; from digest.cli import main\n"
        f"sys.argv = ['digest', 'run', '--config', {str(site.folder / 'config.yaml')!r}]\n"
        "try:\n    main()\nfinally:\n    print('importlib.metadata' in sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stderr.splitlines()[-1] == "False", done.stderr
