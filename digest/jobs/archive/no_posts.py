"""Why a folder gives no post, although something is in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from digest.models import Problem, Severity

_REASONS = 2
"""Named; the rest is in the report."""
_FEW = 5
"""Markdown files of a site that need not be posts: README.md, about.md."""
_PLACES = {
    "jekyll": "Jekyll takes posts from folders called _posts, named such as 2026-03-24-title.md",
    "hexo": "Hexo takes posts from source/_posts",
    "hugo": "Hugo takes pages from content",
}


def why_none(kind: str, problems: Iterable[Problem], elsewhere: Iterable[str]) -> str:
    """In words: what is wrong with the files that were looked at, else where files lie that might be meant. Empty if
    nothing is there. ``elsewhere``: paths of files that are named like posts and lie where a generator of this
    ``kind`` looks for none."""
    refused = [each for each in problems if each.severity in (Severity.SKIPPED, Severity.NOTE)]
    if refused:
        reasons = Counter(each.reason for each in refused).most_common()
        examples = {each.reason: each for each in reversed(refused)}
        shown = "; ".join(f"{count:,} because {_told(examples[reason])}" for reason, count in reasons[:_REASONS])
        more = sum(count for _, count in reasons[_REASONS:])
        return f"none of its files ({len(refused):,}) gives one: {shown}" + (
            f"; {more:,} for other reasons" if more else ""
        )
    folders = Counter(path.rpartition("/")[0] for path in elsewhere)
    count = folders.total()
    if count < _FEW:
        return ""
    named = ", ".join(f"{folder or '.'}/ ({number:,})" for folder, number in folders.most_common(3))
    plain = "" if kind == "hugo" else "; for plain Markdown with a date in each file write posts.kind: hugo"
    first = folders.most_common(1)[0][0].partition("/")[0]
    if kind == "jekyll" and first[:1] == "_":
        plain = f"; if documents of a collection are posts, write posts.collections: [{first[1:]}]"
    return f"{count:,} Markdown files lie elsewhere, in {named}: {_PLACES[kind]}{plain}"


def _told(problem: Problem) -> str:
    remedy = f" ({problem.remedy})" if problem.remedy else ""
    return f"{problem.reason}, as in {problem.path}{remedy}"
