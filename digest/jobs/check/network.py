"""What others have to say: name servers, the mail server, the public web server, the time. Answers come in through
``Names`` and ``Fetch``, findings go out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from urllib.parse import urlencode, urlsplit

from msgspec import Struct

from digest.errors import ProbeError, TransportError
from digest.jobs.check.findings import Finding, Verdict, from_error, ok, problem, skipped, warning
from digest.mailauth.dkim import GOOD_BITS, LEAST_BITS, DkimKey, is_same_key, parse_dkim
from digest.mailauth.dmarc import OBSOLETE, DmarcRecord, is_aligned, walk
from digest.mailauth.spf import LOOKUPS, SpfResult, check_host, survey
from digest.ports import Fetch, Names, WebAnswer

CLOCK_WARNS, CLOCK_FAILS = 5.0, 60.0
"""Seconds."""
FEED_TYPES = {
    "feed.xml": ("application/atom+xml", "application/xml", "text/xml"),
    "rss.xml": ("application/rss+xml", "application/xml", "text/xml"),
    "feed.json": ("application/feed+json", "application/json"),
    "feeds.opml": ("text/x-opml", "application/xml", "text/xml"),
}
"""The right type of each document first, then those that readers put up with."""


# --------------------------------------------------------------- mail server


def judge_smtp(knock: Callable[[], tuple[Mapping[str, str], str]], server: str, *, security: str, user: str) -> Finding:
    """Connect, TLS, EHLO, login."""
    try:
        features, there = knock()
    except TransportError as error:
        return problem("SMTP", f"{error.subject}: {error.cause}", error.remedy)
    limit = features.get("SIZE", "")
    how = "no TLS, on this machine" if security == "none" else f"TLS ({security}), certificate valid"
    login = f"login as {user}" if user else "no login"
    size = f", takes messages up to {int(limit):,} bytes" if limit.isdigit() and int(limit) else ""
    return ok("SMTP", f"{server} ({there}): {how}, {login}{size}; nothing was sent")


# ----------------------------------------------------------------------- DNS


class Sender(Struct, frozen=True, kw_only=True):
    """Who our mails say they are from."""

    author: str
    """Domain of the From address."""
    envelope: str
    """The envelope sender as receivers see it, without a token."""
    relay: str | None = None
    """Host that mail is handed to; None if none is."""

    @property
    def envelope_domain(self) -> str:
        return self.envelope.rpartition("@")[2]


def judge_spf(sender: Sender, names: Names) -> Iterator[Finding]:
    """The record of the envelope sender's domain, and what it says of our relay."""
    domain = sender.envelope_domain
    found = survey(domain, names)
    if not found.text:
        yield problem(
            "SPF",
            f"{domain} has no SPF record",
            f'publish a TXT record at {domain}, such as "v=spf1 mx a:{sender.relay or "mail.example.com"} -all"',
        )
        return
    count = f"{found.lookups} of {LOOKUPS} lookups"
    if found.faults:
        yield problem("SPF", f"{domain}: receivers cannot use the record", "mend it", found.faults)
        return
    if found.remarks:
        yield warning("SPF", f"{domain}: {count}", "", found.remarks)
    elif found.falls_to in (None, SpfResult.NEUTRAL):
        yield warning("SPF", f"{domain}: {count}; it does not say what to do with others", "end it in -all or ~all")
    else:
        yield ok("SPF", f"{domain}: {count}, {found.falls_to.value} for others ({found.text[:80]})")
    yield _judge_relay(sender, names)


def _judge_relay(sender: Sender, names: Names) -> Finding:
    """Whether the record allows the addresses of our relay; it may well send from others."""
    name, domain = "SPF relay", sender.envelope_domain
    if sender.relay is None:
        return skipped(name, "mail.transport is folder: no server is known")
    addresses = relay_addresses(sender, names)
    outside = [each for each in addresses if ip_address(each).is_global]
    if not outside:
        return skipped(
            name,
            f"{sender.relay} is inside: from which address it sends cannot be seen from here",
            f"make sure that the record of {domain} names that address",
        )
    verdicts = {each: check_host(each, domain, sender.envelope, names)[0] for each in outside}
    wrong = [f"{each}: {verdict.value}" for each, verdict in verdicts.items() if verdict is not SpfResult.PASS]
    if not wrong:
        return ok(name, f"{domain} allows {sender.relay} ({', '.join(outside)})")
    return warning(
        name,
        f"{domain} does not allow every address of {sender.relay}; it may send from others",
        "ask who runs it which include: belongs into the record",
        wrong,
    )


def relay_addresses(sender: Sender, names: Names) -> tuple[str, ...]:
    """IP addresses that the relay is reached at; none if there is none. Raises ProbeError."""
    host = (sender.relay or "").strip("[]")
    try:
        ip_address(host)
    except ValueError:
        return names.addresses(host) if host else ()
    return (host,)


class SigningKey(Struct, frozen=True, kw_only=True):
    """One of our DKIM keys, as the DNS should have it."""

    place: str
    """``SELECTOR._domainkey.DOMAIN``."""
    record: str
    """The text that belongs there."""

    @property
    def selector(self) -> str:
        return self.place.partition("._domainkey.")[0]

    @property
    def domain(self) -> str:
        return self.place.partition("._domainkey.")[2]


def judge_dkim(keys: Sequence[SigningKey], names: Names) -> Iterator[Finding]:
    """Each key against what the DNS says of it."""
    if not keys:
        yield skipped("DKIM", "no key of ours is configured; your relay may sign", "see that it does: preview --to")
    for key in keys:
        yield _judge_key(key, names)


def _judge_key(key: SigningKey, names: Names) -> Finding:
    name = f"DKIM {key.selector}"
    texts = names.txt(key.place)
    records = [record for text in texts if (record := parse_dkim(text)) is not None]
    remedy = f"publish this TXT record there: {key.record}"
    if not records:
        what = f"there is no key at {key.place}" if not texts else f"the text at {key.place} is no key"
        return problem(name, what, remedy)
    if len(records) > 1:
        return problem(name, f"there are {len(records)} keys at {key.place}", "keep one")
    return _judge_record(name, key, records[0], remedy)


def _judge_record(name: str, key: SigningKey, record: DkimKey, remedy: str) -> Finding:
    place, ours = key.place, parse_dkim(key.record)
    if record.is_revoked:
        return problem(name, f"the key at {place} is revoked (p= is empty)", remedy)
    if record.fault:
        return problem(name, f"the key at {place}: {record.fault}", remedy)
    if ours is None or not is_same_key(record, ours):
        return problem(name, f"the key at {place} is not the one that we sign with", remedy)
    if record.kind == "rsa" and record.bits < GOOD_BITS:
        judge = problem if record.bits < LEAST_BITS else warning
        return judge(name, f"the key at {place} has {record.bits} bits", f"make one of {GOOD_BITS} bits")
    if record.is_testing:
        return warning(name, f"the key at {place} is marked as a test (t=y)", "take that out")
    return ok(name, f"{place}: {record.kind} {record.bits}, the same as ours")


def judge_dmarc(sender: Sender, signers: Sequence[str], names: Names) -> Iterator[Finding]:
    """The policy that applies to the From domain, and whether we are aligned with it. ``signers`` are the domains of
    our DKIM signatures."""
    found = walk(sender.author, names)
    record = found.policy
    for domain in found.doubled:
        yield problem("DMARC", f"_dmarc.{domain} has several records, so none counts", "keep one")
    if record is None or not record.is_valid:
        what = "has no DMARC record, nor has a domain above it" if record is None else "has one that means nothing"
        yield problem(
            "DMARC",
            f"{sender.author} {what}; large providers refuse mail without",
            f'publish at least "v=DMARC1; p=none" as a TXT record at _dmarc.{found.organizational_domain}',
        )
        return
    yield _judge_policy(sender, record, found.organizational_domain)
    yield from _judge_alignment(sender, record, signers, names)


def _judge_policy(sender: Sender, record: DmarcRecord, organization: str) -> Finding:
    where = f"_dmarc.{record.domain}"
    policy = record.policy(for_subdomain=record.domain != sender.author)
    says = f"{where}: {policy} for {sender.author} (organization {organization})"
    obsolete = [tag for tag in OBSOLETE if tag in record.tags]
    if obsolete:
        tags = ", ".join(f"{tag}=" for tag in obsolete)
        return warning("DMARC", f"{says}; {tags} mean nothing since RFC 9989", "take them out")
    if not record.has_reports:
        return warning("DMARC", f"{says}; nobody gets reports", "add rua=mailto:… to see who sends in your name")
    return ok("DMARC", says)


def _judge_alignment(sender: Sender, record: DmarcRecord, signers: Sequence[str], names: Names) -> Iterator[Finding]:
    author = walk(sender.author, names)
    by_spf = is_aligned(author, sender.envelope_domain, strict=record.is_strict("aspf"), names=names)
    by_dkim = any(is_aligned(author, each, strict=record.is_strict("adkim"), names=names) for each in signers)
    ways = [f"SPF ({sender.envelope_domain})"] * by_spf + [f"DKIM ({', '.join(signers)})"] * by_dkim
    if ways:
        yield ok("alignment", f"{sender.author} by {' and '.join(ways)}")
        return
    of = "or the relay must sign with the From domain" if not signers else "and sign with the From domain"
    yield problem(
        "alignment",
        f"neither SPF ({sender.envelope_domain}) nor a signature of ours speaks for {sender.author}",
        f"use a mail.bounce_address in a domain of {author.organizational_domain}, {of}",
    )


def judge_mailboxes(sender: Sender, names: Names) -> Iterator[Finding]:
    """Whether the domains that we send from can be written to (RFC 5321 section 5.1, RFC 7505)."""
    for domain in dict.fromkeys((sender.envelope_domain, sender.author)):
        hosts = sorted(names.mx(domain))
        name = f"MX {domain}"
        if hosts and not hosts[0][1]:
            yield problem(
                name, "it says that it takes no mail, so receivers refuse mail from it", "publish an MX record"
            )
        elif hosts:
            lost = [host for _, host in hosts if not names.addresses(host)]
            if lost:
                yield problem(name, f"{', '.join(lost)} has no address", "mend the MX record")
            else:
                yield ok(name, ", ".join(host for _, host in hosts))
        elif names.addresses(domain):
            yield warning(name, "there is no MX record, only an address", "publish an MX record")
        else:
            yield problem(name, "there is neither MX record nor address: bounces and answers are lost", "publish one")


# ------------------------------------------------------------------- the web


def judge_one_click(fetch: Fetch, base: str, stranger: str | None) -> Iterator[Finding]:
    """The pages that people leave by. ``stranger`` is a link to leave, genuine, of a subscriber that does not exist:
    pressing it changes nothing. None: there is no secret to sign one with yet."""
    if not base.startswith("https://"):
        yield warning("one click", f"{base} is not https", "set subscriptions.url to an https address")
    page = fetch(f"{base}/")
    if page.status != 200 or "html" not in _type(page):
        yield problem("form", f"{base}/ answers {_status(page)}", "digest serve must be reached there")
        return
    yield ok("form", f"{base}/ shows the form")
    if stranger is None:
        yield skipped("GET", "there is no secret yet to sign a link with", "it is made when somebody subscribes")
        return
    wrong = fetch(f"{base}/{'A' * 35}")
    opened = fetch(stranger)
    if opened.status in (301, 302, 303, 307, 308):
        yield problem("GET", f"a link to leave by redirects to {opened.headers.get('location', '')}", "serve it there")
        return
    if opened.status == 404 and wrong.status == 404:
        yield problem(
            "GET",
            f"{urlsplit(base).netloc} does not know our links: it signs with another secret",
            "give digest serve the same subscriptions.secret_file (or DIGEST_SECRET) as digest run",
        )
        return
    if opened.status != 200 or wrong.status not in (400, 404, 410):
        yield problem("GET", f"a link to leave by answers {_status(opened)}, a wrong one {_status(wrong)}")
        return
    yield ok("GET", "a link to leave by shows a page and changes nothing; a wrong one is refused")
    yield _judge_post(fetch, stranger)


def _judge_post(fetch: Fetch, stranger: str) -> Finding:
    body = urlencode({"List-Unsubscribe": "One-Click"}).encode()
    answer = fetch(stranger, method="POST", body=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
    if 200 <= answer.status < 300:
        return ok("POST", "one click is answered at once, without a redirect (RFC 8058)")
    return problem(
        "POST",
        f"one click is answered with {_status(answer)}, and must be with 200",
        "let POST through to digest serve, without redirect, login or check of the browser",
    )


def judge_served(fetch: Fetch, base: str, paths: Sequence[str]) -> Iterator[Finding]:
    """Feeds as readers get them: type, validators, 304 (RFC 9110 section 13)."""
    for path in paths:
        yield _judge_document(fetch, f"{base}{path}", path)


def _judge_document(fetch: Fetch, url: str, path: str) -> Finding:
    try:
        answer = fetch(url, headers={"Accept-Encoding": "gzip"})
        if answer.status != 200:
            to = f" to {answer.headers['location']}" if "location" in answer.headers else ""
            remedy = "publish with digest run, and serve the output folder there"
            return problem(path, f"{url} answers {_status(answer)}{to}", remedy)
        validators = {
            asked: answer.headers[given]
            for given, asked in (("etag", "If-None-Match"), ("last-modified", "If-Modified-Since"))
            if given in answer.headers
        }
        again = fetch(url, headers={"Accept-Encoding": "gzip", **validators}) if validators else None
    except ProbeError as error:
        return from_error(path, error)
    kinds = FEED_TYPES[path]
    kind = _type(answer)
    if kind not in kinds:
        return problem(path, f"{url} is served as {kind or 'nothing'}, not as {kinds[0]}", "see docs/deploy.md")
    if again is None:
        return warning(path, f"{url} has neither ETag nor Last-Modified: it is fetched whole each time", "add them")
    if again.status != 304:
        return warning(path, f"{url} answers {_status(again)} to a conditional request, not 304", "see docs/deploy.md")
    if kind != kinds[0] or "utf-8" not in answer.headers.get("content-type", "").lower():
        given = answer.headers.get("content-type", "")
        return warning(path, f"{url} is served as {given}", f"serve it as {kinds[0]}; charset=utf-8")
    return ok(path, f"{kind}, 304 when nothing is new, {len(answer.body):,} bytes")


def _type(answer: WebAnswer) -> str:
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower()


def _status(answer: WebAnswer) -> str:
    return str(answer.status)


# ---------------------------------------------------------------------- time


def judge_clock(ask: Callable[[], float], fetch: Fetch, url: str, wall: Callable[[], float]) -> Finding:
    """How far the clock is off: by a time server, else by the date that a web server gives. ``wall`` is the clock
    (seconds since 1970)."""
    try:
        return _judge_offset(ask(), "a time server", 0.1)
    except ProbeError as error:
        try:
            answer = fetch(url, method="HEAD")
            there = parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
        except (ProbeError, ValueError, TypeError):
            return warning(
                "clock", f"{error.subject}: {error.cause}; {urlsplit(url).netloc} tells no time either", error.remedy
            )
        return _judge_offset(there + 0.5 - wall(), urlsplit(url).netloc, 1.0)


def _judge_offset(offset: float, source: str, precision: float) -> Finding:
    size = abs(offset)
    if size <= precision:
        return ok("clock", f"right, by {source}")
    way = "slow" if offset > 0 else "fast"
    verdict = Verdict.PROBLEM if size > CLOCK_FAILS else Verdict.WARNING if size > CLOCK_WARNS else Verdict.OK
    remedy = "" if verdict is Verdict.OK else "run a time service (chrony, systemd-timesyncd)"
    return Finding(name="clock", verdict=verdict, says=f"{size:,.1f} seconds {way}, by {source}", remedy=remedy)
