"""Values on the grid: bounds of the query, of a group, and how many digits are kept."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import pytest

from dpquery.errors import QueryRefused
from dpquery.plan.aggregates import Clamp
from dpquery.plan.analysis.summed import MOST, USUAL, digits_of
from dpquery.plan.rewrite.clamp_inputs import (
    DAY,
    SECOND,
    SQUARED_LIMIT,
    STEPS_LIMIT,
    grid_value,
    group_value,
    inputs_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpquery.plan.expressions import Expression
    from dpquery.plan.relations import Relation

    Expr = Callable[[str], Expression]
    Rel = Callable[[str], Relation]


def clamp(low: float, high: float, *, per_group: bool = False) -> Clamp:
    return Clamp(Fraction(low), Fraction(high), per_group)


@pytest.mark.parametrize(
    ("argument", "bounds", "low", "high"),
    [
        ("amount", None, -100_000, 100_000),
        ("amount", (0, 5), 0, 500),
        ("amount", (-9999, 9999), -100_000, 100_000),  # never wider than the policy's
        ("order_id", (0, 5), 0, 5),  # the only bounds there are
        ("amount", (2000, 3000), 100_000, 200_000),  # apart: what lies between them
    ],
)
def test_bounds_of_a_row(
    expression: Expr,
    relation: Rel,
    argument: str,
    bounds: tuple[int, int] | None,
    low: int,
    high: int,
) -> None:
    value = grid_value(
        expression(argument),
        inputs_of(relation("orders")),
        None,
        None if bounds is None else clamp(*bounds),
        centred=False,
    )
    assert (value.low, value.high, value.centre) == (low, high, 0)


def test_bounds_of_a_group_leave_rows_alone(expression: Expr, relation: Rel) -> None:
    inputs = inputs_of(relation("orders"))
    of_group = clamp(-3, 900.5, per_group=True)
    value, bounds = group_value(expression("order_id * 2"), inputs, of_group)
    assert bounds == (-3, 901)  # rounded outward, onto the grid
    assert value.low == -value.high
    assert value.high >= 16 * 901
    with pytest.raises(QueryRefused) as refusal:
        grid_value(expression("order_id"), inputs, None, of_group, centred=False)
    assert refusal.value.code == "DPQ120"


@pytest.mark.parametrize(
    ("argument", "grid"),
    [("placed_on", DAY), ("paid_at", SECOND), ("amount", Fraction(1, 100))],
)
def test_grids_of_times_and_money(
    expression: Expr, relation: Rel, argument: str, grid: Fraction
) -> None:
    inputs = inputs_of(relation("orders"))
    value = grid_value(expression(argument), inputs, None, centred=False)
    assert value.grid == grid
    assert value.high - value.low <= STEPS_LIMIT


def test_values_that_are_squared_have_fewer_steps(
    expression: Expr, relation: Rel
) -> None:
    inputs = inputs_of(relation("orders"))
    wide = expression("amount / 7")
    plain = grid_value(wide, inputs, None, centred=True)
    squared = grid_value(wide, inputs, None, centred=True, most_steps=SQUARED_LIMIT)
    assert plain.reach > SQUARED_LIMIT >= squared.reach


def test_bounds_beyond_all_use_are_refused(expression: Expr, relation: Rel) -> None:
    wide = expression("amount * 1e30")
    with pytest.raises(QueryRefused) as refusal:
        grid_value(wide, inputs_of(relation("orders")), None, centred=False)
    assert refusal.value.code == "DPQ120"


@pytest.mark.parametrize(
    ("sql", "value", "digits"),
    [
        ("orders", "amount", 2),
        ("orders", "order_id", 0),
        ("orders", "amount / 7", USUAL),
        ("orders", "amount * amount * amount * amount * amount", MOST),
        ("orders", "amount * 0.125", 5),
    ],
)
def test_digits_that_are_added_up_inside_a_unit(
    expression: Expr, relation: Rel, sql: str, value: str, digits: int
) -> None:
    assert digits_of(expression(value), relation(sql)) == digits
