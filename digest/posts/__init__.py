"""Reading posts: from the bytes of one file to a ``Post``, or to the reason why there is none.

Everything in here is pure: same bytes, same path, same ``Rules`` give the same result, and nothing raises.
``body`` turns a post's markup into safe HTML or text when somebody needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from digest.posts.parse import parse_post
    from digest.posts.rules import Rules
    from digest.posts.summary import opening_blockquote

__all__ = ["Rules", "opening_blockquote", "parse_post"]

_PLACES = {"Rules": "rules", "opening_blockquote": "summary", "parse_post": "parse"}


def __getattr__(name: str) -> object:
    """Late imports (PEP 562): a run that has nothing to read needs the rules alone."""
    from importlib import import_module

    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
