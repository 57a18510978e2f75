"""What a theme of a site generator takes over: a form for mail, and links to the feeds."""

from __future__ import annotations

import os
from pathlib import Path

from digest.app.places import posts_folder
from digest.config import load


def theme_snippet(config: Path) -> tuple[str, str]:
    """The site's generator, and HTML for any of its pages, in which no theme finds a word of its own. The form is
    there where ``subscriptions.url`` is written. Raises ConfigError."""
    from digest.languages import CatalogueLanguage
    from digest.render.feeds.catalogue import ALL, files_of
    from digest.render.feeds.model import Addresses
    from digest.render.pages import INDEX, format_links
    from digest.templates import FolderTemplates

    settings = load(config, os.environ)
    language = CatalogueLanguage(str(settings.site.language))
    templates = FolderTemplates(language, settings.templates, settings.theme, mail_form=settings.mail_form)
    base = f"{settings.feeds_url}/"
    files = files_of(ALL, "all", settings.feeds.formats)
    atom, rss, json = (path and base + path for path in (files.atom, files.rss, files.json))
    formats = format_links(settings.site.title, Addresses(atom=atom, rss=rss, json=json))
    page = base + INDEX.removesuffix("index.html")
    text = templates.render("pages/snippet.html", {"formats": formats, "feeds_page": page})
    kind = posts_folder(settings).kind if settings.posts.has_folder else ""
    return kind, text.replace("{", "&#123;")
