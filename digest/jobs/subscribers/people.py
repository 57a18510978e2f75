"""What an operator does with subscribers: adding, removing, importing, exporting, suppressing.

A subscriber becomes active without confirming only if the operator says where their consent comes from and when it
was given; everybody else is asked by mail first. Nothing here lifts a suppression but ``unsuppress``.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from datetime import date, datetime
from enum import StrEnum
from itertools import islice
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from msgspec import Struct, field
from msgspec.structs import replace

from digest.errors import DigestError
from digest.jobs.progress import Progress, silent
from digest.jobs.subscribers.carrying import carried, row_of_hash, rows_of, suppression_of
from digest.jobs.subscribers.erasing import Erasing
from digest.outbox import masked
from digest.subscribers.columns import COLUMNS, bare_address
from digest.subscribers.fates import REASONS, Fate, Told, decides, told
from digest.subscribers.subscription import (
    Carried,
    Choice,
    Consent,
    Entrant,
    Frequency,
    InvalidAddress,
    Kept,
    ListState,
    MailAddress,
    Offer,
    Origin,
    Preferences,
    Subscriber,
    Suppression,
    SuppressionReason,
    canonical,
    is_zone,
    parse_address,
    pause_end,
)
from digest.subscribers.table import Table, line
from digest.subscribers.tokens import Keyring
from digest.text import clean_line


class UnknownCategory(DigestError):
    """No such category is offered."""


class PeopleStore(Protocol):
    """What is kept about subscribers, for the operator."""

    def known(self, people: Sequence[tuple[str, str]]) -> tuple[dict[str, Subscriber], set[str]]: ...
    def ask_all(self, asked: Sequence[tuple[Consent, str]], now: datetime) -> None: ...
    def admit(self, entrants: Sequence[Entrant], now: datetime) -> None: ...
    def keep(self, people: Sequence[Kept], now: datetime) -> None: ...
    def carry(self, lines: Sequence[Carried], now: datetime) -> None: ...
    def suppress_all(self, suppressions: Sequence[Suppression]) -> None: ...
    def unknown_suppressions(self) -> Iterator[Suppression]: ...
    def suppressed(self, hashed: str) -> tuple[SuppressionReason, datetime, str] | None: ...
    def subscriber_by(self, canonical: str) -> Subscriber | None: ...
    def subscribers(self) -> Iterator[Subscriber]: ...
    def consents(self, key: int) -> list[Consent]: ...
    def unsubscribe(self, key: int, now: datetime, list_key: int | None = None) -> int: ...
    def dossier(self, key: int) -> dict[str, Any] | None: ...
    def suppress(self, hashed: str, reason: SuppressionReason, note: str, now: datetime) -> bool: ...
    def unsuppress(self, hashed: str) -> bool: ...


class Proof(Struct, frozen=True, kw_only=True):
    """Where a consent comes from that the operator vouches for."""

    source: str
    given_at: datetime


class Added(StrEnum):
    """What became of an address."""

    ACTIVE = "active"
    ASKED = "asked to confirm"
    KNOWN = "known already"
    SUPPRESSED = "suppressed"
    LEFT = "kept as left"
    PENDING = "kept as unconfirmed"
    KEPT = "kept as suppressed"
    PROOF = "kept as a further proof of consent"
    HASH = "kept as suppressed, by hash alone"
    STRANGE_HASH = "left out, a hash of another secret"
    BOUNCED = "suppressed, their mail came back"
    COMPLAINED = "suppressed, they complained"
    BLOCKED = "suppressed, they were blocked"
    UNPROVEN = "left out, without proof of consent"
    UNCONFIRMED = "left out, never confirmed"
    CONTRADICTED = "left out, another row says that they left"


class BadRow(Struct, frozen=True, kw_only=True):
    """A row that cannot be used."""

    number: int
    """As an editor counts it: the heading is row 1."""
    reason: str


class ImportReport(Struct, kw_only=True):
    """What an import did, or would do."""

    rows: int = 0
    counts: dict[Added, int] = field(default_factory=dict)
    bad: list[BadRow] = field(default_factory=list)
    encoding: str = ""
    unused: dict[str, int] = field(default_factory=dict)
    """Columns that nobody looked at, with the number of rows that say something there."""

    def count(self, verdict: Added) -> None:
        self.counts[verdict] = self.counts.get(verdict, 0) + 1


class Row(Struct, frozen=True, kw_only=True):
    """A row that can be used."""

    address: MailAddress
    choices: tuple[Choice, ...]
    preferences: Preferences
    told: Told = Told()
    """What the file says about them."""
    carried: Carried | None = None
    """The same, if the file is our own export."""

    @property
    def names(self) -> set[bytes]:
        """Stand for the subscriptions that it is about; or for whoever is suppressed, whatever they read; or for the
        proof alone."""
        if self.carried is not None and self.carried.choice is None:
            return {_short(self.address.canonical, f"\0{self.carried.proof}")}
        digests = [""] if self.told.fate in REASONS else [choice.digest for choice in self.choices]
        return {_short(self.address.canonical, digest) for digest in digests}


class People:
    """The use cases, bound to a store and its keys."""

    def __init__(
        self, store: PeopleStore, keys: Keyring, offers: tuple[Offer, ...], zone: ZoneInfo, erasing: Erasing
    ) -> None:
        self._store = store
        self._keys = keys
        self._offers = {offer.digest: offer for offer in offers}
        self._zone = zone
        self._erasing = erasing

    # ------------------------------------------------------------- one by one

    def choice(self, digest: str, categories: Iterable[str] = ()) -> Choice:
        """Raises DigestError for a digest or category that is not offered."""
        offer = self._offers.get(digest)
        if offer is None:
            raise DigestError(digest, "there is no such digest", f"known are: {', '.join(self._offers)}")
        wanted = [name for name in categories if name]
        known = {name for name, _ in offer.categories}
        for name in wanted:
            if name not in known:
                raise UnknownCategory(name, f"{digest} offers no such category", f"it offers: {_some(known)}")
        return offer.choice(wanted) if wanted else Choice(digest=digest)

    def add(
        self,
        address: str,
        choices: Sequence[Choice],
        now: datetime,
        *,
        preferences: Preferences | None = None,
        proof: Proof | None,
    ) -> Added:
        """Take somebody in. Without proof of consent they are asked by mail. Raises DigestError for a bad address."""
        row = Row(address=_parsed(address), choices=tuple(choices), preferences=preferences or Preferences())
        (verdict,) = self._add([row], now, proof, origin=Origin.OPERATOR)
        return verdict

    def _add(
        self,
        rows: Sequence[Row],
        now: datetime,
        proof: Proof | None,
        *,
        origin: Origin,
        dry_run: bool = False,
        confirm: bool = True,
    ) -> list[Added]:
        """What becomes of each; no two of the same address. Those who are taken in, are all at once."""
        hashes = {row.address.canonical: self._keys.hashed(row.address.canonical) for row in rows}
        subscribers, suppressed = self._store.known(list(hashes.items()))
        verdicts = [
            self._verdict(
                row,
                subscribers.get(row.address.canonical),
                suppressed=hashes[row.address.canonical] in suppressed,
                ask=proof is None,
            )
            for row in rows
        ]
        if not confirm:
            verdicts = [Added.UNPROVEN if verdict is Added.ASKED else verdict for verdict in verdicts]
        decided = list(zip(rows, verdicts, strict=True))
        taken = [_agreed(row, now, proof, origin) for row, verdict in decided if verdict in (Added.ACTIVE, Added.ASKED)]
        kept = [_kept(row, hashes[row.address.canonical], now) for row, verdict in decided if verdict in _KEPT.values()]
        if taken and not dry_run:
            if proof is None:
                self._store.ask_all([(each, hashes[each.canonical]) for each in taken], now)
            else:
                self._store.admit([self._entrant(each, hashes[each.canonical]) for each in taken], now)
        if kept and not dry_run:
            self._store.keep(kept, now)
        return verdicts

    def _carry(self, rows: Sequence[Row], now: datetime, *, dry_run: bool) -> list[Added]:
        """As ``_add``, for rows of our own export."""
        lines = [row.carried for row in rows if row.carried is not None]
        subscribers, suppressed = self._store.known([(each.to.canonical, each.hashed) for each in lines])
        missing = [
            self._missing(each, subscribers.get(each.to.canonical), suppressed=each.hashed in suppressed)
            for each in lines
        ]
        if not dry_run:
            self._store.carry([each for each in missing if each is not None], now)
        return [Added.KNOWN if rest is None else _carried_as(each) for each, rest in zip(lines, missing, strict=True)]

    def _missing(self, each: Carried, subscriber: Subscriber | None, *, suppressed: bool) -> Carried | None:
        """What of a line is not known here; None if all of it is."""
        pause_ends = pause_end(each.preferences, self._zone)
        if subscriber is None:
            return replace(each, pause_ends=pause_ends)
        had = subscriber.to(each.choice.digest) if each.choice else None
        if had is not None and each.choice is not None:
            goes_on = had.state is ListState.PENDING and each.state is not ListState.PENDING
            ends = had.state is ListState.ACTIVE and each.state is ListState.UNSUBSCRIBED
            if not goes_on and not (ends and not self._left_or_back(subscriber, (each.choice,))):
                each = replace(each, choice=None)
        if each.proof and each.proof in [replace(one, key=0) for one in self._store.consents(subscriber.key)]:
            each = replace(each, proof=None)
        if suppressed:
            each = replace(each, suppression=None)
        return each if each.choice or each.proof or each.suppression else None

    def _verdict(self, row: Row, subscriber: Subscriber | None, *, suppressed: bool, ask: bool) -> Added:
        """What becomes of a row, given what is known of its address."""
        fate = row.told.fate
        if fate in REASONS:
            return Added.KNOWN if suppressed else _KEPT[fate]
        if fate is Fate.LEFT:
            return Added.KNOWN if self._left_or_back(subscriber, row.choices) else Added.LEFT
        if suppressed:
            return Added.SUPPRESSED
        if fate is Fate.UNCONFIRMED:
            return Added.UNCONFIRMED
        if _covers(subscriber, row.choices, ask=ask):
            return Added.KNOWN
        return Added.ASKED if ask else Added.ACTIVE

    def _left_or_back(self, subscriber: Subscriber | None, choices: Sequence[Choice]) -> bool:
        """Whether somebody who left elsewhere left here too; or reads here by their own act, which a file does not
        undo."""
        if subscriber is None:
            return False
        states = {each.state if each else None for each in map(subscriber.to, (one.digest for one in choices))}
        if states == {ListState.UNSUBSCRIBED}:
            return True
        return ListState.ACTIVE in states and any(
            each.origin is Origin.FORM and each.confirmed_at for each in self._store.consents(subscriber.key)
        )

    def _entrant(self, given: Consent, hashed: str) -> Entrant:
        paused = given.preferences.paused_until is not None
        return Entrant(
            given=given, hashed=hashed, pause_ends=pause_end(given.preferences, self._zone) if paused else None
        )

    def parse(self, address: str) -> MailAddress:
        """Raises DigestError for what mail cannot be sent to."""
        return _parsed(address)

    def find(self, address: str) -> Subscriber:
        """Raises DigestError if nobody has it."""
        found = self._store.subscriber_by(canonical(address.strip()))
        if found is None:
            raise DigestError(masked(address), "no subscriber has this address")
        return found

    def remove(self, address: str, now: datetime, digest: str | None = None) -> int:
        """Unsubscribe somebody from one digest, or from all. Returns how many subscriptions ended."""
        subscriber = self.find(address)
        if digest is None:
            return self._store.unsubscribe(subscriber.key, now)
        subscription = subscriber.to(digest)
        return 0 if subscription is None else self._store.unsubscribe(subscriber.key, now, subscription.list_key)

    def erase(self, address: str, now: datetime) -> tuple[str, ...]:
        """Forget one person. Returns what is left of them for now, a line each."""
        return self._erasing.erase(self.find(address).key, now) or ()

    def dossier(self, address: str) -> dict[str, Any]:
        """Everything that is kept about one person."""
        return self._store.dossier(self.find(address).key) or {}

    def suppress(self, address: str, note: str, now: datetime) -> bool:
        """Never write to an address again, whether it is known or not. The note outlives erasing, so it names nobody.
        False if that was so before."""
        return self._store.suppress(
            self._keys.hashed(canonical(address.strip())), SuppressionReason.MANUAL, masked(note), now
        )

    def unsuppress(self, address: str) -> bool:
        """False if it was not suppressed."""
        return self._store.unsuppress(self._keys.hashed(canonical(address.strip())))

    def everybody(self, *, digest: str | None = None, state: ListState | None = None) -> Iterator[Subscriber]:
        """All subscribers, or those with such a subscription."""
        for subscriber in self._store.subscribers():
            if (digest is None and state is None) or any(
                (digest is None or each.digest == digest) and (state is None or each.state is state)
                for each in subscriber.subscriptions
            ):
                yield subscriber

    # ------------------------------------------------------------------ CSV

    def import_csv(
        self,
        data: bytes,
        now: datetime,
        *,
        default: Sequence[Choice],
        proof: Proof | None,
        dry_run: bool,
        categories: Mapping[str, str] | None = None,
        confirm: bool = True,
        progress: Progress = silent,
    ) -> ImportReport:
        """Add everybody in a file, some hundreds in one transaction: a crash leaves whole ones, and doing it twice
        changes nothing more. With ``dry_run`` nothing is changed at all. ``categories`` is what they are called here,
        by what the file calls them; empty for those that are not offered. Without proof of consent people are asked by
        mail, or left out if they are not to ``confirm``. Raises DigestError if the file is no such
        table, or a category is none."""
        known = {name for offer in self._offers.values() for name, _ in offer.categories}
        for name in (categories or {}).values():
            if name and name not in known:
                raise DigestError(name, "no digest offers such a category", f"they offer: {_some(known)}")
        table = Table(data, categories)
        report = ImportReport(encoding=table.encoding)
        lines = data.count(b"\n")
        if table.is_ours:
            self._take_hashes(table, report, now, dry_run=dry_run)
        barred = self._barred(table, default, now)
        rows = self._rows(table, default, report, now, barred)
        while batch := list(islice(rows, BATCH)):
            for wave in _waves(batch):
                others = [row for row in wave if row.carried is None]
                for verdict in (
                    *self._add(others, now, proof, origin=Origin.IMPORT, dry_run=dry_run, confirm=confirm),
                    *self._carry([row for row in wave if row.carried is not None], now, dry_run=dry_run),
                ):
                    report.count(verdict)
            progress("importing subscribers", min(report.rows, lines), lines)
        report.bad.sort(key=lambda bad: bad.number)
        report.unused = table.unused(USED.union(COLUMNS if table.is_ours else filter(decides, table.columns)))
        return report

    def _take_hashes(self, table: Table, report: ImportReport, now: datetime, *, dry_run: bool) -> None:
        """Suppressions of our own export whose addresses are forgotten."""
        lone = ((number, cells) for number, cells in table.rows() if _is_hash(cells))
        while batch := list(islice(lone, BATCH)):
            found = []
            for number, cells in batch:
                report.rows += 1
                try:
                    found.append(self._suppression(cells, now))
                except ValueError as error:
                    report.bad.append(BadRow(number=number, reason=str(error)))
                    if cells.get("key") != self._keys.address_key:
                        report.count(Added.STRANGE_HASH)
            _, known = self._store.known([(each.hashed, each.hashed) for each in found])
            for each in found:
                report.count(Added.KNOWN if each.hashed in known else Added.HASH)
            if not dry_run:
                self._store.suppress_all(found)

    def _suppression(self, cells: Mapping[str, str], now: datetime) -> Suppression:
        """Of a hash alone. Raises ValueError for one that no address of ours can have."""
        if cells.get("key") != self._keys.address_key:
            raise ValueError(
                f"only the hash of an address, made with another secret ({cells.get('key') or 'no key'}; ours is "
                f"{self._keys.address_key}): import with the secret of the machine that wrote the file "
                "(subscriptions.secret_file), or suppress the address by hand"
            )
        found = suppression_of(cells, cells["hash"], now)
        _refuse_nul(cells)
        if found is None or not re.fullmatch("[0-9a-f]{32}", found.hashed):
            raise ValueError("a hash is 32 hexadecimal digits, with a reason under suppressed; leave it as exported")
        return found

    def _barred(self, table: Table, default: Sequence[Choice], now: datetime) -> set[bytes]:
        """Who left or is suppressed by any row of a file, wherever it stands (``Row.names``)."""
        if table.is_ours or not any(map(decides, table.columns)):
            return set()
        found: set[bytes] = set()
        for _, cells in table.rows():
            with suppress(DigestError, ValueError):
                row = self._row(cells, default, now)
                if row.told.fate >= Fate.LEFT:
                    found |= row.names
        return found

    def _rows(
        self, table: Table, default: Sequence[Choice], report: ImportReport, now: datetime, barred: Set[bytes]
    ) -> Iterator[Row]:
        """Those that can be used and were not there before; the others go into the report."""
        seen: set[bytes] = set()
        ours = table.is_ours
        for number, cells in table.rows():
            if ours and _is_hash(cells):
                continue
            report.rows += 1
            try:
                row = self._row(cells, default, now, ours=ours)
            except (DigestError, ValueError) as error:
                report.bad.append(BadRow(number=number, reason=str(error)))
                continue
            if row.told.fate < Fate.LEFT and barred & (row.names | {_short(row.address.canonical, "")}):
                report.count(Added.CONTRADICTED)
            elif row.names <= seen:
                report.count(Added.KNOWN)
            else:
                seen |= row.names
                yield row

    def _row(self, cells: Mapping[str, str], default: Sequence[Choice], now: datetime, *, ours: bool = False) -> Row:
        try:
            address = parse_address(bare_address(cells.get("address", "")))
        except InvalidAddress as error:
            raise ValueError(f"the address cannot be used: {error}") from error
        if ours:
            _refuse_nul(cells)
        preferences = _preferences(cells)
        each = carried(cells, address, self._keys.hashed(address.canonical), preferences, now) if ours else None
        categories = [name.strip() for name in cells.get("categories", "").split("|") if name.strip()]
        digest = cells.get("digest", "") or (default[0].digest if categories else "")
        if each is not None and each.state is not ListState.ACTIVE:
            return Row(
                address=address, choices=(each.choice,) if each.choice else (), preferences=preferences, carried=each
            )
        try:
            choices = (self.choice(digest, categories),) if digest else tuple(default)
        except UnknownCategory as error:
            raise ValueError(f"{error}; --map-category {error.subject}=NAME takes it for another") from error
        says = Told() if ours else told(cells, now)
        return Row(address=address, choices=choices, preferences=preferences, told=says, carried=each)

    def export_csv(self) -> Iterator[str]:
        """Everybody as lines of CSV, with the proofs of consent, the heading first; whoever is suppressed and not known
        by address, at the end."""
        key = self._keys.address_key
        yield line(COLUMNS)
        for subscriber in self._store.subscribers():
            hashed = self._keys.hashed(canonical(subscriber.address))
            found = self._store.suppressed(hashed)
            suppression = Suppression(hashed=hashed, reason=found[0], since=found[1], note=found[2]) if found else None
            for cells in rows_of(subscriber, self._store.consents(subscriber.key), suppression, key, hashed):
                yield line(cells)
        for each in self._store.unknown_suppressions():
            yield line(row_of_hash(each, key))


BATCH = 500
"""Rows of an import in one transaction."""
USED = frozenset(("address", "digest", "categories", "frequency", "hour", "zone", "paused_until"))
"""Columns that an import looks at."""
_KEPT = {
    Fate.LEFT: Added.LEFT,
    Fate.BOUNCED: Added.BOUNCED,
    Fate.COMPLAINED: Added.COMPLAINED,
    Fate.BLOCKED: Added.BLOCKED,
}
_LAST_YEAR = 2999
_NAMED = 10


def _some(categories: Collection[str]) -> str:
    """For a message: there may be thousands."""
    if not categories:
        return "none; name them under categories in the configuration"
    more = f" and {len(categories) - _NAMED} more" if len(categories) > _NAMED else ""
    return ", ".join(sorted(categories)[:_NAMED]) + more


def _refuse_nul(cells: Mapping[str, str]) -> None:
    """No database takes a NUL. Raises ValueError."""
    for name, cell in cells.items():
        if "\0" in cell or (name == "proof" and "\\u0000" in cell):
            raise ValueError(f"{name} holds a NUL, which is no text; remove it")


def _preferences(cells: Mapping[str, str]) -> Preferences:
    """Raises ValueError for what is no wish."""
    frequency, hour, zone, pause = (cells.get(name, "") for name in ("frequency", "hour", "zone", "paused_until"))
    if frequency and frequency not in tuple(Frequency):
        raise ValueError(f"frequency is daily or weekly, not {frequency!r}")
    if hour and not (hour.isascii() and hour.isdigit() and int(hour) < 24):
        raise ValueError(f"hour is 0 to 23, not {hour!r}")
    if zone and not is_zone(zone):
        raise ValueError(f"{zone!r} is no IANA time zone")
    try:
        paused_until = date.fromisoformat(pause) if pause else None
    except ValueError as error:
        raise ValueError(f"paused_until is a date such as 2026-11-24, not {pause!r}") from error
    if paused_until is not None and paused_until.year > _LAST_YEAR:
        raise ValueError(f"paused_until is no later than {_LAST_YEAR}, not {pause!r}")
    return Preferences(
        frequency=Frequency(frequency or "daily"),
        hour=int(hour) if hour else None,
        zone=zone,
        paused_until=paused_until,
    )


def _covers(subscriber: Subscriber | None, choices: Sequence[Choice], *, ask: bool) -> bool:
    """Whether there is nothing to do: active already, asked already, or left: whoever left is not taken back by a
    file."""
    if subscriber is None:
        return False
    settled = {ListState.ACTIVE, ListState.UNSUBSCRIBED} | ({ListState.PENDING} if ask else set())
    states = [subscriber.to(choice.digest) for choice in choices]
    return all(each is not None and each.state in settled for each in states)


def _agreed(row: Row, now: datetime, proof: Proof | None, origin: Origin) -> Consent:
    return Consent(
        address=row.address.address,
        canonical=row.address.canonical,
        origin=origin,
        asked_at=now,
        text=proof.source if proof else "added by the operator",
        choices=row.choices,
        preferences=row.preferences,
        confirmed_at=proof.given_at if proof else None,
    )


def _is_hash(cells: Mapping[str, str]) -> bool:
    """Whether nothing but a hash is known of somebody."""
    return not cells.get("address") and bool(cells.get("hash"))


def _carried_as(each: Carried) -> Added:
    if each.suppression is not None:
        return Added.KEPT
    if each.choice is None:
        return Added.PROOF
    return {
        ListState.ACTIVE: Added.ACTIVE,
        ListState.PENDING: Added.PENDING,
        ListState.UNSUBSCRIBED: Added.LEFT,
    }[each.state]


def _kept(row: Row, hashed: str, now: datetime) -> Kept:
    return Kept(
        to=row.address,
        hashed=hashed,
        choices=row.choices,
        since=row.told.since or now,
        reason=REASONS.get(row.told.fate),
    )


def _waves(rows: Sequence[Row]) -> list[list[Row]]:
    """The first row of each address, then the second ones, and so on: what becomes of a row may depend on the one
    before it with the same address, never on any other."""
    waves: list[list[Row]] = []
    times: Counter[str] = Counter()
    for row in rows:
        wave = times[row.address.canonical]
        times[row.address.canonical] += 1
        if wave == len(waves):
            waves.append([])
        waves[wave].append(row)
    return waves


def _short(canonical: str, digest: str) -> bytes:
    """Stands for a subscriber of a digest, in less memory."""
    return hashlib.blake2b(f"{canonical}\0{digest}".encode(), digest_size=16).digest()


def _parsed(address: str) -> MailAddress:
    try:
        return parse_address(address)
    except InvalidAddress as error:
        raise DigestError("address", f"{clean_line(masked(address))} cannot be used: {error}") from error
