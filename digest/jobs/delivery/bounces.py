"""What comes back becomes knowledge about addresses: dead ones are suppressed, troubled ones held for a while.

Reports come from a mailbox or a pipe and may be forged: one counts only if it carries a token of a delivery of the
last 30 days (or, for complaints, a genuine unsubscribe link), and only once. Nothing is ever answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Protocol

from msgspec import Struct, field

from digest.outbox import Blame, blame, masked
from digest.subscribers.bounces import HELD_FOR, VALID_FOR, Kind, Mark, Report, Verdict, judge, parse_report
from digest.subscribers.subscription import Addressee, RefusedDelivery, SuppressionReason, canonical
from digest.subscribers.tokens import Keyring, Purpose


class RefusalStore(Protocol):
    """What is kept about addresses that refuse mail."""

    def addressee(self, token: str, since: datetime) -> Addressee | None: ...
    def latest_to(self, subscriber_key: int, since: datetime) -> Addressee | None: ...
    def record_refusal(
        self, to: Addressee, hashed: str, *, name: str, blame: str, status: str, text: str, now: datetime
    ) -> bool: ...
    def arrived(self, to: Addressee, now: datetime) -> bool: ...
    def marks(self, hashed: str) -> list[Mark]: ...
    def hold(self, hashed: str, until: datetime) -> None: ...
    def suppress(self, hashed: str, reason: SuppressionReason, note: str, now: datetime) -> bool: ...
    def refused(self, now: datetime, within: timedelta) -> Iterator[RefusedDelivery]: ...


class BounceReport(Struct, kw_only=True):
    """What a batch of reports led to."""

    read: int = 0
    ignored: int = 0
    """No report, or without a token of ours, or too late."""
    known: int = 0
    """Counted before."""
    bounces: int = 0
    complaints: int = 0
    arrived: int = 0
    suppressed: int = 0
    held: int = 0
    ours: int = 0
    """RefusedDelivery because of our policy, reputation or size: no subscriber's fault."""
    warnings: list[str] = field(default_factory=list)

    def line(self) -> str:
        parts = [f"{self.read} read"]
        for count, words in (
            (self.bounces, "bounced"),
            (self.complaints, "complained"),
            (self.suppressed, "suppressed"),
            (self.held, "held"),
            (self.arrived, "arrived after all"),
            (self.known, "known already"),
            (self.ignored, "ignored"),
        ):
            if count:
                parts.append(f"{count} {words}")
        return ", ".join(parts)


def ingest(store: RefusalStore, keys: Keyring, mails: Iterable[bytes], now: datetime) -> BounceReport:
    """Go through mails that came back."""
    result = BounceReport()
    for data in mails:
        result.read += 1
        report = parse_report(data)
        to = None if report is None else _addressee(store, keys, report, now)
        if report is None or to is None:
            result.ignored += 1
        elif report.kind is Kind.ARRIVED:
            result.arrived += store.arrived(to, now)
        else:
            _count(store, keys, report, to, now, result)
    return result


def learn_from_refusals(store: RefusalStore, keys: Keyring, now: datetime) -> BounceReport:
    """The same for what servers said while mail was handed over."""
    result = BounceReport()
    for refused in store.refused(now, VALID_FOR):
        result.read += 1
        result.bounces += 1
        about = blame(refused.code, refused.enhanced)
        _record(
            store,
            keys,
            refused.to,
            about=about,
            name=refused.name,
            status=refused.enhanced or str(refused.code),
            text=refused.text,
            now=now,
            result=result,
        )
    return result


def _addressee(store: RefusalStore, keys: Keyring, report: Report, now: datetime) -> Addressee | None:
    for token in report.tokens:
        if (to := store.addressee(token, now - VALID_FOR)) is not None:
            return to
    for link in report.links if report.kind is Kind.COMPLAINT else ():
        token_ = keys.read(link)
        if token_ is not None and token_.purpose is Purpose.UNSUBSCRIBE:
            return store.latest_to(token_.subject, now - VALID_FOR)
    return None


def _count(
    store: RefusalStore, keys: Keyring, report: Report, to: Addressee, now: datetime, result: BounceReport
) -> None:
    if report.kind is Kind.COMPLAINT:
        hashed = _hashed(keys, to)
        new = store.record_refusal(
            to, hashed, name=report.name, blame="complaint", status="", text=report.text, now=now
        )
        result.complaints += new
        result.known += not new
        result.suppressed += store.suppress(hashed, SuppressionReason.COMPLAINT, "the subscriber complained", now)
        return
    if _record(
        store,
        keys,
        to,
        about=report.blame,
        name=report.name,
        status=report.status,
        text=report.text,
        now=now,
        result=result,
    ):
        result.bounces += 1
    else:
        result.known += 1


def _record(
    store: RefusalStore,
    keys: Keyring,
    to: Addressee,
    *,
    about: Blame,
    name: str,
    status: str,
    text: str,
    now: datetime,
    result: BounceReport,
) -> bool:
    """Keep a refusal, and act on all there are. False if it is known already."""
    hashed = _hashed(keys, to)
    if not store.record_refusal(to, hashed, name=name, blame=about.value, status=status, text=text, now=now):
        return False
    if about is Blame.OURS:
        result.ours += 1
        result.warnings.append(
            f"{masked(to.address)}: refused because of us, not of the subscriber: {status} {text}".strip()
        )
    verdict = judge(store.marks(hashed), now=now, on_probe=to.probe)
    if verdict is Verdict.SUPPRESS:
        result.suppressed += store.suppress(hashed, SuppressionReason.BOUNCE, f"{status} {text}".strip(), now)
    elif verdict is Verdict.HOLD:
        store.hold(hashed, now + HELD_FOR)
        result.held += 1
    return True


def _hashed(keys: Keyring, to: Addressee) -> str:
    return keys.hashed(canonical(to.address))
