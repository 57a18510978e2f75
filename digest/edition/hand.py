"""What an editor's file does to the posts of an edition.

Pure. What posts say of themselves (``KnownPost.hand``) holds as well, as far as the file does not say otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from digest.models import EditionFile, Hand, KnownPost

NO_FILE = EditionFile()


class Edited(Struct, frozen=True, kw_only=True):
    """The posts of an edition after an editor had them."""

    posts: tuple[KnownPost, ...]
    """With their hand; without those that the file leaves out."""
    skipped: tuple[KnownPost, ...] = ()
    """Those. They are left to the next edition."""
    named: frozenset[int] = frozenset()
    """Keys of the posts whose hand is the file's."""
    file: EditionFile = NO_FILE
    warnings: tuple[str, ...] = ()
    """What of the file could not be used."""


def edit(posts: Sequence[KnownPost], file: EditionFile) -> Edited:
    """The posts as the file wants them. It names them by their files: ``title.md``, or with as many of the folders as
    it takes."""
    skipped = {post.key for post in _called(posts, file.skip)}
    pinned = {post.key for post in _called(posts, file.pin)} - skipped
    named = _called(posts, (file.lead,) if file.lead else ())
    leads = [post.key for post in named if post.key not in skipped][:1]

    def with_hand(post: KnownPost) -> KnownPost:
        if post.key in leads:
            return replace(post, hand=Hand.LEAD)
        if post.key in pinned or (leads and post.hand is Hand.LEAD):
            return replace(post, hand=Hand.PIN)
        return post

    return Edited(
        posts=tuple(with_hand(post) for post in posts if post.key not in skipped),
        skipped=tuple(post for post in posts if post.key in skipped),
        named=frozenset(pinned.union(leads)),
        file=file,
        warnings=(*file.warnings, *_unmet(posts, file)),
    )


def _called(posts: Iterable[KnownPost], names: Sequence[str]) -> list[KnownPost]:
    """The posts whose files have one of the names."""
    return [post for post in posts if any(_is_called(post.path, name) for name in names)] if names else []


def _is_called(path: str, name: str) -> bool:
    return f"/{path}".endswith(f"/{name.removeprefix('./').lstrip('/')}")


def _unmet(posts: Sequence[KnownPost], file: EditionFile) -> Iterator[str]:
    """A line for each name that is not one post's, or that is left out besides."""
    wanted = [("lead", file.lead)] if file.lead else []
    wanted += [("pin", name) for name in file.pin] + [("skip", name) for name in file.skip]
    skipped = {post.key for post in _called(posts, file.skip)}
    for key, name in wanted:
        found = _called(posts, (name,))
        where = f"{file.path}: {key}"
        if not found:
            yield f"{where}: no post of this edition has the file {name}; write its name as digest explain shows it"
        elif len(found) > 1:
            yield f"{where}: {len(found)} posts have the file {name}, such as {found[0].path}; write more of its path"
        elif key != "skip" and found[0].key in skipped:
            yield f"{where}: {name} is left out by skip, too; take it out of one of them"
