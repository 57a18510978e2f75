"""The folder of posts and the output, as the settings name them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from digest.config import S3Url, Settings
from digest.config.settings import FolderSourceSettings

if TYPE_CHECKING:
    from digest.publish.folder import FolderOutput
    from digest.publish.s3 import S3Output
    from digest.sources.folder import FolderSource


def further_folder(entry: FolderSourceSettings) -> FolderSource:
    """Another folder of posts."""
    from digest.sources.folder import FolderSource

    return FolderSource(
        entry.folder,
        kind=entry.generator,
        exclude=entry.exclude,
        max_bytes=int(entry.max_bytes),
        archived=tuple(entry.folder / each for each in entry.archived),
        label=f"sources.{entry.name}.folder",
    )


def source_of(settings: Settings) -> FolderSource:
    """The posts folder."""
    from digest.sources.folder import FolderSource

    posts = settings.posts
    return FolderSource(
        posts.folder,
        kind=posts.kind,
        exclude=_excluded(settings),
        max_bytes=int(posts.max_bytes),
        archived=tuple(posts.folder / each for each in posts.archived),
    )


def _excluded(settings: Settings) -> tuple[str, ...]:
    """Patterns of what is no post."""
    posts, output = settings.posts, settings.output
    if isinstance(output, Path) and output.is_relative_to(posts.folder) and output != posts.folder:
        return (*posts.exclude, output.relative_to(posts.folder).as_posix())  # what we write is nobody's post
    return posts.exclude


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
