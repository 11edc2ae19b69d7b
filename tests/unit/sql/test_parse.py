"""One SELECT, and syntax errors that a person can use."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from sqlglot import exp

from dpquery.errors import ConfigError, QueryRefused, SQLSyntaxError
from dpquery.sql.parsing.parse import parse
from dpquery.sql.queries.bind import bind

if TYPE_CHECKING:
    from dpquery.policy.catalog import Catalog

BROKEN = [
    "SELECT COUNT(* FROM visits",
    "SELECT COUNT(*) FROM",
    "SELECT COUNT(*) FROM visits WHERE",
    "SELECT COUNT(*) FROM visits WHERE cost >",
    "SELECT COUNT(*) FROM visits WHERE cost BETWEEN 1",
    "SELECT COUNT(*) FROM visits WHERE cost IN (1, 2",
    "SELECT COUNT(*) FROM visits GROUP BY BY ward",
    "SELECT COUNT(*) FROM visits WHERE ward = 'A",
    "SELECT SUM(CASE WHEN x THEN 1) FROM visits",
    "SELECT STARTS_WITH(ward) FROM visits",
    "SELECT CAST(x AS) FROM visits",
    "SELECT CAST(x) FROM visits",
    "SELECT COUNT(*) FROM visits LIMIT",
    "SELECT 1 1 FROM visits",
    "SELECT x..y FROM visits",
    "SELECT * * FROM visits",
    "SELEC COUNT(*) FROM visits",
    "SELECT COUNT(*) FORM visits x y",
    "SELECT a, FROM , visits",
    "FROM visits |> UNION ALL SELECT 2",
    ")",
    "'",
]


@pytest.mark.parametrize("sql", BROKEN)
def test_messages_are_for_people(sql: str) -> None:
    with pytest.raises((SQLSyntaxError, QueryRefused)) as caught:
        parse(sql)
    text = str(caught.value)
    assert "\x1b" not in text
    assert not re.search(r"<class|sqlglot|Traceback|exp\.|\bExpression\b", text)
    assert caught.value.code in {"DPQ001", "DPQ005"}


@pytest.mark.parametrize(
    ("sql", "line", "word"),
    [
        ("SELECT COUNT(*)\nFROM visits\nGROUP BY BY ward", 3, "ward"),
        ("SELECT COUNT(*)\nFROM visits\nWHERE (cost > 5 5)", 3, "5"),
        ("SELECT\n  COUNT(*)\nFROM visits\n  WHERE cost > ) 5", 4, ")"),
        ("SELECT COUNT(*) FROM visits WHERE x = = 5", 1, "="),
        ("\n\n  SELECT COUNT(* FROM visits", 3, "FROM"),
        ("SELECT 'é日本🙂',\n  COUNT(* FROM visits", 2, "FROM"),
        ("SELECT 1\r\n+ + + ) FROM visits", 2, ")"),
    ],
)
def test_positions_are_those_of_the_text(sql: str, line: int, word: str) -> None:
    with pytest.raises(SQLSyntaxError) as caught:
        parse(sql)
    place = caught.value.place
    assert place is not None
    assert place.line == line
    assert place.text is not None
    rest = place.text[place.column - 1 :]
    assert rest.startswith(word)


@pytest.mark.parametrize(
    ("sql", "place"),
    [
        ("SELECT COUNT(*)\nFROM visits\nWHERE nothing > 5", (3, 7)),
        ("SELECT\n\n   SUM(nothing)\nFROM visits", (3, 8)),
        ("SELECT COUNT(*), 'é🙂', nothing FROM visits", (1, 24)),
        ("SELECT COUNT(*) -- nothing\n, nothing FROM visits", (2, 3)),
        ("SELECT COUNT(*)\tFROM\tnothing", (1, 22)),
        ("SELECT COUNT(*)\r\nFROM nothing", (2, 6)),
    ],
)
def test_positions_of_refusals(
    sample_catalogs: dict[str, Catalog], sql: str, place: tuple[int, int]
) -> None:
    with pytest.raises(QueryRefused) as caught:
        bind(sql, sample_catalogs["clinic"])
    assert caught.value.position == place


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1; SELECT 2",
        "SELECT 1;; SELECT 2",
        "INSERT INTO visits VALUES (1)",
        "UPDATE visits SET cost = 0",
        "DELETE FROM visits",
        "DROP TABLE visits",
        "CREATE TABLE x AS SELECT 1",
        "CREATE MACRO sum(x) AS 1",
        "ATTACH 'x.db'",
        "COPY visits TO 'x.csv'",
        "PRAGMA database_list",
        "SET memory_limit = '1GB'",
        "SHOW TABLES",
        "DESCRIBE visits",
        "EXPLAIN SELECT 1",
        "EXPLAIN ANALYZE SELECT 1",
        "CALL pragma_version()",
        "PREPARE p AS SELECT 1",
        "EXECUTE p",
        "VACUUM",
        "CHECKPOINT",
        "INSTALL httpfs",
        "LOAD httpfs",
        "USE other",
        "BEGIN",
        "COMMIT",
        "VALUES (1)",
        "TABLE visits",
        "FROM visits",
        "SUMMARIZE visits",
        "PIVOT visits ON ward USING count(*)",
        "EXPORT DATABASE 'x'",
        "GRANT ALL ON visits TO bob",
        "MERGE INTO visits USING x ON TRUE WHEN MATCHED THEN DELETE",
    ],
)
def test_only_one_select_is_read(sample_catalogs: dict[str, Catalog], sql: str) -> None:
    with pytest.raises((SQLSyntaxError, QueryRefused)) as caught:
        bind(sql, sample_catalogs["clinic"])
    assert not isinstance(caught.value, ConfigError)


@pytest.mark.parametrize(
    "sql", ["RESET lock_configuration", "CREATE TYPE secret AS INT", "CALL f('secret')"]
)
def test_the_parser_logs_nothing_of_the_text(
    caplog: pytest.LogCaptureFixture, sql: str
) -> None:
    with pytest.raises(SQLSyntaxError):
        parse(sql)
    assert caplog.text == ""


@pytest.mark.parametrize(
    "sql", ["SELECT 1 FROM t;", "SELECT 1 FROM t ; ;", "select 1 from t -- x"]
)
def test_a_semicolon_at_the_end_is_fine(sql: str) -> None:
    assert parse(sql).expressions


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("SELECT 1", exp.Select),
        ("(SELECT 1)", exp.Select),
        ("((SELECT 1));", exp.Select),
        ("(WITH a AS (SELECT 1) SELECT * FROM a)", exp.Select),
        ("WITH a AS (SELECT 1) SELECT * FROM a", exp.Select),
        ("WITH RECURSIVE a AS (SELECT 1 UNION SELECT 2) FROM a", exp.Select),
        ("WITH a AS (SELECT 1) (SELECT * FROM a)", exp.Select),
        ("FROM t SELECT ward, n: COUNT(*)", exp.Select),
        ("FROM t", exp.Select),
        ("TABLE t", exp.Select),
        ("SELECT 1 UNION SELECT 2", exp.Union),
        ("(SELECT 1 UNION ALL BY NAME SELECT 2)", exp.Union),
        ("(SELECT 1) UNION (SELECT 2) ORDER BY 1 LIMIT 1", exp.Union),
        ("WITH a AS (SELECT 1) SELECT 1 EXCEPT SELECT 2", exp.Except),
        ("SELECT 1 INTERSECT SELECT 2", exp.Intersect),
        ("PIVOT t ON ward USING COUNT(*) AS n GROUP BY sex", exp.Pivot),
        ("PIVOT (SELECT * FROM t) ON ward USING COUNT(*)", exp.Pivot),
        ("WITH a AS (SELECT 1) PIVOT a ON ward USING COUNT(*)", exp.Pivot),
        ("UNPIVOT t ON a, b INTO NAME x VALUE y", exp.Pivot),
        ("SELECT * FROM (PIVOT t ON ward USING COUNT(*))", exp.Select),
    ],
)
def test_queries_of_every_form(sql: str, kind: type[exp.Expr]) -> None:
    assert type(parse(sql)) is kind


def test_what_stands_before_a_query_is_kept() -> None:
    for query in ("SELECT * FROM a", "(SELECT 1) UNION SELECT 2", "PIVOT a ON b"):
        tree = parse(f"WITH a AS (SELECT 1) {query}")
        assert [each.alias for each in tree.args["with_"].expressions] == ["a"]


def test_an_alias_before_its_expression() -> None:
    assert parse("SELECT n: COUNT(*) FROM t") == parse("SELECT COUNT(*) AS n FROM t")


@pytest.mark.parametrize(
    "sql",
    [
        "(SELECT 1) LIMIT 3",
        "(SELECT 1) ORDER BY 1",
        "(SELECT 1 LIMIT 5) OFFSET 1",
        "(SELECT 1 UNION SELECT 2) ORDER BY 1",
        "(SELECT 1) AS x",
        "WITH a AS (SELECT 1) (SELECT * FROM a) LIMIT 1",
        "VALUES (1)",
        "SUMMARIZE t",
        "DESCRIBE SELECT 1",
        "EXPLAIN SELECT 1",
        "CREATE VIEW v AS SELECT 1",
        "INSERT INTO t SELECT 1",
    ],
)
def test_what_is_no_query_is_not_parsed(sql: str) -> None:
    with pytest.raises(SQLSyntaxError) as caught:
        parse(sql)
    assert caught.value.code in {"DPQ001", "DPQ005"}


@pytest.mark.parametrize(
    "comment",
    [
        *("/* sqlglot.meta start=x */", "/* sqlglot.meta end=9999999 */"),
        *("/* sqlglot.meta start=-5, line, ==, col=1=2 */", "/* sqlglot.anonymous */"),
    ],
)
def test_comments_change_no_place(
    sample_catalogs: dict[str, Catalog], comment: str
) -> None:
    sql = f"SELECT COUNT(*) {comment}, nothing {comment} FROM visits {comment}"
    with pytest.raises(QueryRefused) as caught:
        bind(sql, sample_catalogs["clinic"])
    assert caught.value.position == (1, sql.index("nothing") + 1)


@pytest.mark.parametrize("name", ["duckdb", "DuckDB", "BIGQUERY", "tsql", "postgres"])
def test_dialects_have_sqlglot_s_names(name: str) -> None:
    assert parse("SELECT COUNT(*) FROM t", name)


@pytest.mark.parametrize("name", ["", "oracl", "duc\u212adb", "duckdb, normalize", " "])
def test_an_unknown_dialect_is_the_caller_s_mistake(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse("SELECT 1", name)
    assert "duckdb" in str(caught.value)
