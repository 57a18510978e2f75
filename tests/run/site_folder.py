"""A small site in a folder of its own, and ``digest run`` on it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any

from tests.program import run_program

CONFIG = """\
site:
  title: 财经早报
  url: https://news.example.com
  language: zh-CN
  timezone: Asia/Shanghai
  author: 财经早报
posts:
  folder: site
  settle: 0
mail:
  sender: 财经早报 <digest@news.example.com>
  to: reader@example.com
"""

AS_OF = "2026-11-24 09:00"


def post_text(
    title: str = "央行开展逆回购操作",
    *,
    date: str = "2026-11-24 08:00:00 +0800",
    categories: str = "macro",
    summary: str = "今日开展一千亿元逆回购操作。（第一新闻）",
    body: str = "<p>今日开展一千亿元逆回购操作，利率不变。</p>",
    link: str = "http://finance.example.com/news/1.html",
    extra: str = "",
) -> str:
    """A post in the shape of the model archive."""
    return (
        f'---\nlayout: post\ntitle: "{title}"\ndate: {date}\ncategories: {categories}\ntags: 滚动新闻\n{extra}---\n'
        f"> {summary}\n\n{body}\n\n<{link}>\n\n"
        "[返回滚动新闻](//news.example.com/macro/)｜[返回首页](//news.example.com/)\n"
    )


def body_of(mail: EmailMessage, kind: str = "plain") -> str:
    body = mail.get_body((kind,))
    assert body is not None
    return str(body.get_content())


@dataclass(frozen=True, kw_only=True)
class Result:
    """How a run ended and what it said."""

    code: int
    out: str
    err: str
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def written(self) -> list[str]:
        return [*self.report["feeds"]["written"], *self.report["editions"]["written"]]


class Site:
    """A folder with a configuration and posts."""

    def __init__(self, folder: Path, config: str = CONFIG) -> None:
        self.folder = folder
        self.posts = folder / "site" / "_posts"
        self.posts.mkdir(parents=True)
        self.configure(config)

    def copy(self, folder: Path) -> Site:
        """The same site in another folder, which may be there already; nothing is shared."""
        copied = Site(folder)
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return copied

    def configure(self, config: str) -> None:
        (self.folder / "config.yaml").write_text(config, encoding="utf-8")

    def post(self, name: str = "2026-11-24-first.md", **parts: str) -> Path:
        """Write a post; ``parts`` as in ``post_text``."""
        path = self.posts / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(post_text(**parts), encoding="utf-8")
        return path

    def some_posts(self) -> None:
        """Three posts in two categories, on two days."""
        self.post(
            "2026-11-23-old.md", title="昨日要闻", date="2026-11-23 20:00:00 +0800", link="http://x.example.com/0"
        )
        self.post("2026-11-24-first.md")
        self.post(
            "2026-11-24-second.md",
            title="半导体板块走强",
            date="2026-11-24 08:30:00 +0800",
            categories="stocks",
            link="http://x.example.com/2",
        )

    def run(self, *words: str, as_of: str | None = AS_OF, prefix: tuple[str, ...] = ()) -> Result:
        """``digest run`` as a process of its own."""
        return self.command("run", *words, *(() if as_of is None else ("--as-of", as_of)), prefix=prefix)

    def command(self, *words: str, prefix: tuple[str, ...] = ()) -> Result:
        """Any command; on this site, unless the words name another."""
        ours = () if "--config" in words else ("--config", str(self.folder / "config.yaml"))
        arguments, env = [*words, *ours], {**os.environ, "NO_COLOR": "1"}
        if prefix:
            line = [*prefix, sys.executable, "-m", "digest", *arguments]
            done = subprocess.run(line, capture_output=True, text=True, timeout=120, env=env)
        else:
            done = run_program(*arguments, env=env)
        report = json.loads(done.stdout) if "--json" in words and done.stdout.strip() else {}
        assert "Traceback" not in done.stderr, done.stderr
        return Result(code=done.returncode, out=done.stdout, err=done.stderr, report=report)

    def run_json(self, *words: str, as_of: str | None = AS_OF) -> Result:
        return self.run("--json", *words, as_of=as_of)

    def tree(self, *folders: str) -> dict[str, tuple[bytes, int]]:
        """Bytes and times of every file below these folders."""
        return {
            path.relative_to(self.folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
            for folder in folders
            for path in sorted((self.folder / folder).rglob("*"))
            if path.is_file()
        }

    def bytes_of(self, *folders: str) -> dict[str, bytes]:
        return {name: data for name, (data, _) in self.tree(*folders).items()}

    def mails(self) -> list[EmailMessage]:
        """What lies in the outbox, by file name."""
        files = sorted((self.folder / "var" / "outbox").glob("*.eml"))
        return [BytesParser(policy=policy.default).parsebytes(path.read_bytes()) for path in files]
