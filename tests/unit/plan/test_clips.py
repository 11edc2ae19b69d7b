"""Limits that are chosen from histograms of units, and what survives them."""

from __future__ import annotations

import math
import random

import pytest

from dpquery.plan.analysis.clips import (
    best_limit,
    highest,
    mean,
    retained,
    units,
)
from dpquery.plan.profile import Histogram


def histogram(sizes: list[float], deviation: float = 1e-9, last: int = 20) -> Histogram:
    """Return the histogram of some sizes, bins 0 to *last*, with noise if there is."""
    counts = [0.0] * (last + 1)
    for size in sizes:
        counts[min(last, max(0, math.ceil(math.log2(max(size, 1)))))] += 1
    noise = random.Random(5)  # noqa: S311 -- the same in every run
    noisy = tuple(count + noise.gauss(0, deviation) for count in counts)
    return Histogram(0, noisy, deviation)


def skewed(number: int) -> list[float]:
    return [math.exp((at / number) ** 8 * 7) * 4 for at in range(number)]


def error(sizes: list[float], limit: float, noise: float) -> float:
    """Return the true error of one total that is clipped at *limit*."""
    lost = sum(max(0.0, size - limit) for size in sizes)
    return math.hypot(lost, limit * noise)


@pytest.mark.parametrize("noise", [5.0, 20.0, 80.0])
def test_the_limit_is_nearly_as_good_as_the_best_one(noise: float) -> None:
    sizes = skewed(20_000)
    found = best_limit(histogram(sizes, deviation=20.0), noise)
    assert found is not None
    best = min(error(sizes, 2 ** (at / 8), noise) for at in range(8 * 20))
    assert error(sizes, found, noise) < 1.5 * best


def test_it_aims_at_a_number_of_units_and_not_at_a_share() -> None:
    """However many there are below, about as many as the noise are above."""
    for times in (1, 100):
        sizes = [3.0] * 10_000 * times + [10_000 / n for n in range(1, 1_001)]
        found = best_limit(histogram(sizes), 20.0)
        assert found is not None
        above = sum(size > found for size in sizes)
        assert 5 <= above <= 320


def test_noise_alone_makes_no_highest_bin() -> None:
    for seed in range(200):
        noise = random.Random(seed)  # noqa: S311
        counts = tuple(noise.gauss(0, 20) for _ in range(40))
        assert highest(Histogram(-5, counts, 20.0)) is None
    counts = (0.0, 200.0, 0.0, 130.0, -60.0, 70.0)
    assert highest(Histogram(-5, counts, 20.0)) == -2
    assert best_limit(Histogram(0, (1.0, -2.0), 20.0), 1.0) is None


def test_what_survives_is_no_more_than_what_does() -> None:
    sizes = skewed(20_000)
    whole = sum(sizes)
    for limit in (4.0, 16.0, 100.0, 1_000.0, 5_000.0):
        true = sum(min(size, limit) for size in sizes) / whole
        claimed = retained(histogram(sizes, deviation=20.0), limit)
        assert claimed <= true + 0.02
        assert retained(histogram(sizes), limit) == pytest.approx(true, abs=0.12)
    assert retained(Histogram(0, (0.0, 0.0), 20.0), 1.0) == 0.0


def test_units_and_their_mean_size() -> None:
    sizes = [float(1 + at % 64) for at in range(6_400)]
    found = histogram(sizes)
    assert units(found) == pytest.approx(6_400)
    assert mean(found) == pytest.approx(32.5, rel=0.2)
    assert mean(Histogram(0, (1.0,), 20.0)) is None


def test_more_groups_make_a_smaller_limit_better() -> None:
    found = histogram(skewed(20_000))
    limits = [best_limit(found, 20.0, groups) for groups in (1, 10, 100)]
    assert limits == sorted(limits, reverse=True)
    assert limits[-1] < limits[0]
