"""On the pages and in the mail of the sample archive no link leads nowhere, in either language.

A post's own page is made by the site generator, which the sample has not: such links are those of the store's posts.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from email import policy
from email.parser import BytesParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin

import lxml.html
import pytest
import yaml
from tests.program import run_program

ROOT = Path(__file__).parents[2]
SITE = "https://posts.example.com/"


@pytest.fixture(scope="module", params=["zh-CN", "en"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample archive, digested; with posts that are made up for the days before."""
    folder = tmp_path_factory.mktemp("links")
    settings = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    settings["posts"]["folder"] = str(ROOT / settings["posts"]["folder"])
    settings["site"]["language"] = request.param
    (folder / "config.yaml").write_text(yaml.safe_dump(settings, allow_unicode=True), encoding="utf-8")
    as_of = ("--as-of", "2026-11-24 08:00")
    days = ("--from", "2026-11-20", "--to", "2026-11-22")
    for words in (("run", *as_of), ("editions", "backfill", *days, *as_of)):
        assert run_program(*words, cwd=folder).returncode == 0
    return folder


def documents(site: Path) -> dict[str, bytes]:
    """Every page by its address, and the mail."""
    public = site / "public"
    found = {SITE + path.relative_to(public).as_posix(): path.read_bytes() for path in public.rglob("*.html")}
    (mail,) = (site / "var/outbox").glob("*.eml")
    body = BytesParser(policy=policy.default).parsebytes(mail.read_bytes()).get_body(("html",))
    assert body is not None
    return {**found, "mail:": body.get_content().encode()}


def test_every_link_leads_somewhere(site: Path) -> None:
    """To a file that is there and, if it names one, to a place in it."""
    pages = {
        address: lxml.html.document_fromstring(data, parser=lxml.html.HTMLParser(encoding="utf-8"))
        for address, data in documents(site).items()
    }
    anchors = {address: set(page.xpath("//@id")) for address, page in pages.items()}
    with closing(sqlite3.connect(site / "var/digest.db")) as connection:
        posts = {url for (url,) in connection.execute("SELECT url FROM post")}
    broken, followed = [], 0
    for address, page in pages.items():
        for link in page.xpath("//@href | //@src"):
            target, fragment = urldefrag(urljoin(address, link))
            if not target.startswith(SITE) or target in posts or target == SITE:
                continue
            followed += 1
            target = unquote(target) + "index.html" * target.endswith("/")
            file = site / "public" / target.removeprefix(SITE)
            if not file.is_file() or (fragment and fragment not in anchors[target]):
                broken.append((address, link))
    assert broken == []
    assert followed > 300
