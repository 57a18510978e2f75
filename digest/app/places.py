"""The folder of posts and the output, as the settings name them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from digest.config import PostSettings, S3Url, Settings
from digest.config.settings import FolderSourceSettings
from digest.errors import ConfigError

if TYPE_CHECKING:
    from digest.publish.folder import FolderOutput
    from digest.publish.s3 import S3Output
    from digest.sources.folder import FolderSource


EDITIONS = "_editions"
"""Folder of a site in which editors write."""


def is_for_editors(posts: PostSettings | FolderSourceSettings) -> bool:
    """Whether that folder is theirs. A Jekyll site may have a collection of this name."""
    return EDITIONS.removeprefix("_") not in posts.collections


def posts_folder(settings: Settings) -> FolderSource:
    """The posts folder."""
    return _folder(settings, settings.posts, settings.posts.kind, "posts.folder")


def further_folder(settings: Settings, entry: FolderSourceSettings) -> FolderSource:
    """Another folder of posts."""
    return _folder(settings, entry, entry.generator, f"sources.{entry.name}.folder")


def _folder(settings: Settings, posts: PostSettings | FolderSourceSettings, kind: str, label: str) -> FolderSource:
    from digest.sources.folder import FolderSource, detect

    folder, output, exclude = posts.folder, settings.output, posts.exclude
    if isinstance(output, Path) and output.is_relative_to(folder) and output != folder:
        exclude = (*exclude, output.relative_to(folder).as_posix())  # what we write is nobody's post
    if is_for_editors(posts):
        exclude = (*exclude, EDITIONS)
    kind = detect(folder) if kind == "auto" else kind
    return FolderSource(
        folder,
        kind=kind,
        contents=_contents(folder) if kind == "hugo" else (),
        exclude=exclude,
        max_bytes=int(posts.max_bytes),
        archived=tuple(folder / each for each in posts.archived),
        collections=posts.collections,
        label=label,
    )


def _contents(folder: Path) -> tuple[str, ...]:
    from digest.app.generator_files import hugo_configuration
    from digest.app.hugosite import content_folders

    try:
        return content_folders(folder, hugo_configuration(folder))
    except ConfigError:  # said by the rules, without which nothing is read
        return ()


def output_of(settings: Settings) -> FolderOutput | S3Output:
    """Where published files go. Raises ConfigError if the library for it is not installed."""
    from digest.publish.folder import FolderOutput

    place = settings.output
    return FolderOutput(place) if isinstance(place, Path) else _bucket(settings, place)


def _bucket(settings: Settings, place: S3Url) -> S3Output:
    from digest.publish.s3 import S3Output

    s3 = settings.s3
    return S3Output(
        bucket=place.bucket,
        prefix=place.prefix,
        endpoint=None if s3.endpoint is None else str(s3.endpoint),
        region=s3.region,
        addressing=s3.addressing,
        compress=s3.compress,
        max_age=int(s3.max_age.total_seconds()),
    )
