"""Editions of past days are made up (digest/jobs/editions/backfill.py), on a real store."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, time, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from digest.edition.contents import Reason, edition_from_json
from digest.errors import ConfigError, StoreError
from digest.jobs.editions.back_issues import LATEST, files_of_issue, find_issue, list_issues, split_message
from digest.jobs.editions.backfill import GROUP, BackfillReport, backfill
from digest.jobs.editions.make import DigestPlan
from digest.models import DeliveryState, EditionState
from digest.period import weekdays, weekly
from digest.render.message import EditionMessage, Letterhead, Mailbox
from digest.store import SqlStore


@pytest.fixture
def begun(desk: Any) -> Any:
    """A digest that began on 24 November with an archive of older days."""
    desk.collect(
        "2026-11-24 12:00",
        *("2026-11-20 00:00", "2026-11-20 23:59", "2026-11-21 09:00", "2026-11-23 10:00", "2026-11-24 09:00"),
    )
    desk.make("2026-11-24 12:00")
    desk.publish()
    return desk


@pytest.fixture
def backfill_editions(begun: Any) -> Callable[..., BackfillReport]:
    """Make up the editions from one day to another, at noon of 24 November or another time."""

    def act(first: str, last: str, now: str = "2026-11-24 12:00", plan: DigestPlan | None = None) -> BackfillReport:
        return backfill(
            begun.store,
            plan or begun.plan,
            begun.look,
            date.fromisoformat(first),
            date.fromisoformat(last),
            begun.publish,
            now=begun.at(now),
        )

    return act


def made(report: BackfillReport) -> list[str]:
    return [result.period for result in report.made]


def titles(desk: Any, period: str, digest: str = "daily") -> list[str]:
    saved = desk.store.edition(digest, period)
    assert saved is not None
    return [entry.title for entry in edition_from_json(saved.document).entries]


def test_each_past_day_gets_what_was_published_on_it(
    begun: Any, backfill_editions: Callable[..., BackfillReport]
) -> None:
    """By the site's zone. Days without posts get none."""
    report = backfill_editions("2026-11-19", "2026-11-23")
    assert made(report) == ["2026-11-20", "2026-11-21", "2026-11-23"]
    assert report.empty == ["2026-11-19", "2026-11-22"]
    assert titles(begun, "2026-11-20") == ["标题0002", "标题0001"]
    assert "标题0001" in begun.page("2026-11-20")
    assert "2026-11-23/" in begun.page("2026-11-24"), "the page that was there links its new neighbour"
    assert report.failures == []
    assert "editions/daily/2026-11-21/index.html" in report.written


def test_nobody_is_mailed(begun: Any, backfill_editions: Callable[..., BackfillReport]) -> None:
    """Made up editions are finished from the beginning and have no deliveries."""
    before = begun.store.counts()
    report = backfill_editions("2026-11-19", "2026-11-23")
    assert {result.recipients for result in report.made} == {0}
    assert begun.store.counts() == before
    saved = begun.store.edition("daily", "2026-11-20")
    assert saved.state is EditionState.FINISHED
    assert begun.store.counts(saved.key).total == 0
    assert before[DeliveryState.QUEUED] == 2
    assert begun.store.settle(begun.at("2026-11-24 12:00")) == []


def test_twice_changes_nothing(begun: Any, backfill_editions: Callable[..., BackfillReport]) -> None:
    backfill_editions("2026-11-19", "2026-11-23")
    rows = begun.store.edition_rows("daily")
    report = backfill_editions("2026-11-19", "2026-11-23")
    assert (made(report), report.written) == ([], ())
    assert report.existing == ["2026-11-20", "2026-11-21", "2026-11-23"]
    assert begun.store.edition_rows("daily") == rows


def test_it_comes_out_the_same_whenever_it_is_made(
    begun: Any, backfill_editions: Callable[..., BackfillReport]
) -> None:
    """Frozen as if in the last second of its day."""
    backfill_editions("2026-11-20", "2026-11-20")
    early = begun.store.edition("daily", "2026-11-20")
    assert early.frozen_at == begun.at("2026-11-20 23:59:59")
    other = replace(begun.plan, name="other")
    begun.make("2026-11-24 12:00", other)
    backfill_editions("2026-11-20", "2026-11-20", "2026-12-30 07:00", plan=other)
    late = begun.store.edition("other", "2026-11-20")
    assert late.document.replace('"other"', '"daily"') == early.document
    assert (late.subject, late.frozen_at) == (early.subject, early.frozen_at)


def test_an_edition_that_is_there_is_not_touched(begun: Any, backfill_editions: Callable[..., BackfillReport]) -> None:
    """Even if more posts of its day have arrived since; those the next edition will mail are left to it."""
    begun.collect("2026-11-24 13:00", "2026-11-24 08:30", "2026-11-23 08:30")
    saved = begun.store.edition("daily", "2026-11-24")
    report = backfill_editions("2026-11-23", "2026-11-24", "2026-11-25 07:00")
    assert report.existing == ["2026-11-24"]
    assert begun.store.edition("daily", "2026-11-24") == saved
    assert titles(begun, "2026-11-23") == ["标题0004"]
    assert report.waiting == 1
    begun.make("2026-11-25 08:00")
    assert titles(begun, "2026-11-25") == ["标题0006", "标题0007"]


def test_a_post_is_in_one_edition_of_a_digest(begun: Any, backfill_editions: Callable[..., BackfillReport]) -> None:
    """What was mailed the morning after is not in its own day's edition again."""
    begun.collect("2026-11-25 18:00", "2026-11-25 17:00")
    begun.make("2026-11-26 08:00")
    assert made(backfill_editions("2026-11-25", "2026-11-25", "2026-11-27 07:00")) == []


def test_a_skipped_day_can_be_made_up(begun: Any, backfill_editions: Callable[..., BackfillReport]) -> None:
    """After a downtime: posts that had become too old for any edition."""
    begun.collect("2026-12-05 12:00", "2026-11-27 09:00")
    begun.make("2026-12-05 12:00")
    assert begun.store.edition("daily", "2026-11-27").state is EditionState.SKIPPED
    report = backfill_editions("2026-11-26", "2026-11-28", "2026-12-05 12:00")
    assert made(report) == ["2026-11-27"]
    assert report.empty == ["2026-11-26", "2026-11-28"]
    assert titles(begun, "2026-11-27") == ["标题0006"]
    assert begun.store.edition("daily", "2026-11-28").state is EditionState.SKIPPED
    (entry,) = edition_from_json(begun.store.edition("daily", "2026-11-27").document).entries
    assert entry.reason.split()[0] == Reason.BACKFILLED


def test_a_period_whose_edition_is_still_due_is_left_to_it(
    begun: Any, backfill_editions: Callable[..., BackfillReport]
) -> None:
    """Its readers want it by mail."""
    late = replace(begun.plan, schedule=replace(begun.plan.schedule, at=time(23, 30)), max_age=timedelta(hours=1))
    begun.collect("2026-11-24 18:00", "2026-11-24 17:00")
    begun.collect("2026-11-25 18:00", "2026-11-25 17:00")
    report = backfill_editions("2026-11-25", "2026-11-25", "2026-11-26 00:30", plan=late)
    assert (made(report), report.due) == ([], ["2026-11-25"])


def test_weeks(begun: Any, backfill_editions: Callable[..., BackfillReport]) -> None:
    """A weekly digest gets whole weeks, named and dated as such."""
    plan = replace(begun.plan, name="weekly", schedule=weekly(6, time(8)))
    begun.make("2026-11-24 12:00", plan)
    with pytest.raises(ConfigError, match="--to: 2026-W48 is not over yet"):
        backfill_editions("2026-11-18", "2026-11-23", plan=plan)
    assert made(backfill_editions("2026-11-18", "2026-11-19", plan=plan)) == ["2026-W47"]
    assert len(titles(begun, "2026-W47", "weekly")) == 3
    saved = begun.store.edition("weekly", "2026-W47")
    assert saved.frozen_at == begun.at("2026-11-22 23:59:59")


def test_days_that_the_schedule_leaves_out_are_made_up_too(
    begun: Any, backfill_editions: Callable[..., BackfillReport]
) -> None:
    """Nothing is hidden because it was published on a Saturday."""
    plan = replace(begun.plan, schedule=weekdays(time(8)))
    assert made(backfill_editions("2026-11-21", "2026-11-22", plan=plan)) == ["2026-11-21"]


@pytest.mark.parametrize(
    ("first", "last", "message"),
    [
        ("2026-11-23", "2026-11-20", "--from: 2026-11-23 is after 2026-11-20; give the earlier day first"),
        ("2026-11-20", "2026-11-24", "--to: 2026-11-24 is not over yet; name a day before it"),
        ("2026-11-20", "2027-11-24", "--to: 2027-11-24 is not over yet; name a day before it"),
    ],
)
def test_days_that_cannot_be(
    backfill_editions: Callable[..., BackfillReport], first: str, last: str, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        backfill_editions(first, last)
    assert str(caught.value) == message


def test_a_digest_that_has_not_begun(backfill_editions: Callable[..., BackfillReport], begun: Any) -> None:
    """Its first edition is still to be made of the newest day."""
    with pytest.raises(StoreError, match="digest new: it has not begun; run digest run first"):
        backfill_editions("2026-11-20", "2026-11-21", plan=replace(begun.plan, name="new"))


def test_many_days_are_published_some_at_a_time(begun: Any) -> None:
    """And said as they come."""
    days = [date(2026, 9, 1) + timedelta(days=number) for number in range(GROUP + 4)]
    begun.collect("2026-11-24 12:00", *(f"{day} 09:00" for day in days))
    told: list[tuple[str, int, int]] = []
    published: list[int] = []

    def publish(report: Any) -> Any:
        published.append(len(begun.store.unpublished_pages()))
        return begun.publish(report)

    report = backfill(
        begun.store,
        begun.plan,
        begun.look,
        days[0],
        days[-1],
        publish,
        now=begun.at("2026-11-24 12:00"),
        progress=lambda *step: told.append(step),
    )
    assert len(report.made) == GROUP + 4
    assert published == [GROUP, 4]
    assert told[-1] == ("making editions", GROUP + 4, GROUP + 4)
    assert len([path for path in report.written if path.endswith("/daily/index.html")]) == 1


def test_two_at_once_make_it_once(
    begun: Any, backfill_editions: Callable[..., BackfillReport], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes second finds it there."""
    monkeypatch.setattr(SqlStore, "backfill_editions", lambda *_: None)
    report = backfill_editions("2026-11-20", "2026-11-20")
    assert (made(report), report.existing) == ([], ["2026-11-20"])


# ------------------------------------------------------------- back issues


def test_editions_are_listed_and_found(begun: Any, backfill_editions: Callable[..., BackfillReport]) -> None:
    backfill_editions("2026-11-20", "2026-11-23")
    publisher = begun.look.publisher
    listed = [(digest, row.period) for digest, row in list_issues(begun.store, ["daily", "none"])]
    assert listed == [("daily", f"2026-11-{day}") for day in (24, 23, 21, 20)]
    latest = find_issue(begun.store, publisher, "daily", LATEST)
    assert latest == find_issue(begun.store, publisher, "daily", "2026-11-24")
    assert latest.page == "https://news.example.com/editions/daily/2026-11-24/"


@pytest.mark.parametrize(
    ("digest", "period", "message"),
    [
        ("daily", "2020-01-01", "daily 2020-01-01: there is no such edition; digest editions list names them"),
        ("none", LATEST, "none latest: there is no such edition; digest editions list names them"),
        (
            "daily",
            "2026-11-25",
            "daily 2026-11-25: no edition was made for it; digest editions backfill can make it up",
        ),
    ],
)
def test_what_is_not_there(begun: Any, digest: str, period: str, message: str) -> None:
    begun.make("2026-11-25 08:00")
    with pytest.raises(StoreError) as caught:
        find_issue(begun.store, begun.look.publisher, digest, period)
    assert str(caught.value) == message


def test_an_edition_as_files(begun: Any) -> None:
    """The message with its parts as they are read, and everything for programs."""
    issue = find_issue(begun.store, begun.look.publisher, "daily", LATEST)
    letterhead = Letterhead(
        sender=Mailbox(name="早报", address="d@news.example.com"), digest="daily", title="早报", site_host="example.com"
    )
    saved = issue.saved
    message = EditionMessage(
        subject=saved.subject,
        html=saved.html,
        text=saved.text,
        period=saved.period,
        date=saved.frozen_at,
        archive_url=issue.page,
        letterhead=letterhead,
    ).to(address="reader@example.org", message_id="<1@news.example.com>")
    parts = split_message(message)
    assert "reader@example.org" in parts.html
    assert "reader@example.org" in parts.text
    assert "\r" not in parts.html + parts.text
    files = files_of_issue(issue, parts)
    assert (files["eml"], files["html"].decode(), files["txt"].decode()) == (message, parts.html, parts.text)
    told = json.loads(files["json"])
    assert (told["digest"], told["period"], told["state"]) == ("daily", "2026-11-24", "frozen")
    assert told["frozen_at"] == "2026-11-24T04:00:00Z"
    assert told["balance"] == {"arrived": 1, "here": 1, "grouped": 0, "page": 0}
    assert [entry["title"] for section in told["sections"] for entry in section["entries"]] == ["标题0005"]
