"""The configuration: ``config.yaml`` into typed, frozen settings, or every problem of it at once."""

from __future__ import annotations

from digest.config.loading import load, password
from digest.config.settings import (
    AuthorSettings,
    CategorySettings,
    DigestSettings,
    FeedSettings,
    MailSettings,
    PostSettings,
    Settings,
    SiteSettings,
    SubscriptionSettings,
)

__all__ = [
    "AuthorSettings",
    "CategorySettings",
    "DigestSettings",
    "FeedSettings",
    "MailSettings",
    "PostSettings",
    "Settings",
    "SiteSettings",
    "SubscriptionSettings",
    "load",
    "password",
]
