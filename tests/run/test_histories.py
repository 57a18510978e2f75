"""Whole histories of sites, commit by commit: what their authors rename, move, edit and rewrite is no news."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from msgspec import Struct

from digest.app.reading import FileReader
from digest.jobs.archive.collect import CollectReport, collect
from digest.jobs.archive.settling import Settling
from digest.posts import Rules
from digest.sources import FolderSource
from digest.store import open_store
from digest.store.sql_store import SqlStore

START = datetime(2024, 1, 1, 8, tzinfo=UTC)
WORDS = (
    *("market", "garden", "compiler", "river", "index", "kernel", "holiday", "bicycle", "network", "letter", "mirror"),
    *("winter", "engine", "harbour", "notebook", "signal", "bridge", "window", "teacher", "orchard", "copper", "tin"),
    *("央行", "逆回购", "芯片", "出口", "财报", "新能源", "港口", "消费", "地铁", "利率", "黄金", "电网"),
)


class Article(Struct):
    """A post as its author thinks of it, whatever its file is called today."""

    path: str
    title: str
    date: str
    text: list[str]
    extra: str = ""

    def source(self) -> str:
        body = "\n\n".join(self.text)
        return f'---\ntitle: "{self.title}"\ndate: {self.date}\n{self.extra}---\n\n{body}\n'


class Site(Struct):
    """A folder under version control, and a store that follows it."""

    root: Path
    store: SqlStore
    kind: str
    chance: random.Random
    articles: list[Article] = []
    now: datetime = START
    ids: dict[int, str] = {}
    """By the number of the article, as they were first seen."""

    def words(self, count: int) -> str:
        return " ".join(self.chance.choice(WORDS) for _ in range(count))

    def write(self, title: str = "", *, with_time: bool = True) -> Article:
        """A new post, in the generator's own way."""
        title = title or self.words(5)
        day = self.now - timedelta(days=self.chance.randrange(3), minutes=self.chance.randrange(600))
        name = f"{title.lower().replace(' ', '-')}-{len(self.articles)}"
        path = f"_posts/{day:%Y-%m-%d}-{name}.md" if self.kind == "jekyll" else f"content/post/{name}.md"
        date = f"{day:%Y-%m-%d %H:%M:%S} +0000" if with_time else f"{day:%Y-%m-%d}"
        article = Article(path, title, date, [self.words(self.chance.randrange(20, 60)) for _ in range(6)])
        self.articles.append(article)
        return article

    def commit(self) -> CollectReport:
        """Write the files as they are to be, and take them in."""
        wanted = {article.path: article.source() for article in self.articles}
        for file in sorted(path for path in self.root.rglob("*") if path.is_file()):
            if file.relative_to(self.root).as_posix() not in wanted:
                file.unlink()
        for path, text in wanted.items():
            file = self.root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            if not file.is_file() or file.read_text(encoding="utf-8") != text:
                file.write_text(text, encoding="utf-8")
        self.now += timedelta(days=1, hours=self.chance.randrange(12))
        source = FolderSource(self.root, kind=self.kind)
        rules = Rules(
            site_url="https://example.org",
            timezone=ZoneInfo("UTC"),
            kind=self.kind,
            now=self.now + timedelta(days=1),
        )
        return collect(
            self.store,
            source,
            FileReader(source, rules),
            rules=rules.fingerprint(),
            now=self.now,
            settling=Settling(wall=self.now, rest=timedelta(0), sleep=None),
        )

    def check_ids(self) -> None:
        """Every post has the id that it had at first."""
        posts = self.store.posts_at([article.path for article in self.articles])
        assert len(posts) == len(self.articles)
        for article in self.articles:
            number = id(article)
            assert self.ids.setdefault(number, posts[article.path].id) == posts[article.path].id, article.path


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Callable[[str, int], Site]]:
    with open_store(f"sqlite:///{tmp_path}/digest.db") as store:
        yield lambda kind, seed: Site(tmp_path / "site", store, kind, random.Random(seed))


# --------------------------------------------------------- what authors do


def _slug(site: Site, article: Article) -> None:
    """Another file name."""
    if article.path.endswith("/index.md"):
        article.path = f"{article.path.removesuffix('/index.md')}-{site.chance.randrange(10**6)}/index.md"
        return
    folder, _, name = article.path.rpartition("/")
    date = name[:11] if site.kind == "jekyll" else ""
    article.path = f"{folder}/{date}{site.words(3).replace(' ', '-')}-{site.chance.randrange(10**6)}.md"


def _typo(site: Site, article: Article) -> None:
    place = site.chance.randrange(len(article.text))
    article.text[place] = article.text[place].replace(" ", "  ", 1) + f" {site.words(1)}."


def _title(site: Site, article: Article) -> None:
    article.title = site.words(4)


def _title_a_little(_site: Site, article: Article) -> None:
    article.title = f"{article.title}!"


def _front(site: Site, article: Article) -> None:
    article.extra = f"tags: [{site.chance.choice(WORDS)}]\nlayout: post\n"


def _subtitle(site: Site, article: Article) -> None:
    article.extra = f"subtitle: {site.words(4)}\n"


def _section(site: Site, article: Article) -> None:
    """Another folder."""
    is_bundle = article.path.endswith("/index.md")
    name = "/".join(article.path.split("/")[-2 if is_bundle else -1 :])
    above = f"{site.chance.choice('abc')}/_posts" if site.kind == "jekyll" else f"content/{site.chance.choice('abc')}"
    article.path = f"{above}/{name}"


def _bundle(site: Site, article: Article) -> None:
    """Hugo: a page with a folder of its own."""
    if site.kind == "hugo" and not article.path.endswith("/index.md"):
        article.path = f"{article.path.removesuffix('.md')}/index.md"


PERSONAL = [(_slug,), (_slug, _typo), (_slug, _title_a_little), (_slug, _title, _front), (_typo,), (_title,), (_front,)]
PROJECT = [(_typo,), (_front, _slug), (_section,), (_title,), (_typo, _front)]
LARGE = [(_bundle,), (_section,), (_section, _front), (_bundle, _typo), (_slug, _subtitle), (_title,)]


@pytest.mark.parametrize(
    ("kind", "habits", "commits", "posts"),
    [("jekyll", PERSONAL, 60, 15), ("jekyll", PROJECT, 100, 12), ("hugo", LARGE, 50, 60)],
    ids=["personal", "project", "large"],
)
def test_nothing_new_for_nothing_new(
    site: Callable[[str, int], Site],
    kind: str,
    habits: list[tuple[Callable[[Site, Article], None], ...]],
    commits: int,
    posts: int,
) -> None:
    """Of a hundred commits of renames and edits none makes a post new, and each new one is one."""
    history = site(kind, len(habits))
    for _ in range(posts):
        history.write(with_time=history.chance.random() < 0.7)
    assert history.commit().arrived == posts
    history.check_ids()
    for _ in range(commits):
        fresh = history.chance.randrange(2)
        for article in history.chance.sample(history.articles, history.chance.randrange(1, 4)):
            for act in history.chance.choice(habits):
                act(history, article)
        for _ in range(fresh):
            history.write()
        report = history.commit()
        assert (report.arrived, report.gone, report.held) == (fresh, 0, ())
        history.check_ids()


def test_one_deleted_and_another_added_are_two(site: Callable[[str, int], Site]) -> None:
    """In a hundred histories, of posts that share a moment, a template, or most of a title."""
    series = ["第{}期周报：市场回顾", "Release {}.0 of the engine", "{}：关于召开股东大会的公告", "Notes on {}"]
    history = site("jekyll", 7)
    for _ in range(25):
        history.write()
    history.commit()
    for number in range(100):
        form = series[number % len(series)]
        parts = (number + 1, number + 2) if number % 4 < 2 else (history.words(2), history.words(2))
        old = history.write(form.format(parts[0]))
        assert history.commit().arrived == 1
        history.articles.remove(old)
        new = history.write(form.format(parts[1]))
        new.date = old.date
        if number % 4 < 2:
            new.text[0] = old.text[0]  # a series begins with the same words
        report = history.commit()
        assert (report.arrived, report.renamed) == (1, 0), (old.title, new.title)
