"""Every Atom document that a run publishes follows RFC 4287."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.feeds.grammar import faults, is_atom
from tests.run.site_folder import CONFIG, Site

ROOT = Path(__file__).parents[2]

GOOD = b"""<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="zh-CN"><title>t</title><id>urn:x:1</id>
<updated>2026-11-24T08:00:00+08:00</updated><author><name>n</name></author>
<link rel="self" href="https://e.example/feed.xml"/>
<entry><title>a</title><id>urn:x:2</id><updated>2026-11-24T08:00:00+08:00</updated>
<published>2026-11-24T08:00:00+08:00</published><link rel="alternate" href="https://e.example/a"/></entry></feed>"""


def test_a_good_feed_has_no_fault() -> None:
    """The grammar knows what is right."""
    assert faults(GOOD) == []


@pytest.mark.parametrize(
    ("wrong", "instead"),
    [
        (b"<author><name>n</name></author>", b""),
        (b"<title>t</title>", b""),
        (b"<title>t</title>", b"<title>t</title><title>u</title>"),
        (b"<id>urn:x:1</id>", b"<id>no scheme</id>"),
        (b"<updated>2026-11-24T08:00:00+08:00</updated><author>", b"<updated>2026-11-24 08:00</updated><author>"),
        (b'rel="alternate" href="https://e.example/a"', b'rel="alternate" href="/a"'),
        (b'<link rel="alternate"', b'<link rel="alternate" href="https://e.example/b"/><link rel="alternate"'),
        (b"<id>urn:x:2</id>", b"<id>urn:x:2</id><content type='CDATA'>x</content>"),
        (b"<id>urn:x:2</id>", b"<id>urn:x:2</id><strange/>"),
        (b'xml:lang="zh-CN"', b'xml:lang="zh_CN"'),
    ],
)
def test_each_fault_is_found(wrong: bytes, instead: bytes) -> None:
    """And what is wrong."""
    assert wrong in GOOD
    assert faults(GOOD.replace(wrong, instead, 1))


def assert_all_follow(public: Path) -> None:
    documents = [path for path in sorted(public.rglob("*.xml")) if is_atom(path.read_bytes())]
    assert documents
    for path in documents:
        assert faults(path.read_bytes()) == [], path


@pytest.mark.parametrize("full_text", [False, True])
def test_the_sample_archive_follows(tmp_path: Path, full_text: bool) -> None:
    """All oddities included, summaries and whole texts."""
    site = Site(
        tmp_path, CONFIG.replace("posts:", f"feeds: {{full_text: {str(full_text).lower()}, tags: true}}\nposts:")
    )
    shutil.rmtree(tmp_path / "site")
    shutil.copytree(ROOT / "examples" / "archive", tmp_path / "site", symlinks=True)
    assert site.run().code == 0
    assert_all_follow(tmp_path / "public")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["elixir", "finews", "haacked", "huxpro", "opensuse", "prometheus", "ruby-news", "scala-lang", "techbridge"]
)
def test_real_sites_follow(name: str, real_posts: Path, tmp_path: Path) -> None:
    """Whatever people wrote."""
    site = Site(tmp_path, re.sub("folder: site", f"folder: {real_posts / name}", CONFIG))
    assert site.run().code == 0
    assert_all_follow(tmp_path / "public")
