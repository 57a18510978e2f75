"""Editions that wait for the operator's approval: what is decided when, and what a store knows of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from digest.edition.approval import ApprovalRule, Turn, next_turn
from digest.edition.contents import edition_from_json
from digest.jobs.editions.back_issues import list_issues
from digest.jobs.editions.backfill import backfill
from digest.jobs.editions.make import Outcome, make_editions
from digest.jobs.editions.preview import preview_edition
from digest.models import Approval, Changes, EditionFile, EditionState, Otherwise
from digest.period import Late

RULE = ApprovalRule(wait=timedelta(hours=1), otherwise=Otherwise.SEND)
SKIPS = ApprovalRule(wait=timedelta(hours=1), otherwise=Otherwise.SKIP)
SLOT = datetime(2026, 11, 25, tzinfo=UTC)


def waiting(rule: ApprovalRule = RULE, **fields: Any) -> Approval:
    values: dict[str, Any] = {
        "digest": "daily",
        "period": "2026-11-25",
        "began_at": SLOT,
        "until": SLOT + rule.wait,
        "otherwise": rule.otherwise,
        "seen": "",
        "subject": "",
        "readers": 0,
        "posts": (),
    }
    return Approval(**values | fields)


@pytest.mark.parametrize(
    ("rule", "approval", "minutes", "turn"),
    [
        (None, None, 0, Turn.MAKE),
        (None, waiting(SKIPS), 90, Turn.MAKE),
        (RULE, None, 0, Turn.WAIT),
        (RULE, None, 300, Turn.WAIT),
        (RULE, waiting(), 59, Turn.WAIT),
        (RULE, waiting(), 60, Turn.MAKE),
        (SKIPS, waiting(SKIPS), 59, Turn.WAIT),
        (SKIPS, waiting(SKIPS), 60, Turn.SKIP),
        (SKIPS, waiting(), 60, Turn.MAKE),  # the operator was told so
        (SKIPS, waiting(SKIPS, approved_at=SLOT), 1, Turn.MAKE),
        (SKIPS, waiting(SKIPS, approved_at=SLOT), 90, Turn.MAKE),
    ],
)
def test_whose_turn_it_is(rule: ApprovalRule | None, approval: Approval | None, minutes: int, turn: Turn) -> None:
    assert next_turn(rule, approval, SLOT + timedelta(minutes=minutes)) is turn


@pytest.mark.parametrize(("began", "until"), [(0, 60), (5, 60), (30, 60), (31, 61), (180, 210)])
def test_a_late_one_waits_for_half_of_the_time(began: int, until: int) -> None:
    """In minutes after its slot."""
    assert RULE.until(SLOT, SLOT + timedelta(minutes=began)) == SLOT + timedelta(minutes=until)


# ---------------------------------------------------------------- on a store


class Editor:
    """A desk whose editions wait."""

    def __init__(self, desk: Any, rule: ApprovalRule = RULE, **plan: Any) -> None:
        self.desk = desk
        self.store = desk.store
        self.plan = replace(desk.plan, approve=rule, **plan)
        self.asked: list[tuple[str, str]] = []
        self.file = EditionFile()

    def begin(self) -> None:
        """Without posts there is no first edition."""
        self.make("2026-11-24 12:00")

    def make(self, now: str, *plans: Any) -> list[tuple[str, str]]:
        report = make_editions(
            self.store,
            plans or (self.plan,),
            self.desk.look,
            self.desk.audience,
            self.desk.at(now),
            file_of=lambda digest, period: self.file,
            ask=lambda approval, mail: self.asked.append((approval.period, mail.subject)),
        )
        assert report.failures == []
        self.report = report
        return [(result.period, result.outcome.value) for result in report.results]

    @property
    def open(self) -> Approval:
        [found] = self.store.open_approvals("daily")
        assert isinstance(found, Approval)
        return found

    @property
    def posts(self) -> tuple[int, ...]:
        """Of the one that waits."""
        return self.open.posts

    def titles(self, period: str) -> list[str]:
        saved = self.store.edition("daily", period)
        return [entry.title for entry in edition_from_json(saved.document).entries]


@pytest.fixture
def editor(desk: Any) -> Editor:
    made = Editor(desk)
    made.begin()
    return made


def test_an_edition_waits_and_is_frozen_at_the_end(editor: Editor) -> None:
    """Once, with what is there by then; it expires counted from then."""
    editor.desk.collect("2026-11-25 07:00", "2026-11-25 06:00")
    assert editor.make("2026-11-25 08:00") == [("2026-11-25", "waits for approval")]
    [result] = editor.report.results
    assert (result.recipients, result.until) == (2, editor.desk.at("2026-11-25 09:00"))
    assert editor.store.edition("daily", "2026-11-25") is None
    assert editor.store.slot_state("daily", "2026-11-25") == (EditionState.BUILDING, "")
    assert not editor.store.has_mail()
    first = editor.open
    assert editor.make("2026-11-25 08:05") == [("2026-11-25", "waits for approval")]
    assert editor.open == first, "nothing is new"
    editor.desk.collect("2026-11-25 08:10", "2026-11-25 08:08")
    editor.make("2026-11-25 08:15")
    assert editor.posts == (2, 1)
    assert editor.open.key == first.key
    assert editor.make("2026-11-25 08:59")[0][1] == "waits for approval"
    assert editor.make("2026-11-25 09:00") == [("2026-11-25", "made")]
    saved = editor.store.edition("daily", "2026-11-25")
    assert saved.frozen_at == editor.desk.at("2026-11-25 09:00")
    assert saved.expires_at == editor.desk.at("2026-11-26 03:00")
    assert editor.titles("2026-11-25") == ["标题0002", "标题0001"]
    assert editor.store.open_approvals() == []
    assert editor.make("2026-11-25 09:05") == []
    assert len(editor.asked) == 1, "one mail, however often it changes"


def test_approved_it_has_what_was_seen(editor: Editor) -> None:
    """Without what came later; that is left to the next one. Twice is once."""
    editor.desk.collect("2026-11-25 07:00", "2026-11-25 06:00", "2026-11-25 05:00")
    editor.make("2026-11-25 08:00")
    approval = editor.open
    now = editor.desk.at("2026-11-25 08:20")
    assert not editor.store.approve(approval.key, now, "something else")
    assert not editor.store.is_approval_due(now)
    assert editor.store.approve(approval.key, now, approval.seen)
    assert not editor.store.approve(approval.key, now, approval.seen)
    assert editor.store.is_approval_due(now)
    editor.store.renew_approval(replace(approval, posts=(1, 2, 3), seen="by a run that was at work"), "")
    assert editor.posts == approval.posts
    editor.desk.collect("2026-11-25 08:22", "2026-11-25 08:21")
    assert editor.make("2026-11-25 08:25") == [("2026-11-25", "made")]
    assert editor.titles("2026-11-25") == ["标题0001", "标题0002"]
    editor.make("2026-11-26 08:00")
    assert editor.posts == (3,)


def test_the_editors_file_makes_it_anew(editor: Editor) -> None:
    """A lead, an introduction; and when nothing is left it waits on, for what may come."""
    editor.desk.collect("2026-11-25 07:00", "2026-11-25 06:00", "2026-11-25 05:00")
    editor.make("2026-11-25 08:00")
    before = editor.open
    editor.file = EditionFile(lead="0002.md", introduction="<p>今天很忙。</p>")
    editor.make("2026-11-25 08:05")
    assert editor.open.subject.startswith("标题0002")
    assert editor.open.seen != before.seen
    assert "今天很忙" in editor.store.approval_html(before.key)
    editor.file = EditionFile(skip=("0001.md", "0002.md"))
    assert editor.make("2026-11-25 08:10") == [("2026-11-25", "waits for approval")]
    assert not editor.posts
    assert editor.make("2026-11-25 09:00") == [("2026-11-25", "nothing new")]
    assert editor.store.open_approvals() == []
    editor.file = EditionFile()
    editor.make("2026-11-26 08:00")
    assert editor.posts == (1, 2)


def test_nothing_new_is_told_at_once(editor: Editor) -> None:
    assert editor.make("2026-11-25 08:00") == [("2026-11-25", "nothing new")]
    assert editor.asked == []


def test_without_approval_it_may_be_skipped(desk: Any) -> None:
    """Its posts are in the next one, however old they are by then; the list names it."""
    editor = Editor(desk, SKIPS, max_age=timedelta(hours=20))
    editor.begin()
    desk.collect("2026-11-25 07:00", "2026-11-25 06:00")
    editor.make("2026-11-25 08:00")
    [(_, row)] = list_issues(desk.store, ["daily"])
    assert (row.period, row.state, row.posts) == ("2026-11-25", EditionState.BUILDING, 1)
    assert editor.make("2026-11-25 09:00") == [("2026-11-25", "not approved")]
    assert editor.report.results[0].waiting == 1
    [(_, row)] = list_issues(desk.store, ["daily"])
    assert (row.period, row.state) == ("2026-11-25", EditionState.SKIPPED)
    assert not desk.store.has_mail()
    assert editor.make("2026-11-25 09:05") == []
    desk.collect("2026-11-26 07:00", "2026-11-26 06:00")
    editor.make("2026-11-26 08:00")
    assert editor.posts == (2, 1)


def test_a_word_that_comes_while_it_is_given_up_counts(desk: Any) -> None:
    """Between the look at it and the record that it is skipped."""
    editor = Editor(desk, SKIPS)
    editor.begin()
    desk.collect("2026-11-25 07:00", "2026-11-25 06:00")
    editor.make("2026-11-25 08:00")
    store, now = desk.store, desk.at("2026-11-25 09:00")
    assert store.approve(editor.open.key, now)
    assert not store.skip("daily", "2026-11-25", now, reason=Outcome.NOT_APPROVED, unless_approved=True)
    assert editor.make("2026-11-25 09:05") == [("2026-11-25", "made")]


def test_and_one_that_comes_after_it_does_not(desk: Any) -> None:
    editor = Editor(desk, SKIPS)
    editor.begin()
    desk.collect("2026-11-25 07:00", "2026-11-25 06:00")
    editor.make("2026-11-25 08:00")
    key = editor.open.key
    editor.make("2026-11-25 09:00")
    assert not desk.store.approve(key, desk.at("2026-11-25 09:01"))


@pytest.mark.parametrize("late", Late)
def test_a_run_that_comes_late_makes_it(desk: Any, late: Late) -> None:
    """As long after its time as any edition after its slot; the wait does not make it late."""
    editor = Editor(desk, late=late, max_lateness=timedelta(minutes=30))
    editor.begin()
    desk.collect("2026-11-25 07:00", "2026-11-25 06:00")
    editor.make("2026-11-25 08:00")
    assert editor.make("2026-11-25 08:45") == [("2026-11-25", "waits for approval")]
    assert editor.make("2026-11-25 09:30") == [("2026-11-25", "made")]


def test_one_whose_time_passed_is_missed(editor: Editor) -> None:
    """Even if it was approved: nobody wants yesterday's news. Its posts are in the next one."""
    editor.desk.collect("2026-11-25 07:00", "2026-11-25 06:00")
    editor.make("2026-11-25 08:00")
    editor.store.approve(editor.open.key, editor.desk.at("2026-11-25 08:30"))
    assert editor.make("2026-11-26 08:00") == [("2026-11-25", "missed"), ("2026-11-26", "waits for approval")]
    assert editor.posts == (1,)


def test_the_first_edition_waits_too(desk: Any) -> None:
    """With the posts of its day; what comes meanwhile is news to the digest. The day's slot is its own."""
    editor = Editor(desk)
    desk.collect("2026-11-25 07:00", "2026-11-25 06:00", "2026-11-24 06:00")
    assert editor.make("2026-11-25 07:30") == [("2026-11-25", "waits for approval")]
    assert (editor.posts, editor.open.until) == ((1,), desk.at("2026-11-25 08:30"))
    preview = preview_edition(desk.store, editor.plan, desk.look, desk.at("2026-11-25 07:45"))
    assert (preview.saved.period, len(preview.mail.edition.entries)) == ("2026-11-25", 1)
    assert editor.make("2026-11-25 08:00") == [("2026-11-25", "waits for approval")]
    assert editor.make("2026-11-25 08:30") == [("2026-11-25", "made")]
    desk.collect("2026-11-25 09:00", "2026-11-25 08:40")
    editor.make("2026-11-26 08:00")
    assert (editor.posts, len(editor.asked)) == ((3,), 2)


def test_a_preview_shows_the_one_that_waits(editor: Editor) -> None:
    editor.desk.collect("2026-11-25 07:00", "2026-11-25 06:00")
    editor.make("2026-11-25 08:00")
    preview = preview_edition(editor.store, editor.plan, editor.desk.look, editor.desk.at("2026-11-25 08:30"))
    assert (preview.saved.period, preview.is_due, preview.saved.subject) == ("2026-11-25", True, editor.open.subject)


def test_no_edition_is_made_up_for_one_that_waits(desk: Any) -> None:
    editor = Editor(desk)
    desk.collect("2026-11-25 07:00", "2026-11-24 06:00")
    editor.make("2026-11-25 07:30")
    day = datetime(2026, 11, 24).date()  # noqa: DTZ001
    report = backfill(
        desk.store, editor.plan, desk.look, day, day, lambda report: report, now=desk.at("2026-11-25 07:40")
    )
    assert (report.due, report.made) == (["2026-11-24"], [])


def test_nobody_waits_for_a_digest_that_is_no_more(editor: Editor) -> None:
    """Nor for a slot of another schedule; nor for anybody when nobody is asked any more."""
    editor.desk.collect("2026-11-25 07:00", "2026-11-25 06:00")
    editor.make("2026-11-25 08:00")
    editor.make("2026-11-25 08:10", replace(editor.plan, name="other", title="另一份"))
    assert editor.store.open_approvals("daily") == []
    assert editor.make("2026-11-25 08:20")[0] == ("2026-11-25", "waits for approval")
    assert len(editor.asked) == 3, "asked again, and for the first one of the other"
    assert editor.make("2026-11-25 08:30", replace(editor.plan, approve=None)) == [("2026-11-25", "made")]
    assert editor.store.open_approvals() == []


def test_what_a_clock_left_in_the_future_is_forgotten(editor: Editor) -> None:
    """The operator is asked at the right time."""
    editor.desk.collect("2026-11-25 07:00", "2026-11-25 06:00")
    editor.make("2026-11-26 08:00")
    now = editor.desk.at("2026-11-25 07:30")
    assert editor.store.is_ahead(now)
    from digest.jobs.wrong_clock import set_right

    set_right(editor.store, lambda: [editor.plan], editor.desk.look.publisher.zone, now)
    assert editor.store.open_approvals() == []
    assert not editor.store.is_ahead(now)
    assert editor.make("2026-11-25 08:00") == [("2026-11-25", "waits for approval")]


def test_what_a_new_source_had_is_not_lost_by_a_skipped_edition(desk: Any) -> None:
    """Its posts are seen on their own dates: news as long as no edition was made since."""
    editor = Editor(desk, SKIPS)
    editor.begin()
    arrival = desk._arrival(desk.at("2026-11-25 06:00"), desk.at("2026-11-25 07:00"))
    arrival = replace(arrival, first_seen=arrival.post.published)
    desk.store.record(Changes(arrivals=(arrival,)), desk.at("2026-11-25 07:00"))
    assert editor.make("2026-11-25 08:00") == [("2026-11-25", "waits for approval")]
    assert editor.make("2026-11-25 09:00") == [("2026-11-25", "not approved")]
    assert editor.make("2026-11-26 08:00") == [("2026-11-26", "waits for approval")]
    assert editor.posts == (1,)
