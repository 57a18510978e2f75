"""Reading posts from their folder: source and parsing joined, over as many processes as it pays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
        for outcomes, packed in spread(work, chunks) if many else map(work, chunks):
            posts = iter(_DECODER.decode(packed))
            for path, sha256, failure in outcomes:
                yield path, sha256, next(posts) if failure is None else failure


class _Chunk(Struct, frozen=True):
    """Reads and parses some files. Gives for each what came instead of a post, if something did, and the posts as
    MessagePack, which travels several times faster than objects."""

    source: Source
    rules: Rules

    def __call__(self, paths: Sequence[str]) -> tuple[list[tuple[str, str, Refusal | SourceError | None]], bytes]:
        outcomes: list[tuple[str, str, Refusal | SourceError | None]] = []
        posts: list[Post] = []
        for path, sha256, outcome in parse_here(self.source, self._parse)(paths):
            if isinstance(outcome, Post):
                posts.append(replace(outcome, body=""))
                outcomes.append((path, sha256, None))
            else:
                outcomes.append((path, sha256, outcome))
        return outcomes, _ENCODER.encode(posts)

    def _parse(self, path: str, data: bytes) -> Post | Refusal:
        return parse_post(path, data, self.rules)
