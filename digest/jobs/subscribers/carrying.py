"""Our own list as a file: what an export writes of a person, and what an import reads of it again.

A line is a subscription, and one proof of consent as JSON beside it; whoever has more proofs than subscriptions has
lines with a proof alone. Import into an empty store gives the same people again. Whoever is erased and suppressed is a
line with a hash, which says something to the same secret only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import zip_longest
from typing import TypeVar

from msgspec import DecodeError
from msgspec.json import decode, encode
from msgspec.structs import replace

from digest.subscribers.columns import COLUMNS
from digest.subscribers.fates import moment_of
from digest.subscribers.subscription import (
    Carried,
    Choice,
    Consent,
    ListState,
    MailAddress,
    Origin,
    Preferences,
    Subscriber,
    Suppression,
    SuppressionReason,
)

Value = TypeVar("Value", ListState, SuppressionReason, Origin)


def rows_of(
    subscriber: Subscriber, consents: Sequence[Consent], suppression: Suppression | None, key: str, hashed: str
) -> Iterator[tuple[str, ...]]:
    """The lines of one person."""
    wishes = subscriber.preferences
    person = _suppressed(suppression) | {
        "address": subscriber.address,
        "frequency": wishes.frequency.value,
        "hour": "" if wishes.hour is None else str(wishes.hour),
        "zone": wishes.zone,
        "paused_until": wishes.paused_until.isoformat() if wishes.paused_until else "",
        "created_at": subscriber.created_at.isoformat(),
        "key": key,
        "hash": hashed,
    }
    for each, given in zip_longest(subscriber.subscriptions or [None], consents):
        cells = dict(person)
        if each is not None:
            proofs = [one for one in consents if each.digest in {choice.digest for choice in one.choices}]
            cells |= _proof(next((one for one in reversed(proofs) if one.confirmed_at), None))
            cells |= {"digest": each.digest, "state": each.state.value, "since": each.since.isoformat()}
            cells["categories"] = "|".join(each.categories)
        if given is not None:
            cells["proof"] = encode(replace(given, key=0)).decode()
        yield tuple(cells.get(name, "") for name in COLUMNS)


def row_of_hash(suppression: Suppression, key: str) -> tuple[str, ...]:
    """The line of somebody whose address is not known any more."""
    cells = _suppressed(suppression) | {"key": key, "hash": suppression.hashed}
    return tuple(cells.get(name, "") for name in COLUMNS)


def _suppressed(suppression: Suppression | None) -> dict[str, str]:
    if suppression is None:
        return {}
    return {
        "suppressed": suppression.reason.value,
        "suppressed_at": suppression.since.isoformat(),
        "suppressed_note": suppression.note,
    }


def _proof(given: Consent | None) -> dict[str, str]:
    """For people to read."""
    if given is None:
        return {}
    return {
        "consent": given.origin.value,
        "asked_at": given.asked_at.isoformat(),
        "confirmed_at": given.confirmed_at.isoformat() if given.confirmed_at else "",
        "consent_text": given.text,
        "consent_ip": given.ip,
    }


# ------------------------------------------------------------------ reading


def carried(
    cells: Mapping[str, str], to: MailAddress, hashed: str, preferences: Preferences, now: datetime
) -> Carried | None:
    """A line that was exported; None if it is active without proof of consent. Raises ValueError."""
    state = _one_of(ListState, "state", cells)
    suppression = suppression_of(cells, hashed, now)
    if state is ListState.ACTIVE and suppression is None and not cells.get("confirmed_at"):
        return None
    categories = tuple(name for name in cells.get("categories", "").split("|") if name)
    choice = Choice(digest=cells["digest"], categories=categories) if cells["digest"] else None
    if (choice is None) != (state is None):
        raise ValueError("digest and state belong together; leave both as they were exported")
    return Carried(
        to=to,
        hashed=hashed,
        created_at=_moment("created_at", cells, now),
        preferences=preferences,
        choice=choice,
        state=state or ListState.UNSUBSCRIBED,
        since=_moment("since", cells, now),
        proof=_given(cells, to, choice, preferences, now),
        suppression=suppression,
    )


def suppression_of(cells: Mapping[str, str], hashed: str, now: datetime) -> Suppression | None:
    """Raises ValueError."""
    reason = _one_of(SuppressionReason, "suppressed", cells)
    if reason is None:
        return None
    since = _moment("suppressed_at", cells, now)
    return Suppression(hashed=hashed, reason=reason, since=since, note=cells.get("suppressed_note", ""))


def _given(
    cells: Mapping[str, str], to: MailAddress, choice: Choice | None, preferences: Preferences, now: datetime
) -> Consent | None:
    """The proof of a line. Earlier versions wrote it in columns only."""
    if cells.get("proof"):
        try:
            given = decode(cells["proof"], type=Consent)
            for moment in (given.asked_at, given.confirmed_at or now):
                moment_of(moment.isoformat())
            return replace(given, key=0, canonical=to.canonical)
        except (DecodeError, ValueError) as error:
            raise ValueError(f"proof cannot be read ({error}); leave it as it was exported") from error
    if "proof" in cells or choice is None or not cells.get("confirmed_at"):
        return None
    return Consent(
        address=to.address,
        canonical=to.canonical,
        origin=_one_of(Origin, "consent", cells) or Origin.IMPORT,
        asked_at=_moment("asked_at", cells, now),
        text=cells.get("consent_text", ""),
        choices=(choice,),
        preferences=preferences,
        ip=cells.get("consent_ip", ""),
        confirmed_at=_moment("confirmed_at", cells, now),
    )


def _one_of(kind: type[Value], name: str, cells: Mapping[str, str]) -> Value | None:
    word = cells.get(name, "")
    try:
        return kind(word) if word else None
    except ValueError as error:
        raise ValueError(f"{name} is {', '.join(kind)}, not {word!r}") from error


def _moment(name: str, cells: Mapping[str, str], now: datetime) -> datetime:
    """Now, if the line does not say."""
    text = cells.get(name, "")
    try:
        return moment_of(text) if text else now
    except ValueError as error:
        raise ValueError(f"{name} is a time such as 2026-11-24T08:00:00+00:00, not {text!r}") from error
