"""The front of the mail: its main points, its subject and preheader, what the operator chose of its look."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lxml.html
import pytest
from msgspec.structs import replace

from digest.app.looks import frozen_look_of
from digest.edition.contents import Correction, Edition, Limits, Publisher, Recipe, Shown, narrowed
from digest.edition.look import FrozenLook, look_to_json
from digest.edition.points import first_turns, main_points
from digest.edition.selection import Selection
from digest.languages import CatalogueLanguage
from digest.models import KnownPost
from digest.render.context import RenderContext
from digest.render.editions import render_edition_page
from digest.render.mail import TEMPLATES, Mail, render_mail
from digest.render.notice import render_notice
from digest.subscribers.subscription import Notice
from digest.templates import FolderTemplates
from digest.theme import Theme

MakeEdition = Callable[..., Edition]
MakePost = Callable[..., KnownPost]
BEFORE = Path(__file__).parent / "before"
"""Templates of the mail as they were before there were main points."""
THEME = Theme(
    accent="#a8321c",
    logo="https://news.example.com/logo.png",
    font="Georgia",
    width=520,
    footer="<no advice>",
    postal_address="1 Main Street",
)


@pytest.fixture
def look(publisher: Publisher, templates: FolderTemplates, language: CatalogueLanguage) -> RenderContext:
    return RenderContext(publisher=publisher, templates=templates, language=language)


@pytest.fixture
def themed(publisher: Publisher, language: CatalogueLanguage) -> RenderContext:
    templates = FolderTemplates(language, theme=THEME)
    return RenderContext(publisher=publisher, templates=templates, language=language, theme=THEME)


def tree(mail: Mail) -> lxml.html.HtmlElement:
    return lxml.html.document_fromstring(mail.html)


def links(mail: Mail, where: str) -> list[str]:
    return [str(link) for link in tree(mail).xpath(f"{where}//a/@href")]


POINTS = "//h3[@class='lead']"
OTHERS = "//p[@class='point']"
ITEMS = "//td[@class='section']//*[self::h3 or @class='headline' or @class='headline again']"


# ------------------------------------------------------------- main points


@pytest.mark.parametrize("count", [6, 12, 500])
def test_three_to_five_lines_over_all_sections_come_first(
    look: RenderContext, make_edition: MakeEdition, count: int
) -> None:
    """In the order of their turns, the first with all that there is to say of it, before the sections are listed."""
    mail = render_mail(make_edition(count), look, Limits())
    points = main_points(mail.edition)
    assert 3 <= len(points) <= 5
    assert links(mail, POINTS) + links(mail, OTHERS) == [entry.url for entry in points]
    assert [f"turn={turn}" in entry.reason for turn, entry in enumerate(points, start=1)] == [True] * len(points)
    assert len({section.name for section in mail.edition.sections if set(points) & set(section.entries)}) > 1
    order = [mail.html.index(mark) for mark in ('class="lead"', 'class="point"', 'class="contents"', 'class="section"')]
    assert order == sorted(order)
    first = mail.text.index(points[0].title)
    assert first < mail.text.index(points[-1].title) < mail.text.index(f"== {mail.edition.sections[0].title} ==")


def test_what_the_first_point_says_is_not_said_twice(look: RenderContext, make_edition: MakeEdition) -> None:
    """Its section has the others; the text part and the balance count it once."""
    mail = render_mail(make_edition(40), look, Limits())
    lead, *others = main_points(mail.edition)
    assert lead.url not in links(mail, ITEMS)
    assert {entry.url for entry in others} < set(links(mail, ITEMS))
    shown = [entry for entry in mail.edition.entries if entry.shown is not Shown.PAGE]
    assert {entry.url for entry in shown} == {*links(mail, POINTS), *links(mail, ITEMS)}
    assert mail.text.count(f"\n{lead.url}\n") == 1


def test_a_lead_that_is_alone_leaves_its_headline(
    look: RenderContext, make_edition: MakeEdition, make_post: MakePost
) -> None:
    posts = [make_post(key, categories=("a",)) for key in range(2, 12)]
    edition = make_edition(posts=[make_post(1, categories=("b",), summary="只此一段。"), *posts])
    mail = render_mail(edition, look, Limits())
    lead = main_points(mail.edition)[0]
    assert lead.key == 1
    assert links(mail, "//p[@class='headline again']") == [lead.url]
    assert mail.html.count("只此一段。") == mail.text.count("只此一段。") == 1


def test_a_quiet_day_has_no_main_points(look: RenderContext, make_edition: MakeEdition) -> None:
    """Nor a list of sections: all of it is on the screen. The first story has the size of a lead."""
    mail = render_mail(make_edition(5), look, Limits())
    assert main_points(mail.edition) == ()
    assert not tree(mail).xpath("//td[@class='points' or @class='contents']")
    (lead,) = tree(mail).xpath("//h3[@class='lead']/a/@href")
    assert lead == mail.edition.sections[0].entries[0].url


def test_the_preheader_goes_on_where_the_subject_ends(look: RenderContext, make_edition: MakeEdition) -> None:
    """With the headlines of the first turns, and no other."""
    posts = make_edition(40)
    mail = render_mail(posts, look, Limits())
    first, second, third = first_turns(mail.edition, 3)
    line = tree(mail).xpath("//*[@class='preheader']")[0].text_content().partition("\u034f")[0]
    assert mail.subject.startswith(first.title)
    assert line == f"{second.title} · {third.title}"
    other = render_mail(posts, replace(look, subject="{title} {date}"), Limits())
    line = tree(other).xpath("//*[@class='preheader']")[0].text_content().partition("\u034f")[0]
    assert line == f"{first.title} · {second.title}"


def test_followers_are_in_no_preheader(look: RenderContext, make_edition: MakeEdition, make_post: MakePost) -> None:
    posts = [make_post(key, title="东港证券拟吸收合并临江证券", source_name=f"媒体{key}") for key in (1, 2, 3)]
    mail = render_mail(make_edition(posts=[*posts, make_post(9, title="寒潮预警")], group=True), look, Limits())
    line = tree(mail).xpath("//*[@class='preheader']")[0].text_content()
    assert line.count("东港证券") <= 1


def test_navigation_is_parted_by_text(look: RenderContext, make_edition: MakeEdition) -> None:
    """Outlook knows no margins of links."""
    (row,) = tree(render_mail(make_edition(40), look, Limits())).xpath("//p[@class='contents']")
    assert all("\xa0\xa0" in (link.tail or "") for link in row.xpath("./a")[:-1])
    assert not row.xpath(".//a[contains(@style,'margin')]")


def test_a_line_never_begins_with_the_point_between_source_and_time(
    look: RenderContext, make_edition: MakeEdition
) -> None:
    html = render_mail(make_edition(40), look, Limits()).html
    assert "晨钟财讯&nbsp;·&nbsp;" in html
    assert "晨钟财讯 ·" not in html


def test_the_accent_means_read_this(look: RenderContext, make_edition: MakeEdition) -> None:
    """Headlines and the one button have it; other links are underlined, in the colour of what stands beside."""
    root = tree(render_mail(make_edition(80), look, Limits()))
    accent = look.theme.light.accent
    for element in root.xpath(f"//*[contains(@style,'{accent}')]"):
        place = element.getparent()
        headline = place.tag == "h3" or place.get("class") in ("headline", "headline again", "point")
        assert headline or element.xpath("ancestor::table[@class='button']"), element.get("class")
    for link in root.xpath("//p[@class='contents' or @class='more' or @class='date']/a"):
        assert look.theme.light.soft in link.get("style")
        assert "underline" in link.get("style")


def test_posts_in_another_language_say_so(look: RenderContext, make_edition: MakeEdition, make_post: MakePost) -> None:
    english, chinese = "Copper gives back a week of gains", "铜价回吐一周涨幅"
    posts = [
        make_post(1, title=english, summary="It fell again."),
        make_post(2, title=chinese, summary="再度下跌。"),
        make_post(3, title="Cuivre", lang="fr"),
    ]
    root = tree(render_mail(make_edition(posts=posts), look, Limits()))
    page = lxml.html.document_fromstring(
        render_edition_page(make_edition(posts=posts), look, previous=None, following=None)
    )
    said = {
        link.text_content().replace("\xa0", " "): link.xpath("string(ancestor-or-self::*[@lang][1]/@lang)")
        for link in root.xpath("//h3/a")
    }
    here = look.language.tag
    assert said[english] == ("en" if here == "zh-CN" else here)
    assert said[chinese] == ("zh" if here == "en" else here)
    assert said["Cuivre"] == "fr"
    assert page.xpath("//article[.//a[text()='Cuivre']]/@lang") == ["fr"]
    assert page.xpath("//article[.//a[text()='Cuivre']]/p[@class='meta']/@lang") == [here], "time and source are ours"


# --------------------------------------------------------------- corrections


@pytest.mark.parametrize("was_point", [True, False])
def test_a_correction_of_a_main_point_comes_before_the_news(
    look: RenderContext, make_edition: MakeEdition, was_point: bool
) -> None:
    wrong = Correction(
        key=7, period="2026-11-23", url="https://news.example.com/7.html", was_title="降息25", title="降息15",
        was_summary=None, summary=None, was_point=was_point,
    )  # fmt: skip
    html = render_mail(make_edition(40, corrections=(wrong,)), look, Limits()).html
    assert html.count('class="outline"') == 1
    assert (html.index('class="outline"') < html.index('class="section"')) == was_point


def test_a_restored_post_is_told(look: RenderContext, make_edition: MakeEdition) -> None:
    again = Correction(
        key=7, period="2026-11-23", url="https://news.example.com/7.html", was_title="降息25", title="降息25",
        was_summary=None, summary=None, restored=True,
    )  # fmt: skip
    edition = make_edition(4, corrections=(again,))
    mail = render_mail(edition, look, Limits())
    page = render_edition_page(edition, look, previous=None, following=None).decode()
    for part in (mail.html, mail.text, page):
        assert look.language.text("Restored.") in part
        assert look.language.text("Withdrawn.") not in part


# -------------------------------------------------------------------- anchors


def test_sections_of_a_chosen_mail_lead_to_their_sections(
    look: RenderContext, make_edition: MakeEdition, make_post: MakePost
) -> None:
    """Whatever a reader chose, and whatever a category is called; old mails lead to the place that they named."""
    names = ("macro", "宏观", "Macro", "a b", "a/b", "")
    posts = [make_post(key, categories=(names[key % 6],) if names[key % 6] else ()) for key in range(60)]
    edition = make_edition(posts=posts)
    page = lxml.html.document_fromstring(render_edition_page(edition, look, previous=None, following=None))
    title_of = {each.get("id"): each.find("h2").text.strip() for each in page.xpath("//section[starts-with(@id,'s-')]")}
    assert len(title_of) == 6
    assert [heading.get("id") for heading in page.xpath("//section/h2[starts-with(@id,'s')]")] == [
        f"s{number}" for number in range(1, 7)
    ]
    for chosen in (("宏观", "a/b"), ("Macro",), ("macro", "a b")):
        part = narrowed(edition, Selection.of(chosen), Recipe(group=False))
        mail = render_mail(part, look, Limits(items=8, leads_per_section=1))
        for more in tree(mail).xpath("//p[@class='more']/a"):
            anchor = more.get("href").partition("#")[2]
            assert title_of[anchor] == more.xpath("string(ancestor::td[1]//h2/text())").strip()


# ------------------------------------------------------------------ the theme


def test_the_theme_reaches_mail_page_and_notices(themed: RenderContext, make_edition: MakeEdition) -> None:
    mail = render_mail(make_edition(12), themed, Limits())
    page = render_edition_page(make_edition(12), themed, previous=None, following=None).decode()
    words: dict[str, Any] = {"templates": themed.templates, "language": themed.language}
    notice = render_notice(Notice.CONFIRM, site_title="S", site_url="https://e.example/", **words)
    for html in (mail.html, page, notice.html):
        for palette in (THEME.light, THEME.dark):
            assert palette.accent in html
            assert palette.sheet in html
        assert "Georgia," in html
        assert "&lt;no advice&gt;" in html
        assert "1 Main Street" in html
        assert html.count(f'src="{THEME.logo}"') == 1
        assert Theme().light.accent not in html
    for html in (mail.html, notice.html):
        assert "max-width:520px" in html
    for text in (mail.text, notice.text):
        assert "\n<no advice>\n1 Main Street\n" in text
    assert tree(mail).xpath("//h1/img/@alt") == ["财经早报"]


def test_without_a_theme_nothing_is_loaded(look: RenderContext, make_edition: MakeEdition) -> None:
    assert "<img" not in render_mail(make_edition(12), look, Limits()).html


def test_a_template_of_ones_own_extends_the_one_that_it_replaces(
    publisher: Publisher, language: CatalogueLanguage, make_edition: MakeEdition, tmp_path: Path
) -> None:
    """Also when its edition is sent again later, from what was frozen."""
    (tmp_path / "mail").mkdir()
    own = '{% extends "shipped/mail/masthead.html" %}{% block date %}{{ super() }}<p>mine</p>{% endblock %}'
    (tmp_path / "mail" / "masthead.html").write_text(own, encoding="utf-8")
    templates = FolderTemplates(language, tmp_path)
    look = RenderContext(publisher=publisher, templates=templates, language=language)
    mail = render_mail(make_edition(12), look, Limits())
    assert tree(mail).xpath("//p[text()='mine']")
    assert tree(mail).xpath("//h1")
    assert render_mail(make_edition(12), thawed(look), Limits()) == mail


def frozen(look: RenderContext, **changes: Any) -> FrozenLook:
    kept = FrozenLook(
        recipe=Recipe(),
        publisher=look.publisher,
        language=look.language.tag,
        catalogue=look.language.catalogue,
        templates=look.templates.sources(TEMPLATES),
        theme=look.theme,
        subject=look.subject,
    )
    return replace(kept, **changes)


def thawed(look: RenderContext) -> RenderContext:
    """As if the edition had been frozen and were sent later."""
    return frozen_look_of(look_to_json(frozen(look)))[1]


def test_the_theme_and_the_subject_are_frozen(themed: RenderContext, make_edition: MakeEdition) -> None:
    look = replace(themed, subject="{title}: {lead}")
    assert render_mail(make_edition(12), thawed(look), Limits()) == render_mail(make_edition(12), look, Limits())


def test_an_edition_that_was_frozen_before_can_still_be_sent(look: RenderContext, make_edition: MakeEdition) -> None:
    """Its templates know nothing of main points: every post is in its section."""
    sources = {path.relative_to(BEFORE).as_posix(): path.read_text(encoding="utf-8") for path in BEFORE.rglob("*.*")}
    wrong = Correction(key=7, period="2026-11-23", url="", was_title="甲", title="乙", was_summary=None, summary=None)
    edition = make_edition(40, corrections=(wrong,), group=True)
    kept = json.loads(look_to_json(frozen(look, templates=sources)))
    del kept["theme"], kept["subject"]  # as it was written then
    mail = render_mail(edition, frozen_look_of(json.dumps(kept))[1], Limits())
    shown = [entry.url for entry in mail.edition.entries if entry.shown in (Shown.LEAD, Shown.HEADLINE)]
    assert len(shown) > 5
    assert sorted(links(mail, "//h3") + links(mail, "//p[@class='headline']")) == sorted(shown)
