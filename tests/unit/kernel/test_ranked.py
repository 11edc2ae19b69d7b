"""Quantiles and ends: without noise, the values of plain SQL."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dpquery.kernel.pricing import CANDIDATES

from .conftest import TERMS

if TYPE_CHECKING:
    import duckdb

    from .conftest import Price, Rows

    Released = Callable[..., Rows]


def fill(orders: duckdb.DuckDBPyConnection, amounts: list[float | None]) -> None:
    orders.execute("DELETE FROM orders")
    orders.executemany(
        "INSERT INTO orders (order_id, customer_id, amount) VALUES (?, ?, ?)",
        [(at, at, amount) for at, amount in enumerate(amounts)],
    )


cents = st.none() | st.integers(-100_000, 100_000).map(lambda n: n / 100)


@pytest.mark.usefixtures("no_noise")
@pytest.mark.parametrize("fraction", ["0.1", "0.25", "0.5", "0.9", "0.99"])
@settings(
    derandomize=True,
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(amounts=st.lists(cents, min_size=1, max_size=9))
def test_quantiles(
    orders: duckdb.DuckDBPyConnection,
    released: Released,
    fraction: str,
    amounts: list[float | None],
) -> None:
    """In two choices among 200,001 values, each exact: the one that SQL gives."""
    fill(orders, amounts)
    sql = f"SELECT QUANTILE_DISC(amount, {fraction}) FROM orders"
    ((expected,),) = orders.execute(sql).fetchall()
    ((found,),) = released(sql)
    assert found == (None if expected is None else float(expected))


@pytest.mark.usefixtures("no_noise")
@settings(
    derandomize=True,
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(amounts=st.lists(cents, min_size=1, max_size=9))
def test_ends(
    orders: duckdb.DuckDBPyConnection,
    released: Released,
    amounts: list[float | None],
) -> None:
    fill(orders, amounts)
    sql = "SELECT MIN(amount), MAX(amount) FROM orders"
    ((least, most),) = orders.execute(sql).fetchall()
    ((low, high),) = released(sql)
    assert (low, high) == tuple(None if e is None else float(e) for e in (least, most))


@pytest.mark.parametrize(
    ("item", "levels"), [("MEDIAN(order_id % 100)", 1), ("MEDIAN(amount)", 2)]
)
def test_many_candidates_are_chosen_among_in_two_choices(
    price: Price, item: str, levels: int
) -> None:
    (step,) = price(f"SELECT {item} FROM orders", TERMS).steps
    choice, *ends = step.choices
    assert len(choice.levels) == levels
    assert [len(end.levels) for end in ends] == [levels, levels]
    assert (step.step.rankings[0].bins <= CANDIDATES) is (levels == 1)
    total = sum(loss.amount for _, loss in choice.levels)
    assert total <= sum(loss.amount for loss in step.handed_out)
    if levels == 2:
        (_, coarse), (_, fine) = choice.levels
        assert Fraction(fine.amount, coarse.amount) == pytest.approx(2, rel=1e-3)


@pytest.mark.usefixtures("no_noise")
def test_each_group_has_its_own(
    orders: duckdb.DuckDBPyConnection, released: Released
) -> None:
    orders.execute(
        "INSERT INTO orders (order_id, customer_id, amount, status) SELECT n, n, n,"
        " CASE WHEN n < 10 THEN 'open' ELSE 'paid' END FROM range(25) AS r(n)"
    )
    found = released("SELECT status, MEDIAN(amount) FROM orders GROUP BY status")
    assert found == [("open", 4.0), ("paid", 17.0)]
