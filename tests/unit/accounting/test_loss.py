"""Losses are exact, rounded against the asker, and closed to silly numbers."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpquery.accounting.loss import AMOUNT_UNITS, Definition, Loss

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpquery.accounting.loss import Number

AMOUNTS = st.integers(0, 10**30)
LOSSES = st.builds(Loss, st.just(Definition.ZCDP), AMOUNTS, AMOUNTS)
NUMBERS = st.one_of(st.floats(0, 1e15), st.fractions(0, 10**15), st.integers(0, 10**15))


@given(NUMBERS)
def test_costs_are_rounded_up_and_limits_down_within_a_unit(
    number: Number,
) -> None:
    exact = Fraction(number) * AMOUNT_UNITS
    cost = Loss.up(Definition.ZCDP, number, number)
    limit = Loss.down(Definition.ZCDP, number, number)
    assert exact <= cost.amount < exact + 1
    assert exact - 1 < limit.amount <= exact
    assert Fraction(number) * 10**18 <= cost.delta
    assert limit.delta <= Fraction(number) * 10**18
    assert limit.within(cost)


@given(st.lists(st.floats(0, 100), max_size=50))
def test_a_sum_of_costs_covers_the_true_sum(numbers: list[float]) -> None:
    total = sum(
        (Loss.up(Definition.PURE, number) for number in numbers),
        start=Loss.zero(Definition.PURE),
    )
    assert total.amount >= sum(map(Fraction, numbers)) * AMOUNT_UNITS


def test_ten_tenths_are_one() -> None:
    tenth = Loss.up(Definition.PURE, Decimal("0.1"))
    total = sum([tenth] * 9, start=tenth)
    assert total == Loss.up(Definition.PURE, 1)


def test_a_tiny_cost_is_never_free() -> None:
    assert Loss.up(Definition.ZCDP, 5e-324, 5e-324) == Loss(Definition.ZCDP, 1, 1)


@given(LOSSES, LOSSES, LOSSES)
def test_sums_are_exact(a: Loss, b: Loss, c: Loss) -> None:
    assert (a + b) + c == a + (b + c)
    assert a + b == b + a
    assert a + Loss.zero(Definition.ZCDP) == a
    assert (a + b).minus(b) == a
    assert a.within(a + b)


@given(LOSSES, LOSSES)
def test_what_is_left_fits_and_one_unit_more_does_not(limit: Loss, spent: Loss) -> None:
    left = limit.minus(spent)
    if spent.within(limit):
        assert (spent + left).within(limit)
        assert not (spent + left + Loss(Definition.ZCDP, 1)).within(limit)
        assert not (spent + left + Loss(Definition.ZCDP, 0, 1)).within(limit)
    assert min(left.amount, left.delta) >= 0


def test_within_looks_at_both_parts() -> None:
    limit = Loss(Definition.ZCDP, 5, 5)
    assert limit.within(limit)
    assert not Loss(Definition.ZCDP, 6, 0).within(limit)
    assert not Loss(Definition.ZCDP, 0, 6).within(limit)


@pytest.mark.parametrize(
    "number",
    [
        math.nan,
        math.inf,
        -math.inf,
        -1,
        -5e-324,
        True,
        False,
        None,
        "1",
        1j,
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("Infinity"),
        Decimal(-1),
        Decimal("1e999999999"),
        Decimal("1e-999999999"),
        Fraction(-1, 3),
    ],
    ids=repr,
)
@pytest.mark.parametrize("build", [Loss.up, Loss.down])
def test_what_is_no_amount_does_not_get_in(
    build: Callable[..., Loss], number: Number
) -> None:
    with pytest.raises(ValueError, match=r"number|negative"):
        build(Definition.ZCDP, number)
    with pytest.raises(ValueError, match=r"number|negative"):
        build(Definition.ZCDP, 1, number)


@pytest.mark.parametrize("part", [-1, True, 1.0, math.nan, None, Fraction(1)], ids=repr)
def test_parts_are_integers(part: int) -> None:
    with pytest.raises(ValueError, match="integers"):
        Loss(Definition.ZCDP, part)
    with pytest.raises(ValueError, match="integers"):
        Loss(Definition.ZCDP, 0, part)


def test_definitions_do_not_mix() -> None:
    zcdp, pure = Loss.zero(Definition.ZCDP), Loss.zero(Definition.PURE)
    for mix in (zcdp.__add__, zcdp.minus, zcdp.within):
        with pytest.raises(ValueError, match="do not mix"):
            mix(pure)
    with pytest.raises(ValueError, match="no delta"):
        Loss(Definition.PURE, 1, 1)


def test_readings() -> None:
    loss = Loss.up(Definition.ZCDP, Decimal("0.25"), Decimal("1e-10"))
    assert (loss.value, loss.delta_value, loss.rho) == (0.25, 1e-10, 0.25)
    assert Loss(Definition.PURE, 10**12).rho == pytest.approx(0.46211715726)
    assert Loss.up(Definition.PURE, 10**9).rho == 10**9
