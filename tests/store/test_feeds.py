"""Which feeds there are, what they hold, and when they must be made again."""

from __future__ import annotations

from datetime import timedelta
from shutil import copy
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digest.models import Changes, KnownPost
from digest.store import SqlStore, open_store


def feeds(store: SqlStore) -> dict[tuple[str, str], tuple[int, bool]]:
    return {(row.kind, row.name): (row.posts, row.dirty) for row in store.feeds()}


def clean(store: SqlStore) -> None:
    store.mark_clean(store.feeds())
    assert not any(row.dirty for row in store.feeds())


def test_the_feed_of_all_posts_is_there_from_the_start(store) -> None:
    """An empty archive has a feed too, and it must be written."""
    [row] = store.feeds()
    assert (row.kind, row.name, row.posts, row.dirty) == ("all", "", 0, True)


def test_arrivals_create_feeds_and_dirty_them(store, make) -> None:
    """All first, then categories, then tags, each by code points, whatever the database's locale."""
    clean(store)
    make.add(store, make.arrival("a", categories=("b", "B", "乙", ""), tags=("t",)))
    assert list(feeds(store).items()) == [
        (("all", ""), (1, True)),
        (("category", ""), (1, True)),
        (("category", "B"), (1, True)),
        (("category", "b"), (1, True)),
        (("category", "乙"), (1, True)),
        (("tag", "t"), (1, True)),
    ]


def test_file_names_are_never_shared_and_never_changed(store, make) -> None:
    """Names that differ only by case, or are no file names, get some of their own."""
    make.add(store, make.arrival("a", categories=("TechWeb",)))
    make.add(store, make.arrival("b", categories=("Techweb", "a/b", "TechWeb"), tags=("TechWeb",)))
    stems = {(row.kind, row.name): row.stem for row in store.feeds()}
    assert stems["category", "TechWeb"] == "TechWeb"
    assert stems["tag", "TechWeb"] == "TechWeb"
    assert stems["category", "a/b"] == "a-b"
    assert stems["category", "Techweb"].startswith("Techweb-")


def test_a_category_named_twice_counts_once(store, make) -> None:
    make.add(store, make.arrival("a", categories=("x", "x"), tags=("t", "t")))
    assert feeds(store) == {("all", ""): (1, True), ("category", "x"): (1, True), ("tag", "t"): (1, True)}
    assert len(store.newest("category", "x", 9)) == 1


def test_only_touched_feeds_become_dirty(store, make) -> None:
    """Those of the old and the new categories, and the one of all posts."""
    known, _, _ = make.add(
        store,
        make.arrival("a", categories=("x", "y")),
        make.arrival("b", categories=("z",)),
        make.arrival("c", categories=("y",)),
    )
    clean(store)
    make.revise(store, known, make.post("a", categories=("y", "new")))
    assert feeds(store) == {
        ("all", ""): (3, True),
        ("category", "new"): (1, True),
        ("category", "x"): (0, True),
        ("category", "y"): (2, True),
        ("category", "z"): (1, False),
    }
    assert store.newest("category", "x", 9) == []
    assert [post.key for post in store.newest("category", "new", 9)] == [known.key]


def test_newest_orders_by_first_sight_then_date_then_key(store, make) -> None:
    """In the feed of all and in that of a category alike, cut at the limit."""
    early, late = make.ago(days=2), make.ago(days=1)
    make.add(
        store,
        make.arrival("a", first_seen=early, published=late),
        make.arrival("b", first_seen=late, published=early),
        make.arrival("c", first_seen=late, published=late),
        make.arrival("d", first_seen=late, published=late),
    )
    for kind, name in (("all", ""), ("category", "要闻")):
        assert [post.key for post in store.newest(kind, name, 9)] == [4, 3, 2, 1]
        assert [post.key for post in store.newest(kind, name, 2)] == [4, 3]
    assert store.newest("category", "other", 9) == []


def test_unlisted_posts_are_in_no_feed(store, make) -> None:
    """They have a page, but create no feed, count nowhere and dirty nothing; listing them later does."""
    clean(store)
    [known] = make.add(store, make.arrival("a", unlisted=True, tags=("t",)))
    assert feeds(store) == {("all", ""): (0, False)}
    assert store.newest("all", "", 9) == []
    assert store.count_posts() == 1
    assert known.unlisted
    make.revise(store, known, make.post("a"))
    assert feeds(store) == {("all", ""): (1, True), ("category", "要闻"): (1, True)}
    clean(store)
    known = make.revise(store, known, make.post("a", unlisted=True))
    assert feeds(store) == {("all", ""): (0, True), ("category", "要闻"): (0, True)}
    clean(store)
    make.withdraw(store, known)
    assert feeds(store) == {("all", ""): (0, False), ("category", "要闻"): (0, False)}
    assert store.retire_withdrawn(make.now + timedelta(days=1)) == 0


def test_withdrawn_posts_stay_listed_until_they_are_retired(store, make) -> None:
    """They no longer count; when their time is over they leave, once, and their feeds are made again."""
    known, _ = make.add(store, make.arrival("a", tags=("t",)), make.arrival("b", categories=("x",)))
    clean(store)
    make.withdraw(store, known)
    expected = {("all", ""), ("category", "要闻"), ("tag", "t")}
    assert {key for key, (_, dirty) in feeds(store).items() if dirty} == expected
    assert feeds(store)["category", "要闻"][0] == 0
    assert [post.gone_at for post in store.newest("category", "要闻", 9)] == [make.now]
    clean(store)
    assert store.retire_withdrawn(make.now) == 0
    assert not any(row.dirty for row in store.feeds())
    assert store.retire_withdrawn(make.now + timedelta(seconds=1)) == 1
    assert {key for key, (_, dirty) in feeds(store).items() if dirty} == expected
    assert store.newest("category", "要闻", 9) == store.newest("tag", "t", 9) == []
    assert [post.path for post in store.newest("all", "", 9)] == ["_posts/b.md"]
    assert store.retire_withdrawn(make.now + timedelta(days=9)) == 0


def test_a_post_that_comes_back_is_listed_again(store, make) -> None:
    """Before and after it was retired."""
    [known] = make.add(store, make.arrival("a"))
    for retire in (False, True):
        make.withdraw(store, known)
        if retire:
            store.retire_withdrawn(make.now + timedelta(days=1))
        make.revise(store, known, make.post("a"))
        assert store.newest("category", "要闻", 9) == store.newest("all", "", 9) == [known]
        assert feeds(store)["category", "要闻"][0] == feeds(store)["all", ""][0] == 1


def test_a_new_look_dirties_every_feed(store, make) -> None:
    make.add(store, make.arrival("a"))
    clean(store)
    store.set_look("2")
    assert all(row.dirty for row in store.feeds())


def test_marking_nothing_clean_is_fine(store) -> None:
    store.mark_clean([])
    assert store.feeds()[0].dirty


NAMES = st.sampled_from(["x", "y", "z"])
STEP = st.tuples(
    st.sampled_from(["arrive", "revise", "withdraw", "retire"]),
    st.integers(0, 7),
    st.lists(NAMES, max_size=3),
    st.booleans(),
)


@given(history=st.lists(STEP, max_size=25))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_counts_hold_over_any_history(history, make, empty_sqlite) -> None:
    """After any arrivals, edits, withdrawals and returns, a feed counts the posts it lists that are not gone, and
    what changed is dirty."""
    with TemporaryDirectory() as folder, open_store(f"sqlite:///{copy(empty_sqlite, folder)}") as store:
        for number, (step, which, names, unlisted) in enumerate(history):
            before = contents(store)
            clean(store)
            known = store.posts_at([f"_posts/{n}.md" for n in range(len(history))])
            target = list(known.values())[which % len(known)] if known else None
            fields = {"categories": tuple(names), "tags": tuple(names[:1]), "unlisted": unlisted}
            if step == "arrive" or target is None:
                store.record(Changes(arrivals=(make.arrival(str(number), **fields),)), make.now)
            elif step == "revise":
                name = target.path.removeprefix("_posts/").removesuffix(".md")
                make.revise(store, target, make.post(name, **fields))
            elif step == "withdraw":
                make.withdraw(store, target)
            else:
                store.retire_withdrawn(make.now + timedelta(days=1))
            after = contents(store)
            for row in store.feeds():
                key = (row.kind, row.name)
                assert row.posts == sum(post.gone_at is None for post in after[key])
                assert row.dirty or after[key] == before.get(key, [])


def contents(store: SqlStore) -> dict[tuple[str, str], list[KnownPost]]:
    return {(row.kind, row.name): list(store.newest(row.kind, row.name, 99)) for row in store.feeds()}
