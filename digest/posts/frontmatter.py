"""Where the front matter ends and the body begins, in the dialects of Jekyll, Hugo and Hexo."""

from __future__ import annotations

import re
from datetime import date, datetime, time

from digest.posts.plainblock import FrontMatter, Value, read_plain
from digest.posts.problems import Rejected, Remarks

MAX_SIZE = 64 * 1024
"""Longest front matter in characters."""

_OPEN = re.compile(r"---[^\S\n]*\n")
_CLOSE = re.compile(r"^(?:---|\.\.\.)[^\S\n]*(?:\n|\Z)", re.MULTILINE)
_TOML_CLOSE = re.compile(r"^\+\+\+[^\S\n]*(?:\n|\Z)", re.MULTILINE)
_HEXO_OPEN = re.compile(r"(-{3,}|;{3,})\n")
_HEXO_BARE = re.compile(r"^(-{3,}|;{3,})[^\S\n]*(?:\n|\Z)", re.MULTILINE)
_KEY_LINE = re.compile(r"[^\s:#][^:\n]*:(?:\s|\Z)")
_LEADING_TABS = re.compile(r"(?<=\n)\t+")
_TOML_LINE = re.compile(r"at line (\d+)")


def split(text: str, kind: str, remarks: Remarks) -> tuple[FrontMatter, str, int]:
    """Front matter, body, and the body's first line in the file. Raises Rejected."""
    if kind == "hugo":
        return _hugo(text, remarks)
    if kind == "hexo":
        return _hexo(text, remarks)
    return _jekyll(text, remarks)


def is_copied(text: str) -> bool:
    """Whether a file of a collection is none of its documents to Jekyll, which copies it as it is: it does not begin
    with front matter."""
    return _OPEN.match(text) is None


def _jekyll(text: str, remarks: Remarks) -> tuple[FrontMatter, str, int]:
    opened = _OPEN.match(text)
    if opened is None:
        return _jekyll_bare(text, remarks)
    return _yaml(text, opened.end(), 2, _CLOSE, remarks)


def _jekyll_bare(text: str, remarks: Remarks) -> tuple[FrontMatter, str, int]:
    """Without front matter at the very start everything is text to Jekyll; the name gives title and date."""
    start = text.lstrip()
    if remarks.all():  # controls in it
        raise Rejected("no front matter, and hardly a text", "delete the file, or save it as UTF-8 text", line=1)
    if not start:
        raise Rejected("the file is empty", "begin it with a line ---, then title and date, then a line ---", line=1)
    opened = _OPEN.match(start)
    closed = _CLOSE.search(start, opened.end()) if opened is not None else None
    if closed is None:
        return FrontMatter(values={}), text, 1
    remarks.warn(
        "blank lines before the front matter, which Jekyll reads none of then", "delete what stands before ---", line=1
    )
    before = text[: len(text) - len(start) + closed.end()]
    return FrontMatter(values={}), start[closed.end() :], before.count("\n") + 1


def _hugo(text: str, remarks: Remarks) -> tuple[FrontMatter, str, int]:
    start = text.lstrip()
    line = text.count("\n", 0, len(text) - len(start)) + 1
    opened = _OPEN.match(start)
    if opened is not None:
        return _yaml(start, opened.end(), line + 1, _CLOSE, remarks)
    if start.startswith("+++"):
        return _toml(start, line)
    if start.startswith("{") and not start.startswith(("{{", "{%")):
        return _json(start, line)
    return FrontMatter(values={}), text, 1


def _hexo(text: str, remarks: Remarks) -> tuple[FrontMatter, str, int]:
    start = text.lstrip("\n")
    line = len(text) - len(start) + 1
    opened = _HEXO_OPEN.match(start)
    if opened is not None:
        mark = opened[1]
        close = _CLOSE if mark == "---" else re.compile(rf"^{re.escape(mark)}[^\S\n]*(?:\n|\Z)", re.MULTILINE)
        if mark[0] == ";":
            return _json_lines(start, opened.end(), line + 1, close)
        return _yaml(start, opened.end(), line + 1, close, remarks, tabs=True)
    closed = _HEXO_BARE.search(start)
    first = start.split("\n", 1)[0]
    if closed is None or closed.start() == 0 or not _KEY_LINE.match(first):
        return FrontMatter(values={}), text, 1
    if closed[1][0] == ";":
        return _json_lines(start, 0, line, _HEXO_BARE)
    return _yaml(start, 0, line, _HEXO_BARE, remarks, tabs=True)


def _yaml(
    text: str, begin: int, first_line: int, close: re.Pattern[str], remarks: Remarks, *, tabs: bool = False
) -> tuple[FrontMatter, str, int]:
    block, end = _block(text, begin, first_line, close)
    front = read_plain(block, first_line)
    if front is None:
        from digest.posts.yamlblock import read_yaml  # late: in many archives no post needs it

        if tabs and "\t" in block:
            block = _LEADING_TABS.sub(lambda found: "  " * len(found[0]), f"\n{block}")[1:]
        front = read_yaml(block, first_line, remarks)
    return front, text[end:], first_line + text.count("\n", begin, end)


def _block(text: str, begin: int, first_line: int, close: re.Pattern[str]) -> tuple[str, int]:
    """The text between the marks, and where the body begins."""
    closed = close.search(text, begin)
    if closed is None:
        raise Rejected(
            "the front matter is never closed", "add a line --- between front matter and text", line=first_line - 1 or 1
        )
    if closed.start() - begin > MAX_SIZE:
        raise Rejected("front matter larger than 64 KB", "move the text below the second ---", line=first_line)
    return text[begin : closed.start()], closed.end()


def _toml(text: str, line: int) -> tuple[FrontMatter, str, int]:
    import tomllib  # late: only Hugo sites that use TOML need it
    from decimal import Decimal

    begin = text.find("\n") + 1
    if text[3 : begin - 1].strip() or not begin:
        raise Rejected("the line +++ holds more than that", "put +++ alone on its line", line=line)
    closed = _TOML_CLOSE.search(text, begin)
    if closed is None:
        raise Rejected("the front matter is never closed", "add a line +++ between front matter and text", line=line)
    if closed.start() - begin > MAX_SIZE:
        raise Rejected("front matter larger than 64 KB", "move the text below the second +++", line=line)
    block = text[begin : closed.start()]
    try:
        loaded = tomllib.loads(block, parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError) as error:  # decimals have limits, too
        place = _TOML_LINE.search(str(error))
        row = line + int(place[1]) if place else line
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise Rejected(
            f"front matter is not valid TOML: {reason}",
            'write text in quotes, for example title = "…"; tables and lists as TOML has them',
            line=row,
        ) from error
    return _from_data(loaded, line), text[closed.end() :], line + text.count("\n", 0, closed.end())


def _json(text: str, line: int) -> tuple[FrontMatter, str, int]:
    import json
    from decimal import Decimal

    decoder = json.JSONDecoder(parse_float=Decimal)
    try:
        loaded, end = decoder.raw_decode(text[: MAX_SIZE + 2])
    except json.JSONDecodeError as error:
        raise Rejected(
            f"front matter is not valid JSON: {error.msg}",
            "compare it with a post that works; text in double quotes, commas between entries",
            line=line + error.lineno - 1,
        ) from error
    except RecursionError as error:
        raise Rejected("front matter is not valid JSON: nested too deeply", "keep it flat", line=line) from error
    except (ValueError, ArithmeticError) as error:
        raise Rejected(
            "front matter is not valid JSON: a number is too large", "put it in quotes, or delete it", line=line
        ) from error
    return _from_data(loaded, line), text[end:], line + text.count("\n", 0, end)


def _json_lines(text: str, begin: int, first_line: int, close: re.Pattern[str]) -> tuple[FrontMatter, str, int]:
    """Hexo's ``;;;``: the inside of a JSON object."""
    block, end = _block(text, begin, first_line, close)
    front, _, _ = _json("{\n" + block + "\n}", first_line - 1)
    return front, text[end:], first_line + text.count("\n", begin, end)


def _from_data(loaded: dict[str, object], line: int) -> FrontMatter:
    """Values of TOML and JSON as text, as if written in YAML: text was quoted, the rest was not."""
    values = {str(key): as_value(value, 1) for key, value in loaded.items()}
    quoted = frozenset(str(key) for key, value in loaded.items() if isinstance(value, str))
    return FrontMatter(values=values, lines=dict.fromkeys(values, line), quoted=quoted)


def as_value(value: object, depth: int) -> Value:
    """What TOML or JSON hold, as if it had been read from YAML."""
    if depth > 20 or value is None:
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return [as_value(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {str(key): as_value(item, depth + 1) for key, item in value.items()}
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return str(value)
