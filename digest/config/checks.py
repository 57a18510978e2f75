"""What no single key can tell: keys that contradict each other. Each check yields every fault it finds."""

from __future__ import annotations

import re
from collections.abc import Iterator

from digest.config.document import Document, Fault, Path
from digest.config.settings import CategorySettings, DigestSettings, FeedSettings, MailSettings, Settings

_SAFE_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LEAST_FEED_BYTES = 16 * 1024
_LEAST_MAIL_BYTES = 8_000


def check_settings(settings: Settings, document: Document) -> list[Fault]:
    """Faults of settings whose single values are all right, with their lines."""
    written = settings.categories_as_written
    names = list(written) if isinstance(written, dict) else [_name(item) for item in written]
    found = [
        *check_categories(names),
        *check_feeds(settings.feeds),
        *check_digests(settings.digests, names),
        *check_mail(settings.mail),
    ]
    return [Fault(path=path, line=document.line(path), text=text) for path, text in found]


Found = Iterator[tuple[Path, str]]


def check_categories(names: list[str]) -> Found:
    first: dict[str, int] = {}
    for position, name in enumerate(names):
        if not name.strip():
            yield ("categories", position), "is blank; give the category's name, or delete the line"
        elif name in first:
            yield ("categories", position), f'"{name}" is entry {first[name] + 1} already; delete one of them'
        else:
            first[name] = position


def check_feeds(feeds: FeedSettings) -> Found:
    if feeds.min_items > feeds.max_items:
        text = (
            f"{feeds.min_items} is more than feeds.max_items, which is {feeds.max_items}; lower it or raise the other"
        )
        yield ("feeds", "min_items"), text
    if feeds.max_bytes < _LEAST_FEED_BYTES:
        yield ("feeds", "max_bytes"), "is too small for a feed; write at least 16 KB"
    for format in sorted({format for format in feeds.formats if feeds.formats.count(format) > 1}):
        yield ("feeds", "formats"), f"names {format} twice; leave one out"


def check_digests(digests: dict[str, DigestSettings], categories: list[str]) -> Found:
    titles: dict[str, str] = {}
    for name, digest in digests.items():
        here = ("digests", name)
        if not _SAFE_NAME.fullmatch(name) or len(name) > 64:
            yield (
                here,
                "a digest's name is part of addresses; use a-z, 0-9 and - only, for example: weekly-review",
            )
        if digest.title in titles:
            yield (
                (*here, "title"),
                f'"{digest.title}" is the title of digests.{titles[digest.title]} too; choose another',
            )
        titles.setdefault(digest.title, name)
        yield from _check_one(here, digest, categories)


def _check_one(here: tuple[str, str], digest: DigestSettings, categories: list[str]) -> Found:
    wanted = digest.categories or ()
    for position, category in enumerate(wanted):
        if category in wanted[:position]:
            yield (*here, "categories", position), f'"{category}" stands in the list already; delete one of them'
        elif categories and category not in categories:
            yield (*here, "categories", position), _unknown_category(category, categories)
    if digest.max_bytes < _LEAST_MAIL_BYTES:
        yield (*here, "max_bytes"), "is too small for a mail; write at least 8000"
    if digest.catch_up > digest.expires_after:
        text = "is longer than expires_after, so a late digest would never be sent; lower it or raise the other"
        yield (*here, "catch_up"), text


def _unknown_category(category: str, known: list[str]) -> str:
    from difflib import get_close_matches  # late: only a faulty file needs it

    close = get_close_matches(category, known, 1)
    hint = f'did you mean "{close[0]}"?' if close else "add it there, or take it out here"
    return f'"{category}" is not among the categories; {hint}'


def check_mail(mail: MailSettings) -> Found:
    if mail.transport == "smtp":
        if mail.host is None:
            yield ("mail", "host"), "missing, and transport smtp needs it; write for example: host: smtp.example.com"
        if mail.sender is None:
            text = 'missing, and transport smtp needs it; write for example: sender: "Daily News <digest@example.com>"'
            yield ("mail", "sender"), text
    if mail.security == "none":
        yield from _check_unsecured(mail)


def _check_unsecured(mail: MailSettings) -> Found:
    if mail.host is not None and not mail.host.is_loopback:
        text = f"none is for a server on this machine, and mail.host is {mail.host}; write implicit or starttls"
        yield ("mail", "security"), text
    elif mail.user is not None and mail.host is not None:
        yield ("mail", "user"), "a password is not sent without TLS; take user out, or write security: starttls"


def _name(item: str | CategorySettings) -> str:
    return item if isinstance(item, str) else item.name
