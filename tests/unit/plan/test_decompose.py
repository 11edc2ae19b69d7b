"""Aggregates into moments: what is measured, and that nothing is measured twice."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest

from dpquery.errors import QueryRefused
from dpquery.plan.aggregates import (
    LinearEstimator,
    Present,
    RatioEstimator,
    Rows,
    Total,
    Units,
)
from dpquery.plan.rewrite.clamp_inputs import STEPS_LIMIT, STEPS_WANTED
from dpquery.policy.catalog import SqlType

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpquery.plan.aggregates import Moment
    from dpquery.plan.program import ReleaseStep

    Compile = Callable[[str], ReleaseStep]


def moments(step: ReleaseStep) -> list[Moment]:
    return [bounded.moment for bounded in step.moments]


def kinds(step: ReleaseStep) -> list[type]:
    return [type(each) for each in moments(step)]


@pytest.mark.parametrize(
    ("items", "measured"),
    [
        ("COUNT(*)", [Rows]),
        ("COUNT(*), COUNT(1), COUNT(*) + 1", [Rows]),
        ("COUNT(amount)", [Present]),
        ("COUNT(DISTINCT customer_id)", [Units]),
        ("SUM(amount)", [Total]),
        ("SUM(amount), SUM(amount) / 2", [Total]),
        ("SUM(amount), SUM(amount + 1)", [Total, Total]),
        ("AVG(amount)", [Present, Total]),
        ("AVG(amount), SUM(amount), COUNT(amount)", [Present, Total]),
        ("SUM(amount), AVG(amount)", [Total, Present]),
        ("AVG(amount), COUNT(*)", [Present, Total, Rows]),
        ("AVG(amount), AVG(order_id % 7)", [Present, Total, Present, Total]),
    ],
)
def test_moments(compile_step: Compile, items: str, measured: list[type]) -> None:
    assert kinds(compile_step(f"SELECT {items} FROM orders")) == measured


def test_withheld_groups_are_decided_on_units(compile_step: Compile) -> None:
    step = compile_step("SELECT note, SUM(amount) FROM orders GROUP BY note")
    assert kinds(step) == [Units, Total]
    units = "SELECT note, COUNT(DISTINCT customer_id) FROM orders GROUP BY note"
    assert kinds(compile_step(units)) == [Units]


def test_a_key_alone_measures_units(compile_step: Compile) -> None:
    assert kinds(compile_step("SELECT status FROM orders GROUP BY status")) == [Units]


def test_an_average_and_its_sum_are_made_of_one_centred_sum(
    compile_step: Compile,
) -> None:
    step = compile_step(
        "SELECT AVG(amount), SUM(amount), COUNT(amount) FROM orders"
        " WHERE amount BETWEEN 100 AND 300"
    )
    count, total = moments(step)
    assert isinstance(total, Total)
    value = total.value
    assert (value.low, value.high, value.centre) == (10_000, 30_000, 20_000)
    assert value.reach == 10_000
    average, added, counted = (column.estimator for column in step.columns)
    assert average == RatioEstimator(total, Present(value))
    assert added == LinearEstimator(
        ((Fraction(1, 100), total), (Fraction(200), count)), integer=False
    )
    assert counted == LinearEstimator(((Fraction(1), count),), integer=True)


def test_a_sum_alone_is_not_centred(compile_step: Compile) -> None:
    (total,) = moments(
        compile_step("SELECT SUM(amount) FROM orders WHERE amount BETWEEN 1 AND 3")
    )
    assert isinstance(total, Total)
    assert (total.value.low, total.value.high, total.value.centre) == (100, 300, 0)


def test_an_average_is_scaled_by_one_factor(compile_step: Compile) -> None:
    step = compile_step("SELECT status, AVG(amount), COUNT(*) FROM orders GROUP BY 1")
    count, total, rows = step.moments
    assert count.bundle == total.bundle != rows.bundle


@pytest.mark.parametrize(
    ("argument", "type_"),
    [
        ("order_id % 7", SqlType.INTEGER),
        ("express", SqlType.INTEGER),
        ("CASE WHEN express THEN 1 END", SqlType.INTEGER),
        ("amount", SqlType.DOUBLE),
        ("amount / 7", SqlType.DOUBLE),
    ],
)
def test_sums_of_whole_numbers_are_whole(
    compile_step: Compile, argument: str, type_: SqlType
) -> None:
    step = compile_step(f"SELECT SUM({argument}), AVG({argument}) FROM orders")
    assert [column.type for column in step.columns] == [type_, SqlType.DOUBLE]


# --- the grid ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "table", "grid"),
    [
        ("amount", "orders", Fraction(1, 100)),  # the policy's
        ("birth_year", "customers", Fraction(1)),
        ("amount * 0.5", "orders", Fraction(1, 1000)),  # its own digits
        ("amount + 1", "orders", Fraction(1, 100)),
        ("income", "customers", Fraction(1, 1000)),  # 10^8 steps
        ("reading", "sensors", Fraction(1, 10**8)),
        ("income * 1000000000000", "customers", Fraction(10**5)),  # merged
    ],
)
def test_grids(
    compile_step: Compile, argument: str, table: str, grid: Fraction
) -> None:
    (total,) = moments(compile_step(f"SELECT SUM({argument}) FROM {table}"))
    assert isinstance(total, Total)
    assert total.value.grid == grid
    assert total.value.reach <= STEPS_LIMIT
    if argument in {"income", "reading"}:
        assert total.value.reach >= STEPS_WANTED


def test_bounds_are_rounded_outward(compile_step: Compile) -> None:
    where = "birth_year BETWEEN 1950.5 AND 1960.5"
    sql = f"SELECT SUM(birth_year) FROM customers WHERE {where}"
    (total,) = moments(compile_step(sql))
    assert isinstance(total, Total)
    assert (total.value.low, total.value.high) == (1950, 1961)


@pytest.mark.parametrize(
    "item",
    [
        "SUM(order_id)",
        "AVG(amount * order_id)",
        "SUM(CAST(note AS DOUBLE))",
        "SUM(LENGTH(note))",
        "AVG(amount / order_id)",
        "SUM(CASE WHEN express THEN order_id ELSE 0 END)",
        "SUM(COALESCE(order_id, 0))",
    ],
)
def test_sums_without_bounds_are_refused(compile_step: Compile, item: str) -> None:
    with pytest.raises(QueryRefused) as refusal:
        compile_step(f"SELECT\n  {item}\nFROM orders")
    assert refusal.value.code == "DPQ120"
    assert refusal.value.position == (2, 3)


def test_a_count_of_a_value_needs_no_bounds(compile_step: Compile) -> None:
    assert kinds(compile_step("SELECT COUNT(order_id) FROM orders")) == [Present]
    assert Decimal(1) == 1
