"""Statements as text: one spelling for both databases."""

from __future__ import annotations

import pytest

from digest.store.database.connection import for_psycopg


@pytest.mark.parametrize(
    ("statement", "spelt"),
    [
        ("SELECT 1", "SELECT 1"),
        ("a = ? AND b = ?", "a = %s AND b = %s"),
        ("a = :first AND b = :first_2", "a = %(first)s AND b = %(first_2)s"),
        ("a LIKE 'gone:%' AND b % 2 = ?", "a LIKE 'gone:%%' AND b %% 2 = %s"),
        ("a = 'what? :name it''s'", "a = 'what? :name it''s'"),
        ("a::bigint & :mask", "a::bigint & %(mask)s"),
    ],
)
def test_how_psycopg_is_asked(statement: str, spelt: str) -> None:
    assert for_psycopg(statement) == spelt


def test_both_databases_understand_it(store) -> None:
    """Values by place and by name; percent signs and marks in texts are texts."""
    with store._database.asking() as connection:
        assert connection.row("SELECT ?, 'a?b:c%' WHERE 'gone:x' LIKE 'gone:%' AND 7 % 4 = ?", 1, 3) == (1, "a?b:c%")
        assert connection.value("SELECT :one + :one + :two", one=1, two=2) == 4
        assert connection.column("SELECT 1 UNION SELECT 2 ORDER BY 1") == [1, 2]
