"""Addresses, choices, and when a reader's mail is due."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.subscribers.subscription import (
    Answer,
    Choice,
    Consent,
    InvalidAddress,
    ListState,
    Notice,
    Offer,
    Origin,
    Preferences,
    Standing,
    Subscriber,
    Subscription,
    answer,
    canonical,
    not_before,
    parse_address,
    pause_end,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 24, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "address", "compared"),
    [
        ("ann@example.org", "ann@example.org", "ann@example.org"),
        (" Ann.Lee@EXAMPLE.org ", "Ann.Lee@example.org", "ann.lee@example.org"),
        ("a+tag@example.org", "a+tag@example.org", "a+tag@example.org"),
        ("ann@例子.中国", "ann@xn--fsqu00a.xn--fiqs8s", "ann@xn--fsqu00a.xn--fiqs8s"),
        ("用户@example.org", "用户@example.org", "用户@example.org"),
        ("o'hara@example.org", "o'hara@example.org", "o'hara@example.org"),
        ("=cmd@example.org", "=cmd@example.org", "=cmd@example.org"),
        ("E\u0301va@example.org", "E\u0301va@example.org", "\u00e9va@example.org"),
        ("a" * 64 + "@example.org", "a" * 64 + "@example.org", "a" * 64 + "@example.org"),
    ],
)
def test_addresses_are_kept_as_typed_and_compared_folded(typed: str, address: str, compared: str) -> None:
    """Only the domain is put in lower case (as A-labels); spaces around do not count."""
    parsed = parse_address(typed)
    assert (parsed.address, parsed.canonical) == (address, compared)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "ann",
        "@example.org",
        "ann@",
        "ann@example",
        "ann@@example.org",
        "ann@exam ple.org",
        "ann bob@example.org",
        '"ann bob"@example.org',
        "ann@[192.0.2.1]",
        "ann@192.0.2.1",
        "ann..lee@example.org",
        ".ann@example.org",
        "ann@-example.org",
        "ann@example..org",
        "ann\u200b@example.org",
        "an\u00adn@example.org",
        "ann@example.org\r\nBcc: x@example.org",
        "ann@example.org\0",
        "ann\u202e@example.org",
        "ann\ud800@example.org",
        "ann@example.org, bob@example.org",
        "Ann <ann@example.org>",
        "a" * 65 + "@example.org",
        "a@" + "b" * 64 + ".org",
        "a@" + ".".join(["b" * 60] * 5),
        "ann@localhost",
    ],
)
def test_what_is_no_address_is_refused(typed: str) -> None:
    """Controls, invisible characters, quoted local parts, literals, over 254 characters, several at once."""
    with pytest.raises(InvalidAddress):
        parse_address(typed)


def test_an_address_has_254_octets_at_most() -> None:
    """Of what is sent (RFC 5321 4.5.3.1.3): UTF-8 before the @, A-labels behind it."""
    domain = ".".join(["b" * 60] * 3) + ".org"
    for local in ("a" * 64, "é" * 32):
        longest = f"{local}@{'c' * 2}.{domain}"
        assert len(longest.encode()) == 254
        assert parse_address(longest).address == longest
        with pytest.raises(InvalidAddress, match="too long"):
            parse_address(f"{local}@{'c' * 3}.{domain}")
    labels = ".".join(["例子"] * 18)  # 12 octets each as an A-label, with its dot
    assert len(parse_address(f"{'a' * 38}@{labels}").address) == 254
    with pytest.raises(InvalidAddress, match="too long"):
        parse_address(f"{'a' * 39}@{labels}")


@given(st.text(max_size=300))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    """Whatever is typed; what is taken reads the same again, and never holds a character that ends a line."""
    try:
        parsed = parse_address(text)
    except InvalidAddress:
        return
    assert parse_address(parsed.address) == parsed
    assert parsed.address.isprintable()
    assert len(parsed.address.encode()) <= 254


@given(
    st.text(st.characters(max_codepoint=127), max_size=30)
    | st.from_regex(r"[A-Za-z0-9.+_-]{1,8}@[A-Za-z0-9.-]{1,12}\.(org|COM|xn--p1ai|test)", fullmatch=True)
)
def test_the_canonical_form_of_ascii_needs_no_parsing(text: str) -> None:
    """The short way gives what the long one does."""
    if text != text.strip():
        return
    try:
        expected = parse_address(text).canonical
    except InvalidAddress:
        expected = text.casefold()
    assert canonical(text) == expected


def test_an_address_of_a_local_network_has_a_canonical_form() -> None:
    """The operator may write to root@localhost; it is compared all the same."""
    assert canonical("Root@localhost") == "root@localhost"
    assert canonical("Ann@EXAMPLE.org") == "ann@example.org"


def test_choosing_all_categories_is_choosing_none() -> None:
    offer = Offer(digest="daily", title="D", categories=(("a", "A"), ("b", "B")))
    assert offer.choice(["b", "a"]) == Choice(digest="daily")
    assert offer.choice([]) == offer.choice(["unknown"]) == Choice(digest="daily")
    assert offer.choice(["b", "unknown"]) == Choice(digest="daily", categories=("b",))


@pytest.mark.parametrize(
    ("hour", "zone", "slot", "made", "due"),
    [
        (None, "", "2026-11-24 00:00", "2026-11-24 00:03", "2026-11-24 00:03"),
        (8, "", "2026-11-24 00:00", "2026-11-24 00:03", "2026-11-24 00:03"),
        (9, "", "2026-11-24 00:00", "2026-11-24 00:03", "2026-11-24 01:00"),
        (7, "", "2026-11-24 00:00", "2026-11-24 00:03", "2026-11-24 23:00"),
        (9, "", "2026-11-24 00:00", "2026-11-24 05:00", "2026-11-24 05:00"),
        (7, "Europe/Berlin", "2026-11-24 00:00", "2026-11-24 00:00", "2026-11-24 06:00"),
        (0, "America/New_York", "2026-11-24 00:00", "2026-11-24 00:00", "2026-11-24 05:00"),
        (2, "Europe/Berlin", "2027-03-28 00:00", "2027-03-28 00:00", "2027-03-28 01:00"),
        (2, "Europe/Berlin", "2026-10-24 23:00", "2026-10-24 23:00", "2026-10-25 00:00"),
    ],
)
def test_mail_leaves_at_the_readers_own_hour(hour: int | None, zone: str, slot: str, made: str, due: str) -> None:
    """The first time after the slot at which their clock shows the hour (in a gap: after it; twice: the first);
    a late edition leaves at once; never before it is made."""
    at = [datetime.fromisoformat(each).replace(tzinfo=UTC) for each in (slot, made, due)]
    assert not_before(Preferences(hour=hour, zone=zone), SHANGHAI, slot=at[0], made=at[1]) == at[2]


def test_a_pause_ends_by_the_readers_calendar() -> None:
    """Midnight of the date in the reader's own zone."""
    preferences = Preferences(paused_until=date(2026, 11, 25), zone="America/New_York")
    end = datetime(2026, 11, 25, 5, tzinfo=UTC)
    assert pause_end(preferences, SHANGHAI) == end
    assert pause_end(Preferences(), SHANGHAI) is None


def reader(state: ListState) -> Subscriber:
    there = Subscription(digest="daily", list_key=1, state=state, since=NOW)
    return Subscriber(key=1, address="a@example.org", created_at=NOW, subscriptions=(there,))


@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        (Standing(), Answer.CONFIRM),
        (Standing(notices={Notice.CONFIRM: 2}), Answer.CONFIRM),
        (Standing(notices={Notice.CONFIRM: 3}), Answer.WAIT),
        (Standing(suppressed=True), Answer.NOTHING),
        (Standing(subscriber=reader(ListState.ACTIVE), suppressed=True), Answer.NOTHING),
        (Standing(subscriber=reader(ListState.PENDING)), Answer.CONFIRM),
        (Standing(subscriber=reader(ListState.UNSUBSCRIBED)), Answer.CONFIRM),
        (Standing(subscriber=reader(ListState.ACTIVE)), Answer.ALREADY),
        (Standing(subscriber=reader(ListState.ACTIVE), notices={Notice.CONFIRM: 3}), Answer.ALREADY),
        (Standing(subscriber=reader(ListState.ACTIVE), notices={Notice.ALREADY: 1}), Answer.NOTHING),
    ],
)
def test_what_becomes_of_a_sign_up(standing: Standing, expected: Answer) -> None:
    """A suppressed address gets nothing, an active one a mail a day; three confirmations a day."""
    asked = Consent(
        address="a@example.org",
        canonical="a@example.org",
        origin=Origin.FORM,
        asked_at=NOW,
        text="",
        choices=(Choice(digest="daily"),),
    )
    assert answer(asked, standing, mails_a_day=3) is expected
