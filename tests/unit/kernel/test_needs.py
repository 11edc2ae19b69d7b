"""How far a statistic is from a target, read off its interval."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist

import pytest

from dpquery.kernel.needs import (
    BENT,
    CLAMPED,
    FAR,
    OPEN,
    REDRAWN,
    SHORT,
    UNTOLD,
    Target,
    need_of,
)
from dpquery.noise.calibration import Additive, Law
from dpquery.noise.intervals import Linear, Ratio, Reading
from dpquery.noise.sampled import Sampled, sampled

AMOUNT, PART = Target(1.0, relative=False), Target(0.05, relative=True)
NORMAL = [NormalDist().inv_cdf(at / 1000) for at in range(1, 1000)]
Z = 1.96


def around(middle: float, deviation: float) -> Sampled:
    """Return the bar of something with normal noise."""
    found = sampled([middle + deviation * z for z in NORMAL])
    assert found is not None
    return found


def nearer(times: float) -> float:
    """Return how much of a way is gone at once: all of a short one."""
    return times if times <= FAR else max(FAR, SHORT * times)


@pytest.mark.parametrize("deviation", [0.1, 0.5, 0.6, 3.0])
def test_a_straight_statistic_needs_what_its_interval_says(deviation: float) -> None:
    need = need_of(around(10, deviation), AMOUNT, 10.0)
    half = Z * deviation
    assert need.error == pytest.approx(half, rel=0.01)
    assert need.reached is (half < 1)
    assert need.next == pytest.approx(nearer(half * REDRAWN), rel=0.01)
    assert need.least == pytest.approx(half / REDRAWN, rel=0.01)


def test_in_per_cent_a_wide_interval_may_be_of_a_larger_value() -> None:
    narrow = need_of(around(100, 10), PART, 100.0)
    times = 1.05 * 0.196 / 0.05 * REDRAWN
    assert narrow.next == pytest.approx(nearer(times), rel=0.01)
    wide = need_of(around(100, 40), PART, 100.0)
    largest = 100 + 78.4
    assert wide.next == wide.least
    assert wide.least == pytest.approx(1.05 * 78.4 / largest / 0.05 / REDRAWN, rel=0.01)
    exact = need_of(around(100, 2), PART, 100.0)
    assert exact.reached
    assert exact.error == pytest.approx(3.92 / 96.08, rel=0.01)


def test_the_value_is_the_one_that_is_shown() -> None:
    assert not need_of(around(10, 0.4), AMOUNT, 10.5).reached  # 0.5 beside the middle
    assert need_of(around(10, 0.4), AMOUNT, 10.1).reached


@pytest.mark.parametrize(
    ("name", "replicates", "step"),
    [
        ("crooked", [math.exp(z) for z in NORMAL], BENT),
        ("with heavy tails", [z / (1 + 0.25 * abs(z)) ** -3 for z in NORMAL], BENT),
        ("at times NULL", [None if z < -1.6 else z for z in NORMAL], OPEN),
        ("nearly straight", [1 / (1 + 0.05 * z) for z in NORMAL], None),
        ("straight", NORMAL, None),
    ],
)
def test_what_is_not_in_proportion_to_its_noise_goes_step_by_step(
    name: str, replicates: list[float | None], step: float | None
) -> None:
    found = sampled(replicates)
    assert found is not None
    for target in (replace(AMOUNT, amount=0.01), replace(PART, amount=0.04)):
        need = need_of(found, target, found.middle)
        assert not need.reached
        if step is None:
            assert need.next > OPEN, name
        else:
            assert need.next == need.least == step, name


def test_bounds_that_cut_an_interval_off_say_little() -> None:
    cut = replace(around(0.9, 0.2), most=1.0)
    need = need_of(cut, replace(AMOUNT, amount=0.1), 0.9)
    assert need.next == BENT
    assert need_of(cut, replace(AMOUNT, amount=0.5), 0.9).reached


def test_null_may_be_a_number_with_less_noise() -> None:
    need = need_of(None, AMOUNT, None)
    assert (need.known, need.next, need.reached) == (True, CLAMPED, False)


def test_a_number_without_an_interval_will_have_none() -> None:
    need = need_of(None, AMOUNT, 7.0)
    assert (need.known, need.reached, need.least) == (False, False, math.inf)


def test_a_computed_number_may_have_one_with_less_noise() -> None:
    need = need_of(None, AMOUNT, 7.0, computed=True)
    assert (need.known, need.reached) == (False, False)
    assert (need.least, need.next) == (UNTOLD, CLAMPED)


def mean(total: int, rows: int) -> Ratio:
    """Return a mean of values within ±60, with noise of 600 and of 10."""
    sums = Additive(Law.GAUSSIAN, sensitivity=60, scale=600.0)
    counts = Additive(Law.GAUSSIAN, sensitivity=1, scale=10.0)
    above, below = Reading(total, sums), Reading(rows, counts)
    return Ratio(Linear(((1.0, above),)), Linear(((1.0, below),)), 0.0, -60.0, 60.0)


def test_a_mean_of_nothing_is_given_up_early() -> None:
    """If it was of as many rows as noise may hide, it still would need so much."""
    null = need_of(mean(0, 0), Target(2.0, relative=False))
    assert null.least == pytest.approx(600 / 10 / 2, rel=0.03)
    assert null.next == CLAMPED
    assert math.isinf(null.error)
    few = need_of(mean(200, 12), Target(2.0, relative=False), 16.7)
    rows = 12 + Z * 10
    assert few.least == pytest.approx(Z * 600 / (2 * rows), rel=0.03)
    assert few.next <= CLAMPED
    surely_none = need_of(mean(0, -40), Target(2.0, relative=False))
    assert math.isinf(surely_none.least)


def test_in_per_cent_a_mean_of_nothing_may_be_as_large_as_its_bounds() -> None:
    null = need_of(mean(0, 0), PART)
    assert null.least == pytest.approx(600 / 10 / (0.05 * 60), rel=0.03)
