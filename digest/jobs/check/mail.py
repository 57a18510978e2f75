"""The next edition's mail as it would be now: its size, and the headers that a receiver judges by."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from email import policy
from email.message import Message
from email.parser import BytesParser
from zoneinfo import ZoneInfo

from digest.jobs.check.findings import Finding, ok, problem, warning
from digest.jobs.check.local import megabytes
from digest.jobs.editions.preview import Preview
from digest.jobs.monitoring.idle import Idle

CLIPPED = 102 * 1024
"""Octets from which on a large provider cuts a message's text off."""
LONG_LINK = 70
"""Characters of a link to leave by: longer ones are broken by some programs on the way."""
ONE_CLICK = "List-Unsubscribe=One-Click"


def judge_budget(preview: Preview, zone: ZoneInfo) -> Finding:
    """The size of the mail against its limits."""
    plan = preview.plan
    name = f"digest {plan.name}"
    due = "due now" if preview.is_due else f"next {preview.due_at.astimezone(zone):%Y-%m-%d %H:%M}"
    html, text, limits = preview.html_bytes, preview.text_bytes, plan.limits
    remedy = f"shorten the templates, or raise digests.{plan.name}.max_bytes"
    if html > limits.html_bytes or text > limits.text_bytes:
        says = f"without a single post its mail has {max(html, text):,} bytes, and may have {limits.html_bytes:,}"
        return problem(name, says, remedy)
    balance = preview.mail.edition.balance
    shown = f"of {balance.arrived} posts that wait {balance.here} in the mail" if balance.arrived else "no post waits"
    says = f"{due}, {shown}; HTML {html:,} of {limits.html_bytes:,} bytes, text {text:,} of {limits.text_bytes:,}"
    if balance.arrived and not balance.here:
        return problem(name, f"{says}: there is no room for any post", remedy)
    return ok(name, says)


def judge_purpose(digest: str, idle: Iterable[Idle]) -> Iterator[Finding]:
    """Whether a digest is made for somebody, of something."""
    for each in idle:
        if each.digest == digest:
            yield warning(f"digest {digest}", each.says, each.remedy)


def judge_headers(message: bytes) -> Iterator[Finding]:
    """The headers of a subscriber's mail as a receiver sees them."""
    parsed = BytesParser(policy=policy.compat32).parsebytes(message)
    leaving, post = parsed.get_all("List-Unsubscribe", []), parsed.get_all("List-Unsubscribe-Post", [])
    name = "List-Unsubscribe"
    if len(leaving) != 1:
        yield problem(name, f"the mail has {len(leaving)} of these headers, and must have one")
        return
    uri = str(leaving[0]).strip().partition(",")[0].strip("<> \t")
    if "=?" in str(leaving[0]):
        yield problem(name, "it is encoded, and no receiver can read it", "choose a shorter subscriptions.url")
    elif not uri.startswith("https://"):
        yield warning(
            name,
            f"{uri[:40]}… is not https, so mail programs offer no one-click unsubscribing",
            "set subscriptions.url to an https address",
        )
    elif [str(each).strip() for each in post] != [ONE_CLICK]:
        yield problem(name, f"List-Unsubscribe-Post is not {ONE_CLICK!r}")
    elif len(uri) > LONG_LINK:
        yield warning(
            name,
            f"its address has {len(uri)} characters; some programs break such a line",
            "choose a shorter subscriptions.url",
        )
    else:
        yield ok(name, f"one https address of {len(uri)} characters, one click (RFC 8058)")
    yield from _judge_signatures(parsed)
    if len(message) > 2 * CLIPPED:
        yield warning("message", f"{megabytes(len(message))} on the way", "lower max_bytes of the digest")


def _judge_signatures(parsed: Message) -> Iterator[Finding]:
    """A signature that leaves these out lets anybody change them, and providers offer no one-click unsubscribing."""
    for signature in parsed.get_all("DKIM-Signature", []):
        tags = dict(part.strip().partition("=")[::2] for part in re.sub(r"\s", "", str(signature)).split(";"))
        signed = tags.get("h", "").lower().split(":")
        missing = [name for name in ("list-unsubscribe", "list-unsubscribe-post") if name not in signed]
        if missing:
            yield problem("signature", f"the one of {tags.get('s', '')} leaves out {', '.join(missing)}")
        else:
            yield ok(
                "signature", f"{tags.get('a', '')} by {tags.get('s', '')} of {tags.get('d', '')}, headers included"
            )
