"""A title as a reader sees it on the post's page: generators put titles into HTML as they are written.

So character references are read, once, and inline markup (``<code>x</code>``) gives its text, as jekyll-feed has it.
What only looks like markup stays: ``<纯文本>``, ``a < b``, ``the <b> element``, ``AT&T``; so does ``&nbsp;``, which
would be no more than white space.
"""

from __future__ import annotations

import html
import re

_INLINE = (
    "abbr|a|bdi|bdo|big|b|cite|code|del|dfn|em|font|ins|i|kbd|mark|q|samp|small|span|strike|strong|sub|sup|s|tt|u|var"
)
_PAIR = re.compile(rf"<({_INLINE})(?:\s[^<>]*)?>(.*?)</\1\s*>", re.IGNORECASE | re.DOTALL)
_BREAK = re.compile(r"<w?br\s*/?>", re.IGNORECASE)
_REFERENCE = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_DEPTH = 8
_LONGEST = 2_000
"""Markup in a longer title is hardly meant, and looking for its ends would take long."""


def plain_title(written: str) -> str:
    """The title without markup. Never raises; idempotent for titles without ``&`` and ``<``."""
    if "<" in written and len(written) <= _LONGEST:
        written = _BREAK.sub(" ", written)
        for _ in range(_DEPTH):
            written, found = _PAIR.subn(r"\2", written)
            if not found:
                break
    return _REFERENCE.sub(_character, written) if "&" in written else written


def _character(reference: re.Match[str]) -> str:
    character = html.unescape(reference[0])
    return reference[0] if character.isspace() else character
