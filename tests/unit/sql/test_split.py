"""Files of queries: a semicolon in a text or a comment ends nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpquery.sql.parsing.split import split


@pytest.mark.parametrize(
    ("text", "queries"),
    [
        ("", []),
        (" ;; -- a;b\n;/* ; */", []),
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT 1;SELECT 2;", ["SELECT 1", "SELECT 2"]),
        ("SELECT ';''' ; x", ["SELECT ';'''", "x"]),
        ('SELECT ";" ; x', ['SELECT ";"', "x"]),
        ("SELECT `;` ; x", ["SELECT `;`", "x"]),
        ("SELECT $$ ; $$ ; $a$ $$;$a$", ["SELECT $$ ; $$", "$a$ $$;$a$"]),
        ("SELECT 1 -- one; two\n; x", ["SELECT 1 -- one; two", "x"]),
        ("SELECT /* ; */ 1; x", ["SELECT /* ; */ 1", "x"]),
        ("SELECT 'open; x", ["SELECT 'open", "x"]),
    ],
)
def test_split(text: str, queries: list[str]) -> None:
    assert [part.sql for part in split(text)] == queries


def test_lines_are_those_of_the_first_word() -> None:
    text = "\n-- a\nSELECT\n1;\n\n  SELECT 2; SELECT 3"
    assert [part.line for part in split(text)] == [3, 6, 6]


@given(st.text(alphabet="a;'\"`$-/*\n ", max_size=40))
def test_every_part_stands_in_the_text(text: str) -> None:
    for part in split(text):
        assert part.sql in text
        assert part.sql == part.sql.strip() != ""
        assert 1 <= part.line <= text.count("\n") + 1
