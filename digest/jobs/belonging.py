"""Whether store, site, posts and output belong together: asked before anything is touched.

A store keeps the address of its site and where its posts lay (``take_on``), and an output a mark that this program
publishes there (``mark``). Another site on the same store would withdraw every post of the first one; an empty store
beside an output that has the mark is a lost one, and would mail everybody again.
"""

from __future__ import annotations

from itertools import islice
from typing import Protocol
from urllib.parse import urlsplit

from msgspec import Struct

from digest.errors import Refused, SourceError
from digest.ports import Output, PostStore, Source

MARK = ".digest"
"""The file in the output. Hidden: no web server of ours shows it, no feed is called so."""
_SITE, _FOLDER = "site", "posts folder"
"""Names of what the store keeps."""
_AT_ONCE = 2_000
_PORTS = {"http": 80, "https": 443}


class BelongingStore(PostStore, Protocol):
    """What is needed of the store."""

    @property
    def subject(self) -> str: ...

    def knows_posts(self) -> bool: ...

    def recall(self, name: str) -> str | None: ...

    def remember(self, name: str, value: str) -> None: ...


class Claim(Struct, frozen=True, kw_only=True):
    """Whose store it should be."""

    site: str
    """The site's address."""
    folder: str
    """Where its posts lie."""


def place_of(address: str) -> str:
    """What makes an address that of a site: host and path. Scheme, ``www.``, case and slashes at the end do not."""
    parts = urlsplit(address)
    host = (parts.hostname or "").removeprefix("www.")
    port = f":{parts.port}" if parts.port not in (None, _PORTS.get(parts.scheme)) else ""
    return f"{host}{port}{parts.path.rstrip('/')}".casefold()


# ----------------------------------------------------------------- refusals


def refuse_another_site(store: BelongingStore, claim: Claim, source: Source | None) -> None:
    """A store of a site with another address and other posts is not ours. One that knows no site or no post yet may be
    anybody's who looks into the same folder. Raises Refused."""
    site, folder = store.recall(_SITE), store.recall(_FOLDER) or ""
    if site is None or place_of(site) == place_of(claim.site):
        return
    is_same = _knows_one(store, source) if source is not None and store.knows_posts() else folder == claim.folder
    if is_same:
        return
    raise Refused(
        store.subject,
        f"belongs to {site} (posts in {folder}); this configuration is for {claim.site} (posts in {claim.folder}), "
        "and that store knows none of these posts",
        "give this site a store of its own (store, or DIGEST_STORE in the environment); if it is the same site, moved "
        "in every way: digest run --site-moved",
    )


def _knows_one(store: BelongingStore, source: Source) -> bool:
    """Whether one of the posts there has the path of a post that the store knows and that is not gone: who was
    withdrawn for another site does not come back by itself."""
    try:
        paths = source.scan().files
    except SourceError:
        return False
    rest = iter(paths)
    while some := list(islice(rest, _AT_ONCE)):
        if any(post.gone_at is None for post in store.posts_at(some).values()):
            return True
    return False


def refuse_lost(store: BelongingStore | None, output: Output, *, place: str, store_place: str) -> None:
    """A store that has never seen a run beside an output that has: it was lost. ``place`` and ``store_place`` name
    output and store. Raises Refused, OutputError."""
    if store is not None and (store.recall(_SITE) is not None or store.knows_posts()):
        return
    if not output.exists(MARK):
        return
    state = "is empty" if store is not None else "is not there"
    raise Refused(
        place,
        f"holds what digest has published, but the store that knows of it ({store_place}) {state}",
        "put it back: digest restore BACKUP; or begin anew, with a first edition for everybody and without those who "
        "have subscribed: digest run --start-afresh",
    )


def refuse_no_folder(source: Source) -> None:
    """Before the first post is known, a folder that cannot be looked into is a mistake in the configuration. Raises
    Refused."""
    try:
        listing = source.scan()
    except SourceError as error:
        raise Refused(error.subject, error.cause, error.remedy) from error
    if listing.unreadable and not listing.files:
        first = listing.problems[0]
        raise Refused("posts.folder", f"{first.path}: {first.reason}", first.remedy)


# ------------------------------------------------------------ what is kept


def take_on(store: BelongingStore, claim: Claim) -> list[str]:
    """The store is this site's from now on. Returns a warning if it was another address's."""
    site = store.recall(_SITE)
    if site is None or place_of(site) != place_of(claim.site):
        store.remember(_SITE, claim.site)
    if store.recall(_FOLDER) != claim.folder:
        store.remember(_FOLDER, claim.folder)
    if site is None or place_of(site) == place_of(claim.site):
        return []
    return [f"site.url: was {site}, is {claim.site} now: links and addresses change, ids stay as they are"]


def mark(output: Output, site: str) -> None:
    """Leave the mark in an output that has none. Raises OutputError."""
    if not output.exists(MARK):
        output.write(
            MARK,
            f"digest publishes here, for {site}\n"
            "This file tells a store that was lost from one that is new; please leave it.\n".encode(),
        )
