"""``digest init --snippet``: what a theme takes over."""

from __future__ import annotations

from pathlib import Path

import lxml.html
import pytest
from click.testing import CliRunner

from digest.cli.init import command

CONFIG = """
site: {title: "T {{ x }}", url: https://news.example.com, language: zh-CN, timezone: Asia/Shanghai, author: A}
posts: {folder: site, kind: %s}
"""
FORM = "subscriptions: {url: https://news.example.com/mail}\n"


@pytest.mark.parametrize(
    ("kind", "place"), [("jekyll", "_includes/"), ("hugo", "layouts/partials/"), ("hexo", "layout/_partial/")]
)
def test_a_form_and_links_for_a_theme(tmp_path: Path, kind: str, place: str) -> None:
    """Nothing in it is a word of the theme's language; where it goes is said beside it."""
    (tmp_path / "site").mkdir()
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG % kind + FORM, encoding="utf-8")
    result = CliRunner().invoke(command, ["--config", str(config), "--snippet"], standalone_mode=False)
    assert result.exception is None
    assert place in result.stderr
    assert not {"{{", "{%", "<%"} & {result.stdout[at : at + 2] for at in range(len(result.stdout))}
    (form,) = lxml.html.fragment_fromstring(result.stdout).xpath(".//form")
    assert (form.get("action"), form.xpath(".//input/@name")) == ("https://news.example.com/mail/", ["email"])
    links = lxml.html.fragment_fromstring(result.stdout).xpath(".//a/@href")
    assert links[0] == "https://news.example.com/feed.xml"
    assert links[-1] == "https://news.example.com/feeds/"


def test_without_the_forms_address_there_are_links_alone(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG % "jekyll", encoding="utf-8")
    result = CliRunner().invoke(command, ["--config", str(config), "--snippet"], standalone_mode=False)
    assert "<form" not in result.stdout
    assert "feed.xml" in result.stdout
