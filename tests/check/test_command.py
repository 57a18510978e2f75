"""``digest check`` as its user calls it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from check_servers import Folder, closed_port, name_server, time_server, txt, web_server
from scripted_smtp import ScriptedServer, serving

from digest.mail.dkim import Signer
from tests.program import run_program
from tests.run.site_folder import CONFIG, Site


@dataclass(frozen=True)
class Checked:
    code: int
    out: str
    err: str

    @property
    def findings(self) -> dict[str, dict[str, Any]]:
        """By name; of several of one name the last."""
        return {each["name"]: each for each in json.loads(self.out)["findings"]}

    def verdicts(self) -> dict[str, str]:
        return {name: finding["verdict"] for name, finding in self.findings.items()}


def check(site: Site, *words: str, env: Mapping[str, str] | None = None) -> Checked:
    env = {**os.environ, "NO_COLOR": "1", **(env or {})}
    done = run_program("check", "--config", str(site.folder / "config.yaml"), *words, env=env)
    assert "Traceback" not in done.stderr, done.stderr
    return Checked(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def fingerprint(folder: Path) -> str:
    """Names, times and bytes of everything."""
    parts = [
        f"{path.relative_to(folder)} {path.lstat().st_mtime_ns} {path.read_bytes()!r}" if path.is_file() else str(path)
        for path in sorted(folder.rglob("*"))
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def test_a_new_site_is_fine(site: Site) -> None:
    """Offline, before the first run; nothing is written."""
    site.some_posts()
    before = fingerprint(site.folder)
    done = check(site, "--offline")
    assert (done.code, done.err) == (0, "")
    assert "  ok       files: 3 files: 3 posts, 0 left out" in done.out
    assert "made by the first run" in done.out
    assert "\x1b" not in done.out
    assert fingerprint(site.folder) == before
    assert done.out.splitlines()[-1].startswith("0 problems, ")


def test_nothing_is_written_after_a_run_either(site: Site) -> None:
    """Not even into the store's companions."""
    site.some_posts()
    assert site.run().code == 0
    site.post("2026-11-24-third.md", title="Third", link="http://x.example.com/3")
    before = fingerprint(site.folder)
    verdicts = check(site, "--offline", "--json").verdicts()
    assert fingerprint(site.folder) == before
    assert verdicts["integrity"] == "ok"
    assert verdicts["read back"] == "ok"


def test_every_problem_at_once(site: Site) -> None:
    """Posts with file and line, templates with theirs, a folder that cannot be; exit code 1."""
    site.some_posts()
    site.configure(CONFIG + "templates: looks\noutput: config.yaml/public\n")
    (site.posts / "2026-11-24-broken.md").write_text("---\ntitle: [x\ndate: 2026-11-24\n---\n")
    (site.folder / "looks" / "mail").mkdir(parents=True)
    (site.folder / "looks" / "mail" / "rest.html").write_text("\n{% if %}")
    done = check(site, "--offline")
    assert done.code == 1
    assert "problem  unusable: 1 file cannot be used" in done.out
    assert "_posts/2026-11-24-broken.md:2: " in done.out
    assert "looks/mail/rest.html:2: " in done.out
    assert "problem  folder output: " in done.out


def test_long_lists_are_cut(site: Site) -> None:
    """Unless --verbose asks for all of it, what is left out on purpose included."""
    for number in range(25):
        (site.posts / f"2026-11-24-{number}.md").write_text("---\n")
    site.post("2026-11-24-hidden.md", extra="published: false\n")
    brief, whole = check(site, "--offline").out, check(site, "--offline", "--verbose").out
    assert "… 5 more (--verbose lists all)" in brief
    assert "hidden.md" not in brief
    assert "2026-11-24-24.md:1: " in whole
    assert "hidden.md" in whole


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_an_unusable_configuration(site: Site, words: tuple[str, ...]) -> None:
    """Every fault with its line; exit code 2."""
    site.configure("site: {title: x}\nmale: {}\n")
    done = check(site, "--offline", *words)
    assert done.code == 2
    told = done.out if words else done.err
    assert "config.yaml:2: male: unknown key" in told
    assert "site.url: missing" in told
    if words:
        assert json.loads(done.out)["ok"] is False


def test_a_damaged_store(site: Site) -> None:
    """Costs what needs it, and nothing else."""
    site.some_posts()
    (site.folder / "var").mkdir()
    (site.folder / "var" / "digest.db").write_bytes(b"no database at all" * 100)
    done = check(site, "--offline", "--json")
    verdicts = done.verdicts()
    assert done.code == 1
    assert verdicts["store"] == "problem"
    assert [verdicts[name] for name in ("files", "templates", "read back", "digest daily")] == ["skipped"] * 4
    assert verdicts["folder output"] == "ok"


def test_a_missing_folder_of_posts(site: Site) -> None:
    site.configure(CONFIG.replace("folder: site", "folder: nowhere"))
    done = check(site, "--offline", "--json")
    assert (done.code, done.findings["files"]["verdict"]) == (1, "problem")


@pytest.mark.skipif(os.name != "posix", reason="rights of this kind are posix")
def test_secrets_that_others_can_read(site: Site) -> None:
    site.some_posts()
    (site.folder / "var").mkdir()
    (site.folder / "var" / "secret").write_text("1:" + "x" * 43)
    (site.folder / "var" / "secret").chmod(0o644)
    finding = check(site, "--offline", "--json").findings["secret subscriptions.secret_file"]
    assert finding["verdict"] == "problem"
    assert finding["remedy"].startswith("chmod 600 ")


def test_a_wrong_option_is_misuse(site: Site) -> None:
    done = check(site, "--resolver", "dns.example")
    assert done.code == 2
    assert "--resolver" in done.err


# ------------------------------------------------------------------ network

SECRET = "s" * 43


def configuration(web: str, smtp_port: int, ca: Path) -> str:
    return f"""\
site: {{title: News, url: {web}, language: en, timezone: Asia/Shanghai, author: Ann}}
posts: {{folder: site, settle: 0}}
mail:
  transport: smtp
  host: localhost
  port: {smtp_port}
  user: ann
  ca_file: {ca}
  sender: News <digest@news.test>
  bounce_address: b@bounces.news.test
  to: reader@example.com
  dkim: {{domain: news.test, keys: {{s1: key.pem}}}}
"""


def make_key(folder: Path) -> dict[tuple[str, str], list[str]]:
    """A key to sign with, and what the DNS must say of it."""
    path = folder / "key.pem"
    subprocess.run(["openssl", "genrsa", "-out", path, "2048"], check=True, capture_output=True)
    path.chmod(0o600)
    return {(name, "TXT"): [txt(record)] for name, record in Signer("news.test", {"s1": path}).records().items()}


ZONE = {
    ("bounces.news.test", "TXT"): [txt("v=spf1 a:smtp.news.test -all")],
    ("bounces.news.test", "MX"): ["10 mx.news.test."],
    ("news.test", "MX"): ["10 mx.news.test."],
    ("mx.news.test", "A"): ["192.0.2.25"],
    ("localhost", "A"): ["127.0.0.1"],
    ("_dmarc.news.test", "TXT"): [txt("v=DMARC1; p=reject; rua=mailto:d@news.test")],
}
ENV = {"DIGEST_SMTP_PASSWORD": "secret", "DIGEST_SECRET": SECRET}


def test_everything_is_asked_for_real(site: Site, certificate: Path) -> None:
    """Mail server with TLS and login, DNS, one-click pages, feeds over https, a time server: all of it is right, and
    no mail was sent."""
    site.some_posts()
    key = make_key(site.folder)
    with (
        serving(certificate=certificate, implicit_tls=True, mechanisms="PLAIN", login=("ann", "secret")) as smtp,
        name_server({**ZONE, **key}) as resolver,
        time_server() as clock,
        web_server(Folder(site.folder / "public"), certificate) as web,
    ):
        site.configure(configuration(web, smtp.port, certificate).replace("transport: smtp", "transport: folder"))
        assert site.run("--only", "collect").code == 0
        assert site.run("--only", "feeds").code == 0
        site.configure(configuration(web, smtp.port, certificate))
        done = check(
            site,
            "--json",
            *("--resolver", resolver, "--time-server", clock, "--timeout", "60"),
            env={**ENV, "SSL_CERT_FILE": str(certificate)},
        )
    assert not smtp.accepted
    verdicts = done.verdicts()
    bad = {name: finding for name, finding in done.findings.items() if finding["verdict"] in ("problem", "warning")}
    assert {name: each for name, each in bad.items() if name != "secret store"} == {}
    assert done.code == 0
    right = (
        "SMTP",
        "SPF",
        "DMARC",
        "alignment",
        "MX news.test",
        "form",
        "GET",
        "POST",
        "feed.xml",
        "rss.xml",
        "DKIM s1",
        "rules of Gmail",
        "rules of Yahoo",
        "rules of Microsoft",
    )
    assert {name: verdicts[name] for name in (*right, "feed.json", "feeds.opml", "clock", "List-Unsubscribe")} == {
        **dict.fromkeys((*right, "feed.json", "feeds.opml", "clock", "List-Unsubscribe"), "ok")
    }
    assert (verdicts["SPF relay"], verdicts["signature"]) == ("skipped", "ok")
    assert done.findings["rules of Gmail"]["says"].endswith(
        "cannot be seen from here: SPF, reverse DNS; met: DKIM, DMARC, alignment, one click, TLS"
    )


def test_everything_is_down(site: Site, certificate: Path) -> None:
    """Each thing says for itself what is wrong."""
    site.some_posts()
    site.configure(configuration(f"https://localhost:{closed_port()}", closed_port(), certificate))
    with name_server({}) as resolver:
        done = check(
            site,
            "--json",
            *("--resolver", resolver, "--time-server", f"127.0.0.1:{closed_port()}", "--timeout", "20"),
            env=ENV,
        )
    verdicts = done.verdicts()
    assert done.code == 1
    down = ("SMTP", "SPF", "DMARC", "MX news.test")
    assert {name: verdicts[name] for name in down} == dict.fromkeys(down, "problem")
    assert "not met: SPF, DMARC, answers" in done.findings["rules of Microsoft"]["says"]
    assert "the key cannot be read" in done.findings["DKIM keys"]["says"]
    assert (verdicts["clock"], verdicts["feeds"], verdicts["one click"]) == ("warning", "skipped", "warning")


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({}, "there is no password for ann"),
        ({"DIGEST_SMTP_PASSWORD": "wrong"}, "refuses the login"),
    ],
)
def test_login(env: dict[str, str], says: str, site: Site, certificate: Path) -> None:
    """A password that is missing or wrong; it is never told."""
    with (
        ScriptedServer(certificate=certificate, implicit_tls=True, mechanisms="PLAIN", login=("ann", "secret")) as smtp,
        name_server({}) as resolver,
        time_server() as clock,
    ):
        site.configure(configuration("https://localhost:1", smtp.port, certificate))
        words = ("--resolver", resolver, "--time-server", clock, "--timeout", "20")
        done = check(site, "--json", *words, env=env)
    finding = done.findings["SMTP"]
    assert finding["verdict"] == "problem"
    assert says in finding["says"]
    assert "wrong" not in done.out.replace("what is wrong", "")
