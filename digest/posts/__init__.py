"""Reading posts: from the bytes of one file to a ``Post``, or to the reason why there is none.

Everything in here is pure: same bytes, same path, same ``Rules`` give the same result, and nothing raises.
``body`` turns a post's markup into safe HTML or text when somebody needs it.
"""

from digest.posts.parse import parse_post
from digest.posts.rules import Rules
from digest.posts.summary import opening_blockquote

__all__ = ["Rules", "opening_blockquote", "parse_post"]
