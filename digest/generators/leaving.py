"""Whether a site moves its old posts to another folder, and after how many days, by the names of its files. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date

from msgspec import Struct

LEAST = 3
"""So many posts lie in a folder that posts are moved to, whatever it is called."""
_LONGEST = 60
"""Days; what is kept for longer is no window that moves every day."""
_TELLING = re.compile(r"(^|/)[._]?(old|archiv|past|expired|history|旧|归档|存档)[^/]*$", re.IGNORECASE)
"""Names of folders that say it."""
_DATED = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})-")


class Habit(Struct, frozen=True, kw_only=True):
    """How posts leave."""

    archived: tuple[str, ...]
    """Folders that they are moved to, counted from the posts folder."""
    moved: int
    """How many posts lie there."""
    days: int | None = None
    """How many days posts stay, if there is a day up to which they were moved."""


def habit_of(posts: Iterable[str], outside: Iterable[str]) -> Habit | None:
    """``posts``: paths of the files that are posts; ``outside``: of others that are named like posts. Both are counted
    from the posts folder. None if nothing looks as if posts were moved."""
    here = {_name(path): day for path in posts if (day := _day(path)) is not None}
    groups: dict[str, dict[str, date]] = {}
    for path in outside:
        if (day := _day(path)) is not None and "/" in path:
            groups.setdefault(_first_folder(path), {})[path] = day
    old = {folder: days for folder, days in groups.items() if _TELLING.search(folder) or _is_older(days, here)}
    if not old:
        return None
    days = [day for found in old.values() for day in found.values()]
    folders = tuple(sorted(_common_folder(found) for found in old.values()))
    return Habit(archived=folders, moved=len(days), days=_window(sorted(here.values()), max(days)))


def _is_older(days: dict[str, date], here: dict[str, date]) -> bool:
    """Enough posts, older than those that stayed, and no copies of them."""
    copies = sum(_name(path) in here for path in days)
    return len(days) >= LEAST and copies * 2 <= len(days) and (not here or _middle(days) < _middle(here))


def _middle(days: dict[str, date]) -> date:
    return sorted(days.values())[len(days) // 2]


def _window(here: list[date], newest_moved: date) -> int | None:
    """Days that posts stay: nearly all of those that are there are newer than all that were moved."""
    newer = sum(day > newest_moved for day in here)
    if not here or newer * 10 < len(here) * 9:
        return None
    days = (here[-1] - newest_moved).days - 1
    return days if 1 <= days <= _LONGEST else None


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _day(path: str) -> date | None:
    found = _DATED.match(_name(path))
    try:
        return None if found is None else date(*map(int, found.groups()))
    except ValueError:
        return None


def _first_folder(path: str) -> str:
    """``../old_post`` of ``../old_post/2026/a.md``."""
    parts = path.split("/")
    depth = next((place for place, part in enumerate(parts) if part != ".."), 0)
    return "/".join(parts[: depth + 1])


def _common_folder(paths: Iterable[str]) -> str:
    """The lowest folder that has them all, and will have those of other years and months."""
    split = [path.split("/")[:-1] for path in paths]
    shared = 0
    while all(len(parts) > shared for parts in split) and len({parts[shared] for parts in split}) == 1:
        shared += 1
    while shared > 1 and split[0][shared - 1].isdigit():
        shared -= 1
    return "/".join(split[0][:shared])
