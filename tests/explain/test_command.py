"""``digest explain`` as its user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.run.site_folder import Site


@pytest.fixture(scope="module")
def explained(tmp_path_factory: pytest.TempPathFactory) -> Site:
    made = Site(tmp_path_factory.mktemp("explained"))
    made.some_posts()
    (made.posts / "2026-11-24-broken.md").write_text("---\n")
    assert made.run().code == 0
    return made


@pytest.fixture
def site(explained: Site, tmp_path: Path) -> Site:
    """A site after its first run."""
    return explained.copy(tmp_path)


def test_a_post(site: Site) -> None:
    """What it is, then a line for each fact, its reasons below."""
    done = site.command("explain", "2026-11-24-second.md")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "半导体板块走强"
    assert "  path    _posts/2026-11-24-second.md" in lines
    (place,) = [number for number, line in enumerate(lines) if line.startswith("- daily 2026-11-24")]
    assert "with its summary; place 1 in stocks" in lines[place]
    assert lines[place + 1] == "    the digest's first edition has the newest day of the archive that was there"


def test_a_post_for_programs(site: Site) -> None:
    told = json.loads(site.command("explain", "半导体", "--json").out)
    assert told["about"]["path"] == "_posts/2026-11-24-second.md"
    assert [fact["code"] for fact in told["facts"]] == ["collected", "in-lead"]
    assert told["facts"][1]["stored"].startswith("newest-day")


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_several_candidates(site: Site, words: tuple[str, ...]) -> None:
    """They are listed, for another try; exit code 1."""
    site.post("2026-11-24-fourth.md", title="半导体板块走弱", link="http://x.example.com/4")
    assert site.run().code == 0
    done = site.command("explain", "半导体", *words)
    assert done.code == 1
    assert "_posts/2026-11-24-second.md" in done.out
    assert "_posts/2026-11-24-fourth.md" in done.out


def test_a_skipped_file(site: Site) -> None:
    assert "broken.md:1: " in site.command("explain", "broken.md").out


def test_an_address(site: Site) -> None:
    done = site.command("explain", "--subscriber", "Reader@example.com", "--date", "2026-11-24")
    assert done.code == 0
    assert "- in mail.to: gets every digest, without a subscription" in done.out
    assert "- daily 2026-11-24: sent " in done.out
    told = json.loads(site.command("explain", "--subscriber", "reader@example.com", "--json").out)
    assert [fact["code"] for fact in told["facts"]][:2] == ["listed", "sent"]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ((), 2, "name a post, or --subscriber ADDRESS"),
        (("x", "--subscriber", "a@b.example"), 2, "name a post, or --subscriber ADDRESS"),
        (("x", "--date", "2026-11-24"), 2, "--date goes with --subscriber"),
        (("--subscriber", "a@b.example", "--date", "yesterday"), 2, "write for example 2026-11-24"),
        (("x", "--digest", "none"), 2, "there is no digest 'none'"),
        (("nothing",), 1, "no post is known by that"),
    ],
)
def test_misuse(words: tuple[str, ...], code: int, says: str, site: Site) -> None:
    done = site.command("explain", *words)
    assert done.code == code
    assert says in done.err
