"""Enhanced status codes (RFC 3463) and bare reply codes (RFC 5321), as data: what each of them says.

The table has the registry of RFC 5248 with the codes of RFC 6710 (priorities), RFC 7293 (owners), RFC 7372 (sender
checks), RFC 7504 and RFC 7505 (no mail here), RFC 8689 (TLS), and those that Exchange Online and Google add. It is
asked for the last two numbers: the first one only says whether the refusal is for good.
"""

from __future__ import annotations

from digest.models import Verdict

_DEAD, _FULL, _RATE, _POLICY = Verdict.DEAD, Verdict.FULL, Verdict.RATE, Verdict.POLICY
_CONTENT, _RELAY, _EXPIRED, _UNKNOWN = Verdict.CONTENT, Verdict.RELAY, Verdict.EXPIRED, Verdict.UNKNOWN

NEUTRAL = "0"
"""Last number of a code that names no detail. ``X.0.0`` says nothing at all, others only their subject."""

MEANINGS: dict[str, Verdict] = {
    # addresses
    "1.1": _DEAD,
    "1.2": _DEAD,
    "1.3": _DEAD,
    "1.4": _UNKNOWN,
    "1.5": _UNKNOWN,
    "1.6": _DEAD,
    "1.7": _POLICY,  # the sender's address,
    "1.8": _POLICY,  # the sender's domain: ours
    "1.9": _RELAY,
    "1.10": _DEAD,  # RFC 7505: a domain without mail
    "1.20": _CONTENT,  # Exchange Online: several senders in the From field
    "1.90": _RATE,  # Exchange Online: our limit of recipients a day
    "1.351": _DEAD,  # Exchange Online: the server behind it knows no such recipient
    # mailboxes
    "2.1": _DEAD,
    "2.2": _FULL,
    "2.3": _CONTENT,  # larger than the mailbox allows
    "2.4": _UNKNOWN,
    "2.14": _UNKNOWN,
    "2.121": _RATE,
    "2.122": _RATE,
    # mail systems
    "3.1": _RELAY,
    "3.2": _RELAY,
    "3.3": _RELAY,
    "3.4": _CONTENT,  # too large
    "3.5": _RELAY,
    "3.6": _RELAY,
    "3.190": _RELAY,
    # networks and routes
    "4.1": _EXPIRED,
    "4.2": _EXPIRED,
    "4.3": _RELAY,
    "4.4": _UNKNOWN,
    "4.5": _RATE,
    "4.6": _RELAY,
    "4.7": _EXPIRED,
    "4.8": _RELAY,
    "4.11": _RELAY,
    "4.14": _RELAY,
    "4.300": _EXPIRED,
    "4.310": _UNKNOWN,
    "4.312": _RELAY,
    "4.316": _EXPIRED,
    "4.317": _RELAY,
    "4.318": _RELAY,
    # protocol
    "5.1": _RELAY,
    "5.2": _RELAY,
    "5.3": _RATE,
    "5.4": _RELAY,
    "5.5": _RELAY,
    "5.6": _CONTENT,  # RFC 4954: a line too long; Exchange: content
    # content
    **{f"6.{number}": _CONTENT for number in range(13)},
    # policy
    **{f"7.{number}": _POLICY for number in (1, 2, 7, 9, 14, 15, 20, 21, 22, 23, 24, 25, 26, 27, 29)},
    **{f"7.{number}": _RELAY for number in (3, 4, 5, 6, 8, 10, 11, 12, 13, 19, 30, 57, 64)},
    "7.16": _CONTENT,  # RFC 6710: too large for its priority
    "7.17": _DEAD,  # RFC 7293: the mailbox,
    "7.18": _DEAD,  # the domain has another owner
    "7.28": _RATE,
    "7.508": _RATE,
    "7.650": _RATE,
    "7.705": _RATE,
    "7.232": _RATE,
    "7.233": _RATE,
}

SUBJECTS: dict[str, Verdict] = {"6": _CONTENT, "7": _POLICY}
"""What is said by a code of these subjects that stands in no row, ``X.6.0`` and ``X.7.0`` among them."""

AMBIGUOUS = frozenset(
    {
        *("1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.10", "2.0", "2.1", "2.2", "2.4", "3.0", "3.1", "3.2"),
        *("3.5", "4.0", "4.1", "4.2", "4.3", "4.4", "4.5", "4.6", "4.8", "4.310", "4.312", "4.316", "4.318"),
        *(
            "5.0",
            "5.1",
            "5.2",
            "5.3",
            "5.4",
            "5.5",
            "6.0",
            "7.0",
            "7.1",
            "7.2",
            "7.3",
            "7.6",
            "7.7",
            "7.9",
            "7.13",
            "7.14",
        ),
    }
)
"""Codes that servers use for this and that: their words decide, the row above only if these say nothing."""

REPLIES: dict[int, Verdict] = {
    **dict.fromkeys((500, 501, 502, 503, 504, 555), _RELAY),  # RFC 5321: commands that were not understood
    **dict.fromkeys((432, 454, 523, 524, 530, 534, 535, 538), _RELAY),  # RFC 4954: logging in
    422: _FULL,
    452: _FULL,
    552: _FULL,  # RFC 5321 4.5.3.1.10 takes it for 452
    523: _CONTENT,
    521: _UNKNOWN,  # RFC 7504: this host takes no mail
    556: _DEAD,  # RFC 7504, RFC 7505: this domain takes no mail
}
"""Bare reply codes; all others say nothing about a cause."""


def meaning(enhanced: str) -> tuple[Verdict | None, bool]:
    """What an enhanced code says by itself (None: nothing), and whether words may say it better."""
    tail = enhanced.partition(".")[2]
    subject = tail.partition(".")[0]
    told = MEANINGS.get(tail, SUBJECTS.get(subject))
    return told, told is None or tail in AMBIGUOUS or (subject == "7" and tail not in MEANINGS)
