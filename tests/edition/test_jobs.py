"""Editions are made when due, once, and their pages published (digest/jobs/editions/make.py), on a real store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, time, timedelta
from pathlib import Path
from typing import Any

import lxml.html
import pytest
from msgspec.structs import replace

from digest.app.looks import frozen_look_of
from digest.edition.contents import CategoryTitle, Earlier, Limits, build_edition, edition_from_json
from digest.edition.selection import Selection
from digest.errors import OutputError, PermanentFailure, StoreError, TemplateError
from digest.jobs.editions import make as editions
from digest.jobs.editions.make import EditionsReport, Outcome, mail_for
from digest.jobs.editions.preview import preview_edition
from digest.models import Changes, EditionState, Post, RenderedMail, Revision
from digest.period import Late, weekly
from digest.render.mail import render_mail
from digest.store import SqlStore
from digest.subscribers.subscription import EditionSubscriber, Preferences
from digest.templates import FolderTemplates


def outcomes(report: EditionsReport) -> list[tuple[str, Outcome]]:
    return [(result.period, result.outcome) for result in report.results]


def titles(desk: Any, period: str) -> list[str]:
    saved = desk.store.edition("daily", period)
    assert saved is not None
    return [entry.title for entry in edition_from_json(saved.document).entries]


@pytest.fixture
def begun(desk: Any) -> Any:
    """A desk whose digest began with an archive at noon of 24 November."""
    desk.collect("2026-11-24 12:00", "2026-11-20 09:00", "2026-11-24 09:00", "2026-11-24 10:00")
    desk.make("2026-11-24 12:00")
    return desk


# --------------------------------------------------------------- first run


def test_the_first_edition_is_the_archives_newest_day(desk: Any) -> None:
    """By the site's zone, with every recipient queued; the rest of the archive is never mailed."""
    desk.collect("2026-11-24 12:00", "2021-12-29 23:59", "2021-12-30 00:00", "2021-12-30 23:59", "2026-11-25 00:00")
    report = desk.make("2026-11-24 12:00")
    assert outcomes(report) == [("2021-12-30", Outcome.MADE)]
    assert report.results[0].recipients == 2
    assert titles(desk, "2021-12-30") == ["标题0003", "标题0002"]
    saved = desk.store.edition("daily", "2021-12-30")
    assert saved.subject == "标题0003｜2021年12月30日"
    assert saved.frozen_at == desk.at("2026-11-24 12:00")
    assert saved.expires_at - saved.frozen_at == timedelta(hours=18)
    assert outcomes(desk.make("2026-11-24 12:05")) == []
    assert outcomes(desk.make("2026-11-25 08:00")) == [("2026-11-25", Outcome.NOTHING_NEW)]


def test_a_first_edition_of_today_leaves_out_what_is_still_to_come(desk: Any) -> None:
    desk.collect("2026-11-24 12:00", "2026-11-24 11:00", "2026-11-24 12:00", "2026-11-24 13:00")
    desk.make("2026-11-24 12:00")
    assert titles(desk, "2026-11-24") == ["标题0002", "标题0001"]


def test_an_empty_archive_begins_without_an_edition(desk: Any) -> None:
    """What arrives from then on is news."""
    assert outcomes(desk.make("2026-11-24 12:00")) == []
    desk.collect("2026-11-24 13:00", "2026-11-24 12:30")
    assert outcomes(desk.make("2026-11-24 13:00")) == []
    assert outcomes(desk.make("2026-11-25 08:00")) == [("2026-11-25", Outcome.MADE)]
    assert titles(desk, "2026-11-25") == ["标题0001"]


def test_a_crash_after_freezing_the_first_edition_repeats_nothing(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.collect("2026-11-24 12:00", "2026-11-24 09:00")
    with monkeypatch.context() as patch:
        patch.setattr(SqlStore, "begin", lambda *_: (_ for _ in ()).throw(StoreError("store", "disk is full")))
        with pytest.raises(StoreError):
            desk.make("2026-11-24 12:00")
    assert outcomes(desk.make("2026-11-24 12:05")) == []
    assert desk.store.began("daily") == desk.at("2026-11-24 12:05")
    assert len(desk.store.editions("daily")) == 1


# ------------------------------------------------------------------- slots


def test_an_edition_holds_what_arrived_since_the_last_one(begun: Any) -> None:
    """Back-dated posts too, as long as they are not older than max_age; each post once."""
    begun.collect("2026-11-24 18:00", "2026-11-24 17:00", "2026-11-22 08:00", "2026-11-21 07:00", "2026-11-25 09:00")
    assert outcomes(begun.make("2026-11-25 07:59")) == []
    assert outcomes(begun.make("2026-11-25 08:00")) == [("2026-11-25", Outcome.MADE)]
    assert titles(begun, "2026-11-25") == ["标题0004", "标题0005"]
    assert outcomes(begun.make("2026-11-25 08:05")) == []
    assert outcomes(begun.make("2026-11-26 08:00")) == [("2026-11-26", Outcome.MADE)]
    assert titles(begun, "2026-11-26") == ["标题0007"], "a post dated ahead comes when its time has come"


def test_after_a_downtime_one_late_edition_and_the_rest_is_missed(begun: Any) -> None:
    begun.collect("2026-11-27 13:00", "2026-11-25 09:00", "2026-11-27 09:00")
    report = begun.make("2026-11-27 13:00")
    assert outcomes(report) == [
        ("2026-11-25", Outcome.MISSED), ("2026-11-26", Outcome.MISSED), ("2026-11-27", Outcome.MADE),
    ]  # fmt: skip
    assert [warning for warning in report.warnings if "2026-11-26" in warning]
    assert titles(begun, "2026-11-27") == ["标题0005", "标题0004"]
    assert outcomes(begun.make("2026-11-27 13:05")) == []


def test_too_late_is_missed_and_said_once(begun: Any) -> None:
    begun.collect("2026-11-25 14:01", "2026-11-25 09:00")
    assert outcomes(begun.make("2026-11-25 14:01")) == [("2026-11-25", Outcome.MISSED)]
    assert outcomes(begun.make("2026-11-25 14:06")) == []
    begun.make("2026-11-26 08:00")
    assert titles(begun, "2026-11-26") == ["标题0004"], "nothing is lost, it comes a day later"


def test_late_merge_puts_the_posts_of_a_late_edition_into_the_next(begun: Any) -> None:
    """Half an hour is no lateness; later than that nothing goes out."""
    begun.plan = replace(begun.plan, late=Late.MERGE, max_lateness=timedelta(minutes=30))
    begun.collect("2026-11-25 07:00", "2026-11-25 06:00")
    assert outcomes(begun.make("2026-11-25 08:31")) == [("2026-11-25", Outcome.MISSED)]
    begun.collect("2026-11-26 07:00", "2026-11-26 06:00")
    assert outcomes(begun.make("2026-11-26 08:30")) == [("2026-11-26", Outcome.MADE)]
    assert titles(begun, "2026-11-26") == ["标题0005", "标题0004"]


def test_late_skip_mails_the_posts_of_a_late_edition_never(begun: Any) -> None:
    """Also when the edition after it was made in time; what came after the missed time is news."""
    begun.plan = replace(begun.plan, late=Late.SKIP, max_lateness=timedelta(minutes=30))
    begun.collect("2026-11-25 12:00", "2026-11-24 20:00", "2026-11-25 07:59", "2026-11-25 09:00")
    assert outcomes(begun.make("2026-11-25 12:00")) == [("2026-11-25", Outcome.MISSED)]
    assert outcomes(begun.make("2026-11-26 08:00")) == [("2026-11-26", Outcome.MADE)]
    assert titles(begun, "2026-11-26") == ["标题0006"]
    begun.collect("2026-11-26 20:00", "2026-11-26 19:00")
    assert outcomes(begun.make("2026-11-27 08:00")) == [("2026-11-27", Outcome.MADE)]
    assert titles(begun, "2026-11-27") == ["标题0007"]


def test_a_holiday_has_no_edition_and_its_posts_wait(begun: Any) -> None:
    """It is written down as such, once; a downtime that ends on one makes nothing late."""
    begun.plan = replace(begun.plan, holidays=frozenset({date(2026, 11, 25), date(2026, 11, 26)}))
    begun.collect("2026-11-25 07:00", "2026-11-25 06:00")
    report = begun.make("2026-11-25 08:00")
    assert outcomes(report) == [("2026-11-25", Outcome.HOLIDAY)]
    assert not report.warnings
    assert outcomes(begun.make("2026-11-25 08:01")) == []
    assert outcomes(begun.make("2026-11-27 08:00")) == [("2026-11-26", Outcome.HOLIDAY), ("2026-11-27", Outcome.MADE)]
    assert titles(begun, "2026-11-27") == ["标题0004"]
    assert begun.store.skipped_periods("daily", Outcome.HOLIDAY) == {"2026-11-25", "2026-11-26"}


def test_posts_of_a_long_holiday_are_not_too_old_for_the_edition_after_it(begun: Any) -> None:
    """What is too old is reckoned by the first edition that could have had it; older posts stay out."""
    days = frozenset(date(2026, 11, day) for day in range(25, 31))
    begun.plan = replace(begun.plan, holidays=days)
    begun.collect("2026-11-25 07:00", "2026-11-25 06:00", "2026-11-22 09:00", "2026-11-22 07:00")
    assert {outcome for _, outcome in outcomes(begun.make("2026-11-30 08:00"))} == {Outcome.HOLIDAY}
    assert outcomes(begun.make("2026-12-01 08:00")) == [("2026-12-01", Outcome.MADE)]
    assert titles(begun, "2026-12-01") == ["标题0004", "标题0005"]


@pytest.mark.parametrize(("late", "expected"), [(Late.MERGE, ["标题0004"]), (Late.SEND, None)], ids=str)
def test_how_old_posts_of_missed_editions_may_be(late: Late, expected: list[str] | None, begun: Any) -> None:
    """With merge however old; else no older than any post may be, and the edition can be made up."""
    begun.plan = replace(begun.plan, late=late, max_lateness=timedelta(minutes=30))
    begun.collect("2026-11-25 12:00", "2026-11-25 07:00")
    begun.make("2026-11-30 12:00")
    report = begun.make("2026-12-01 08:00")
    assert (titles(begun, "2026-12-01") if report.made else None) == expected


def test_a_quiet_day_sends_nothing_unless_wanted(begun: Any) -> None:
    assert outcomes(begun.make("2026-11-25 08:00")) == [("2026-11-25", Outcome.NOTHING_NEW)]
    saved = begun.store.edition("daily", "2026-11-25")
    assert saved.state is EditionState.SKIPPED
    assert outcomes(begun.make("2026-11-25 09:00")) == []
    begun.plan = replace(begun.plan, send_empty=True)
    assert outcomes(begun.make("2026-11-26 08:00")) == [("2026-11-26", Outcome.MADE)]


def test_few_posts_wait_for_the_next_edition(begun: Any) -> None:
    """The period is recorded as skipped, with the reason; the posts come with those of the next one, once."""
    begun.plan = replace(begun.plan, min_items=3)
    begun.collect("2026-11-24 18:00", "2026-11-24 17:00", "2026-11-24 17:30")
    (result,) = begun.make("2026-11-25 08:00").results
    assert (result.outcome, result.waiting) == (Outcome.TOO_FEW, 2)
    assert begun.store.edition("daily", "2026-11-25").state is EditionState.SKIPPED
    assert outcomes(begun.make("2026-11-25 09:00")) == []
    begun.collect("2026-11-25 18:00", "2026-11-25 17:00")
    assert outcomes(begun.make("2026-11-26 08:00")) == [("2026-11-26", Outcome.MADE)]
    assert titles(begun, "2026-11-26") == ["标题0006", "标题0005", "标题0004"]
    assert outcomes(begun.make("2026-11-27 08:00")) == [("2026-11-27", Outcome.NOTHING_NEW)]


def test_few_posts_wait_no_longer_than_they_may(begun: Any) -> None:
    """One that would be too old for the next edition is sent now, and with it the others."""
    begun.plan = replace(begun.plan, min_items=10)
    begun.collect("2026-11-24 18:00", "2026-11-23 17:00", "2026-11-24 17:00")
    assert outcomes(begun.make("2026-11-25 08:00")) == [("2026-11-25", Outcome.TOO_FEW)]
    assert outcomes(begun.make("2026-11-26 08:00")) == [("2026-11-26", Outcome.MADE)]
    assert titles(begun, "2026-11-26") == ["标题0005", "标题0004"]


def test_an_edition_that_is_sent_even_when_empty_waits_for_nothing(begun: Any) -> None:
    begun.plan = replace(begun.plan, min_items=10, send_empty=True)
    assert outcomes(begun.make("2026-11-25 08:00")) == [("2026-11-25", Outcome.MADE)]


def test_what_comes_too_late_for_an_edition_made_too_early_is_in_the_next(desk: Any) -> None:
    """Even if that comes when it is older than posts usually may be."""
    plan = replace(desk.plan, name="weekly", schedule=weekly(6, time(8)), max_age=timedelta(days=8))
    desk.collect("2026-11-23 12:00", "2026-11-23 09:00")
    desk.make("2026-11-23 12:00", plan)  # its first edition, of the week that goes on
    (key,) = desk.collect("2026-11-24 12:00", "2026-11-24 09:00")
    assert outcomes(desk.make("2026-11-28 08:00", plan)) == []
    assert outcomes(desk.make("2026-12-05 08:00", plan)) == [("2026-W49", Outcome.MADE)]
    saved = desk.store.edition("weekly", "2026-W49")
    assert key in desk.store.posts_in([saved.key])


def test_a_weekly_digest_names_weeks_and_spans_their_days(begun: Any) -> None:
    plan = replace(begun.plan, name="weekly", schedule=weekly(6, time(8)), max_age=timedelta(days=8))
    assert outcomes(begun.make("2026-11-24 12:00", plan)) == [("2026-W48", Outcome.MADE)]
    begun.collect("2026-12-01 12:00", "2026-12-01 09:00")
    begun.make("2026-12-05 08:00", plan)
    saved = begun.store.edition("weekly", "2026-W49")
    assert saved.subject.endswith("｜11月28日至12月4日")


def test_two_processes_make_one_edition(begun: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one was faster between our look and our freezing."""
    begun.collect("2026-11-24 18:00", "2026-11-24 17:00")
    monkeypatch.setattr(SqlStore, "freeze", lambda *_, **__: None)
    assert outcomes(begun.make("2026-11-25 08:00")) == []


def test_a_digest_of_some_categories_takes_only_those(begun: Any) -> None:
    titles = (CategoryTitle(name="股市", title="股票"),)
    plan = replace(begun.plan, name="stocks", categories=("股市",), titles=titles)
    begun.make("2026-11-24 12:00", plan)
    begun.collect("2026-11-24 18:00", "2026-11-24 17:00", categories=("要闻", "股市"))
    begun.collect("2026-11-24 18:00", "2026-11-24 17:30")
    begun.make("2026-11-25 08:00", plan)
    saved = begun.store.edition("stocks", "2026-11-25")
    document = edition_from_json(saved.document)
    assert [(section.title, len(section.entries)) for section in document.sections] == [("股票", 1)]


def test_one_digest_that_fails_does_not_stop_the_others(begun: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    second = replace(begun.plan, name="second")
    begun.make("2026-11-24 12:00", second)
    begun.collect("2026-11-24 18:00", "2026-11-24 17:00")

    def broken(name: str, context: Any, *, real: Callable[..., str] = begun.look.templates.render) -> str:
        if context["page"].endswith("/daily/2026-11-25/"):
            raise TemplateError(name, "'nonsense' is undefined")
        return real(name, context)

    monkeypatch.setattr(begun.look.templates, "render", broken)
    report = begun.make("2026-11-25 08:00", begun.plan, second)
    assert report.failures == ["digest daily: mail/digest.txt: 'nonsense' is undefined"]
    assert [result.digest for result in report.made] == ["second"]
    assert begun.store.edition("daily", "2026-11-25") is None, "the next run makes up for it"


def test_message_ids_are_the_same_on_every_store_and_tokens_come_from_outside(begun: Any) -> None:
    begun.publish()
    claimed = begun.store.claim(begun.at("2026-11-24 12:01"), 10, timedelta(minutes=2))
    assert {delivery.address for delivery in claimed} == {"reader@example.org", "other@example.org"}
    assert {delivery.token for delivery in claimed} == {"token"}
    assert len({delivery.message_id for delivery in claimed}) == 2
    for delivery in claimed:
        assert delivery.message_id.endswith("@news.example.com>")


def test_results_carry_what_a_report_needs(begun: Any) -> None:
    begun.collect("2026-11-24 18:00", *["2026-11-24 17:00"] * 5)
    plan = replace(begun.plan, limits=Limits(items=2))
    (result,) = begun.make("2026-11-25 08:00", plan).made
    assert result.balance is not None
    assert (result.balance.arrived, result.balance.here, result.balance.page) == (5, 2, 3)
    assert result.subject.endswith("｜11月25日")
    assert 0 < result.html_bytes < 74_000


def test_late_posts_and_those_left_out_are_told(begun: Any) -> None:
    """Those that were published before the edition before was made, and those that are too old for any."""
    begun.collect("2026-11-24 18:00", "2026-11-24 17:00")
    assert [(each.late, each.left_out) for each in begun.make("2026-11-25 08:00").made] == [(0, 0)]
    begun.collect("2026-11-25 18:00", "2026-11-25 07:30", "2026-11-24 23:00", "2026-11-25 17:00", "2026-11-27 09:00")
    begun.collect("2026-11-25 18:00", "2026-10-01 09:00", "2026-09-01 09:00", "2026-11-01 09:00", categories=("要闻",))
    (told,) = begun.make("2026-11-26 08:00").made
    assert (told.late, told.left_out) == (2, 3)
    assert list(told.some_left_out) == ["_posts/0010.md", "_posts/0009.md", "_posts/0011.md"]
    begun.collect("2026-11-26 18:00", "2026-11-26 17:00")
    assert [(each.late, each.left_out) for each in begun.make("2026-11-27 08:00").made] == [(0, 0)], "told once"


def test_a_withdrawn_post_that_is_restored_is_told_again(begun: Any) -> None:
    told = begun.collect("2026-11-24 18:00", "2026-11-24 17:00", title="临江化工厂仓库火灾 明火已扑灭")
    begun.make("2026-11-25 08:00")
    begun.store.record(Changes(gone=tuple(told)), begun.at("2026-11-25 09:00"))
    begun.collect("2026-11-25 18:00", "2026-11-25 17:00")
    begun.make("2026-11-26 08:00")
    revise(begun, told[0], "2026-11-26 09:00")
    for day in (26, 27):
        begun.collect(f"2026-11-{day} 18:00", f"2026-11-{day} 17:00")
        begun.make(f"2026-11-{day + 1} 08:00")
    documents = [edition_from_json(begun.store.edition("daily", f"2026-11-{day}").document) for day in (26, 27, 28)]
    found = [[(each.gone, each.restored) for each in document.corrections] for document in documents]
    assert found == [[(True, False)], [(False, True)], []]


def test_a_story_of_the_edition_before_is_taken_up(begun: Any) -> None:
    """Mail and page link to where it was told; what was told two editions ago is no update."""
    told = begun.collect("2026-11-24 18:00", "2026-11-24 17:00", title="临江化工厂仓库火灾 明火已扑灭")[0]
    begun.collect("2026-11-24 18:00", "2026-11-24 17:00", title="猪肉价格连降三周 养殖户减栏")
    begun.make("2026-11-25 08:00")
    begun.collect("2026-11-25 18:00", "2026-11-25 17:00", title="临江化工厂仓库火灾原因查明")
    begun.collect("2026-11-25 18:00", "2026-11-25 16:00", title="黄金再创新高")
    begun.make("2026-11-26 08:00")
    saved = begun.store.edition("daily", "2026-11-26")
    entries = edition_from_json(saved.document).entries
    assert [entry.earlier for entry in entries] == [
        Earlier(period="2026-11-25", key=told, days=(date(2026, 11, 25), date(2026, 11, 25))),
        None,
    ]
    begun.publish()
    site = "https://news.example.com/editions/daily/"
    for part, base in ((saved.html, site), (saved.text, site), (begun.page("2026-11-26"), "../")):
        assert part.count(f"{base}2026-11-25/#p{told}") == part.count("11月25日星期三报道的后续") == 1
    begun.collect("2026-11-26 18:00", "2026-11-26 17:00", title="猪肉价格连降三周")
    begun.make("2026-11-27 08:00")
    assert [
        entry.earlier for entry in edition_from_json(begun.store.edition("daily", "2026-11-27").document).entries
    ] == [None]


def test_a_post_that_is_gone_is_nothing_to_go_on_from(begun: Any) -> None:
    told = begun.collect("2026-11-24 18:00", "2026-11-24 17:00", title="临江化工厂仓库火灾 明火已扑灭")
    begun.make("2026-11-25 08:00")
    begun.store.record(Changes(gone=tuple(told)), begun.at("2026-11-25 09:00"))
    begun.collect("2026-11-25 18:00", "2026-11-25 17:00", title="临江化工厂仓库火灾原因查明")
    begun.make("2026-11-26 08:00")
    (entry,) = edition_from_json(begun.store.edition("daily", "2026-11-26").document).entries
    assert entry.earlier is None


def corrections(desk: Any, period: str) -> list[tuple[str, str, bool]]:
    document = edition_from_json(desk.store.edition("daily", period).document)
    return [(each.was_title, each.title, each.gone) for each in document.corrections]


def revise(desk: Any, key: int, now: str, **fields: Any) -> None:
    (known,) = desk.store.posts_in([desk.store.edition("daily", "2026-11-25").key]).values()
    assert known.key == key
    values: dict[str, Any] = {
        "path": known.path,
        "title": known.title,
        "published": known.published,
        "url": known.url,
        "feed_id": known.id,
        "categories": known.categories,
        "summary": known.summary,
        "text_hash": "other",
    }
    post = Post(**values | fields)
    revision = Revision(key=key, post=post, updated=desk.at(now), is_edit=True)
    desk.store.record(Changes(revisions=(revision,)), desk.at(now))


def test_a_post_that_changed_after_it_was_sent_is_corrected_once(begun: Any) -> None:
    """In mail, text and page of the next edition, and in no other."""
    (key,) = begun.collect("2026-11-24 18:00", "2026-11-24 17:00", title="央行降息25个基点")
    begun.make("2026-11-25 08:00")
    revise(begun, key, "2026-11-25 10:00", title="央行降息15个基点")
    begun.collect("2026-11-25 18:00", "2026-11-25 17:00")
    begun.make("2026-11-26 08:00")
    assert corrections(begun, "2026-11-26") == [("央行降息25个基点", "央行降息15个基点", False)]
    saved = begun.store.edition("daily", "2026-11-26")
    begun.publish()
    site = "https://news.example.com/editions/daily/"
    for part, base in ((saved.html, site), (saved.text, site), (begun.page("2026-11-26"), "../")):
        assert part.index("更正") < part.index("央行降息25个基点")
        assert "央行降息15个基点" in part
        assert f"{base}2026-11-25/#p{key}" in part
    assert "央行降息25个基点" in begun.page("2026-11-25"), "what was sent stays as it was"
    begun.collect("2026-11-26 18:00", "2026-11-26 17:00")
    begun.make("2026-11-27 08:00")
    assert corrections(begun, "2026-11-27") == []
    revise(begun, key, "2026-11-27 10:00", title="央行降息10个基点")
    begun.collect("2026-11-27 18:00", "2026-11-27 17:00")
    begun.make("2026-11-28 08:00")
    assert corrections(begun, "2026-11-28") == [("央行降息15个基点", "央行降息10个基点", False)]


def test_a_post_that_vanished_after_it_was_sent_is_told(begun: Any) -> None:
    keys = begun.collect("2026-11-24 18:00", "2026-11-24 17:00", title="传闻一则")
    begun.make("2026-11-25 08:00")
    begun.store.record(Changes(gone=tuple(keys)), begun.at("2026-11-25 09:00"))
    begun.collect("2026-11-25 18:00", "2026-11-25 17:00")
    begun.make("2026-11-26 08:00")
    assert corrections(begun, "2026-11-26") == [("传闻一则", "传闻一则", True)]
    saved = begun.store.edition("daily", "2026-11-26")
    assert "已撤下" in saved.html
    assert "已撤下" in saved.text


def test_what_was_sent_long_ago_is_not_corrected(begun: Any) -> None:
    (key,) = begun.collect("2026-11-24 18:00", "2026-11-24 17:00")
    begun.make("2026-11-25 08:00")
    revise(begun, key, "2026-12-03 09:00", title="改了")
    begun.collect("2026-12-03 18:00", "2026-12-03 17:00")
    begun.make("2026-12-04 08:00")
    assert corrections(begun, "2026-12-04") == []


def mail_of(desk: Any, period: str, *categories: str) -> str:
    """The text for readers of these categories."""
    return made_for(desk, period, *categories).text


def made_for(desk: Any, period: str, *categories: str) -> RenderedMail:
    """With what was frozen."""
    saved = desk.store.edition("daily", period)
    return mail_for(saved, str(Selection.of(categories)), *frozen_look_of(desk.store.frozen_look(saved.look)))


def test_readers_of_some_categories_get_the_corrections_of_their_posts(begun: Any) -> None:
    (key,) = begun.collect("2026-11-24 18:00", "2026-11-24 17:00", title="要闻一则")
    begun.make("2026-11-25 08:00")
    revise(begun, key, "2026-11-25 10:00", title="改了")
    begun.collect("2026-11-25 18:00", "2026-11-25 17:00", categories=("股市",))
    begun.make("2026-11-26 08:00")
    assert len(corrections(begun, "2026-11-26")) == 1
    assert "要闻一则" in mail_of(begun, "2026-11-26", "要闻")
    assert "要闻一则" not in mail_of(begun, "2026-11-26", "股市")


def test_a_mail_of_some_categories_is_the_one_of_a_digest_of_them(begun: Any) -> None:
    """Stories, places, highlights and limits are as if there were no other posts."""
    begun.plan = replace(begun.plan, group_stories=True, weights={"a": 2}, limits=Limits(items=3))
    titles = [CategoryTitle(name=name, title=f"<{name}>") for name in ("c", "b", "a")]
    begun.plan = replace(begun.plan, titles=tuple(titles))
    for number in range(12):
        names = tuple("abcd"[place] for place in range(4) if number % (place + 2) == 0) or ("d",)
        begun.collect("2026-11-24 18:00", f"2026-11-24 17:{number:02}", categories=names, tags=(names[0],))
    begun.make("2026-11-25 08:00")
    everything = begun.store.edition("daily", "2026-11-25")
    for chosen in (("a",), ("b", "c"), ("d",)):
        posts = begun.store.posts_in([everything.key]).values()
        alone = build_edition(
            [post for post in posts if set(chosen) & set(post.categories)],
            replace(begun.plan.recipe, categories=tuple(sorted(chosen, key="cbad".index)), titles=titles),
            digest="daily",
            title=begun.plan.title,
            period="2026-11-25",
            days=(date(2026, 11, 25),) * 2,
            frozen_at=everything.frozen_at,
        )
        look = begun.look
        mail = render_mail(alone, look, begun.plan.limits)
        made = made_for(begun, "2026-11-25", *chosen)
        assert (made.subject, made.html, made.text) == (mail.subject, mail.html, mail.text)


def test_a_mail_that_is_made_later_is_the_one_of_its_day(begun: Any, tmp_path: Path) -> None:
    """Whatever became of templates, catalogue, limits and titles meanwhile; equal looks are kept once."""
    own = tmp_path / "templates"
    (own / "mail").mkdir(parents=True)
    (own / "mail" / "footer.html").write_text(
        "<p>{{ _('Other') }} {{ plural('{count} more post', '{count} more posts', 2) }}"
    )
    language = begun.look.language
    begun.look = replace(begun.look, templates=FolderTemplates(language, own))
    begun.plan = replace(begun.plan, limits=Limits(items=1), titles=(CategoryTitle(name="要闻", title="今日要闻"),))
    for day in (24, 25):
        begun.collect(f"2026-11-{day} 18:00", f"2026-11-{day} 16:00", f"2026-11-{day} 17:00")
        begun.make(f"2026-11-{day + 1} 08:00")
    looks = {begun.store.edition("daily", period).look for period in ("2026-11-25", "2026-11-26")}
    assert len(looks) == 1
    look, recipe = begun.look, begun.plan.recipe
    saved = begun.store.edition("daily", "2026-11-25")
    then = mail_for(saved, str(Selection.of(["要闻"])), recipe, look)
    assert language.text("Other") in then.html
    (own / "mail" / "footer.html").write_text("another")
    assert made_for(begun, "2026-11-25", "要闻") == then
    begun.plan = replace(begun.plan, limits=Limits())
    begun.collect("2026-11-26 18:00", "2026-11-26 17:00")
    begun.make("2026-11-27 08:00")
    assert begun.store.edition("daily", "2026-11-27").look not in looks


def test_a_selection_without_posts_makes_no_delivery(begun: Any) -> None:
    """Unless the digest is sent when it is empty, too."""
    preferences = [(), ("要闻",), ("股市",), ("要闻", "股市")]

    def subscribers(plan: Any) -> list[EditionSubscriber]:
        return [
            EditionSubscriber(
                address=f"r{number}@example.org",
                canonical="",
                key=number,
                list_key=1,
                preferences=Preferences(),
                selection=str(Selection.of(names)),
            )
            for number, names in enumerate(preferences, start=1)
        ]

    begun.audience = replace(begun.audience, addresses=(), subscribers=subscribers)
    begun.collect("2026-11-24 18:00", "2026-11-24 17:00")
    (made,) = begun.make("2026-11-25 08:00").made
    assert made.recipients == 3
    saved = begun.store.edition("daily", "2026-11-25")
    assert set(begun.store.selections_of(saved.key)) == {
        str(Selection.of(names)) for names in (preferences[1], preferences[3])
    }
    begun.collect("2026-11-25 18:00", "2026-11-25 17:00")
    (made,) = begun.make("2026-11-26 08:00", replace(begun.plan, send_empty=True)).made
    assert made.recipients == 4


def test_what_breaks_only_in_a_mail_of_some_categories_is_known_before(begun: Any, monkeypatch: Any) -> None:
    """A post that the mail of everything has no room for leads the mail of somebody else."""

    def web_link(url: str | None) -> str | None:
        if url and "bad" in url:
            raise OverflowError("no such address")
        return url

    begun.plan = replace(begun.plan, limits=Limits(items=1))
    begun.collect("2026-11-24 18:00", "2026-11-24 17:00")
    begun.collect("2026-11-24 18:00", "2026-11-24 16:00", url="https://news.example.com/bad.html", title="坏消息")
    monkeypatch.setattr("digest.render.mail.web_link", web_link)
    report = begun.make("2026-11-25 08:00")
    assert "cannot be put into the edition of 2026-11-25: OverflowError" in report.failures[0]
    assert len(titles(begun, "2026-11-25")) == 1


@pytest.mark.parametrize(
    "error", [RuntimeError("a fault of the program"), TemplateError("mail/digest.txt:3", "no such")]
)
def test_a_mail_that_cannot_be_made_fails_alone(begun: Any, error: Exception) -> None:
    class Broken:
        def render(self, *_: Any) -> str:
            raise error

    saved = begun.store.edition("daily", "2026-11-24")
    broken = replace(begun.look, templates=Broken())
    with pytest.raises(
        PermanentFailure, match=r"daily 2026-11-24: its mail cannot be made: (Runt|mail/digest\.txt:3: )"
    ):
        mail_for(saved, str(Selection.of(["要闻"])), begun.plan.recipe, broken)


# ------------------------------------------------------------------- pages


def links(page: str, relation: str) -> list[str]:
    return [str(link) for link in lxml.html.document_fromstring(page).xpath(f"//a[@rel='{relation}']/@href")]


def test_pages_hold_everything_and_link_their_neighbours(begun: Any) -> None:
    begun.publish()
    assert "标题0002" in begun.page("2026-11-24")
    assert links(begun.page("2026-11-24"), "next") == []
    begun.collect("2026-11-24 18:00", *["2026-11-24 17:00"] * 300)
    begun.make("2026-11-25 08:00")
    report = begun.publish()
    assert (len(report.written), report.unchanged) == (3, 0)
    page = begun.page("2026-11-25")
    assert len(lxml.html.document_fromstring(page).xpath("//article")) == 300
    assert links(page, "prev") == ["../2026-11-24/"]
    assert links(begun.page("2026-11-24"), "next") == ["../2026-11-25/"]
    assert "2026年11月" in begun.index()
    assert begun.index().index("11月25日") < begun.index().index("11月24日")


def test_the_list_names_what_leads_each_edition(begun: Any) -> None:
    """Looked up once: also of editions that were made before anybody asked."""
    begun.collect("2026-11-24 18:00", "2026-11-24 17:00", title="央行降息\n25个基点")
    begun.make("2026-11-25 08:00")
    begun.publish()
    [newest, first] = lxml.html.document_fromstring(begun.index()).xpath("//ul[@class='editions']/li")
    assert newest.xpath("string(.//*[@class='lead-line'])") == "央行降息 25个基点"
    assert newest.xpath("string(.//*[@class='day'])") == "11月25日星期三"
    assert newest.xpath(".//a/@href") == ["2026-11-25/"]
    assert first.xpath("string(.//*[@class='lead-line'])").startswith("标题")
    assert next(row.lead for row in begun.store.edition_rows("daily")) == "央行降息 25个基点"


def test_a_page_leads_to_the_others_wherever_it_is_served(begun: Any) -> None:
    begun.publish()
    page = lxml.html.document_fromstring(begun.page("2026-11-24"))
    assert page.xpath("//header/a/@href") == ["https://news.example.com/", "../", "../../../feeds/"]


def test_a_second_publishing_touches_nothing(begun: Any) -> None:
    begun.publish()
    report = begun.publish()
    assert (len(report.written), report.unchanged) == (0, 0)


def test_another_look_makes_everything_again_once(begun: Any) -> None:
    """Old pages too; what comes out the same is not written."""
    begun.collect("2026-11-24 18:00", "2026-11-24 17:00")
    begun.make("2026-11-25 08:00")
    begun.publish()
    report = begun.publish(fingerprint="other")
    assert (len(report.written), report.unchanged) == (0, 3)
    report = begun.publish(fingerprint="other")
    assert (len(report.written), report.unchanged) == (0, 0)


def test_another_look_waits_until_every_page_has_it(begun: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    begun.publish()

    def full(self: object, path: str, data: bytes) -> bool:
        raise OutputError(path, "cannot be written")

    with monkeypatch.context() as patch:
        patch.setattr(type(begun.output), "write", full)
        assert begun.publish(fingerprint="other").failures
    assert begun.publish(fingerprint="other").unchanged == 2
    assert begun.publish(fingerprint="other").unchanged == 0


def test_a_lost_output_folder_is_filled_again(begun: Any) -> None:
    begun.publish()
    (begun.folder / "editions" / "daily" / "index.html").unlink()
    (begun.folder / "editions" / "daily" / "2026-11-24" / "index.html").unlink()
    assert len(begun.publish().written) == 2


def test_a_page_that_cannot_be_written_is_a_failure_and_waits(begun: Any, tmp_path: Path) -> None:
    """The next run makes up for it."""

    class Full:
        def read(self, path: str) -> bytes | None:
            return None

        def write(self, path: str, data: bytes) -> bool:
            raise OutputError(path, "disk is full", "make room")

        batch = begun.output.batch

    good, begun.output = begun.output, Full()
    report = begun.publish()
    assert report.failures == ["editions/daily/2026-11-24/index.html: disk is full; make room"]
    begun.output = good
    assert len(begun.publish().written) == 2
    assert begun.store.unpublished_pages() == []


def test_pages_of_a_digest_that_is_no_longer_configured_are_still_published(begun: Any) -> None:
    begun.plan = replace(begun.plan, name="other")
    begun.publish()
    assert "财经早报" in begun.index()


def test_a_damaged_document_is_an_error_of_the_store(begun: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (saved,) = begun.store.unpublished_pages()
    monkeypatch.setattr(SqlStore, "unpublished_pages", lambda *_: [replace(saved, document="{")])
    with pytest.raises(StoreError, match="edition daily 2026-11-24"):
        begun.publish()


# ------------------------------------------------------- one post that breaks


def test_a_post_that_breaks_an_edition_is_left_out_and_named(begun: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are mailed; the next edition tries it again, and a preview says the same."""

    def render(edition: Any, *rest: Any) -> Any:
        if any("坏" in entry.title for entry in edition.entries):
            raise OverflowError("date value out of range")
        return render_mail(edition, *rest)

    begun.collect("2026-11-24 18:00", "2026-11-24 17:00", "2026-11-24 17:30")
    begun.collect("2026-11-24 18:00", "2026-11-24 16:00", title="坏消息")
    with monkeypatch.context() as patched:
        patched.setattr(editions, "render_mail", render)
        (line,) = preview_edition(begun.store, begun.plan, begun.look, begun.at("2026-11-25 07:59")).broken
        report = begun.make("2026-11-25 08:00")
    assert outcomes(report) == [("2026-11-25", Outcome.MADE)]
    assert report.failures == [line]
    assert line.startswith(
        "digest daily: _posts/0006.md: cannot be put into the edition of 2026-11-25: OverflowError: "
    )
    assert len(titles(begun, "2026-11-25")) == 2
    assert outcomes(begun.make("2026-11-26 08:00")) == [("2026-11-26", Outcome.MADE)]
    assert titles(begun, "2026-11-26") == ["坏消息"]


def test_a_fault_that_no_post_is_to_blame_for_is_not_hidden(begun: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def render(*_: Any) -> Any:
        raise RuntimeError("a fault of the program")

    begun.collect("2026-11-24 18:00", "2026-11-24 17:00")
    monkeypatch.setattr(editions, "render_mail", render)
    with pytest.raises(RuntimeError):
        begun.make("2026-11-25 08:00")
