"""Reading posts from their folder: source and parsing joined, over as many processes as it pays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import starmap
from operator import attrgetter
from typing import Any

from msgspec import Struct
from msgspec.structs import fields

from digest.jobs.collect import Parsed, parse_here
from digest.models import Post, shared_code
from digest.ports import Source
from digest.posts import Rules, parse_post
from digest.workers import processors, spread

MANY = 1_500
"""Files from which on a second process is worth its start."""
CHUNK = 100

_FIELDS = tuple(field.name for field in fields(Post) if field.name not in ("body", "codes"))
_values = attrgetter(*_FIELDS)
_code_values = attrgetter("market", "code", "name", "mentions")


class FileReader(Struct, frozen=True):
    """Reads and parses files, in order. Posts come without their ``body``, which nobody needs who only remembers
    them, and which would be most of what goes from process to process."""

    source: Source
    rules: Rules

    def __call__(self, paths: Sequence[str]) -> Iterator[Parsed]:
        chunks = [paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)]
        work = _Chunk(self.source, self.rules)
        packed = spread(work, chunks) if len(paths) >= MANY and processors() > 1 else map(work, chunks)
        for results in packed:
            for path, sha256, outcome in results:
                yield path, sha256, _unpacked(*outcome) if type(outcome) is tuple else outcome


class _Chunk(Struct, frozen=True):
    """Reads and parses some files; posts as plain tuples, which travel several times faster."""

    source: Source
    rules: Rules

    def __call__(self, paths: Sequence[str]) -> list[tuple[str, str, Any]]:
        parsed = parse_here(self.source, lambda path, data: parse_post(path, data, self.rules))(paths)
        return [
            (path, sha256, _packed(outcome) if isinstance(outcome, Post) else outcome)
            for path, sha256, outcome in parsed
        ]


def _packed(post: Post) -> tuple[tuple[Any, ...], tuple[tuple[str, str, str, int], ...]]:
    return _values(post), tuple(map(_code_values, post.codes))


def _unpacked(values: tuple[Any, ...], codes: tuple[tuple[str, str, str, int], ...]) -> Post:
    return Post(**dict(zip(_FIELDS, values, strict=True)), codes=tuple(starmap(shared_code, codes)))
