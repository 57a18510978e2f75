"""Who reads what, and how they want it: addresses, choices, states; when a subscriber's mail is due.

Pure. An address is kept twice: as it was typed (its domain as A-labels, RFC 5890), which mail is sent to, and in a
canonical form, by which two spellings of one mailbox are known to be the same.

States of a subscriber and a list:  pending -> active -> unsubscribed -> pending …
States of an address:           normal, held (its mailbox bounces for now), suppressed, erased (nothing is left)
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo, available_timezones

from msgspec import Struct, field
from msgspec.structs import replace

from digest.models import Verdict
from digest.period import daily, slots_between

CONFIRM_WITHIN = timedelta(days=7)
"""How long the link of a sign-up can be used."""
FORGET_UNCONFIRMED = timedelta(days=14)
FRESH = timedelta(hours=1)
"""How long the link to a subscriber's data can be used."""

_ADDRESS_LIMIT, _LOCAL_LIMIT = 254, 64
"""Octets (RFC 5321 section 4.5.3.1)."""


class ListState(StrEnum):
    """Of one subscriber and one digest."""

    PENDING = "pending"
    """Asked for, not confirmed."""
    ACTIVE = "active"
    UNSUBSCRIBED = "unsubscribed"


class Frequency(StrEnum):
    DAILY = "daily"
    """Every edition."""
    WEEKLY = "weekly"
    """One mail a week that sums up what is new."""


class Less(StrEnum):
    """Ways to get less mail that stand beside leaving."""

    WEEKLY = "weekly"
    SHORT_PAUSE = "pause 14"
    PAUSE = "pause"


PAUSES = {Less.SHORT_PAUSE: timedelta(days=14), Less.PAUSE: timedelta(days=30)}
"""How long there is no mail then."""


class SuppressionReason(StrEnum):
    """Why an address is suppressed."""

    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    MANUAL = "manual"


class Origin(StrEnum):
    """How a subscription came about."""

    FORM = "form"
    IMPORT = "import"
    OPERATOR = "operator"
    MOVE = "move"
    """A new address for what was read before."""


class ActionRequest(StrEnum):
    """What a subscriber needs a fresh link for."""

    EXPORT = "export"
    ERASE = "erase"
    MOVE = "move"
    """To name a new address."""
    ARRIVE = "arrive"
    """To confirm a new address; mailed to that one."""


ASKABLE = (ActionRequest.EXPORT, ActionRequest.ERASE, ActionRequest.MOVE)
"""What the preference page offers."""


class Notice(StrEnum):
    """Kinds of mail about a subscription."""

    CONFIRM = "confirm"
    ALREADY = "already"
    EXPORT = "export"
    ERASE = "erase"
    MOVE = "move"
    ARRIVE = "arrive"
    MOVED = "moved"
    """Told to the old address."""


# ---------------------------------------------------------------- addresses


class InvalidAddress(ValueError):
    """Not an address that mail can be sent to. Says why, in English, without repeating it."""


class MailAddress(Struct, frozen=True, kw_only=True):
    """One mailbox."""

    address: str
    """As typed, with its domain in lower case and as A-labels: what mail is sent to."""
    canonical: str
    """For comparing: composed and without case as well."""


def parse_address(text: str) -> MailAddress:
    """An address from a form, a file or the command line. Spaces around it do not count.

    Refused: controls, invisible characters, quoted local parts, address literals, anything over 254 octets (64 before
    the @). Raises InvalidAddress.
    """
    from email_validator import EmailNotValidError, validate_email  # late: few runs need it

    typed = text.strip()
    if len(typed) > _ADDRESS_LIMIT:
        raise InvalidAddress("it is too long")
    if any(unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for sign in typed):
        raise InvalidAddress("it holds an invisible character")
    try:
        parts = validate_email(typed, check_deliverability=False)
    except EmailNotValidError as error:
        raise InvalidAddress(str(error).rstrip(".").lower()) from error
    local, domain = typed.rpartition("@")[0], parts.ascii_domain
    if len(local.encode()) > _LOCAL_LIMIT or len(local.encode()) + 1 + len(domain) > _ADDRESS_LIMIT:
        raise InvalidAddress("it is too long")
    folded = unicodedata.normalize("NFC", local).casefold()
    return MailAddress(address=f"{local}@{domain}", canonical=f"{unicodedata.normalize('NFC', folded)}@{domain}")


def mailbox(canonical: str) -> str:
    """Where an address's mail usually ends up, for limits alone: what follows a plus sign is a tag of its owner's
    (RFC 5233). Two tags are two subscribers all the same."""
    local, _, domain = canonical.rpartition("@")
    bare = local.partition("+")[0]
    return f"{bare}@{domain}" if bare else canonical


def canonical(address: str) -> str:
    """The canonical form of any address, also of one that is only good in a local network."""
    if address.isascii() and address == address.strip():  # nothing to compose; a test holds it to what follows
        return address.lower()
    try:
        return parse_address(address).canonical
    except InvalidAddress:
        return address.casefold()


# ------------------------------------------------------------------ choices


class Preferences(Struct, frozen=True, kw_only=True):
    """How a subscriber wants their mail. The same for all of their digests."""

    frequency: Frequency = Frequency.DAILY
    hour: int | None = None
    """Local hour at which mail may leave at the earliest, 0 to 23; None: as soon as an edition is made."""
    zone: str = ""
    """IANA name; empty for the site's."""
    paused_until: date | None = None
    """No mail before this local date."""


def lessened(preferences: Preferences, less: Less, today: date) -> Preferences:
    """The same preferences with less mail. ``today`` is the subscriber's local date, from which a pause counts;
    one that lasts longer stays."""
    if less is Less.WEEKLY:
        return replace(preferences, frequency=Frequency.WEEKLY)
    return replace(preferences, paused_until=max(today + PAUSES[less], preferences.paused_until or today))


class Choice(Struct, frozen=True, kw_only=True):
    """A digest, and which categories of it: none named means all."""

    digest: str
    categories: tuple[str, ...] = ()


class Offer(Struct, frozen=True, kw_only=True):
    """A digest that subscribers can choose."""

    digest: str
    title: str
    categories: tuple[tuple[str, str], ...] = ()
    """Name and title of each category that can be chosen."""
    weekly: bool = False
    """It can be had once a week instead of as often as it appears."""

    def choice(self, categories: Iterable[str]) -> Choice:
        """A choice within the offer: unknown names are dropped, all of them are the same as none."""
        wanted = set(categories)
        known = [name for name, _ in self.categories]
        chosen = tuple(name for name in known if name in wanted)
        return Choice(digest=self.digest, categories=() if len(chosen) == len(known) else chosen)


def weekly_name(digest: str) -> str:
    """What the digest is called that sums up another one for subscribers who want one mail a week."""
    return f"{digest}--weekly"


# ------------------------------------------------------------------ subscribers


class Subscription(Struct, frozen=True, kw_only=True):
    """One subscriber's subscription to one digest."""

    digest: str
    list_key: int
    state: ListState
    categories: tuple[str, ...] = ()
    since: datetime
    """When it came into this state, UTC."""


class Subscriber(Struct, frozen=True, kw_only=True):
    """A subscriber as the store keeps them."""

    key: int
    address: str
    created_at: datetime
    preferences: Preferences = field(default_factory=Preferences)
    subscriptions: tuple[Subscription, ...] = ()
    suppressed: SuppressionReason | None = None
    held_until: datetime | None = None
    """The mailbox bounces; one mail is tried after this time."""

    @property
    def active(self) -> tuple[Subscription, ...]:
        return tuple(each for each in self.subscriptions if each.state is ListState.ACTIVE)

    @property
    def choices(self) -> tuple[Choice, ...]:
        """What is read now."""
        return tuple(Choice(digest=each.digest, categories=each.categories) for each in self.active)

    def to(self, digest: str) -> Subscription | None:
        return next((each for each in self.subscriptions if each.digest == digest), None)


class Consent(Struct, frozen=True, kw_only=True):
    """What somebody agreed to: the proof of a subscription."""

    key: int = 0
    """Given by the store."""
    address: str
    canonical: str
    origin: Origin
    asked_at: datetime
    text: str
    """The words that stood above the button, or the source that an operator named."""
    choices: tuple[Choice, ...]
    preferences: Preferences = field(default_factory=Preferences)
    ip: str = ""
    """Shortened; empty unless the operator keeps it."""
    confirmed_at: datetime | None = None


class Entrant(Struct, frozen=True, kw_only=True):
    """Somebody whose consent the operator vouches for."""

    given: Consent
    hashed: str
    """Keyed hash of their canonical address."""
    pause_ends: datetime | None = None
    """The moment of ``given.preferences.paused_until``."""


class Suppression(Struct, frozen=True, kw_only=True):
    """An address that is never written to."""

    hashed: str
    reason: SuppressionReason
    since: datetime
    note: str = ""


class Carried(Struct, frozen=True, kw_only=True):
    """A line of our own list as it was exported: somebody, one of their subscriptions, one proof of consent."""

    to: MailAddress
    hashed: str
    created_at: datetime
    preferences: Preferences
    pause_ends: datetime | None = None
    choice: Choice | None
    state: ListState
    """Of ``choice``."""
    since: datetime
    proof: Consent | None
    suppression: Suppression | None


class Kept(Struct, frozen=True, kw_only=True):
    """Somebody of another list who must not become active."""

    to: MailAddress
    hashed: str
    """Keyed hash of their canonical address."""
    choices: tuple[Choice, ...]
    """What they left."""
    since: datetime
    reason: SuppressionReason | None = None
    """Why they are suppressed; None if they only left."""


class Request(Struct, frozen=True, kw_only=True):
    """A fresh link that was asked for."""

    subscriber: int
    errand: ActionRequest
    asked_at: datetime
    used: bool
    address: str = ""
    """The new address (``ActionRequest.ARRIVE``)."""


class EditionSubscriber(Struct, frozen=True, kw_only=True):
    """Somebody who gets an edition."""

    address: str
    canonical: str
    key: int
    list_key: int
    preferences: Preferences
    selection: str = ""
    """Of the edition's posts (``edition.selection``)."""


class Addressee(Struct, frozen=True, kw_only=True):
    """Whom a delivery of ours went to, as a bounce of it is told."""

    delivery: int
    address: str
    subscriber: int | None
    frozen_at: datetime
    probe: bool = False
    """It was the one mail that is tried after a hold."""


class RefusedDelivery(Struct, frozen=True, kw_only=True):
    """A delivery that a server refused in the dialogue."""

    to: Addressee
    name: str
    """The same whenever the same refusal is looked at."""
    code: int | None
    enhanced: str
    text: str
    verdict: Verdict
    at: datetime


DIALOGUE = "smtp "
"""Begins the name of a refusal that a server said while mail was handed over."""

NOTICES = "@notice"
"""What mails about subscriptions have in place of a digest where everything is listed. No digest has such a name."""
FORGOTTEN = "gone:"
"""Begins what stands in a delivery in place of an address that is no longer kept."""


class Traces(Struct, frozen=True, kw_only=True):
    """What leads to one person outside of the tables about them."""

    addresses: tuple[str, ...]
    """In every spelling that is known, earlier ones too."""
    message_ids: tuple[str, ...]
    """Of all mail to them that is still known."""
    under_way: tuple[int, ...]
    """Deliveries that are just being handed over, by key."""


class Limit(Struct, frozen=True, kw_only=True):
    """How many of a kind of thing somebody may cause within some time."""

    kind: str
    who: str
    """A keyed hash, or empty for everybody together."""
    most: int
    within: timedelta


class Standing(Struct, frozen=True, kw_only=True):
    """All that decides what becomes of a sign-up."""

    subscriber: Subscriber | None = None
    suppressed: bool = False
    notices: Mapping[Notice, int] = field(default_factory=dict)
    """How many of each kind went to the address within a day."""


class Answer(StrEnum):
    """What becomes of a sign-up."""

    NOTHING = "nothing"
    CONFIRM = "confirm"
    """A mail asks for confirmation."""
    ALREADY = "already"
    """A mail says that there is nothing to do."""
    WAIT = "wait"
    """It is noted, and no further mail is sent today."""


def answer(consent: Consent, standing: Standing, *, mails_a_day: int) -> Answer:
    """What to do about a sign-up. Whoever asked is told the same in every case."""
    if standing.suppressed:
        return Answer.NOTHING
    known = {each.digest for each in standing.subscriber.active} if standing.subscriber else set()
    if known.issuperset(choice.digest for choice in consent.choices):
        return Answer.NOTHING if standing.notices.get(Notice.ALREADY, 0) else Answer.ALREADY
    return Answer.CONFIRM if standing.notices.get(Notice.CONFIRM, 0) < mails_a_day else Answer.WAIT


# --------------------------------------------------------------------- time


def is_zone(name: str) -> bool:
    """Whether it is a time zone of the IANA database."""
    return name in available_timezones()


def zone_of(preferences: Preferences, site: ZoneInfo) -> ZoneInfo:
    return ZoneInfo(preferences.zone) if preferences.zone else site


def not_before(preferences: Preferences, site: ZoneInfo, *, slot: datetime, made: datetime) -> datetime:
    """When an edition of a slot, made at ``made``, may go to a subscriber (UTC): at once, or at the first time after
    the slot at which their clock shows their hour; never before it is made."""
    if preferences.hour is None:
        return made
    zone = zone_of(preferences, site)
    before = slot - timedelta(microseconds=1)
    times = slots_between(daily(time(preferences.hour)), zone, before, slot + timedelta(days=3))
    return max(times[0].at, made)


def pause_end(preferences: Preferences, site: ZoneInfo) -> datetime | None:
    """The moment at which the pause is over by the subscriber's own calendar (UTC)."""
    if preferences.paused_until is None:
        return None
    return datetime.combine(preferences.paused_until, time(0), zone_of(preferences, site)).astimezone(UTC)
