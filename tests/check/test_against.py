"""``digest check --against``: addresses of posts beside those of the site that its generator built."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from digest.app.check import Wanted, check_up
from tests.run.site_folder import Site

PAGES = {
    "plain": ("macro/2026/11/24/first.html", "stocks/2026/11/24/second.html", "macro/2026/11/23/old.html"),
    "slash": ("macro/2026/11/24/first/index.html", "stocks/2026/11/24/second.html", "macro/2026/11/23/old.html"),
    "day": ("macro/2026/11/24/first.html", "stocks/2026/11/23/second.html", "macro/2026/11/23/old.html"),
    "missing": ("macro/2026/11/24/first.html", "stocks/2026/11/24/second.html"),
}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    site.some_posts()
    return site


def built(site: Site, pages: tuple[str, ...]) -> Path:
    folder = site.folder / "_site"
    for page in (*pages, "index.html", "about.html"):
        path = folder / page
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("<p>page</p>", encoding="utf-8")
    return folder


def said(site: Site, place: str, code: int) -> str:
    report = check_up(site.folder / "config.yaml", Wanted(offline=True, against=place))
    assert report.ok is (code == 0), report.findings
    found = [each for each in report.findings if each.name == "addresses"]
    return "\n".join(f"{each.says}; {each.remedy}" for each in found)


@pytest.mark.parametrize(
    ("kind", "code", "says"),
    [
        ("plain", 0, "all 3 are in "),
        ("slash", 1, "the ending differs"),
        ("day", 1, "the day differs; correct site.timezone"),
        ("missing", 1, "1 of 3 are not in "),
    ],
)
def test_a_folder(site: Site, kind: str, code: int, says: str) -> None:
    """Each kind of difference has its line, with what to do and the posts."""
    assert says in said(site, str(built(site, PAGES[kind])), code)


SITEMAP = "<urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>{}</urlset>"
ATOM = "<feed xmlns='http://www.w3.org/2005/Atom'>{}</feed>"


def urls(kind: str) -> list[str]:
    return [f"https://news.example.com/{page}" for page in PAGES[kind]]


def test_a_sitemap_and_a_feed(site: Site) -> None:
    for name, frame, entry in (
        ("sitemap.xml", SITEMAP, "<url><loc>{}</loc></url>"),
        ("atom.xml", ATOM, "<entry><link href='{}'/></entry>"),
        ("rss.xml", "<rss><channel>{}</channel></rss>", "<item><link>{}</link></item>"),
    ):
        path = site.folder / name
        path.write_text(frame.format("".join(entry.format(url) for url in urls("plain"))), encoding="utf-8")
        assert "all 3 are in" in said(site, str(path), 0)


@pytest.fixture
def server(site: Site) -> Iterator[str]:
    handler = partial(SimpleHTTPRequestHandler, directory=str(site.folder / "web"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_site_itself(site: Site, server: str) -> None:
    """Its sitemap is asked for, and those that it leads to."""
    web = site.folder / "web"
    web.mkdir()
    (web / "posts.xml").write_text(SITEMAP.format("".join(f"<url><loc>{url}</loc></url>" for url in urls("plain"))))
    index = f"<sitemapindex><sitemap><loc>{server}/posts.xml</loc></sitemap></sitemapindex>"
    (web / "sitemap.xml").write_text(index)
    assert "all 3 are in" in said(site, server, 0)


@pytest.mark.parametrize(
    "content", ["", "<html>", "<urlset/>", "\x00", "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"]
)
def test_what_is_none_is_one_clear_line(site: Site, content: str) -> None:
    path = site.folder / "sitemap.xml"
    path.write_text(content, encoding="utf-8")
    assert "name " in said(site, str(path), 1)
    assert "name " in said(site, str(site.folder / "nowhere"), 1)


@pytest.mark.jekyll
def test_jekyll_and_we_agree(site: Site) -> None:
    """What Debian's Jekyll builds of the same posts."""
    (site.folder / "site" / "_config.yml").write_text("timezone: Asia/Shanghai\n", encoding="utf-8")
    folder = site.folder / "built"
    jekyll = ["jekyll", "build", "--quiet", "--source", str(site.folder / "site"), "--destination", str(folder)]
    subprocess.run([*jekyll, "--disable-disk-cache"], check=True, capture_output=True, timeout=120)
    assert "all 3 are in" in said(site, str(folder), 0)
