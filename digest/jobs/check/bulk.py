"""The rules of the big receivers for whoever sends much: what of them is met, as far as it can be seen from here.

Nothing is asked that is not asked for by other checks; this gathers what they found, receiver by receiver. The rules
bind from about 5,000 mails a day to one receiver on. They are good advice below that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from ipaddress import ip_address

from msgspec import Struct

from digest.errors import ProbeError
from digest.jobs.check.findings import Finding, Verdict, ok, problem, skipped, warning
from digest.jobs.check.network import Sender, relay_addresses
from digest.ports import Names

SPF, DKIM, DMARC, ALIGNMENT, REPLIES = "SPF", "DKIM", "DMARC", "alignment", "answers"
ONE_CLICK, TLS, REVERSE = "one click", "TLS", "reverse DNS"
_MOST_NAMES = 10
"""Of an address that are looked up (as in RFC 7208 section 5.5)."""


class Rules(Struct, frozen=True, kw_only=True):
    """Of one receiver."""

    receiver: str
    since: str
    needs: tuple[str, ...]


RULES = (
    # support.google.com/a/answer/81126
    Rules(receiver="Gmail", since="2024-02", needs=(SPF, DKIM, DMARC, ALIGNMENT, ONE_CLICK, TLS, REVERSE)),
    # senders.yahooinc.com/best-practices
    Rules(receiver="Yahoo", since="2024-02", needs=(SPF, DKIM, DMARC, ALIGNMENT, ONE_CLICK, REVERSE)),
    # techcommunity.microsoft.com: requirements for high-volume senders to outlook.com, hotmail.com and live.com
    Rules(receiver="Microsoft", since="2025-05", needs=(SPF, DKIM, DMARC, ALIGNMENT, ONE_CLICK, REPLIES)),
)

Ask = Callable[[], Iterable[Finding]]


def judge_rules(ask: Mapping[str, Ask]) -> Iterator[Finding]:
    """One finding for each receiver. ``ask``: how to find out about each need."""
    found = {need: _answers(need, each) for need, each in ask.items()}
    return (_judge(rules, found) for rules in RULES)


def _answers(need: str, ask: Ask) -> list[Finding]:
    try:
        return list(ask())
    except ProbeError as error:
        return [skipped(need, f"{error.subject}: {error.cause}", error.remedy)]


def _judge(rules: Rules, found: Mapping[str, list[Finding]]) -> Finding:
    name = f"rules of {rules.receiver}"
    stand = {need: _worst(found.get(need, [])) for need in rules.needs}
    by = {verdict: [need for need, each in stand.items() if each is verdict] for verdict in Verdict}
    parts = (
        (Verdict.PROBLEM, "not met"),
        (Verdict.WARNING, "doubtful"),
        (Verdict.SKIPPED, "cannot be seen from here"),
        (Verdict.OK, "met"),
    )
    told = "; ".join(f"{words}: {', '.join(by[verdict])}" for verdict, words in parts if by[verdict])
    says = f"for 5,000 mails a day and more, since {rules.since}: {told}"
    wrong = [each for need in rules.needs for each in found.get(need, []) if each.verdict is stand[need]]
    details = [f"{each.name}: {each.says}" for each in wrong if each.verdict is not Verdict.OK]
    if by[Verdict.PROBLEM] or by[Verdict.WARNING]:
        judge = problem if by[Verdict.PROBLEM] else warning
        remedy = next((each.remedy for each in wrong if each.verdict is not Verdict.OK and each.remedy), "")
        return judge(name, says, remedy, details)
    return ok(name, says, details)


_ORDER = (Verdict.PROBLEM, Verdict.WARNING, Verdict.SKIPPED, Verdict.OK)


def _worst(findings: Iterable[Finding]) -> Verdict:
    """What a record of SPF or DMARC could do better is no matter of these rules."""
    verdicts = {Verdict.OK if _is_advice(each) else each.verdict for each in findings}
    return next((each for each in _ORDER if each in verdicts), Verdict.SKIPPED)


def _is_advice(finding: Finding) -> bool:
    return finding.verdict is Verdict.WARNING and finding.name in (SPF, DMARC)


def judge_tls(security: str) -> Iterator[Finding]:
    """As far as our own connection goes."""
    if security == "none":
        yield skipped(TLS, "the server on this machine hands mail on; see that it uses TLS where it can")
    else:
        yield ok(TLS, f"to the relay ({security}); how it hands mail on cannot be seen from here")


def judge_reverse(sender: Sender, names: Names) -> Iterator[Finding]:
    """Whether the addresses of our relay have names that lead back to them (iprev, RFC 8601 section 2.7.3). It may send
    from others."""
    addresses = [each for each in relay_addresses(sender, names) if ip_address(each).is_global]
    if not addresses:
        yield skipped(
            REVERSE,
            f"{sender.relay} is inside: from which address it sends cannot be seen from here",
            "see that this address has a name (PTR) which leads back to it",
        )
        return
    lost = [each for each in addresses if not _leads_back(each, names)]
    if not lost:
        yield ok(REVERSE, f"each address of {sender.relay} has a name that leads back to it")
        return
    yield warning(
        REVERSE,
        f"{', '.join(lost)} of {sender.relay} has no name that leads back to it; it may send from others",
        "ask who runs it to set a name (PTR record) that has this address",
    )


def _leads_back(address: str, names: Names) -> bool:
    there = ip_address(address)
    pointers = names.pointers(address)[:_MOST_NAMES]
    return any(ip_address(each) == there for name in pointers for each in names.addresses(name))
