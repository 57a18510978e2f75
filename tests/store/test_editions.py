"""What may enter an edition, and how it is kept."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from digest.models import Changes, DeliveryState, EditionRow, EditionState, InLanguage, RenderedMail
from digest.store import open_store


def test_a_digest_begins_once(store, make) -> None:
    assert store.began("daily") is None
    store.begin("daily", make.now)
    store.begin("daily", make.now + timedelta(days=1))
    assert store.began("daily") == make.now
    assert store.began("weekly") is None


def keys(posts) -> list[int]:
    return [post.key for post in posts]


def test_candidates_are_what_came_after_the_digest_began(store, make) -> None:
    """In the same second too, and whatever their own date within reach."""
    make.add(store, make.arrival("archive"))
    store.begin("daily", make.now)
    make.add(
        store,
        make.arrival("new"),
        make.arrival("oldest", published=make.ago(days=3)),
        make.arrival("too old", published=make.ago(days=3, seconds=1)),
        make.arrival("now", published=make.now),
        make.arrival("future", published=make.now + timedelta(seconds=1)),
        make.arrival("unlisted", unlisted=True),
    )
    assert keys(store.candidates("daily", None, make.ago(days=3), make.now)) == [5, 2, 3]
    assert store.candidates("other", None, make.ago(days=3), make.now) == []


def test_a_post_is_a_candidate_until_it_is_in_an_edition_of_the_digest(store, make) -> None:
    """Other digests mind their own; a skipped period takes nothing; what is gone is none until it comes back."""
    store.begin("daily", make.now)
    store.begin("weekly", make.now)
    first, second = make.add(store, make.arrival("a"), make.arrival("b"))
    reach = (None, make.ago(days=3), make.now)
    store.skip("daily", "2026-11-23", make.now)
    assert keys(store.candidates("daily", *reach)) == [first.key, second.key]
    store.freeze(make.edition(members=(make.member(first),)), ())
    assert keys(store.candidates("daily", *reach)) == [second.key]
    assert keys(store.candidates("weekly", *reach)) == [first.key, second.key]
    make.withdraw(store, second)
    assert store.candidates("daily", *reach) == []
    make.revise(store, second, make.post("b"))
    assert keys(store.candidates("daily", *reach)) == [second.key]


def test_categories_narrow_the_choice(store, make) -> None:
    """A post of two wanted categories is chosen once; no category chooses nothing."""
    store.begin("daily", make.now)
    make.add(
        store,
        make.arrival("a", categories=("x", "y")),
        make.arrival("b", categories=("z",), published=make.now),
        make.arrival("c", categories=()),
    )
    span = (make.ago(days=1), make.now + timedelta(seconds=1))
    for wanted, expected in ((["x", "y"], [1]), (["z"], [2]), ([], []), (None, [2, 1, 3])):
        assert keys(store.candidates("daily", wanted, make.ago(days=1), make.now)) == expected
        assert keys(store.published_between(wanted, *span)) == expected
    assert store.newest_day(["x"], make.now) == make.ago(hours=1)
    assert store.newest_day(["nothing"], make.now) is None


@pytest.mark.parametrize(
    ("tag", "wide", "expected"),
    [("zh", False, [2]), ("zh", True, [1, 2]), ("zh-CN", True, [1, 4]), ("en", True, [3]), ("de", True, [])],
)
def test_a_language_narrows_the_choice(store, make, tag: str, wide: bool, expected: list[int]) -> None:
    """``zh`` takes its regions if that is wanted; a post that names none is in the site's, which is zh-CN here."""
    store.begin("daily", make.now)
    spoken = ("zh-CN", "zh", "en-US", None)
    make.add(store, *(make.arrival(str(number), lang=lang, categories=("x",)) for number, lang in enumerate(spoken)))
    language = InLanguage.of(tag, "zh-CN", wide=wide)
    expected = sorted({*expected, 4}) if language.unsaid else expected
    span = (make.ago(days=1), make.now + timedelta(seconds=1))
    assert sorted(keys(store.candidates("daily", ["x"], make.ago(days=1), make.now, language))) == expected
    assert sorted(keys(store.published_between(None, *span, language=language))) == expected
    for kind, name in (("all", ""), ("category", "x")):
        assert sorted(keys(store.newest(kind, name, 9, language))) == expected
    assert (store.newest_day(["x"], make.now, language) is not None) is bool(expected)
    assert [number for number, lang in enumerate(spoken, 1) if language.takes(lang)] == expected
    assert store.languages() == ["en-US", "zh", "zh-CN"]


def test_a_span_takes_its_start_and_leaves_its_end(store, make) -> None:
    """Also when they lie between two seconds."""
    make.add(store, make.arrival("a", published=make.ago(seconds=1)), make.arrival("b", published=make.now))
    half = timedelta(milliseconds=500)
    assert keys(store.published_between(None, make.ago(seconds=1), make.now)) == [1]
    assert keys(store.published_between(None, make.now - half, make.now + half)) == [2]
    assert keys(store.published_between(None, make.ago(seconds=9), make.now + half)) == [2, 1]


def test_the_newest_day_is_that_of_a_post_one_can_see(store, make) -> None:
    assert store.newest_day(None, make.now) is None
    _, gone, *_ = make.add(
        store,
        make.arrival("a", published=make.ago(days=2)),
        make.arrival("gone", published=make.ago(days=1)),
        make.arrival("future", published=make.now + timedelta(seconds=1)),
        make.arrival("unlisted", unlisted=True),
    )
    make.withdraw(store, gone)
    assert store.newest_day(None, make.now) == make.ago(days=2)


def test_freezing_saves_edition_members_and_deliveries(store, make) -> None:
    """And finds them again, byte for byte; its page is not published yet."""
    posts = make.add(store, make.arrival("a"), make.arrival("b"))
    members = tuple(make.member(post, place) for place, post in enumerate(posts))
    frozen = make.edition(members=members, html="<p>\r\n 早 &amp; 'x'</p>", document='{"a": "\\u0000"}')
    saved = store.freeze(frozen, make.recipients(3))
    assert saved is not None
    assert store.edition("daily", "2026-11-24") == store.edition_by_key(saved.key) == saved
    assert (saved.html, saved.document, saved.frozen_at) == (frozen.html, frozen.document, frozen.frozen_at)
    assert (saved.state, saved.page_published) == (EditionState.FROZEN, False)
    assert store.counts(saved.key)[DeliveryState.QUEUED] == 3
    with store._database.asking() as connection:
        assert connection.rows("SELECT DISTINCT channel, domain FROM delivery") == [("mail", "example.org")]
    [row] = store.edition_rows("daily")
    assert row == EditionRow(
        key=saved.key, period="2026-11-24", state=EditionState.FROZEN, subject="早报", frozen_at=make.now, posts=2
    )


def test_one_edition_a_period(store, make) -> None:
    """Whoever comes second changes nothing."""
    assert store.freeze(make.edition(), make.recipients(1)) is not None
    assert store.freeze(make.edition(subject="again"), make.recipients(2)) is None
    assert not store.skip("daily", "2026-11-24", make.now)
    assert store.counts().total == 1
    assert store.edition("daily", "2026-11-24").subject == "早报"


def test_a_freeze_that_breaks_leaves_nothing(store, make) -> None:
    """Readers cannot be read to the end: neither edition nor deliveries are there, and the slot is free."""
    from digest.errors import StoreError

    def breaking():
        yield from make.recipients(2)
        raise StoreError("store", "the database failed")

    with pytest.raises(StoreError):
        store.freeze(make.edition(), breaking())
    assert store.edition("daily", "2026-11-24") is None
    assert store.counts().total == 0
    assert store.freeze(make.edition(), make.recipients(1)) is not None


def test_an_address_gets_one(store, make) -> None:
    """Who is named twice, by the operator and as a subscriber, gets one delivery."""
    assert store.freeze(make.edition(), make.recipients(2) * 2) is not None
    assert store.counts().total == 2


def test_the_first_mail_for_a_selection_is_the_one_that_is_kept(store, make) -> None:
    """Whatever another worker makes of it, until nothing of its edition can be sent any more."""
    saved = make.freeze(store)
    first, second = (RenderedMail(subject=name, html=f"<p>{name}", text=name) for name in ("first", "second"))
    assert store.mail(saved.key, "x") is None
    assert store.keep_mail(saved.key, "x", first) == first
    assert store.keep_mail(saved.key, "x", second) == store.mail(saved.key, "x") == first
    assert store.mail(saved.key, "y") is None
    store.settle(saved.expires_at + timedelta(days=3))
    assert store.mail(saved.key, "x") == first
    store.settle(saved.expires_at + timedelta(days=8))
    assert store.mail(saved.key, "x") is None


def test_skipped_periods_are_taken_but_not_listed(store, make) -> None:
    assert store.skip("daily", "2026-11-23", make.now, reason="missed")
    assert not store.skip("daily", "2026-11-23", make.now)
    assert store.freeze(make.edition("2026-11-23"), ()) is None
    assert store.edition("daily", "2026-11-23").state is EditionState.SKIPPED
    assert store.editions("daily") == store.edition_rows("daily") == store.unpublished_pages() == []


def test_editions_are_listed_newest_first(store, make) -> None:
    for period in ("2026-11-23", "2026-11-24", "2026-11-22"):
        make.freeze(store, 0, period)
    make.freeze(store, 0, digest="weekly")
    assert [edition.period for edition in store.editions("daily")] == ["2026-11-24", "2026-11-23", "2026-11-22"]
    assert [edition.period for edition in store.editions("daily", 2)] == ["2026-11-24", "2026-11-23"]
    assert [row.period for row in store.edition_rows("daily")] == ["2026-11-24", "2026-11-23", "2026-11-22"]


def test_pages_are_unpublished_until_they_are_on_disk(store, make) -> None:
    first, second = (store.freeze(make.edition(period), ()) for period in ("2026-11-23", "2026-11-24"))
    assert store.unpublished_pages() == [first, second]
    store.mark_page_published(first.key)
    assert store.unpublished_pages() == [second]
    assert store.edition_by_key(first.key).page_published


def test_two_processes_never_make_two_editions(store_url, make) -> None:
    """Of many that freeze one period at once, one does."""
    with open_store(store_url) as first, open_store(store_url) as second:
        results = []
        gate = threading.Barrier(6)

        def freeze(store) -> None:
            gate.wait()
            results.append(store.freeze(make.edition(), make.recipients(20)))

        threads = [threading.Thread(target=freeze, args=[store]) for store in (first, second) * 3]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(result is not None for result in results) == 1
        assert first.counts().total == 20


def test_members_of_an_edition_must_be_posts(store, make) -> None:
    """The database itself refuses what would dangle."""
    from digest.errors import StoreError

    [known] = make.add(store, make.arrival("a"))
    stranger = make.member(make.replace(known, key=99))
    with pytest.raises(StoreError):
        store.freeze(make.edition(members=(stranger,)), ())
    store.record(Changes(), make.now)
    assert store.editions("daily") == []


def test_editions_since_a_moment_come_oldest_first(store, make) -> None:
    """Of one digest; without what was skipped."""
    for period, days, fields in (
        ("2026-11-20", 4, {}),
        ("2026-11-23", 1, {}),
        ("2026-11-22", 2, {}),
        ("2026-11-19", 2, {"digest": "other"}),
    ):
        make.freeze(store, period=period, frozen_at=make.ago(days=days), **fields)
    store.skip("daily", "2026-11-18", make.now)
    found = store.editions_since("daily", make.ago(days=2))
    assert [saved.period for saved in found] == ["2026-11-22", "2026-11-23"]


def test_posts_in_editions_are_as_they_are_now(store, make) -> None:
    """Edited ones and those that are gone too; each once."""
    first, second, other = make.add(store, make.arrival("a"), make.arrival("b"), make.arrival("c"))
    one = make.freeze(store, members=(make.member(first), make.member(second)))
    two = make.freeze(store, period="2026-11-25", members=(make.member(first),))
    make.freeze(store, period="2026-11-26", members=(make.member(other),))
    make.revise(store, first, make.post("a", title="改过的标题"))
    make.withdraw(store, second)
    found = store.posts_in([one.key, two.key])
    assert {key: (post.title, post.gone_at) for key, post in found.items()} == {
        first.key: ("改过的标题", None),
        second.key: ("标题 b", make.now),
    }
    assert store.posts_in([]) == {}


def test_titles_of_the_last_posts(store, make) -> None:
    """The last first, none after the one that is named; of those that are gone too."""
    first, second, third = make.add(store, make.arrival("a"), make.arrival("b"), make.arrival("c"))
    make.withdraw(store, first)
    found = store.titles_until(second.key, 9)
    assert list(found.items()) == [(second.key, "标题 b"), (first.key, "标题 a")]
    assert list(store.titles_until(third.key, 1)) == [third.key]
    assert store.titles_until(0, 9) == {}
