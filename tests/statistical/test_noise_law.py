"""
The drawn noise has the law that is charged, and intervals cover what they say.

OpenDP takes no seed, so every test here states its false alarm (at most 1e-9) and,
where it compares a law, the power with which it would see a wrong one.
"""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import pytest

from dpquery.accounting.loss import Definition, Loss
from dpquery.noise.additive import measure
from dpquery.noise.calibration import Additive, Law
from dpquery.noise.intervals import Linear, Ratio, Reading, interval

from .alarms import FALSE_ALARM, chi_square_limit, outside, power, statistic

DRAWS = 100_000
REPEATS = 20_000
PLENTY = {
    Law.GAUSSIAN: Loss(Definition.ZCDP, 10**15),
    Law.LAPLACE: Loss(Definition.PURE, 10**15),
}


def draw(law: Law, scale: float, many: int) -> list[int]:
    return measure(Additive(law, 1, scale), [0] * many, PLENTY[law])


def pmf(law: Law, scale: float) -> dict[int, float]:
    """The exact law to beyond 1e-16, by its definition."""
    reached = math.ceil(scale * (9 if law is Law.GAUSSIAN else 38)) + 1
    weights = {}
    for z in range(-reached, reached + 1):
        ratio = abs(z) / scale
        weights[z] = math.exp(-ratio * ratio / 2 if law is Law.GAUSSIAN else -ratio)
    total = math.fsum(weights.values())
    return {z: weight / total for z, weight in weights.items()}


def cells(law: Law, scale: float) -> list[tuple[int, int]]:
    """Neighbouring values [first, last), pooled until 20 draws are expected."""
    edges, expected = [], 0.0
    chances = pmf(law, scale)
    for z, chance in chances.items():
        expected += DRAWS * chance
        if expected >= 20:
            edges.append(z + 1)
            expected = 0.0
    edges[-1] = max(chances) + 1  # the last, unfinished cell joins its neighbour
    return list(pairwise([min(chances), *edges]))


def pooled(chances: dict[int, float], groups: list[tuple[int, int]]) -> list[float]:
    return [math.fsum(chances.get(z, 0.0) for z in range(*cell)) for cell in groups]


@pytest.mark.parametrize("law", Law)
@pytest.mark.parametrize("scale", [0.7, 10.0])
def test_draws_follow_the_exact_law(law: Law, scale: float) -> None:
    groups = cells(law, scale)
    chances = pooled(pmf(law, scale), groups)
    wrong = pooled(pmf(law, 0.95 * scale), groups)
    assert power(chances, wrong, DRAWS) > 0.99  # 5 % too little noise is seen
    counts = Counter(draw(law, scale, DRAWS))
    seen = [sum(counts[z] for z in range(*cell)) for cell in groups]
    assert statistic(seen, chances, DRAWS) <= chi_square_limit(len(groups) - 1)


@pytest.mark.parametrize("law", Law)
def test_one_vector_has_independent_elements(law: Law) -> None:
    # the lag-1 correlation of n independent pairs is normal with deviation 1/sqrt(n);
    # 6.2 deviations have chance 6e-10, and a shared draw has correlation 1
    drawn = draw(law, 50.0, 20_001)
    squares = math.fsum(z * z for z in drawn)
    correlation = math.fsum(a * b for a, b in pairwise(drawn)) / squares
    assert abs(correlation) < 6.2 / math.sqrt(20_000)


BAND = (0.9403, 0.9592)  # theory.md 6.2, for a coverage of 95 % in 20,000


def test_the_band_has_its_false_alarm() -> None:
    hits = [share * REPEATS for share in BAND]
    assert outside(*hits, 0.95, REPEATS) <= FALSE_ALARM
    assert outside(*hits, 0.935, REPEATS) > 0.99  # what it would see
    assert outside(*hits, 0.965, REPEATS) > 0.99


@pytest.mark.parametrize("law", Law)
def test_linear_intervals_cover(law: Law) -> None:
    noise = Additive(law, 1, 20_000.0)
    covered = 0
    for z in draw(law, noise.scale, REPEATS):
        low, high = interval(Linear(((0.25, Reading(700 + z, noise)),)), 0.95)
        covered += low <= 0.25 * 700 <= high
    assert BAND[0] <= covered / REPEATS <= BAND[1]


@pytest.mark.parametrize("count", [30_000, 200_000, 2_000_000])
def test_averages_cover(count: int) -> None:
    # at 30,000 with deviation 10,000 many of the intervals are unbounded
    total = 7 * count
    noises = Additive(Law.GAUSSIAN, 1, 40_000.0), Additive(Law.GAUSSIAN, 1, 10_000.0)
    drawn = [draw(Law.GAUSSIAN, noise.scale, REPEATS) for noise in noises]
    covered = 0
    for above, below in zip(*drawn, strict=True):
        average = Ratio(
            Linear(((1.0, Reading(total + above, noises[0])),)),
            Linear(((1.0, Reading(count + below, noises[1])),)),
            centre=50.0,
            low=-1e9,
            high=1e9,
        )
        low, high = interval(average, 0.95)
        covered += low <= 57.0 <= high
    # an unbounded interval always covers, so a small group is covered more often
    ceiling = BAND[1] if count > 30_000 else 1.0
    assert BAND[0] <= covered / REPEATS <= ceiling


def test_averages_under_laplace_noise_cover_at_least() -> None:
    noise = Additive(Law.LAPLACE, 1, 100.0)
    covered = 0
    aboves, belows = (draw(Law.LAPLACE, 100.0, REPEATS) for _ in range(2))
    for above, below in zip(aboves, belows, strict=True):
        average = Ratio(
            Linear(((1.0, Reading(21_000 + above, noise)),)),
            Linear(((1.0, Reading(3000 + below, noise)),)),
            centre=0.0,
            low=-100.0,
            high=100.0,
        )
        low, high = interval(average, 0.95)
        covered += low <= 7.0 <= high
    assert covered / REPEATS >= BAND[0]
