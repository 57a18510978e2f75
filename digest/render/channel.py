"""An edition for channels that are no mail: what was frozen, without what mail alone needs."""

from __future__ import annotations

from digest.edition.contents import Edition, Shown
from digest.models import ChannelEdition, ChannelItem, SavedEdition
from digest.render.message import for_everybody

_ITEMS = (Shown.LEAD, Shown.HEADLINE)


def channel_edition(saved: SavedEdition, edition: Edition, *, url: str, language: str) -> ChannelEdition:
    """``edition`` is what ``saved`` holds; ``url`` is its page."""
    return ChannelEdition(
        digest=saved.digest,
        title=edition.title,
        period=saved.period,
        language=language,
        subject=saved.subject,
        url=url,
        items=tuple(
            ChannelItem(title=entry.title, url=entry.url, summary=entry.summary, section=section.title)
            for section in edition.sections
            for entry in section.entries
            if entry.shown in _ITEMS
        ),
        text=for_everybody(saved.text, is_html=False),
        html=for_everybody(saved.html, is_html=True),
    )
