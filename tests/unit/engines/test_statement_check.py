from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest

from dpquery.engines.base import Statement
from dpquery.engines.statement_check import check_statement
from dpquery.errors import EngineFailure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dpquery.engines.duckdb import DuckDBEngine


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


def check(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    tables: str = "visits",
    functions: str = "count sum",
) -> None:
    check_statement(
        connection,
        Statement(sql, frozenset(tables.split()), frozenset(functions.split())),
    )


VISITS = '"main"."visits"'


@pytest.mark.parametrize(
    ("sql", "tables", "functions"),
    [
        (f"SELECT count(*), sum(a) FROM {VISITS} AS v", "visits", "count sum"),
        (f"SELECT 1 FROM {VISITS}", "visits", ""),
        ("SELECT 1", "", ""),
        (
            f"""
            WITH c AS (SELECT u, sum(x * 2 - 1) AS s FROM {VISITS} GROUP BY ALL),
            d AS MATERIALIZED (SELECT * FROM c WHERE s IS NOT NULL)
            SELECT CASE WHEN s < 0 THEN 0 ELSE CAST(s AS BIGINT) END FROM d
            UNION ALL SELECT COALESCE(s, 1) FROM c ORDER BY 1 DESC LIMIT 3
            """,
            "visits",
            "sum",
        ),
        (
            f"""
            SELECT a || 'x' LIKE 'y%', a NOT IN (1, 2), NOT a BETWEEN 1 AND 2
            FROM {VISITS} v LEFT JOIN "main"."wards" w ON v.id = w.id,
            (VALUES (1), (NULL)) AS k(a) WHERE EXISTS (SELECT 1 FROM {VISITS})
            """,
            "visits wards",
            "",
        ),
        (
            f"SELECT row_number() OVER (PARTITION BY u ORDER BY x) FROM {VISITS}",
            "visits",
            "row_number",
        ),
        (f"SELECT date_part('year', d) FROM {VISITS}", "visits", "date_part"),
        (f"SELECT i FROM {VISITS}, range(3) AS r(i)", "visits", "range"),
        (f"SELECT sum(x) FILTER (WHERE x > 1) FROM {VISITS}", "visits", "sum"),
    ],
)
def test_what_was_planned_passes(
    connection: duckdb.DuckDBPyConnection, sql: str, tables: str, functions: str
) -> None:
    check(connection, sql, tables, functions)


@pytest.mark.parametrize(
    "sql",
    [
        # not one SELECT
        "",
        ";",
        "not sql",
        f"SELECT 1 FROM {VISITS}; SELECT 2",
        f"SELECT 1 FROM {VISITS}\0; SELECT 2",
        f"EXPLAIN SELECT 1 FROM {VISITS}",
        "DROP TABLE visits",
        "COPY visits TO 'x.csv'",
        "ATTACH 'x.duckdb'",
        "SET threads = 1",
        "PRAGMA version",
        "CALL range(3)",
        "PIVOT visits ON a USING sum(b)",
        # tables
        "SELECT 1",
        "SELECT 1 FROM visits",
        'SELECT 1 FROM "other"."visits"',
        'SELECT 1 FROM "db"."main"."visits"',
        'SELECT 1 FROM "main"."Visits"',
        f'SELECT 1 FROM {VISITS}, "main"."patients"',
        f"SELECT 1 FROM {VISITS}, patients",
        f"SELECT (SELECT max(x) FROM main.patients) FROM {VISITS}",
        f"SELECT 1 FROM {VISITS}, 'x.csv'",
        f"SELECT 1 FROM {VISITS}, duckdb_settings()",
        f"SELECT 1 FROM {VISITS}, information_schema.tables",
        f"SELECT 1 FROM {VISITS}, some_python_variable",
        f"SELECT 1 FROM {VISITS} AT (VERSION => 1)",
        f"SELECT 1 FROM {VISITS} TABLESAMPLE 10%",
        f"SELECT 1 FROM {VISITS} USING SAMPLE 10%",
        # a CTE is visible only where it is in scope, and hides no planned table
        "WITH visits AS (SELECT 1 AS x) SELECT * FROM visits",
        f"SELECT 1 FROM {VISITS}, (VALUES (1)) AS k(a) WHERE EXISTS (FROM k)",
        f"SELECT 1 FROM {VISITS}, (WITH c AS (SELECT 1) SELECT * FROM c), c",
        f"WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT 1 FROM a, {VISITS}",
        f"WITH RECURSIVE c AS (SELECT 1 UNION ALL FROM c) SELECT 1 FROM c, {VISITS}",
        f"WITH c AS (INSERT INTO {VISITS} VALUES (1) RETURNING *) SELECT * FROM c",
        # functions
        f"SELECT max(x) FROM {VISITS}",
        f"SELECT other.sum(x) FROM {VISITS}",
        f"SELECT getvariable('a') FROM {VISITS}",
        f"SELECT list(x) FROM {VISITS}",
        f"SELECT rank() OVER () FROM {VISITS}",
        f"SELECT sum(x) OVER (ORDER BY random()) FROM {VISITS}",
        f"SELECT sum(x) FILTER (WHERE error('a')) FROM {VISITS}",
        f"SELECT 1 FROM {VISITS} ORDER BY random()",
        f"SELECT 1 FROM {VISITS} LIMIT (SELECT nextval('s'))",
        f"SELECT 1 FROM {VISITS}, range(3)",
        f"SELECT 1 FROM {VISITS}, query('SELECT 1')",
        f"SELECT 1 FROM {VISITS}, sum(1)",
        f"SELECT 1 FROM {VISITS}, read_csv('x.csv')",
        # kinds of nodes
        f"SELECT COLUMNS(*) FROM {VISITS}",
        f"SELECT COLUMNS('a.*') FROM {VISITS}",
        f"SELECT TRY(x) FROM {VISITS}",
        f"SELECT [y FOR y IN x] FROM {VISITS}",
        f"SELECT x[1] FROM {VISITS}",
        f"SELECT x COLLATE nocase FROM {VISITS}",
        f"SELECT #1 FROM {VISITS}",
        f"SELECT ? FROM {VISITS}",
        f"SELECT 1 FROM {VISITS} a POSITIONAL JOIN {VISITS} b",
        f"SELECT 1 FROM {VISITS} a ASOF JOIN {VISITS} b ON a.x >= b.x",
        f"SELECT 1 FROM {VISITS} a NATURAL JOIN {VISITS} b",
        f"FROM {VISITS} PIVOT (sum(b) FOR a IN (1, 2))",
        f"FROM (DESCRIBE {VISITS})",
        f"SUMMARIZE {VISITS}",
        f"FROM (SHOW TABLES), {VISITS}",
    ],
)
def test_what_was_not_planned_is_refused(
    connection: duckdb.DuckDBPyConnection, sql: str
) -> None:
    with pytest.raises(EngineFailure) as caught:
        check(connection, sql)
    assert caught.value.code == "DPQ510"
    assert caught.value.__context__ is None


def test_a_planned_table_that_is_not_read_is_refused(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    with pytest.raises(EngineFailure):
        check(connection, f"SELECT 1 FROM {VISITS}", "visits patients")


def test_a_qualified_table_is_never_a_cte(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """What the check takes for granted about DuckDB's scoping."""
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE shadowed AS SELECT 1 AS x")
    sql = 'WITH shadowed AS (SELECT 2 AS x) SELECT x FROM "main"."shadowed"'
    assert cursor.execute(sql).fetchall() == [(1,)]
    sql = "WITH shadowed AS (SELECT 2 AS x) SELECT x FROM shadowed"
    assert cursor.execute(sql).fetchall() == [(2,)]


def test_deep_nesting_is_refused_not_a_crash(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    deep = "(" * 900 + "1" + " + 1)" * 900
    with pytest.raises(EngineFailure):
        check(connection, f"SELECT {deep}, max(x) FROM {VISITS}")


# --- parameters: answers that private rows are compared with ----------------------

GIVEN = f"""
SELECT count(*) FROM {VISITS} AS v INNER JOIN
(SELECT unnest(CAST($i1_c0 AS VARCHAR[])) AS c0) AS a ON v.ward = a.c0
"""


def with_parameters(
    connection: duckdb.DuckDBPyConnection, sql: str, *names: str
) -> None:
    given: dict[str, list[object]] = {name: [] for name in names}
    statement = Statement(
        sql, frozenset({"visits"}), frozenset({"count", "unnest"}), given
    )
    check_statement(connection, statement)


def test_parameters_that_are_given(connection: duckdb.DuckDBPyConnection) -> None:
    with_parameters(connection, GIVEN, "i1_c0")
    with_parameters(connection, GIVEN, "i1_c0", "i1_c1")  # a column that is not read


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        (GIVEN, ()),
        (GIVEN, ("i2_c0",)),
        (GIVEN.replace("$i1_c0", "?"), ("i1_c0",)),
        (GIVEN.replace("$i1_c0", "$1"), ("i1_c0",)),
        (f"SELECT count(*) FROM {VISITS} WHERE a > $other", ("i1_c0",)),
    ],
)
def test_parameters_that_are_not_given(
    connection: duckdb.DuckDBPyConnection, sql: str, names: tuple[str, ...]
) -> None:
    with pytest.raises(EngineFailure) as caught:
        with_parameters(connection, sql, *names)
    assert caught.value.code == "DPQ510"
    assert "parameter" in caught.value.message


def test_values_of_parameters_are_values(engine: DuckDBEngine) -> None:
    """Whatever an answer holds, it never becomes SQL."""
    words = ["ward 1", "'; DROP TABLE visits; --", None, "ward 2"]
    sql = (
        'SELECT v.ward AS w, count(*) AS n FROM "main"."visits" AS v INNER JOIN (SELECT'
        " unnest(CAST($i1_c0 AS VARCHAR[])) AS c0) AS a ON v.ward = a.c0"
        " GROUP BY v.ward ORDER BY v.ward"
    )
    statement = Statement(
        sql, frozenset({"visits"}), frozenset({"count", "unnest"}), {"i1_c0": words}
    )
    assert engine.execute(statement).open() == [("ward 1", 333), ("ward 2", 333)]
