"""What becomes of a delivery: the decisions, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.errors import Doubtful, PermanentFailure, TemporaryFailure, TransportError
from digest.models import Answer, Reply, Verdict
from digest.outbox import (
    CONNECTING,
    Fate,
    Pace,
    RetryPlan,
    decide,
    hinders,
    masked,
    refusal,
    rest_seconds,
    split_reply,
    verdict,
)
from digest.subscribers.tokens import Keyring, Purpose, Token

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
PLAN = RetryPlan()


def temporary(step: str, code: int | None = None, enhanced: str = "") -> TemporaryFailure:
    return TemporaryFailure("mx:25", "cause", step=step, code=code, enhanced=enhanced)


def permanent(step: str, code: int | None = None, enhanced: str = "", text: str = "") -> PermanentFailure:
    return PermanentFailure("mx:25", "cause", step=step, code=code, enhanced=enhanced, text=text)


# ------------------------------------------------------------------ the table

RETRY = {"fate": Fate.RETRY}
UNCOUNTED = {"fate": Fate.RETRY, "counted": False, "rests": True}


TOKEN = Keyring({1: "x" * 43}).sign(Token(purpose=Purpose.MANAGE, subject=7))


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Reply(code=250), {"fate": Fate.SENT}),
        # nothing was said about the message
        *(
            (temporary(step), UNCOUNTED)
            for step in ("connect", "greeting", "ehlo", "tls", "login")
        ),
        (permanent("tls"), UNCOUNTED),
        (permanent("login", 535, "5.7.8"), UNCOUNTED),
        (permanent("greeting", 554, "5.7.1"), UNCOUNTED),
        (temporary("greeting", 421, "4.3.2"), {**UNCOUNTED, "slows": True}),
        *(
            (temporary(step, 421, "4.3.2"), {**UNCOUNTED, "slows": True})
            for step in ("mail", "rcpt", "data", "body")
        ),
        # MAIL
        (temporary("mail", 451, "4.3.0"), {**RETRY, "rests": False, "slows": False}),
        (temporary("mail", 450, "4.7.1"), {**RETRY, "slows": True}),
        (permanent("mail", 550, "5.7.1"), {**RETRY, "counted": False, "pauses": True, "rests": False}),
        # RCPT
        (temporary("rcpt", 450, "4.2.1"), {**RETRY, "slows": True, "verdict": Verdict.DELAYED}),
        (temporary("rcpt", 451, "4.3.0"), {**RETRY, "slows": False}),
        (temporary("rcpt", 452, "4.2.2"), {**RETRY, "verdict": Verdict.FULL}),
        (permanent("rcpt", 552, "5.2.2"), {**RETRY, "verdict": Verdict.FULL}),
        (permanent("rcpt", 552), {**RETRY, "verdict": Verdict.FULL}),
        (permanent("rcpt", 550, "5.7.28"), {**RETRY, "slows": True, "verdict": Verdict.RATE}),
        (permanent("rcpt", 550, "5.1.1"), {"fate": Fate.FAILED, "verdict": Verdict.DEAD}),
        (permanent("rcpt", 550, "5.7.1"), {"fate": Fate.FAILED, "verdict": Verdict.POLICY}),
        (permanent("rcpt", 550), {"fate": Fate.FAILED, "verdict": Verdict.UNKNOWN}),
        # DATA and the dot
        (temporary("data", 451), RETRY),
        (permanent("data", 554, "5.7.1"), {"fate": Fate.FAILED, "verdict": Verdict.POLICY}),
        (temporary("dot", 451, "4.3.0"), {**RETRY, "rests": False}),
        (temporary("dot", 421, "4.3.2"), {**RETRY, "counted": True, "rests": True, "slows": True}),
        (temporary("dot", 452, "4.7.28"), {**RETRY, "slows": True}),
        (permanent("dot", 552, "5.3.4"), {"fate": Fate.FAILED, "verdict": Verdict.CONTENT}),
        (permanent("dot", 552), {"fate": Fate.FAILED, "verdict": Verdict.CONTENT}),
        (permanent("dot", 552, "5.2.2"), {**RETRY, "verdict": Verdict.FULL}),
        (permanent("dot", 550, "5.1.1"), {"fate": Fate.FAILED, "verdict": Verdict.CONTENT}),
        (permanent("dot", 554), {"fate": Fate.FAILED}),
        # the link
        *((temporary(step), {**RETRY, "rests": True, "counted": True}) for step in ("mail", "rcpt", "data", "body")),
        (Doubtful("mx:25", "cause", step="dot"), {"fate": Fate.IN_DOUBT, "rests": True}),
        # refused by ourselves
        (permanent("rcpt"), {"fate": Fate.FAILED, "verdict": None}),
        (permanent("data"), {"fate": Fate.FAILED, "verdict": None}),
        (permanent("mail"), {"fate": Fate.FAILED, "pauses": False}),
    ],
)  # fmt: skip
def test_the_failure_table(outcome: Reply | TransportError, expected: dict[str, object]) -> None:
    decision = decide(outcome, key=7, attempts=1, now=NOW, plan=PLAN)
    assert {name: getattr(decision, name) for name in expected} == expected
    if decision.fate is Fate.RETRY:
        reached = isinstance(outcome, TransportError) and outcome.step not in CONNECTING
        assert (decision.not_before is not None) == reached, "it keeps its place: this was not about it"
        assert (decision.not_before or NOW) > NOW or not decision.counted


@pytest.mark.parametrize(
    ("code", "enhanced", "text", "step", "expected"),
    [
        (550, "5.1.1", "", "rcpt", Verdict.DEAD),
        (450, "4.1.1", "user unknown", "rcpt", Verdict.DELAYED),
        (450, "4.7.1", "try later", "rcpt", Verdict.POLICY),
        (451, "4.7.1", "greylisted, come back in five minutes", "rcpt", Verdict.RATE),
        (550, "", "Ip frequency limited", "dot", Verdict.RATE),
        (550, "5.0.0", "sorry", "rcpt", Verdict.UNKNOWN),
        (550, "5.1.1", "no such user", "dot", Verdict.CONTENT),
        (552, "", "", "rcpt", Verdict.FULL),
        (452, "", "", "mail", Verdict.RELAY),
        (550, "", "domain does not exist", "mail", Verdict.POLICY),
        (550, "5.7.1", "", "mail", Verdict.POLICY),
        (552, "", "", "dot", Verdict.CONTENT),
    ],
)
def test_what_a_refusal_in_the_dialogue_says(code: int, enhanced: str, text: str, step: str, expected: Verdict) -> None:
    """What is put off kills nobody, and what is refused as a message is not the reader's (email.md S12)."""
    assert refusal(code, enhanced, text, step=step) is expected


# ------------------------------------------------------------------- answers


@pytest.mark.parametrize(
    ("code", "text", "enhanced", "rest"),
    [
        (250, "2.0.0 Ok: queued as 4F", "2.0.0", "Ok: queued as 4F"),
        (550, "5.1.1 no\n5.1.1 such user", "5.1.1", "no such user"),
        (550, "no such user", "", "no such user"),
        (550, "4.2.1 odd", "", "4.2.1 odd"),
        (550, "5.1.1", "5.1.1", ""),
        (550, "5.1.1.1 odd", "", "5.1.1.1 odd"),
        (550, "5.1.1 <ann.lee@example.com>: gone", "5.1.1", "<a***@example.com>: gone"),
        (550, "\x00\x1b[1mbad\r\nworse", "", "[1mbad worse"),
        (550, "x" * 1_000, "", "x" * 300),
    ],
)
def test_an_answer_becomes_a_value(code: int, text: str, enhanced: str, rest: str) -> None:
    assert split_reply(code, text) == Reply(code=code, enhanced=enhanced, text=rest)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ann@example.com", "a***@example.com"),
        ("a@example.com", "a***@example.com"),
        ("<b+TOKEN@bounces.test>: no", "<b***@bounces.test>: no"),
        ("安娜@例子.中国 and 'bob@x.test'", "安***@例子.中国 and '***@x.test'"),
        ("mail.host:25: no address", "mail.host:25: no address"),
        ("a@b@c.test", "a***@b@c.test"),
        (f"blocked: https://news.test/mail/{TOKEN}?", "blocked: https://news.test/mail/***?"),
    ],
)
def test_addresses_and_links_are_masked(text: str, expected: str) -> None:
    """Whatever a server quotes."""
    assert masked(text) == expected


# ------------------------------------------------------------------- retries


def test_the_plan_is_one_five_fifteen_and_so_on_then_every_two_hours() -> None:
    exact = RetryPlan(jitter=0)
    minutes = [exact.delay(1, attempt) / timedelta(minutes=1) for attempt in range(1, 10)]
    assert minutes == [1, 5, 15, 30, 60, 120, 120, 120, 120]


@given(key=st.integers(0, 10**9), attempts=st.integers(0, 50))
def test_each_delay_is_off_by_a_fifth_at_most_and_always_the_same(key: int, attempts: int) -> None:
    exact = RetryPlan(jitter=0).delay(key, attempts)
    delay = PLAN.delay(key, attempts)
    assert abs(delay - exact) <= exact * 0.2 + timedelta(microseconds=1)
    assert delay == PLAN.delay(key, attempts)


def test_a_list_does_not_come_back_at_once() -> None:
    delays = {PLAN.delay(key, 2) // timedelta(seconds=10) for key in range(1_000)}
    assert len(delays) >= 12  # all of 4 to 6 minutes


# --------------------------------------------------------------- stop switch


GONE = Reply(code=550, enhanced="5.1.1", text="no such user")
POLICY = Reply(code=554, enhanced="5.7.1", text="policy")


def judged(answers: Sequence[Reply | None]) -> str:
    """Of one receiver."""
    return verdict([Answer(group="qq.com", refusal=each) for each in answers])


def test_five_equal_refusals_in_a_row_stop_an_edition() -> None:
    assert judged([POLICY] * 4) == ""
    assert judged([*[POLICY] * 5, None]) == "5 recipients in a row were refused alike: 554 5.7.1"


@pytest.mark.parametrize(
    "answers",
    [
        [POLICY, POLICY, None, POLICY, POLICY, POLICY],
        [POLICY, POLICY, GONE, POLICY, POLICY, POLICY],
        [None, *[POLICY] * 5],
    ],
    ids=["one-was-sent", "one-was-refused-otherwise", "it-is-over"],
)
def test_refusals_that_are_not_equal_or_not_in_a_row_do_not(answers: list[Reply | None]) -> None:
    assert judged(answers) == ""


def test_refusals_without_enhanced_code_are_equal_by_their_words() -> None:
    """Numbers, ids and addresses in them differ for each recipient."""
    alike = [Reply(code=550, text=f"u{n}@x.test rejected (id 7f{n}a-{n}{n}c)") for n in range(5)]
    assert "refused alike: 550 rejected (id" in judged(alike)
    assert judged([Reply(code=550, text=word) for word in ("one", "two", "three", "four", "five")]) == ""


def test_refusals_of_our_own_count_too() -> None:
    """Every message is over SIZE, say."""
    assert "refused alike: too large" in judged([Reply(text="too large")] * 5)


@pytest.mark.parametrize(
    ("answers", "stops"),
    [
        ([GONE, None, POLICY, None] * 4 + [GONE], ""),
        ([GONE, None, POLICY, None] * 5, "10 of the last 20 recipients were refused"),
        ([GONE, POLICY] * 5 + [None] * 40, ""),
        ([GONE, POLICY] * 5 + [GONE] + [None] * 39, "11 of the last 50 recipients were refused"),
        ([None] * 40 + [GONE, POLICY] * 50, ""),
    ],
    ids=["nine", "ten-of-twenty", "a-fifth-of-fifty", "over-a-fifth-of-fifty", "long-ago"],
)
def test_over_a_fifth_of_the_latest_fifty_and_ten_stop_an_edition(answers: list[Reply | None], stops: str) -> None:
    assert judged(answers) == stops


@pytest.mark.parametrize(
    ("error", "is_so"),
    [
        (temporary("connect"), True),
        (permanent("login", 535, "5.7.8"), True),
        (temporary("rcpt"), True),
        (temporary("dot", 451, "4.3.0"), True),
        (temporary("rcpt", 450, "4.2.0"), False),
        (permanent("rcpt", 550, "5.1.1"), False),
        (permanent("data"), False),
    ],
)
def test_when_nothing_can_be_handed_over(error: TransportError, is_so: bool) -> None:
    """What is said about one recipient says nothing about the next."""
    assert hinders(error) is is_so


# ---------------------------------------------------------------------- pace


def test_rests_grow_and_stop_growing() -> None:
    assert [rest_seconds(n) for n in range(1, 8)] == [1, 5, 15, 60, 300, 300, 300]


def test_two_a_second_is_one_each_half_second() -> None:
    pace, now, waits = Pace.starting(2.0, 100.0), 100.0, []
    for _ in range(4):
        pace, wait = pace.take(now)
        waits.append(wait)
        now += wait
    assert waits == pytest.approx([0, 0.5, 0.5, 0.5])


def test_threads_that_ask_at_once_get_moments_of_their_own() -> None:
    pace, waits = Pace.starting(2.0, 0.0), []
    for _ in range(4):
        pace, wait = pace.take(0.0)
        waits.append(wait)
    assert waits == pytest.approx([0, 0.5, 1.0, 1.5])


def test_throttling_halves_the_rate_and_success_raises_it_slowly() -> None:
    pace = Pace.starting(2.0, 0.0).slower(0.0)
    assert pace.rate == 1.0
    for _ in range(25):
        assert pace.rate < 2.0
        pace = pace.faster(0.0)
    assert pace.rate == pytest.approx(2.0)
    assert pace.faster(0.0).rate == 2.0
    for _ in range(20):
        pace = pace.slower(0.0)
    assert pace.rate == pytest.approx(1 / 60)


@given(
    ceiling=st.floats(0.01, 100),
    steps=st.lists(st.tuples(st.sampled_from(["take", "slower", "faster"]), st.floats(-1, 5)), max_size=60),
)
def test_no_stretch_of_time_has_more_than_the_ceiling_allows(ceiling: float, steps: list[tuple[str, float]]) -> None:
    """Whatever the rate did, and even if the clock steps back: messages <= room for a burst + ceiling x time."""
    pace, now, start, moments = Pace.starting(ceiling, 0.0), 0.0, 0.0, []
    for step, passed in steps:
        now += passed
        if step == "take":
            pace, wait = pace.take(now)
            assert wait >= 0
            moments.append(max(now, pace.at) + wait)
        else:
            pace = pace.slower(now) if step == "slower" else pace.faster(now)
    assert 0 < pace.rate <= ceiling
    if moments:
        allowed = max(1.0, ceiling / 10) + ceiling * (max(moments) - start) + 1e-6
        assert len(moments) <= allowed + 1
