"""What mails and pages of editions are rendered with."""

from __future__ import annotations

from msgspec import Struct

from digest.edition.contents import Publisher
from digest.ports import Language, Templates
from digest.theme import Theme


class RenderContext(Struct, frozen=True, kw_only=True):
    """Whose editions they are, how they look, and the language they speak."""

    publisher: Publisher
    templates: Templates
    language: Language
    theme: Theme = Theme()
    subject: str = ""
    """Of mails, with ``{lead}``, ``{date}``, ``{title}`` and ``{count}`` in it; empty for the one of the language."""
