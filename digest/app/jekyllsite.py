"""What a Jekyll site says of its posts in other files than theirs, read from its folder."""

from __future__ import annotations

from pathlib import Path

from digest.app.generator_files import jekyll_configuration, loaded
from digest.generators.site import text
from digest.posts.jekyllsite import NO_SITE, JekyllSite, read_jekyll_site

_AUTHORS = ("authors.yml", "authors.yaml", "authors.json")


def jekyll_site(folder: Path, collections: tuple[str, ...] = ()) -> JekyllSite:
    """The site that the posts folder belongs to; ``collections`` are those whose files are read besides posts. Raises
    ConfigError if its configuration cannot be read, as Jekyll could not either."""
    found = jekyll_configuration(folder)
    if found is None:
        return read_jekyll_site({}, "", None, collections) if collections else NO_SITE
    root, data = found
    source = root / (text(data.get("source")) or "")
    real = folder.resolve()
    start = next(
        (base for base in (source / (text(data.get("collections_dir")) or ""), source) if real.is_relative_to(base)),
        real,
    )
    below = real.relative_to(start).as_posix()
    shelf = source / (text(data.get("data_dir")) or "_data")
    file = next((shelf / name for name in _AUTHORS if (shelf / name).is_file()), None)
    authors = None if file is None else loaded(file)
    return read_jekyll_site(data, "" if below == "." else f"{below}/", authors, collections)
