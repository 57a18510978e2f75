"""What comes back becomes knowledge about addresses: dead ones are suppressed, troubled ones held for a while.

Reports come from a mailbox or a pipe and may be forged: one counts only if it carries a token of a delivery of the
last 30 days (or, for complaints, a genuine unsubscribe link), and only once. Nothing is ever answered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Protocol

from msgspec import Struct, field

from digest.models import Verdict
from digest.outbox import OURS, masked
from digest.subscribers.bounces import HELD_FOR, VALID_FOR, Batch, Mark, Outcome, follows
from digest.subscribers.reports import Kind, Report, parse_report
from digest.subscribers.subscription import Addressee, RefusedDelivery, SuppressionReason, canonical
from digest.subscribers.tokens import Keyring, Purpose


class RefusalStore(Protocol):
    """What is kept about addresses that refuse mail."""

    def addressee(self, token: str, since: datetime) -> Addressee | None: ...
    def latest_to(self, subscriber_key: int, since: datetime) -> Addressee | None: ...
    def subscriber_of(self, hashed: str) -> int | None: ...
    def list_of(self, to: Addressee) -> int | None: ...
    def unsubscribe(self, key: int, now: datetime, list_key: int | None = None) -> int: ...
    def record_refusal(
        self, to: Addressee, hashed: str, *, name: str, verdict: str, status: str, text: str, now: datetime
    ) -> bool: ...
    def arrived(self, to: Addressee, now: datetime) -> bool: ...
    def marks(self, hashed: str) -> list[Mark]: ...
    def hold(self, hashed: str, until: datetime) -> None: ...
    def condemn(self, hashed: str, verdict: Verdict, domain: str, note: str, now: datetime) -> int | None: ...
    def batches(self, *, only_open: bool = False) -> list[Batch]: ...
    def suppress(self, hashed: str, reason: SuppressionReason, note: str, now: datetime) -> bool: ...
    def refused(self, now: datetime, within: timedelta) -> Iterator[RefusedDelivery]: ...


class BounceReport(Struct, kw_only=True):
    """What a batch of reports led to."""

    read: int = 0
    ignored: int = 0
    """No report, or without a token of ours, or too late."""
    unclear: int = 0
    """Bounces with a token of ours, but in no form that is known."""
    known: int = 0
    """Counted before."""
    bounces: int = 0
    complaints: int = 0
    arrived: int = 0
    left: int = 0
    """Readers who asked by mail to get no more."""
    suppressed: int = 0
    held: int = 0
    ours: int = 0
    """Refused because of policy, content or a relay: no subscriber's fault."""
    waiting: int = 0
    """Not suppressed, since too many were at once: they wait in a batch for the operator's word."""
    verdicts: dict[str, int] = field(default_factory=dict)
    """How many refusals said what."""
    warnings: list[str] = field(default_factory=list)

    def line(self) -> str:
        parts = [f"{self.read} read"]
        for count, words in (
            (self.bounces, "bounced"),
            (self.complaints, "complained"),
            (self.suppressed, "suppressed"),
            (self.held, "held"),
            (self.waiting, "waiting in a batch"),
            (self.unclear, "in no known form"),
            (self.arrived, "arrived after all"),
            (self.left, "left"),
            (self.known, "known already"),
            (self.ignored, "ignored"),
        ):
            if count:
                parts.append(f"{count} {words}")
        return ", ".join(parts)


def ingest(store: RefusalStore, keys: Keyring, mails: Iterable[bytes], now: datetime) -> BounceReport:
    """Go through mails that came back."""
    return learn_from_reports(store, keys, map(parse_report, mails), now)


def learn_from_reports(
    store: RefusalStore, keys: Keyring, reports: Iterable[Report | None], now: datetime
) -> BounceReport:
    """Go through what was told; None stands for what is no report."""
    result = BounceReport()
    for report in reports:
        result.read += 1
        to = None if report is None else _addressee(store, keys, report, now)
        if report is None or to is None:
            result.ignored += 1
        elif report.kind is Kind.ARRIVED:
            result.arrived += store.arrived(to, now)
        elif report.kind is Kind.OPT_OUT:
            _leave(store, keys, report, to, now, result)
        else:
            _count(store, keys, report, to, now, result)
    return _with_batches(store, result)


def learn_from_refusals(store: RefusalStore, keys: Keyring, now: datetime) -> BounceReport:
    """The same for what servers said while mail was handed over."""
    result = BounceReport()
    for refused in store.refused(now, VALID_FOR):
        result.read += 1
        result.bounces += 1
        status = refused.enhanced or str(refused.code)
        _record(store, keys, refused.to, _Refusal(refused.name, refused.verdict, status, refused.text), now, result)
    return _with_batches(store, result)


def explain_bounce(store: RefusalStore, keys: Keyring, data: bytes, now: datetime) -> tuple[str, ...]:
    """What ``ingest`` would take a mail for, in lines: verdict, words, rule, form, and whose it is. Changes nothing."""
    report = parse_report(data)
    if report is None:
        return ("no report: an answer, or a mail without a code or phrase of a refusal; it would be ignored",)
    to = _addressee(store, keys, report, now)
    whose = "nobody's: it has no token of a delivery of the last 30 days, and would be ignored"
    said = report.kind.value if report.kind is not Kind.BOUNCE else report.verdict.value
    lines = [
        f"verdict  {said}",
        f"words    {' '.join(filter(None, (report.status, report.text))) or 'none'}",
        f"rule     {report.rule or 'it says so itself'}",
        f"form     {report.form or 'none that is known'}",
        f"whose    {whose if to is None else masked(to.address)}",
    ]
    return tuple(lines)


def _with_batches(store: RefusalStore, result: BounceReport) -> BounceReport:
    if result.waiting:
        result.warnings += [f"{batch.line()}; {_ASK.format(batch.key)}" for batch in store.batches(only_open=True)]
    return result


_ASK = "too many at once, so see what it says (digest bounces batches), then: digest bounces accept {0}, or undo {0}"


class _Refusal(Struct, frozen=True):
    """One refusal, however it came."""

    name: str
    verdict: Verdict
    status: str
    text: str

    @property
    def words(self) -> str:
        return f"{self.status} {self.text}".strip()


def _addressee(store: RefusalStore, keys: Keyring, report: Report, now: datetime) -> Addressee | None:
    for token in report.tokens:
        if (to := store.addressee(token, now - VALID_FOR)) is not None:
            return to
    if report.kind is Kind.ARRIVED:  # of this very mail, and not of whatever was sent last
        return None
    for link in report.links if report.kind is not Kind.BOUNCE or report.is_signed else ():
        token_ = keys.read(link)
        if token_ is not None and token_.purpose is Purpose.UNSUBSCRIBE:
            return store.latest_to(token_.subject, now - VALID_FOR)
    if report.is_signed and "@" in report.recipient:
        reader = store.subscriber_of(keys.hashed(canonical(report.recipient)))
        return None if reader is None else store.latest_to(reader, now - VALID_FOR)
    return None


def _count(
    store: RefusalStore, keys: Keyring, report: Report, to: Addressee, now: datetime, result: BounceReport
) -> None:
    if report.kind is Kind.COMPLAINT:
        hashed = _hashed(keys, to)
        new = store.record_refusal(
            to, hashed, name=report.name, verdict="complaint", status="", text=report.text, now=now
        )
        result.complaints += new
        result.known += not new
        result.suppressed += store.suppress(hashed, SuppressionReason.COMPLAINT, "the subscriber complained", now)
        return
    # A Message-ID need not be unique: the delivery is part of a mail's identity.
    about = report.name if report.is_signed else f"{report.name} {to.delivery}"
    name = hashlib.sha256(about.encode()).hexdigest()[:32]
    if _record(store, keys, to, _Refusal(name, report.verdict, report.status, report.text), now, result):
        result.bounces += 1
        result.unclear += not report.form
    else:
        result.known += 1


def _leave(
    store: RefusalStore, keys: Keyring, report: Report, to: Addressee, now: datetime, result: BounceReport
) -> None:
    """The list of the link that is quoted, else of the mail that it answers."""
    if to.subscriber is None:
        result.ignored += 1
        return
    given = (keys.read(link) for link in report.links)
    lists = [each.list_key for each in given if each is not None and each.purpose is Purpose.UNSUBSCRIBE]
    ended = store.unsubscribe(to.subscriber, now, lists[0] if lists else store.list_of(to))
    result.left += ended
    result.known += not ended


def _record(
    store: RefusalStore, keys: Keyring, to: Addressee, refusal: _Refusal, now: datetime, result: BounceReport
) -> bool:
    """Keep a refusal, and act on all there are. False if it is known already."""
    hashed, about = _hashed(keys, to), refusal.verdict
    kept = {"name": refusal.name, "verdict": about.value, "status": refusal.status, "text": refusal.text}
    if not store.record_refusal(to, hashed, **kept, now=now):
        return False
    result.verdicts[about.value] = result.verdicts.get(about.value, 0) + 1
    if about in OURS:
        result.ours += 1
        result.warnings.append(
            f"{masked(to.address)}: refused because of us, not of the subscriber ({about.value}): {refusal.words}"
        )
    outcome = follows(store.marks(hashed), now=now, on_probe=to.probe)
    if outcome is Outcome.SUPPRESS:
        _suppress(store, hashed, to, refusal, now, result)
    elif outcome is Outcome.HOLD:
        store.hold(hashed, now + HELD_FOR)
        result.held += 1
    return True


def _suppress(
    store: RefusalStore, hashed: str, to: Addressee, refusal: _Refusal, now: datetime, result: BounceReport
) -> None:
    domain = to.address.rpartition("@")[2].lower()
    done = store.condemn(hashed, refusal.verdict, domain, refusal.words, now)
    if done is None:
        result.waiting += 1
    else:
        result.suppressed += done


def _hashed(keys: Keyring, to: Addressee) -> str:
    return keys.hashed(canonical(to.address))
