"""Limits that are chosen from histograms of units, and what survives them."""

from __future__ import annotations

import math
import random

import pytest

from dpquery.plan.analysis.clips import (
    best_kept,
    best_limit,
    highest,
    likeliest,
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


def test_a_bin_must_be_surer_the_further_it_is_away() -> None:
    """A false bin that is an octave further doubles the noise of all later answers."""
    for octaves, count in ((1, 75.0), (4, 95.0), (12, 140.0)):
        counts = [0.0] * 20
        counts[2] = 500.0
        counts[2 + octaves] = count
        assert highest(Histogram(0, tuple(counts), 20.0)) == 2 + octaves
        counts[2 + octaves] = 0.0
        counts[19] = count if octaves < 12 else 130.0
        assert highest(Histogram(0, tuple(counts), 20.0)) == 2


def test_many_units_that_no_bin_shows_alone_are_found_together() -> None:
    counts = (10.0, 60.0, 70.0, 65.0, 55.0, -30.0, 20.0, -15.0, 60.0)
    assert highest(Histogram(0, counts, 20.0, per_octave=2)) == 2
    assert likeliest(Histogram(0, counts, 20.0, per_octave=2)) == 2


def test_limits_let_units_through_that_are_as_large_as_a_bin_goes_up_to() -> None:
    for per_octave in (1, 2):
        found = Histogram(0, (0.0, 0.0, 900.0, 0.0), 1e-9, per_octave)
        assert best_limit(found, 1e-3) == found.end(2)
        assert retained(found, found.end(2)) == 1.0


def test_a_tail_goes_on_as_it_began_and_no_further() -> None:
    """Of Pareto's sizes: numbers that noise hides one by one still make a limit."""
    counts = [800.0 * 0.5**at for at in range(12)]
    whole = limit_of(*counts)
    known = highest(Histogram(0, tuple(counts), 20.0))
    assert known == 3
    assert whole > limit_of(*counts[: known + 1], *[-1.0] * 8)
    assert whole >= limit_of(*counts[: known + 1], *[60.0] * 8)


def limit_of(*counts: float) -> float:
    found = best_limit(Histogram(0, counts, 20.0), 3.0)
    assert found is not None
    return found


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


@pytest.mark.parametrize("groups", [10, 100])
def test_means_lose_less_by_a_limit_than_sums(groups: float) -> None:
    found = histogram(skewed(20_000))
    total = best_limit(found, 20.0, groups)
    mean = best_limit(found, 20.0, groups, of_mean=True)
    rows = best_limit(found, 20.0, groups, of_mean=True, of_rows=True)
    assert total is not None
    assert mean is not None
    assert rows is not None
    assert rows < mean < total


def unions(
    values: int, alone: int, people: int, sigma: float, noise: random.Random
) -> Histogram:
    """Return unions of *values* that all have, and of *alone* that each has alone."""
    sizes = [min(values, people << j) + people * min(alone, 1 << j) for j in range(8)]
    noisy = [n + noise.gauss(0, sigma * 2**j) for j, n in enumerate(sizes)]
    return Histogram(0, tuple(noisy), sigma)


def times(kept: int) -> int:
    return kept


def test_few_values_that_many_have_need_one_of_each_unit() -> None:
    noise = random.Random(11)  # noqa: S311 -- the same in every run
    kept = [
        best_kept(unions(values, 0, 9_000, 60, noise), 20, times)
        for _ in range(500)
        for values in (9, 100, 5_000)
    ]
    assert kept.count(1) > 0.98 * len(kept)


def test_nearly_unique_values_need_as_many_as_units_have() -> None:
    noise = random.Random(12)  # noqa: S311
    for alone in (4, 32, 100):
        found = [
            best_kept(unions(0, alone, 9_000, 60, noise), 20, times) for _ in range(100)
        ]
        assert min(found) >= alone
        assert sum(kept < 2 * alone for kept in found) > 95


def test_what_costs_more_noise_than_it_saves_is_left_out() -> None:
    found = unions(0, 100, 300, 1e-6, random.Random(1))  # noqa: S311 -- 300 units, noise of 290 a value
    assert best_kept(found, 290, times) < 100
    assert best_kept(found, 290, times, 10_000) == 1
    assert best_kept(found, 290, lambda kept: min(kept, 4)) >= 64  # no more than 4
    assert best_kept(Histogram(0, (1.0, -2.0, 200.0), 20.0), 1.0, times) == 1
