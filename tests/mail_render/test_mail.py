"""The digest mail as HTML and text (digest/render/mail.py, templates/mail)."""

from __future__ import annotations

import email
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from email.message import Message
from itertools import pairwise
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import lxml.html
import pytest
from msgspec.structs import replace

from digest.edition.contents import (
    HTML_BUDGET,
    TEXT_BUDGET,
    Correction,
    Edition,
    Limits,
    Publisher,
    Shown,
    edition_from_json,
    edition_to_json,
    rank,
    reading_minutes,
    show,
)
from digest.edition.points import first_turns, main_points
from digest.errors import TemplateError
from digest.languages import CatalogueLanguage
from digest.models import Code, KnownPost
from digest.render.context import RenderContext
from digest.render.days import Times, edition_date
from digest.render.editions import render_edition_page
from digest.render.mail import (
    FOOT,
    PREHEADER,
    Mail,
    edition_title,
    render_again,
    render_mail,
    subject_of,
    summary_alone,
    web_link,
)
from digest.render.message import EditionMessage
from digest.templates import FolderTemplates
from digest.theme import Theme

MakeEdition = Callable[..., Edition]
MakePost = Callable[..., KnownPost]
Render = Callable[..., Mail]


@pytest.fixture
def render(publisher: Publisher, templates: FolderTemplates, language: CatalogueLanguage) -> Render:
    def rendered(edition: Edition, limits: Limits | None = None, who: Publisher | None = None) -> Mail:
        look = RenderContext(publisher=who or publisher, templates=templates, language=language)
        return render_mail(edition, look, limits or Limits())

    return rendered


def tree(mail: Mail) -> lxml.html.HtmlElement:
    return lxml.html.document_fromstring(mail.html)


def visible(mail: Mail) -> str:
    root = tree(mail)
    for hidden in root.xpath("//head | //*[@class='preheader']"):
        hidden.drop_tree()
    return " ".join(root.text_content().split())


# ------------------------------------------------------------- HTML, by rule


def test_the_head_says_what_mail_programs_ask(
    render: Render, make_edition: MakeEdition, language: CatalogueLanguage
) -> None:
    mail = render(make_edition())
    root = tree(mail)
    assert mail.html.lower().startswith("<!doctype html>")
    assert (root.get("lang"), root.get("dir")) == (language.tag, "ltr")
    assert root.xpath("//body/div[@lang and @dir]/table"), "webmail drops html and body"
    metas = {meta.get("name"): meta.get("content") for meta in root.xpath("//meta[@name]")}
    assert metas["color-scheme"] == metas["supported-color-schemes"] == "light dark"
    assert "width=device-width" in metas["viewport"]
    assert "telephone=no" in metas["format-detection"]
    assert root.xpath("//head/*")[0].get("charset") == "utf-8", "within the first 1,024 bytes"
    assert root.findtext(".//title") == mail.subject


def test_one_column_of_600_pixels_in_presentation_tables(render: Render, make_edition: MakeEdition) -> None:
    root = tree(render(make_edition()))
    tables = root.xpath("//table")
    assert tables
    for table in tables:
        assert table.get("role") == "presentation"
        assert {table.get(name) for name in ("cellpadding", "cellspacing", "border")} == {"0"}
    outer = root.xpath("//table[@class='sheet' or @class='foot']")
    assert all("max-width:600px" in table.get("style") for table in outer)
    assert all(len(row) == 1 for row in root.xpath("//tr[@dir or td/@dir]")), "one column"
    assert set(root.xpath("//tr[count(td)>1]/ancestor::table[1]/@class")) <= {"row", "short", "plain"}


def test_word_gets_a_table_of_600(render: Render, make_edition: MakeEdition) -> None:
    html = render(make_edition()).html
    assert re.search(r'<!--\[if mso\]><table role="presentation" width="600"[^>]*><tr><td><!\[endif\]-->', html)
    assert html.count("<!--[if mso]>") == html.count("<![endif]-->") == 3


def test_padding_stands_on_cells_only(render: Render, make_edition: MakeEdition) -> None:
    """Outlook ignores it elsewhere, but on what has a border."""
    for element in tree(render(make_edition())).xpath("//*[contains(@style,'padding')]"):
        if "border-top:" in element.get("style"):
            continue
        assert element.tag in ("td", "body", "h2") or "padding:0" in element.get("style").replace("padding:0 ", "")


def test_one_small_style_element_is_left_after_inlining(render: Render, make_edition: MakeEdition) -> None:
    mail = render(make_edition())
    (style,) = tree(mail).xpath("//style")
    assert style.getparent().tag == "head"
    assert len(style.text.encode()) < 16_000
    outside = re.sub(r"@media[^{]*\{(?:[^{}]*\{[^{}]*\})*\s*\}", "", style.text)
    assert not outside.strip(), "only media queries"
    assert "data-css-inline" not in mail.html
    for element in tree(mail).xpath("//td | //h1 | //h2 | //h3 | //p | //a"):
        assert element.get("style"), "readable without any style element"


FORBIDDEN_ELEMENTS = [
    "svg",
    "video",
    "audio",
    "form",
    "input",
    "button",
    "script",
    "picture",
    "base",
    "link",
    "iframe",
    "object",
    "embed",
    "img",
    "canvas",
]
FORBIDDEN_STYLE = re.compile(
    r"display:\s*(inline-)?(flex|grid)|position\s*:|var\(|--[a-z]|\drem\b|@import|@font-face|background-image|url\(|"
    r"-(inline|block)-(start|end)|margin-inline|padding-inline|inset",
)


def test_nothing_that_mail_programs_do_not_know(render: Render, make_edition: MakeEdition) -> None:
    mail = render(make_edition(80))
    root = tree(mail)
    for name in FORBIDDEN_ELEMENTS:
        assert not root.xpath(f"//{name}"), name
    styles = [*root.xpath("//@style"), *root.xpath("//style/text()")]
    for style in styles:
        assert not FORBIDDEN_STYLE.search(style), style
    assert not root.xpath("//a[starts-with(@href,'#')] | //@onclick | //@onload")
    assert "data:" not in mail.html


def test_every_colour_of_the_page_has_one_for_the_dark(render: Render, make_edition: MakeEdition) -> None:
    html = render(make_edition()).html
    dark = html[html.index("prefers-color-scheme") : html.index("@media print")]
    tones = Theme().dark
    for colour in (tones.ground, tones.sheet, tones.ink, tones.soft, tones.accent, tones.line, tones.on):
        assert colour in dark


def test_no_images_and_nothing_loaded_from_anywhere(render: Render, make_edition: MakeEdition) -> None:
    assert not tree(render(make_edition())).xpath("//@src | //@background | //@srcset")


def test_links_are_absolute_and_say_where_they_go(
    render: Render, make_edition: MakeEdition, make_post: MakePost
) -> None:
    """Whatever a post gives as its address: only http and https are linked, others lead to the edition's page."""
    bad = [
        "javascript:alert(1)",
        "/relative",
        "",
        "data:text/html,x",
        "http:///nowhere",
        "https://exa mple/[",
        "//x.org/",
    ]
    posts = [make_post(key, url=url) for key, url in enumerate(bad, start=1)]
    posts += [make_post(20, url="https://news.example.com/" + "x" * 2_000)]
    links = tree(render(make_edition(posts=posts))).xpath("//a")
    for link in links:
        assert re.match(r"(https?://[^/\s]+/|mailto:[^\s]+@|%%[A-Z]+%%$)", link.get("href")), link.get("href")
        assert link.text_content().strip()
    page = "https://feeds.example.com/editions/daily/2026-11-24/"
    assert {link.get("href") for link in links} >= {f"{page}#p1", f"{page}#p2", f"{page}#p20"}


def test_the_button_is_a_filled_cell_of_44_pixels(render: Render, make_edition: MakeEdition) -> None:
    """By its padding: a height would be added to that."""
    (cell,) = tree(render(make_edition())).xpath("//table[@class='button']//td")
    style = cell.get("style")
    sizes = [int(found) for found in re.findall(r"(?:padding|line-height|border):(\d+)px", style)]
    assert sorted(sizes) == [1, 10, 24]
    assert f"background:{Theme().light.accent}" in style
    assert cell.find("a").get("href") == "https://feeds.example.com/editions/daily/2026-11-24/"


@pytest.mark.parametrize(("count", "title"), [(1, "短"), (1, "长" * 300), (2, "涨"), (12, None), (500, None)])
def test_the_preheader_comes_first_and_has_a_good_length(
    render: Render, make_edition: MakeEdition, make_post: MakePost, count: int, title: str | None
) -> None:
    posts = [make_post(key, **({} if title is None else {"title": title})) for key in range(1, count + 1)]
    (first, *_) = tree(render(make_edition(posts=posts))).xpath("//body/*")
    assert first.get("class") == "preheader"
    for rule in ("display:none", "max-height:0", "overflow:hidden"):
        assert rule in first.get("style")
    line = first.text_content().partition("\N{COMBINING GRAPHEME JOINER}")[0]
    assert PREHEADER[0] <= len(line) <= PREHEADER[1]
    assert len(first.text_content()) > 200, "filler"


def test_word_hides_the_preheader_too(render: Render, make_edition: MakeEdition) -> None:
    assert ".preheader{mso-hide:all}" in render(make_edition()).html


def test_the_order_of_things(
    render: Render, make_edition: MakeEdition, publisher: Publisher, language: CatalogueLanguage
) -> None:
    edition = make_edition(40)
    mail = render(edition, Limits(items=20))
    text = visible(mail)
    first = mail.edition.sections[0]
    marks = ["财经早报", edition_date(edition, publisher, language), main_points(mail.edition)[0].title]
    marks += [f"{first.title}\xa0{len(first.entries)}", first.shown(Shown.HEADLINE)[-1].title]
    marks += [tree(mail).xpath("//p[@class='more']")[-1].text_content()]
    marks += [tree(mail).xpath("//table[@class='button']")[0].text_content().strip()]
    marks += [tree(mail).xpath("//p[@class='balance']")[0].text_content().strip(), "%%ADDRESS%%", "desk@news"]
    places = [text.index(" ".join(mark.split())) for mark in marks]
    assert places == sorted(places)
    levels = [int(heading.tag[1]) for heading in tree(mail).xpath("//h1 | //h2 | //h3")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_everything_is_escaped_and_nothing_is_the_posts_own_markup(
    render: Render, make_edition: MakeEdition, make_post: MakePost
) -> None:
    evil = '<script>alert(1)</script> & "quotes" \' <b>%%ADDRESS%%</b> {{ 7 * 7 }} <!--%%FOOT%%-->'
    post = make_post(1, title=evil, summary=evil, source_name=evil, categories=(evil,), url='https://x.example/"><b>')
    mail = render(make_edition(posts=[post], title=evil))
    root = tree(mail)
    assert not root.xpath("//script | //b/text()[contains(.,'ADDRESS')]")
    assert '<script>alert(1)</script> & "quotes"' in root.xpath("//h3")[0].text_content()
    assert "49" not in visible(mail)
    foot = mail.html.rpartition(f"<!--{FOOT}-->")[2]
    assert "script" not in foot, "the last mark is the template's own"


@pytest.mark.parametrize("tail", ["👩‍👩‍👧‍👦", "e\u0301", "🇨🇳", "葛\U000e0100"])
def test_excerpts_are_cut_between_characters(
    render: Render, make_edition: MakeEdition, make_post: MakePost, tail: str
) -> None:
    post = make_post(1, summary=tail * 400)
    (summary,) = tree(render(make_edition(posts=[post]))).xpath("//p[@class='summary']")
    assert re.fullmatch(f"({re.escape(tail)})+…", summary.text_content())


def test_type_is_large_enough(render: Render, make_edition: MakeEdition) -> None:
    mail = render(make_edition())
    for style in tree(mail).xpath("//body//*[not(@class='preheader') and not(@class='bar')]/@style"):
        for size in re.findall(r"font-size:(\d+)px", style):
            assert int(size) >= 14
    for style in tree(mail).xpath("//p[@class='headline' or @class='point']/a/@style"):
        assert all(int(size) >= 16 for size in re.findall(r"font-size:(\d+)px", style)), "what is read"
    assert not any("font-size" in style for style in tree(mail).xpath("//p[@class='summary']/@style"))
    for cell in tree(mail).xpath("//td[not(ancestor::table[@class='button'])]/@style"):
        assert "line-height:1.6" in cell
        assert "word-break:break-word" in cell
        assert "PingFang SC" in cell
    assert "mso-line-height-rule:exactly" in mail.html


def test_right_to_left_languages_start_on_the_right(make_edition: MakeEdition, publisher: Publisher) -> None:
    language = CatalogueLanguage("ar")
    mail = render_mail(
        make_edition(),
        RenderContext(publisher=publisher, templates=FolderTemplates(language), language=language),
        Limits(),
    )
    root = tree(mail)
    assert root.get("dir") == "rtl"
    assert {cell.get("align") for cell in root.xpath("//td[@dir]")} == {"right"}
    assert [cell.get("align") for cell in root.xpath("//table[@class='row']//td")] == ["right", "left"]
    assert {cell.get("dir") for cell in root.xpath("//*[@dir][not(self::bdi)][not(@lang='zh')]")} == {"rtl"}
    assert {title.get("dir") for title in root.xpath("//*[@lang='zh']")} == {"ltr"}


class Marked(CatalogueLanguage):
    """Whose texts can be told from everything else."""

    def text(self, message: str, **values: object) -> str:
        return f"⟦{super().text(message, **values)}⟧"

    def plural(self, one: str, many: str, count: int, **values: object) -> str:
        return f"⟦{super().plural(one, many, count, **values)}⟧"


def test_all_that_a_mail_says_comes_from_the_catalogue(make_edition: MakeEdition, publisher: Publisher) -> None:
    """Beside titles, names and addresses; dates are the language's."""
    language = Marked("zh-CN")
    look = RenderContext(publisher=publisher, templates=FolderTemplates(language), language=language)
    edition = make_edition()
    mail = render_mail(edition, look, Limits())
    page = render_edition_page(edition, look, previous="2026-11-23", following="2026-11-25").decode()
    content = lxml.html.document_fromstring(page).xpath("string(//body)")
    for rest in (visible(mail), mail.text, content):
        while (without := re.sub("⟦[^⟦⟧]*⟧", "", rest)) != rest:
            rest = without
        words = set(re.findall("[A-Za-z]{2,}", re.sub(r"https?://\S+|%%\w+%%|\S+@\S+", "", rest)))
        assert words == {section.name for section in edition.sections}


def test_print_hides_the_button(render: Render, make_edition: MakeEdition) -> None:
    assert "@media print{\n.button,.preheader{display:none!important}" in render(make_edition()).html


# ------------------------------------------------------------------- budget


def items_of(mail: Mail) -> list[str]:
    links = tree(mail).xpath("//h3/a | //p[@class='headline']/a")
    return [link.text_content().replace("\xa0", " ").strip() for link in links]


@pytest.mark.parametrize("count", [1, 12, 98, 184, 500])
@pytest.mark.parametrize("length", [20, 200])
def test_any_day_fits_with_its_footer(
    render: Render,
    make_edition: MakeEdition,
    make_post: MakePost,
    make_message: Callable[..., EditionMessage],
    count: int,
    length: int,
) -> None:
    """500 posts with titles of 200 characters: within both budgets, reason and way out included."""
    posts = [make_post(key, title=f"{key:03}" + "题" * (length - 3)) for key in range(1, count + 1)]
    mail = render(make_edition(posts=posts))
    message = make_message(html=mail.html, text=mail.text).to(
        address="a" * 64 + "@" + ".".join(["x" * 45] * 4) + ".org", message_id="<1@news.example.com>"
    )
    sent = email.message_from_bytes(message)
    text, html = (part.get_payload(decode=True) for part in cast(list[Message], sent.get_payload()))
    assert len(html) <= HTML_BUDGET
    assert len(text) <= TEXT_BUDGET
    for foot in (mail.html.rpartition(FOOT)[2], mail.text.rpartition(FOOT)[2]):
        assert "%%ADDRESS%%" in foot
        assert "desk@news.example.com" in foot
    balance = mail.edition.balance
    assert balance.arrived == count == balance.here + balance.grouped + balance.page
    assert len(items_of(mail)) == balance.here
    if balance.page:
        assert len(mail.html.encode()) > HTML_BUDGET - 2_500, "no room is wasted"


def test_there_is_room_for_a_hundred_and_fifty_headlines(render: Render, make_edition: MakeEdition) -> None:
    assert render(make_edition(500), Limits(leads=0)).edition.balance.here > 150


def test_sections_share_the_room(render: Render, make_edition: MakeEdition, make_post: MakePost) -> None:
    """One section with 400 posts leaves the others their places."""
    loud = [make_post(key, categories=("loud",)) for key in range(1, 401)]
    quiet = [make_post(1_000 + key, categories=(f"quiet{key % 3}",)) for key in range(12)]
    mail = render(make_edition(posts=loud + quiet), Limits(html_bytes=30_000))
    shown = {
        section.name: len(section.shown(Shown.LEAD) + section.shown(Shown.HEADLINE))
        for section in mail.edition.sections
    }
    assert shown["quiet0"] == shown["quiet1"] == shown["quiet2"] == 4
    assert shown["loud"] > 4
    assert mail.edition.balance.page > 0


@pytest.mark.parametrize("count", [1, 30, 400])
def test_the_balance_line_adds_up_in_both_parts(
    render: Render, make_edition: MakeEdition, language: CatalogueLanguage, count: int
) -> None:
    mail = render(make_edition(count))
    balance = mail.edition.balance
    (line,) = tree(mail).xpath("//p[@class='balance']")
    said = line.text_content().strip()
    numbers = [int(number) for number in re.findall(r"\d+", said)]
    if balance.page:
        assert numbers == [count, balance.here, balance.page]
        assert numbers[0] == numbers[1] + numbers[2]
    else:
        assert numbers == [count]
    assert said in mail.text
    more = [int(re.findall(r"\d+", each.text_content())[-1 if language.tag == "zh-CN" else 0])
            for each in tree(mail).xpath("//p[@class='more']")]  # fmt: skip
    assert sum(more) + balance.here == count


def test_a_story_names_who_else_tells_it(
    render: Render, make_edition: MakeEdition, make_post: MakePost, language: CatalogueLanguage
) -> None:
    """In both parts, each medium linked to its own article, once; the balance says how many."""
    names = ["海平线", "晨钟", "证市", "晨钟", None, "地产一线"]
    posts = [make_post(key, title="东港证券拟吸收合并临江证券", source_name=name) for key, name in enumerate(names, 1)]
    posts += [make_post(20, title="寒潮橙色预警发布 多地降温", summary="")]
    mail = render(make_edition(posts=posts, group=True))
    more = language.plural("{count} more post", "{count} more posts", 2)
    links = tree(mail).xpath("//p[@class='meta']/a")
    assert [link.text_content() for link in links] == ["海平线", "晨钟", "证市", more]
    at = "https://news.example.com/news/2026/11/24"
    page = "https://feeds.example.com/editions/daily/2026-11-24/#p6"
    assert [link.get("href") for link in links] == [f"{at}/1.html", f"{at}/2.html", f"{at}/3.html", page]
    assert f"{language.text('Also')} 证市: {at}/3.html\n" in mail.text
    (line,) = tree(mail).xpath("//p[@class='balance']")
    assert [int(number) for number in re.findall(r"\d+", line.text_content())] == [7, 2, 5]
    assert f"\n{line.text_content().strip()}\n" in mail.text


@pytest.mark.parametrize("minutes", [None, 1, 3])
def test_the_reading_budget_keeps_the_mail_short(
    render: Render, make_edition: MakeEdition, language: CatalogueLanguage, minutes: int | None
) -> None:
    """Both parts say how long it takes, and the balance still adds up."""
    mail = render(make_edition(400), Limits(minutes=minutes))
    balance = mail.edition.balance
    assert reading_minutes(mail.edition) == (minutes or reading_minutes(mail.edition)) <= 13
    assert balance.arrived == balance.here + balance.grouped + balance.page == 400
    said = language.plural("about {count} minute", "about {count} minutes", minutes or reading_minutes(mail.edition))
    assert said in visible(mail)
    assert said in mail.text


def test_highlights_are_lines_with_their_counts(
    render: Render, make_edition: MakeEdition, make_post: MakePost, language: CatalogueLanguage
) -> None:
    """The same in the text part; nothing at all when nothing is named often."""
    bank, steel = Code(market="90", code="BK1", name="<银行>"), Code(market="1", code="600001", name="钢铁股份")
    posts = [make_post(key, codes=(bank, steel) if key < 4 else (bank,)) for key in range(1, 7)]
    mail = render(make_edition(posts=posts))
    counts = [language.plural("{count} post", "{count} posts", count) for count in (3, 6)]
    lines = [" ".join(line.text_content().split()) for line in tree(mail).xpath("//p[@class='mentioned']")]
    kinds = language.text("Stocks"), language.text("Sectors")
    assert lines == [f"{kinds[0]} 钢铁股份 {counts[0]}", f"{kinds[1]} <银行> {counts[1]}"]
    assert re.findall(r"(?m)^- (.+ \(.+)$", mail.text) == [f"钢铁股份 ({counts[0]})", f"<银行> ({counts[1]})"]
    test_nothing_that_mail_programs_do_not_know(lambda _: mail, lambda _: mail.edition)
    test_one_column_of_600_pixels_in_presentation_tables(lambda _: mail, lambda: mail.edition)
    test_type_is_large_enough(lambda _: mail, lambda: mail.edition)
    quiet = render(make_edition(posts=posts[3:5]))
    assert language.text("Most mentioned") not in quiet.html + quiet.text


def correction(**changes: Any) -> Correction:
    values: dict[str, Any] = {
        "key": 7,
        "period": "2026-11-23",
        "url": "https://news.example.com/7.html",
        "was_title": "央行降息<25>个基点",
        "title": "央行降息<15>个基点",
        "was_summary": None,
        "summary": None,
    }
    return Correction(**values | changes)


def test_corrections_say_what_was_and_what_is(
    render: Render, make_edition: MakeEdition, language: CatalogueLanguage
) -> None:
    """After the news, with a link to where it was said; long texts from shortly before they differ. A title that
    changed is not named a third time."""
    long = "甲" * 200
    edition = make_edition(
        3,
        corrections=(
            correction(gone=True, title="央行降息<25>个基点", url="javascript:x"),
            correction(was_summary=long + "涨", summary=long + "跌"),
            correction(was_title="👩‍👩‍👧‍👦" * 30 + "涨", title="👩‍👩‍👧‍👦" * 30 + "跌"),
        ),
    )
    mail = render(edition)
    boxes = tree(mail).xpath("//p[@class='correction']")
    assert len(boxes) == 3
    gone, both, family = (" ".join(box.text_content().split()) for box in boxes)
    was, now = language.text("Was:"), language.text("Now:")
    assert gone.startswith(f"央行降息<25>个基点 {language.text('Withdrawn.')}")
    assert was not in gone
    assert f"{was} 央行降息<25>个基点 {now} 央行降息<15>个基点" in both
    assert f"{was} …{'甲' * 24}涨 {now} …{'甲' * 24}跌" in both
    assert f"{was} …{'👩‍👩‍👧‍👦' * 24}涨" in family
    assert family.startswith(was)
    assert both.count("央行降息<15>个基点") == 1
    assert boxes[0].xpath(".//a/@href") == ["https://feeds.example.com/editions/daily/2026-11-23/#p7"]
    assert boxes[1].xpath(".//a/@href")[0] == "https://news.example.com/7.html"
    for box in boxes:
        for line in ("央行降息<25>个基点", f"…{'甲' * 24}跌"):
            assert (line in box.text_content()) <= (line in mail.text)
    summary = render(
        make_edition(3, corrections=(correction(was_title="央行", title="央行", was_summary="旧", summary="新"),))
    )
    (box,) = tree(summary).xpath("//p[@class='correction']")
    assert " ".join(box.text_content().split()).startswith(f"央行 {was} 旧 {now} 新")
    assert "\n- 央行\n" in summary.text
    text = visible(mail)
    assert text.index(edition.entries[0].title) < text.index(language.text("Corrections")) < text.index("%%ADDRESS%%")
    test_nothing_that_mail_programs_do_not_know(lambda _: mail, lambda _: mail.edition)
    test_type_is_large_enough(lambda _: mail, lambda: mail.edition)
    assert "javascript:" not in mail.html + mail.text


def test_corrections_and_highlights_leave_room_for_the_footer(
    render: Render, make_edition: MakeEdition, make_post: MakePost
) -> None:
    codes = tuple(Code(market="1", code=str(number), name="名" * 80) for number in range(9))
    posts = [make_post(key, title="题" * 200, codes=codes) for key in range(1, 501)]
    long = [correction(key=key, was_title="是" * 300 + "旧", title="是" * 300 + "新") for key in range(5)]
    mail = render(make_edition(posts=posts, corrections=long))
    assert len(mail.html.encode()) <= HTML_BUDGET
    assert "%%UNSUBSCRIBE%%" in mail.html
    assert mail.edition.balance.here > 50


# ---------------------------------------------------------------- text part


def test_the_text_part_lists_the_same_items_in_the_same_order(render: Render, make_edition: MakeEdition) -> None:
    mail = render(make_edition(300))
    numbered = re.findall(r"(?m)^(\d+)\. (.+)$", mail.text)
    assert [title for _, title in numbered] == items_of(mail)
    assert [int(number) for number, _ in numbered] == list(range(1, len(numbered) + 1))
    for link in tree(mail).xpath("//h3/a/@href | //p[@class='headline' or @class='point']/a/@href"):
        assert f"\n{link}\n" in mail.text, "alone on its line"


def test_the_text_part_has_no_markup_and_its_own_footer(render: Render, make_edition: MakeEdition) -> None:
    text = render(make_edition()).text
    assert "<" not in text
    assert "&amp;" not in text
    assert text.index(FOOT) < text.index("%%ADDRESS%%") < text.rindex("https://news.example.com/")
    assert "\n\n\n\n" not in text


# ------------------------------------------------------------ names and dates


@pytest.mark.parametrize(
    ("days", "frozen", "chinese_words", "english_words", "short"),
    [
        (("2026-11-24", "2026-11-24"), "2026-11-24T00:00Z", "11月24日星期二", "Tuesday, November 24",
         ("11月24日", "November 24")),
        (("2021-12-30", "2021-12-30"), "2026-11-24T00:00Z", "2021年12月30日星期四", "Thursday, December 30, 2021",
         ("2021年12月30日", "December 30, 2021")),
        (("2026-11-16", "2026-11-22"), "2026-11-24T00:00Z", "11月16日至22日", "November 16\u2009–\u200922",
         ("11月16日至22日", "November 16 – 22")),
        (("2026-12-28", "2027-01-03"), "2027-01-03T00:00Z", "2026年12月28日至2027年1月3日",
         "December 28, 2026\u2009–\u2009January 3, 2027",
         ("2026年12月28日至2027年1月3日", "December 28, 2026 – January 3, 2027")),
    ],
)  # fmt: skip
def test_subject_and_title_name_the_day(
    make_edition: MakeEdition,
    publisher: Publisher,
    templates: FolderTemplates,
    language: CatalogueLanguage,
    days: tuple[str, str],
    frozen: str,
    chinese_words: str,
    english_words: str,
    short: tuple[str, str],
) -> None:
    """The subject says the main headline first; a title is that of the digest."""
    span = (date.fromisoformat(days[0]), date.fromisoformat(days[1]))
    edition = show_all(make_edition(days=span, frozen_at=datetime.fromisoformat(frozen)))
    is_chinese = language.tag == "zh-CN"
    words = chinese_words if is_chinese else english_words
    assert edition_date(edition, publisher, language) == words
    assert edition_title(edition, publisher, language) == f"财经早报 · {words}"
    look = RenderContext(publisher=publisher, templates=templates, language=language)
    lead = main_points(edition)[0].title
    assert subject_of(edition, first_turns(edition, 1), look) == (
        f"{lead}｜{short[0]}" if is_chinese else f"{lead} | {short[1]}"
    )


def show_all(edition: Edition) -> Edition:
    return show(edition, rank(edition, Limits()))


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("{title}：{lead}", "财经早报：{braces} & <b>"),
        ("{date} {lead} ({count})", "11月24日 {braces} & <b> (1)"),
        ("{lead}", "{braces} & <b>"),
    ],
)
def test_the_operator_writes_the_subject(
    make_edition: MakeEdition,
    make_post: MakePost,
    publisher: Publisher,
    chinese: CatalogueLanguage,
    pattern: str,
    expected: str,
) -> None:
    """What a headline has in braces is no part of it."""
    edition = show_all(make_edition(posts=[make_post(1, title="{braces} & <b>")]))
    look = RenderContext(publisher=publisher, templates=FolderTemplates(chinese), language=chinese, subject=pattern)
    assert subject_of(edition, first_turns(edition, 1), look) == expected


def test_without_news_the_subject_has_the_title(render: Render, make_edition: MakeEdition) -> None:
    assert render(make_edition(0)).subject.startswith("财经早报")


def told_times(edition: Edition, who: Publisher, language: CatalogueLanguage) -> list[str]:
    times = Times(edition, who, language)
    entries = sorted(edition.entries, key=lambda entry: entry.key)
    return [times.note, *(times.of(entry) for entry in entries)]


def test_times_are_told_as_a_reader_says_them(
    make_edition: MakeEdition, make_post: MakePost, publisher: Publisher, language: CatalogueLanguage
) -> None:
    """Bare on the edition's own day; no line repeats a date that it need not."""
    moments = ["2026-11-23T23:59Z", "2026-11-22T16:01Z", "2026-11-21T04:00Z", "2026-11-09T12:50Z", "2025-12-31T12:50Z"]
    posts = [make_post(key, published=datetime.fromisoformat(at)) for key, at in enumerate(moments, start=1)]
    said = told_times(make_edition(posts=posts), publisher, language)
    if language.tag == "zh-CN":
        assert said == ["", "07:59", "昨天 00:01", "周六 12:00", "11月9日 20:50", "2025年12月31日 20:50"]
    else:
        assert said == ["", "07:59", "yesterday 00:01", "Sat 12:00", "November 9 20:50", "December 31, 2025 20:50"]


def test_one_other_day_is_said_once(
    render: Render, make_edition: MakeEdition, make_post: MakePost, publisher: Publisher, chinese: CatalogueLanguage
) -> None:
    posts = [make_post(key, published=datetime(2026, 11, 23, 1, key, tzinfo=UTC)) for key in range(1, 4)]
    edition = make_edition(posts=posts)
    assert told_times(edition, publisher, chinese) == ["时间均为11月23日星期一", "09:01", "09:02", "09:03"]
    assert len(re.findall("11月23日|November 23", visible(render(edition)))) == 1


def test_a_weekly_edition_says_when_something_is_of_today(
    make_edition: MakeEdition, make_post: MakePost, publisher: Publisher, chinese: CatalogueLanguage
) -> None:
    moments = ["2026-11-23T23:00Z", "2026-11-23T04:00Z", "2026-11-18T04:00Z"]
    posts = [make_post(key, published=datetime.fromisoformat(at)) for key, at in enumerate(moments, start=1)]
    edition = make_edition(posts=posts, days=(date(2026, 11, 17), date(2026, 11, 23)), period="2026-W48")
    assert told_times(edition, publisher, chinese) == ["", "今天 07:00", "昨天 12:00", "周三 12:00"]


@pytest.mark.parametrize(
    ("summary", "source", "expected"),
    [
        ("要闻。（晨钟财讯）", "晨钟财讯", "要闻。"),
        ("News. (Harbour Wire)", "Harbour Wire", "News."),
        ("要闻。（证市早报）", "晨钟财讯", "要闻。（证市早报）"),
        ("（晨钟财讯）要闻。", "晨钟财讯", "（晨钟财讯）要闻。"),
        ("要闻。（）", None, "要闻。（）"),
    ],
)
def test_the_source_is_named_once(
    make_edition: MakeEdition, make_post: MakePost, summary: str, source: str | None, expected: str
) -> None:
    (entry,) = make_edition(posts=[make_post(1, summary=summary, source_name=source)]).entries
    assert summary_alone(entry) == expected


@pytest.mark.parametrize(
    ("url", "is_link"),
    [("https://a.example/", True), ("HTTP://a.example", True), ("ftp://a.example/", False), ("javascript:x", False),
     ("//a.example/", False), ("/a", False), ("", False), (None, False), ("https://[::1", False), ("https:a", False)],
)  # fmt: skip
def test_only_web_addresses_are_links(url: str | None, is_link: bool) -> None:
    assert web_link(url) == (url if is_link else None)


# --------------------------------------------------------------- special days


def test_an_empty_edition_is_a_whole_mail(render: Render, make_edition: MakeEdition) -> None:
    """``send_empty``: it says that there is nothing, and how to get off the list."""
    mail = render(make_edition(0))
    assert not re.search(r"\b0\b", visible(mail))
    assert "%%ADDRESS%%" in mail.html
    assert "%%ADDRESS%%" in mail.text
    assert len(tree(mail).xpath("//h1")) == 1


def test_a_thousand_sections_fit(render: Render, make_edition: MakeEdition, make_post: MakePost) -> None:
    posts = [make_post(key, categories=(f"medium {key:04}",)) for key in range(1_000)]
    mail = render(make_edition(posts=posts))
    assert len(mail.html.encode()) <= HTML_BUDGET
    assert mail.edition.balance.here > 60


def test_without_a_contact_the_footer_asks_nobody(
    render: Render, make_edition: MakeEdition, publisher: Publisher
) -> None:
    mail = render(make_edition(), who=replace(publisher, contact=""))
    assert "mailto:" not in mail.html


def test_the_same_document_gives_the_same_mail(
    render: Render,
    make_edition: MakeEdition,
    publisher: Publisher,
    templates: FolderTemplates,
    language: CatalogueLanguage,
) -> None:
    mail = render(make_edition(200))
    again = render_again(
        edition_from_json(edition_to_json(mail.edition)),
        RenderContext(publisher=publisher, templates=templates, language=language),
    )
    assert again == mail


def test_a_template_of_the_users_own_replaces_one_file(
    make_edition: MakeEdition, publisher: Publisher, language: CatalogueLanguage, tmp_path: Path
) -> None:
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "rest.html").write_text("<p>mine: {{ balance.arrived }}</p>", encoding="utf-8")
    mail = render_mail(
        make_edition(),
        RenderContext(publisher=publisher, templates=FolderTemplates(language, tmp_path), language=language),
        Limits(),
    )
    assert "mine: 12" in mail.html
    (tmp_path / "mail" / "rest.html").write_text("{{ nonsense }}", encoding="utf-8")
    with pytest.raises(TemplateError, match="nonsense"):
        render_mail(
            make_edition(),
            RenderContext(publisher=publisher, templates=FolderTemplates(language, tmp_path), language=language),
            Limits(),
        )


def test_the_zone_decides_what_clock_a_reader_sees(
    make_edition: MakeEdition, publisher: Publisher, chinese: CatalogueLanguage
) -> None:
    edition = make_edition(1)
    there = replace(publisher, zone=ZoneInfo("America/New_York"))
    assert told_times(edition, publisher, chinese)[1] == "07:59"
    assert told_times(edition, there, chinese) == ["时间均为11月23日星期一", "18:59"]
