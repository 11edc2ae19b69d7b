"""What an analyst may write above the boundary, and what is said of the rest."""

# ruff: noqa: E501 -- one case is one line

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from dpquery.engines.base import Limits
from dpquery.engines.released import (
    BindError,
    PublicTable,
    ReleasedColumn,
    ReleasedDatabase,
)
from dpquery.errors import EngineFailure

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMITS = Limits(memory="300MB", threads=2, seconds=5)
COLUMNS = (
    ReleasedColumn("a", "INTEGER"),
    ReleasedColumn("b", "VARCHAR"),
    ReleasedColumn("c", "DATE"),
)
REGIONS = PublicTable(
    "regions", (ReleasedColumn("name", "VARCHAR"),), "1", [("north",)]
)


@pytest.fixture(scope="module")
def database() -> Iterator[ReleasedDatabase]:
    opened = ReleasedDatabase()
    yield opened
    opened.close()


def check(database: ReleasedDatabase, sql: str) -> list[str]:
    """Return the types of the columns, having run the SELECT too."""
    public = {"regions": REGIONS}
    found = database.check({"t": COLUMNS}, sql, LIMITS, public)
    names, _ = database.run({"t": (COLUMNS, [(1, "x", None)])}, sql, LIMITS, public)
    assert [each.name for each in found] == names
    return [each.type for each in found]


@pytest.mark.parametrize(
    ("sql", "types"),
    [
        # every shape of a SELECT
        ("FROM t", "INTEGER VARCHAR DATE"),
        ("TABLE t", "INTEGER VARCHAR DATE"),
        ("VALUES (1), (2)", "INTEGER"),
        ("SELECT 1; -- the end", "INTEGER"),
        ("(SELECT 1 AS x) ORDER BY x", "INTEGER"),
        ("FROM t SELECT a WHERE a > 1 GROUP BY ALL HAVING count(*) > 1", "INTEGER"),
        ("SELECT a FROM main.t UNION ALL BY NAME SELECT a, 'x' AS s FROM T", "INTEGER VARCHAR"),
        ("SELECT 1 EXCEPT SELECT 2 INTERSECT ALL SELECT 3", "INTEGER"),
        ("SELECT DISTINCT ON (a) b FROM t ORDER BY ALL LIMIT 10%", "VARCHAR"),
        ("SELECT a FROM t LIMIT 3 OFFSET (SELECT 0)", "INTEGER"),
        ("SELECT rowid, #1 FROM t", "BIGINT INTEGER"),
        ("SELECT NULL AS n, [] AS l, t FROM t", "INTEGER INTEGER[] STRUCT(a INTEGER, b VARCHAR, c DATE)"),
        # joins
        ("SELECT x.a FROM t x POSITIONAL JOIN t y", "INTEGER"),
        ("SELECT x.a FROM t x ASOF LEFT JOIN t y ON x.b = y.b AND x.a >= y.a", "INTEGER"),
        ("SELECT a FROM t x SEMI JOIN t y USING (a)", "INTEGER"),
        ("SELECT a FROM t x ANTI JOIN t y USING (a)", "INTEGER"),
        ("SELECT a FROM t x NATURAL FULL JOIN t y", "INTEGER"),
        ("SELECT w FROM t x LEFT JOIN LATERAL (SELECT x.a + 1) v(w) ON true", "INTEGER"),
        ("SELECT name FROM t, public_tables.regions r", "VARCHAR"),
        ('SELECT regions.name FROM "public_tables"."REGIONS"', "VARCHAR"),
        # CTEs
        ("WITH t AS (SELECT 'mine' AS m) FROM t", "VARCHAR"),
        ("WITH x AS MATERIALIZED (FROM t), y AS (FROM X) SELECT a FROM y", "INTEGER"),
        ("WITH RECURSIVE r AS (SELECT 1 n UNION ALL SELECT n + 1 FROM r WHERE n < 5) FROM r", "INTEGER"),
        ("WITH RECURSIVE r(n, m) USING KEY (n) AS (SELECT 1, 2 UNION SELECT n + 1, (SELECT max(m) FROM recurring.r) FROM r WHERE n < 3) FROM r", "INTEGER INTEGER"),
        ('WITH x("user") AS (SELECT 1) SELECT user FROM x', "INTEGER"),
        ('SELECT a AS "user", user FROM t', "INTEGER INTEGER"),
        # pivots
        ("FROM t PIVOT (sum(a), count(*) AS n FOR b IN ('x', 'y') GROUP BY c)", "DATE HUGEINT BIGINT HUGEINT BIGINT"),
        ("PIVOT t ON b IN ('x') USING sum(a) GROUP BY c", "DATE HUGEINT"),
        ("FROM t UNPIVOT (v FOR n IN (a))", "VARCHAR DATE VARCHAR INTEGER"),
        ("UNPIVOT t ON COLUMNS('^a$') INTO NAME n VALUE v", "VARCHAR DATE VARCHAR INTEGER"),
        # expressions
        ("SELECT COLUMNS('[ab]'), min(COLUMNS(* EXCLUDE (a, c))) FROM t GROUP BY a, b", "INTEGER VARCHAR VARCHAR"),
        ("SELECT * EXCLUDE (a) REPLACE (b || 'x' AS b) RENAME (c AS d) FROM t", "VARCHAR DATE"),
        ("SELECT COLUMNS([x FOR x IN (*) IF x LIKE 'a%']) FROM t", "INTEGER"),
        ("SELECT COLUMNS(LAMBDA x: x = 'a') FROM t", "INTEGER"),
        ("SELECT coalesce(*COLUMNS('a|z')) FROM t", "INTEGER"),
        ("SELECT [x + 1 FOR x IN [1, 2] IF x > 1], list_reduce([1, 2], LAMBDA x, y: x + y)", "INTEGER[] INTEGER"),
        ("SELECT {'k': a}.k, MAP {'k': a}['k'], b[1], b[1:2], (1, 2), row(a) FROM t", "INTEGER INTEGER VARCHAR VARCHAR TUPLE(INTEGER, INTEGER) TUPLE(INTEGER)"),
        ("SELECT b.upper().lower(), TRY(a / 0), try_cast(b AS INT) FROM t", "VARCHAR DOUBLE INTEGER"),
        ("SELECT a IN (FROM range(3)), EXISTS (FROM t), a = ANY (SELECT 1), ARRAY (SELECT 1) FROM t", "BOOLEAN BOOLEAN BOOLEAN INTEGER[]"),
        ("SELECT b SIMILAR TO 'x', b NOT ILIKE 'x', b LIKE 'x' ESCAPE '!', b GLOB 'x' FROM t", "BOOLEAN BOOLEAN BOOLEAN BOOLEAN"),
        ("SELECT c + INTERVAL 1 MONTH, extract(year FROM c), TIMESTAMP '2020-01-01' AT TIME ZONE 'Europe/Oslo' FROM t", "TIMESTAMP BIGINT TIMESTAMP WITH TIME ZONE"),
        ("SELECT -a, a!, @a, ~a, a ** 2, a // 2, a & 1, a << 1 FROM t", "INTEGER HUGEINT INTEGER INTEGER DOUBLE INTEGER INTEGER INTEGER"),
        ("SELECT '{\"k\": 1}'::JSON -> 'k', '{}' ->> '$.k'", "JSON VARCHAR"),
        ("SELECT b COLLATE NOCASE FROM t ORDER BY b COLLATE DE", "VARCHAR"),
        ("SELECT list_aggregate([1, 2], 'sum'), system.main.abs(a) FROM t", "HUGEINT INTEGER"),
        # aggregates and windows
        ("SELECT grouping(a), sum(a) FILTER (a > 0), string_agg(b, ',' ORDER BY c) FROM t GROUP BY CUBE (a)", "BIGINT HUGEINT VARCHAR"),
        ("SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a), mode(b), histogram(a) FROM t", "DOUBLE VARCHAR MAP(INTEGER, UBIGINT)"),
        ("SELECT lag(a IGNORE NULLS) OVER w FROM t WINDOW w AS (ORDER BY c RANGE BETWEEN INTERVAL 7 DAYS PRECEDING AND CURRENT ROW EXCLUDE TIES) QUALIFY row_number() OVER w < 3", "INTEGER"),
        # table functions
        ("SELECT i, j, u FROM range(3) r(i), generate_series(1, 2) WITH ORDINALITY s(j, k), unnest([1]) v(u)", "BIGINT BIGINT INTEGER"),
        ("SELECT key, value FROM json_each('{\"k\": 1}')", "VARCHAR JSON"),
        ("SELECT unnest({'x': 1, 'y': 'z'}), generate_subscripts([1], 1)", "INTEGER VARCHAR BIGINT"),
        ("FROM repeat(1, 3)", "INTEGER"),
    ],
)  # fmt: skip
def test_any_select_is_answered(
    database: ReleasedDatabase, sql: str, types: str
) -> None:
    assert " ".join(check(database, sql)) == types


TABLE = "there is no table"
FUNCTION = "there is no function"
COLUMN = "there is no column"


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        # not one SELECT
        ("", "this is not one SELECT"),
        (";", "this is not one SELECT"),
        ("SELECT 1; SELECT 2", "this is not one SELECT"),
        ("EXPLAIN SELECT 1", "this is not one SELECT"),
        ("SET threads = 9", "this is not one SELECT"),
        ("CREATE TEMP MACRO sum(x) AS 1", "this is not one SELECT"),
        ("PREPARE p AS SELECT 1", "this is not one SELECT"),
        ("WITH c AS (INSERT INTO t VALUES (1) RETURNING *) FROM c", "insert cannot be used"),
        ("PIVOT t ON b USING sum(a)", "a PIVOT must list the values"),
        ("FROM (PIVOT t ON b)", "a PIVOT must list the values"),
        ("DESCRIBE t", "SHOW, DESCRIBE and SUMMARIZE cannot be used"),
        ("FROM (SUMMARIZE t)", "SHOW, DESCRIBE and SUMMARIZE cannot be used"),
        ("SHOW TABLES", "SHOW, DESCRIBE and SUMMARIZE cannot be used"),
        # tables
        ("FROM other", f'{TABLE} "other"'),
        ("FROM regions", f'{TABLE} "regions"'),
        ("FROM public_tables.t", f'{TABLE} "t"'),
        ("FROM main.regions", f'{TABLE} "regions"'),
        ("FROM memory.main.t", f'{TABLE} "t"'),
        ("FROM temp.t", f'{TABLE} "t"'),
        ('FROM stored."0"', f'{TABLE} "0"'),
        ('FROM stored."-1"', f'{TABLE} "-1"'),
        ("FROM duckdb_settings", f'{TABLE} "duckdb_settings"'),
        ("FROM sqlite_master", f'{TABLE} "sqlite_master"'),
        ("FROM information_schema.tables", f'{TABLE} "tables"'),
        ("FROM pg_catalog.pg_class", f'{TABLE} "pg_class"'),
        ("FROM (WITH pg_class AS (SELECT 1) FROM pg_class), pg_class", f'{TABLE} "pg_class"'),
        ("WITH x AS (FROM pg_class), pg_class AS (SELECT 1) FROM x", f'{TABLE} "pg_class"'),
        ("FROM recurring.t", f'{TABLE} "t"'),
        ("FROM 'x.csv'", f'{TABLE} "x.csv"'),
        ("SELECT (SELECT max(x) FROM 'x.parquet') FROM t", f'{TABLE} "x.parquet"'),
        ('SELECT 1 FROM t WHERE EXISTS (FROM "\N{KELVIN SIGN}")', TABLE),
        ("FROM t AT (VERSION => 1)", "an older version of a table cannot be used"),
        ("FROM t TABLESAMPLE 10%", "a sample cannot be used"),
        ("FROM t USING SAMPLE 3 ROWS", "a sample cannot be used"),
        ("FROM (SELECT 1 USING SAMPLE reservoir(1 ROWS))", "a sample cannot be used"),
        # table functions
        ("FROM query('SELECT 1')", 'there is no table function "query"'),
        ("FROM query_table('t')", 'there is no table function "query_table"'),
        ("FROM histogram_values(t, a)", 'there is no table function "histogram_values"'),
        ("FROM duckdb_functions()", 'there is no table function "duckdb_functions"'),
        ("FROM test_all_types()", 'there is no table function "test_all_types"'),
        ("FROM t, LATERAL (FROM pragma_version())", 'there is no table function "pragma_version"'),
        # functions
        ("SELECT random()", f'{FUNCTION} "random"'),
        ("SELECT NOW()", f'{FUNCTION} "now"'),
        ("SELECT main.now()", f'{FUNCTION} "now"'),
        ("SELECT pg_catalog.pg_sleep(1)", f'{FUNCTION} "pg_sleep"'),
        ("SELECT sleep_ms(1)", f'{FUNCTION} "sleep_ms"'),
        ("SELECT b.getvariable() FROM t", f'{FUNCTION} "getvariable"'),
        ("SELECT current_setting('threads')", f'{FUNCTION} "current_setting"'),
        ("SELECT error('x')", f'{FUNCTION} "error"'),
        ("SELECT uppper(b) FROM t", f'{FUNCTION} "uppper" here; did you mean upper?'),
        ("SELECT sum(a) OVER (ORDER BY random()) FROM t", f'{FUNCTION} "random"'),
        ("SELECT sum(a) FILTER (uuid() = b) FROM t", f'{FUNCTION} "uuid"'),
        ("SELECT a FROM t ORDER BY hash(random())", f'{FUNCTION} "random"'),
        ("SELECT a FROM t LIMIT (SELECT nextval('s'))", f'{FUNCTION} "nextval"'),
        ("SELECT [now() FOR x IN [1]]", f'{FUNCTION} "now"'),
        ("FROM t PIVOT (current_query() FOR b IN ('x'))", f'{FUNCTION} "current_query"'),
        ("FROM range(txid_current())", f'{FUNCTION} "txid_current"'),
        ("SELECT list_aggregate([1], 'combine_aggr')", "the second argument of list_aggregate"),
        ("SELECT list_aggr([1], b) FROM t", "the second argument of list_aggr"),
        ("SELECT sum(a) EXPORT_STATE FROM t", "EXPORT_STATE cannot be used"),
        # names that DuckDB calls where there is no such column
        ("SELECT current_date", f'{COLUMN} "current_date"'),
        ("SELECT CURRENT_TIMESTAMP, 1 FROM t", f'{COLUMN} "current_timestamp"'),
        ("SELECT user FROM t", f'{COLUMN} "user"'),
        ("SELECT a FROM t WHERE c < current_date", f'{COLUMN} "current_date"'),
        # the rest
        ("SELECT $1", "a parameter cannot be used"),
        ("SELECT ?", "a parameter cannot be used"),
        ("SELECT $name", "a parameter cannot be used"),
        ("SELECT DEFAULT", "DEFAULT cannot be used"),
        ("SELECT " + "(" * 900 + "1" + " + 1)" * 900, "this SELECT is nested too deeply"),
        ("SELECT repeat('x', 2000000000)", "this SELECT needs more time or memory"),
    ],
)  # fmt: skip
def test_what_is_not_listed_is_refused(
    database: ReleasedDatabase, sql: str, said: str
) -> None:
    with pytest.raises(BindError) as caught:
        check(database, sql)
    assert caught.value.message.startswith(said)
    with pytest.raises(EngineFailure) as failed:
        database.run({"t": (COLUMNS, [])}, sql, LIMITS, {"regions": REGIONS})
    assert failed.value.code == "DPQ520"
    assert database.run({}, "SELECT 1", LIMITS)[1] == [(1,)]


@pytest.mark.parametrize(
    ("sql", "said", "where"),
    [
        ("SELEC 1", 'syntax error at or near "SELEC"', "S"),
        ("SELECT 'é🙂', foo FROM t", 'referenced column "foo" not found in FROM clause; there is "a"', "foo"),
        ("SELECT 'é🙂', foo(1) FROM t", 'there is no function "foo" here', "foo(1)"),
        ("SELECT sum(b) FROM t", "there is no function sum(VARCHAR)", "sum(b)"),
        ("SELECT b + 1 FROM t", "there is no function +(VARCHAR, INTEGER)", "+"),
        ("SELECT a, sum(a) FROM t", 'column "a" must appear in the GROUP BY clause', "a"),
        ("SELECT x.a FROM t", 'referenced table "x" not found; there is "t"', "x.a"),
        ("SELECT regions.a FROM public_tables.regions", 'table "regions" does not have a column named "a"', "regions.a"),
        ("SELECT a::foo FROM t", "type with name foo does not exist", "foo"),
        ("SELECT a FROM t ORDER BY 5", "ORDER term out of range", "5"),
        ("SELECT COLUMNS('zz') FROM t", 'no matching columns found that match regex "zz"; did you mean "a"', None),
        ("SELECT list_transform([1], x -> x)", "write lambda x: x + 1, not x -> x + 1", None),
        ("SELECT a FROM t WHERE c > '2024-13-01'", 'date field value out of range: "2024-13-01"', "'2024-13-01'"),
        ("SELECT 'x y'::INT FROM t", "could not convert string 'x y' to INT32", "::INT"),
        ("SELECT strftime(c, '%Q') FROM t", "failed to parse format specifier %Q", "'%Q'"),
        ("SELECT current_date", 'there is no column "current_date" here', "current_date"),
        ("FROM 'é.csv'", 'there is no table "é.csv" here', "'é.csv'"),
        ("SELECT (SELECT a, b FROM t)", "subquery returns 2 columns - expected 1", "(SELECT a, b FROM t)"),
    ],
)  # fmt: skip
def test_what_is_said_is_for_a_person_and_at_its_place(
    database: ReleasedDatabase, sql: str, said: str, where: str | None
) -> None:
    with pytest.raises(BindError) as caught:
        check(database, sql)
    message, position = caught.value.message, caught.value.position
    assert message.startswith(said)
    assert str(caught.value) == message
    ours = r"LINE \d|\^|\n|Error|stored|memory|public_tables|Candidate|duckdb"
    assert not re.search(ours, message)
    assert len(message) <= 300
    if where is None:
        assert position is None or position[0] > 0
    else:
        assert position is not None
        start, length = position
        assert sql[start : start + length] == where


def test_constants_are_tried_and_rows_are_not(database: ReleasedDatabase) -> None:
    """What fails for some rows only is no fault that can be found before."""
    for sql in (
        "SELECT b::INT FROM t",
        "SELECT (count(*) - 5)::UTINYINT FROM t",
        "SELECT (count(*) || 'x')::INT FROM t",
        "SELECT map([b], [1]) FROM t",
        "SELECT (SELECT a FROM t, range(2))",
        "SELECT count(*) FROM range(1000000000000)",
    ):
        assert database.check({"t": COLUMNS}, sql, LIMITS)


def test_two_checks_of_the_same_tables_see_no_rows(database: ReleasedDatabase) -> None:
    """The message would hold a value if there were one."""
    rows = [(1, "secret", None)]
    public = {"regions": REGIONS}
    sql = "SELECT b, name FROM t, public_tables.regions"
    assert database.run({"t": (COLUMNS, rows)}, sql, LIMITS, public)[1] == [
        ("secret", "north")
    ]
    sql = "SELECT * FROM t PIVOT (sum(a) FOR b IN (SELECT name FROM regions))"
    with pytest.raises(BindError) as caught:
        database.check({"t": COLUMNS}, sql, LIMITS, public)
    assert "secret" not in caught.value.message
    assert "north" not in caught.value.message
