"""What this machine, the posts and the store have to say: facts go in, findings come out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from msgspec import Struct

from digest.jobs.addresses import Unmatched, unmatched
from digest.jobs.archive.collect import CollectReport
from digest.jobs.check.findings import Finding, Verdict, ok, problem, skipped, warning
from digest.models import Place, Problem, Severity

LITTLE_ROOM = 500 * 1024 * 1024
NO_ROOM = 50 * 1024 * 1024
"""Octets."""


class Secret(Struct, frozen=True, kw_only=True):
    """A file that only this program should read."""

    key: str
    path: str
    readers: str | None
    """Who else may: ``its group``, ``everybody``, or empty; None if there is no such file."""
    is_readable: bool = True
    """By us."""
    must_exist: bool = True
    why: str = ""
    """What somebody could do with it."""
    is_grave: bool = True
    """That would be a problem; else it is worth a warning."""


class Health(Struct, frozen=True, kw_only=True):
    """How it stands with the store."""

    subject: str
    """Its name, without a password."""
    found: str | None
    """The version of its schema; None if there are no tables yet."""
    wanted: str
    faults: tuple[str, ...] = ()
    """What the database's own check of itself finds."""
    size: int | None = None
    """Octets; None if that is not known."""


def judge_posts(report: CollectReport) -> Iterator[Finding]:
    """The files in the posts folder, by what became of them."""
    by_severity: dict[Severity, list[Problem]] = {severity: [] for severity in Severity}
    for fault in sorted(report.problems, key=lambda each: (each.path, each.line or 0)):
        by_severity[fault.severity].append(fault)
    if report.found:
        says = f"{_count(report.found, 'file')}: {_count(report.taken, 'post')}, {report.skipped} left out"
        yield ok("files", says) if report.taken else problem("files", says, "see below why")
    else:
        yield warning("files", "there is no post file yet", "check posts.folder")
    for line in report.failures:
        yield problem("missing", line)
    named = (
        (Severity.SKIPPED, problem, "unusable", "cannot be used", "mend them, or leave them out with posts.exclude"),
        (Severity.STALE, problem, "broken", "give no post any more; what they gave before stays", "mend them"),
        (Severity.WARNING, warning, "doubtful", "have something that cannot be used", ""),
    )
    for severity, judge, name, what, remedy in named:
        found = by_severity[severity]
        if found:
            files = len({fault.path for fault in found})
            what = what if files != 1 else what.replace("have ", "has ")
            yield judge(name, f"{_count(files, 'file')} {what}", remedy, map(str, found))
    notes = by_severity[Severity.NOTE]
    if notes:
        yield ok(
            "left out", f"{_count(len(notes), 'file')} on purpose: drafts, not published, not due", map(str, notes)
        )


def judge_addresses(posts: Collection[str], site: Collection[str], place: str) -> Iterator[Finding]:
    """Whether every post's address is one of the site's, which ``place`` lists. Those that are not, by kind."""
    if not site:
        yield problem("addresses", f"{place} lists none", "name a built site's folder, its sitemap.xml or its feed")
        return
    left = unmatched(posts, site)
    if not left:
        yield ok("addresses", f"all {len(posts)} are in {place}")
    kinds: dict[str, list[Unmatched]] = {}
    for each in left:
        kinds.setdefault(each.differs, []).append(each)
    for differs, some in kinds.items():
        says = f"{len(some)} of {len(posts)} are not in {place}" + (f": {differs} differs" if differs else "")
        yield problem("addresses", says, _REMEDY_OF.get(differs, _NO_PAGE), map(str, some))


_NO_PAGE = "correct posts.permalink, or build the site anew"
_REMEDY_OF = {
    "the slash at its end": "correct posts.permalink",
    "the ending": "correct posts.permalink: a slash, .html, or neither",
    "the host": "correct site.url",
    "the scheme": "correct site.url",
    "the day": "correct site.timezone: the generator counts days in another zone",
}


def judge_store(health: Health) -> Iterator[Finding]:
    """Version and soundness."""
    if health.found is None:
        yield ok("store", f"{health.subject}: made by the first run")
        return
    size = "" if health.size is None else f", {megabytes(health.size)}"
    if health.found == health.wanted:
        yield ok("store", f"{health.subject}: schema {health.found}{size}")
    else:
        yield ok("store", f"{health.subject}: schema {health.found}, the next run brings it to {health.wanted}{size}")
    if health.faults:
        yield problem(
            "integrity", "the database is damaged", "restore a backup; keep the damaged file until then", health.faults
        )
    else:
        yield ok("integrity", "sound")


def judge_room(key: str, room: Place, little: int = LITTLE_ROOM) -> Finding:
    """Whether a folder can be written, and how much more; ``key`` is the configuration's name for it, and fewer than
    ``little`` octets are worth a warning."""
    name, where = f"folder {key}", room.path
    if not room.is_folder:
        return problem(name, f"{where} is no folder, or lies in none", f"name another place with {key}")
    if not room.is_writable:
        return problem(name, f"{where} cannot be written by this user", "change its owner or its permissions")
    if room.free < NO_ROOM:
        return problem(name, f"{where}: the disk is full, {megabytes(room.free)} are free", "make room")
    if room.free < little:
        return warning(name, f"{where}: only {megabytes(room.free)} are free", "make room soon")
    made = "writable" if room.exists else "made when it is needed"
    return ok(name, f"{where}: {made}, {megabytes(room.free)} free")


def judge_secrets(secrets: Sequence[Secret]) -> Iterator[Finding]:
    """One finding for each file that is there or should be."""
    if not secrets:
        yield skipped("secrets", "no file holds one")
    for secret in secrets:
        name, where = f"secret {secret.key}", secret.path
        if secret.readers is None:
            if secret.must_exist:
                yield problem(name, f"{where}: there is no such file", f"make it, or take {secret.key} out")
            elif secret.is_grave:
                yield ok(name, f"{where}: made at first use")
        elif not secret.is_readable:
            yield problem(name, f"{where} cannot be read by this user", "change its owner or its permissions")
        elif secret.readers:
            is_grave = secret.is_grave and secret.readers == "everybody"
            verdict = Verdict.PROBLEM if is_grave else Verdict.WARNING
            says = f"{where} can be read by {secret.readers}{f', who could {secret.why}' if secret.why else ''}"
            yield Finding(name=name, verdict=verdict, says=says, remedy=f"chmod 600 {secret.path}")
        else:
            yield ok(name, f"{where}: for this user alone")


def megabytes(octets: int) -> str:
    """``1.4 GB``, ``310 MB``, ``12 KB``."""
    for unit, size in (("GB", 1024**3), ("MB", 1024**2)):
        if octets >= size:
            return f"{octets / size:.1f} {unit}" if octets < 10 * size else f"{octets // size} {unit}"
    return f"{-(-octets // 1024)} KB"


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"
