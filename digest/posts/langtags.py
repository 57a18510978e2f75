"""Tags of languages (BCP 47), as people write them."""

from __future__ import annotations

import re

_LANG = re.compile(r"([A-Za-z]{2,3})(?:[-_]([A-Za-z0-9]{2,8}))*\Z")


def is_tag(given: str) -> bool:
    """Whether a text may be a language tag, with hyphens or underscores."""
    return _LANG.match(given) is not None


def canonical(tag: str) -> str:
    """A language tag in its usual spelling (BCP 47)."""
    first, *rest = tag.replace("_", "-").split("-")
    forms = {2: str.upper, 4: str.title}
    return "-".join([first.lower(), *(forms.get(len(part), str.lower)(part) for part in rest)])
