from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from dpquery.engines.base import Limits
from dpquery.engines.lockdown import verify
from dpquery.engines.released import ReleasedColumn, ReleasedDatabase
from dpquery.errors import EngineFailure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dpquery.engines.duckdb import DuckDBEngine

COUNTS = (
    (ReleasedColumn("ward", "VARCHAR"), ReleasedColumn("n", "BIGINT")),
    [("a", 3), (None, -1), ("b\0c", 40)],
)


@pytest.fixture(scope="module")
def database() -> Iterator[ReleasedDatabase]:
    opened = ReleasedDatabase()
    yield opened
    opened.close()


def run(
    database: ReleasedDatabase, sql: str, seconds: float = 20
) -> tuple[list[str], list[tuple[Any, ...]]]:
    return database.run({"r 1": COUNTS}, sql, Limits(memory="200MB", seconds=seconds))


def test_select_over_released_tables(database: ReleasedDatabase) -> None:
    assert run(
        database,
        'SELECT ward AS "W", n / 2 AS half FROM main."r 1" WHERE n > 0 ORDER BY n DESC',
    ) == (["W", "half"], [("b\0c", 20.0), ("a", 1.5)])


def test_types_and_values_survive() -> None:
    values: dict[str, list[Any]] = {
        "HUGEINT": [2**100, None, -(2**63), 0],
        "BIGINT": [None, None, None, None],
        "DOUBLE": [1, 2.5, float("inf"), 2**60],
        "DECIMAL(38,10)": [Decimal("12345678901234567890.0123456789"), 1, None, 2],
        "VARCHAR": ["", None, "it's", "é\U0001f600"],
        "DATE": [dt.date(1, 1, 1), dt.date(9999, 12, 31), None, dt.date(2020, 2, 29)],
        "TIMESTAMP": [dt.datetime(2020, 1, 1, 1, 2, 3, 4), None, None, None],
        "BOOLEAN": [True, False, None, True],
    }
    columns = [ReleasedColumn(name, name) for name in values]
    rows = list(zip(*values.values(), strict=True))
    database = ReleasedDatabase()
    names, found = database.run({"t": (columns, rows)}, "FROM main.t", Limits())
    database.close()
    assert names == list(values)
    assert found == rows


def test_many_rows_and_no_rows(database: ReleasedDatabase) -> None:
    columns = [ReleasedColumn("k", "VARCHAR"), ReleasedColumn("n", "BIGINT")]
    rows = [(f"key {index}", index) for index in range(100_000)]
    tables = {"many": (columns, rows), "none": (columns, [])}
    sql = "SELECT count(*), sum(n), (SELECT count(*) FROM main.none) FROM main.many"
    limits = Limits(memory="200MB", seconds=20)
    expected = [(100_000, sum(range(100_000)), 0)]
    assert database.run(tables, sql, limits)[1] == expected


def test_runs_leave_nothing_behind(database: ReleasedDatabase) -> None:
    for _ in range(2):
        assert run(database, 'SELECT count(*) FROM main."r 1"')[1] == [(3,)]
    with pytest.raises(EngineFailure):
        database.run({}, 'SELECT * FROM main."r 1"', Limits(memory="200MB", seconds=20))


def test_it_is_locked_down(database: ReleasedDatabase) -> None:
    run(database, "SELECT 1")
    assert database._connection is not None
    verify(database._connection.cursor())


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
    ],
)
def test_nothing_private_can_be_reached(
    database: ReleasedDatabase, engine: DuckDBEngine, tmp_path: Path, sql: str
) -> None:
    (tmp_path / "secret.csv").write_text("secret\n41\n")
    files = sorted(tmp_path.iterdir())
    frame = pd.DataFrame({"secret": [41]})
    assert len(frame) == 1
    assert len(engine.describe()) == 6
    with pytest.raises(EngineFailure) as caught:
        run(database, sql.format(folder=tmp_path))
    assert caught.value.code == "DPQ520"
    assert caught.value.__context__ is None
    assert sorted(tmp_path.iterdir()) == files
    listed = "SELECT database_name FROM duckdb_databases() WHERE NOT internal"
    assert run(database, listed)[1] == [("memory",)]
    assert run(database, 'SELECT sum(n) FROM main."r 1"')[1] == [(42,)]


def test_after_the_time_limit_the_next_run_works(database: ReleasedDatabase) -> None:
    endless = "SELECT sum(a.i * b.i) FROM range(1000000) a(i), range(1000000) b(i)"
    with pytest.raises(EngineFailure) as caught:
        run(database, endless, seconds=0.2)
    assert caught.value.code == "DPQ520"
    assert run(database, "SELECT 1", seconds=0.2)[1] == [(1,)]


def test_rows_that_do_not_fit_their_columns_fail(database: ReleasedDatabase) -> None:
    columns = [ReleasedColumn("n", "BIGINT")]
    for rows in ([(1, 2)], [("x",)], [(2**70,)], [(1,), ()]):
        with pytest.raises(EngineFailure):
            database.run({"t": (columns, rows)}, "FROM main.t", Limits())
