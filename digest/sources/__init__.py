"""Places that posts come from."""

from digest.sources.folder import FolderSource, detect

__all__ = ["FolderSource", "detect"]
