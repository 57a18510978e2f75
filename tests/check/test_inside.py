"""The joining and the door of ``digest check``, in this process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from check_servers import Folder, closed_port, name_server, time_server, txt, web_server
from click.testing import CliRunner, Result
from scripted_smtp import serving

from digest.app.check import Wanted, check_up
from digest.app.collecting import collect_posts
from digest.app.running import run_once
from digest.app.showing import next_edition
from digest.cli.check import command
from digest.errors import ConfigError
from digest.jobs.check.feeds import ReadBack, is_address, judge_feeds
from digest.jobs.check.findings import CheckReport, Finding, Verdict
from digest.jobs.check.mail import judge_budget
from digest.jobs.feeds import FeedReport
from tests.run.site_folder import CONFIG, Site
from tests.subscribers.reader_world import World, opened


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path)
    made.some_posts()
    return made


def check(site: Site, **wanted: object) -> dict[str, Finding]:
    report = check_up(site.folder / "config.yaml", Wanted(**wanted))  # type: ignore[arg-type]
    assert isinstance(report, CheckReport)
    return {finding.name: finding for finding in report.findings}


def called(site: Site, *words: str) -> Result:
    return CliRunner().invoke(command, ["--config", str(site.folder / "config.yaml"), *words], standalone_mode=False)


def test_a_language_without_texts_is_told(site: Site) -> None:
    """By ``check`` and by each run; not one that has them, in whichever region."""
    assert check(site, offline=True)["language"].verdict is Verdict.OK
    site.configure(CONFIG.replace("language: zh-CN", "language: pt-BR"))
    found = check(site, offline=True)["language"]
    assert (found.verdict, found.remedy) == (Verdict.WARNING, "docs/translate.md tells how to add them, in one file")
    report, _ = run_once(site.folder / "config.yaml", mail=False)
    assert [line for line in report.warnings if "there are no texts in pt-BR yet" in line]


# -------------------------------------------------------------------- feeds

ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><link rel="self" href="https://n.test/feed.xml"/>{}</feed>"""
ENTRY = """<entry><id>{}</id><link href="{}"/><link rel="enclosure" href="x"/></entry>"""
GOOD = ENTRY.format("a", "https://n.test/a")


@pytest.mark.parametrize(
    ("path", "text", "fault"),
    [
        ("feed.xml", ATOM.format(GOOD), ""),
        ("feed.xml", ATOM.format(GOOD * 2), "two entries have the id a"),
        ("feed.xml", ATOM.format(ENTRY.format("", "https://n.test/a")), "an entry has no id"),
        ("feed.xml", ATOM.format(ENTRY.format("a", "/a.html")), "/a.html is no address"),
        ("feed.xml", ATOM.format(ENTRY.format("a", "")), "an empty address is no address"),
        (
            "other.xml",
            ATOM.format(GOOD),
            "it calls itself https://n.test/feed.xml, and should https://n.test/other.xml",
        ),
        ("feed.xml", "<feed>", "not well-formed"),
        ("rss.xml", "<rss/>", "it calls itself nothing"),
        ("feed.json", "{", "not well-formed"),
        ("feed.json", json.dumps({"feed_url": "https://n.test/feed.json", "items": [{"id": "a"}]}), ""),
        ("archive/1.json", json.dumps({"feed_url": "https://n.test/feed.json", "items": []}), ""),
        ("feeds.opml", "<opml/>", ""),
        ("feeds.opml", "<opml>", "not well-formed"),
        ("feeds/index.html", "<p", ""),
    ],
)
def test_what_is_read_back(path: str, text: str, fault: str) -> None:
    """Well-formed, its own address, ids, links."""
    read = ReadBack(base="https://n.test/")
    assert read.write(path, text.encode())
    assert read.faults == ([] if not fault else read.faults)
    assert fault in "".join(read.faults)
    assert (read.read(path), read.exists(path), read.remove(path), read.listing("")) == (None, False, False, set())


def test_failures_and_warnings_of_feeds() -> None:
    report = FeedReport(failures=("feed.xml: no",), warnings=("feed x: its 3 posts reach back 2 hours; raise it",))
    told = list(judge_feeds(ReadBack(base="https://n.test/"), report))
    assert [(each.name, each.verdict.value) for each in told] == [
        ("feeds", "problem"),
        ("read back", "ok"),
        ("window", "warning"),
    ]
    assert told[2].remedy == "raise it"


@pytest.mark.parametrize(
    "link", ["", "x", "//n.test/", "ftp://n.test/", "https://", "https://n.test/ä", "http://[", "https://n.test/a b"]
)
def test_addresses_that_no_reader_can_open(link: str) -> None:
    assert not is_address(link)


# ------------------------------------------------------------------- budget


@pytest.mark.parametrize(("size", "verdict"), [(74_000, "ok"), (9_000, "problem"), (100, "problem")])
def test_budget(size: int, verdict: str, tmp_path: Path, empty_sqlite: Path) -> None:
    """Room for everything, for no post at all, not even for a mail without posts."""
    from msgspec.structs import replace

    (tmp_path / "var").mkdir()
    path = tmp_path / "var" / "digest.db"
    path.write_bytes(empty_sqlite.read_bytes())
    with opened(tmp_path, f"sqlite:///{path}") as world:
        preview = _preview(world)
        limits = replace(preview.plan.limits, html_bytes=size)
        frozen = preview.mail.edition
        if size == 9_000:
            from digest.edition.contents import show

            preview = replace(preview, mail=replace(preview.mail, edition=show(frozen, ())))
        judged = replace(preview, plan=replace(preview.plan, limits=limits))
        assert judge_budget(judged, world.settings.site.timezone).verdict.value == verdict


def _preview(world: World):
    world.news("first")
    collect_posts(world.app())
    return next_edition(world.app(), "daily")


# ------------------------------------------------------------------ joining


def test_a_site_as_it_should_be(site: Site) -> None:
    """Offline; the door prints it, for people and for programs."""
    verdicts = {name: finding.verdict.value for name, finding in check(site, offline=True).items()}
    assert {"files": "ok", "read back": "ok", "digest daily": "ok"}.items() <= verdicts.items()
    brief = called(site, "--offline")
    assert brief.return_value == 0
    assert brief.output.splitlines()[-1].startswith("0 problems")
    value = json.loads(called(site, "--offline", "--json").output)
    assert value["ok"] is True
    assert value["counts"]["problem"] == 0
    assert {finding["group"] for finding in value["findings"]} >= {"configuration", "posts", "mail", "network"}


def test_problems_are_listed(site: Site) -> None:
    """Cut unless all of it is wanted."""
    for number in range(25):
        (site.posts / f"2026-11-24-{number}.md").write_text("---\n")
    site.configure(CONFIG + "templates: none\nsubscriptions: {enabled: false}\n")
    assert called(site, "--offline").return_value == 1
    assert "… 5 more" in called(site, "--offline").output
    assert "… 5 more" not in called(site, "--offline", "--verbose").output
    found = check(site, offline=True)
    assert "there is no such folder" in found["templates"].says
    assert found["List-Unsubscribe"].verdict.value == "skipped"


def test_an_unusable_configuration(site: Site) -> None:
    site.configure("site: {}\n")
    with pytest.raises(ConfigError):
        check(site)
    assert isinstance(called(site).exception, ConfigError)
    result = called(site, "--json")
    assert result.return_value == 2
    assert json.loads(result.output)["ok"] is False


def test_a_store_that_is_none(site: Site) -> None:
    (site.folder / "var").mkdir()
    (site.folder / "var" / "digest.db").write_bytes(b"nothing" * 1000)
    found = check(site, offline=True)
    assert found["store"].verdict.value == "problem"
    assert found["read back"].says == "the store cannot be opened"


SMTP = """\
site: {{title: N, url: {web}, language: en, timezone: UTC, author: A}}
posts: {{folder: site, settle: 0}}
mail:
  transport: smtp
  host: localhost
  port: {port}
  security: starttls
  ca_file: {ca}
  sender: N <digest@news.test>
"""
ZONE = {
    ("news.test", "TXT"): [txt("v=spf1 a:mx.news.test -all")],
    ("news.test", "MX"): ["10 mx.news.test."],
    ("mx.news.test", "A"): ["192.0.2.25"],
    ("localhost", "A"): ["127.0.0.1"],
    ("_dmarc.news.test", "TXT"): [txt("v=DMARC1; p=none; rua=mailto:d@news.test")],
}


def test_the_network(site: Site, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """STARTTLS without a login, the records of the sender's own domain, pages over https."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("DIGEST_SECRET", "s" * 43)
    public = site.folder / "public"
    with (
        serving(certificate=certificate, starttls=True) as smtp,
        name_server(ZONE) as resolver,
        time_server(-20) as clock,
        web_server(Folder(public), certificate) as web,
    ):
        site.configure(SMTP.format(web=web, port=smtp.port, ca=certificate))
        assert site.run("--only", "collect").code == 0
        assert site.run("--only", "feeds").code == 0
        found = check(site, seconds=60.0, resolver=resolver, time_server=clock)
    verdicts = {name: finding.verdict.value for name, finding in found.items()}
    right = ("SMTP", "SPF", "DMARC", "alignment", "MX news.test", "GET", "POST", "feed.xml", "feeds.opml")
    assert {name: verdicts[name] for name in right} == dict.fromkeys(right, "ok")
    assert (verdicts["DKIM keys"], verdicts["DKIM"], verdicts["clock"]) == ("skipped", "skipped", "warning")


def test_mails_about_subscriptions_have_a_sender_too(site: Site, certificate: Path) -> None:
    """Whose domain needs a policy of its own, if it is another."""
    config = SMTP.format(web="https://localhost:1", port=closed_port(), ca=certificate)
    site.configure(config + "subscriptions: {sender: s@other.test}\n")
    with name_server(ZONE) as resolver, time_server() as clock:
        report = check_up(site.folder / "config.yaml", Wanted(seconds=20.0, resolver=resolver, time_server=clock))
    verdicts = [finding.verdict.value for finding in report.findings if finding.name == "DMARC"]
    assert verdicts == ["ok", "problem"]


def test_secrets_of_no_use(site: Site) -> None:
    """One that cannot be understood costs what is signed with it; a token that is not there is named."""
    site.configure(CONFIG + "watch: {token_file: none}\n")
    (site.folder / "var").mkdir()
    (site.folder / "var" / "secret").write_text("short")
    found = check(site, offline=True)
    assert found["List-Unsubscribe"].verdict.value == "problem"
    assert found["files"].verdict.value == "ok"
    assert "there is no such file" in found["secret watch.token_file"].says


def test_no_network(site: Site) -> None:
    """Nobody answers: findings, no errors. Pages that nobody uses yet are not a problem."""
    site.configure(CONFIG.replace("https://news.example.com", f"http://127.0.0.1:{closed_port()}"))
    found = check(site, seconds=20.0, time_server=f"127.0.0.1:{closed_port()}")
    assert found["one click"].verdict.value == "warning"
    assert found["one click"].says.endswith("(nobody has subscribed yet)")
    assert found["clock"].verdict.value == "warning"
    assert found["feeds"].says == "nothing is published yet"
