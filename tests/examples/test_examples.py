"""The sample sites hold what their README says: enough posts, every oddity as bytes, nothing from outside."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"
ARCHIVE = EXAMPLES / "archive"
POSTS = ARCHIVE / "_posts"
README = (EXAMPLES / "README.md").read_text(encoding="utf-8")
ENDINGS = (".md", ".markdown", ".html")
DAYS = [f"2026-11-{day}" for day in range(18, 24)]
CATEGORIES = {"news", "stocks", "macro", "funds", "global", "tech", "futures", "estate", "energy", "views"}

ORDINARY = re.compile(r"\d{4}-\d\d-\d\d-\d{18}\.md")
"""Ordinary posts are named by the number of their original; oddities by what is odd about them."""

SHAPE = re.compile(
    r"---\nlayout: post\ntitle: \"[^\n]+\"\ndate: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0800\n"
    r"categories: (?P<category>[a-z]+)\ntags: (?P<tags>[^\n]+)\n(?:lang: en\n)?---\n"
    r"> (?P<summary>[^\n]+)（(?P<source>[^（）\n]+)）\n\n"
    r"(?P<body><(?:p|h3|table)\b.*)<p class=\"em_media\">（文章来源：(?P=source)）</p>\n\n"
    r"<http://[a-z.]+\.example\.(?:com|net)/news/\d{4},\d{18}\.html>\n\n"
    r"\[[^\]\n]+\]\(//posts\.example\.com/(?P=category)/\)｜\[[^\]\n]+\]\(//posts\.example\.com/\)\n\Z",
    re.DOTALL,
)


def ordinary() -> list[Path]:
    return sorted(path for path in POSTS.iterdir() if ORDINARY.fullmatch(path.name))


def rows() -> dict[str, str]:
    """README's tables of oddities: file below ``examples`` to what digest does with it."""
    found = re.findall(r"^\| `([^`]*[^`/])` \| .+ \| (.+) \|$", README, re.MULTILINE)
    return {name if name.startswith(("hugo/", "hexo/")) else f"archive/{name}": does for name, does in found}


# ------------------------------------------------------------------ amount


def test_every_day_has_its_posts_and_the_newest_most() -> None:
    """Six days, twenty to forty files a day."""
    dated = Counter(path.name[:10] for path in ARCHIVE.rglob("*") if path.suffix in ENDINGS)
    counts = [dated[day] for day in DAYS]
    assert all(20 <= count <= 40 for count in counts), counts
    assert counts[-1] == max(counts)


def test_there_are_enough_posts_in_enough_categories() -> None:
    """At least 160 posts are taken, in the ten ordinary categories and more."""
    taken = [name for name, does in rows().items() if name.startswith("archive/") and does.startswith("taken")]
    assert len(ordinary()) + len(taken) >= 160
    assert {category_of(path) for path in ordinary()} == CATEGORIES


def category_of(path: Path) -> str:
    found = re.search(r"^categories: (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert found
    return found[1]


def test_ordinary_posts_have_the_models_shape() -> None:
    """All but a few of the old form without a blockquote, which the model's archive has too."""
    odd = [path.name for path in ordinary() if not SHAPE.fullmatch(path.read_text(encoding="utf-8"))]
    assert len(odd) == 3, odd
    for name in odd:
        assert not re.search(r"^>", (POSTS / name).read_text(encoding="utf-8"), re.MULTILINE)


def test_no_two_ordinary_posts_are_alike() -> None:
    """Titles, summaries and numbers of originals are all different."""
    texts = [path.read_text(encoding="utf-8") for path in ordinary()]
    for pattern in (r"^title: (.+)$", r"^> (.+)$", r"^<http.*,(\d+)\.html>$"):
        values = [found[1] for text in texts if (found := re.search(pattern, text, re.MULTILINE))]
        assert len(values) > 120
        assert len(set(values)) == len(values)


def test_sizes_vary() -> None:
    """From a few hundred bytes to over ten thousand."""
    sizes = sorted(path.stat().st_size for path in POSTS.iterdir() if not path.is_symlink())
    ordinary_sizes = [path.stat().st_size for path in ordinary()]
    assert min(ordinary_sizes) < 500
    assert max(ordinary_sizes) > 12_000
    assert sizes[-1] > 100_000
    total = sum(path.lstat().st_size for path in EXAMPLES.rglob("*") if not path.is_dir() or path.is_symlink())
    assert total < 1_500_000


def test_stories_are_told_by_several_media() -> None:
    """README's table of stories counts right."""
    stories = re.findall(r"^\| ([^`|]+·[^|]+) \| ([^|]+) \| (\d+) \| (\d+) \|$", README, re.MULTILINE)
    assert len(stories) >= 8
    posts = [path.read_text(encoding="utf-8") for path in ordinary()]
    for story, words, count, media in stories:
        pattern = re.compile("|".join(words.split(" / ")))
        told = [
            text
            for text in posts
            if (title := re.search(r"^title: (.+)$", text, re.MULTILINE)) and pattern.search(title[1])
        ]
        sources = {found[-1] for text in told if (found := re.findall(r"（([^（）]+)）$", text, re.MULTILINE))}
        assert (len(told), len(sources)) == (int(count), int(media)), story


# ------------------------------------------------------------------ README


def test_readme_names_every_oddity_and_only_files_that_exist() -> None:
    """The tables and the folders match, file by file."""
    files = {
        path.relative_to(EXAMPLES).as_posix()
        for path in EXAMPLES.rglob("*")
        if (path.is_symlink() or path.is_file()) and not ORDINARY.fullmatch(path.name) and "plugin" not in path.parts
    }
    others = {"README.md", "archive/_config.yml", "hugo/hugo.toml", "hexo/_config.yml"}
    pictures = {name for name in files if name.endswith(".svg")}
    assert set(rows()) == files - others - pictures


def test_readme_counts_the_files() -> None:
    """The number of files of the archive is the one stated."""
    stated = re.search(r"ending 2026-11-23 \| (\d+) files \|", README)
    assert stated
    folders = (POSTS, ARCHIVE / "科普" / "_posts")
    found = [
        path for folder in folders for path in folder.iterdir() if path.suffix in ENDINGS and not path.is_symlink()
    ]
    assert int(stated[1]) == len(found)
    assert f"{len(ordinary())} posts have the shape" in README


# ------------------------------------------------------------------- bytes


def has(text: str) -> Callable[[bytes], bool]:
    return lambda data: text.encode() in data


def matches(pattern: str) -> Callable[[bytes], bool]:
    return lambda data: re.search(pattern.encode(), data, re.MULTILINE | re.DOTALL) is not None


def all_of(*tests: Callable[[bytes], bool]) -> Callable[[bytes], bool]:
    return lambda data: all(test(data) for test in tests)


def lacks(text: str) -> Callable[[bytes], bool]:
    return lambda data: text.encode() not in data


def is_gb18030(data: bytes) -> bool:
    """No UTF-8, yet good GB18030, with a character of four bytes."""
    with pytest.raises(UnicodeDecodeError):
        data.decode("utf-8")
    return "㐂" in data.decode("gb18030") and len("㐂".encode("gb18030")) == 4


def is_neither(data: bytes) -> bool:
    for encoding in ("utf-8", "gb18030"):
        with pytest.raises(UnicodeDecodeError):
            data.decode(encoding)
    return True


def has_long_category(data: bytes) -> bool:
    found = re.search(r"^category: (.+)$", data.decode(), re.MULTILINE)
    return found is not None and len(found[1]) == 300 and all("一" <= char <= "鿿" for char in found[1])


ODDITIES: dict[str, Callable[[bytes], bool]] = {
    "18-utf8-bom.md": lambda data: data.startswith(b"\xef\xbb\xbf---"),
    "18-utf16-le-bom.md": lambda data: data.startswith(b"\xff\xfe-\0-\0") and "工业企业" in data.decode("utf-16"),
    "18-utf16-be-bom.md": lambda data: data.startswith(b"\xfe\xff\0-\0-") and "养老目标" in data.decode("utf-16"),
    "18-gb18030.md": is_gb18030,
    "18-invalid-bytes.md": is_neither,
    "18-crlf.md": lambda data: data.count(b"\r\n") == data.count(b"\n") > 10,
    "18-blank-first-line.md": lambda data: data.startswith(b"\n---\n"),
    "18-yaml-colon.md": matches(r"^title: [^\"\n]+: [^\"\n]+: "),
    "18-yaml-bracket.md": matches(r"^title: \[[^\]\n]+\] \S"),
    "18-yaml-tab.md": matches(r"^\t- "),
    "18-yaml-star.md": matches(r"^title: \*ST"),
    "18-yaml-alias.md": all_of(matches(r"^tags: &t "), matches(r"^keywords: \*t$")),
    "18-yaml-dots-end.md": matches(r"\A---\n.+\n\.\.\.\n>"),
    "18-front-matter-not-closed.md": lambda data: data.startswith(b"---\n") and data.count(b"---\n") == 1,
    "18-no-front-matter.md": lambda data: data.startswith(b">"),
    "19-missing-title.md": all_of(lacks("\ntitle:"), has("\ndate:")),
    "19-missing-date.md": all_of(lacks("\ndate:"), has("\ntitle:")),
    "19-bad-date.md": has("date: 2026-11-19 25:61:00"),
    "19-unpublished.md": has("\npublished: false\n"),
    "19-draft-true.md": has("\ndraft: true\n"),
    "19-zone-z.md": has("date: 2026-11-19T02:30:00Z\n"),
    "19-zone-no-colon.md": has("date: 2026-11-19T10:31:20+0800\n"),
    "19-zone-colon.md": has("date: 2026-11-19 10:32:45 +08:00\n"),
    "19-zone-bare.md": has("date: 2026-11-19 03:15:00\n"),
    "19-zone-quoted.md": has('date: "2026-11-19 11:40:00"\n'),
    "19-zone-minute.md": has("date: 2026-11-19 12:05\n"),
    "19-zone-date-only.md": has("date: 2026-11-19\n"),
    "19-zone-name-cst.md": has("date: 2026-11-19 12:20:00 CST\n"),
    "20-zone-half-past-midnight.md": has("date: 2026-11-20 00:30:00 +0800\n"),
    "20-categories-spaces.md": has("categories: stocks 晚间公告 制造\n"),
    "20-categories-list.md": has('categories: [tech, "数据 要素"]\n'),
    "20-category-single.md": all_of(has("\ncategory: 深度 报道\n"), lacks("\ncategories:")),
    "20-category-and-categories.md": all_of(has("\ncategory: 数据\n"), has("\ncategories: macro\n")),
    "20-categories-none.md": all_of(lacks("\ncategory:"), lacks("\ncategories:")),
    "20-category-path-escape.md": has("\ncategory: ../../etc/passwd\n"),
    "20-category-slash.md": has("\ncategory: a/b\n"),
    "20-category-dot.md": has("\ncategory: .\n"),
    "20-category-con.md": has("\ncategory: CON\n"),
    "20-category-empty.md": has('\ncategory: ""\n'),
    "21-category-300-characters.md": has_long_category,
    "21-category-techweb-mixed.md": has("\ncategories: TechWeb\n"),
    "21-category-techweb-lower.md": has("\ncategories: Techweb\n"),
    "21-tags-yaml-traps.md": has("\ntags: [000001, no, 12:30:45, 1.10]\n"),
    "21-tags-commas.md": has("\ntags: 碳市场, 能源, 履约\n"),
    "21-quote-paragraphs.md": matches(r"^---\n> [^\n]+\n>\n> [^\n]+\n\n"),
    "21-quote-lazy.md": matches(r"^---\n> [^\n]+\n[^>\n][^\n]+\n[^>\n]"),
    "21-quote-nested.md": matches(r"^---\n> [^\n]+\n>\n> > "),
    "21-quote-html.md": matches(r"^---\n<blockquote>"),
    "22-quote-further-down.md": matches(r"^---\n[^>\n][^\n]+\n\n.+\n> "),
    "22-no-summary.md": all_of(lacks("\n>"), lacks("<blockquote"), lacks("\ndescription:")),
    "22-description.md": all_of(has("\ndescription: "), lacks("\n> ")),
    "22-excerpt.md": all_of(has("\nexcerpt: "), lacks("\n> ")),
    "22-subtitle.md": all_of(has("\nsubtitle: "), lacks("\n> ")),
    "22-title-entities.md": matches(r"^title: [^\n]*&amp;[^\n]*&ldquo;[^\n]*&#37;"),
    "22-title-plain-tag.md": matches(r"^title: [^\n]*<纯文本>"),
    "22-emoji-zwj.md": matches("^title: [^\n]*👨‍👩‍👧‍👦"),
    "22-control-characters.md": all_of(has("\x00"), matches("^title: [^\n]*\x0b"), has("\ufffe")),
    "22-cdata-end.md": matches(r"^title: [^\n]*\]\]>.+^> [^\n]*\]\]>.+<p>[^\n]*\]\]>"),
    "22-nbsp.md": matches(r"^> [^\n]*&nbsp;.+&copy;"),
    "22-script-in-body.md": all_of(has("<script>"), has("onerror="), has("javascript:"), has("<iframe"), has("<!-->")),
    "22-relative-links.md": all_of(has('src="images/'), has('src="/assets/'), has('src="//img.'), has("](../guide")),
    "22-liquid.md": all_of(matches(r"^title: [^\n]*\{\{"), has("{% include"), has("{% highlight")),
    "23-permalink.md": has("\npermalink: /daily/"),
    "23-slug.md": has("\nslug: fund-morning-1123\n"),
    "21-author-text.md": has("\nauthor: 沈砚秋\n"),
    "21-author-mapping.md": matches(r"^author: ?\n  name: \S+\n  email: "),
    "21-author-list.md": matches(r"^author: \[[^,]+, [^,]+, [^,]+\]$"),
    "23-lang-en.md": has("\nlang: en\n"),
    "21-hidden.md": has("\nhidden: true\n"),
    "23-last-modified.md": has("\nlast_modified_at: 2026-11-23 11:20:00 +0800\n"),
    "22-enclosure.md": matches(r"^enclosure: ?\n  url: https://\S+\.mp3\n  type: audio/mpeg\n  length: \d+$"),
    "23-duplicate-key.md": lambda data: data.count(b"\ntags: ") == 2,
    "21-feed-id.md": has("\nfeed_id: tag:"),
    "20-title-like-a-number.md": has("\ntitle: 20261120\n"),
    "21-markdown-body.md": all_of(has("**重点：**内容"), has("\n1. "), has("\n| 项目 |"), has("\n```\n")),
    "20-over-100-kb.md": lambda data: len(data) > 100_000,
    "23-fund-flows.md": lambda data: 10_000 < len(data) < 20_000,
    "22-empty.md": lambda data: data == b"",
    "22-binary.md": lambda data: data.startswith(b"\x89PNG"),
    "23-ending.markdown": has("\ntitle: "),
    "21-html-ending.html": has("<blockquote><p>"),
    "21-same-name.md": has("周六科技早报"),
}


@pytest.mark.parametrize("name", ODDITIES)
def test_oddity_is_present_as_bytes(name: str) -> None:
    """Neither an editor nor git has mended it."""
    assert ODDITIES[name]((POSTS / f"2026-11-{name}").read_bytes())


OTHERS: dict[str, Callable[[bytes], bool]] = {
    "archive/_drafts/letter-to-the-editor.md": has("\ntitle: "),
    "archive/_posts/kuaixun-without-date.md": has("\ntitle: "),
    "archive/_posts/-202611183574400001.md": all_of(has('\ntitle: ""\n'), has("\ndate:  +0800\n")),
    "archive/_posts/2027-01-04-future.md": has("\ndate: 2027-01-04 09:00:00 +0800\n"),
    "archive/_posts/editors-notes.txt": lacks("---"),
    "archive/科普/_posts/2026-11-21-same-name.md": all_of(has("周六科普"), lacks("\ncategories:")),
    "archive/科普/_posts/2026-11-22-folder-category.md": has("\ncategories: tech\n"),
    "hexo/source/_posts/why-tabs.md": has("\n\t- "),
    "hexo/source/_posts/tea-and-threads.md": has("\ntags: 執行緒, 並行, 茶\n"),
    "hexo/source/_posts/two-paths.md": has("\n  - [程式, 工具]\n"),
    "hexo/source/_posts/control.md": all_of(has("\x08"), has("\x0b")),
    "hexo/source/_posts/bom-and-crlf.md": lambda data: data.startswith(b"\xef\xbb\xbf---\r\n"),
    "hexo/source/_posts/no-front-date.md": lacks("date:"),
    "hugo/content/posts/a-day-of-fog.md": matches(r"\A\+\+\+\ntitle = "),
    "hugo/content/posts/night-shift/index.md": has("T23:40:00+08:00"),
    "hugo/content/posts/next-summer.md": has("publishDate = 2027-"),
    "hugo/content/posts/ferry-strike.md": has("expiryDate = 2026-11-13"),
    "hugo/content/posts/json-front-matter.md": matches(r"\A\{\n"),
    "hugo/content/posts/date-only.md": has("date = 2026-11-20\n"),
    "hugo/content/posts/local-time.md": has("date = 2026-11-20T04:50:00\n"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_oddity_is_present_as_bytes(name: str) -> None:
    """The same for files outside the archive's first folder."""
    assert OTHERS[name]((EXAMPLES / name).read_bytes())


def test_every_odd_file_of_the_archive_is_looked_into() -> None:
    """A new oddity comes with a test of its bytes."""
    tested = {f"archive/_posts/2026-11-{name}" for name in ODDITIES} | set(OTHERS)
    left = {name for name in rows() if name.startswith("archive/")} - tested
    assert left == {"archive/_posts/2026-11-22-symlink-out.md"}


def test_symbolic_link_leads_out_of_the_archive() -> None:
    """To a file that exists, so that following it would show."""
    link = POSTS / "2026-11-22-symlink-out.md"
    if not link.is_symlink():
        pytest.skip("this checkout has no symbolic links (core.symlinks is off)")
    target = link.resolve(strict=True)
    assert ARCHIVE.resolve() not in target.parents


def test_category_names_collide_only_where_case_does_not_count() -> None:
    """``Techweb`` and ``TechWeb`` are there side by side."""
    names = {category_of(POSTS / f"2026-11-21-category-techweb-{which}.md") for which in ("mixed", "lower")}
    assert names == {"Techweb", "TechWeb"}


# ------------------------------------------------------------------ outside

HOST = re.compile(r"(?:https?:)?//([A-Za-z0-9.-]+\.[a-z]{2,})(?=[/:?#\"'\s)>]|\Z)")


def test_nothing_points_at_outside_hosts() -> None:
    """Every address and mail address is below example.com or example.net (RFC 2606)."""
    allowed = re.compile(r"(?:[a-z0-9-]+\.)*example\.(?:com|net)|www\.w3\.org")
    for path in EXAMPLES.rglob("*"):
        if path.is_symlink() or not path.is_file():
            continue
        data = path.read_bytes()
        text = data.decode("utf-16") if data[:2] in (b"\xff\xfe", b"\xfe\xff") else data.decode("utf-8", "replace")
        hosts = set(HOST.findall(text)) | set(re.findall(r"[\w.+-]+@([\w-]+\.[\w.-]+\w)", text))
        assert not {host for host in hosts if not allowed.fullmatch(host)}, path


def test_git_keeps_the_bytes() -> None:
    """No conversion of line ends or encodings for anything below ``examples``."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git work tree")
    asked = ["examples/archive/_posts/2026-11-18-crlf.md", "examples/hexo/source/_posts/bom-and-crlf.md"]
    try:
        said = subprocess.run(
            ["git", "check-attr", "text", "--", *asked], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        pytest.skip(f"git cannot be asked here: {error}")
    assert said.stdout.splitlines() == [f"{name}: text: unset" for name in asked]
