"""What a batch of read files means: ids are kept, dates never move, renames are recognised."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from digest.changes import ParsedFile, decide, next_missing
from digest.models import HASH_MARK, Changes, FileStat, Hand, KnownPost, Post, Problem, Refusal, Severity

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
DAY = timedelta(days=1)
STAT = FileStat(size=10, mtime_ns=1, inode=1)


def post(path: str = "a.md", **changes: Any) -> Post:
    values: dict[str, Any] = {
        "path": path,
        "title": path,
        "published": NOW - 10 * DAY,
        "url": f"https://news.example/{path}",
        "feed_id": f"https://news.example/{path.removesuffix('.md')}",
        "text_hash": f"hash of {path}",
    }
    return Post(**(values | changes))


def known(path: str = "a.md", **changes: Any) -> KnownPost:
    found = post(path)
    values: dict[str, Any] = {
        "key": 1,
        "id": "minted-once",
        "path": path,
        "title": found.title,
        "url": found.url,
        "summary": "",
        "published": found.published,
        "updated": found.published,
        "first_seen": found.published,
        "collected_at": found.published,
        "text_hash": found.text_hash,
    }
    return KnownPost(**(values | changes))


def file(outcome: Post | Refusal, **changes: Any) -> ParsedFile:
    path = outcome.path if isinstance(outcome, Post) else outcome.problem.path
    return ParsedFile(path=path, stat=STAT, hash="ab", outcome=outcome, **changes)


def refusal(path: str = "a.md", recheck_at: datetime | None = None) -> Refusal:
    return Refusal(problem=Problem(path=path, reason="broken", remedy="mend it"), recheck_at=recheck_at)


def run(*files: ParsedFile, **changes: Any) -> Changes:
    values: dict[str, Any] = {
        "known": {}, "missing": (), "taken_ids": (), "adopted": {}, "now": NOW, "importing": False
    }  # fmt: skip
    return decide(files, **(values | changes))


@pytest.mark.parametrize(
    ("published", "importing", "seen"),
    [
        (NOW - 10 * DAY, False, NOW),
        (NOW - 10 * DAY, True, NOW - 10 * DAY),
        (NOW + DAY, True, NOW),
    ],
)
def test_when_a_new_post_counts_as_seen(published: datetime, importing: bool, seen: datetime) -> None:
    """Now; an imported archive's posts on their own date, but never in the future."""
    (arrival,) = run(file(post(published=published)), importing=importing).arrivals
    assert (arrival.first_seen, arrival.updated, arrival.id) == (seen, published, "https://news.example/a")


@pytest.mark.parametrize(
    ("modified", "updated"),
    [
        (None, NOW - 10 * DAY),
        (NOW - DAY, NOW - DAY),
        (NOW - 20 * DAY, NOW - 10 * DAY),
        (NOW + DAY, NOW),
    ],
)
def test_updated_of_a_new_post(modified: datetime | None, updated: datetime) -> None:
    """Starts as its date, or what the front matter says between then and now."""
    (arrival,) = run(file(post(modified=modified))).arrivals
    assert arrival.updated == updated


def test_adopted_ids_win_unless_one_is_forced() -> None:
    """An earlier feed's id by address; ``feed_id`` in the post wins over it."""
    adopted = {"https://news.example/a.md": "old-id", "https://news.example/b.md": "old-b"}
    forced = post("b.md", feed_id="forced", feed_id_forced=True)
    assert [item.id for item in run(file(post()), file(forced), adopted=adopted).arrivals] == ["old-id", "forced"]


def test_two_posts_never_share_an_id() -> None:
    """The second by path gets a suffix of its path, a warning names the other, the order of files is no matter."""
    one, two = file(post("a.md", feed_id="x")), file(post("b.md", feed_id="x"))
    changes = run(one, two)
    assert changes == run(two, one)
    first, second = changes.arrivals
    assert first.id == "x"
    assert second.id.startswith("x-")
    (problem,) = changes.files[1].problems
    assert problem.severity == Severity.WARNING
    assert "a.md" in problem.reason
    (later,) = run(two, taken_ids={"x"}).arrivals
    assert later.id == second.id
    (again,) = run(two, taken_ids={"x", second.id}).arrivals
    assert again.id not in {"x", second.id}


def test_two_posts_at_one_address_are_both_taken() -> None:
    """With a warning on the second."""
    changes = run(file(post("a.md")), file(post("b.md", url="https://news.example/a.md")))
    assert len(changes.arrivals) == 2
    assert [len(item.problems) for item in changes.files] == [0, 1]
    assert "same address as a.md" in changes.files[1].problems[0].reason


@pytest.mark.parametrize(
    ("change", "updated", "is_edit"),
    [
        ({}, NOW - 10 * DAY, False),
        ({"text_hash": "other"}, NOW, True),
        ({"categories": ("c",), "url": "https://moved.example/"}, NOW - 10 * DAY, False),
        ({"hand": Hand.LEAD}, NOW - 10 * DAY, False),
        ({"modified": NOW - 2 * DAY}, NOW - 2 * DAY, True),
        ({"modified": NOW - 2 * DAY, "text_hash": "other"}, NOW - 2 * DAY, True),
        ({"modified": NOW - 20 * DAY}, NOW - 10 * DAY, False),
        ({"modified": NOW - 20 * DAY, "text_hash": "other"}, NOW, True),
        ({"modified": NOW + DAY}, NOW, True),
    ],
)
def test_edits(change: dict[str, Any], updated: datetime, is_edit: bool) -> None:
    """Only other words, or the front matter's word for it, move ``updated``."""
    (revision,) = run(file(post(**change)), known={"a.md": known()}).revisions
    assert (revision.key, revision.updated, revision.is_edit, revision.is_rename) == (1, updated, is_edit, False)


@pytest.mark.parametrize(
    ("change", "is_edit"),
    [({}, False), ({"text_hash": f"{HASH_MARK}2"}, False), ({"title": "Other"}, True), ({"summary": "Other."}, True)],
)
def test_hashes_of_two_kinds_say_nothing(change: dict[str, Any], is_edit: bool) -> None:
    """Of a post that an older version hashed, title and summary tell; from then on it has a hash of the new kind."""
    new = post(**({"text_hash": f"{HASH_MARK}1"} | change))
    (revision,) = run(file(new), known={"a.md": known(text_hash="0f" * 16)}).revisions
    assert (revision.is_edit, revision.post.text_hash) == (is_edit, new.text_hash)
    assert revision.updated == (NOW if is_edit else NOW - 10 * DAY)


def test_a_post_is_never_published_again() -> None:
    """Another date in the file changes nothing of when it was published."""
    (revision,) = run(file(post(published=NOW - DAY)), known={"a.md": known()}).revisions
    assert revision.post.published == NOW - 10 * DAY


@pytest.mark.parametrize(
    "match",
    [
        {"title": "a.md", "text_hash": "hash of a.md"},
        {"original_url": "http://origin.example/1", "text_hash": "other"},
        {"feed_id": "minted-once", "text_hash": "other"},
    ],
)
def test_renames(match: dict[str, Any]) -> None:
    """The same words, the same original article, or the same id under a new path: the post keeps what it was."""
    gone = known(original_url="http://origin.example/1")
    changes = run(file(post("new.md", **match)), missing=[gone])
    (revision,) = changes.revisions
    assert (revision.key, revision.is_rename, changes.arrivals) == (1, True, ())
    assert revision.is_edit == (match.get("text_hash") == "other")
    assert next_missing([gone], changes) == []


def test_a_missing_post_is_found_once() -> None:
    """Two copies of it: one is the rename, the other is new."""
    copy = {"title": "a.md", "text_hash": "hash of a.md"}
    changes = run(file(post("b.md", **copy)), file(post("c.md", **copy)), missing=[known()])
    assert [item.post.path for item in changes.revisions] == ["b.md"]
    assert [item.post.path for item in changes.arrivals] == ["c.md"]
    other = known("z.md", key=2)
    assert next_missing([known(), other], changes) == [other]


def test_a_post_comes_back_at_its_old_path() -> None:
    """The same key, so the same id; even if its bytes are the same."""
    gone = known(gone_at=NOW - DAY)
    changes = run(file(post(), unchanged=True), known={"a.md": gone})
    assert ([item.key for item in changes.revisions], changes.arrivals) == ([1], ())


def test_a_touched_file_changes_nothing_but_its_record() -> None:
    """Other time, same bytes."""
    changes = run(file(post(), unchanged=True), known={"a.md": known()})
    assert (changes.arrivals, changes.revisions, changes.gone) == ((), (), ())
    assert [(item.path, item.taken) for item in changes.files] == [("a.md", True)]


@pytest.mark.parametrize(("gone_at", "gone"), [(None, (1,)), (NOW - DAY, ())])
def test_a_file_that_no_longer_gives_a_post(gone_at: datetime | None, gone: tuple[int, ...]) -> None:
    """If it says so, its post is gone, once; the reason and the time to look again are kept."""
    later = NOW + DAY
    said = replace(refusal(recheck_at=later), withdraws=True)
    changes = run(file(said), known={"a.md": known(gone_at=gone_at)})
    assert changes.gone == gone
    (record,) = changes.files
    assert (record.taken, record.recheck_at, record.problems[0].reason) == (False, later, "broken")


def test_when_to_look_again() -> None:
    """When a post expires."""
    expiring = post(expires=NOW + DAY)
    assert run(file(expiring)).files[0].recheck_at == NOW + DAY
    assert run(file(post())).files[0].recheck_at is None


def test_warnings_of_the_post_are_kept() -> None:
    """They come before those of the batch."""
    warning = Problem(path="a.md", reason="odd", severity=Severity.WARNING)
    assert run(file(post(warnings=(warning,)))).files[0].problems == (warning,)


@given(
    ids=st.lists(st.sampled_from(["x", "y", "x-1"]), max_size=8),
    taken=st.sets(st.sampled_from(["x", "y"])),
    seed=st.randoms(use_true_random=False),
)
def test_ids_are_unique_and_the_order_is_no_matter(ids: list[str], taken: set[str], seed: Any) -> None:
    """Whatever the posts wish for."""
    files = [file(post(f"{number}.md", feed_id=wish)) for number, wish in enumerate(ids)]
    changes = run(*files, taken_ids=taken)
    given_ids = [item.id for item in changes.arrivals]
    assert len(set(given_ids) | taken) == len(given_ids) + len(taken)
    shuffled = list(files)
    seed.shuffle(shuffled)
    assert run(*shuffled, taken_ids=taken) == changes
    assert replace(changes) == changes
