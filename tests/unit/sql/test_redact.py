"""What the audit keeps of a query without its constants: names and words, no values."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlglot import TokenType, tokenize
from sqlglot.errors import SqlglotError

from dpquery.sql.parsing.redact import NOTHING, redacted

GOLDEN = Path(__file__).parents[2] / "golden"
CONSTANTS = {kind for kind in TokenType if kind.name.endswith("STRING")}
CONSTANTS.add(TokenType.NUMBER)


def queries() -> list[str]:
    """Return every text of the golden files that is a query."""
    found: set[str] = set()
    for path in sorted(GOLDEN.rglob("*")):
        if path.suffix not in {".txt", ".sql"} or path.parent.name == "help":
            continue
        for part in re.split(
            r"\n\s*\n|^-- .*$|^# .*$|;\s*$", path.read_text(), flags=re.MULTILINE
        ):
            text = part.strip()
            if re.match(r"(?i)(select|with|from)\b", text):
                found.add(text)
    return sorted(found)


QUERIES = queries()


def test_there_are_queries() -> None:
    assert len(QUERIES) > 100


def test_no_constant_of_a_golden_query_survives_and_names_do() -> None:
    kept = 0
    for sql in QUERIES:
        try:
            tokens = tokenize(sql, dialect="duckdb")
        except SqlglotError:
            assert redacted(sql, "duckdb") == NOTHING
            continue
        text = redacted(sql, "duckdb")
        left = tokenize(text, dialect="duckdb")
        assert not [t for t in left if t.token_type in CONSTANTS], sql
        ends = {t.end for t in tokens if t.token_type in CONSTANTS}
        names = [
            t.text
            for t in tokens  # but for the rest of a constant, such as of 0x47
            if t.token_type is TokenType.VAR and t.start - 1 not in ends
        ]
        assert names == [t.text for t in left if t.token_type is TokenType.VAR]
        kept += len(names)
    assert kept > 500


@pytest.mark.parametrize(
    "constant",
    [
        *("'Ulm'", "'it''s'", "e'Ulm\\n'", "x'DEADBEEF'", "$$Ulm$$", "$tag$Ulm$tag$"),
        *("4711", "-4711", "47.11", "4711e3", ".4711", "4_711", "0x4711"),
        *("DATE '4711-01-01'", "INTERVAL '4711 days'", "INTERVAL 4711 DAY"),
        *("[4711, 'Ulm']", "{'a': 'Ulm'}", "CAST('4711' AS INTEGER)"),
    ],
)
def test_every_way_to_write_a_constant_is_left_out(constant: str) -> None:
    sql = f"SELECT ward, COUNT(*) FROM visits WHERE city = {constant} -- Ulm 4711\n"
    text = redacted(sql + "/* Ulm 4711 */", "duckdb")
    assert "ulm" not in text.lower()
    assert not re.search("4_?711|DEADBEEF|it''s", text)
    if text != NOTHING:
        assert {"ward", "visits", "city"} <= set(text.split())


@pytest.mark.parametrize("dialect", ["bigquery", "mysql", "spark"])
def test_texts_in_double_quotes_are_constants_where_they_are(dialect: str) -> None:
    text = redacted('SELECT COUNT(*) FROM visits WHERE city = "Ulm"', dialect)
    assert "Ulm" not in text
    assert "visits" in text


def test_names_in_quotes_stay_names() -> None:
    assert '"my city"' in redacted('SELECT "my city" FROM visits', "duckdb")


@pytest.mark.parametrize("sql", ["SELECT 'Ulm", 'SELECT "Ulm', "/* Ulm"])
def test_nothing_is_kept_of_what_cannot_be_taken_apart(sql: str) -> None:
    assert "Ulm" not in redacted(sql, "duckdb")


def test_an_unknown_dialect_keeps_nothing() -> None:
    assert redacted("SELECT 'Ulm'", "klingon") == NOTHING
