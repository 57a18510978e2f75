"""The noun: a site as its generator knows it, with where each fact came from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct, field

from digest.generators.leaving import Habit
from digest.text import clean_line


class PresentFeed(Struct, frozen=True, kw_only=True):
    """The feed that readers have now."""

    maker: str
    """Who makes it, in words: ``jekyll-feed``."""
    paths: tuple[str, ...]
    """Its addresses below the site's, the first one is the main one: ``feed.xml``."""
    categories: str = ""
    """Where the feed of a category is, with ``*`` for its name: ``feed/*.xml``; empty if there are none."""
    limit: int | None = None
    """How many posts it holds; None if it does not say."""
    full_text: bool = False
    tags: bool | tuple[str, ...] = False
    """Feeds of tags: none, all, or these."""
    hubs: tuple[str, ...] = ()
    """WebSub hubs that it names."""
    ids: str = "permalink"
    """The ``feeds.id_scheme`` that makes ids as it does."""
    switch_off: str = ""
    """How its generator is told to make it no more."""


class Site(Struct, frozen=True, kw_only=True):
    """What ``config.yaml`` can take over. None: the generator's configuration does not say."""

    generator: str
    """``jekyll``, ``hugo`` or ``hexo``."""
    title: str | None = None
    url: str | None = None
    base: str = ""
    """Path below the host, where the host is not known: ``/blog``."""
    language: str | None = None
    timezone: str | None = None
    author: str | None = None
    author_email: str | None = None
    author_url: str | None = None
    description: str | None = None
    rights: str | None = None
    icon: str | None = None
    logo: str | None = None
    posts: str = ""
    """Folder of the posts below the site's, if it is not where the generator has it by default."""
    permalink: str | None = None
    builder_timezone: str | None = None
    """Of the machine that builds the site, if it is another zone and decides the day in addresses."""
    future: bool = False
    unpublished: bool = False
    drafts: bool = False
    exclude: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    """BCP 47; of a site with several."""
    collections: tuple[str, ...] = ()
    hidden_by: tuple[str, ...] = ()
    leaving: Habit | None = None
    """How old posts leave their folder, if they do."""
    built: str = ""
    """Folder that the generator builds into, below the site's."""
    feed: PresentFeed | None = None
    origins: Mapping[str, str] = field(default_factory=dict)
    """Where a value came from, by the name of its field."""
    remarks: tuple[str, ...] = ()
    """What the operator should know: what was not understood, what differs."""


class Findings:
    """Collects the values for a ``Site``, with their origins."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}
        self.origins: dict[str, str] = {}
        self.remarks: list[str] = []

    def take(self, name: str, value: object, origin: str) -> bool:
        """Keep a text if it is one and none was found before. True if it was kept."""
        found = text(value)
        return found is not None and self.keep(name, found, origin)

    def keep(self, name: str, value: str | bool | tuple[str, ...], origin: str) -> bool:
        """Keep a value as it is, unless there is one already. True if it was kept."""
        if name in self.values:
            return False
        self.values[name] = value
        self.origins[name] = origin
        return True

    def first(self, name: str, data: Mapping[str, object], keys: Iterable[str], origin: str) -> None:
        """Keep the text of the first of these keys that has one; ``origin`` says whose they are."""
        for key in keys:
            self.take(name, data.get(key), f"{origin}{key}")

    def language(self, value: object, origin: str) -> None:
        """``zh_CN.UTF-8`` is ``zh-CN`` to everybody else."""
        found = text(value)
        self.take("language", found and re.split(r"[.@]", found)[0].replace("_", "-"), origin)

    def author(self, value: object, origin: str) -> None:
        """A name, or name, email and url."""
        if isinstance(value, Mapping):
            parts = mapping(value)
            self.take("author", parts.get("name"), f"{origin}.name")
            self.take("author_email", parts.get("email"), f"{origin}.email")
            self.first("author_url", parts, ("url", "uri"), f"{origin}.")
        else:
            self.take("author", next(iter(texts(value)), None), origin)

    def remark(self, line: str) -> None:
        self.remarks.append(line)

    def site(self, generator: str, feed: PresentFeed | None, built: str) -> Site:
        return Site(
            generator=generator,
            feed=feed,
            built=built,
            origins=dict(self.origins),
            remarks=tuple(self.remarks),
            **self.values,  # type: ignore[arg-type]
        )


def text(value: object) -> str | None:
    """A value that can stand for a text, in one line; None for nothing, a list or a mapping."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return clean_line(str(value)) or None


def mapping(value: object) -> Mapping[str, object]:
    """A mapping with text keys; an empty one for anything else."""
    return {str(key): item for key, item in value.items()} if isinstance(value, Mapping) else {}


def texts(value: object) -> tuple[str, ...]:
    """A list of texts, or one text as such a list."""
    found = value if isinstance(value, list | tuple) else [value]
    return tuple(each for each in map(text, found) if each)


def number(value: object) -> int | None:
    """A positive whole number; None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def joined(url: object, base: object) -> str | None:
    """An address with a base path behind it."""
    address, path = text(url), (text(base) or "").strip("/")
    if address is None:
        return None
    return f"{address.rstrip('/')}/{path}" if path else address.rstrip("/")
