"""Some files read and parsed at a time: what the second process of an import does (``workers``), and loads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from digest.errors import SourceError
from digest.hashing import hash_of
from digest.jobs.sparing import REMEDY, tried
from digest.models import UNREAD, Item, Post, Refusal, Version
from digest.posts.parse import parse_post

if TYPE_CHECKING:
    from digest.ports import Source
    from digest.posts.rules import Rules

_Read = tuple[str, Version, "Post | Refusal | SourceError"]

_ENCODER = msgspec.msgpack.Encoder()


class FilesRead(Struct, frozen=True):
    """What the files of a chunk gave, in their order."""

    hashes: list[str]
    versions: list[Version]
    outcomes: list[Post | Refusal | SourceError]

    def __reduce__(self) -> tuple[Callable[..., FilesRead], tuple[object, ...]]:
        """Pickled, posts are MessagePack, which travels several times faster than objects."""
        posts = [outcome for outcome in self.outcomes if isinstance(outcome, Post)]
        others = [None if isinstance(outcome, Post) else outcome for outcome in self.outcomes]
        return _unpacked, (self.hashes, self.versions, others, _ENCODER.encode(posts))


def _unpacked(
    hashes: list[str], versions: list[Version], others: list[Refusal | SourceError | None], packed: bytes
) -> FilesRead:
    posts = iter(_decoder().decode(packed))
    return FilesRead(hashes, versions, [next(posts) if other is None else other for other in others])


@cache
def _decoder() -> msgspec.msgpack.Decoder[list[Post]]:
    return msgspec.msgpack.Decoder(list[Post])


class Chunk(Struct, frozen=True):
    """Reads and parses some files."""

    source: Source
    rules: Rules
    is_lasting: bool = True

    def __call__(self, paths: Sequence[str]) -> FilesRead:
        read = FilesRead([], [], [])
        for path in paths:
            hashed, version, outcome = self._read(path)
            read.hashes.append(hashed)
            read.versions.append(version)
            read.outcomes.append(self._to_remember(outcome) if isinstance(outcome, Post) else outcome)
        return read

    def _to_remember(self, post: Post) -> Post:
        if self.is_lasting:
            return replace(post, lead="", body="")
        from digest.posts.body import to_html

        return replace(post, body=to_html(post))

    def _read(self, path: str) -> _Read:
        """Whatever goes wrong with a file is the outcome of this file."""

        def broken(reason: str) -> _Read:
            return "", UNREAD, SourceError(path, f"cannot be read: {reason}", REMEDY)

        try:
            return tried(lambda: self._parsed(path), broken)
        except SourceError as error:
            return "", UNREAD, error

    def _parsed(self, path: str) -> _Read:
        data, version = self.source.read_version(path)
        if isinstance(data, Item):
            from digest.posts.items import parse_item

            rules = self.rules
            outcome = parse_item(
                path,
                data,
                rules,
                first_seen=rules.now,
                id_base=rules.id_base or rules.site_url,
                categories=rules.item_categories,
                own_categories=rules.own_categories,
                text=rules.item_text,
            )
            return hash_of(_ENCODER.encode(data)), version, outcome
        return hash_of(data), version, parse_post(path, data, self.rules)
