"""What an edition was frozen with besides its posts, ready to be used again."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from digest.app.assembly import App
    from digest.edition.contents import Recipe
    from digest.models import SavedEdition
    from digest.render.context import RenderContext


def frozen_look(app: App, edition: SavedEdition) -> tuple[Recipe, RenderContext]:
    """What mails of an edition are made with, as it was when it was frozen."""
    return frozen_look_of(app.store.frozen_look(edition.look))


@lru_cache(maxsize=4)
def frozen_look_of(frozen: str) -> tuple[Recipe, RenderContext]:
    from digest.edition.look import look_from_json
    from digest.languages import CatalogueLanguage
    from digest.render.context import RenderContext
    from digest.templates import FrozenTemplates

    kept = look_from_json(frozen)
    language = CatalogueLanguage(kept.language, kept.catalogue)
    templates = FrozenTemplates(language, kept.templates, kept.theme)
    context = RenderContext(
        publisher=kept.publisher, templates=templates, language=language, theme=kept.theme, subject=kept.subject
    )
    return kept.recipe, context
