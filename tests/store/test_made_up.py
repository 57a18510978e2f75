"""Editions that are made up later: saved finished, mailed to nobody."""

from __future__ import annotations

from datetime import timedelta

from digest.models import DeliveryState, EditionState


def test_made_up_editions_are_finished_and_wait_for_their_page(store, make) -> None:
    """With members and without deliveries."""
    (post,) = make.add(store, make.arrival("a"))
    saved = store.backfill_editions(make.edition(members=(make.member(post),)))
    assert saved == store.edition("daily", "2026-11-24")
    assert (saved.state, saved.page_published) == (EditionState.FINISHED, False)
    assert store.unpublished_pages() == [saved]
    assert store.counts(saved.key).total == 0
    assert store.edition_rows("daily")[0].posts == 1
    assert store.settle(make.now + timedelta(days=9)) == []


def test_an_edition_is_never_replaced(store, make) -> None:
    """Nor are its deliveries touched; a skipped period has none and gives way."""
    mailed = make.freeze(store, 2)
    assert store.backfill_editions(make.edition(subject="other")) is None
    assert store.edition("daily", "2026-11-24") == mailed
    assert store.counts(mailed.key)[DeliveryState.QUEUED] == 2
    store.skip("daily", "2026-11-23", make.now, reason="missed")
    made = store.backfill_editions(make.edition("2026-11-23"))
    assert made is not None
    assert store.edition("daily", "2026-11-23") == made
    assert store.backfill_editions(make.edition("2026-11-23")) is None
    assert not store.skip("daily", "2026-11-23", make.now)


def test_posts_that_an_edition_has_can_be_left_out(store, make) -> None:
    """Those of this digest; other digests mind their own."""
    first, _ = make.add(store, make.arrival("a"), make.arrival("b", published=make.now))
    store.backfill_editions(make.edition(members=(make.member(first),)))
    span = (None, make.ago(days=1), make.now + timedelta(seconds=1))
    assert [post.key for post in store.published_between(*span)] == [2, 1]
    assert [post.key for post in store.published_between(*span, not_in="daily")] == [2]
    assert [post.key for post in store.published_between(*span, not_in="weekly")] == [2, 1]
