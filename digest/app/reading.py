"""Reading posts from their folder: source and parsing joined, over as many processes as it pays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from digest.app.chunks import Chunk
from digest.jobs.archive.collect import Parsed
from digest.ports import Source
from digest.posts import Rules
from digest.workers.spreading import processors, spread

MANY = 1_500
"""Files from which on a second process is worth its start."""
CHUNK = 100


class FileReader(Struct, frozen=True):
    """Reads and parses files, in order. Posts come without their ``body``, which nobody needs who only remembers
    them, and which would be most of what goes from process to process."""

    source: Source
    rules: Rules
    is_lasting: bool = True
    """The source shows every post for good. Of others the text is kept, and they are read by this process alone."""

    def __call__(self, paths: Sequence[str]) -> Iterator[Parsed]:
        chunks = [paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)]
        work = Chunk(self.source, self.rules, self.is_lasting)
        many = self.is_lasting and len(paths) >= MANY and processors() > 1
        results = spread(work, chunks) if many else map(work, chunks)
        for chunk, read in zip(chunks, results, strict=True):
            yield from zip(chunk, read.hashes, read.versions, read.outcomes, strict=True)
