"""What an editor writes for one edition: Markdown whose text introduces it and whose front matter names posts."""

from __future__ import annotations

from collections.abc import Iterator

from digest.models import EditionFile
from digest.posts.body import note_html
from digest.posts.decode import decode
from digest.posts.frontmatter import split
from digest.posts.plainblock import FrontMatter, Value
from digest.posts.problems import Rejected, Remarks
from digest.text import clean_line

INTRODUCTION = 6_000
"""Characters of an introduction at most: the mail has to hold the news as well."""
SPONSOR = 300
"""Characters of the sponsor's line at most."""
_LISTS = ("pin", "skip")
_LINES = ("lead", "sponsor")


def read_edition_file(path: str, data: bytes, *, site_url: str, lang: str) -> EditionFile:
    """The file at ``path`` (as messages name it). ``site_url`` is what relative links begin at, ``lang`` the site's
    language (BCP 47). Front matter is YAML, TOML or JSON between the marks of any generator. Never raises: what cannot
    be used is told in ``warnings``, and nothing is used of a file that cannot be read."""
    remarks = Remarks(path)
    try:
        front, body, line = split(decode(data, remarks, lang), "hugo", remarks)
        text = body.strip()
        if len(text) > INTRODUCTION:
            shorten = f"shorten it to {INTRODUCTION:,}"
            raise Rejected(f"the introduction has {len(text):,} characters", shorten, line=line)
    except Rejected as refused:
        where = path if refused.line is None else f"{path}:{refused.line}"
        remedy = f"; {refused.remedy}" if refused.remedy else ""
        return EditionFile(path=path, warnings=(f"{where}: {refused.reason}; the edition is made without it{remedy}",))
    sponsor = _line_of(front, "sponsor", remarks)
    if len(sponsor) > SPONSOR:
        remarks.warn(f"sponsor has {len(sponsor):,} characters", f"shorten it to {SPONSOR}", line=_at(front, "sponsor"))
        sponsor = ""
    for key in front.values:
        if key not in _LISTS + _LINES:
            known = ", ".join(sorted(_LISTS + _LINES))
            remarks.warn(
                f"{clean_line(key)[:40]} says nothing to an edition", f"it takes {known}", line=_at(front, key)
            )
    base = f"{site_url.rstrip('/')}/"
    return EditionFile(
        path=path,
        introduction=note_html(text, base),
        sponsor=note_html(sponsor, base, in_line=True),
        lead=_line_of(front, "lead", remarks),
        pin=_names(front, "pin", remarks),
        skip=_names(front, "skip", remarks),
        warnings=tuple(str(each) for each in remarks.all()),
    )


def _at(front: FrontMatter, key: str) -> int | None:
    return front.lines.get(key)


def _line_of(front: FrontMatter, key: str, remarks: Remarks) -> str:
    value = front.values.get(key)
    if value is not None and not isinstance(value, str):
        remarks.warn(f"{key} is a list or a table", f"write one line: {key}: …", line=_at(front, key))
        return ""
    return clean_line(value or "")


def _names(front: FrontMatter, key: str, remarks: Remarks) -> tuple[str, ...]:
    value = front.values.get(key)
    if isinstance(value, dict):
        remarks.warn(f"{key} is a table", f"write a list of files: {key}: [a.md, b.md]", line=_at(front, key))
        return ()
    return tuple(dict.fromkeys(_texts(value)))


def _texts(value: Value) -> Iterator[str]:
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, str) and (name := clean_line(each)):
            yield name
