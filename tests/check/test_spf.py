"""SPF as RFC 7208 has it."""

from __future__ import annotations

import pytest

from digest.mailauth.spf import SpfFault, SpfResult, check_host, parse_spf, survey
from tests.check.zone import MemoryZone, spf

ADDRESS = "192.0.2.10"


@pytest.mark.parametrize(
    "terms",
    [
        *("all", "-all", "~all", "?all", "a", "a/24", "a//64", "a/24//64", "a:x.test", "a:x.test/28", "mx:x.test//96"),
        *("ip4:192.0.2.0/24", "ip6:2001:db8::/32", "include:x.test", "exists:%{i}.x.test", "ptr", "ptr:x.test."),
        *("redirect=x.test", "exp=e.x.test", "a -all unknown=anything", "MX -ALL", "a:%{d2r}.x.test", "", "  a   -all"),
    ],
)
def test_good_records_are_understood(terms: str) -> None:
    """Every form of the grammar."""
    parse_spf(f"v=spf1 {terms}")


@pytest.mark.parametrize(
    "terms",
    [
        *(
            "al",
            "all:x",
            "a:",
            "a/33",
            "a//129",
            "a/024",
            "include",
            "include:",
            "exists",
            "exists:x.test/24",
            "ptr/24",
        ),
        *("ip4", "ip4:x", "ip4:192.0.2.0/033", "ip4:2001:db8::1", "ip6:192.0.2.1", "ip4:192.0.2.1/40", "+", "a,mx"),
        *("redirect=", "redirect=x.test redirect=y.test", "exp=a.test exp=b.test", "a:%{z}.test", "a:%x.test"),
        *("include:x.123", "a:%{d0}.test", "ip4:192.0.2.1é", "a:x..", "include:localhost"),
    ],
)
def test_what_is_no_record_is_refused(terms: str) -> None:
    """Receivers answer such a record with permerror, as a whole."""
    with pytest.raises(SpfFault):
        parse_spf(f"v=spf1 {terms}")


HOSTS: dict[str, dict[str, list | None]] = {
    "mx.x.test": {"A": [ADDRESS], "AAAA": ["2001:db8::10"]},
    "host.x.test": {"A": ["192.0.2.99"]},
    "10.2.0.192.list.x.test": {"A": ["127.0.0.2"]},
    ADDRESS: {"PTR": ["mx.x.test", "liar.y.test"]},
    "pass.test": {"TXT": ["v=spf1 ip4:192.0.2.0/24 -all"]},
    "fail.test": {"TXT": ["v=spf1 -all"]},
    "two.test": {"TXT": ["v=spf1 -all", "v=spf1 +all"]},
    "bad.test": {"TXT": ["v=spf1 nonsense"]},
    "dead.test": {"TXT": None},
    "loop.test": {"TXT": ["v=spf1 include:loop.test"]},
}


@pytest.mark.parametrize(
    ("terms", "result"),
    [
        ("-all", "fail"),
        ("~all", "softfail"),
        ("?all", "neutral"),
        ("", "neutral"),
        ("ip4:192.0.2.10 -all", "pass"),
        ("ip4:192.0.2.11 -all", "fail"),
        ("ip6:2001:db8::/32 -all", "fail"),
        ("a:mx.x.test -all", "pass"),
        ("a:host.x.test -all", "fail"),
        ("a:host.x.test/24 -all", "pass"),
        ("mx -all", "pass"),
        ("include:pass.test -all", "pass"),
        ("include:fail.test -all", "fail"),
        ("include:none.test -all", "permerror"),
        ("include:two.test -all", "permerror"),
        ("include:bad.test -all", "permerror"),
        ("include:dead.test -all", "temperror"),
        ("include:loop.test -all", "permerror"),
        ("redirect=pass.test", "pass"),
        ("redirect=none.test", "permerror"),
        ("-all redirect=pass.test", "fail"),
        ("exists:%{ir}.list.x.test -all", "pass"),
        ("exists:%{l}.%{s}.none.test -all", "fail"),
        ("ptr:x.test -all", "pass"),
        ("ptr:z.test -all", "fail"),
        ("a:n1.test a:n2.test a:n3.test -all", "permerror"),
        (" ".join(["include:fail.test"] * 10) + " -all", "fail"),
        (" ".join(["include:fail.test"] * 11) + " -all", "permerror"),
    ],
)
def test_what_a_receiver_says(terms: str, result: str) -> None:
    """Every mechanism, the limits of lookups (10) and of lookups without an answer (2)."""
    servers = [(10, "mx.x.test"), (20, "host.x.test")]
    own: dict[str, list | None] = {"TXT": ["google-site-verification=x", f"v=spf1 {terms}"], "MX": servers}
    zone = MemoryZone({**HOSTS, "x.test": own})
    assert check_host(ADDRESS, "x.test", "b@x.test", zone)[0] == result


def test_addresses_of_version_6() -> None:
    """Those that only wrap one of version 4 are taken as that."""
    zone = MemoryZone({**HOSTS, "x.test": {"TXT": ["v=spf1 a:mx.x.test -all"]}})
    assert check_host("2001:db8::10", "x.test", "b@x.test", zone)[0] is SpfResult.PASS
    assert check_host("2001:db8::11", "x.test", "b@x.test", zone)[0] is SpfResult.FAIL
    assert check_host(f"::ffff:{ADDRESS}", "x.test", "b@x.test", zone)[0] is SpfResult.PASS


@pytest.mark.parametrize("domain", ["localhost", "a..test", f"{'a' * 64}.test", "none.test"])
def test_domains_without_a_record_say_nothing(domain: str) -> None:
    assert check_host(ADDRESS, domain, f"b@{domain}", MemoryZone(HOSTS))[0] is SpfResult.NONE


@pytest.mark.parametrize(
    ("macro", "expanded"),
    [
        ("%{s}", "b.c@x.test"),
        ("%{l}", "b.c"),
        ("%{l-}", "b.c"),
        ("%{o}", "x.test"),
        ("%{d}", "x.test"),
        ("%{d1}", "test"),
        ("%{dr}", "test.x"),
        ("%{i}", ADDRESS),
        ("%{ir}", "10.2.0.192"),
        ("%{v}", "in-addr"),
        ("%{h}", "helo.test"),
        ("%{p}", "mx.x.test"),
        ("%%-%_-%-", "%- -%20"),
    ],
)
def test_macros(macro: str, expanded: str) -> None:
    """Section 7."""
    zone = MemoryZone({**HOSTS, "x.test": {"TXT": [f"v=spf1 exists:{macro}.m.test -all"]}})
    check_host(ADDRESS, "x.test", "b.c@x.test", zone, helo="helo.test")
    assert f"{expanded}.m.test" in zone.asked


def test_survey_counts_every_lookup() -> None:
    """Also those behind includes, and those that no receiver comes to."""
    found = survey("a.test", spf(a="v=spf1 include:b.test mx ip4:192.0.2.1 -all", b="v=spf1 a exists:%{i}.c.test ?all"))
    assert (found.lookups, found.faults, found.falls_to) == (4, (), SpfResult.FAIL)


@pytest.mark.parametrize(
    ("zone", "fault"),
    [
        (spf(a="v=spf1 include:b.test -all"), "b.test has no SPF record (brought in by a.test)"),
        (spf(a="v=spf1 include:b.test -all", b="v=spf1 x"), "b.test: 'x' is not understood"),
        (spf(a="v=spf1 include:b.test -all", b="v=spf1 include:a.test"), "b.test includes a.test, which includes it"),
        (spf(a="v=spf1" + " mx" * 11), "it needs 11 DNS lookups, and receivers stop at 10"),
        (
            spf(a="v=spf1" + " include:b.test" * 60, b="v=spf1 mx -all"),
            "it needs 80 DNS lookups, and receivers stop at 10",
        ),
        (
            MemoryZone({"a.test": {"TXT": ["v=spf1 a", "v=spf1 mx"]}}),
            "a.test has 2 SPF records, and may have one",
        ),
    ],
)
def test_survey_names_faults(zone: MemoryZone, fault: str) -> None:
    """Where, and why receivers give up."""
    assert fault in survey("a.test", zone).faults


def test_survey_remarks_and_redirect() -> None:
    """What works and should not be; what a redirect says of others."""
    found = survey("a.test", spf(a="v=spf1 ptr redirect=b.test", b="v=spf1 +all"))
    assert found.lookups == 2
    assert "b.test ends in +all" in found.remarks[1]
    assert "a.test uses ptr" in found.remarks[0]
    assert survey("none.test", spf()).text == ""
