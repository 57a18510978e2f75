"""DMARC (RFC 9989): the policy that applies to a domain, found by walking up the DNS, and who is aligned with it.

The public suffix list is not asked: since RFC 9989 the organizational domain follows from the records themselves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

from digest.ports import Names

POLICIES = ("none", "quarantine", "reject")
OBSOLETE = ("pct", "rf", "ri")
"""Tags of RFC 7489 that RFC 9989 took away (appendix C)."""

_LABELS = 8
"""A longer name is cut, so that nobody asks more often than this (section 4.10)."""
_VERSION = re.compile(r"v\s*=\s*DMARC1\s*(;|$)")


class DmarcRecord(Struct, frozen=True, kw_only=True):
    """One record, and whose it is."""

    domain: str
    text: str
    tags: Mapping[str, str]

    @property
    def psd(self) -> str:
        """``y``, ``n``, or ``u`` for unknown."""
        return self.tags.get("psd", "u").lower()

    def is_strict(self, tag: str) -> bool:
        """``adkim`` or ``aspf``."""
        return self.tags.get(tag, "r").lower() == "s"

    @property
    def is_valid(self) -> bool:
        """Whether receivers act on it (section 4.10.1)."""
        wrong = [name for name in ("p", "sp", "np") if name in self.tags and self.tags[name].lower() not in POLICIES]
        return ("p" in self.tags and not wrong) or self.has_reports

    @property
    def has_reports(self) -> bool:
        """Somebody is told what receivers see."""
        return bool(re.search(r"(?i)\bmailto:[^@,\s]+@|https?://[^\s,]+", self.tags.get("rua", "")))

    def policy(self, *, for_subdomain: bool) -> str:
        """What the domain asks to be done with mail that is not aligned."""
        if any(name in self.tags and self.tags[name].lower() not in POLICIES for name in ("p", "sp", "np")):
            return "none"
        policy = self.tags.get("p", "none")
        return (self.tags.get("sp", policy) if for_subdomain else policy).lower()


def parse_dmarc(domain: str, text: str) -> DmarcRecord | None:
    """None for a text that is no DMARC record. Unknown tags are kept and mean nothing; of two, the first counts."""
    if not _VERSION.match(text):
        return None
    tags: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if equals:
            tags.setdefault(name.strip().lower(), value.strip())
    return DmarcRecord(domain=domain, text=text, tags=tags)


class Walk(Struct, frozen=True, kw_only=True):
    """One way up the DNS."""

    start: str
    asked: tuple[str, ...]
    """Domains whose record was asked for, in order."""
    records: tuple[DmarcRecord, ...] = ()
    """Those that were found, the longest name first."""
    doubled: tuple[str, ...] = ()
    """Domains with several records, which therefore count as none."""

    @property
    def organizational_domain(self) -> str:
        """Section 4.10.2."""
        for record in self.records:
            if record.psd == "n":
                return record.domain
            if record.psd == "y" and record.domain != self.start:
                labels = record.domain.count(".") + 2
                return ".".join(self.start.split(".")[-labels:])
        return self.records[-1].domain if self.records else self.start

    def at(self, domain: str) -> DmarcRecord | None:
        return next((record for record in self.records if record.domain == domain), None)

    @property
    def policy(self) -> DmarcRecord | None:
        """The record that applies to the start: its own, else its organization's, else its public suffix's."""
        top = self.organizational_domain
        suffix = next((record for record in self.records if record.psd == "y"), None)
        return self.at(self.start) or self.at(top) or suffix


def walk(domain: str, names: Names) -> Walk:
    """Ask from a domain upwards. Raises ProbeError if the DNS does not answer."""
    start = domain.lower().rstrip(".")
    records: list[DmarcRecord] = []
    doubled: list[str] = []
    asked: list[str] = []
    target = start
    while target:
        asked.append(target)
        found = [record for text in names.txt(f"_dmarc.{target}") if (record := parse_dmarc(target, text)) is not None]
        if len(found) > 1:
            doubled.append(target)
        elif found:
            records += found
            if found[0].psd in ("y", "n"):
                break
        target = _next(target)
    return Walk(start=start, asked=tuple(asked), records=tuple(records), doubled=tuple(doubled))


def _next(target: str) -> str:
    labels = target.split(".")
    return ".".join(labels[-(_LABELS - 1) :] if len(labels) >= _LABELS else labels[1:])


def is_aligned(author: Walk, domain: str, *, strict: bool, names: Names) -> bool:
    """Whether an authenticated domain speaks for the author's (section 4.4). Raises ProbeError."""
    other = domain.lower().rstrip(".")
    if other == author.start:
        return True
    return not strict and walk(other, names).organizational_domain == author.organizational_domain
