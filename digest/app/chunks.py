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
from digest.models import Post, Refusal
from digest.posts.parse import parse_post

if TYPE_CHECKING:
    from digest.ports import Source
    from digest.posts.rules import Rules

_ENCODER = msgspec.msgpack.Encoder()


class FilesRead(Struct, frozen=True):
    """What the files of a chunk gave, in their order."""

    hashes: list[str]
    outcomes: list[Post | Refusal | SourceError]

    def __reduce__(self) -> tuple[Callable[..., FilesRead], tuple[object, ...]]:
        """Pickled, posts are MessagePack, which travels several times faster than objects."""
        posts = [outcome for outcome in self.outcomes if isinstance(outcome, Post)]
        others = [None if isinstance(outcome, Post) else outcome for outcome in self.outcomes]
        return _unpacked, (self.hashes, others, _ENCODER.encode(posts))


def _unpacked(hashes: list[str], others: list[Refusal | SourceError | None], packed: bytes) -> FilesRead:
    posts = iter(_decoder().decode(packed))
    return FilesRead(hashes, [next(posts) if other is None else other for other in others])


@cache
def _decoder() -> msgspec.msgpack.Decoder[list[Post]]:
    return msgspec.msgpack.Decoder(list[Post])


class Chunk(Struct, frozen=True):
    """Reads and parses some files."""

    source: Source
    rules: Rules

    def __call__(self, paths: Sequence[str]) -> FilesRead:
        hashes: list[str] = []
        outcomes: list[Post | Refusal | SourceError] = []
        for path in paths:
            try:
                data = self.source.read(path)
            except SourceError as error:
                hashes.append("")
                outcomes.append(error)
                continue
            outcome = parse_post(path, data, self.rules)
            hashes.append(hash_of(data))
            outcomes.append(replace(outcome, body="") if isinstance(outcome, Post) else outcome)
        return FilesRead(hashes, outcomes)
