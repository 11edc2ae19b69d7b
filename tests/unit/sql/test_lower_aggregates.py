"""Aggregates, windows and samples inside a unit: exact, total and free of order."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import TYPE_CHECKING

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpquery.engines.lockdown import PINNED
from dpquery.plan.expressions import (
    Aggregated,
    ColumnRef,
    InSample,
    Literal,
)
from dpquery.policy.catalog import SqlType
from dpquery.sql.lowering.aggregates import aggregated, functions_in, in_sample

if TYPE_CHECKING:
    from collections.abc import Iterator

INTEGER, DOUBLE, DECIMAL = SqlType.INTEGER, SqlType.DOUBLE, SqlType.DECIMAL
COLUMNS = {
    "i": ColumnRef("t", "i", INTEGER, "BIGINT"),
    "m": ColumnRef("t", "m", DECIMAL, "DECIMAL(10,2)", 2),
    "d": ColumnRef("t", "d", DOUBLE, "DOUBLE"),
}


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={**PINNED}) as connection:
        connection.execute("CREATE TABLE t (i BIGINT, m DECIMAL(10,2), d DOUBLE)")
        yield connection


def text(function: str, column: str, *, distinct: bool = False) -> str:
    of = COLUMNS[column]
    more = (Literal(0.5, DOUBLE),) if function.startswith("quantile") else ()
    whole = function == "count" or (function == "sum" and of.type is INTEGER)
    type_ = INTEGER if whole else DOUBLE
    digits = {"m": 2, "d": 6}.get(column, 0)
    call = Aggregated(function, (of, *more), distinct, type_, digits)
    return aggregated(call).sql("duckdb")


def value(
    database: duckdb.DuckDBPyConnection, sql: str, rows: list[tuple[object, ...]]
) -> object:
    database.execute("DELETE FROM t")
    if rows:
        database.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
    ((found,),) = database.execute(f"SELECT {sql} FROM t").fetchall()
    return found


cents = st.none() | st.integers(-10_000, 10_000).map(lambda n: n / 100)


@settings(derandomize=True, max_examples=80, deadline=None)
@given(st.lists(cents, max_size=6), st.booleans())
def test_sums_and_means_are_exact(
    database: duckdb.DuckDBPyConnection,
    numbers: list[float | None],
    distinct: bool,  # noqa: FBT001 -- drawn
) -> None:
    known = [Fraction(round(n * 100), 100) for n in numbers if n is not None]
    known = list(set(known)) if distinct else known
    rows = [(None, n, n) for n in numbers]
    total = None if not known else float(sum(known))
    for column in "md":
        found = value(database, text("sum", column, distinct=distinct), rows)
        assert found == total
        found = value(database, text("avg", column, distinct=distinct), rows)
        assert found == (None if total is None else total / len(known))
        found = value(database, text("count", column, distinct=distinct), rows)
        assert found == len(known)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.lists(cents, max_size=6))
def test_variances_are_those_of_plain_sql(
    database: duckdb.DuckDBPyConnection, numbers: list[float | None]
) -> None:
    rows = [(None, n, n) for n in numbers]
    for function in ("var_pop", "var_samp", "stddev_pop", "stddev_samp"):
        found = value(database, text(function, "m"), rows)
        plain = value(database, f"{function}(CAST(m AS DOUBLE))", rows)
        assert found == (None if plain is None else pytest.approx(plain, abs=1e-6))


def test_sums_of_fractions_do_not_depend_on_the_order_of_rows(
    database: duckdb.DuckDBPyConnection,
) -> None:
    rows = [(None, None, n) for n in (1e15, 0.1, -1e15, 0.2, 0.3)]
    for function in ("sum", "avg", "var_pop"):
        sql = text(function, "d")
        found = {value(database, sql, rows[k:] + rows[:k]) for k in range(len(rows))}
        assert len(found) == 1


HOSTILE = [
    *(None, 0.0, -0.0, 1e308, -1e308, math.inf, -math.inf, math.nan, 5e-324, 9.3e12),
]
WHOLE = [None, 2**63 - 1, -(2**63), 0, 1]
FUNCTIONS = (
    *("sum", "avg", "count", "min", "max", "only", "quantile_cont", "quantile_disc"),
    *("var_pop", "var_samp", "stddev_pop", "stddev_samp"),
)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("distinct", [False, True])
def test_no_row_makes_an_aggregate_fail(
    database: duckdb.DuckDBPyConnection, function: str, *, distinct: bool
) -> None:
    rows = [(i, None, d) for i in WHOLE for d in HOSTILE]
    for column in "id":
        value(database, text(function, column, distinct=distinct), rows)
        value(database, text(function, column, distinct=distinct), [])


@pytest.mark.parametrize(
    ("rows", "found"), [([], None), ([5], 5), ([5, 5], None), ([None], None)]
)
def test_only_is_the_value_of_one_row(
    database: duckdb.DuckDBPyConnection, rows: list[int | None], found: int | None
) -> None:
    assert value(database, text("only", "i"), [(n, None, None) for n in rows]) == found


def test_zeros_of_both_signs_are_one_value(database: duckdb.DuckDBPyConnection) -> None:
    for rows in ([0.0, -0.0], [-0.0, 0.0]):
        made = [(None, None, n) for n in rows]
        assert str(value(database, text("min", "d"), made)) == "0.0"
        assert value(database, text("count", "d", distinct=True), made) == 1


# --- samples ----------------------------------------------------------------------


def sampled(
    database: duckdb.DuckDBPyConnection, share: Fraction, seed: int
) -> set[int]:
    condition = in_sample(InSample(COLUMNS["i"], share, seed)).sql("duckdb")
    database.execute("DELETE FROM t")
    database.execute("INSERT INTO t SELECT range, NULL, NULL FROM range(20000)")
    return {
        unit
        for (unit,) in database.execute(f"SELECT i FROM t WHERE {condition}").fetchall()
    }


def test_a_sample_is_a_share_of_the_units_and_the_same_every_time(
    database: duckdb.DuckDBPyConnection,
) -> None:
    tenth = sampled(database, Fraction(1, 10), 0)
    assert tenth == sampled(database, Fraction(1, 10), 0)
    assert abs(len(tenth) - 2000) < 6 * math.sqrt(2000 * 0.9)  # beyond 1e-9
    assert tenth <= sampled(database, Fraction(1, 5), 0)  # a larger share holds it
    other = sampled(database, Fraction(1, 10), 1)
    assert abs(len(tenth & other) - 200) < 6 * math.sqrt(200)
    assert len(sampled(database, Fraction(1), 0)) == 20000


def test_what_is_called_is_known() -> None:
    """The statement may call no more than this (engines/statement_check)."""
    for function in FUNCTIONS:
        known = functions_in(Aggregated(function, (COLUMNS["d"],), False, DOUBLE))
        called = set(re.findall(r"([a-z_]+)\(", text(function, "d").lower()))
        assert called - {"cast", "try_cast", "double", "hugeint"} <= known | {"count"}
