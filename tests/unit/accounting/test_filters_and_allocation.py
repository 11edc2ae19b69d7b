"""However queries are chosen, the filter holds; shares never add up to more."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpquery.accounting.allocation import split
from dpquery.accounting.filters import admits
from dpquery.accounting.loss import Definition, Loss

PARTS = st.integers(0, 10**25)


def zcdp(amount: int, delta: int = 0) -> Loss:
    return Loss(Definition.ZCDP, amount, delta)


@given(PARTS, PARTS, st.lists(st.tuples(st.integers(0, 300), st.integers(-2, 2))))
def test_an_adaptive_asker_never_gets_past_the_limit(
    amount: int, delta: int, moves: list[tuple[int, int]]
) -> None:
    limit, spent = zcdp(amount, delta), zcdp(0)
    for percent, nudge in moves:
        left = limit.minus(spent)  # the asker sees it and aims at the edge
        asked = zcdp(
            max(0, left.amount * percent // 100 + nudge),
            max(0, left.delta * percent // 100 - nudge),
        )
        admitted = admits(limit, spent, asked)
        assert admitted == asked.within(left)
        if admitted:
            spent += asked
        assert spent.amount <= limit.amount
        assert spent.delta <= limit.delta


def test_delta_runs_out_too() -> None:
    limit = zcdp(100, 2)
    assert admits(limit, zcdp(1, 1), zcdp(1, 1))
    assert not admits(limit, zcdp(2, 2), zcdp(1, 1))
    assert admits(limit, zcdp(2, 2), zcdp(1, 0))


WEIGHTS = st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=20)


@given(st.integers(10**15, 10**30), WEIGHTS)
def test_shares_are_proportional_and_add_up_to_no_more(
    amount: int, weights: list[float]
) -> None:
    shares = split(zcdp(amount, 7), weights)
    assert amount - len(weights) < sum(share.amount for share in shares) <= amount
    for share, weight in zip(shares, weights, strict=True):
        fair = Fraction(weight) / sum(map(Fraction, weights)) * amount
        assert fair - 1 < share.amount <= fair
        assert share.delta == 0


def test_nothing_to_share() -> None:
    assert split(zcdp(5), []) == ()


@pytest.mark.parametrize(
    "weights",
    [[0.0], [1.0, -1.0], [float("nan")], [float("inf"), 1.0], [1.0, 1e-9], [1.0] * 6],
    ids=repr,
)
def test_a_share_of_nothing_is_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match=r"positive|too little"):
        split(zcdp(5), weights)
