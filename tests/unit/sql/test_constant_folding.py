"""Constants are computed at once, and as DuckDB computes them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import duckdb
import pytest

from dpquery.plan.expressions import Call, Interval, Literal
from dpquery.policy.catalog import Catalog, SqlType
from dpquery.sql.expressions.constant_folding import FOLDS, simplified
from dpquery.sql.functions import FUNCTIONS

from .test_dialects import argument

CONSTANT = {
    "1 + 2": 3,
    "0.06 - 0.01": Decimal("0.05"),
    "0.1 + 0.2": Decimal("0.3"),
    "2 * 3.5": Decimal("7.0"),
    "10 / 4": Decimal("2.5"),
    "1 / 0": None,
    "1 // 0": None,
    "7 // -2": -3,
    "-7 % 3": -1,
    "7 % 2.5": Decimal(2),
    "5 % 0": None,
    "1 + NULL": None,
    "DATE '1998-12-01' - INTERVAL 90 DAY": dt.datetime(1998, 9, 2),
    "DATE '2024-01-31' + INTERVAL 1 MONTH": dt.datetime(2024, 2, 29),
    "DATE '2024-02-29' + INTERVAL 1 YEAR": dt.datetime(2025, 2, 28),
    "DATE '2024-02-28' + 2": dt.date(2024, 3, 1),
    "DATE '2024-03-01' - DATE '2024-02-01'": 29,
    "TIMESTAMP '2024-02-28 23:00:00' + INTERVAL '2 hours'": dt.datetime(2024, 2, 29, 1),
    "date_trunc('quarter', DATE '2024-08-30')": dt.datetime(2024, 7, 1),
    "date_trunc('week', DATE '2024-09-01')": dt.datetime(2024, 8, 26),
    "year(DATE '2024-08-30')": 2024,
    "EXTRACT(month FROM DATE '2024-08-30')": 8,
    "INTERVAL 2 MONTH + INTERVAL 3 DAY": Interval(2, 3),
    "3 * INTERVAL 2 WEEK": Interval(days=42),
    "-(INTERVAL 2 DAY)": Interval(days=-2),
    "to_hours(3)": Interval(microseconds=10_800_000_000),
    "lower('ABC')": "abc",
    "'a' || 'b' || 'c'": "abc",
}
LEFT_ALONE = [
    *("lower('É')", "9223372036854775807 + 1", "9223372036854775807 * 3"),
    *("DATE '9999-12-31' + 1", "DATE '0001-01-01' - INTERVAL 1 DAY"),
    *("1e300 * 1e300", "date_trunc('hour', TIMESTAMP '2024-02-28 23:10:00')"),
]


@pytest.mark.parametrize("asked", CONSTANT)
def test_what_is_constant(boundary_catalog: Catalog, asked: str) -> None:
    found = argument(boundary_catalog, f"x < 0 OR ({asked}) IS NULL", "duckdb")
    assert isinstance(found, Call)
    constant = found.arguments[1].arguments[0]  # type: ignore[union-attr]
    assert isinstance(constant, Literal)
    assert constant.value == CONSTANT[asked]
    assert type(constant.value) is type(CONSTANT[asked])


@pytest.mark.parametrize("asked", [each for each in CONSTANT if "-(" not in each])
def test_duckdb_computes_the_same(asked: str) -> None:
    value = CONSTANT[asked]
    connection = duckdb.connect()
    connection.execute("SET error_on_division_by_zero = false")
    if value is None:
        return  # division by zero, and NULL
    if isinstance(value, Interval):
        sql = f"SELECT ({asked}) = CAST('{value}' AS INTERVAL)"
        assert connection.execute(sql).fetchall() == [(True,)]
        return
    ((theirs,),) = connection.execute(f"SELECT {asked}").fetchall()
    if isinstance(value, Decimal):
        assert float(value) == pytest.approx(float(theirs), rel=1e-15)
    else:
        assert theirs == value


@pytest.mark.parametrize("asked", LEFT_ALONE)
def test_what_does_not_fit_is_left_to_the_engine(
    boundary_catalog: Catalog, asked: str
) -> None:
    found = argument(boundary_catalog, f"x < 0 OR ({asked}) IS NULL", "duckdb")
    left = found.arguments[1].arguments[0]  # type: ignore[union-attr]
    assert isinstance(left, Call)


def test_only_functions_of_the_table_are_folded() -> None:
    assert set(FOLDS) <= set(FUNCTIONS)


def test_a_call_of_columns_is_left_alone(boundary_catalog: Catalog) -> None:
    found = argument(boundary_catalog, "i + 1", "duckdb")
    assert isinstance(found, Call)
    assert simplified(found) is found
    nothing = Call("sqrt", (Literal(4, SqlType.INTEGER),), SqlType.DOUBLE)
    assert simplified(nothing) is nothing
