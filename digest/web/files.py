"""The published files over HTTP (RFC 9110, 9111): validators, compressed siblings, types and lifetimes.

A file is read and hashed once for each time it changes, which ``stat`` tells on every request: its ETag is a hash of
its content, with the encoding behind it, so it stays when a file is written anew with the same bytes. What is asked
for often stays in memory, up to a limit. Disk is touched in threads; what is at hand is answered at once.

Compressed siblings are served only if they carry the very time of the plain file, as the publisher gives them: a stale
one never is. Whoever replaces a file while it is being sent replaces it for the next reader.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import stat
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from msgspec import Struct
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from digest.publish.folder import COMPRESSED
from digest.publish.media import cache_control, content_type, is_feed
from digest.web.conditions import IDENTITY, has_it, preferred, wants_another
from digest.web.server import Headers, Quick

_SUFFIX = {"br": ".br", "gzip": ".gz"}
_ENDINGS_REFUSED = (".gz", ".br", ".tmp")
_CHUNK = 128 * 1024
"""How much of an answer is on its way to a slow client, at the most."""
_AT_ONCE = 256 * 1024
"""Larger answers are sent piece by piece."""
_TRIES = 5
"""How often a file is looked at again that is replaced meanwhile."""
_START = "feeds/index.html"
"""Where visitors of a root without a page of its own are sent."""
_KNOWN = 16_384
"""Files of which is known what they are."""
_INLINE = re.compile(rb"<(style|script)\b[^>]*>(.*?)</\1>", re.DOTALL)
_METHODS = b"GET, HEAD, OPTIONS"
_ANYBODY = (b"access-control-allow-origin", b"*")
_PREFLIGHT: Sequence[tuple[bytes, bytes]] = (
    (b"allow", _METHODS),
    _ANYBODY,
    (b"access-control-allow-methods", _METHODS),
    (b"access-control-allow-headers", b"If-None-Match, If-Modified-Since"),
    (b"access-control-max-age", b"86400"),
)

Stamp = tuple[int, int, int, int]


class Options(Struct, frozen=True, kw_only=True):
    """How files are served."""

    max_age: int
    """Seconds for which feeds and pages may be kept."""
    address: str = ""
    """Where the output is served, without a slash at its end."""
    hubs: tuple[str, ...] = ()
    """WebSub hubs, named in a header of every feed."""
    cache_bytes: int = 32 * 1024 * 1024
    """Of files kept in memory."""
    large: int = 2 * 1024 * 1024
    """Files above so many bytes are never kept in memory as a whole."""


class _Variant(Struct, frozen=True, kw_only=True):
    """A file in one encoding, and the headers of its answers."""

    name: str
    """On disk."""
    size: int
    etag: str
    whole: tuple[tuple[bytes, bytes], ...]
    unchanged: tuple[tuple[bytes, bytes], ...]
    whole_wire: bytes
    unchanged_wire: bytes


class _File(Struct, frozen=True, kw_only=True):
    """What a file was when it had this ``stamp``."""

    name: str
    """On disk."""
    stamp: Stamp
    modified: int
    variants: Mapping[str, _Variant]

    def variant(self, accepted: bytes) -> _Variant:
        return next(self.variants[one] for one in preferred(accepted) if one in self.variants)


class _Found(Struct, frozen=True, kw_only=True):
    """What is behind a path: a file, or a folder whose address lacks its slash; else nothing."""

    file: _File | None = None
    body: bytes | None = None
    """Of the variant that was asked for, if it is small."""
    descriptor: int = -1
    """Open at its beginning, if it is large."""
    folder: bool = False


class _Changed(Exception):
    """The file is another one by now."""


class _Asked(Struct, frozen=True, kw_only=True):
    """What matters of the headers of a request."""

    accepted: bytes = b""
    none_match: bytes | None = None
    modified_since: bytes | None = None
    match: bytes | None = None
    unmodified_since: bytes | None = None


class _Bodies:
    """Contents in memory, those least asked for go first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._kept: OrderedDict[str, tuple[Stamp, bytes]] = OrderedDict()

    def get(self, name: str, stamp: Stamp) -> bytes | None:
        kept = self._kept.get(name)
        if kept is None or kept[0] != stamp:
            return None
        with suppress(KeyError):  # dropped meanwhile, when asked by another thread
            self._kept.move_to_end(name)
        return kept[1]

    def put(self, name: str, stamp: Stamp, body: bytes) -> None:
        if len(body) > self._limit:
            return
        self.drop(name)
        self._kept[name] = (stamp, body)
        self._held += len(body)
        while self._held > self._limit:
            _, (_, oldest) = self._kept.popitem(last=False)
            self._held -= len(oldest)

    def drop(self, name: str) -> None:
        if (kept := self._kept.pop(name, None)) is not None:
            self._held -= len(kept[1])


@dataclass(kw_only=True, eq=False)
class Files:
    """An ASGI application for the files below ``root``; for no files at all without it.

    ``nothing`` makes the page for status 404 or 410. ``is_gone`` says whether a path, percent-decoded and without the
    slash at its beginning, was published once and never will be again; it is asked in a thread, and only for what is
    not there.
    """

    root: Path | None
    options: Options
    nothing: Callable[[int], Response]
    is_gone: Callable[[str], bool] = lambda path: False
    _known: OrderedDict[bytes, _File] = field(default_factory=OrderedDict)
    """By the path as it is asked for."""
    _bodies: _Bodies = field(init=False)

    def __post_init__(self) -> None:
        self._bodies = _Bodies(self.options.cache_bytes)

    # -------------------------------------------------------------- at once

    def at_once(self, method: bytes, target: bytes, headers: Headers) -> Quick | None:
        """The answer, if the file is known, unchanged, and what is asked of it is in memory."""
        file = self._known.get(target.partition(b"?")[0])
        if file is None or _stamp_of(file.name) != file.stamp:
            return None
        asked = _asked(headers)
        if asked.match is not None or asked.unmodified_since is not None:
            return None
        variant = file.variant(asked.accepted)
        if has_it(variant.etag, file.modified, asked.none_match, asked.modified_since):
            return Quick(status=304, headers=variant.unchanged_wire, body=b"")
        if method == b"HEAD":
            return Quick(status=200, headers=variant.whole_wire, body=b"")
        body = self._bodies.get(variant.name, file.stamp)
        if body is None or len(body) > _AT_ONCE:
            return None
        return Quick(status=200, headers=variant.whole_wire, body=body)

    def holds(self, path: str) -> bool:
        """Whether a file or folder is called so. The root itself is not looked at."""
        name = path.strip("/")
        return bool(name) and self.root is not None and (self.root / name).exists()

    # ----------------------------------------------------------------- ASGI

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method: str = scope["method"]
        if method == "OPTIONS":
            await _send(send, 204, _PREFLIGHT)
        elif method not in ("GET", "HEAD"):
            await _send(send, 405, ((b"allow", _METHODS), (b"content-length", b"0"), _ANYBODY))
        else:
            await self._show(scope, send)

    async def _show(self, scope: Scope, send: Send) -> None:
        target: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
        path, asked = _path(target), _asked(scope["headers"])
        found = await run_in_threadpool(self._find, target, path, asked.accepted) if path is not None else _Found()
        if found.file is not None:
            await self._send_file(found, target, asked, scope["method"] == "HEAD", send)
        elif found.folder:
            query: bytes = scope.get("query_string", b"")
            name = target.rpartition(b"/")[2]
            place = b"./" + name + b"/" + (b"?" + query if query else b"")  # relative: true behind any proxy
            await _send(send, 308, ((b"location", place), (b"content-length", b"0"), *self._lifetime(), _ANYBODY))
        elif path == "" and await run_in_threadpool(self.holds, _START):
            await _send(send, 307, ((b"location", b"./feeds/"), (b"content-length", b"0"), *self._lifetime(), _ANYBODY))
        else:
            await self._send_nothing(path, scope, send)

    def _lifetime(self) -> tuple[tuple[bytes, bytes], ...]:
        return ((b"cache-control", cache_control("", self.options.max_age).encode()),)

    async def _send_file(self, found: _Found, target: bytes, asked: _Asked, head: bool, send: Send) -> None:
        file = found.file
        assert file is not None
        variant = file.variant(asked.accepted)
        self._remember(target, file)
        if found.body is not None:
            self._bodies.put(variant.name, file.stamp, found.body)
        try:
            etags = [one.etag for one in file.variants.values()]
            if wants_another(etags, file.modified, asked.match, asked.unmodified_since):
                await _send(send, 412, ((b"content-length", b"0"), _ANYBODY))
            elif has_it(variant.etag, file.modified, asked.none_match, asked.modified_since):
                await _send(send, 304, variant.unchanged)
            elif head:
                await _send(send, 200, variant.whole)
            elif found.body is not None:
                await _send_pieces(send, variant.whole, _pieces(found.body))
            else:
                await _send_pieces(send, variant.whole, _read_pieces(found.descriptor, variant.size))
        finally:
            if found.descriptor >= 0:
                os.close(found.descriptor)

    async def _send_nothing(self, path: str | None, scope: Scope, send: Send) -> None:
        gone = path is not None and await run_in_threadpool(self.is_gone, path)
        page = await run_in_threadpool(self.nothing, 410 if gone else 404)
        body = b"" if scope["method"] == "HEAD" else bytes(page.body)
        await _send(send, page.status_code, (*page.raw_headers, _ANYBODY), body)

    def _remember(self, target: bytes, file: _File) -> None:
        self._known[target] = file
        self._known.move_to_end(target)
        while len(self._known) > _KNOWN:
            self._known.popitem(last=False)

    # ----------------------------------------------------------------- disk

    def _find(self, target: bytes, path: str, accepted: bytes) -> _Found:
        """In a thread. What is known already is taken from memory."""
        if self.root is None:
            return _Found()
        name = f"{self.root}/{path}" + ("index.html" if not path or path.endswith("/") else "")
        known = self._known.get(target)
        try:
            for attempt in range(_TRIES):
                with suppress(_Changed):
                    return self._open(name, known if not attempt else None, accepted)
            return self._look(name, keep=True)
        except IsADirectoryError:
            return _Found(folder=True)
        except (OSError, ValueError):
            return _Found()

    def _open(self, name: str, known: _File | None, accepted: bytes) -> _Found:
        """Raises _Changed, OSError."""
        file = known if known is not None and _stamp_of(name) == known.stamp else self._look(name).file
        assert file is not None
        variant = file.variant(accepted)
        body = self._bodies.get(variant.name, file.stamp)
        if body is not None:
            return _Found(file=file, body=body)
        try:
            descriptor = os.open(variant.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            if variant.name == name:
                raise
            raise _Changed from error
        try:
            status = os.fstat(descriptor)
            if status.st_mtime_ns != file.stamp[2] or status.st_size != variant.size:
                raise _Changed
            if variant.name == name and _stamp(status) != file.stamp:
                raise _Changed
            if variant.size > self.options.large:
                descriptor, kept = -1, descriptor
                return _Found(file=file, descriptor=kept)
            return _Found(file=file, body=_read_all(descriptor, variant.size))
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    def _look(self, name: str, *, keep: bool = False) -> _Found:
        """Read a file through, to know it. ``keep``: serve the very bytes that were read, without its siblings."""
        assert self.root is not None
        folder = os.path.realpath(Path(name).parent)
        if not Path(folder).is_relative_to(os.path.realpath(self.root)):
            raise FileNotFoundError
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as source:
            status = os.fstat(descriptor)
            if stat.S_ISDIR(status.st_mode):
                raise IsADirectoryError
            if not stat.S_ISREG(status.st_mode):
                raise FileNotFoundError
            first = source.read(_CHUNK) if not keep else source.read()
            content = hashlib.sha256(first)
            is_page = name.endswith((".html", ".svg"))
            page = [first] if is_page else []
            while piece := source.read(_CHUNK):
                content.update(piece)
                if is_page:
                    page.append(piece)
        encodings = {} if keep else _siblings(name, status.st_mtime_ns)
        path = name[len(str(self.root)) + 1 :]
        file = self._described(path, name, status, content.hexdigest()[:32], first, b"".join(page), encodings)
        return _Found(file=file, body=first if keep else None)

    # -------------------------------------------------------------- headers

    def _described(
        self,
        path: str,
        name: str,
        status: os.stat_result,
        digest: str,
        first: bytes,
        page: bytes,
        siblings: Mapping[str, tuple[str, int]],
    ) -> _File:
        kind = content_type(path, first[:4096])
        extra = self._extra(path, kind, page)
        shared = (
            (b"last-modified", formatdate(int(status.st_mtime), usegmt=True).encode()),
            (b"cache-control", cache_control(path, self.options.max_age).encode()),
            (b"vary", b"Accept-Encoding"),
            _ANYBODY,
            (b"access-control-expose-headers", b"ETag"),
        )
        variants = {}
        for encoding, (place, size) in {IDENTITY: (name, status.st_size), **siblings}.items():
            etag = f'"{digest}-{encoding}"' if encoding else f'"{digest}"'
            unchanged = ((b"etag", etag.encode()), *shared)
            coded = ((b"content-encoding", encoding.encode()),) if encoding else ()
            about = (b"content-type", kind.encode()), (b"content-length", str(size).encode()), *coded
            whole = (*about, *unchanged, *extra)
            variants[encoding] = _Variant(
                name=place,
                size=size,
                etag=etag,
                whole=whole,
                unchanged=unchanged,
                whole_wire=_wire(whole),
                unchanged_wire=_wire(unchanged),
            )
        return _File(name=name, stamp=_stamp(status), modified=int(status.st_mtime), variants=variants)

    def _extra(self, path: str, kind: str, page: bytes) -> tuple[tuple[bytes, bytes], ...]:
        extra = [(b"accept-ranges", b"none"), (b"x-content-type-options", b"nosniff")]
        if self.options.hubs and is_feed(path, kind):
            links = [f'<{hub}>; rel="hub"' for hub in self.options.hubs]
            links.append(f'<{self.options.address}/{quote(path)}>; rel="self"')
            extra.append((b"link", ", ".join(links).encode()))
        if kind.startswith(("text/html", "image/svg+xml")):
            extra += [
                (b"content-security-policy", _policy(page)),
                (b"x-frame-options", b"DENY"),
                (b"referrer-policy", b"strict-origin-when-cross-origin"),
            ]
        return tuple(extra)


# ------------------------------------------------------------------ requests


def _path(target: bytes) -> str | None:
    """Below the root, percent-decoded, without the slash at its beginning; None for what no published file is called:
    nothing hidden, nothing half done, no compressed file by its own name, no way out."""
    try:
        path = unquote_to_bytes(target).decode()
    except UnicodeDecodeError:
        return None
    if not path.startswith("/") or target.lower().count(b"%2f") or any(ord(one) < 32 for one in path):
        return None
    *folders, last = path[1:].split("/")
    if any(not one or one.startswith(".") for one in folders) or last.startswith(".") or "\\" in path:
        return None
    return None if last.endswith(_ENDINGS_REFUSED) else path[1:]


def _asked(headers: Headers) -> _Asked:
    found: dict[str, bytes] = {}
    for name, value in headers:
        if (key := _ASKED.get(name)) is not None:
            found[key] = b", ".join((found[key], value)) if key in found else value
    return _Asked(**found)


_ASKED = {
    b"accept-encoding": "accepted",
    b"if-none-match": "none_match",
    b"if-modified-since": "modified_since",
    b"if-match": "match",
    b"if-unmodified-since": "unmodified_since",
}


# -------------------------------------------------------------------- disk


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_dev


def _stamp_of(name: str) -> Stamp | None:
    try:
        return _stamp(os.stat(name, follow_symlinks=False))  # noqa: PTH116 - on every request
    except OSError:
        return None


def _siblings(name: str, mtime_ns: int) -> dict[str, tuple[str, int]]:
    """The compressed files beside: place and size by encoding."""
    found = {}
    if Path(name).suffix in COMPRESSED:
        for encoding, suffix in _SUFFIX.items():
            with suppress(OSError):
                status = os.lstat(name + suffix)
                if stat.S_ISREG(status.st_mode) and status.st_mtime_ns == mtime_ns:
                    found[encoding] = (name + suffix, status.st_size)
    return found


def _read_all(descriptor: int, size: int) -> bytes:
    """Raises _Changed if there is less."""
    pieces, left = [], size
    while left and (piece := os.read(descriptor, left)):
        pieces.append(piece)
        left -= len(piece)
    if left:
        raise _Changed
    return b"".join(pieces)


async def _read_pieces(descriptor: int, size: int) -> AsyncIterator[bytes]:
    left = size
    while left:
        piece = await run_in_threadpool(os.read, descriptor, min(_CHUNK, left))
        if not piece:
            return
        left -= len(piece)
        yield piece


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), _CHUNK):
        yield body[start : start + _CHUNK]


# ----------------------------------------------------------------- answers


def _policy(page: bytes) -> bytes:
    """Pages run and show what is in them, or lies beside them, and pictures from anywhere; nobody frames them."""
    hashes: dict[bytes, list[str]] = {b"style": [], b"script": []}
    for kind, text in _INLINE.findall(page):
        hashes[kind].append(f"'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode()}'")
    styles, scripts = (" ".join(["'self'", *hashes[kind]]) for kind in (b"style", b"script"))
    return (
        f"default-src 'none'; img-src 'self' data: http: https:; media-src 'self' http: https:; font-src 'self'; "
        f"style-src {styles}; script-src {scripts}; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ).encode()


def _wire(headers: Headers) -> bytes:
    return b"".join(b"%b: %b\r\n" % header for header in headers)


async def _send(send: Send, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes = b"") -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


async def _send_pieces(send: Send, headers: Headers, pieces: AsyncIterator[bytes]) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": list(headers)})
    async for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
