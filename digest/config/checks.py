"""What no single key can tell: keys that contradict each other. Each check yields every fault it finds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from os.path import normpath
from pathlib import Path as FilePath

from digest.config.document import Document, Fault, Path, quoted
from digest.config.settings import (
    AnySource,
    DigestSettings,
    FeedSettings,
    FeedSourceSettings,
    MailSettings,
    PostSettings,
    S3Settings,
    Settings,
    WeightSettings,
)
from digest.config.values import PERMALINK_STYLES, Host
from digest.languages import is_known
from digest.models import MAIL, MAIN
from digest.receivers import receiver_of
from digest.subscribers.bounces import VALID_FOR

_CODE = re.compile(r"(?:\d{1,4},)?[A-Za-z0-9._-]{1,16}")
_SAFE_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
PERMALINK_PARTS = {
    "jekyll": (
        *("categories", "slugified_categories", "collection", "path", "name", "title", "slug", "output_ext", "year"),
        *("short_year", "month", "i_month", "short_month", "long_month", "day", "i_day", "y_day", "short_day"),
        *("long_day", "week", "w_year", "w_day", "hour", "minute", "second"),
    ),
    "hugo": (
        *("sections", "sectionslugs", "section", "sectionslug", "title", "slug", "slugorfilename"),
        *("slugorcontentbasename", "filename", "contentbasename", "year", "month", "monthname", "day", "weekday"),
        *("weekdayname", "yearday"),
    ),
}
"""What a post's address can be made of, by site generator. With Hexo it can be any key of the front matter."""
_TELLING_PARTS = {
    "path",
    "name",
    "title",
    "slug",
    "slugorfilename",
    "slugorcontentbasename",
    "filename",
    "contentbasename",
}
"""Parts that two posts rarely share."""
_LEAST_FEED_BYTES = 16 * 1024
_LEAST_MAIL_BYTES = 8_000
_REPORTED_FOR = VALID_FOR + timedelta(days=1)
SUBJECT_PARTS = ("lead", "date", "title", "count")
"""What a subject may have in braces."""


def check_settings(settings: Settings, document: Document) -> list[Fault]:
    """Faults of settings whose single values are all right, with their lines."""
    written = settings.categories_as_written
    places: list[int | str] = list(written) if isinstance(written, dict) else list(range(len(written)))
    names = [item if isinstance(item, str) else item.name for item in written]
    found = [
        *check_language(settings.site.language),
        *check_posts(settings.posts),
        *check_sources(settings.sources),
        *check_categories(places, names),
        *check_feeds(settings.feeds),
        *check_digests(settings.digests, names),
        *check_mail(settings.mail),
        *check_channels(settings),
        *check_subscriptions(settings),
        *check_dkim(settings),
        *check_s3(settings.s3),
        *check_privacy(settings),
    ]
    return [Fault(path=path, line=document.line(path), text=text) for path, text in found]


Found = Iterator[tuple[Path, str]]


def check_language(tag: str) -> Found:
    if not is_known(tag):
        yield ("site", "language"), f"{quoted(tag)} is no language that dates are known in; write for example zh-CN"


def check_posts(posts: PostSettings) -> Found:
    for position, folder in enumerate(posts.archived):
        if normpath(posts.folder / folder) == normpath(posts.folder):
            yield ("posts", "archived", position), "is posts.folder itself; name the folder that posts are moved to"
    if posts.collections and posts.kind in ("hugo", "hexo"):
        yield ("posts", "collections"), f"only Jekyll has collections, and posts.kind is {posts.kind}; leave one out"
    link = posts.permalink
    if link in PERMALINK_STYLES or posts.kind == "hexo":
        return
    known = PERMALINK_PARTS.get(posts.kind) or tuple(dict.fromkeys(sum(PERMALINK_PARTS.values(), ())))
    unknown = [part for part in link.parts if part not in known]
    for part in unknown:
        close = _closest(part, known)
        hint = f"did you mean :{close}?" if close else "write for example: /:categories/:year/:month/:day/:title.html"
        yield ("posts", "permalink"), f":{part} is not part of any post; {hint}"
    if not unknown and not _TELLING_PARTS.intersection(link.parts):
        yield ("posts", "permalink"), "posts of one day would share an address; add :title"


def check_sources(sources: Sequence[AnySource]) -> Found:
    seen: dict[str, int] = {MAIN: -1}
    for place, each in enumerate(sources):
        here = ("sources", place, "name")
        if each.name == MAIN:
            yield here, f"{MAIN} is the name of posts.folder; choose another"
        elif not _SAFE_NAME.fullmatch(each.name):
            yield here, f"{quoted(each.name)} is not of the right form; write small letters, digits and hyphens"
        elif each.name in seen:
            yield here, f"{quoted(each.name)} is the name of entry {seen[each.name] + 1} already; choose another"
        else:
            seen[each.name] = place
        if isinstance(each, FeedSourceSettings):
            given = [key for key in ("url", "url_env", "url_file") if getattr(each, key) is not None]
            if len(given) != 1:
                what = f"{' and '.join(given)} are given; keep one" if given else "missing; write the feed's address"
                yield ("sources", place, given[0] if given else "url"), what


def check_categories(places: list[int | str], names: list[str]) -> Found:
    """``places`` are the positions of a list, or the keys of a mapping."""
    first: dict[str, int] = {}
    for position, (place, name) in enumerate(zip(places, names, strict=True)):
        if not name.strip():
            yield ("categories", place), "is blank; give the category's name, or delete the line"
        elif name in first:
            yield ("categories", place), f"{quoted(name)} is entry {first[name] + 1} already; delete one of them"
        else:
            first[name] = position


def check_feeds(feeds: FeedSettings) -> Found:
    if feeds.min_items > feeds.max_items:
        text = (
            f"{feeds.min_items} is more than feeds.max_items, which is {feeds.max_items}; lower it or raise the other"
        )
        yield ("feeds", "min_items"), text
    if feeds.max_bytes < _LEAST_FEED_BYTES:
        yield ("feeds", "max_bytes"), f"{feeds.max_bytes} is too small for a feed; write at least 16 KB"
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
                f"{quoted(digest.title)} is the title of digests.{titles[digest.title]} too; choose another",
            )
        titles.setdefault(digest.title, name)
        yield from _check_one(here, digest, categories)


def _check_one(here: tuple[str, str], digest: DigestSettings, categories: list[str]) -> Found:
    wanted = digest.categories or ()
    for position, category in enumerate(wanted):
        if category in wanted[:position]:
            yield (*here, "categories", position), f"{quoted(category)} stands in the list already; delete one of them"
        elif categories and category not in categories:
            yield (*here, "categories", position), _unknown_category(category, categories)
    yield from _check_weights((*here, "weights"), digest.weights, list(wanted) or categories)
    if digest.max_bytes < _LEAST_MAIL_BYTES:
        yield (*here, "max_bytes"), f"{digest.max_bytes} is too small for a mail; write at least 8000"
    yield from _check_subject((*here, "subject"), digest.subject)
    if digest.max_lateness > digest.expires_after:
        text = "is longer than expires_after, so a late digest would never be sent; lower it or raise the other"
        yield (*here, "max_lateness"), text


def _check_weights(here: tuple[str, str, str], weights: WeightSettings, categories: list[str]) -> Found:
    """What could count for no post."""
    for kind in weights.__struct_fields__:
        for key in getattr(weights, kind):
            if not key.strip():
                yield (*here, kind, key), "is blank and counts for no post; delete it"
    for code in weights.codes:
        if code.strip() and not _CODE.fullmatch(code):
            text = f"{quoted(code)} is no code of a stock or sector; write for example 600519, BK1036 or 90,BK1036"
            yield (*here, "codes", code), text
    for category in weights.categories:
        if categories and category.strip() and category not in categories:
            close = _closest(category, categories)
            hint = f"did you mean {quoted(close)}?" if close else "take it out"
            text = f"{quoted(category)} is not among the categories of the digest, so it counts for no post; {hint}"
            yield (*here, "categories", category), text


def _unknown_category(category: str, known: list[str]) -> str:
    close = _closest(category, known)
    hint = f"did you mean {quoted(close)}?" if close else "add it there, or take it out here"
    return f"{quoted(category)} is not among the categories; {hint}"


def check_mail(mail: MailSettings) -> Found:
    if mail.transport == "smtp":
        if mail.host is None:
            yield ("mail", "host"), "missing, and transport smtp needs it; write for example: host: smtp.example.com"
        if mail.sender is None:
            text = 'missing, and transport smtp needs it; write for example: sender: "Daily News <digest@example.com>"'
            yield ("mail", "sender"), text
    if mail.security == "none":
        yield from _check_unsecured(mail)
    yield from _check_subject(("mail", "subject"), mail.subject)
    yield from _check_domains(mail)
    if mail.keep_deliveries < _REPORTED_FOR:
        yield ("mail", "keep_deliveries"), "is less than 31 days, in which reports about mails come back"
    hooks = mail.bounces
    if hooks is not None and not (hooks.ses_topic or hooks.secret_env or hooks.secret_file):
        yield ("mail", "bounces"), "says nobody who may tell of bounces; write ses_topic, secret_env or secret_file"


def _check_subject(path: Path, subject: str) -> Found:
    """Mail programs put mails of one subject into one conversation."""
    example = 'write for example: "{lead} | {date}"'
    names = re.findall(r"\{([^{}]*)\}", subject)
    unknown = [name for name in names if name not in SUBJECT_PARTS]
    if unknown:
        known = ", ".join(f"{{{name}}}" for name in SUBJECT_PARTS)
        yield path, f"{quoted('{' + unknown[0] + '}')} is no part of a subject; known are {known}"
    elif re.search(r"[{}]", re.sub(r"\{[^{}]*\}", "", subject)):
        yield path, f"has a brace without its other; {example}"
    elif subject and not {"lead", "date"}.intersection(names):
        yield (
            path,
            f"would be the same for every mail, and mail programs would make one conversation of them; {example}",
        )


def _check_domains(mail: MailSettings) -> Found:
    """Those with the same mail servers have the same limits."""
    first: dict[str, str] = {}
    for written in mail.domains:
        here = ("mail", "domains", written)
        try:
            domain = Host.parse(written)
        except ValueError as error:
            yield here, f"{quoted(written)} {error}"
            continue
        receiver = receiver_of(domain) or domain
        if receiver in first:
            yield here, f"has the same mail servers as {first[receiver]}, which stands here too; keep one of them"
        first.setdefault(receiver, written)


def check_channels(settings: Settings) -> Found:
    first = {MAIL: "mail itself"}
    for position, channel in enumerate(each.common for each in settings.channels):
        here = ("channels", position)
        if channel.name in first:
            yield (*here, "name"), f"{quoted(channel.name)} is the name of {first[channel.name]}; choose another"
        first.setdefault(channel.name, f"entry {position + 1}")
        if channel.digest not in settings.digests:
            known = ", ".join(settings.digests)
            yield (*here, "digest"), f"there is no digest {quoted(channel.digest)}; known are {known}"
        if channel.url is not None and (channel.url_env or channel.url_file):
            yield (*here, "url"), "stands here and elsewhere (url_env, url_file); keep one of them"


def _check_unsecured(mail: MailSettings) -> Found:
    if mail.host is not None and not mail.host.is_loopback:
        text = f"none is for a server on this machine, and mail.host is {mail.host}; write implicit or starttls"
        yield ("mail", "security"), text
    elif mail.user is not None and mail.host is not None:
        yield ("mail", "user"), "a password is not sent without TLS; take user out, or write security: starttls"


def check_subscriptions(settings: Settings) -> Found:
    sender = settings.subscriptions.sender
    if sender is not None and sender.address.lower() == settings.sender.address.lower():
        text = "is the sender of the digests too; choose another, so that filters can tell them apart"
        yield ("subscriptions", "sender"), text


def check_dkim(settings: Settings) -> Found:
    """A signature of another domain is worth nothing to DMARC."""
    if settings.mail.dkim is None:
        return
    domain = settings.dkim_domain
    for sender in dict.fromkeys((settings.sender.domain, settings.subscriptions_sender.domain)):
        if sender != domain and not sender.endswith(f".{domain}"):
            text = f"mail from {sender} cannot be signed by {domain}; name {sender} or a domain above it"
            yield ("mail", "dkim", "domain"), text


def check_s3(s3: S3Settings) -> Found:
    if s3.max_age > timedelta(minutes=15):
        yield (
            ("s3", "max_age"),
            "is more than 15 minutes, and readers would see new posts late; write for example: 5 min",
        )


def check_privacy(settings: Settings) -> Found:
    """Nothing private may lie where the web server serves it."""
    output = settings.output
    if not isinstance(output, FilePath):
        return
    private: dict[Path, FilePath | None] = {
        ("store",): settings.store.path,
        ("mail", "folder"): settings.mail.folder,
        ("mail", "password_file"): settings.mail.password_file,
        ("mail", "bounces", "secret_file"): settings.mail.bounces.secret_file if settings.mail.bounces else None,
        ("subscriptions", "secret_file"): settings.subscriptions.secret_file,
        ("watch", "token_file"): settings.watch.token_file,
    }
    for position, channel in enumerate(settings.channels):
        for part in (channel.common, channel.own):
            files = {} if part is None else {name: getattr(part, name) for name in part.__struct_fields__}
            private |= {("channels", position, name): at for name, at in files.items() if isinstance(at, FilePath)}
    for selector, key in settings.mail.dkim.keys.items() if settings.mail.dkim else ():
        private["mail", "dkim", "keys", selector] = key
    for path, place in private.items():
        if place is not None and _is_inside(place, output):
            yield path, "lies inside the output folder, where everybody could read it; choose another place"


def _is_inside(place: FilePath, folder: FilePath) -> bool:
    return FilePath(normpath(place)).is_relative_to(normpath(folder))


def _closest(word: str, known: Sequence[str]) -> str | None:
    from difflib import get_close_matches  # late: only a faulty file needs it

    return next(iter(get_close_matches(word, known, 1)), None)
