"""DMARC as RFC 9989 has it."""

from __future__ import annotations

import pytest

from digest.mailauth.dmarc import DmarcRecord, is_aligned, parse_dmarc, walk
from tests.check.zone import MemoryZone


def zone(**records: str) -> MemoryZone:
    """DMARC records; ``_`` in a keyword stands for a dot."""
    return MemoryZone({f"_dmarc.{name.replace('_', '.')}": {"TXT": [text]} for name, text in records.items()})


def record(text: str) -> DmarcRecord:
    found = parse_dmarc("a.test", text)
    assert found is not None
    return found


def test_walk_of_a_long_name_asks_eight_times() -> None:
    """The example of section 4.10."""
    found = walk("a.b.c.d.e.f.g.h.i.j.mail.example.com", zone())
    assert found.asked == (
        "a.b.c.d.e.f.g.h.i.j.mail.example.com",
        "g.h.i.j.mail.example.com",
        "h.i.j.mail.example.com",
        "i.j.mail.example.com",
        "j.mail.example.com",
        "mail.example.com",
        "example.com",
        "com",
    )
    assert found.policy is None
    assert found.organizational_domain == found.start


@pytest.mark.parametrize("labels", range(1, 12))
def test_walk_never_asks_more_than_eight_times(labels: int) -> None:
    """And always comes to the top."""
    asked = walk(".".join(["x"] * (labels - 1) + ["com"]), zone()).asked
    assert len(asked) == min(labels, 8)
    assert asked[-1] == "com"


@pytest.mark.parametrize(
    ("records", "organization", "policy_at"),
    [
        ({"mail_example_com": "v=DMARC1;p=none", "example_com": "v=DMARC1;p=reject"}, "example.com", "example.com"),
        (
            {"mail_example_com": "v=DMARC1;p=none;psd=n", "example_com": "v=DMARC1;p=none"},
            "mail.example.com",
            "mail.example.com",
        ),
        ({"com": "v=DMARC1;p=reject;psd=y"}, "example.com", "com"),
        ({"com": "v=DMARC1;p=reject;psd=y", "example_com": "v=DMARC1;p=none"}, "example.com", "example.com"),
        ({"a_mail_example_com": "v=DMARC1;p=none;psd=y"}, "a.mail.example.com", "a.mail.example.com"),
        (
            {"a_mail_example_com": "v=DMARC1;p=none", "example_com": "v=DMARC1;p=none"},
            "example.com",
            "a.mail.example.com",
        ),
        ({}, "a.mail.example.com", None),
    ],
)
def test_organizational_domain_and_policy(records: dict[str, str], organization: str, policy_at: str | None) -> None:
    """The examples of section 4.10.2 and some more, for a.mail.example.com."""
    found = walk("A.mail.example.com.", zone(**records))
    assert found.organizational_domain == organization
    assert (found.policy.domain if found.policy else None) == policy_at


def test_several_records_count_as_none() -> None:
    """And are named."""
    names = MemoryZone({"_dmarc.a.test": {"TXT": ["v=DMARC1; p=none", "v=DMARC1; p=reject", "v=other"]}})
    found = walk("a.test", names)
    assert (found.policy, found.doubled) == (None, ("a.test",))


@pytest.mark.parametrize(
    ("text", "valid", "policy", "below"),
    [
        ("v=DMARC1; p=none", True, "none", "none"),
        ("v=DMARC1;p=reject;sp=quarantine", True, "reject", "quarantine"),
        ("v = DMARC1 ; p = REJECT", True, "reject", "reject"),
        ("v=DMARC1", False, "none", "none"),
        ("v=DMARC1; rua=mailto:d@a.test", True, "none", "none"),
        ("v=DMARC1; p=nothing", False, "none", "none"),
        ("v=DMARC1; p=reject; sp=wrong", False, "none", "none"),
        ("v=DMARC1; p=reject; sp=wrong; rua=mailto:d@a.test", True, "none", "none"),
    ],
)
def test_policies(text: str, valid: bool, policy: str, below: str) -> None:
    """Section 4.10.1: what a record asks for, and what a wrong one still means."""
    found = record(text)
    assert (found.is_valid, found.policy(for_subdomain=False), found.policy(for_subdomain=True)) == (
        valid,
        policy,
        below,
    )


@pytest.mark.parametrize("text", ["", "p=none; v=DMARC1", "v=DMARC12; p=none", "v=spf1 -all", "v=dmarc1; p=none"])
def test_other_texts_are_no_records(text: str) -> None:
    assert parse_dmarc("a.test", text) is None


@pytest.mark.parametrize(
    ("other", "strict", "aligned"),
    [
        ("mail.example.com", True, True),
        ("example.com", True, False),
        ("example.com", False, True),
        ("bounces.example.com", False, True),
        ("other.com", False, False),
    ],
)
def test_alignment(other: str, strict: bool, aligned: bool) -> None:
    """Strict: the same name; relaxed: the same organization."""
    names = zone(example_com="v=DMARC1; p=none", other_com="v=DMARC1; p=none")
    assert is_aligned(walk("mail.example.com", names), other, strict=strict, names=names) is aligned
