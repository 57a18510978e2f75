"""The question before a store is used: whether it, the site, the posts and the output belong together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from digest.app.places import output_of, posts_folder
from digest.config import Settings
from digest.errors import OutputError, Refused
from digest.jobs.belonging import Claim, refuse_another_site, refuse_lost, refuse_no_folder

if TYPE_CHECKING:
    from digest.store import SqlStore


class Consents(Struct, frozen=True, kw_only=True):
    """What the operator says once, for one run."""

    site_moved: bool = False
    """It is the same site, however little of it the store knows."""
    start_afresh: bool = False
    """The store is empty, and that is all right."""


class Admission(Struct, frozen=True, kw_only=True):
    """Satisfies ``store.Admit``: raises Refused before anything is touched."""

    settings: Settings
    collects: bool = True
    """The posts folder is needed, unless it was there before."""
    may_be_new: bool = False
    """What is done may come before the first run, so an empty store is no loss; the run will see."""
    consents: Consents = Consents()

    def __call__(self, store: SqlStore | None) -> None:
        for ask in self._questions(store):
            ask()

    def faults(self, store: SqlStore | None) -> list[Refused]:
        """Everything that it would refuse. Raises StoreError."""
        found = []
        for ask in self._questions(store):
            try:
                ask()
            except Refused as fault:
                found.append(fault)
        return found

    def _questions(self, store: SqlStore | None) -> Iterator[Callable[[], None]]:
        has_folder = self.settings.posts.has_folder
        if store is not None and not self.consents.site_moved:
            source = posts_folder(self.settings) if has_folder else None
            yield lambda: refuse_another_site(store, claim_of(self.settings), source)
        if not (self.may_be_new or self.consents.start_afresh):
            yield lambda: self._refuse_lost(store)
        if self.collects and has_folder and (store is None or not store.knows_posts()):
            yield lambda: refuse_no_folder(posts_folder(self.settings))

    def _refuse_lost(self, store: SqlStore | None) -> None:
        from digest.config.values import hide_password

        settings = self.settings
        try:
            refuse_lost(
                store,
                output_of(settings),
                place=str(settings.output),
                store_place=str(settings.store.path or hide_password(settings.store.url)),
            )
        except OutputError as error:  # nobody can know
            raise Refused(error.subject, error.cause, error.remedy) from error


def claim_of(settings: Settings) -> Claim:
    return Claim(site=str(settings.site.url), folder=os.path.normpath(settings.posts.folder))
