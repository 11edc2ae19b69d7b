from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpquery.noise.calibration import Law
from dpquery.noise.tails import first, reach, tail

if TYPE_CHECKING:
    from collections.abc import Callable
    from fractions import Fraction

    Tail = Callable[[Law, float, int], Fraction]


@pytest.mark.parametrize("scale", [0.2, 0.7, 1.0, 2.99, 3.0, 7.3, 40.0, 99.9])
@pytest.mark.parametrize("deviations", [0.1, 1.1, 2.0, 5.6, 7.5])
def test_a_gaussian_tail_is_rounded_up_and_tight(
    exact_tail: Tail, scale: float, deviations: float
) -> None:
    t = max(1, round(scale * deviations))
    exact = exact_tail(Law.GAUSSIAN, scale, t)
    bound = tail(Law.GAUSSIAN, scale, t)
    assert bound >= exact
    assert bound <= exact * (1 + 1e-5 if exact < 0.15 else 1.05)


@pytest.mark.parametrize("deviations", [0.3, 1.1, 4.0, 6.5])
def test_a_wide_gaussian_tail_is_rounded_up_and_tight(
    exact_tail: Tail, deviations: float
) -> None:
    t = round(150 * deviations)
    exact = exact_tail(Law.GAUSSIAN, 150.0, t)
    bound = tail(Law.GAUSSIAN, 150.0, t)
    assert bound >= exact
    assert bound <= exact * (1 + 2e-4 if exact < 0.15 else 1.05)


@pytest.mark.parametrize("scale", [0.1, 1.0, 13.7, 60.0])
@pytest.mark.parametrize("t", [1, 2, 7, 100])
def test_a_laplace_tail_is_exact(exact_tail: Tail, scale: float, t: int) -> None:
    exact = exact_tail(Law.LAPLACE, scale, t)
    bound = tail(Law.LAPLACE, scale, t)
    assert bound >= exact
    if exact > 1e-300:
        assert bound <= exact * (1 + 1e-11)


@pytest.mark.parametrize("law", Law)
@pytest.mark.parametrize("scale", [1e-320, 1e-3, 1.0, 1e30])
def test_no_tail_is_zero_or_fails(law: Law, scale: float) -> None:
    assert 0 < tail(law, scale, 10**6) <= 1


@pytest.mark.parametrize("law", Law)
def test_tails_start_at_one(law: Law) -> None:
    with pytest.raises(ValueError, match="start at 1"):
        tail(law, 1.0, 0)


@pytest.mark.parametrize("law", Law)
@pytest.mark.parametrize("scale", [0.3, 2.0, 25.0])
@pytest.mark.parametrize("probability", [0.2, 0.025, 1e-9])
def test_reach_is_where_the_exact_tail_falls_below(
    exact_tail: Tail, law: Law, scale: float, probability: float
) -> None:
    t = reach(law, scale, probability)
    assert exact_tail(law, scale, t) <= probability
    assert t == 1 or exact_tail(law, scale, t - 1) > probability


@given(st.integers(1, 10**30))
def test_first_finds_the_boundary(boundary: int) -> None:
    assert first(lambda t: t >= boundary) == boundary
