"""Digests that are made for nothing: none of their categories ever had a post, or nobody gets them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from msgspec import Struct

_SHOWN = 5
"""Categories that are named."""


class IdleStore(Protocol):
    """What is needed of the store."""

    def knows_posts(self) -> bool: ...

    def categories_among(self, names: Sequence[str]) -> set[str]:
        """Which of these categories ever had a post."""
        ...

    def is_read(self, digest: str) -> bool:
        """Whether anybody has an active subscription to it."""
        ...


class Purpose(Struct, frozen=True, kw_only=True):
    """What a digest is for, by the configuration."""

    digest: str
    categories: tuple[str, ...] | None
    """None: every category."""
    is_mailed: bool
    """``mail.to`` names somebody, or a channel gets it."""
    has_subscribers: bool
    """People can subscribe."""


class Idle(Struct, frozen=True, kw_only=True):
    """Why a digest is made for nothing."""

    digest: str
    says: str
    remedy: str

    def __str__(self) -> str:
        return f"digest {self.digest}: {self.says}; {self.remedy}"


def idle_digests(store: IdleStore, purposes: Iterable[Purpose]) -> Iterator[Idle]:
    """Those of these digests, each perhaps for both reasons. Raises StoreError."""
    for each in purposes:
        if each.categories and store.knows_posts() and not store.categories_among(each.categories):
            more = len(each.categories) - _SHOWN
            named = ", ".join(each.categories[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
            which = "its category has" if len(each.categories) == 1 else "none of its categories has"
            says = f"{which} ever had a post: {named}"
            yield Idle(digest=each.digest, says=says, remedy=f"correct digests.{each.digest}.categories")
        if not each.is_mailed and not (each.has_subscribers and store.is_read(each.digest)):
            says = "nobody gets it: mail.to names nobody, and nobody has subscribed"
            yield Idle(digest=each.digest, says=says, remedy="name an address in mail.to, or let people subscribe")
