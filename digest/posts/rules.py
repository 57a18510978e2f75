"""What a site decides about its posts: zone, addresses, ids, and which posts to leave out."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import fields, replace

from digest.posts import jekyllsite
from digest.posts.hexosite import NO_SITE as NO_HEXO
from digest.posts.hexosite import HexoSite
from digest.posts.hugosite import NO_SITE, HugoSite
from digest.posts.jekyllsite import JekyllSite

READING = "5"
"""Part of every fingerprint. Raise it when a change of this package makes known files read differently."""


_LATER = ("item_categories", "item_text", "own_categories", "hidden_by", "hexo", "builder_zone")
"""Rules that some sources have, and no others: their fingerprint stays."""


class Rules(Struct, frozen=True, kw_only=True):
    """How files become posts. Everything but ``now`` belongs to the fingerprint."""

    site_url: str
    """``https://host`` or ``https://host/base``, the prefix of every post's address."""
    timezone: ZoneInfo
    """Decides the day in addresses, and the zone of dates that name none."""
    kind: str = "jekyll"
    """``jekyll``, ``hugo`` or ``hexo``: whose habits the files follow."""
    permalink: str = "date"
    """A Jekyll style name or a template. For Hugo and Hexo a style name means the generator's own default."""
    future: bool = False
    """Take posts dated later than ``now``."""
    unpublished: bool = False
    """Take posts with ``published: false``."""
    drafts: bool = False
    """Take drafts."""
    id_scheme: str = "jekyll-feed"
    """``jekyll-feed``, ``permalink`` or ``tag``."""
    id_base: str = ""
    """Prefix of ids instead of ``site_url``; stays when the site moves."""
    id_authority: str = ""
    """Authority of ``tag:`` ids; empty: the host of the id base."""
    id_nfkc: bool = False
    """Fold compatibility characters in ids, as jekyll-feed did with Addressable up to 2.8.1."""
    lang: str = "en"
    """The site's language (BCP 47)."""
    item_categories: tuple[str, ...] = ()
    """Categories that every item gets (``posts.items``)."""
    item_text: Literal["full", "summary"] = "full"
    """Whether items have a body."""
    own_categories: bool = True
    """Items have the categories too that their source gives them."""
    hugo: HugoSite = NO_SITE
    """What a Hugo site says of its pages elsewhere."""
    hexo: HexoSite = NO_HEXO
    """What a Hexo site says of its posts elsewhere."""
    builder_zone: ZoneInfo | None = None
    """Decides the day in addresses instead of ``timezone``."""
    jekyll: JekyllSite = jekyllsite.NO_SITE
    """What a Jekyll site says of its posts elsewhere."""
    hidden_by: tuple[str, ...] = ()
    """Keys that keep a post out of feeds and digests where they are true."""
    now: datetime
    """The moment that future dates and expiry are compared with."""

    def of(self, path: str) -> Rules | None:
        """Those for one file, which may be in a language with an address or a zone of its own; None if nothing is
        published in that."""
        if not self.hugo.languages:
            return self
        site = self.hugo.of(path)
        if site is None:
            return None
        return replace(
            self,
            hugo=site,
            site_url=site.base or self.site_url,
            id_base=site.base or self.id_base,
            timezone=site.timezone or self.timezone,
            lang=site.tag or self.lang,
        )

    def fingerprint(self) -> str:
        """Changes when any rule but ``now`` does: then every file must be read again."""
        values = [
            f"{item.name}={getattr(self, item.name)!s}"
            for item in fields(self)
            if item.name != "now" and not (item.name in _LATER and getattr(self, item.name) == item.default)
        ]
        return hashlib.sha256("\0".join([READING, *values]).encode("utf-8", "surrogatepass")).hexdigest()[:32]
