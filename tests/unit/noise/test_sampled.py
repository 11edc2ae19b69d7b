"""Quantiles of replicates, and pairs of chosen values, as intervals."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from statistics import NormalDist

import pytest

from dpquery.noise import intervals
from dpquery.noise.intervals import interval, unbounded
from dpquery.noise.sampled import Ends, Sampled, sampled
from dpquery.results import Interval

NORMAL = [NormalDist(7, 3).inv_cdf(at / 1000) for at in range(1, 1000)]


@pytest.mark.parametrize("confidence", [0.5, 0.8, 0.95, 0.99])
def test_quantiles_are_those_of_the_replicates(confidence: float) -> None:
    found = sampled(NORMAL)
    assert found is not None
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    low, high = interval(found, confidence)
    assert (low, high) == pytest.approx((7 - 3 * z, 7 + 3 * z), abs=1e-6)


def test_ranks_are_those_of_one_more_replicate() -> None:
    """So that one more draw is outside of the interval with the chance that is said."""
    found = sampled([float(x) for x in range(1, 100)])  # 1, …, 99
    assert found is not None
    assert interval(found, 0.9) == pytest.approx((5.0, 95.0))
    assert interval(found, 0.95) == pytest.approx((2.5, 97.5))


def test_beyond_the_replicates_an_interval_is_wider_than_all_of_them() -> None:
    found = sampled(NORMAL[::10])  # 100 of them: no quantile of 0.1 %
    assert found is not None
    low, high = interval(found, 0.998)
    assert low < NORMAL[0]
    assert high > NORMAL[-10]
    wider = [interval(found, c) for c in (0.5, 0.9, 0.99, 0.999, 0.999999)]
    assert all(a.low > b.low for a, b in pairwise(wider))
    z = NormalDist().inv_cdf(1 - 1e-6 / 2)
    assert wider[-1].high >= 7 + 2.9 * z


def test_what_is_null_could_be_anything() -> None:
    found = sampled([*NORMAL[:950], *[None] * 49])
    assert found is not None
    assert interval(found, 0.95) == Interval(-math.inf, math.inf)
    assert unbounded(found)
    narrow = interval(found, 0.5)
    assert -math.inf < narrow.low < narrow.high < math.inf
    kept = sampled([*NORMAL[:950], *[None] * 49], -1.0, 20.0)
    assert kept is not None
    assert interval(kept, 0.95) == Interval(-1.0, 20.0)
    assert unbounded(kept)
    assert sampled([None] * 99) is None


def test_around_a_value_no_end_is_nearer_than_the_other() -> None:
    found = sampled([abs(x) for x in range(-20, 80)], around=1.0)
    assert found is not None
    low, high = interval(found, 0.9)
    assert low == pytest.approx(2.0 - high)
    assert low < 0  # behind the kink


def test_what_does_not_vary_says_so() -> None:
    same = sampled([2.0] * 99)
    assert same is not None
    assert not same.varies
    assert interval(same, 0.95) == Interval(2.0, 2.0)
    other = sampled([2.0] * 90 + [3.0] * 9)
    assert other is not None
    assert other.varies


def test_ends_are_for_one_confidence() -> None:
    ends = Ends(3.0, 5.0, 0.99, 0.0, 10.0)
    for confidence in (0.5, 0.95, 0.99):
        assert interval(ends, confidence) == Interval(3.0, 5.0)
    assert interval(ends, 0.995) == Interval(0.0, 10.0)
    assert not unbounded(ends)


@pytest.mark.parametrize(
    "estimate",
    [
        Ends(3.0, 5.0, 0.99, 0.0, 10.0),
        sampled(NORMAL, -1.0, 20.0),
        sampled([None, 1.0, 2.0] * 33),
    ],
)
def test_text_and_back(estimate: Sampled | Ends) -> None:
    text = json.dumps(intervals.to_json(estimate), allow_nan=False)
    assert intervals.from_json(json.loads(text)) == estimate


@pytest.mark.parametrize(
    "data",
    [
        {"ends": ["1.0", "2.0"]},
        {"ends": [1.0, 2.0, 0.0, 3.0, 0.9]},
        {"middle": "1.0", "tails": [["0.1"]], "bounds": ["0.0", "1.0"]},
        {"middle": "1.0", "tails": "none", "bounds": ["0.0", "1.0"]},
        {"middle": None, "tails": [], "bounds": ["0.0", "1.0"]},
    ],
)
def test_what_is_no_estimate_is_refused(data: object) -> None:
    with pytest.raises(ValueError, match=r"number|estimate"):
        intervals.from_json(data)
