"""Listing and reading a folder of posts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from digest.errors import SourceError
from digest.hashing import hash_of
from digest.models import Listing, Severity
from digest.sources import FolderSource, detect
from digest.sources.folder import shown


def make(root: Path, *paths: str) -> Path:
    for path in paths:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("text", encoding="utf-8")
    return root


def paths(listing: Listing) -> list[str]:
    return list(listing.files)


def test_a_collection_that_is_not_there_is_told(tmp_path: Path) -> None:
    root = make(tmp_path, "_posts/a.md", "_notes/b.md")
    listing = FolderSource(root, "jekyll", collections=("notes", "talks")).scan()
    assert paths(listing) == ["_notes/b.md", "_posts/a.md"]
    [problem] = listing.problems
    assert (problem.path, problem.severity) == ("_talks", Severity.WARNING)
    assert problem.reason == "posts.collections names it, and there is no such folder"


@pytest.mark.parametrize(
    ("files", "kind", "listed"),
    [
        (["_posts/2026-01-01-a.md", "_config.yml", "about.md"], "jekyll", ["_posts/2026-01-01-a.md"]),
        (
            ["news/World/_posts/b.markdown", "_posts/sub/a.html", "_drafts/c.md", "_layouts/x.html", "index.html"],
            "jekyll",
            ["_drafts/c.md", "_posts/sub/a.html", "news/World/_posts/b.markdown"],
        ),
        (["source/_posts/a.md", "source/_posts/deep/b.md", "source/about.md", "_config.yml"], "hexo",
         ["source/_posts/a.md", "source/_posts/deep/b.md"]),
        (["source/_posts/a.md", "source/_drafts/b.md"], "hexo", ["source/_drafts/b.md", "source/_posts/a.md"]),
        (["hugo.toml", "content/_index.md", "content/posts/a.md", "content/b/index.md", "themes/x/a.md"], "hugo",
         ["content/b/index.md", "content/posts/a.md"]),
        (["content/posts/a.mkd", "layouts/x.html"], "hugo", ["content/posts/a.mkd"]),
        (["config/_default/hugo.toml", "content/a.md"], "hugo", ["content/a.md"]),
        (["blog/posts/a.md", "README.MD", "notes.txt"], "hugo", ["README.MD", "blog/posts/a.md"]),
        (
            ["_posts/.hidden.md", "_posts/_x.md", "_posts/#b.md", "_posts/c.md~", "_posts/.git/d.md", "_posts/_y/e.md",
             "_posts/node_modules/f.md", "_site/_posts/g.md", "vendor/gem/_posts/h.md", "_posts/a.md", "_posts/i.txt"],
            "jekyll",
            ["_posts/a.md"],
        ),
    ],
)  # fmt: skip
def test_layouts(tmp_path: Path, files: list[str], kind: str, listed: list[str]) -> None:
    """Each generator's habits: what is found, what is passed over, in the order of names."""
    source = FolderSource(make(tmp_path, *files))
    listing = source.scan()
    assert source.kind == detect(tmp_path) == kind
    assert sorted(paths(listing)) == listed
    assert listing.problems == ()
    assert paths(listing) == paths(FolderSource(tmp_path).scan())


@pytest.mark.parametrize(
    ("folder", "kind"), [("site/_posts", "jekyll"), ("site/source/_posts", "hexo"), ("site/_drafts", "jekyll")]
)
def test_the_folder_may_be_the_posts_itself(tmp_path: Path, folder: str, kind: str) -> None:
    """Then paths begin inside it."""
    make(tmp_path, f"{folder}/a.md", f"{folder}/sub/b.md")
    source = FolderSource(tmp_path / folder)
    assert source.kind == kind
    assert paths(source.scan()) == ["a.md", "sub/b.md"]


def test_the_kind_can_be_given(tmp_path: Path) -> None:
    """A Hexo folder without ``source`` is listed from its top."""
    make(tmp_path, "a.md")
    assert paths(FolderSource(tmp_path, "hexo").scan()) == ["a.md"]
    assert paths(FolderSource(tmp_path, "jekyll").scan()) == []


def test_drafts_and_excludes(tmp_path: Path) -> None:
    """Both leave things out without a word."""
    make(tmp_path, "_posts/a.md", "_posts/b/c.md", "_posts/d.md", "_drafts/e.md")
    source = FolderSource(tmp_path, "jekyll", exclude=("_posts/b/", "_posts/d.md"), drafts=False)
    assert paths(source.scan()) == ["_posts/a.md"]


def test_excludes_are_patterns(tmp_path: Path) -> None:
    """``*`` stands for anything, and what is below an excluded folder is excluded with it."""
    make(tmp_path, "_posts/a.md", "_posts/a-draft.md", "_posts/private/x/c.md", "_posts/other/README.md")
    source = FolderSource(tmp_path, "jekyll", exclude=("*-draft.md", "_posts/priv*", "*/README.md"))
    assert paths(source.scan()) == ["_posts/a.md"]


def test_stats_are_the_file_systems(tmp_path: Path) -> None:
    """Size, time and inode, without opening the file."""
    file = make(tmp_path, "_posts/a.md") / "_posts/a.md"
    file.chmod(0)
    found = FolderSource(tmp_path).scan().files["_posts/a.md"]
    status = file.stat()
    assert (found.size, found.mtime_ns, found.inode) == (status.st_size, status.st_mtime_ns, status.st_ino)


def test_links_are_followed_inside_only(tmp_path: Path) -> None:
    """A link out of the folder is named and left alone; one inside is read; loops end."""
    outside = make(tmp_path / "outside", "secret.md", "deep/more.md")
    root = make(tmp_path / "site", "_posts/a.md", "_posts/real/b.md", "shared/c.md")
    posts = root / "_posts"
    (posts / "in.md").symlink_to(root / "shared" / "c.md")
    (posts / "out.md").symlink_to(outside / "secret.md")
    (posts / "outdir").symlink_to(outside)
    (posts / "loop").symlink_to(posts)
    (posts / "dead.md").symlink_to(posts / "nothing.md")
    (posts / "pipe.md").symlink_to(posts / "fifo")
    (posts / "linked").symlink_to(root / "shared")
    (posts / ".git").symlink_to(outside)
    os.mkfifo(posts / "fifo")
    source = FolderSource(root)
    listing = source.scan()
    assert paths(listing) == ["_posts/a.md", "_posts/in.md", "_posts/linked/c.md", "_posts/real/b.md"]
    assert {problem.path: problem.reason for problem in listing.problems} == {
        "_posts/out.md": "links out of the posts folder and is not followed",
        "_posts/outdir": "links out of the posts folder and is not followed",
        "_posts/dead.md": "links to nothing",
        "_posts/pipe.md": "is not a regular file",
    }
    assert all(problem.severity == Severity.SKIPPED and problem.remedy for problem in listing.problems)
    assert source.read("_posts/in.md") == b"text"
    assert source.read("_posts/linked/c.md") == b"text"


def test_special_files_are_named(tmp_path: Path) -> None:
    """A pipe with a post's name is not opened, so nothing waits."""
    make(tmp_path, "_posts/a.md")
    os.mkfifo(tmp_path / "_posts" / "pipe.md")
    listing = FolderSource(tmp_path).scan()
    assert paths(listing) == ["_posts/a.md"]
    assert [problem.path for problem in listing.problems] == ["_posts/pipe.md"]


def test_odd_names(tmp_path: Path) -> None:
    """Names that are no UTF-8 or hold controls are named escaped; any other script is fine."""
    make(tmp_path, "_posts/中文　标题.md", "_posts/a.md")
    posts = os.fsencode(tmp_path / "_posts")
    for name in (b"bad\xff.md", b"line\nbreak.md", "para\u2029.md".encode(), b"dir\xfe/x.md"):
        file = Path(os.fsdecode(posts + b"/" + name))
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"x")
    listing = FolderSource(tmp_path).scan()
    assert sorted(paths(listing)) == ["_posts/a.md", "_posts/中文　标题.md"]
    assert {problem.path for problem in listing.problems} == {
        "_posts/bad\\xff.md",
        "_posts/line\\nbreak.md",
        "_posts/para\\u2029.md",
        "_posts/dir\\xfe",
    }


def test_shown_paths_can_be_printed() -> None:
    """Whatever the bytes were."""
    assert shown("a/中.md") == "a/中.md"
    assert shown("a\udcff\n.md") == "a\\xff\\n.md"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_folders_are_blind_for_real(tmp_path: Path) -> None:
    """By permissions of the file system."""
    make(tmp_path, "_posts/a.md", "_posts/closed/b.md")
    (tmp_path / "_posts/closed").chmod(0)
    try:
        assert FolderSource(tmp_path).scan().unreadable == ("_posts/closed",)
    finally:
        (tmp_path / "_posts/closed").chmod(0o755)


def test_unreadable_folders_are_blind_not_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known posts below are then unknown, and the reason is said."""
    make(tmp_path, "_posts/a.md", "_posts/closed/b.md")
    real = os.open

    def open_file(path: str, flags: int) -> int:
        if path.endswith("/closed"):
            raise PermissionError(13, "Permission denied")
        return real(path, flags)

    source = FolderSource(tmp_path)
    monkeypatch.setattr(os, "open", open_file)
    listing = source.scan()
    assert listing.unreadable == ("_posts/closed",)
    assert paths(listing) == ["_posts/a.md"]
    assert "Permission denied" in listing.problems[0].reason


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    """So is a file in its place."""
    with pytest.raises(SourceError, match="does not exist"):
        FolderSource(tmp_path / "nothing").scan()
    file = make(tmp_path, "a.md") / "a.md"
    with pytest.raises(SourceError, match="not a folder"):
        FolderSource(file).scan()


def test_folders_nested_without_end_are_named(tmp_path: Path) -> None:
    """Deeper than anybody files posts."""
    make(tmp_path, "_posts/" + "d/" * 70 + "a.md")
    listing = FolderSource(tmp_path).scan()
    assert paths(listing) == []
    assert "nested too deeply" in listing.problems[0].reason


def test_paths_that_no_database_can_look_up_are_named(tmp_path: Path) -> None:
    deep = "/".join("d" * 250 for _ in range(7))
    make(tmp_path, f"_posts/{deep}/a.md", "_posts/b.md")
    listing = FolderSource(tmp_path).scan()
    assert paths(listing) == ["_posts/b.md"]
    assert "nested too deeply" in listing.problems[0].reason


def test_reading(tmp_path: Path) -> None:
    """Bytes as they are, up to the limit."""
    make(tmp_path, "_posts/a.md", "_posts/b.md", "_posts/c.md", "_posts/empty.md")
    (tmp_path / "_posts/b.md").write_bytes(b"x" * 101)
    (tmp_path / "_posts/empty.md").write_bytes(b"")
    source = FolderSource(tmp_path, max_bytes=100)
    source.scan()
    assert source.read("_posts/a.md") == b"text"
    assert source.read("_posts/empty.md") == b""
    with pytest.raises(SourceError, match=r"_posts/b\.md: larger than 100 bytes; split it"):
        source.read("_posts/b.md")
    with pytest.raises(SourceError, match="vanished"):
        source.read("_posts/gone.md")
    (tmp_path / "_posts/c.md").unlink()
    (tmp_path / "_posts/c.md").symlink_to("/etc/hostname")
    with pytest.raises(SourceError, match="replaced by a link"):
        source.read("_posts/c.md")
    (tmp_path / "_posts/c.md").unlink()
    os.mkfifo(tmp_path / "_posts/c.md")
    with pytest.raises(SourceError, match="not a regular file"):
        source.read("_posts/c.md")


def test_a_link_turned_outwards_after_listing_is_not_read(tmp_path: Path) -> None:
    """Checked again when it is read."""
    root = make(tmp_path / "site", "_posts/a.md", "shared/c.md")
    secret = make(tmp_path / "outside", "secret.md") / "secret.md"
    link = root / "_posts" / "in.md"
    link.symlink_to(root / "shared" / "c.md")
    source = FolderSource(root)
    source.scan()
    link.unlink()
    link.symlink_to(secret)
    with pytest.raises(SourceError, match="outside the posts folder"):
        source.read("_posts/in.md")


# --------------------------------------------------------------- elsewhere


@pytest.mark.parametrize(
    ("posts", "files", "missing", "found"),
    [
        ("_posts", ["old_post/2026-01-01-a.md"], "2026-01-01-a.md", "../old_post/2026-01-01-a.md"),
        (".", ["old_post/x/2026-01-01-a.md"], "_posts/2026-01-01-a.md", "old_post/x/2026-01-01-a.md"),
        ("source/_posts", ["old/2026-01-01-a.md"], "2026-01-01-a.md", "../../old/2026-01-01-a.md"),
        (".", ["_drafts/2026-01-01-a.md"], "_posts/2026-01-01-a.md", None),
        (".", [".trash/2026-01-01-a.md"], "_posts/2026-01-01-a.md", None),
        (".", ["_site/2026-01-01-a.md"], "_posts/2026-01-01-a.md", None),
        (".", ["news/_posts/2026-01-01-a.md"], "_posts/2026-01-01-a.md", None),
        (".", ["old_post/2026-01-01-b.md"], "_posts/2026-01-01-a.md", None),
        (".", ["old_post/2026-01-01-a.txt"], "_posts/2026-01-01-a.md", None),
        (".", ["old/a.md"], "_posts/a.md", "old/a.md"),
    ],
)
def test_where_a_missing_file_is(tmp_path: Path, posts: str, files: list[str], missing: str, found: str | None) -> None:
    """In another folder of the site that is no place for drafts, hidden or built; not among the posts."""
    make(tmp_path / "site", f"{posts}/_posts/2025-01-01-z.md" if posts == "." else f"{posts}/2025-01-01-z.md", *files)
    kind = "hexo" if posts.startswith("source") else "jekyll"
    source = FolderSource(tmp_path / "site" / posts, kind=kind)
    places = source.elsewhere({missing: hash_of(b"text")}, source.scan().files)
    assert places.get(missing) == found
    if found is not None:
        assert source.read_at(found) == b"text"


def test_folders_that_posts_are_moved_to_may_be_anywhere(tmp_path: Path) -> None:
    """Hidden, outside of the site; one that does not exist yet holds nothing. They go first."""
    site = make(tmp_path, "site/_posts/2025-01-01-z.md", ".old/2026-01-01-a.md", "site/old/2026-01-01-a.md") / "site"
    source = FolderSource(site, archived=(tmp_path / "nowhere", tmp_path / ".old"))
    assert source.elsewhere({"_posts/2026-01-01-a.md": ""}, source.scan().files) == {
        "_posts/2026-01-01-a.md": "../.old/2026-01-01-a.md"
    }


def test_names_that_several_posts_have_need_the_same_bytes(tmp_path: Path) -> None:
    """Each file stands for one of them."""
    site = make(tmp_path, "en/_posts/2025-01-01-z.md", "old/2026-01-01-a.md", "old/de/2026-01-01-a.md")
    (site / "old" / "2026-01-01-a.md").write_text("other")
    source = FolderSource(site)
    missing = {"de/_posts/2026-01-01-a.md": hash_of(b"text"), "en/_posts/2026-01-01-a.md": hash_of(b"other")}
    assert source.elsewhere(missing, source.scan().files) == {
        "de/_posts/2026-01-01-a.md": "old/de/2026-01-01-a.md",
        "en/_posts/2026-01-01-a.md": "old/2026-01-01-a.md",
    }


@pytest.mark.parametrize("kind", ["auto", "hexo"])
def test_hexo_s_folder_source_is_a_folder_of_posts(tmp_path: Path, kind: str) -> None:
    """As the documentation says; pages beside the posts are none."""
    root = make(tmp_path, "source/_posts/a.md", "source/_posts/deep/b.md", "source/about.md", "source/_drafts/c.md")
    source = FolderSource(root / "source", kind)
    assert source.kind == "hexo"
    assert paths(source.scan()) == ["_drafts/c.md", "_posts/a.md", "_posts/deep/b.md"]
