"""Openings of posts as people write them, and the summary that a reader should get. All of them are made up."""

# ruff: noqa: E501 - a table

from __future__ import annotations

from collections.abc import Callable

import pytest

from digest.models import Post
from digest.posts.preliminaries import is_preliminary

NEXT = "The bridge opens again on Monday."
"""A paragraph that says something."""

PASSED_OVER = [
    # greetings
    "Hi all,", "Hi everyone!", "Hello everybody,", "Hello there!", "Hey folks,", "Hey team!", "Hello world!",
    "Dear readers,", "Dear friends,", "Dear subscribers of the list,", "Good morning everyone!", "Good evening, friends.",
    "Greetings!", "Hi again.", "Howdy folks!", "Hello and welcome back!", "Welcome back!", "Welcome to my blog.",
    "Hello Rust community!", "Hi Go users,", "大家好！", "大家好，", "各位读者好：", "各位朋友早上好！", "亲爱的读者：", "你好，",
    "朋友们好！", "Bonjour,", "Hola!",
    # credits
    "By Ann Lee", "*By Ann Lee*", "by Ann Lee and Bob van der Berg", "By Ann Lee, Bob Ray and Carl Moe", "Written by Ann Lee",
    "Posted by Ann Lee on March 3, 2026", "By Ann Lee | March 3, 2026", "Guest post by Ann Lee", "Story by Ann Lee.",
    "Translated by Ann Lee", "Photo by Ann Lee on Unsplash", "*Photo by [Ann Lee](https://a.example) on [Pics](https://b.example)*",
    "Image credit: Ann Lee", "Photo: Ann Lee / Example Press", "Photos courtesy of the city archive.", "Image: a bridge at dusk",
    "Illustration by Ann Lee", "Cover photo by Ann Lee", "Header image: Ann Lee, CC BY", "(Image: Example Press)",
    "Source: Example Press", "Credit: Ann Lee", "Picture via Example Press", "Artwork © Ann Lee", "© 2026 Ann Lee",
    "图片来源：示例社", "题图：安·李", "配图：大桥", "Originally published at https://a.example/post", "Cross-posted from the team's blog.",
    "This post was originally published on Example.", "Originally appeared in the *Example Review*.",
    "This article first appeared in Example.", "本文首发于示例社。", "本文转载自示例网",
    # addresses alone
    "https://example.com/bridge", "<https://example.com/bridge>", "http://example.com/?a=1&b=2", "www.example.com/bridge",
    "[https://example.com](https://example.com)", "doc: https://example.com/doc", "Source: <https://example.com/a>",
    "Repo: https://git.example/a/b", "Slides: https://slides.example/1", "链接：https://example.com",
    # labels
    "doc:", "tl;dr", "TL;DR:", "**TL;DR**", "tldr", "Abstract", "*Abstract:*", "Summary:", "Notes:", "Update:", "Intro", "Overview:",
    "Table of contents", "Contents:", "[TOC]", "[[toc]]", "Preface", "Background:", "Links:", "Sources", "References:", "Disclaimer:",
    "目录", "前言", "**摘要：**", "写在前面", "引言",
    # facts about the post
    "Date: 1 May 2026 | Time: 18:00", "Date: 1 May 2026", "**Date:** May 1 | **Time:** 6 pm | **Venue:** Town hall",
    "Location: Example Hall, Room 3", "Author: Ann Lee", "Author: Ann Lee · Date: 2026-03-01", "Tags: bridge, city",
    "Category: City | Tags: bridge", "Last updated: March 3, 2026", "Published: 2026-03-01", "Reading time: 5 minutes",
    "5 min read", "*7 minute read*", "March 3, 2026", "*3 March 2026*", "2026-03-01", "2026年3月1日", "作者：安·李", "日期：2026年3月1日",
    "来源：示例社 | 作者：安", "Speakers: Ann Lee and Bob Ray", "Status: draft", "Version: 1.2",
    # commits, tags, navigation
    "1a2b3c4 Mend a typo", "commit 9f8e7d6c5b4a39281706f5e4d3c2b1a098765432", "- 1a2b3c4 Mend a typo\n- 5d6e7f8 Add a test",
    "* `0a1b2c3` Mend\n* `4d5e6f7` Add", "#news #city", "#bridge", "Read more", "[Continue reading →](/next)", "[Back to the index](/)",
    "[Share this post](https://s.example/?u=1)", "Previous: [part one](/one/)",
    # headings, pictures, what only machines read
    "#Heading without a space", "##Another one", "# Heading", "Heading\n=======", "![A bridge](/bridge.jpg)", "<img src=\"/a.jpg\">",
    "![](/a.jpg)\n\n![](/b.jpg)", "---", "***", "* * *", "<!-- a note -->", "{% include toc.html %}", "{{ page.title }}", "{:toc}",
    "{{< toc >}}", "{% youtube abc %}", "```\ncode\n```", "<br>", "<div class=\"x\"></div>", "&nbsp;", "* TOC\n{:toc}",
    "<script>var a = 1;</script>", "<style>p { color: red }</style>",
    # the title again
    "The title", "**The title**", "The Title.", "# The title", "> The title", "> https://example.com/bridge",
]  # fmt: skip

KEPT = [
    ("Hello is a word that dates from the telephone.", ""),
    ("Hi-fi is back, and so are its prices.", ""),
    ("Dear is what bread has become in this town.", ""),
    ("Welcome to the machine room, where the bridge is raised by hand.", ""),
    ("By default, the bridge is closed at night.", ""),
    ("By switching to steel the city saves a million a year.", ""),
    ("By the time the ferry came, the bridge was open.", ""),
    ("Photo editors are changing, and fast.", ""),
    ("Pictures of the bridge were sold out within a day.", ""),
    ("Source code of the bridge's controls is public now.", ""),
    ("Dates are hard: the bridge has three of them.", ""),
    ("Date palms grow beside the bridge now, and nobody planted them there.", ""),
    ("Time flies when the bridge is up.", ""),
    ("Docs are what nobody writes.", ""),
    ("Update: the bridge is open again since noon, ahead of the plan.", ""),
    ("TL;DR: the bridge opens on Monday.", ""),
    ("Note that the bridge stays closed at night.", ""),
    ("Tags, in short, are folders without the fold.", ""),
    ("1234567 people crossed the bridge last year.", ""),
    ("2026 is the year of the bridge.", ""),
    ("March 3, 2026 was the day on which the bridge opened.", ""),
    ("See https://example.com/bridge for the plans.", ""),
    ("#1 of all bridges is this one, say its builders.", ""),
    ("C# and F# are now taught on the bridge.", ""),
    ("The title of the bridge's mayor is honorary.", ""),
    ("Read more books, says the library on the bridge, and it lends them for nothing.", ""),
    ("大家好像都忘了这座桥。", ""),
    ("图书馆明天开放。", ""),
    ("本文讨论大桥的维修。", ""),
    ("> [!NOTE]\n> The bridge is closed.", "The bridge is closed."),
    ("> [!WARNING]\n>\n> The bridge is closed.", "The bridge is closed."),
    ("> [!tip]- Go by boat\n> It is faster.", "Go by boat It is faster."),
    ("> [!IMPORTANT] The bridge is closed.", "The bridge is closed."),
    ('> note "Look"\n> The bridge is closed.', "The bridge is closed."),
    ('> warning "Closed" [ icon="x" ]\n> The bridge is closed.', "The bridge is closed."),
    ('> She said "stop" and left.', 'She said "stop" and left.'),
    ("> Prices rose[^1] and fell[^two].\n\nMore.\n\n[^1]: Says one.\n[^two]: Says two.", "Prices rose and fell."),
    ("Prices rose[^1].\n\n[^1]: Says one,\n    at length.", "Prices rose."),
    ("The [plan][p] is [here].\n\nMore.\n\n[p]: https://a.example\n[here]: https://b.example 'B'", "The plan is here."),
    ("> The [plan][p] is old.\n\nMore.\n\n## End\n\n[p]: https://a.example", "The plan is old."),
    ("{% raw %}\n> Use {{ x }} here\n{% endraw %}\n\nMore.", "Use {{ x }} here"),
    ("{% raw %}\nUse {{ x }} here.\n{% endraw %}\n\nMore.", "Use {{ x }} here."),
    ("Use {% raw %}{{ x }}{% endraw %} here, not {{ y }}that.", "Use {{ x }} here, not that."),
    ("Use `{% raw %}{% if %}{% endraw %}` here.", "Use {% if %} here."),
    ("Hi all,\n\nBy Ann Lee\n\nhttps://a.example\n\nThe bridge.", "The bridge."),
    ("Hi all,", "Hi all,"),
    ("Hi all,\n\n- The bridge opens.\n- The ferry stops.", "The bridge opens. The ferry stops."),
    ("The title", "-"),
    ("The title\n\nThe title", "-"),
    ("# The title\n\nThe title.\n\nThe bridge.", "The bridge."),
    ("> The title\n\nThe bridge.", "The bridge."),
    ("- 1a2b3c4 Mend a typo", "1a2b3c4 Mend a typo"),
    ("a " + "word " * 80, "a " + ("word " * 59)[:-1] + "…"),
    ("x" * 400, "x" * 299 + "…"),
    ("短" * 400, "短" * 299 + "…"),
]  # fmt: skip


def summary(post: Callable[..., Post], body: str) -> str:
    return post(f"---\ntitle: The title\n---\n{body}\n").summary


@pytest.mark.parametrize("opening", PASSED_OVER)
def test_what_says_nothing_of_the_post_is_passed_over(post: Callable[..., Post], opening: str) -> None:
    """For the next paragraph."""
    assert summary(post, f"{opening}\n\n{NEXT}\n\nThe end.") == NEXT


@pytest.mark.parametrize(("body", "expected"), KEPT)
def test_what_says_something_is_kept(post: Callable[..., Post], body: str, expected: str) -> None:
    """Also where it begins like what does not; marks of generators are none of its words."""
    assert summary(post, body) == ("" if expected == "-" else expected or body)


def test_there_are_enough_openings() -> None:
    """As many as there are ways to begin."""
    assert len(set(PASSED_OVER)) + len(KEPT) >= 200


@pytest.mark.parametrize(
    "piece",
    [
        "#,,,,,,",
        "#a",
        "by Van ",
        "By A, ",
        "Date: | ",
        "date: a · ",
        "hi, ",
        "hello there again ",
        "a1",
        "doc: ",
        "May 1, ",
        "《",
        "Photo by ",
    ],
)
def test_no_opening_takes_long(piece: str) -> None:
    """A form that nearly fits, again and again."""
    for tail in ("", "!", " x", "\u3000?"):
        is_preliminary((piece * 200)[: 200 - len(tail)] + tail, "")
