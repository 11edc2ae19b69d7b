from __future__ import annotations

import json
import math
from statistics import NormalDist
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpquery.noise.calibration import Additive, Law
from dpquery.noise.intervals import (
    Linear,
    Ratio,
    Reading,
    from_json,
    half_width,
    interval,
    point,
    to_json,
)
from dpquery.results import Interval

Z = NormalDist().inv_cdf(0.975)


def reading(value: int, scale: float, law: Law = Law.GAUSSIAN) -> Reading:
    return Reading(value, Additive(law, 1, scale))


def ratio(
    total: Reading, count: Reading, *, low: float = -1e9, high: float = 1e9
) -> Ratio:
    above, below = Linear(((0.5, total),)), Linear(((1.0, count),))
    return Ratio(above, below, centre=10.0, low=low, high=high)


def fieller(  # theory.md C
    S: float,  # noqa: N803
    n: float,
    sS: float,  # noqa: N803
    sn: float,
    z: float,
    lo: float,
    hi: float,
) -> tuple[float, float, bool]:
    A, C = n * n - z * z * sn * sn, S * S - z * z * sS * sS  # noqa: N806
    if A <= 0:
        return (lo, hi, False)
    r = math.sqrt(max(S * S * n * n - A * C, 0.0))
    return (max(lo, (S * n - r) / A), min(hi, (S * n + r) / A), True)


def test_a_linear_estimate_is_its_sum() -> None:
    estimate = Linear(((2.0, reading(10, 1.0)), (-0.5, reading(3, 1.0))))
    assert point(estimate) == 18.5
    assert point(Linear(())) == 0.0


def test_a_linear_interval_is_centred_and_scaled() -> None:
    noise = Additive(Law.GAUSSIAN, 3, 1e6)
    low, high = interval(Linear(((-0.25, Reading(4_000_000, noise)),)), 0.95)
    assert (low + high) / 2 == -1e6
    assert (high - low) / 2 == pytest.approx(0.25 * Z * 1e6, abs=1)
    assert half_width(noise, -0.25, 0.95) == (high - low) / 2


def test_wider_confidence_is_wider() -> None:
    noise = Additive(Law.LAPLACE, 1, 8.0)
    widths = [half_width(noise, 1.0, each) for each in (0.5, 0.9, 0.95, 0.999999)]
    assert widths == sorted(set(widths))


def test_a_coefficient_of_zero_adds_no_noise() -> None:
    alone = Linear(((1.0, reading(5, 9.0)),))
    padded = Linear(((1.0, reading(5, 9.0)), (0.0, reading(100, 1e9))))
    assert interval(padded, 0.95) == interval(alone, 0.95)


def test_an_exact_answer_has_an_interval_of_nothing() -> None:
    exact = Linear(((0.01, reading(4200, 1e-4)),))
    assert interval(exact, 0.95) == Interval(42.0, 42.0)
    average = ratio(reading(100, 1e-4), reading(25, 1e-4))
    assert interval(average, 0.95) == Interval(12.0, 12.0)


@pytest.mark.parametrize("total", [-5_000_000, 0, 123_456, 80_000_000])
@pytest.mark.parametrize("count", [40_000, 250_000, 9_000_000])
def test_fieller_as_in_the_theory(total: int, count: int) -> None:
    got = interval(ratio(reading(total, 3e5), reading(count, 1e4)), 0.95)
    low, high, bounded = fieller(
        0.5 * total, count, 0.5 * 3e5, 1e4, Z, -math.inf, math.inf
    )
    assert bounded
    assert got.low - 10 == pytest.approx(low, rel=1e-3, abs=1e-4)
    assert got.high - 10 == pytest.approx(high, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("count", [19, 0, -50])
@pytest.mark.parametrize("law", Law)
def test_too_small_a_group_gets_all_that_is_possible(count: int, law: Law) -> None:
    estimate = ratio(reading(7, 10.0, law), reading(count, 10.0, law), low=3, high=18)
    assert interval(estimate, 0.95) == Interval(3, 18)


def test_a_ratio_is_clamped_with_its_interval() -> None:
    estimate = ratio(reading(10**6, 10.0), reading(1000, 10.0), low=0, high=20)
    assert point(estimate) == 20
    assert interval(estimate, 0.95) == Interval(20, 20)
    wide = ratio(reading(15_000, 4000.0), reading(1000, 10.0), low=0, high=20)
    assert point(wide) == 17.5
    low, high = interval(wide, 0.95)
    assert 10 < low < 17.5
    assert high == 20


@pytest.mark.parametrize("count", [0, -3])
def test_a_ratio_to_nothing_is_no_number(count: int) -> None:
    assert point(ratio(reading(5, 2.0), reading(count, 2.0))) is None


def test_a_laplace_ratio_takes_all_corners_of_its_box() -> None:
    estimate = ratio(reading(4000, 30.0, Law.LAPLACE), reading(500, 20.0, Law.LAPLACE))
    a = 0.5 * half_width(Additive(Law.LAPLACE, 1, 30.0), 1.0, 0.975)
    b = half_width(Additive(Law.LAPLACE, 1, 20.0), 1.0, 0.975)
    low, high = interval(estimate, 0.95)
    assert low == pytest.approx(10 + (2000 - a) / (500 + b))
    assert high == pytest.approx(10 + (2000 + a) / (500 - b))
    negative = ratio(reading(-4000, 30.0, Law.LAPLACE), reading(500, 20.0, Law.LAPLACE))
    mirrored = interval(negative, 0.95)
    assert (mirrored.low - 10, mirrored.high - 10) == pytest.approx(
        (10 - high, 10 - low)
    )


scales = st.floats(0.01, 1e12)
readings = st.builds(
    Reading,
    st.integers(-(2**63), 2**63 - 1),
    st.builds(Additive, st.sampled_from(Law), st.integers(1, 2**62), scales),
)
coefficients = st.floats(1e-15, 1e9) | st.floats(-1e9, -1e-15) | st.just(0.0)
linears = st.builds(
    Linear,
    st.lists(st.tuples(coefficients, readings), max_size=3).map(tuple),
)
bounds = st.tuples(st.floats(allow_nan=False), st.floats(allow_nan=False)).map(sorted)
ratios = st.builds(
    lambda above, below, centre, ends: Ratio(above, below, centre, *ends),
    linears,
    linears,
    st.floats(-1e9, 1e9),
    bounds,
)


@given(linears | ratios)
def test_json_keeps_every_bit(estimate: Linear | Ratio) -> None:
    text = json.dumps(to_json(estimate), allow_nan=False)
    back = from_json(json.loads(text))
    assert back == estimate
    assert repr(back) == repr(estimate)


@given(linears | ratios, st.floats(0.01, 0.999))
def test_the_estimate_is_inside_its_interval(
    estimate: Linear | Ratio, confidence: float
) -> None:
    middle = point(estimate)
    low, high = interval(estimate, confidence)
    assert low <= high
    if isinstance(estimate, Ratio):
        assert estimate.low <= low
        assert high <= estimate.high
    if middle is not None:
        slack = 1e-9 * max(abs(low), abs(high), 1) if math.isfinite(high - low) else 0
        assert low - slack <= middle <= high + slack


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {"linear": None},
        {"linear": [], "more": 1},
        {"linear": [["1.0", 2, "gaussian", 1]]},
        {"linear": [[1.0, 2, "gaussian", 1, "3.0"]]},
        {"linear": [["1.0", 2.5, "gaussian", 1, "3.0"]]},
        {"linear": [["1.0", 2, "cauchy", 1, "3.0"]]},
        {"linear": [["1.0", 2, "gaussian", 0, "3.0"]]},
        {"linear": [["1.0", 2, "gaussian", 1, "-3.0"]]},
        {"linear": [["nan", 2, "gaussian", 1, "3.0"]]},
        {"numerator": [], "denominator": [], "centre": "0", "low": "0"},
        {"numerator": [], "denominator": [], "centre": "0", "low": "1", "high": "0"},
    ],
)
def test_other_json_is_refused(data: Any) -> None:  # noqa: ANN401
    with pytest.raises(ValueError, match=r".+"):
        from_json(data)


@pytest.mark.parametrize("confidence", [0.0, 1.0, -1, math.nan])
def test_confidence_is_between_0_and_1(confidence: float) -> None:
    with pytest.raises(ValueError, match="confidence"):
        interval(Linear(()), confidence)
    with pytest.raises(ValueError, match="confidence"):
        half_width(Additive(Law.GAUSSIAN, 1, 1.0), 1.0, confidence)
