"""The front page: what is on it, when it is made again, and whose it is."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import lxml.html
import pytest
from msgspec.structs import replace

from digest.jobs.editions.make import EditionsReport, read_edition
from digest.jobs.front import FOREIGN, publish_front, remove_front
from digest.languages import CatalogueLanguage
from digest.render.front import Feeds, Newest, is_sealed, render_front_page, sealed
from digest.render.pages import FormatLink, ListedFeed
from digest.templates import FolderTemplates

ATOM = FormatLink(label="Atom", type="application/atom+xml", title="T (Atom)", href="https://news.example.com/feed.xml")
FEEDS = Feeds(
    everything=(ATOM,),
    categories=(ListedFeed(label="要闻", description="", page="news.html", formats=(ATOM,)),),
)


def publish(desk: Any, **options: Any) -> EditionsReport:
    report = desk.publish()
    values: dict[str, Any] = {"digests": ["daily"], "feeds": lambda: FEEDS, "fingerprint": "same"}
    publish_front(desk.store, desk.output, desk.look, report, **values | options)
    return report


def front(desk: Any) -> Path:
    return desk.folder / "index.html"


def document(desk: Any) -> lxml.html.HtmlElement:
    return lxml.html.document_fromstring(front(desk).read_bytes())


@pytest.fixture
def filled(desk: Any) -> Any:
    """Two editions, the newest with seven posts."""
    desk.collect("2026-11-23 07:30", "2026-11-23 07:00", title="鹿原乳业召回奶酪棒")
    desk.make("2026-11-23 08:00")
    desk.collect("2026-11-23 18:00", *(f"2026-11-23 {hour}:00" for hour in range(10, 17)))
    desk.make("2026-11-24 08:00")
    return desk


def test_it_has_news_feeds_and_editions_before(filled: Any) -> None:
    publish(filled)
    page = document(filled)
    assert len(page.xpath("//*[@class='top']//h2 | //p[@class='point']")) == 5
    assert page.xpath("//p[@class='whole']/a/@href") == ["editions/daily/2026-11-24/"]
    assert page.xpath("//ul[@class='editions']//a/@href") == ["editions/daily/2026-11-23/"]
    assert page.xpath("string(//*[@class='lead-line'])") == "鹿原乳业召回奶酪棒"
    assert page.xpath("//a[@class='name']/@href") == ["feeds/news.html"]
    assert page.xpath("//header/a/@href")[1:] == ["editions/daily/", "feeds/"]
    assert "2026年" in page.xpath("string(//*[@class='top-line']/p)")
    assert page.xpath("//form") == []


def test_people_subscribe_on_it_where_the_forms_address_is_written(filled: Any) -> None:
    templates = FolderTemplates(CatalogueLanguage("zh-CN"), mail_form="https://mail.example.com/mail/")
    filled.look = replace(filled.look, templates=templates)
    publish(filled)
    (form,) = document(filled).xpath("//form")
    assert (form.get("method"), form.get("action")) == ("post", "https://mail.example.com/mail/")
    assert form.xpath(".//label/@for") == form.xpath(".//input[@name='email']/@id")


def test_a_quiet_day_shows_what_there_is(desk: Any) -> None:
    desk.collect("2026-11-23 07:30", "2026-11-23 07:00", title="鹿原乳业召回奶酪棒")
    desk.make("2026-11-23 08:00")
    publish(desk)
    assert document(desk).xpath("string(//*[@class='top']/h2)") == "鹿原乳业召回奶酪棒"


def test_a_week_is_called_by_the_days_that_it_covers(filled: Any) -> None:
    """As in the list of editions, and not by its name."""
    row = filled.store.edition_rows("daily")[0]
    page = render_front_page(
        filled.look,
        FEEDS,
        Newest(
            edition=read_edition(filled.store.editions("daily", 1)[0]),
            rows=(row, replace(row, period="2026-W48", lead="周报")),
            days={"2026-W48": (date(2026, 11, 16), date(2026, 11, 22))},
        ),
    )
    told = lxml.html.document_fromstring(page).xpath("string(//ul[@class='editions']//*[@class='day'])")
    assert told == "11月16日至22日"


def test_news_of_a_language_without_texts_say_theirs(filled: Any) -> None:
    """The page is English then, and what others wrote is not."""
    filled.look = replace(
        filled.look, language=CatalogueLanguage("fi"), templates=FolderTemplates(CatalogueLanguage("fi"))
    )
    publish(filled)
    page = document(filled)
    assert page.get("lang") == "en"
    assert page.xpath("//*[@class='top' or @class='point' or @class='lead-line']/@lang") == [*["zh"] * 5, "fi"]
    assert page.xpath("//*[@class='top' or @class='point']//*[contains(@class, 'meta')]/@lang") == ["en"] * 5


def test_before_the_first_edition_it_has_feeds(desk: Any) -> None:
    publish(desk, description="每日财经要闻")
    assert document(desk).xpath("string(//p[@class='lead'])") == "每日财经要闻"
    assert document(desk).xpath("//a[@class='name']") != []


def test_it_is_made_again_when_something_on_it_changed_or_it_is_lost(filled: Any) -> None:
    assert "index.html" in publish(filled).written
    quiet = publish(filled)
    assert (quiet.written, quiet.unchanged) == ([], 0)
    front(filled).unlink()
    assert publish(filled).written == ["index.html"]
    other = {"feeds": lambda: Feeds(everything=(ATOM,), categories=()), "fingerprint": "of other feeds"}
    assert publish(filled, **other).written == ["index.html"]
    assert publish(filled, **other | {"feeds": lambda: pytest.fail("a run without news makes no page")}).written == []
    filled.collect("2026-11-24 18:00", "2026-11-24 17:00")
    filled.make("2026-11-25 08:00")
    assert "index.html" in publish(filled).written


@pytest.mark.parametrize("there", [b"<h1>My own site</h1>", b"", sealed(b"x").replace(b"x", b"y")])
def test_what_somebody_else_made_stays(filled: Any, there: bytes) -> None:
    """Also what digest made and somebody changed."""
    front(filled).parent.mkdir(parents=True)
    front(filled).write_bytes(there)
    report = publish(filled)
    assert report.warnings == [FOREIGN]
    assert front(filled).read_bytes() == there
    front(filled).unlink()
    assert "index.html" in publish(filled).written


def test_a_link_in_its_place_stays(filled: Any, tmp_path: Path) -> None:
    own = tmp_path / "own.html"
    own.write_text("mine", encoding="utf-8")
    filled.folder.mkdir(parents=True, exist_ok=True)
    front(filled).symlink_to(own)
    assert publish(filled).warnings == [FOREIGN]
    assert front(filled).is_symlink()
    assert own.read_text(encoding="utf-8") == "mine"


def test_it_goes_when_it_is_wanted_no_more(filled: Any) -> None:
    publish(filled)
    assert is_sealed(front(filled).read_bytes())
    remove_front(filled.store, filled.output, EditionsReport())
    assert not front(filled).exists()
    front(filled).write_text("mine", encoding="utf-8")
    remove_front(filled.store, filled.output, EditionsReport())
    assert front(filled).exists()


@pytest.mark.parametrize("wanted", [True, False])
def test_what_took_its_place_meanwhile_stays(filled: Any, wanted: bool) -> None:
    publish(filled)
    beside = [front(filled).with_name(f"index.html{ending}") for ending in (".br", ".gz")]
    assert all(path.is_file() for path in beside)
    front(filled).write_text("mine", encoding="utf-8")
    if wanted:
        assert publish(filled).warnings == [FOREIGN]
    else:
        remove_front(filled.store, filled.output, EditionsReport())
    assert front(filled).read_text(encoding="utf-8") == "mine"
    assert not any(path.exists() for path in beside), "servers would show ours in its place"
