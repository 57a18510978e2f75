"""Forms: what a POST carries, under limits that hold before anything of it is parsed.

``receive`` waits for the client and parses nothing; ``fields`` parses and waits for nobody, so it can be done off the
event loop. Parts are of one level: what is nested in one is its value. A body that is no form has no fields.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from urllib.parse import parse_qsl

from msgspec import Struct
from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from digest.web.guard import secured

BODY_LIMIT = 64 * 1024
BODY_SECONDS = 10.0
FIELDS_LIMIT = 3_000
"""Form fields: two thousand categories fit."""
_TYPE_LIMIT = 512
"""Characters of a Content-Type; a boundary has seventy at most (RFC 2046 5.1.1)."""

Form = dict[str, list[str]]


class TooMuch(Exception):
    """The body is larger, or comes more slowly or more often, than any form of ours. ``status`` is the answer's,
    ``seconds`` how long to stay away."""

    def __init__(self, status: int, seconds: int = 0) -> None:
        super().__init__()
        self.status = status
        self.seconds = seconds

    def answer(self) -> Response:
        """For the visitor; what else they send is not looked at."""
        headers = {"Connection": "close"} | ({"Retry-After": str(self.seconds)} if self.seconds else {})
        says = "too many requests\n" if self.status == 429 else "this is no form of ours\n"
        return secured(PlainTextResponse(says, self.status, headers))


class Body(Struct, frozen=True):
    """As it came in."""

    content_type: str
    data: bytes


async def receive(request: Request, limit: int = BODY_LIMIT) -> Body:
    """A request's whole body. Raises TooMuch, at once if the request says how long it is."""
    said = request.headers.get("content-length", "")
    if said.isascii() and said.isdigit() and (len(said) > len(str(limit)) or int(said) > limit):
        raise TooMuch(413)
    try:
        data = await asyncio.wait_for(_received(request, limit), BODY_SECONDS)
    except TimeoutError as error:
        raise TooMuch(408) from error
    except ClientDisconnect as error:
        raise TooMuch(400) from error
    return Body(request.headers.get("content-type", ""), data)


async def _received(request: Request, limit: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise TooMuch(413)
    return bytes(body)


def fields(body: Body) -> Form:
    """The fields of a form, urlencoded or multipart; none for anything else. Raises TooMuch: more than any form has."""
    form: Form = {}
    for name, value in _pairs(body):
        form.setdefault(name, []).append(value)
    return form


def _pairs(body: Body) -> Iterator[tuple[str, str]]:
    if len(body.content_type) > _TYPE_LIMIT:
        return iter(())
    kind, options = parse_options_header(body.content_type)
    if kind == "application/x-www-form-urlencoded":
        return _urlencoded(body.data)
    if kind == "multipart/form-data":
        return _multipart(options.get("boundary", ""), body.data)
    return iter(())


def _urlencoded(data: bytes) -> Iterator[tuple[str, str]]:
    try:
        yield from parse_qsl(
            data.decode("latin-1"), keep_blank_values=True, max_num_fields=FIELDS_LIMIT, errors="replace"
        )
    except ValueError as error:
        raise TooMuch(413) from error


def _multipart(boundary: str, data: bytes) -> Iterator[tuple[str, str]]:
    """Fields without files (RFC 7578), as far as the body is in order."""
    try:
        parser = PushMultipartParser(boundary, max_segment_count=FIELDS_LIMIT)
        name, value = None, b""
        for event in parser.parse(data) if data else ():
            if isinstance(event, MultipartSegment):
                name, value = (event.name if event.filename is None else None), b""
            elif event is not None:
                value += event
            elif name is not None:
                yield name, value.decode("utf-8", "replace")
    except ParserLimitReached as error:
        raise TooMuch(413) from error
    except MultipartError:
        return
