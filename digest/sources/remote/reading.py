"""From the bytes of a feed to its entries, whichever format it has.

A document is refused as a whole, with the reason, or read as well as it can be. What is dangerous to parse is refused
before a parser sees it.
"""

from __future__ import annotations

import codecs
import re

from msgspec.structs import replace

from digest.models import Item
from digest.sources.remote.documents import LONGEST_LINE, Document, Unreadable
from digest.text import clean

_LONGEST = 500_000
"""Characters of an entry's content that are read."""
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9._:-]{1,40})", re.IGNORECASE)
_DECLARED = re.compile(rb"\s*<\?xml\b[^>]{0,200}?\bencoding\s*=\s*[\"']([A-Za-z0-9._:-]{1,40})[\"']")
_DECLARATION = re.compile(r"\A\s*<\?xml\s[^>]{0,500}\?>")
_SHIFTING = ("iso2022", "hz", "utf7")
_WIDER = {"gb2312": "gb18030", "gbk": "gb18030", "iso8859-1": "cp1252", "ascii": "cp1252"}
"""What pages mean that name the narrower one (WHATWG Encoding)."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def read_document(data: bytes, *, content_type: str, url: str) -> Document:
    """Read a feed that came from ``url``. Raises Unreadable, and nothing else that is known of."""
    text = clean(decoded(data, content_type))
    if not text.strip():
        raise Unreadable("is empty")
    if text.lstrip()[0] == "{":
        from digest.sources.remote.json_feed import read_json

        found = read_json(text, url)
    else:
        from digest.sources.remote.xml_feed import read_xml

        found = read_xml(_DECLARATION.sub("", text, count=1).lstrip(), url)
    return replace(found, entries=tuple(bounded(item) for item in found.entries))


def decoded(data: bytes, content_type: str) -> str:
    """The text: by its byte order mark, as UTF-8 if it is that, as the header or else the document says (RFC 7303), and
    if all of that is wrong with what cannot be read replaced."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(name, "replace")
    for head, name in ((b"<\0", "utf-16-le"), (b"\0<", "utf-16-be"), (b"{\0", "utf-16-le"), (b"\0{", "utf-16-be")):
        if data.startswith(head):
            return data.decode(name, "replace")
    named = [*_CHARSET.findall(content_type), *(name.decode("ascii") for name in _DECLARED.findall(data[:1000]))]
    codes = [code for name in named if (code := _codec(name))]
    first = [code for code in codes if code.startswith(_SHIFTING)]
    for code in (*first, "utf-8", *codes):
        try:
            return data.decode(code)
        except (UnicodeError, ValueError):
            continue
    return data.decode(codes[0] if codes else "utf-8", "replace")


def _codec(name: str) -> str:
    """Python's name of an encoding of text, without its marks of kind; empty if it knows none."""
    try:
        found = codecs.lookup(name)
        "".encode(found.name)  # some turn bytes into bytes
    except (LookupError, ValueError):
        return ""
    return _WIDER.get(found.name, found.name)


def bounded(item: Item) -> Item:
    """No part of it longer than any entry needs."""
    return replace(
        item,
        url=item.url if len(item.url) <= LONGEST_LINE else "",
        title=item.title[:LONGEST_LINE],
        summary=item.summary[:_LONGEST],
        content=item.content[:_LONGEST],
    )
