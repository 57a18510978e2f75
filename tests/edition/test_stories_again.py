"""The same posts give the same groups in every process (digest/edition/stories.py): an edition can be rebuilt."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
from digest.edition.stories import Telling, group_stories
names = "甲乙丙丁戊己庚辛壬癸"
print(group_stories([
    Telling(
        key=number,
        title=f"第{number}条快讯：{names[number % 10]}公司公布{number}号项目",
        summary=f"项目{number}的投资额为{number}亿元。（第{number % 4}新闻）",
    )
    for number in reversed(range(30))
]))
"""


def test_groups_do_not_depend_on_the_process() -> None:
    """Python orders sets anew in each process; these posts are alike enough for the least rounding to matter."""
    said = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
        ).stdout
        for seed in range(6)
    }
    assert len(said) == 1
    assert "(" in said.pop()
