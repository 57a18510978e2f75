"""The balance line adds up in mail, text part, page, feed of editions and report, whatever an edition holds."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

import feedparser
import lxml.html
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digest.cli.report import told_balance
from digest.edition.contents import Balance, Edition, Limits, Publisher
from digest.languages import CatalogueLanguage
from digest.models import Author, KnownPost
from digest.render.balance import balance_line, page_balance_line
from digest.render.context import RenderContext
from digest.render.edition_feed import FeedFrame, render_edition_feed
from digest.render.editions import render_edition_page
from digest.render.mail import Mail, render_mail
from digest.templates import FolderTemplates

STORIES = ("南美两座铜矿提前复产 沪铜大跌", "央行开展逆回购操作", "青岚电池签下固态电池大单", "气象台发布寒潮橙色预警")
posts_of = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 3), st.booleans(), st.integers(0, 1_500)), max_size=30
)  # story (or none), section, has a summary, minutes ago
limits_of = st.builds(
    Limits,
    items=st.none() | st.integers(1, 12),
    minutes=st.none() | st.integers(1, 3),
    leads=st.integers(1, 24),
    html_bytes=st.sampled_from([16_000, 74_000]),
)


def numbers(line: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", line.replace(",", ""))]


def terms(balance: Balance) -> list[int]:
    """The numbers that a line must have, in its order: the sum first; what is nothing is not named."""
    if balance.arrived == balance.here:
        return [balance.arrived] if balance.arrived else []
    return [balance.arrived, balance.here, *(part for part in (balance.grouped, balance.page) if part)]


def body(html: str | bytes) -> lxml.html.HtmlElement:
    return lxml.html.document_fromstring(html)


def line_of(root: lxml.html.HtmlElement) -> str:
    return " ".join(" ".join(part.text_content() for part in root.xpath("//p[@class='balance']")).split())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(made=posts_of, limits=limits_of)
def test_every_post_is_counted_once_everywhere(
    make_edition: Callable[..., Edition],
    make_post: Callable[..., KnownPost],
    publisher: Publisher,
    templates: FolderTemplates,
    language: CatalogueLanguage,
    made: list[tuple[int, int, bool, int]],
    limits: Limits,
) -> None:
    """The numbers add up, are the same in all five places, and are those of what is really there."""
    posts = [
        make_post(
            key,
            title=f"{STORIES[story]} {key % 3}" if story < len(STORIES) else chr(0x4E00 + key * 37) * 8,
            summary="摘要。" if has_summary else "",
            categories=(f"c{section}",),
            published=datetime.fromtimestamp(1_795_478_400 - minutes * 60, UTC),
        )
        for key, (story, section, has_summary, minutes) in enumerate(made, start=1)
    ]
    edition = make_edition(posts=posts, group=True)
    look = RenderContext(publisher=publisher, templates=templates, language=language)
    mail = render_mail(edition, look, limits)
    balance = mail.edition.balance
    assert balance.arrived == balance.here + balance.grouped + balance.page == len(posts)
    page = body(render_edition_page(mail.edition, look, previous=None, following=None))
    html = body(mail.html)
    lines = {
        "mail": line_of(html),
        "text": next((line for line in mail.text.split("\n---\n")[1].splitlines() if line), ""),
        "page": line_of(page),
        "feed": feed_of(mail, look),
    }
    for line in lines.values():
        assert numbers(line) == terms(balance)
    report = numbers(told_balance(balance))
    assert report[0] == sum(report[1:]) == balance.arrived
    assert balance.here == len(html.xpath("//h3/a | //p[@class='headline']/a")) == shown_in(mail.text)
    assert len(page.xpath("//article") + page.xpath("//ul[@class='others']/li")) == balance.arrived
    for root, base in ((html, "https://feeds.example.com/editions/daily/2026-11-24/"), (page, "")):
        links = root.xpath("//p[@class='balance']/a/@href")
        assert len(links) == bool(balance.grouped) + bool(balance.page), "each term leads to what it counts"
        for link in links:
            assert page.xpath(f"//*[@id='{link.removeprefix(base).removeprefix('#')}']")


def shown_in(text: str) -> int:
    return len(re.findall(r"(?m)^\d+\. ", text))


def feed_of(mail: Mail, look: RenderContext) -> str:
    data = render_edition_feed(
        [mail.edition], look, FeedFrame(author=Author(name="x")), digest="daily", title="财经早报"
    )
    (entry,) = feedparser.parse(data).entries
    (content,) = entry.content
    lines: list[str] = [part.text_content() for part in body(content.value).xpath("//p")]
    assert entry.summary.startswith(lines[-2])
    return lines[-2]


@pytest.mark.parametrize(
    ("balance", "line", "on_page"),
    [
        ((312, 24, 41, 247), "312 new = 24 here + 41 grouped with them + 247 on the full page",
         "312 new = 24 in the mail + 41 grouped with them + 247 on this page only"),
        ((12, 10, 0, 2), "12 new = 10 here + 2 on the full page", "12 new = 10 in the mail + 2 on this page only"),
        ((12, 10, 2, 0), "12 new = 10 here + 2 grouped with them", "12 new = 10 in the mail + 2 grouped with them"),
        ((1, 1, 0, 0), "1 new, and it is here", "1 new, and it is in the mail"),
        ((3, 3, 0, 0), "3 new, all of them here", "3 new, all of them in the mail"),
        ((0, 0, 0, 0), "Nothing new.", "Nothing new."),
    ],
)  # fmt: skip
def test_the_words(balance: tuple[int, int, int, int], line: str, on_page: str) -> None:
    arrived, here, grouped, page = balance
    sums = Balance(arrived=arrived, here=here, grouped=grouped, page=page)
    assert balance_line(sums, CatalogueLanguage("en")).text == line
    assert page_balance_line(sums, CatalogueLanguage("en")).text == on_page


def test_a_report_names_what_there_is() -> None:
    assert told_balance(Balance(arrived=1, here=1, grouped=0, page=0)) == "1 post = 1 in the mail + 0 on its page only"
