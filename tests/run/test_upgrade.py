"""A store of an earlier version of the program."""

from __future__ import annotations

import sqlite3

from tests.run.site_folder import Site

# What version 0007 changed of the schema, undone; hashes and rules as the version before had them.
_BEFORE = """
ALTER TABLE file RENAME COLUMN hash TO sha256;
UPDATE file SET sha256 = '5f70bf18a086007016e948b04aed3b82';
UPDATE post SET text_hash = 'a3c1f05e7b92d4680c1b2a3948576e0d';
UPDATE meta SET value = 'fingerprint of older rules' WHERE name = 'rules';
UPDATE digest_schema SET version_num = '0006';
"""


def test_nothing_looks_edited_after_an_upgrade(site: Site) -> None:
    """Files and words are hashed in another way; the next run reads everything again, and no reader is told. What is
    edited from then on is noticed as ever."""
    site.some_posts()
    assert site.run_json().code == 0
    with sqlite3.connect(site.folder / "var" / "digest.db") as store:
        store.executescript(_BEFORE)
    store.close()
    before = {path: path.read_bytes() for path in (site.folder / "public").rglob("*") if path.is_file()}
    later = site.run_json(as_of="2026-11-24 10:00")
    assert later.code == 0
    collected = later.report["collected"]
    assert [collected[name] for name in ("opened", "arrived", "edited", "renamed", "gone")] == [3, 0, 0, 0, 0]
    assert later.written == []
    assert before == {path: path.read_bytes() for path in (site.folder / "public").rglob("*") if path.is_file()}
    post = next(site.posts.glob("*.md"))
    post.write_text(post.read_text(encoding="utf-8").replace("</p>", "。更正</p>"), encoding="utf-8")
    assert site.run_json(as_of="2026-11-24 10:05").report["collected"]["edited"] == 1
