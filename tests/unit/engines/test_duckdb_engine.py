from __future__ import annotations

import copy
import os
import pickle
import threading
from typing import TYPE_CHECKING

import duckdb
import pytest

from dpquery.engines.base import KeyCheck, Limits, Statement
from dpquery.engines.duckdb import DuckDBEngine
from dpquery.engines.sealed import Sealed
from dpquery.errors import EngineFailure
from dpquery.policy.catalog import DescribedColumn

if TYPE_CHECKING:
    from pathlib import Path

FUNCTIONS = frozenset({"count", "sum", "list", "range", "error"})
COUNT = Statement(
    'SELECT count(*) FROM "main"."visits"', frozenset({"visits"}), FUNCTIONS
)
ENDLESS = Statement(
    "SELECT sum(a.i * b.i) FROM range(1000000) AS a(i), range(1000000) AS b(i)",
    frozenset(),
    FUNCTIONS | {"*"},
)
HUGE = Statement(
    "SELECT list(a.ward || b.ward) FROM main.visits a, main.visits b, main.visits c",
    frozenset({"visits"}),
    FUNCTIONS,
)


def rebuild(path: Path, sql: str) -> None:
    """Put a new file in the place of *path*, as an owner does."""
    fresh = path.with_suffix(".new")
    with duckdb.connect(fresh) as connection:
        connection.execute(sql)
    fresh.replace(path)


def test_execute_returns_sealed_exact_rows(engine: DuckDBEngine) -> None:
    rows = engine.execute(COUNT)
    assert isinstance(rows, Sealed)
    assert rows.open() == [(1000,)]


def test_describe_lists_tables_and_views(engine: DuckDBEngine) -> None:
    assert engine.describe() == [
        DescribedColumn("dear", "visit_id", "BIGINT", nullable=True),
        DescribedColumn("regions", "name", "VARCHAR", nullable=False),
        DescribedColumn("visits", "visit_id", "BIGINT", nullable=True),
        DescribedColumn("visits", "patient_id", "BIGINT", nullable=True),
        DescribedColumn("visits", "ward", "VARCHAR", nullable=True),
        DescribedColumn("visits", "cost", "DECIMAL(9,2)", nullable=True),
    ]


def test_an_unplanned_table_is_refused_before_anything_runs(
    engine: DuckDBEngine,
) -> None:
    sql = "SELECT count(*) FROM main.visits, main.regions"
    with pytest.raises(EngineFailure) as caught:
        engine.execute(Statement(sql, COUNT.tables, FUNCTIONS))
    assert caught.value.code == "DPQ510"


@pytest.mark.parametrize(
    ("seconds", "statement", "code"),
    [(0.2, ENDLESS, "DPQ501"), (20, HUGE, "DPQ502")],
)
def test_after_a_limit_the_next_statement_works(
    clinic: Path, seconds: float, statement: Statement, code: str
) -> None:
    engine = DuckDBEngine.open(clinic, Limits(memory="60MB", seconds=seconds))
    with pytest.raises(EngineFailure) as caught:
        engine.execute(statement)
    assert caught.value.code == code
    assert engine.execute(COUNT).open() == [(1000,)]
    engine.close()


def test_the_watchdog_stops_a_statement_too(
    clinic: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = DuckDBEngine.open(clinic, Limits(seconds=30))
    monkeypatch.setattr(engine, "_limits", Limits(seconds=0.2))
    with pytest.raises(EngineFailure) as caught:
        engine.execute(ENDLESS)
    assert caught.value.code == "DPQ501"
    assert engine.execute(COUNT).open() == [(1000,)]
    engine.close()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT ward::INTEGER FROM main.visits",
        "SELECT error(ward) FROM main.visits",
        "SELECT nothing FROM main.visits",
        "SELECT sum(ward) FROM main.visits",
    ],
)
def test_failures_say_nothing_of_rows_or_driver(engine: DuckDBEngine, sql: str) -> None:
    with pytest.raises(EngineFailure) as caught:
        engine.execute(Statement(sql, COUNT.tables, FUNCTIONS))
    error = caught.value
    assert error.code == "DPQ502"
    assert error.__cause__ is None
    assert error.__context__ is None
    assert "ward" not in str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301
    assert str(copy.copy(error)) == str(error)


def test_rows_that_python_cannot_hold_are_a_failure_like_any_other(
    engine: DuckDBEngine,
) -> None:
    sql = "SELECT CAST('100000000 years' AS INTERVAL) FROM main.visits"
    with pytest.raises(EngineFailure) as caught:
        engine.execute(Statement(sql, COUNT.tables, FUNCTIONS))
    assert caught.value.code == "DPQ502"


def test_a_broken_connection_is_replaced(engine: DuckDBEngine) -> None:
    assert engine._connection is not None
    engine._connection.close()  # as after a fatal error: everything else fails
    with pytest.raises(EngineFailure):
        engine.execute(COUNT)
    assert engine.execute(COUNT).open() == [(1000,)]


def test_ctrl_c_stays_ctrl_c(
    engine: DuckDBEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        message = "Query interrupted"
        raise RuntimeError(message)

    monkeypatch.setattr("dpquery.engines.duckdb.check_statement", interrupted)
    with pytest.raises(KeyboardInterrupt):
        engine.execute(COUNT)


def test_closed_engine_opens_again(engine: DuckDBEngine) -> None:
    engine.close()
    engine.close()
    assert engine.execute(COUNT).open() == [(1000,)]


def test_threads_share_an_engine(engine: DuckDBEngine) -> None:
    answers: list[list[tuple[object, ...]]] = []

    def ask() -> None:
        answers.extend(engine.execute(COUNT).open() for _ in range(5))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [[(1000,)]] * 20


def test_version_is_stable_until_the_file_changes(
    engine: DuckDBEngine, clinic: Path
) -> None:
    before = engine.version()
    assert engine.refresh() == before == engine.version()
    os.utime(clinic, ns=(1, 1))
    assert engine.version() != before
    assert engine.refresh() == engine.version()


def test_an_open_file_is_a_snapshot_until_refreshed(
    engine: DuckDBEngine, clinic: Path
) -> None:
    before = engine.refresh()
    rebuild(clinic, "CREATE TABLE visits AS SELECT 1 AS visit_id")
    assert engine.execute(COUNT).open() == [(1000,)]
    assert engine.refresh() != before
    assert engine.execute(COUNT).open() == [(1,)]
    assert [column.name for column in engine.describe()] == ["visit_id"]


def test_a_broken_connection_never_moves_to_other_data(
    engine: DuckDBEngine, clinic: Path
) -> None:
    engine.close()
    rebuild(clinic, "CREATE TABLE visits AS SELECT 1 AS visit_id")
    with pytest.raises(EngineFailure) as caught:
        engine.execute(COUNT)
    assert caught.value.code == "DPQ503"
    engine.refresh()
    assert engine.execute(COUNT).open() == [(1,)]


def test_engines_on_one_file_share_and_never_see_stale_data(
    clinic: Path, limits: Limits
) -> None:
    first, second = (DuckDBEngine.open(clinic, limits) for _ in range(2))
    assert second.execute(COUNT).open() == [(1000,)]
    rebuild(clinic, "CREATE TABLE visits AS SELECT 1 AS visit_id")
    with pytest.raises(EngineFailure) as caught:
        first.refresh()  # the old database is still open, for the second
    assert caught.value.code == "DPQ508"
    second.refresh()
    first.refresh()
    assert first.execute(COUNT).open() == second.execute(COUNT).open() == [(1,)]
    first.close()
    second.close()


@pytest.mark.parametrize(
    ("values", "duplicates", "nulls"),
    [
        ("(1), (2), (3)", 0, 0),
        ("(1), (1), (1), (2), (2), (3)", 2, 0),
        ("(1), (NULL), (NULL)", 0, 2),
        ("(5), (5), (NULL)", 1, 1),
        ("(NULL)", 0, 1),
    ],
)
def test_check_unique(
    clinic: Path, limits: Limits, values: str, duplicates: int, nulls: int
) -> None:
    name = 'odd " name'
    quoted = '"odd "" name"'
    rebuild(
        clinic,
        f"CREATE TABLE {quoted} ({quoted} INTEGER);"
        f"INSERT INTO {quoted} VALUES {values}",
    )
    engine = DuckDBEngine.open(clinic, limits)
    assert engine.check_unique(name, name) == KeyCheck(name, name, duplicates, nulls)
    engine.close()


def test_check_unique_of_an_empty_table(engine: DuckDBEngine) -> None:
    assert engine.check_unique("regions", "name") == KeyCheck("regions", "name", 0, 0)


def test_check_unique_of_nothing_fails_quietly(engine: DuckDBEngine) -> None:
    with pytest.raises(EngineFailure) as caught:
        engine.check_unique("visits", "no such column")
    assert caught.value.code == "DPQ502"


def test_semantics_are_pinned(engine: DuckDBEngine) -> None:
    sql = "SELECT 1 / 2, 1 // 0, 1.0::DOUBLE / 0 FROM main.visits LIMIT 1"
    rows = engine.execute(Statement(sql, COUNT.tables, FUNCTIONS))
    assert rows.open() == [(0.5, None, float("inf"))]
