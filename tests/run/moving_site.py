"""Days of a site that keeps some of its posts and moves or deletes older ones, replayed hour by hour; all is real
but the clock."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from digest.app.running import run_once
from digest.jobs.run import RunReport
from tests.run.site_folder import CONFIG, Site

ZONE = ZoneInfo("Asia/Shanghai")
FALSE = ("撤回", "撤下", "deleted-entry")
"""What feeds, pages and mails say of posts that were withdrawn."""
_ENTRY = re.compile(r"<entry>.*?</entry>", re.DOTALL)
_TITLE = re.compile(r"新闻(\d{5})号")


@dataclass(kw_only=True, eq=False)
class MovingSite:
    """One site, and its clock. A script moves at half past midnight what is older than three days, by the date in UTC,
    which takes the early morning's posts of a day more; at nine another one brings these back."""

    folder: Path
    days: int
    posts_a_day: int
    runs_at: tuple[str, ...] = ("00:05", "00:35", "08:05", "09:35", "16:05", "23:55")
    config: str = ""
    """Lines for the section ``posts``."""
    old: str = "site/old_post"
    """Where the old ones go."""
    start: date = date(2026, 11, 1)
    reports: list[RunReport] = field(default_factory=list)
    written: dict[str, datetime] = field(default_factory=dict)
    """Every post by its number, with its date."""

    def __post_init__(self) -> None:
        text = CONFIG.replace("  folder: site\n", f"  folder: site\n{self.config}")
        self.site = Site(self.folder, text + "feeds: {formats: [atom], max_items: 2000}\n")
        self.away = self.folder / self.old
        self.away.mkdir(parents=True)

    def go(self) -> None:
        """From the first day to the last."""
        for day in range(self.days):
            for clock in sorted({*self.runs_at, "00:30", "09:00"}):
                self._pass(datetime.combine(self.start + timedelta(days=day), time.fromisoformat(clock), ZONE), clock)

    def _pass(self, now: datetime, clock: str) -> None:
        self._write_until(now)
        oldest = now.date() - timedelta(days=3)
        if clock == "00:30":
            self._move(self.site.posts, self.away, lambda moment: moment.astimezone(UTC).date() < oldest)
        if clock == "09:00":
            self._move(self.away, self.site.posts, lambda moment: moment.date() >= oldest)
        if clock in self.runs_at:
            self.run(now)

    def run(self, now: datetime, **options: Any) -> RunReport:
        """One run; what it published is looked through."""
        report, _ = run_once(self.folder / "config.yaml", as_of=f"{now:%Y-%m-%d %H:%M}", **options)
        self.reports.append(report)
        return report

    def _write_until(self, now: datetime) -> None:
        """The posts of the time since the last look, evenly over day and night."""
        begin = datetime.combine(self.start, time(), ZONE) - timedelta(days=2)
        step = timedelta(days=1) / self.posts_a_day
        while (moment := begin + len(self.written) * step) <= now:
            number = f"{len(self.written):05}"
            self.site.post(
                f"{moment:%Y-%m-%d}-{number}.md",
                title=f"新闻{number}号",
                date=f"{moment:%Y-%m-%d %H:%M:%S} +0800",
                summary=f"第{number}条。",
                body=f"<p>正文{number}。</p>",
                link=f"http://finance.example.com/news/{number}.html",
            )
            self.written[number] = moment

    def _move(self, source: Path, target: Path, which: object) -> None:
        assert callable(which)
        for path in sorted(source.glob("*.md")):
            if which(self.written[path.stem.rpartition("-")[2]]):
                shutil.move(path, target / path.name)

    # ------------------------------------------------------ what came of it

    def false_statements(self) -> list[str]:
        """Files and mails that say of a post that it was withdrawn."""
        files = [path for path in (self.folder / "public").rglob("*") if path.suffix in (".xml", ".html", ".json")]
        found = [str(path) for path in files if any(word in path.read_text(encoding="utf-8") for word in FALSE)]
        for mail in self.site.mails():
            parts = [part.get_content() for part in mail.walk() if part.get_content_maintype() == "text"]
            found += [str(mail["Subject"]) for text in parts if any(word in text for word in FALSE)]
        return found

    def in_feeds(self) -> set[str]:
        """Numbers of the posts that the live feed and its archives have, each once."""
        paths = [self.folder / "public" / "feed.xml", *(self.folder / "public" / "archive").glob("*.xml")]
        return {
            title
            for path in paths
            for entry in _ENTRY.findall(path.read_text("utf-8"))
            for title in _TITLE.findall(entry)
        }

    def in_editions(self) -> Counter[str]:
        """How many editions have each post, by its number."""
        pages = (self.folder / "public" / "editions" / "daily").glob("*/index.html")
        return Counter(number for page in pages for number in set(_TITLE.findall(page.read_text("utf-8"))))
