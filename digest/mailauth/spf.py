"""SPF (RFC 7208): a record as the operator wrote it, and what a receiver makes of it.

``check_host`` is the function of that name in the standard, its limits included. ``survey`` goes through a record and
all that it includes without an address in mind, so that every fault is found and every lookup counted, also those
that a lucky receiver never comes to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from msgspec import Struct, field

from digest.errors import ProbeError
from digest.ports import Names

LOOKUPS = 10
"""Terms that ask the DNS, in all (section 4.6.4)."""
VOIDS = 2
"""Of them, how many may get no answer."""
_HOSTS = 10
"""Hosts of one ``mx``, names of one ``ptr``."""

Address = IPv4Address | IPv6Address


class SpfResult(StrEnum):
    """Section 2.6."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


_QUALIFIERS = {
    "+": SpfResult.PASS,
    "-": SpfResult.FAIL,
    "~": SpfResult.SOFTFAIL,
    "?": SpfResult.NEUTRAL,
}
_ASKING = ("include", "a", "mx", "ptr", "exists")
"""Mechanisms that ask the DNS; so does the modifier ``redirect``."""
_TERM = re.compile(r"([+\-~?])?(all|include|a|mx|ptr|ip4|ip6|exists)([:/].*)?", re.IGNORECASE)
_MODIFIER = re.compile(r"([a-z][a-z0-9_.-]*)=(.*)", re.IGNORECASE)
_TAIL = re.compile(r"(?:/(0|[1-9]\d?))?(?://(0|[1-9]\d{0,2}))?")
_SPLIT = re.compile(r"(?::(.*?))?((?:/\d*)?(?://\d*)?)")
"""A target and the lengths of networks after it; a target may hold slashes of its own."""
_MACRO = re.compile(r"%(?:([%_-])|\{([slodiphcrtv])(\d*)(r?)([-.+,/_=]*)\}|)", re.IGNORECASE)
_DOMAIN_END = re.compile(
    r".*(?:\}|%[%_-]|\.(?:[a-z0-9]*[a-z][a-z0-9]*|[a-z0-9]+-[a-z0-9-]*[a-z0-9])\.?)", re.IGNORECASE
)
_NETWORK = re.compile(r"[0-9a-f:.]+(?:/(?:0|[1-9]\d{0,2}))?", re.IGNORECASE)


class SpfFault(ValueError):
    """A record that every receiver answers with permerror. Says why, lower case, no full stop."""


class Directive(Struct, frozen=True, kw_only=True):
    """One mechanism with its qualifier."""

    result: SpfResult
    """Of an address that matches."""
    mechanism: str
    target: str = ""
    """Domain, network or macro string; empty for the domain itself."""
    cidr4: int = 32
    cidr6: int = 128

    @property
    def asks(self) -> bool:
        return self.mechanism in _ASKING


class SpfRecord(Struct, frozen=True, kw_only=True):
    """A record, understood."""

    directives: tuple[Directive, ...]
    redirect: str = ""

    @property
    def falls_to(self) -> SpfResult | None:
        """What ``all`` says; None without it."""
        return next((each.result for each in self.directives if each.mechanism == "all"), None)


def spf_texts(texts: tuple[str, ...]) -> list[str]:
    """Those TXT records that are SPF ones (section 4.5)."""
    return [text for text in texts if text.lower() == "v=spf1" or text.lower().startswith("v=spf1 ")]


def parse_spf(text: str) -> SpfRecord:
    """Raises SpfFault for what is not in the grammar (section 12)."""
    if re.search(r"[^\x20-\x7e]", text):
        raise SpfFault("it holds a character that is not ASCII")
    directives: list[Directive] = []
    modifiers: dict[str, str] = {}
    for term in text.split(" ")[1:]:
        modifier = _MODIFIER.fullmatch(term)
        if modifier is None:
            directives += [_directive(term)] if term else []
            continue
        name, value = modifier[1].lower(), modifier[2]
        if name in ("redirect", "exp"):
            if name in modifiers:
                raise SpfFault(f"{name}= stands twice")
            _check_domain(value, term)
        _check_macros(value)
        modifiers[name] = value
    return SpfRecord(directives=tuple(directives), redirect=modifiers.get("redirect", ""))


def _directive(term: str) -> Directive:
    match = _TERM.fullmatch(term)
    if match is None:
        raise SpfFault(f"{term!r} is not understood")
    result, name, rest = _QUALIFIERS[match[1] or "+"], match[2].lower(), match[3] or ""
    if name == "all":
        if rest:
            raise SpfFault(f"{term!r} is not understood")
        return Directive(result=result, mechanism=name)
    if name in ("ip4", "ip6"):
        return Directive(result=result, mechanism=name, target=_network(name, rest[1:], term))
    parts = _SPLIT.fullmatch(rest)
    lengths = _TAIL.fullmatch(parts[2]) if parts is not None else None
    if parts is None or lengths is None or (name not in ("a", "mx") and parts[2]):
        raise SpfFault(f"{term!r} is not understood")
    if parts[1] is not None or name in ("include", "exists"):
        _check_domain(parts[1] or "", term)
    cidr4, cidr6 = int(lengths[1] or 32), int(lengths[2] or 128)
    if cidr4 > 32 or cidr6 > 128:
        raise SpfFault(f"{term!r} has no valid length of a network")
    return Directive(result=result, mechanism=name, target=parts[1] or "", cidr4=cidr4, cidr6=cidr6)


def _network(name: str, text: str, term: str) -> str:
    try:
        if not _NETWORK.fullmatch(text):
            raise ValueError
        network = ip_network(text, strict=False)
    except ValueError as error:
        raise SpfFault(f"{term!r} is not an address or network") from error
    if network.version != int(name[2]):
        raise SpfFault(f"{term!r} is not an address or network of version {name[2]}")
    return str(network)


def _check_domain(text: str, term: str) -> None:
    """A domain that may hold macros and ends in a label or a macro."""
    if not _DOMAIN_END.fullmatch(text):
        raise SpfFault(f"{term!r} names no domain")
    _check_macros(text)


def _check_macros(text: str) -> None:
    for match in _MACRO.finditer(text):
        if match[0] == "%" or (match[2] or "").lower() in ("c", "r", "t") or match[3] == "0":
            raise SpfFault(f"{text!r} has a macro that is none")


# ------------------------------------------------------------------- survey


class Survey(Struct, frozen=True, kw_only=True):
    """A domain's record with everything it brings in."""

    text: str = ""
    """The record itself; empty if there is none."""
    lookups: int = 0
    """Terms that ask the DNS, in the record and in all that it includes."""
    faults: tuple[str, ...] = ()
    """What makes receivers give up (permerror): where and why."""
    remarks: tuple[str, ...] = ()
    """What works and should not be."""
    falls_to: SpfResult | None = None
    """What is said of every other address; None if nothing."""


class _Tally(Struct):
    lookups: int = 0
    faults: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def survey(domain: str, names: Names) -> Survey:
    """Raises ProbeError if the DNS does not answer."""
    texts = spf_texts(names.txt(domain))
    if not texts:
        return Survey()
    tally = _Tally()
    falls_to = _visit(domain, names, tally, ())
    if tally.lookups > LOOKUPS:
        tally.faults.append(f"it needs {tally.lookups} DNS lookups, and receivers stop at {LOOKUPS}")
    return Survey(
        text=texts[0],
        lookups=tally.lookups,
        faults=tuple(dict.fromkeys(tally.faults)),
        remarks=tuple(dict.fromkeys(tally.remarks)),
        falls_to=falls_to,
    )


def _visit(domain: str, names: Names, tally: _Tally, above: tuple[str, ...]) -> SpfResult | None:
    """Count and judge one record and what it brings in; what it says of every other address."""
    if domain.lower() in above:
        tally.faults.append(f"{above[-1]} includes {domain}, which includes it")
        return None
    if tally.lookups > 4 * LOOKUPS:
        return None  # beyond any repair; do not ask for ever
    texts = spf_texts(names.txt(domain))
    if len(texts) != 1:
        what = f"has {len(texts)} SPF records, and may have one" if texts else "has no SPF record"
        tally.faults.append(f"{domain} {what}" + (f" (brought in by {above[-1]})" if above else ""))
        return None
    try:
        record = parse_spf(texts[0])
    except SpfFault as fault:
        tally.faults.append(f"{domain}: {fault}")
        return None
    path = (*above, domain.lower())
    for directive in record.directives:
        tally.lookups += directive.asks
        if directive.mechanism == "ptr":
            tally.remarks.append(f"{domain} uses ptr, which receivers may ignore")
        if directive.mechanism == "include" and "%" not in directive.target:
            _visit(directive.target.rstrip("."), names, tally, path)
    if record.falls_to is SpfResult.PASS:
        tally.remarks.append(f"{domain} ends in +all: everybody may send in its name")
    if record.redirect and record.falls_to is None:
        tally.lookups += 1
        return None if "%" in record.redirect else _visit(record.redirect.rstrip("."), names, tally, path)
    return record.falls_to


# --------------------------------------------------------------- check_host


class _Asked(Struct, frozen=True, kw_only=True):
    """What a message says of itself, and how often the DNS was asked about it."""

    address: Address
    sender: str
    helo: str
    names: Names
    count: list[int] = field(default_factory=lambda: [0, 0])
    """Lookups, and those without an answer."""


def check_host(address: str, domain: str, sender: str, names: Names, *, helo: str = "") -> tuple[SpfResult, str]:
    """What a receiver that gets mail of ``sender`` from an IP address says (section 4), and why if it gave up."""
    given = ip_address(address)
    mapped = given.ipv4_mapped if given.version == 6 else None
    asked = _Asked(address=mapped or given, sender=sender, helo=helo or domain, names=names)
    try:
        return _check(asked, domain.rstrip(".")), ""
    except SpfFault as fault:
        return SpfResult.PERMERROR, str(fault)
    except ProbeError as error:
        return SpfResult.TEMPERROR, error.cause


def _check(asked: _Asked, domain: str) -> SpfResult:
    if len(domain) > 253 or "." not in domain or any(not 0 < len(label) < 64 for label in domain.split(".")):
        return SpfResult.NONE
    texts = spf_texts(asked.names.txt(domain))
    if not texts:
        return SpfResult.NONE
    if len(texts) > 1:
        raise SpfFault(f"{domain} has {len(texts)} SPF records")
    record = parse_spf(texts[0])
    for directive in record.directives:
        if directive.asks:
            _count(asked)
        if _MATCHERS[directive.mechanism](asked, domain, directive):
            return directive.result
    if not record.redirect:
        return SpfResult.NEUTRAL
    _count(asked)
    result = _check(asked, _expanded(record.redirect, asked, domain))
    if result is SpfResult.NONE:
        raise SpfFault(f"{domain} redirects to a domain without an SPF record")
    return result


def _count(asked: _Asked) -> None:
    asked.count[0] += 1
    if asked.count[0] > LOOKUPS:
        raise SpfFault(f"more than {LOOKUPS} DNS lookups")


def _void(asked: _Asked, found: bool) -> None:
    asked.count[1] += not found
    if asked.count[1] > VOIDS:
        raise SpfFault(f"more than {VOIDS} DNS lookups without an answer")


def _target(asked: _Asked, domain: str, directive: Directive) -> str:
    return _expanded(directive.target, asked, domain) if directive.target else domain


def _all(asked: _Asked, domain: str, directive: Directive) -> bool:
    return True


def _include(asked: _Asked, domain: str, directive: Directive) -> bool:
    target = _target(asked, domain, directive)
    result = _check(asked, target)
    if result is SpfResult.NONE:
        raise SpfFault(f"{domain} includes {target}, which has no SPF record")
    return result is SpfResult.PASS


def _ip(asked: _Asked, domain: str, directive: Directive) -> bool:
    network = ip_network(directive.target)
    return asked.address.version == network.version and asked.address in network


def _a(asked: _Asked, domain: str, directive: Directive) -> bool:
    found = asked.names.addresses(_target(asked, domain, directive), version=asked.address.version)
    _void(asked, bool(found))
    return _is_near(asked, directive, found)


def _mx(asked: _Asked, domain: str, directive: Directive) -> bool:
    hosts = asked.names.mx(_target(asked, domain, directive))
    _void(asked, bool(hosts))
    if len(hosts) > _HOSTS:
        raise SpfFault(f"{domain}: more than {_HOSTS} mail servers")
    return any(
        _is_near(asked, directive, asked.names.addresses(host, version=asked.address.version))
        for _, host in sorted(hosts)
        if host
    )


def _ptr(asked: _Asked, domain: str, directive: Directive) -> bool:
    target = _target(asked, domain, directive).lower()
    return any(name == target or name.endswith(f".{target}") for name in _own_names(asked))


def _own_names(asked: _Asked) -> Iterator[str]:
    """Names of the address that lead back to it (section 5.5)."""
    try:
        found = asked.names.pointers(str(asked.address))
    except ProbeError:
        return
    _void(asked, bool(found))
    for name in found[:_HOSTS]:
        try:
            addresses = asked.names.addresses(name, version=asked.address.version)
        except ProbeError:
            continue
        if any(ip_address(each) == asked.address for each in addresses):
            yield name.lower().rstrip(".")


def _exists(asked: _Asked, domain: str, directive: Directive) -> bool:
    found = asked.names.addresses(_target(asked, domain, directive), version=4)
    _void(asked, bool(found))
    return bool(found)


_MATCHERS: dict[str, Callable[[_Asked, str, Directive], bool]] = {
    "all": _all,
    "include": _include,
    "ip4": _ip,
    "ip6": _ip,
    "a": _a,
    "mx": _mx,
    "ptr": _ptr,
    "exists": _exists,
}


def _is_near(asked: _Asked, directive: Directive, found: tuple[str, ...]) -> bool:
    """Whether the address is in the network of one of these."""
    length = directive.cidr4 if asked.address.version == 4 else directive.cidr6
    return any(asked.address in ip_network(f"{each}/{length}", strict=False) for each in found)


# ------------------------------------------------------------------- macros


def _expanded(text: str, asked: _Asked, domain: str) -> str:
    """A macro string (section 7), cut from the left to what a name may be long."""
    expanded = "".join(_pieces(text, asked, domain)).rstrip(".")
    while len(expanded) > 253 and "." in expanded:
        expanded = expanded.partition(".")[2]
    return expanded


def _pieces(text: str, asked: _Asked, domain: str) -> Iterator[str]:
    last = 0
    for match in _MACRO.finditer(text):
        yield text[last : match.start()]
        last = match.end()
        if match[1] is not None:
            yield {"%": "%", "_": " ", "-": "%20"}[match[1]]
        else:
            yield _transformed(_value(match[2].lower(), asked, domain), match[3], match[4], match[5])
    yield text[last:]


def _value(letter: str, asked: _Asked, domain: str) -> str:
    local, _, of = asked.sender.rpartition("@")
    dotted = (
        str(asked.address) if asked.address.version == 4 else ".".join(asked.address.exploded.replace(":", "").lower())
    )
    return {
        "s": f"{local or 'postmaster'}@{of}",
        "l": local or "postmaster",
        "o": of,
        "d": domain,
        "i": dotted,
        "p": _best_name(asked, domain) if letter == "p" else "",
        "v": "in-addr" if asked.address.version == 4 else "ip6",
        "h": asked.helo,
    }.get(letter, "unknown")


def _best_name(asked: _Asked, domain: str) -> str:
    """The domain itself, else one below it, else any (section 7.3)."""
    found = sorted(_own_names(asked), key=lambda name: (name != domain, not name.endswith(f".{domain}")))
    return found[0] if found else "unknown"


def _transformed(value: str, digits: str, reverse: str, delimiters: str) -> str:
    parts = re.split(f"[{re.escape(delimiters or '.')}]", value)
    if reverse:
        parts.reverse()
    return ".".join(parts[-int(digits) :] if digits and int(digits) else parts)
