"""The settings: every key of ``config.yaml``, typed and frozen, with its default, bounds and description.

These classes are the one description of the configuration. The JSON Schema, the checks and the list of known
keys are derived from them; ``docs/configuration.md`` is checked against them. Secrets are no part of them.

A key that may be written in several forms has a field for the form as written (``author_as_written``) and a
property for its meaning (``author``).
"""

# No postponed annotations: msgspec would have to evaluate them one by one at every start.
import os
from datetime import date
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import force_setattr

from digest.config.channels import ConfiguredChannel
from digest.config.values import (
    PARSERS,
    Colour,
    Dates,
    Destination,
    DigestRhythm,
    Duration,
    FontFamilies,
    Host,
    LanguageTag,
    Mailbox,
    Mailboxes,
    MailSize,
    Network,
    Pause,
    Permalink,
    Rate,
    Rhythm,
    S3Url,
    SiteUrl,
    Size,
    StoreUrl,
    Url,
)
from digest.receivers import Limit, Limits, receiver_of
from digest.theme import ACCENT, Theme

FIRST_RATE = 2.0
FULL_RATE = 15.0
"""Mails a second at first, and at the most, where ``mail.rate`` does not say."""
PORTS = {"implicit": 465, "starttls": 587, "none": 25}
"""The usual port of each way to secure SMTP (RFC 8314, RFC 6409, RFC 5321)."""

Name = Annotated[str, Meta(min_length=1)]
NO_FOLDER = Path(os.devnull)
"""What ``posts.folder`` is when only ``sources`` are written."""


def _default(kind: type, written: str | int) -> Any:
    """A default in the form a user would write it."""
    return msgspec.field(default_factory=partial(PARSERS[kind], written))


class AuthorSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who writes the site."""

    name: Annotated[Name, Meta(description="The author's name.", examples=["财经早报"])]
    email: Annotated[
        Mailbox | None,
        Meta(description="The author's mail address; it is published in the feeds.", examples=["desk@example.com"]),
    ] = None
    url: Annotated[Url | None, Meta(description="The author's page.", examples=["https://example.com/about"])] = None


class SiteSettings(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"author_as_written": "author"}
):
    """The site that the posts belong to."""

    title: Annotated[
        Name, Meta(description="Name of the site: title of the feed of all posts.", examples=["财经早报", "Daily News"])
    ]
    url: Annotated[
        SiteUrl,
        Meta(
            description="Address of the site's home page, its base path included. Posts' addresses are made from it.",
            examples=["https://news.example.com", "https://example.com/blog"],
        ),
    ]
    language: Annotated[
        LanguageTag,
        Meta(
            description="Language of pages, mails and feeds, as a BCP 47 tag.", examples=["zh-CN", "en", "zh-Hant-TW"]
        ),
    ]
    timezone: Annotated[
        ZoneInfo,
        Meta(
            description="IANA time zone of the site. It decides the day in a post's address, dates without a zone, "
            "and when a digest is due.",
            examples=["Asia/Shanghai", "Europe/Berlin", "UTC"],
        ),
    ]
    author_as_written: Annotated[
        Name | AuthorSettings,
        Meta(
            description="Author of posts that name none: a name, or name, email and url.",
            examples=["财经早报", {"name": "Ann Lee", "email": "ann@example.com"}],
        ),
    ]
    description: Annotated[
        str,
        Meta(description="What the site is about: subtitle of the feeds.", examples=["全球财经要闻"]),
    ] = ""
    rights: Annotated[str, Meta(description="Copyright notice for the feeds.", examples=["© 2026 Example News"])] = ""
    icon: Annotated[
        Url | None,
        Meta(description="Square picture, 512 pixels wide.", examples=["https://news.example.com/icon-512.png"]),
    ] = None
    logo: Annotated[
        Url | None,
        Meta(description="Picture twice as wide as high.", examples=["https://news.example.com/logo.png"]),
    ] = None
    favicon: Annotated[
        Url | None,
        Meta(
            description="Small square picture, at least 64 pixels wide.",
            examples=["https://news.example.com/favicon.png"],
        ),
    ] = None

    @property
    def author(self) -> AuthorSettings:
        written = self.author_as_written
        return AuthorSettings(name=written) if isinstance(written, str) else written


COLLECTION_NAME = "^[A-Za-z0-9][A-Za-z0-9_.-]*$"
CollectionName = Annotated[
    str, Meta(description="A collection's name, without the _ of its folder.", pattern=COLLECTION_NAME)
]


class FolderSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which posts of a folder count, and when they have left it."""

    permalink: Annotated[
        Permalink,
        Meta(
            description="How a post's address is made: date, pretty, ordinal, weekdate, none, or a template.",
            examples=["date", "pretty", "/:categories/:year/:month/:day/:title.html"],
        ),
    ] = _default(Permalink, "date")
    builder_timezone: Annotated[
        ZoneInfo | None,
        Meta(
            description="Time zone of the machine that builds the site, if it decides the day in addresses (Hexo).",
            examples=["UTC"],
        ),
    ] = None
    future: Annotated[bool, Meta(description="Take posts whose date is still to come.")] = False
    unpublished: Annotated[bool, Meta(description="Take posts marked published: false.")] = False
    drafts: Annotated[bool, Meta(description="Take drafts.")] = False
    exclude: Annotated[
        tuple[Name, ...],
        Meta(
            description="Files to leave out: patterns for the path below the folder of the posts.",
            examples=[["README.md", "private/*"]],
        ),
    ] = ()
    collections: Annotated[
        tuple[CollectionName, ...],
        Meta(
            description="Collections of a Jekyll site whose documents are posts too.",
            examples=[["notes", "talks"]],
        ),
    ] = ()
    hidden_by: Annotated[
        tuple[Name, ...],
        Meta(
            description="Keys that keep a post out of feeds and digests where they are true. By default none, "
            "as in the generators' own feeds.",
            examples=[["hidden", "unlisted"]],
        ),
    ] = ()
    max_bytes: Annotated[
        Size, Meta(description="Larger files are skipped, and reported.", examples=["2 MB", 500000])
    ] = _default(Size, "2 MB")
    max_gone: Annotated[
        int,
        Meta(
            description="When more posts than this, and more than a tenth of all, are missing at once, none is "
            "withdrawn before you agree: digest run --accept-gone.",
            ge=0,
            le=1_000_000,
        ),
    ] = 20
    retention: Annotated[
        Duration | None,
        Meta(
            description="Age at which posts leave the folder by themselves; that is no withdrawal.",
            examples=["3 days", "2 weeks"],
        ),
    ] = None
    archived: Annotated[
        tuple[Path, ...],
        Meta(
            description="Folders that posts are moved to when they are old, counted from that of the posts; that is no "
            "withdrawal.",
            examples=[["old_post"], ["../old_post"]],
        ),
    ] = ()
    settle: Annotated[
        Pause,
        Meta(
            description="A file that changed is read when it has rested for so long, so that nobody gets half a post; "
            "0 reads it at once.",
            examples=["2 s", "1 min", 0],
        ),
    ] = _default(Pause, "2 s")


class PostSettings(FolderSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the posts are and which of them count."""

    folder: Annotated[
        Path,
        Meta(
            description="Folder of the posts: a site's root or its _posts, content or source folder.",
            examples=["../site", "examples/archive"],
        ),
    ] = _default(Path, ".")
    kind: Annotated[
        Literal["auto", "jekyll", "hugo", "hexo"],
        Meta(description="Which site generator the posts are written for; auto looks at the folder."),
    ] = "auto"
    schedule: Annotated[
        Rhythm,
        Meta(
            description="When digest serve looks at the folder and publishes the feeds, in the site's time zone.",
            examples=["every 5 minutes", "hourly", "daily 07:30", "cron 0 7-19 * * mon-fri"],
        ),
    ] = _default(Rhythm, "every 5 minutes")
    watch: Annotated[
        bool, Meta(description="digest serve watches the folder, and publishes a new post within seconds.")
    ] = True

    @property
    def has_folder(self) -> bool:
        """Whether there is a folder of posts at all."""
        return self.folder != NO_FOLDER


SourceName = Annotated[
    str,
    Meta(
        description="The source's name; its posts keep it, so it stays. Small letters, digits and hyphens.",
        examples=["wire"],
        pattern="^[a-z0-9]+(-[a-z0-9]+)*$",
        max_length=60,
    ),
]


class FolderSourceSettings(
    FolderSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="folder"
):
    """A further folder of posts; posts.folder is the first one."""

    name: SourceName
    folder: Annotated[
        Path, Meta(description="A site's root or its _posts, content or source folder.", examples=["../blog"])
    ]
    generator: Annotated[
        Literal["auto", "jekyll", "hugo", "hexo"],
        Meta(description="Which site generator the posts are written for; auto looks at the folder."),
    ] = "auto"
    url: Annotated[
        SiteUrl | None,
        Meta(
            description="Address of the site that shows these posts; without it site.url.",
            examples=["https://blog.example.com"],
        ),
    ] = None


class FeedSourceSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="feed"):
    """A feed of another site: RSS, Atom or JSON Feed."""

    name: SourceName
    url: Annotated[
        Url | None, Meta(description="Address of the feed.", examples=["https://wire.example.com/feed.xml"])
    ] = None
    url_env: Annotated[
        Name | None,
        Meta(description="Environment variable with the address, if it holds a secret.", examples=["DIGEST_WIRE_URL"]),
    ] = None
    url_file: Annotated[
        Path | None, Meta(description="File with the address, if it holds a secret.", examples=["secrets/wire-url"])
    ] = None
    categories: Annotated[
        tuple[Name, ...],
        Meta(description="Categories that each of its posts gets.", examples=[["wire"]]),
    ] = ()
    own_categories: Annotated[bool, Meta(description="Posts have the categories too that the feed gives them.")] = True
    text: Annotated[
        Literal["full", "summary"], Meta(description="What is kept of its posts: all that the feed has, or summaries.")
    ] = "full"
    every: Annotated[
        Duration,
        Meta(
            description="The feed is asked no more often; what it says itself (max-age, Retry-After) can make it less.",
            examples=["15 min", "1 hour"],
        ),
    ] = _default(Duration, "15 min")
    max_bytes: Annotated[Size, Meta(description="A larger feed is not read.", examples=["10 MB", 500000])] = _default(
        Size, "10 MB"
    )
    allow: Annotated[
        tuple[Network, ...],
        Meta(
            description="Private addresses and networks at which the feed may be; others are never asked.",
            examples=[["10.0.0.0/8"]],
        ),
    ] = ()


class PluginSource(Struct, frozen=True, kw_only=True):
    """A source of a kind that another package brings."""

    kind: str
    name: str
    place: int
    """Where it stands in the list, from 0."""
    options: Any = None
    """Its settings, of the class that the package gives."""
    fault: str = ""
    """Why it cannot be used."""


AnySource = FolderSourceSettings | FeedSourceSettings | PluginSource
SOURCE_KINDS = ("feed", "folder")


class CategorySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One category."""

    name: Annotated[Name, Meta(description="The category as posts name it.", examples=["emnews"])]
    title: Annotated[str, Meta(description="What readers see; without it the name.", examples=["东财滚动新闻"])] = ""
    schedule: Annotated[
        Rhythm | None,
        Meta(
            description="When digest serve publishes its feed, in the site's time zone; without it as posts.schedule "
            "says.",
            examples=["hourly", "daily 07:30"],
        ),
    ] = None


class FeedSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a feed holds."""

    window_hours: Annotated[
        int, Meta(description="A feed holds every post first seen within this many hours.", ge=1, le=8784)
    ] = 48
    min_items: Annotated[int, Meta(description="A feed holds at least this many posts.", ge=1, le=10_000)] = 50
    max_items: Annotated[int, Meta(description="A feed holds at most this many posts.", ge=1, le=10_000)] = 500
    max_bytes: Annotated[
        Size, Meta(description="A feed's file has at most this many bytes.", examples=["768 KB", 500000])
    ] = _default(Size, "768 KB")
    full_text: Annotated[bool, Meta(description="Feeds carry the whole post and not only its summary.")] = False
    formats: Annotated[
        tuple[Literal["atom", "rss", "json"], ...],
        Meta(description="Which formats to publish.", min_length=1, examples=[["atom", "rss", "json"], ["atom"]]),
    ] = ("atom", "rss", "json")
    tags: Annotated[
        bool | tuple[Name, ...],
        Meta(
            description="Feeds of tags: false for none, true for every tag, or a list of tags.",
            examples=[["A股", "央行"], True, False],
        ),
    ] = False
    languages: Annotated[
        bool | tuple[LanguageTag, ...],
        Meta(
            description="Feeds of languages, and of each category in each of them: false for none, true for every "
            "language that posts are in, or a list.",
            examples=[["zh-CN", "en"], True, False],
        ),
    ] = False
    id_scheme: Annotated[
        Literal["jekyll-feed", "permalink", "tag"],
        Meta(description="How the id of a new post is made. Ids of known posts never change."),
    ] = "jekyll-feed"
    id_base: Annotated[
        SiteUrl | None,
        Meta(
            description="Address that ids are made from; without it the first run's site.url, also after a move.",
            examples=["https://old.example.com"],
        ),
    ] = None
    id_authority: Annotated[
        Host | None,
        Meta(
            description="Domain in ids of the scheme tag (RFC 4151), if it is not the one of the address.",
            examples=["example.com"],
        ),
    ] = None
    id_nfkc: Annotated[
        bool,
        Meta(
            description="Fold compatibility characters in ids, as jekyll-feed did with Addressable up to 2.8.1. Set "
            "it if the site's earlier feed was made so."
        ),
    ] = False
    url: Annotated[
        SiteUrl | None,
        Meta(
            description="Address under which the output folder is served, if it is not site.url.",
            examples=["https://feeds.example.com"],
        ),
    ] = None
    hubs: Annotated[
        tuple[Url, ...],
        Meta(
            description="WebSub hubs that are told of every change.", examples=[["https://pubsubhubbub.appspot.com/"]]
        ),
    ] = ()
    archives: Annotated[
        bool,
        Meta(
            description="Close what leaves the feed of all posts into archive documents (RFC 5005), so that feed and "
            "archives together hold every post."
        ),
    ] = True
    ttl: Annotated[
        int, Meta(description="Minutes that readers are asked to wait before they look again.", ge=15, le=60)
    ] = 15


Points = dict[Name, Annotated[float, Meta(ge=-100, le=100)]]


class WeightSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the operator gives points to; each key counts once a story."""

    tags: Annotated[Points, Meta(description="Points by tag.", examples=[{"央行": 2, "广告": -3}])] = {}
    codes: Annotated[
        Points,
        Meta(
            description="Points by stock or sector, as posts name it; its market may stand in front.",
            examples=[{"BK1036": 1, "BK0475": 0.5}],
        ),
    ] = {}
    sources: Annotated[Points, Meta(description="Points by medium, as posts name it.", examples=[{"新华社": 0.5}])] = {}
    categories: Annotated[
        Points, Meta(description="Points by category, one of those that the digest has.", examples=[{"macro": 1}])
    ] = {}
    words: Annotated[
        Points,
        Meta(
            description="Points by a word in the title; capitals make no difference.",
            examples=[{"突发": 1, "webinar": -2}],
        ),
    ] = {}


class DigestSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One digest: which posts, how often, how much."""

    title: Annotated[
        str,
        Meta(
            description="Title of the digest; without it the site's, with the digest's name if there are several.",
            examples=["财经早报", "Weekly Review"],
        ),
    ] = ""
    subject: Annotated[
        str,
        Meta(
            description="Subject of its mails; without it mail.subject, which says what it may have in it.",
            examples=["早报 {lead}｜{date}", "Daily News | {lead} | {date}"],
            max_length=200,
        ),
    ] = ""
    categories: Annotated[
        Annotated[tuple[Name, ...], Meta(min_length=1)] | None,
        Meta(description="Categories it is made from; without it all.", examples=[["emnews", "macro"]]),
    ] = None
    language: Annotated[
        LanguageTag | None,
        Meta(
            description="Language of its posts; without it all. zh takes zh-CN and zh-TW too; posts that name no "
            "language are in site.language.",
            examples=["zh-CN", "en"],
        ),
    ] = None
    schedule: Annotated[
        DigestRhythm,
        Meta(
            description="When it is due, in the site's time zone.",
            examples=["daily 08:00", "weekdays 07:30", "weekly sat 08:00", "mon wed fri 18:00"],
        ),
    ] = _default(DigestRhythm, "daily 08:00")
    max_age: Annotated[
        Duration,
        Meta(
            description="Posts older than this never enter it. Without it 3 days, or a day more than the longest time "
            "between two of its editions (weekly: 8 days).",
            examples=["3 days", "36 h"],
        ),
    ] = msgspec.field(default_factory=Duration)
    late: Annotated[
        Literal["send", "merge", "skip"],
        Meta(
            description="What becomes of an edition whose time passed while nothing ran: send makes it late, up to "
            "max_lateness; merge puts its posts into the next one; skip mails them in none."
        ),
    ] = "send"
    max_lateness: Annotated[
        Duration,
        Meta(
            description="How late it may still be made. Without it 6 hours with late: send, else half an hour.",
            examples=["6 h"],
        ),
    ] = msgspec.field(default_factory=Duration)
    holidays: Annotated[
        tuple[Dates, ...],
        Meta(
            description="Days without an edition, by the site's calendar; their posts enter the next one.",
            examples=[["2026-10-01..2026-10-08"]],
        ),
    ] = ()
    holidays_file: Annotated[
        Path | None,
        Meta(
            description="File with more of them: a date, or first..last, in each line; # begins a remark.",
            examples=["holidays.txt"],
        ),
    ] = None
    expires_after: Annotated[
        Duration, Meta(description="After this time it is no longer sent to anybody.", examples=["18 h"])
    ] = _default(Duration, "18 h")
    max_bytes: Annotated[
        MailSize,
        Meta(description="The mail's HTML has at most this many bytes, 74000 at the most.", examples=[74000, "60 KB"]),
    ] = _default(MailSize, 74_000)
    max_items: Annotated[
        Annotated[int, Meta(ge=1, le=10_000)] | None,
        Meta(description="The mail shows at most this many posts; without it as many as fit.", examples=[60]),
    ] = None
    minutes: Annotated[
        Annotated[int, Meta(ge=1, le=240)] | None,
        Meta(
            description="The mail takes at most this many minutes to read; without it as long as it takes.",
            examples=[5],
        ),
    ] = None
    group_stories: Annotated[bool, Meta(description="Posts that tell the same story take one place in the mail.")] = (
        True
    )
    weights: Annotated[
        WeightSettings,
        Meta(
            description="Points, by what a post has: a point counts as much as one more medium that tells the story.",
            examples=[{"tags": {"央行": 2, "广告": -3}, "codes": {"BK1036": 1}, "sources": {"新华社": 0.5}}],
        ),
    ] = msgspec.field(default_factory=lambda: WeightSettings())
    quota: Annotated[
        int,
        Meta(
            description="Percent of the mail's posts that a category may have as long as others have some to show.",
            ge=1,
            le=100,
            examples=[40],
        ),
    ] = 40
    source_quota: Annotated[
        int,
        Meta(
            description="Percent of the mail's posts that a medium may have as long as others have some to show.",
            ge=1,
            le=100,
            examples=[30],
        ),
    ] = 100
    send_empty: Annotated[bool, Meta(description="Send it even when there is nothing new.")] = False
    min_items: Annotated[
        int,
        Meta(
            description="With fewer new posts nothing is sent, and they wait for the next edition, as long as none of "
            "them gets older than max_age.",
            ge=1,
            le=1000,
            examples=[5],
        ),
    ] = 1

    def __post_init__(self) -> None:
        if not self.max_age:
            force_setattr(self, "max_age", Duration(days=max(3, self.schedule.longest_gap + 1)))
        if not self.max_lateness:
            force_setattr(self, "max_lateness", Duration(hours=6) if self.late == "send" else Duration(minutes=30))

    @property
    def days_off(self) -> frozenset[date]:
        """Every day without an edition."""
        return frozenset(day for dates in self.holidays for day in dates.days)


class DkimSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How mail is signed (RFC 6376)."""

    keys: Annotated[
        dict[str, Path],
        Meta(
            description="Files with the private keys (PEM, RSA or Ed25519) by selector: the name in DNS. Each signs.",
            min_length=1,
            examples=[{"s2026": "/etc/digest/dkim-rsa.pem", "e2026": "/etc/digest/dkim-ed25519.pem"}],
        ),
    ]
    domain: Annotated[
        Host | None,
        Meta(
            description="The domain that signs; without it the sender's. The sender's domain is this one or below it.",
            examples=["news.example.com", "example.com"],
        ),
    ] = None


class DomainSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the mailboxes of a domain get at the most. What is left out stays as it is."""

    rate: Annotated[Rate | None, Meta(description="Mails per second.", examples=["1/s", "30/min"])] = None
    connections: Annotated[
        Annotated[int, Meta(ge=1, le=50)] | None,
        Meta(description="Mails that are handed over at the same time.", examples=[2]),
    ] = None


class BounceSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Webhooks of digest serve that bounces and complaints come in by."""

    ses_topic: Annotated[
        Annotated[str, Meta(pattern="^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]{1,260}$")] | None,
        Meta(
            description="The Amazon SNS topic that Amazon SES tells bounces and complaints to; no other is believed.",
            examples=["arn:aws:sns:eu-west-1:123456789012:bounces"],
        ),
    ] = None
    secret_env: Annotated[
        Annotated[str, Meta(pattern="^[A-Za-z_][A-Za-z0-9_]*$")] | None,
        Meta(
            description="Environment variable with the secret that others sign their requests with.",
            examples=["DIGEST_BOUNCES_SECRET"],
        ),
    ] = None
    secret_file: Annotated[
        Path | None,
        Meta(
            description="File with that secret, read if the environment variable is not set.",
            examples=["/run/secrets/digest-bounces"],
        ),
    ] = None


class MailSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How mail leaves, from whom and to whom. The password is never kept here."""

    transport: Annotated[
        Literal["folder", "smtp"],
        Meta(description="folder writes .eml files and sends nothing; smtp hands mail to a server."),
    ] = "folder"
    folder: Annotated[
        Path, Meta(description="Where the transport folder puts its .eml files.", examples=["var/outbox"])
    ] = _default(Path, "var/outbox")
    sender: Annotated[
        Mailbox | None,
        Meta(
            description="The From address: one address, with a name if you like. Required with smtp.",
            examples=["财经早报 <digest@news.example.com>"],
        ),
    ] = None
    reply_to: Annotated[
        Mailbox | None,
        Meta(description="Where answers go, if somebody reads them.", examples=["desk@news.example.com"]),
    ] = None
    to: Annotated[
        Mailboxes,
        Meta(
            description="Addresses that always get every digest, without a subscription.",
            examples=[["reader@example.com"], "reader@example.com"],
        ),
    ] = msgspec.field(default_factory=Mailboxes)
    subject: Annotated[
        str,
        Meta(
            description="Subject of digests: {lead} is the main headline, {date} the day, {title} the digest's title, "
            "{count} how many posts are new. Without it {lead} | {date}, as the language writes it.",
            examples=["早报 {lead}｜{date}", "Daily News | {lead} | {date}"],
            max_length=200,
        ),
    ] = ""
    keep_deliveries: Annotated[
        Duration,
        Meta(
            description="After this time it is kept how many of an edition's mails ended how, and no longer which: at "
            "least 31 days, in which reports about them may come back.",
            examples=["35 days", "90 days"],
        ),
    ] = _default(Duration, "35 days")
    postal_address: Annotated[
        str,
        Meta(
            description="Where who sends can be reached by post; it stands in every foot. Many countries ask for it.",
            examples=["财经早报编辑部，上海市世纪大道 100 号，邮编 200120", "Example News, 1 Main Street, Springfield"],
            max_length=300,
        ),
    ] = ""
    host: Annotated[
        Host | None,
        Meta(description="Name of the SMTP server. Required with smtp.", examples=["smtp.example.com"]),
    ] = None
    port: Annotated[
        int,
        Meta(
            description="Port of the SMTP server; without it the usual one: 465 for implicit, 587 for starttls, "
            "25 for none.",
            ge=1,
            le=65535,
            examples=[465, 587],
        ),
    ] = 0
    security: Annotated[
        Literal["implicit", "starttls", "none"],
        Meta(description="TLS from the start, TLS by STARTTLS, or none, which only this machine itself may have."),
    ] = "implicit"
    user: Annotated[
        str | None, Meta(description="Name to log in with; without it no login.", examples=["digest@example.com"])
    ] = None
    password_env: Annotated[
        str,
        Meta(
            description="Environment variable that holds the password.",
            pattern="^[A-Za-z_][A-Za-z0-9_]*$",
            examples=["DIGEST_SMTP_PASSWORD"],
        ),
    ] = "DIGEST_SMTP_PASSWORD"  # noqa: S105 - the name of a variable
    password_file: Annotated[
        Path | None,
        Meta(
            description="File that holds the password, read if the environment variable is not set.",
            examples=["/run/secrets/smtp-password"],
        ),
    ] = None
    ca_file: Annotated[
        Path | None,
        Meta(
            description="Certificates (PEM) to trust instead of the system's.",
            examples=["/etc/ssl/certs/company-ca.pem"],
        ),
    ] = None
    rate: Annotated[
        Rate | None,
        Meta(
            description="Mails per second at the most, to all receivers together. Without it 2 at first, and up to 15 "
            "while they are taken.",
            examples=[10, "10/s", "30/min"],
        ),
    ] = None
    domains: Annotated[
        dict[Name, DomainSettings],
        Meta(
            description="Limits for the mailboxes of single domains, instead of the usual ones of large receivers; "
            "see docs/delivery.md.",
            examples=[{"qq.com": {"rate": "1/s", "connections": 2}}],
        ),
    ] = {}
    connections: Annotated[
        int, Meta(description="Connections to the server at the same time, at the most.", ge=1, le=50)
    ] = 2
    in_doubt: Annotated[
        Literal["resend", "hold"],
        Meta(
            description="What to do when the connection broke and nobody can know whether the server took the mail: "
            "send it again, or hold it until you decide."
        ),
    ] = "resend"
    bounce_address: Annotated[
        Mailbox | None,
        Meta(
            description="Envelope sender: where reports of undeliverable mail go. Without it the sender's address.",
            examples=["bounces@news.example.com"],
        ),
    ] = None
    bounces: Annotated[
        BounceSettings | None,
        Meta(
            description="Webhooks that bounces and complaints come in by, as reports by mail do. Without it none.",
            examples=[{"ses_topic": "arn:aws:sns:eu-west-1:123456789012:bounces"}],
        ),
    ] = None
    dkim: Annotated[
        DkimSettings | None,
        Meta(
            description="Sign mail with keys of your own. Without it the server signs, or nobody.",
            examples=[{"keys": {"s2026": "/etc/digest/dkim-rsa.pem"}}],
        ),
    ] = None
    list_domain: Annotated[
        Host | None,
        Meta(
            description="Domain in List-Id and Message-ID; without it the sender's. Never change it afterwards.",
            examples=["news.example.com"],
        ),
    ] = None

    def __post_init__(self) -> None:
        if not self.port:
            force_setattr(self, "port", PORTS[self.security])

    @property
    def limits(self) -> Limits:
        """What receivers get, by the names that ``receivers`` has for them."""
        given = {
            receiver_of(domain) or domain: Limit(rate=each.rate, connections=each.connections)
            for domain, each in ((Host.parse(written), each) for written, each in self.domains.items())
        }
        return Limits(ceiling=self.rate or FULL_RATE, given=given)


class SubscriptionSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How people subscribe by themselves."""

    enabled: Annotated[
        bool, Meta(description="People can subscribe; without it only the addresses in mail.to get mail.")
    ] = True
    url: Annotated[
        SiteUrl | None,
        Meta(
            description="Address of the subscription pages that digest serve shows; without it /mail under "
            "site.url. Links in mails begin with it, so never change it.",
            examples=["https://news.example.com/mail", "http://127.0.0.1:8000/mail"],
        ),
    ] = None
    sender: Annotated[
        Mailbox | None,
        Meta(
            description="The From address of mails about subscriptions. It is not the one of the digests; without it "
            "subscriptions@ and the domain of mail.sender.",
            examples=["财经早报订阅 <subscriptions@news.example.com>"],
        ),
    ] = None
    weekly_on: Annotated[
        Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
        Meta(description="Day on which subscribers who want one mail a week get what is new since the last."),
    ] = "mon"
    mails_per_address: Annotated[
        int,
        Meta(
            description="Mails of one kind about a subscription that an address gets a day, at the most. Tags after a "
            "plus sign count as one address.",
            ge=1,
            le=50,
        ),
    ] = 3
    signups_per_ip: Annotated[
        int,
        Meta(description="Sign-ups an hour from one IP address (IPv6: from one /64), at the most.", ge=1, le=10_000),
    ] = 10
    signups_total: Annotated[
        int, Meta(description="Sign-ups an hour from everybody together, at the most.", ge=1, le=1_000_000)
    ] = 500
    form_seconds: Annotated[
        int,
        Meta(description="A form that comes back faster was filled in by a program.", ge=0, le=60, examples=[2]),
    ] = 2
    trusted_proxies: Annotated[
        tuple[Network, ...],
        Meta(
            description="Proxies whose X-Forwarded-For is believed: IP addresses or networks.",
            examples=[["127.0.0.1", "10.0.0.0/8"]],
        ),
    ] = ()
    keep_ip: Annotated[
        bool, Meta(description="Keep a shortened IP address with each sign-up, as part of the proof of consent.")
    ] = False
    keep_addresses: Annotated[
        Duration,
        Meta(description="After this time the log of deliveries no longer holds addresses.", examples=["90 days"]),
    ] = _default(Duration, "90 days")
    secret_file: Annotated[
        Path,
        Meta(
            description="File with the secret that signs links in mails; made at first use. The environment variable "
            "DIGEST_SECRET wins over it.",
            examples=["/run/secrets/digest"],
        ),
    ] = _default(Path, "var/secret")


class WatchSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the program watches itself and whom it tells. The token of the status page is never kept here."""

    mail: Annotated[
        Mailbox | None,
        Meta(
            description="Address that alarms are mailed to, by the configured transport.", examples=["ops@example.com"]
        ),
    ] = None
    mails_per_hour: Annotated[
        int, Meta(description="Mails about alarms an hour, at the most; what waits is put into one.", ge=1, le=60)
    ] = 4
    ping_start: Annotated[
        Url | None,
        Meta(
            description="Address that is asked for when a run begins.",
            examples=["https://hc-ping.com/0b1f6a52-0000-4000-8000-000000000000/start"],
        ),
    ] = None
    ping_success: Annotated[
        Url | None,
        Meta(
            description="Address that is asked for when a run went well. A service that expects it raises the alarm "
            "that this program cannot raise: that it does not run.",
            examples=["https://hc-ping.com/0b1f6a52-0000-4000-8000-000000000000"],
        ),
    ] = None
    ping_fail: Annotated[
        Url | None,
        Meta(
            description="Address that is asked for when a run failed.",
            examples=["https://hc-ping.com/0b1f6a52-0000-4000-8000-000000000000/fail"],
        ),
    ] = None
    silence: Annotated[
        bool, Meta(description="Raise an alarm when a category has no posts at a time at which it usually has some.")
    ] = True
    silence_except: Annotated[
        tuple[Name, ...],
        Meta(
            description="Categories that may be silent, and sources, as source:NAME.",
            examples=[["seasonal", "announcements"], ["source:wire"]],
        ),
    ] = ()
    holidays: Annotated[
        tuple[Dates, ...],
        Meta(
            description="Days on which no category is missed, in the site's time zone.",
            examples=[["2026-10-01..2026-10-08"]],
        ),
    ] = ()
    late_after: Annotated[
        Duration, Meta(description="An edition is late when this long after its time there is none.", examples=["1 h"])
    ] = _default(Duration, "30 min")
    min_free: Annotated[
        Size,
        Meta(
            description="Raise an alarm when less is free on the disk of the store or of the output.",
            examples=["500 MB", "2000 MB"],
        ),
    ] = _default(Size, "500 MB")
    token_file: Annotated[
        Path | None,
        Meta(
            description="File with the token that opens the status page and the metrics. The environment variable "
            "DIGEST_WATCH_TOKEN wins over it. Without either there is no status page.",
            examples=["/run/secrets/digest-watch-token"],
        ),
    ] = None

    @property
    def pings(self) -> bool:
        """Whether a service is told of runs."""
        return any((self.ping_start, self.ping_success, self.ping_fail))


class LookSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How mails, pages and notices look; templates can change the rest."""

    accent: Annotated[
        Colour,
        Meta(
            description="Colour of headlines and of the one button, light and dark are made from it. It becomes darker "
            "or lighter until it can be read (WCAG AA); digest check says by how much.",
            examples=["0b5a7a", "a8321c"],
        ),
    ] = _default(Colour, ACCENT.removeprefix("#"))
    logo: Annotated[
        Url | None,
        Meta(
            description="Picture in place of the title in mails and on pages, 28 pixels high and 160 wide at the most.",
            examples=["https://news.example.com/logo-mail.png"],
        ),
    ] = None
    font: Annotated[
        FontFamilies | None,
        Meta(
            description="Typefaces put before those of the language; readers need to have them.",
            examples=["Georgia, Noto Serif SC"],
        ),
    ] = None
    width: Annotated[int, Meta(description="Width of mails in pixels.", ge=480, le=680)] = 600
    footer: Annotated[
        str,
        Meta(
            description="A line or two in every foot.",
            examples=["本邮件不构成投资建议。"],
            max_length=300,
        ),
    ] = ""


class PageSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which pages are made besides those of feeds and editions."""

    index: Annotated[
        bool,
        Meta(
            description="Make index.html at the root of the output: the newest edition's main points, a form for mail, "
            "feeds, past editions. One that somebody else made stays as it is."
        ),
    ] = False


class S3Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the bucket is reached that ``output`` names. Credentials are never kept here."""

    endpoint: Annotated[
        Url | None,
        Meta(
            description="Address of the service, if it is not Amazon's.",
            examples=["https://s3.example.com", "http://127.0.0.1:9000"],
        ),
    ] = None
    region: Annotated[
        Annotated[str, Meta(pattern="^[A-Za-z0-9-]+$")] | None,
        Meta(
            description="Region of the bucket; without it the one that the environment names.",
            examples=["eu-central-1", "auto"],
        ),
    ] = None
    addressing: Annotated[
        Literal["auto", "path", "virtual"],
        Meta(
            description="Where requests name the bucket: in the path, or as part of the host (virtual); auto chooses."
        ),
    ] = "auto"
    compress: Annotated[
        bool,
        Meta(
            description="Store texts compressed with gzip. Set it if readers fetch from the bucket itself, with no CDN "
            "between."
        ),
    ] = False
    max_age: Annotated[
        Duration,
        Meta(
            description="How long readers and CDNs may keep a feed or page: the time between two runs, 15 minutes at "
            "the most.",
            examples=["5 min"],
        ),
    ] = _default(Duration, "5 min")


class Settings(
    Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    rename={
        "categories_as_written": "categories",
        "output_as_written": "output",
        "sources_as_written": "sources",
    },
):
    """The whole configuration. Paths are absolute once it is loaded."""

    site: SiteSettings
    posts: PostSettings = msgspec.field(default_factory=PostSettings)
    categories_as_written: Annotated[
        tuple[Name | CategorySettings, ...] | dict[str, str | None],
        Meta(
            description="Titles and order of the categories: names, or names with titles. Without it every category "
            "that posts have, by name.",
            examples=[["emnews", "macro"], [{"name": "emnews", "title": "东财滚动新闻"}], {"emnews": "东财滚动新闻"}],
        ),
    ] = ()
    sources_as_written: Annotated[
        tuple[FolderSourceSettings | FeedSourceSettings, ...],
        Meta(
            description="Where posts come from besides posts.folder: further folders, feeds of other sites, what "
            "plug-ins bring. With sources and without posts.folder written, there is no such folder.",
            examples=[[{"kind": "feed", "name": "wire", "url": "https://wire.example.com/feed.xml"}]],
        ),
    ] = ()
    feeds: FeedSettings = msgspec.field(default_factory=FeedSettings)
    digests: Annotated[
        dict[str, DigestSettings],
        Meta(
            description="The digests by name. Without it there is one named daily, of all categories.",
            examples=[{"daily": {"schedule": "daily 08:00"}, "weekly": {"schedule": "weekly sat 08:00"}}],
        ),
    ] = {}
    mail: MailSettings = msgspec.field(default_factory=MailSettings)
    channels: Annotated[
        tuple[ConfiguredChannel, ...],
        Meta(
            description="Where editions go besides mail.",
            examples=[[{"kind": "webhook", "name": "team-chat", "digest": "daily", "url_env": "TEAM_CHAT_URL"}]],
        ),
    ] = ()
    subscriptions: SubscriptionSettings = msgspec.field(default_factory=SubscriptionSettings)
    store: Annotated[
        StoreUrl,
        Meta(
            description="The database. The environment variable DIGEST_STORE wins over it, so that a password need "
            "not stand in the file.",
            examples=["sqlite:///var/digest.db", "postgresql://digest@localhost/digest"],
        ),
    ] = _default(StoreUrl, "sqlite:///var/digest.db")
    output_as_written: Annotated[
        Destination,
        Meta(
            description="Where pages and feeds go: a folder that a web server serves, or a bucket of S3 or the like.",
            examples=["public", "s3://news-site/digest"],
        ),
    ] = _default(Destination, "public")
    s3: S3Settings = msgspec.field(default_factory=S3Settings)
    watch: WatchSettings = msgspec.field(default_factory=WatchSettings)
    pages: PageSettings = msgspec.field(default_factory=PageSettings)
    look: LookSettings = msgspec.field(default_factory=LookSettings)
    templates: Annotated[
        Path | None,
        Meta(description="Folder of your own templates; each file replaces the one of that name.", examples=["looks"]),
    ] = None

    def __post_init__(self) -> None:
        force_setattr(self, "digests", _titled(self.digests or {"daily": DigestSettings()}, self.site.title))

    @property
    def categories(self) -> tuple[CategorySettings, ...]:
        """In the order to show them, each with a title; empty if every category counts."""
        written = self.categories_as_written
        if isinstance(written, dict):
            return tuple(CategorySettings(name=name, title=title or name) for name, title in written.items())
        return tuple(
            CategorySettings(name=item, title=item)
            if isinstance(item, str)
            else CategorySettings(name=item.name, title=item.title or item.name, schedule=item.schedule)
            for item in written
        )

    @property
    def sources(self) -> tuple[AnySource, ...]:
        """Those besides ``posts.folder``, in their order."""
        return self.sources_as_written

    @property
    def output(self) -> Path | S3Url:
        """The folder, or the place in a bucket, that pages and feeds go to."""
        return self.output_as_written.place

    @property
    def theme(self) -> Theme:
        """How mails, pages and notices look."""
        look = self.look
        return Theme(
            accent=str(look.accent),
            logo=str(look.logo or ""),
            font=str(look.font or ""),
            width=look.width,
            footer=look.footer.strip(),
            postal_address=self.mail.postal_address.strip(),
        )

    @property
    def feeds_url(self) -> str:
        """Address under which ``output`` is served, without a slash at its end."""
        return self.feeds.url or self.site.url

    @property
    def subscriptions_url(self) -> str:
        """Address of the subscription pages, without a slash at its end."""
        return self.subscriptions.url or f"{self.site.url}/mail"

    @property
    def mail_form(self) -> str:
        """Address of the form that public pages lead to; empty while nobody wrote where it is."""
        written = self.subscriptions
        return f"{written.url}/" if written.enabled and written.url else ""

    @property
    def subscriptions_sender(self) -> Mailbox:
        """The From address of mails about subscriptions."""
        if self.subscriptions.sender is not None:
            return self.subscriptions.sender
        name = f"{self.sender.name} " if self.sender.name else ""
        return Mailbox(f"{name}<subscriptions@{self.sender.domain}>" if name else f"subscriptions@{self.sender.domain}")

    @property
    def dkim_domain(self) -> str:
        """The domain that signs mail, as an A-label."""
        named = self.mail.dkim.domain if self.mail.dkim is not None else None
        return str(named or self.sender.domain)

    @property
    def sender(self) -> Mailbox:
        """The From address. Without one (transport ``folder`` only) it is made from the site."""
        if self.mail.sender is not None:
            return self.mail.sender
        host = self.site.url.host
        is_name = ":" not in host and not host.rpartition(".")[2].isdigit()
        return Mailbox(f"{self.site.title} <digest@{host if is_name else 'localhost'}>")


def _titled(digests: dict[str, DigestSettings], site_title: str) -> dict[str, DigestSettings]:
    several = len(digests) > 1
    return {
        name: digest
        if digest.title
        else msgspec.structs.replace(digest, title=f"{site_title} {name}" if several else site_title)
        for name, digest in digests.items()
    }
