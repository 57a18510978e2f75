"""Columns of subscriber lists: those of our own export, and how others spell them.

Pure. Spellings are compared without case, and with blanks for ``_`` and ``-``: ``Email Address`` (Mailchimp),
``email_address`` (Buttondown), ``Subscriber`` (MailerLite).
"""

from __future__ import annotations

import re
import unicodedata

COLUMNS = (
    *("address", "digest", "state", "categories", "frequency", "hour", "zone", "paused_until", "since", "suppressed"),
    *("consent", "asked_at", "confirmed_at", "consent_text", "consent_ip"),
    *("created_at", "suppressed_at", "suppressed_note", "key", "hash", "proof"),
)
"""Of an export."""
_ADDRESSES = (
    *("email", "e mail", "mail", "email address", "e mail address", "mail address", "email id", "emailaddress"),
    *("subscriber email", "member email", "user email", "primary email", "contact email", "email 1"),
    *("e mail adresse", "email adresse", "mailadresse", "adresse e mail", "adresse email", "courriel"),
    *(
        "correo",
        "correo electrónico",
        "correo electronico",
        "indirizzo email",
        "邮箱",
        "电子邮件",
        "电子邮箱",
        "邮件地址",
    ),
)
_SPELLINGS = {name.replace("_", " "): name for name in COLUMNS} | dict.fromkeys(_ADDRESSES, "address")
FALLBACK = "subscriber"
"""The column of addresses where no other one is: MailerLite's."""
TAGS = frozenset(("tags", "tag", "labels", "list", "lists", "segments", "groups", "group", "interests", "category"))
"""Columns where other programs keep what may be categories."""
_NAMED = re.compile(r"[^<>]*<([^<>]*)>")


def column_of(heading: str) -> str:
    """What we call a column; its own words in small letters if it is none of ours."""
    words = " ".join(re.split(r"[\s_.:-]+", heading.casefold())).strip()
    return _SPELLINGS.get(words, words)


def bare_address(cell: str) -> str:
    """The address in ``Ann <ann@example.org>`` or ``mailto:ann@example.org``, without invisible characters around."""
    found = _NAMED.fullmatch(cell.strip())
    text = (found[1] if found else cell).strip()
    while text and unicodedata.category(text[0]) in ("Cf", "Zs"):
        text = text[1:]
    while text and unicodedata.category(text[-1]) in ("Cf", "Zs"):
        text = text[:-1]
    return text[7:] if text[:7].lower() == "mailto:" else text
