"""What is measured without an archive: the start of the program, one digest rendered, the messages made from it."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice
from statistics import median
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from make_archive import make_archive

if TYPE_CHECKING:
    from collections.abc import Callable

    from digest.edition.contents import Edition
    from digest.languages import CatalogueLanguage
    from digest.models import KnownPost
    from digest.render.mail import Mail
    from digest.render.message import EditionMessage
    from digest.templates import FolderTemplates

ENTRIES = 100
ZONE = ZoneInfo("Asia/Shanghai")


def bench_help(python: str = sys.executable, times: int = 15) -> float:
    """Seconds (wall) that ``digest --help`` takes, start of the interpreter included."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        subprocess.run([python, "-m", "digest", "--help"], check=True, capture_output=True)
        taken.append(time.perf_counter() - began)
    return median(taken)


def bench_edition(times: int = 20) -> float:
    """Seconds of CPU for one digest with ``ENTRIES`` entries: rendered as HTML and text, put into MIME."""
    edition = _edition(_posts())
    return _cpu(lambda: _message(_render(edition)), times)


def bench_choice(times: int = 20) -> float:
    """Seconds of CPU to choose that digest's posts: grouped into stories, ranked, put into sections."""
    posts = _posts()
    return _cpu(lambda: _edition(posts), times)


def _cpu(work: Callable[[], object], times: int) -> float:
    work()  # templates and libraries are loaded once a run
    taken = []
    for _ in range(times):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return median(taken)


def bench_messages(count: int = 5_000) -> float:
    """Messages a second, each for a recipient of its own, made from one digest."""
    from digest.render.message import message_id

    message = _message(_render(_edition(_posts())))
    began = time.process_time()
    for number in range(count):
        address = f"reader-{number}@example.org"
        name = message_id(digest="daily", category="", period="2026-11-20", address=address, domain="example.com")
        message.to(address=address, message_id=name, unsubscribe=f"https://posts.example.com/leave/{number}")
    return count / (time.process_time() - began)


def small(python: str = sys.executable) -> dict[str, float]:
    return {
        "help": bench_help(python),
        "choice": bench_choice(),
        "edition": bench_edition(),
        "messages": bench_messages(),
    }


def _posts() -> list[KnownPost]:
    from digest.models import KnownPost, Post
    from digest.posts import Rules, parse_post

    now = datetime(2027, 1, 1, tzinfo=UTC)
    rules = Rules(site_url="https://posts.example.com", timezone=ZONE, now=now)
    posts = []
    for key, made in enumerate(islice(make_archive(ENTRIES * 2, 12, 1, 1), ENTRIES), 1):
        post = parse_post(made.name, made.text.encode(), rules)
        assert isinstance(post, Post)
        moment = now - timedelta(minutes=key)
        known = KnownPost(
            key=key,
            id=post.feed_id,
            path=post.path,
            title=post.title,
            url=post.url,
            summary=post.summary,
            published=moment,
            updated=moment,
            first_seen=moment,
            collected_at=moment,
            categories=post.categories,
            tags=post.tags,
            source_name=post.source_name,
            original_url=post.original_url,
            codes=post.codes,
        )
        posts.append(known)
    return posts


@cache
def _language() -> CatalogueLanguage:
    from digest.languages import CatalogueLanguage

    return CatalogueLanguage("zh-CN")


@cache
def _templates() -> FolderTemplates:
    from digest.templates import FolderTemplates

    return FolderTemplates(_language())


def _edition(posts: list[KnownPost]) -> Edition:
    from digest.edition.contents import Recipe, build_edition

    day = posts[0].published.astimezone(ZONE).date()
    return build_edition(
        posts,
        Recipe(),
        digest="daily",
        title="Benchmark",
        period=day.isoformat(),
        days=(day, day),
        frozen_at=posts[0].published + timedelta(hours=1),
    )


def _render(edition: Edition) -> Mail:
    from digest.edition.contents import Limits, Publisher
    from digest.render.context import RenderContext
    from digest.render.mail import render_mail

    site = "https://posts.example.com"
    publisher = Publisher(site_title="Benchmark", site_url=site, pages_url=f"{site}/", zone=ZONE)
    return render_mail(
        edition, RenderContext(publisher=publisher, templates=_templates(), language=_language()), Limits(items=ENTRIES)
    )


def _message(mail: Mail) -> EditionMessage:
    from digest.render.message import EditionMessage, Letterhead, Mailbox

    return EditionMessage(
        subject=mail.subject,
        html=mail.html,
        text=mail.text,
        period="2026-11-20",
        date=datetime(2026, 11, 20, 8, tzinfo=UTC),
        archive_url="https://posts.example.com/editions/daily/2026-11-20/",
        letterhead=Letterhead(
            sender=Mailbox(name="Benchmark", address="digest@posts.example.com"),
            digest="daily",
            title="Benchmark",
            site_host="posts.example.com",
        ),
    )
