"""Reading posts from their folder: source and parsing joined, over as many processes as it pays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from digest.errors import SourceError
from digest.jobs.collect import Parsed, parse_here
from digest.models import Post, Refusal
from digest.ports import Source
from digest.posts import Rules, parse_post
from digest.workers import processors, spread

MANY = 1_500
"""Files from which on a second process is worth its start."""
CHUNK = 100

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(list[Post])


class FileReader(Struct, frozen=True):
    """Reads and parses files, in order. Posts come without their ``body``, which nobody needs who only remembers
    them, and which would be most of what goes from process to process."""

    source: Source
    rules: Rules

    def __call__(self, paths: Sequence[str]) -> Iterator[Parsed]:
        chunks = [paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)]
        work = _Chunk(self.source, self.rules)
        many = len(paths) >= MANY and processors() > 1
        results = spread(work, chunks) if many else map(work, chunks)
        for chunk, read in zip(chunks, results, strict=True):
            yield from zip(chunk, read.hashes, read.outcomes, strict=True)


class _Read(Struct, frozen=True):
    """What the files of a chunk gave, in their order."""

    hashes: list[str]
    outcomes: list[Post | Refusal | SourceError]

    def __reduce__(self) -> tuple[Callable[..., _Read], tuple[object, ...]]:
        """Pickled, posts are MessagePack, which travels several times faster than objects."""
        posts = [outcome for outcome in self.outcomes if isinstance(outcome, Post)]
        others = [None if isinstance(outcome, Post) else outcome for outcome in self.outcomes]
        return _unpacked, (self.hashes, others, _ENCODER.encode(posts))


def _unpacked(hashes: list[str], others: list[Refusal | SourceError | None], packed: bytes) -> _Read:
    posts = iter(_DECODER.decode(packed))
    return _Read(hashes, [next(posts) if other is None else other for other in others])


class _Chunk(Struct, frozen=True):
    """Reads and parses some files."""

    source: Source
    rules: Rules

    def __call__(self, paths: Sequence[str]) -> _Read:
        hashes: list[str] = []
        outcomes: list[Post | Refusal | SourceError] = []
        for _, sha256, outcome in parse_here(self.source, self._parse)(paths):
            hashes.append(sha256)
            outcomes.append(replace(outcome, body="") if isinstance(outcome, Post) else outcome)
        return _Read(hashes, outcomes)

    def _parse(self, path: str, data: bytes) -> Post | Refusal:
        return parse_post(path, data, self.rules)
