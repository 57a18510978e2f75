"""What is remembered of files and posts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from digest.errors import StoreError
from digest.models import (
    Absence,
    Attachment,
    Author,
    Away,
    Changes,
    Code,
    FileStat,
    Hand,
    KnownFile,
    KnownPost,
    Problem,
    Severity,
)


def test_a_post_comes_back_as_it_was_taken(store, make) -> None:
    """Every field survives, times in UTC, lists in their order."""
    shanghai = timezone(timedelta(hours=8))
    arrival = make.arrival(
        "a",
        first_seen=make.ago(minutes=5),
        title="沪指收涨 <1%> & “创新高”",
        summary="摘要\n第二行 🀄",
        published=datetime(2026, 11, 24, 15, 30, 5, tzinfo=shanghai),
        categories=("股市", "A股", "要闻"),
        tags=("b", "a"),
        source_name="财联社",
        original_url="https://finance.example/1",
        authors=(Author(name="王", email="w@example.org"), Author(name="Li", url="https://li.example/")),
        image="https://example.org/a.png",
        lang="zh-CN",
        codes=(Code(market="90", code="BK1036", name="半导体", mentions=3),),
        attachments=(Attachment(url="https://example.org/a.mp3", mime_type="audio/mpeg", length=7),),
        hand=Hand.PIN,
    )
    store.record(Changes(arrivals=(arrival,)), make.now)
    post = arrival.post
    assert store.posts_at([post.path]) == {
        post.path: KnownPost(
            key=1,
            id=post.feed_id,
            path=post.path,
            title=post.title,
            url=post.url,
            summary=post.summary,
            published=datetime(2026, 11, 24, 7, 30, 5, tzinfo=UTC),
            updated=datetime(2026, 11, 24, 7, 30, 5, tzinfo=UTC),
            first_seen=make.ago(minutes=5),
            collected_at=make.now,
            categories=post.categories,
            tags=post.tags,
            source_name=post.source_name,
            original_url=post.original_url,
            authors=post.authors,
            image=post.image,
            lang=post.lang,
            codes=post.codes,
            attachments=post.attachments,
            text_hash=post.text_hash,
            hand=Hand.PIN,
        )
    }
    assert store.posts_at([post.path])[post.path].published.tzinfo is UTC


def test_naive_times_are_refused(store, make) -> None:
    """A time without a zone is a fault of the program, not of the database."""
    naive = datetime(2026, 11, 24, 8)  # noqa: DTZ001
    with pytest.raises(TypeError):
        store.record(Changes(arrivals=(make.arrival(published=naive),)), make.now)
    with pytest.raises(TypeError):
        store.newest_day(None, naive)
    assert store.count_posts() == 0


def test_keys_grow_in_the_order_of_arrival(store, make) -> None:
    """Over batches too, and a key is never used twice."""
    first = make.add(store, make.arrival("b"), make.arrival("a"))
    make.withdraw(store, first[1])
    second = make.add(store, make.arrival("c"))
    assert [post.key for post in first + second] == [1, 2, 3]


def test_a_revision_keeps_the_identity(store, make) -> None:
    """Id, dates of publication and first sight stay; everything that the file says is taken over."""
    [known] = make.add(store, make.arrival("a", first_seen=make.ago(hours=2)))
    post = make.post("b", title="新标题", published=make.now, feed_id="other", categories=("x",), codes=())
    changed = make.revise(store, known, post, updated=make.now, is_rename=True)
    assert changed == make.replace(
        known,
        path=post.path,
        title=post.title,
        url=post.url,
        updated=make.now,
        categories=("x",),
        text_hash=post.text_hash,
    )
    assert store.posts_at([known.path]) == {}


def test_a_gone_post_is_remembered_and_can_come_back(store, make) -> None:
    """It keeps its key and id, and loses the mark of having gone; going twice changes nothing."""
    [known] = make.add(store, make.arrival("a"))
    make.withdraw(store, known)
    make.withdraw(store, known, now=make.now + timedelta(days=1))
    assert store.posts_at([known.path])[known.path] == make.replace(known, gone_at=make.now)
    assert store.count_posts() == 0
    assert make.revise(store, known, make.post("a")) == known
    assert store.count_posts() == 1


def test_the_living_post_of_a_path_is_found(store, make) -> None:
    """Of several posts that had one path, the one that is there; else the latest."""
    [first] = make.add(store, make.arrival("a"))
    make.revise(store, first, make.post("b"), is_rename=True)
    [second] = make.add(store, make.arrival("a", feed_id="second"))
    assert store.posts_at([second.path])[second.path].key == second.key
    make.withdraw(store, second)
    make.revise(store, first, make.post("a"), is_rename=True)
    assert store.posts_at([second.path])[second.path].key == first.key
    make.withdraw(store, first)
    assert store.posts_at([second.path])[second.path].key == second.key


@pytest.mark.parametrize("number", [0, 1, 70_000])
def test_any_number_of_things_can_be_asked_for(store, make, number: int) -> None:
    """More than a statement may have parameters."""
    [known] = make.add(store, make.arrival("a"))
    store.adopt_ids({known.url: "urn:1"})
    others = [f"x{n}" for n in range(number)]
    assert set(store.posts_at([known.path, *others])) == {known.path}
    assert store.ids_taken([*others, known.id]) == {known.id}
    assert store.adopted_ids([known.url, *others]) == {known.url: "urn:1"}
    assert store.posts_at(others) == {}
    assert store.ids_taken(others) == set()
    assert store.adopted_ids(others) == {}


def test_an_adopted_id_may_be_given_anew(store) -> None:
    """The last word counts."""
    store.adopt_ids({"https://a/": "1", "https://b/": "2"})
    store.adopt_ids({"https://a/": "3"})
    assert store.adopted_ids(["https://a/", "https://b/"]) == {"https://a/": "3", "https://b/": "2"}


@pytest.mark.parametrize(
    "stat",
    [
        FileStat(size=0, mtime_ns=0, inode=0),
        FileStat(size=2**40, mtime_ns=1_795_000_000_123_456_789, inode=2**63 - 1),
        FileStat(size=1, mtime_ns=-1, inode=2**63),
        FileStat(size=1, mtime_ns=1, inode=2**64 - 1),
    ],
)
def test_files_come_back_as_they_were(store, make, stat: FileStat) -> None:
    """To the nanosecond, and with inodes of 64 bits without a sign."""
    record = make.file(stat=stat, recheck_at=make.now, taken=False)
    store.record(Changes(files=(record,)), make.now)
    assert list(store.known_files()) == [KnownFile(record.path, *stat, "ab", make.now, taken=False)]
    store.record(Changes(files=(make.file(stat=stat),)), make.now)
    assert list(store.known_files()) == [KnownFile(record.path, *stat, "ab")]
    store.record(Changes(forgotten=(record.path, "other")), make.now)
    assert list(store.known_files()) == []


def test_a_file_time_beyond_what_databases_hold_does_no_harm(store, make) -> None:
    """Such a file is read again in every run."""
    stat = FileStat(size=1, mtime_ns=2**63 + 5, inode=1)
    store.record(Changes(files=(make.file(stat=stat),)), make.now)
    (known,) = store.known_files()
    assert known[1:4] != stat


def test_problems_are_kept_until_their_file_is_read_again(store, make) -> None:
    """By path, in the order in which they were found."""
    first = Problem(path="_posts/b.md", line=3, reason="no date", remedy="add one")
    second = Problem(path="_posts/b.md", reason="odd", severity=Severity.WARNING)
    other = Problem(path="_posts/Z.md", reason="a draft", severity=Severity.NOTE)
    store.record(Changes(files=(make.file("b", problems=(first, second)), make.file("Z", problems=(other,)))), make.now)
    assert list(store.problems()) == [other, first, second]
    store.record(Changes(files=(make.file("b", problems=(second,)),)), make.now)
    assert list(store.problems()) == [other, second]
    store.record(Changes(files=(make.file("b"),), forgotten=("_posts/Z.md",)), make.now)
    assert list(store.problems()) == []


def test_a_batch_is_written_whole_or_not_at_all(store, make) -> None:
    """An id that is taken undoes everything of its batch."""
    make.add(store, make.arrival("a"))
    twice = make.arrival("c", feed_id="https://example.org/a")
    batch = Changes(arrivals=(make.arrival("b", categories=("neu",)), twice), files=(make.file("b"),))
    with pytest.raises(StoreError):
        store.record(batch, make.now)
    assert store.count_posts() == 1
    assert [known.path for known in store.known_files()] == ["_posts/a.md"]
    assert [(row.name, row.posts) for row in store.feeds()] == [("", 1), ("要闻", 1)]


def test_an_empty_batch_changes_nothing(store, make) -> None:
    before = store.feeds()
    store.record(Changes(), make.now)
    assert store.feeds() == before


def test_the_import_is_over_once(store, make) -> None:
    assert store.is_importing()
    store.finish_import(make.now)
    store.finish_import(make.now)
    assert not store.is_importing()


def test_rules_and_look_are_remembered(store) -> None:
    assert (store.rules(), store.look()) == ("", "")
    store.set_rules("1")
    store.set_rules("2")
    store.set_look("3")
    assert (store.rules(), store.look()) == ("2", "3")


def test_what_was_kept_first_stays(store) -> None:
    """Later values under the same name change nothing; names do not mix."""
    assert store.keep_first("id base", "https://old.example.com") == "https://old.example.com"
    assert store.keep_first("id base", "https://new.example.com") == "https://old.example.com"
    assert store.keep_first("other", "x") == "x"


# ---------------------------------------------------------------- absences


def away(post, state: Away, since: datetime, place: str = "") -> Absence:
    return Absence(post_key=post.key, since=since, state=state, place=place)


def test_posts_that_are_away_are_remembered(store, make) -> None:
    """Whoever is decided about is not asked again; what left can be found by its id, and how old it was."""
    posts = make.add(store, *(make.arrival(name, published=make.ago(days=3)) for name in "abcde"))
    since = make.now
    first = [away(post, state, since) for post, state in zip(posts, [*Away, Away.WAITING], strict=True)]
    store.record(Changes(away=tuple(first)), make.now)
    assert store.undecided() == {first[place].post_key: first[place] for place in (0, 1, 4)}
    assert [post.id for post in store.posts_left([post.id for post in posts])] == [posts[2].id, posts[3].id]
    assert store.held_posts() == 1
    assert store.least_age(make.now) == timedelta(days=3)
    assert store.least_age(make.now + timedelta(seconds=1)) is None
    moved = away(posts[0], Away.MOVED, since, "../old_post/标题.md")
    store.record(Changes(away=(moved,), back=(posts[4].key,)), make.now)
    assert store.absence_of(posts[0].key) == moved
    assert store.absence_of(posts[4].key) is None
    assert list(store.undecided()) == [posts[1].key]


def test_who_is_withdrawn_or_read_again_is_not_away(store, make) -> None:
    one, two = make.add(store, make.arrival("a"), make.arrival("b"))
    store.record(Changes(away=(away(one, Away.AGED, make.now), away(two, Away.MOVED, make.now))), make.now)
    make.withdraw(store, one)
    make.revise(store, two, make.post("b"))
    assert (store.absence_of(one.key), store.absence_of(two.key)) == (None, None)
    assert store.posts_left([one.id, two.id]) == []


def test_dates_of_posts_with_files(store, make) -> None:
    """Up to a date; without those that are gone, or whose file is."""
    posts = make.add(store, *(make.arrival(name, published=make.ago(days=days)) for days, name in enumerate("abcd")))
    store.record(Changes(gone=(posts[1].key,), forgotten=(posts[2].path,)), make.now)
    assert sorted(store.dates_with_files(make.now)) == [(post.key, post.published) for post in (posts[0], posts[3])]
    assert store.dates_with_files(make.ago(days=2)) == [(posts[3].key, posts[3].published)]
