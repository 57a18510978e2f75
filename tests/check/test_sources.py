"""``digest check`` on sources: each by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.check.test_command import Checked, check
from tests.feed_server import feed_server
from tests.run.site_folder import CONFIG, Site


def told(checked: Checked) -> dict[str, tuple[str, str]]:
    """Verdict and words about sources, by name."""
    return {
        name: (each["verdict"], f"{each['says']}; {each['remedy']}")
        for name, each in checked.findings.items()
        if each["group"] == "sources" or "url_file" in name
    }


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path)
    made.post()
    return made


def test_each_source_by_itself(site: Site) -> None:
    """Folders, feeds as if they were new, files with secrets; nothing is written, and offline nobody is asked."""
    (site.folder / "blog/_posts").mkdir(parents=True)
    secret = site.folder / "address"
    with feed_server() as feed:
        feed.entries = {1: "第一条"}
        secret.write_text(feed.url("hidden"), encoding="utf-8")
        secret.chmod(0o644)
        site.configure(
            f"{CONFIG}sources:\n"
            + feed.entry()
            + f"  - {{kind: feed, name: hidden, url_file: '{secret}', allow: [127.0.0.0/8]}}\n"
            + "  - {kind: feed, name: unset, url_env: DIGEST_NO_SUCH_THING}\n"
            + "  - {kind: folder, name: main, folder: site, settle: 0}\n"
            + "  - {kind: folder, name: blog, folder: blog}\n"
            + "  - {kind: folder, name: lost, folder: nowhere}\n"
        )
        before = sorted(site.folder.rglob("*"))
        first = told(check(site, "--json"))
        assert first["source wire"] == ("ok", "1 entry; ")
        assert first["source hidden"][0] == "ok"
        assert first["secret sources.hidden.url_file"][0] == "problem"
        assert first["source unset"][0] == "problem"
        assert "DIGEST_NO_SUCH_THING" in first["source unset"][1]
        assert first["source main"] == ("ok", f"{site.folder / 'site'}: 1 file; ")
        assert first["source blog"][0] == "warning"
        assert first["source lost"][0] == "problem"
        assert sorted(site.folder.rglob("*")) == before
        feed.status = 301
        moved = told(check(site, "--json"))
        assert moved["source wire"][0] == "warning"
        assert "it has moved for good to http://127.0.0.1:" in moved["source wire"][1]
        feed.status = 410
        gone = told(check(site, "--json"))
        assert gone["source wire"][0] == "problem"
        assert "answered 410" in gone["source wire"][1]
        feed.status = 200
        offline = told(check(site, "--offline", "--json"))
        assert offline["other feeds"] == ("skipped", "--offline; ")
        assert "source wire" not in offline


def test_without_any_folder(site: Site) -> None:
    """Nothing is missed that is not in the configuration."""
    with feed_server() as feed:
        text = CONFIG.replace("posts:\n  folder: site\n  settle: 0\n", "")
        site.configure(f"{text}sources:\n{feed.entry()}")
        found = check(site, "--offline", "--json").findings["files"]
        assert (found["verdict"], found["says"]) == ("skipped", "there is no folder of posts (sources)")
