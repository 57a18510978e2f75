"""``digest posts withdraw``."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from digest.app.assembly import opened
from digest.app.moment import moment
from digest.config import load
from digest.errors import AlreadyRunning, StoreBusy
from digest.models import KnownPost


def withdraw_post(config: Path, words: str) -> tuple[KnownPost, bool]:
    """Withdraw the post with this address, id or path, which has left the posts folder. Returns it, and whether it was
    not withdrawn before. Raises ConfigError if its file is still there, StoreError if there is no such post or a run is
    at work."""
    from digest.jobs.archive.leaving import only_post, withdraw

    settings = load(config, os.environ)
    words = words.strip()
    if "://" in words:
        words = quote(words, safe="/%:@!$&'()*+,;=~?#")  # as posts' addresses are kept
    try:
        with opened(settings, moment(None, settings.site.timezone), dry_run=False) as app:
            post = only_post(app.store.look_for(words).posts, words)
            return post, withdraw(app.store, post, app.when.now)
    except AlreadyRunning as error:  # it does not do this
        raise StoreBusy(error.subject, error.cause, "say it again when that has ended") from error
