from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pandas as pd
import pytest

from dpquery.engines.base import Limits
from dpquery.engines.released import BindError, ReleasedColumn, ReleasedDatabase
from dpquery.errors import EngineFailure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dpquery.engines.duckdb import DuckDBEngine

LIMITS = Limits(memory="200MB", threads=2, seconds=20)
COLUMNS = (ReleasedColumn("ward", "VARCHAR"), ReleasedColumn("n", "BIGINT"))
COUNTS = (COLUMNS, [("a", 3), (None, -1), ("b\0c", 40)])


@pytest.fixture(scope="module")
def database() -> Iterator[ReleasedDatabase]:
    opened = ReleasedDatabase()
    yield opened
    opened.close()


def run(database: ReleasedDatabase, sql: str) -> tuple[list[str], list[Any]]:
    return database.run({"r 1": COUNTS}, sql, LIMITS)


def process(database: ReleasedDatabase) -> int:
    """Return the number of the process that answered last."""
    assert database._open is not None
    return database._open.child.pid


def test_select_over_released_tables(database: ReleasedDatabase) -> None:
    assert run(
        database,
        'SELECT ward AS "W", n / 2 AS half FROM main."r 1" WHERE n > 0 ORDER BY n DESC',
    ) == (["W", "half"], [("b\0c", 20.0), ("a", 1.5)])


EAST = dt.timezone(dt.timedelta(hours=5))
VALUES: dict[str, list[Any]] = {
    "HUGEINT": [2**100, None, -(2**63), 0],
    "BIGINT": [None, 2**63 - 1, None, -(2**63)],
    "BIGNUM": [None, None, str(10**60), None],
    "DOUBLE": [1, 2.5, 5e-324, 2**60],
    "FLOAT": [0.10000000149011612, None, -0.0, 1.5],
    "DECIMAL(38,10)": [Decimal("12345678901234567890.0123456789"), 1, None, 2],
    "VARCHAR": ["", None, "it's\0\\", "é\U0001f600"],
    "BLOB": [bytes(range(256)), b"", None, b"'"],
    "BIT": ["101", None, "0", "1"],
    "DATE": [dt.date(1, 1, 1), dt.date(9999, 12, 31), None, dt.date(2020, 2, 29)],
    "TIMESTAMP": [dt.datetime(2020, 1, 1, 1, 2, 3, 4), None, None, None],
    "TIME": [dt.time(1, 2, 3, 4), None, dt.time(), None],
    "TIME WITH TIME ZONE": [dt.time(1, 2, tzinfo=EAST), None, None, None],
    "INTERVAL": [dt.timedelta(-3, 5, 7), None, dt.timedelta(), None],
    "BOOLEAN": [True, False, None, True],
    "UUID": [UUID(int=5), None, None, None],
    "JSON": ['{"a": [1]}', None, '"x"', "1"],
    "ENUM('x', 'y''z')": ["x", "y'z", None, "x"],
    "INTEGER[]": [[1, None], [], None, [3]],
    "BLOB[]": [[b"\0"], [], None, [None]],
    "STRUCT(a INTEGER, b DATE)": [
        {"a": 1, "b": dt.date(2020, 1, 1)},
        None,
        {"a": None, "b": None},
        None,
    ],
    "MAP(INTEGER, VARCHAR)": [{1: "x", 2: None}, {}, None, None],
}


def test_types_and_values_survive(database: ReleasedDatabase) -> None:
    columns = [ReleasedColumn(name, name) for name in VALUES]
    rows = list(zip(*VALUES.values(), strict=True))
    names, found = database.run({"t": (columns, rows)}, "FROM main.t", LIMITS)
    assert names == list(VALUES)
    assert found == rows


def test_times_with_a_zone_come_back_in_utc(database: ReleasedDatabase) -> None:
    columns = [ReleasedColumn("t", "TIMESTAMP WITH TIME ZONE")]
    asked = dt.datetime(2020, 1, 1, 1, tzinfo=EAST)
    _, ((found,),) = database.run({"t": (columns, [(asked,)])}, "FROM t", LIMITS)
    assert found == asked
    assert found.isoformat() == "2019-12-31T20:00:00+00:00"


def test_answers_have_no_floats_that_are_no_number(database: ReleasedDatabase) -> None:
    columns = [ReleasedColumn("x", "DOUBLE")]
    rows = [(math.inf,), (math.nan,), (-math.inf,), (1.0,)]
    sql = "SELECT x, [x] AS l, {'a': x} AS s, x > 0 FROM t"
    assert database.run({"t": (columns, rows)}, sql, LIMITS)[1] == [
        (None, [None], {"a": None}, True),
        (None, [None], {"a": None}, True),
        (None, [None], {"a": None}, False),
        (1.0, [1.0], {"a": 1.0}, True),
    ]


def test_nested_and_odd_values_come_back(database: ReleasedDatabase) -> None:
    sql = (
        "SELECT array_value(1, 2), row(1, 'x'), MAP {[1]: 2}, union_value(k := 1),"
        " DATE '0044-03-15 (BC)', TIME '24:00:00',"
        " 170141183460469231731687303715884105727,"
        " [[1.50], NULL], to_json({'a': 1}), NULL"
    )
    assert run(database, sql)[1] == [
        (
            [1, 2],
            [1, "x"],
            {"key": [[1]], "value": [2]},
            1,
            "0044-03-15 (BC)",
            "24:00:00",
            2**127 - 1,
            [[Decimal("1.50")], None],
            '{"a":1}',
            None,
        )
    ]


def test_many_rows_and_no_rows(database: ReleasedDatabase) -> None:
    columns = [ReleasedColumn("k", "VARCHAR"), ReleasedColumn("n", "BIGINT")]
    rows = [(f"key {index}", index) for index in range(120_000)]
    tables = {"many": (columns, rows), "none": (columns, [])}
    found = database.run(tables, "FROM main.many", LIMITS)
    assert found == (["k", "n"], rows)
    sql = "SELECT count(*), sum(n), (SELECT count(*) FROM main.none) FROM main.many"
    expected = [(120_000, sum(range(120_000)), 0)]
    assert database.run(tables, sql, LIMITS)[1] == expected


def test_no_row_has_its_columns(database: ReleasedDatabase) -> None:
    assert run(database, 'SELECT n, n AS n FROM "r 1" WHERE n > 99') == (["n", "n"], [])


def test_runs_leave_nothing_behind(database: ReleasedDatabase) -> None:
    for _ in range(2):
        assert run(database, 'SELECT count(*) FROM main."r 1"')[1] == [(3,)]
    with pytest.raises(EngineFailure):
        database.run({}, 'SELECT * FROM main."r 1"', LIMITS)
    with pytest.raises(BindError):
        database.check({}, 'SELECT * FROM main."r 1"', LIMITS)


def test_one_process_answers_until_the_limits_change() -> None:
    database = ReleasedDatabase()
    database.run({}, "SELECT 1", LIMITS)
    first = process(database)
    database.start(LIMITS)
    database.run({}, "SELECT 1", LIMITS)
    assert process(database) == first
    other = Limits(memory="300MB", threads=1, seconds=20)
    assert database.run({}, "SELECT 1", other)[1] == [(1,)]
    assert process(database) != first
    database.close()


def test_it_can_be_started_early_and_used_after_it_was_closed() -> None:
    database = ReleasedDatabase()
    database.close()
    database.start(LIMITS)
    first = process(database)
    assert database.run({}, "SELECT 1", LIMITS)[1] == [(1,)]
    assert process(database) == first
    database.close()
    assert database.run({}, "SELECT 1", LIMITS)[1] == [(1,)]
    assert process(database) != first
    database.close()


SECRET = 8_274_615_093
"""No number that a temporary folder is called by."""


@pytest.mark.parametrize(
    "sql",
    [
        "FROM read_text('{folder}/secret.csv')",
        "FROM '{folder}/secret.csv'",
        "FROM glob('{folder}/*')",
        "FROM main.visits",
        "FROM clinic.main.visits",
        "FROM frame",
        "ATTACH '{folder}/clinic.duckdb'",
        "ATTACH ':memory:' AS other",
        "COPY (SELECT 1) TO '{folder}/out.csv'",
        "SET threads = 1",
        "CREATE TABLE kept AS SELECT 1",
        "CREATE MACRO sum(x) AS 1",
        "COMMIT",
        "COMMIT; SELECT 1",
        "SELECT 1; SELECT 2",
        "",
        "SELECT error('text')",
        "SELECT 1 \0 FROM x",
        "SELECT '\ud800'",
    ],
)
def test_nothing_private_can_be_reached(
    database: ReleasedDatabase, engine: DuckDBEngine, tmp_path: Path, sql: str
) -> None:
    (tmp_path / "secret.csv").write_text(f"secret\n{SECRET}\n")
    files = sorted(tmp_path.iterdir())
    frame = pd.DataFrame({"secret": [SECRET]})
    assert len(frame) == 1
    assert len(engine.describe()) == 6
    for call in (run, check):
        with pytest.raises((EngineFailure, BindError)) as caught:
            call(database, sql.format(folder=tmp_path))
        if isinstance(caught.value, EngineFailure):
            assert caught.value.code == "DPQ520"
        assert str(SECRET) not in str(caught.value)
        assert caught.value.__context__ is None
    assert sorted(tmp_path.iterdir()) == files
    assert run(database, 'SELECT sum(n) FROM main."r 1"')[1] == [(42,)]


def check(database: ReleasedDatabase, sql: str) -> tuple[ReleasedColumn, ...]:
    return database.check({"r 1": COLUMNS}, sql, LIMITS)


def test_a_failure_while_running_costs_no_process(database: ReleasedDatabase) -> None:
    run(database, "SELECT 1")
    first = process(database)
    for sql in (
        'SELECT ward::INT FROM "r 1"',
        'SELECT 9223372036854775807 + n FROM "r 1"',
        'SELECT (SELECT n FROM "r 1")',
        "SELECT nothing",
    ):
        with pytest.raises(EngineFailure) as caught:
            run(database, sql)
        assert caught.value.code == "DPQ520"
    assert run(database, 'SELECT sum(n) FROM main."r 1"')[1] == [(42,)]
    assert process(database) == first


def test_rows_that_do_not_fit_their_columns_fail(database: ReleasedDatabase) -> None:
    columns = [ReleasedColumn("n", "BIGINT")]
    for rows in ([(1, 2)], [("x",)], [(2**70,)], [(1,), ()], [(object(),)]):
        with pytest.raises(EngineFailure) as caught:
            database.run({"t": (columns, rows)}, "FROM main.t", LIMITS)
        assert caught.value.__context__ is None


def test_limits_that_limit_nothing_are_a_failure(database: ReleasedDatabase) -> None:
    for limits in (Limits(memory="lots"), Limits(threads=0), Limits(seconds=0)):
        with pytest.raises(EngineFailure):
            database.run({}, "SELECT 1", limits)
        with pytest.raises(EngineFailure):
            database.check({}, "SELECT 1", limits)
    assert run(database, "SELECT 1")[1] == [(1,)]
