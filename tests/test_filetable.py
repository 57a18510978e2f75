"""The compact table of files is a mapping like any other, in the order of paths."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from digest.filetable import FileTable
from digest.jobs.archive.collect import compare
from digest.models import FileStat, KnownFile

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)

stats = st.builds(
    FileStat,
    size=st.integers(0, 2**40),
    mtime_ns=st.integers(-(2**70), 2**70) | st.integers(0, 2**61),
    inode=st.integers(0, 2**64 - 1),
)
tables = st.dictionaries(st.text("ab/_-.甲é", min_size=1, max_size=4), stats, max_size=8)


@given(tables)
def test_a_table_is_the_mapping_it_was_made_of(files: dict[str, FileStat]) -> None:
    """Every number comes back, times of any century included."""
    table = FileTable.of(files)
    assert dict(table) == files
    assert list(table) == sorted(files)
    assert [table.at(place) for place in range(len(table))] == [files[path] for path in sorted(files)]
    assert "nowhere" not in table
    assert None not in table
    assert table.get("nowhere") is None
    assert FileTable.of(table) is table


known_files = st.dictionaries(
    st.text("ab/_-.甲é", min_size=1, max_size=4),
    st.tuples(stats, st.sampled_from([None, NOW, NOW + timedelta(hours=1)]), st.booleans()),
    max_size=8,
)


def is_due(known: KnownFile) -> bool:
    return known.recheck_at is not None and known.recheck_at <= NOW


@given(tables, known_files, st.booleans(), st.data())
def test_comparing_is_what_two_dictionaries_would_say(
    files: dict[str, FileStat],
    known: dict[str, tuple[FileStat, datetime | None, bool]],
    everything: bool,
    data: st.DataObject,
) -> None:
    """New, changed, due again, gone; each file once."""
    for path in data.draw(st.sets(st.sampled_from(sorted(files)))) if files else ():
        known[path] = (files[path], data.draw(st.sampled_from([None, NOW, NOW + timedelta(hours=1)])), True)
    before = {
        path: KnownFile(path, *stat, hash=path, recheck_at=recheck, taken=taken)
        for path, (stat, recheck, taken) in known.items()
    }
    table = FileTable.of(files)
    found = compare(table, sorted(before.values()), NOW, everything=everything)
    todo = [table.paths[place] for place in found.todo]
    assert todo == [
        path
        for path in sorted(files)
        if everything or path not in before or before[path][1:4] != files[path] or is_due(before[path])
    ]
    assert found.vanished == {path: path for path in before.keys() - files.keys()}
    assert found.posts == sum(known.taken for known in before.values())
    assert found.taken == sum(before[path].taken for path in files.keys() & before.keys() - set(todo))
    assert found.known_as == ({} if everything else {path: path for path in todo if path in before})
