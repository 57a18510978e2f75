"""File names for categories and tags: readable, safe on every file system, never shared."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from digest.filenames import MAX_BYTES, assign_stem, fold_stem


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("TechWeb", "TechWeb"),
        ("要闻", "要闻"),
        ("emnews 2", "emnews 2"),
        ("C++", "C++"),
        ("Café", "Café"),
        ("Cafe\u0301", "Café"),
        ("नमस्ते", "नमस्ते"),
        ("می‌خواهم", "می‌خواهم"),
        ("👩‍💻", "👩‍💻"),
        ("a/b", "a-b"),
        ("../../etc/passwd", "-..-etc-passwd"),
        ('\\:*?"<>|', "--------"),
        ("..hidden..", "hidden"),
        ("  a b\t\n", "a b"),
        ("a\u3000b", "a b"),
        ("a\x00\x1b\u202eb\ufeff", "ab"),
        ("\ud800x\ufffe", "x"),
        ("", "_"),
        (".", "_"),
        ("..", "_"),
        (" ", "_"),
        ("\u200b", "_"),
        ("\u200d", "_\u200d"),
        ("index", "_index"),
        ("INDEX", "_INDEX"),
        ("ｉｎｄｅｘ", "_ｉｎｄｅｘ"),
        ("index.html", "index.html"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("Com1 .x", "_Com1 .x"),
        ("COM¹", "_COM¹"),
        ("conin$", "_conin$"),
        ("contra", "contra"),
        ("COM10", "COM10"),
    ],
)
def test_names_stay_readable(name: str, stem: str) -> None:
    """Only what some system cannot bear is replaced."""
    assert assign_stem(name, set()) == stem


def test_names_that_a_file_system_would_take_for_one_get_two_files() -> None:
    """Case, width and composition apart or not: the first one has the name, the others a hash."""
    names = ["TechWeb", "Techweb", "techweb", "ＴechWeb", "a/b", "a-b", "a:b", "Straße", "STRASSE", "ı", "i", "."]
    assert len({fold_stem(stem) for stem in assign(names)}) == len(names)


def test_the_hash_depends_on_the_name_alone() -> None:
    """So the order of the others does not matter."""
    first = assign_stem("a:b", {fold_stem("a-b")})
    assert first == assign_stem("a:b", {fold_stem("a-b"), "other"})
    assert first.startswith("a-b-")
    assert len(first) == len("a-b-") + 8


def test_even_a_hash_that_is_taken_is_evaded() -> None:
    """A name may be chosen to look like another one's stem."""
    taken = {fold_stem("a-b")}
    for _ in range(5):
        stem = assign_stem("a/b", taken)
        assert fold_stem(stem) not in taken
        taken.add(fold_stem(stem))


def test_long_names_are_cut_between_characters() -> None:
    names = ["新" * 300, "新" * 299, "x" * 179 + "新", "é" * 90, "é" * 91]
    stems = assign(names)
    assert all(len(stem.encode()) <= MAX_BYTES for stem in stems)
    assert stems[3] == names[3]
    assert stems[0].rpartition("-")[0] == "新" * 57
    assert stems[4].rpartition("-")[0] == "é" * 85


def assign(names: list[str]) -> list[str]:
    taken: set[str] = set()
    stems = []
    for name in names:
        stem = assign_stem(name, taken)
        taken.add(fold_stem(stem))
        stems.append(stem)
    return stems


TRICKY = st.text(
    st.sampled_from("aAbBé./\\: -_\u0301\u200d\u00ad\u0130ıſ新ＡⅣ\x00\ud800\ufe0fnulcoidex1¹"), max_size=12
)


@given(st.lists(st.one_of(TRICKY, st.text(max_size=200)), unique=True, max_size=40))
@example(["a" * 171, "a" * 180, "a" * 181, "A" * 200])
def test_any_names_get_safe_names_of_their_own(names: list[str]) -> None:
    """No two alike to any file system; none hidden, empty, a device, a path, or too long."""
    stems = assign(names)
    assert len({fold_stem(stem) for stem in stems}) == len(names)
    assert len({unicodedata.normalize("NFKD", stem).casefold() for stem in stems}) == len(names)
    for stem in stems:
        assert stem == Path(stem).name
        assert not stem.startswith((".", " "))
        assert not stem.endswith((".", " "))
        assert not set(stem) & set('/\\:*?"<>|')
        assert not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in stem)
        assert len(stem.encode()) <= MAX_BYTES
        assert stem == unicodedata.normalize("NFC", stem)
        assert stem.partition(".")[0].upper() not in {"CON", "NUL", "COM1", "INDEX.HTML", ""}
        assert fold_stem(stem) != "index"


@given(st.lists(TRICKY, unique=True, max_size=10))
def test_the_file_system_agrees(tmp_path_factory, names: list[str]) -> None:
    """Each file can be written and is there under its name."""
    folder = tmp_path_factory.mktemp("names")
    for number, stem in enumerate(assign(names)):
        (folder / f"{stem}.xml").write_text(str(number))
    assert sorted(int(path.read_text()) for path in folder.iterdir()) == list(range(len(names)))
