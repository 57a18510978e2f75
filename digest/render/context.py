"""What mails and pages of editions are rendered with."""

from __future__ import annotations

from msgspec import Struct

from digest.edition.contents import Publisher
from digest.ports import Language, Templates


class RenderContext(Struct, frozen=True, kw_only=True):
    """Whose editions they are, how they look, and the language they speak."""

    publisher: Publisher
    templates: Templates
    language: Language
