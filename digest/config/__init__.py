"""The configuration: ``config.yaml`` into typed, frozen settings, or every problem of it at once."""

from __future__ import annotations

from digest.config.loading import load, password, watch_token
from digest.config.settings import (
    AuthorSettings,
    CategorySettings,
    MailSettings,
    PostSettings,
    Settings,
    WatchSettings,
)
from digest.config.values import S3Url

__all__ = [
    "AuthorSettings",
    "CategorySettings",
    "MailSettings",
    "PostSettings",
    "S3Url",
    "Settings",
    "WatchSettings",
    "load",
    "password",
    "watch_token",
]
