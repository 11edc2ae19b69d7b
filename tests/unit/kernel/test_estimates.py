"""Noisy moments into numbers: without noise, those of plain SQL."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dpquery.kernel.estimates import value
from dpquery.kernel.readings import Noisy

from .conftest import EXACT, TERMS

if TYPE_CHECKING:
    import duckdb

    from dpquery.kernel.pricing import PricedStep
    from dpquery.plan.aggregates import Moment

    from .conftest import Price, Rows

    Released = Callable[..., Rows]

STATISTICS = (
    *("AVG(x)", "VAR_POP(x)", "VAR_SAMP(x)", "STDDEV_POP(x)", "STDDEV_SAMP(x)"),
    *("COVAR_POP(x, y)", "COVAR_SAMP(x, y)", "CORR(x, y)", "REGR_SLOPE(x, y)"),
    *("REGR_INTERCEPT(x, y)", "REGR_R2(x, y)", "REGR_COUNT(x, y)", "REGR_AVGX(x, y)"),
    *("REGR_AVGY(x, y)", "REGR_SXX(x, y)", "REGR_SYY(x, y)", "REGR_SXY(x, y)"),
)
"""Of x, an amount in whole euros, and y, a whole number."""

pairs = st.tuples(st.none() | st.integers(-1000, 1000), st.none() | st.integers(0, 6))


def fill(orders: duckdb.DuckDBPyConnection, rows: list[tuple[Any, Any]]) -> None:
    """One order a customer: amount x, and y is its number modulo 7."""
    orders.execute("DELETE FROM orders")
    made = [
        (at * 7 + (0 if y is None else y), at, x, None if y is None else True)
        for at, (x, y) in enumerate(rows)
    ]
    if made:
        orders.executemany(
            "INSERT INTO orders (order_id, customer_id, amount, express)"
            " VALUES (?, ?, ?, ?)",
            made,
        )


Y = "CASE WHEN express THEN order_id % 7 END"


@pytest.mark.usefixtures("no_noise")
@pytest.mark.parametrize("item", STATISTICS)
@settings(
    derandomize=True,
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rows=st.lists(pairs, min_size=2, max_size=8))
def test_statistics_without_noise(
    orders: duckdb.DuckDBPyConnection,
    released: Released,
    item: str,
    rows: list[tuple[int | None, int | None]],
) -> None:
    fill(orders, rows)
    call = item.replace("x", "amount").replace("y)", f"{Y})")
    ((found,),) = released(f"SELECT {call} FROM orders")
    plain = call.replace("amount", "CAST(amount AS DOUBLE)")
    ((expected,),) = orders.execute(f"SELECT {plain} FROM orders").fetchall()
    if expected is None or expected != expected:  # noqa: PLR0124 -- not a number
        assert found is None or item.startswith(("REGR_R2", "CORR"))
        return
    # correlations of all but equal values are NULL: noise could be all of it
    if found is None:
        assert item.startswith(("REGR", "CORR"))
        return
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.usefixtures("no_noise")
@pytest.mark.parametrize("item", STATISTICS)
def test_statistics_of_four_rows(
    orders: duckdb.DuckDBPyConnection, released: Released, item: str
) -> None:
    rows = [(-900, 0), (500, 3), (800, 6), (-300, 1), (None, 4), (7, None)]
    fill(orders, rows)
    call = item.replace("x", "amount").replace("y)", f"{Y})")
    ((found,),) = released(f"SELECT {call} FROM orders")
    plain = call.replace("amount", "CAST(amount AS DOUBLE)")
    ((expected,),) = orders.execute(f"SELECT {plain} FROM orders").fetchall()
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.usefixtures("no_noise")
@pytest.mark.parametrize(
    ("item", "rows", "found"),
    [
        ("COUNT(*)", [], 0),
        ("SUM(amount)", [], None),
        ("AVG(amount)", [], None),
        ("STDDEV(amount)", [], None),
        ("STDDEV(amount)", [(5, 1)], None),  # of one row, as in SQL
        ("VAR_POP(amount)", [(5, 1)], 0.0),
        ("MEDIAN(amount)", [], None),
        ("MAX(amount)", [], None),
        ("BOOL_OR(express)", [], None),
        ("BOOL_OR(express)", [(5, 1)], True),
        ("BOOL_OR(amount > 5)", [(5, 1), (4, 1)], False),
        ("BOOL_AND(amount > 3)", [(5, 1), (4, 1)], True),
        ("BOOL_AND(amount > 4)", [(5, 1), (4, 1)], False),
        ("BOOL_AND(amount > 4)", [], None),
        ("SUM(amount)", [(5, 1), (4, 1)], 9.0),
        ("SUM(order_id % 7)", [(5, 1), (4, 2)], 3),
        ("COUNT(DISTINCT amount)", [(5, 1), (5, 2), (None, 3)], 1),
        ("SUM(DISTINCT amount)", [(5, 1), (5, 2), (-2, 3)], 3.0),
        ("AVG(DISTINCT amount)", [(5, 1), (5, 2), (-2, 3)], 1.5),
        ("COUNT(DISTINCT customer_id)", [(5, 1), (5, 2)], 2),
    ],
)
def test_values_of_few_rows(
    orders: duckdb.DuckDBPyConnection,
    released: Released,
    item: str,
    rows: list[tuple[int | None, int]],
    found: object,
) -> None:
    fill(orders, rows)
    ((value_,),) = released(f"SELECT {item} FROM orders")
    assert value_ == found
    assert type(value_) is type(found)


def noisy(step: PricedStep, moment: Moment, number: int) -> Noisy:
    steps, noise = step.noise_of(moment)
    return Noisy.of(number, noise, steps)


def test_whole_numbers_saturate_where_sql_s_end(price: Price) -> None:
    (step,) = price("SELECT COUNT(*), SUM(order_id % 7) FROM orders", EXACT).steps
    readings = {b.moment: noisy(step, b.moment, 1 << 90) for b in step.step.moments}
    found = [value(column, readings, {}) for column in step.step.columns]
    assert found == [2**63 - 1] * 2


def test_what_noise_alone_could_be_is_nothing(price: Price) -> None:
    """At a price with noise: NULL where surely no unit has a value, and no more."""
    (step,) = price("SELECT SUM(amount), MEDIAN(amount) FROM orders", TERMS).steps
    total, median = step.step.columns
    chosen = {
        (ranking.value, target): 500
        for ranking in step.step.rankings
        for target in ranking.targets
    }
    units = median.estimator.presence  # type: ignore[union-attr]
    _, noise = step.noise_of(units)

    def found(count: float) -> tuple[object, object]:
        readings = {b.moment: noisy(step, b.moment, 0) for b in step.step.moments}
        readings[units] = noisy(step, units, round(count))
        return tuple(value(c, readings, chosen) for c in (total, median))  # type: ignore[return-value,arg-type]

    assert found(-4 * noise.std) == (None, None)
    assert found(0) == (0.0, None)  # there could be some, and too few to choose from
    assert found(3 * noise.std)[1] is not None


@pytest.mark.usefixtures("no_noise")
def test_times_are_times_again(
    orders: duckdb.DuckDBPyConnection, released: Released
) -> None:
    orders.execute(
        "INSERT INTO orders (order_id, customer_id, placed_on, paid_at) SELECT n, n,"
        " DATE '2024-05-01' + CAST(n AS INTEGER), TIMESTAMP '2024-05-01 10:00:00' +"
        " to_seconds(n) FROM range(9) AS r(n)"
    )
    ((day, moment),) = released(
        "SELECT QUANTILE_DISC(placed_on, 0.5), QUANTILE_DISC(paid_at, 0.5) FROM orders"
    )
    assert day == dt.date(2024, 5, 5)
    # timestamps are chosen among about a million bins of a year: half a minute each
    assert abs(moment - dt.datetime(2024, 5, 1, 10, 0, 4)) < dt.timedelta(minutes=1)
