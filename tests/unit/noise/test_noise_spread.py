from __future__ import annotations

import math
from functools import cache

import pytest

from dpquery.noise.calibration import Additive, Law
from dpquery.noise.spread import spread
from dpquery.noise.tails import reach

GAUSSIAN, LAPLACE = Law.GAUSSIAN, Law.LAPLACE


def pmf(noise: Additive) -> dict[int, float]:
    """The exact law, as far as anything above 1e-14 of it reaches."""
    scale, reached = noise.scale, 1
    while weight(noise.law, scale, reached) > 1e-14:
        reached += 1
    weights = {z: weight(noise.law, scale, z) for z in range(-reached, reached + 1)}
    total = math.fsum(weights.values())
    return {z: each / total for z, each in weights.items()}


def weight(law: Law, scale: float, z: int) -> float:
    ratio = abs(z) / scale
    return math.exp(-ratio * ratio / 2 if law is GAUSSIAN else -ratio)


@cache
def law_of(noises: tuple[tuple[float, Additive], ...]) -> dict[float, float]:
    """The law of the sum of size * Z, by convolution term by term."""
    law = {0.0: 1.0}
    for size, noise in noises:
        wider: dict[float, float] = {}
        for z, chance in pmf(noise).items():
            for at, mass in law.items():
                to = round(at + size * z, 9)
                wider[to] = wider.get(to, 0.0) + mass * chance
        law = wider
    return law


def coverage(noises: tuple[tuple[float, Additive], ...], half: float) -> float:
    """P[|sum of size * Z| <= half]."""
    law = law_of(noises)
    return math.fsum(mass for at, mass in law.items() if abs(at) <= half + 1e-9)


def noises(law: Law, *pairs: tuple[float, float]) -> tuple[tuple[float, Additive], ...]:
    return tuple((size, Additive(law, 1, scale)) for size, scale in pairs)


@pytest.mark.parametrize("law", Law)
@pytest.mark.parametrize("scale", [0.05, 0.3, 0.7, 1.0, 4.2, 30.0])
@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.999])
def test_one_noise_has_its_exact_quantile(
    law: Law, scale: float, confidence: float
) -> None:
    one = noises(law, (2.5, scale))
    half = spread(one, 1 - confidence)
    assert half / 2.5 == round(half / 2.5)
    assert coverage(one, half) >= confidence - 1e-12
    assert half == 0 or coverage(one, half - 2.5) < confidence


@pytest.mark.parametrize("scale", [100.0, 1e5, 1e12])
def test_wide_gaussian_noise_has_the_normal_quantile(scale: float) -> None:
    half = spread(noises(GAUSSIAN, (1.0, scale)), 0.05)
    assert 1.959963 * scale - 1 < half < 1.959965 * scale + 1


SUMS = [
    [(1.0, 14.0), (1.0, 14.0)],
    [(1.0, 20.0), (0.5, 7.0)],
    [(0.01, 30.0), (3.0, 2.0)],
    [(1.0, 5.0), (1.0, 5.0), (1.0, 5.0)],
    [(1.0, 0.7), (1.0, 0.7)],
    [(1.0, 0.5), (1.0, 1.1), (1.0, 0.8)],
    [(1000.0, 0.7), (1.0, 0.7)],
    [(1.0, 0.4), (1.0, 0.4), (1.0, 0.4), (1.0, 0.4)],
    [(1.0, 1e-3), (1.0, 15.0)],
]


@pytest.mark.parametrize("pairs", SUMS, ids=str)
@pytest.mark.parametrize("miss", [0.2, 0.05, 0.001])
def test_sums_of_laplace_noises_are_covered(
    pairs: list[tuple[float, float]], miss: float
) -> None:
    several = noises(LAPLACE, *pairs)
    half = spread(several, miss)
    assert coverage(several, half) >= 1 - miss
    # no wider than the true quantile by more than the steps of its lattices
    slack = 0.02 * half + 3 * sum(size for size, _ in pairs)
    assert coverage(several, half - slack) < 1 - miss


@pytest.mark.parametrize("pairs", SUMS, ids=str)
@pytest.mark.parametrize("miss", [0.2, 0.05, 0.001])
def test_sums_of_gaussian_noises_are_covered(
    pairs: list[tuple[float, float]], miss: float
) -> None:
    several = noises(GAUSSIAN, *pairs)
    half = spread(several, miss)
    assert coverage(several, half) >= (1 - miss) * (1 - 1e-4)
    step = max(size for size, _ in pairs)
    assert coverage(several, half - 2.01 * step) < 1 - miss or half <= 2 * step


def test_two_equal_laplace_noises_by_their_closed_form() -> None:
    # P[|X| > x] = (1 + x / 2b) exp(-x / b) for two continuous Laplace(b)
    half = spread(noises(LAPLACE, (1.0, 1e6), (1.0, 1e6)), 0.05) / 1e6
    assert (1 + half / 2) * math.exp(-half) == pytest.approx(0.05, rel=0.01)
    assert (1 + half / 2) * math.exp(-half) <= 0.05


def test_a_sum_is_never_wider_than_its_parts() -> None:
    for law in Law:
        for pairs in SUMS:
            several = noises(law, *pairs)
            share = 0.05 / len(pairs)
            parts = sum(size * (reach(law, b, share / 2) - 1) for size, b in pairs)
            assert spread(several, 0.05) <= parts * (1 + 1e-12)


def test_both_laws_together_are_covered() -> None:
    both = noises(LAPLACE, (1.0, 6.0)) + noises(GAUSSIAN, (2.0, 3.0))
    assert coverage(both, spread(both, 0.05)) >= 0.95


def test_no_noise_has_no_spread() -> None:
    assert spread((), 0.05) == 0.0
