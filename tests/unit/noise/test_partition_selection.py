from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from dpquery.noise.calibration import Additive, Law
from dpquery.noise.partition_selection import exact_delta, tail, threshold

if TYPE_CHECKING:
    from collections.abc import Callable
    from fractions import Fraction

    Tail = Callable[[Law, float, int], Fraction]


def gaussian(scale: float) -> Additive:
    return Additive(Law.GAUSSIAN, 1, scale)


def weights_of(unit: int, kept: int, most: int) -> list[tuple[int, int]]:
    """min(1, sqrt(kept / g)) of *unit* in each of g groups (theory.md 2.5)."""
    return [
        (g, unit if g <= kept else math.isqrt(unit * unit * kept // g))
        for g in range(1, most + 1)
    ]


def true_delta(
    exact_tail: Tail, noise: Additive, lowest: int, weights: list[tuple[int, int]]
) -> Fraction:
    """The worst chance, over group counts, that one unit shows any of its groups."""
    chances = []
    for groups, weight in weights:
        if lowest - weight < 1:
            return exact_tail(noise.law, noise.scale, 1) * 0 + 1
        each = exact_tail(noise.law, noise.scale, lowest - weight)
        chances.append(1 - (1 - each) ** groups)
    return max(chances)


@pytest.mark.parametrize(
    ("groups", "scale", "expected"), [(1, 10.0, 58), (4, 20.0, 119)]
)
def test_the_numbers_in_the_theory(groups: int, scale: float, expected: int) -> None:
    weights = [(g, 1) for g in range(1, groups + 1)]
    assert threshold(gaussian(scale), delta=1e-8, weights=weights) == expected


@pytest.mark.parametrize("law", Law)
@pytest.mark.parametrize("scale", [0.4, 1.0, 3.3, 12.0, 35.0])
@pytest.mark.parametrize("delta", [0.05, 1e-6, 1e-10])
@pytest.mark.parametrize(("unit", "kept", "most"), [(1, 1, 1), (1, 5, 5), (10, 2, 12)])
def test_thresholds_are_the_smallest_by_exact_summation(
    exact_tail: Tail,
    law: Law,
    scale: float,
    delta: float,
    unit: int,
    kept: int,
    most: int,
) -> None:
    noise, weights = Additive(law, 1, scale), weights_of(unit, kept, most)
    lowest = threshold(noise, delta=delta, weights=weights)
    assert true_delta(exact_tail, noise, lowest, weights) <= delta
    assert true_delta(exact_tail, noise, lowest - 1, weights) > delta


def test_release_is_at_the_threshold_not_above_it(exact_tail: Tail) -> None:
    # a lone unit counts 1: shown when 1 + Z >= T, that is from T - 1 on. OpenDP 0.16
    # accounts from T on (opendp#2922): its delta here would be 2.7 times too small
    noise = Additive(Law.LAPLACE, 1, 1.0)
    claimed = exact_delta(noise, 3, groups=1, weight=1)
    assert claimed == pytest.approx(float(exact_tail(Law.LAPLACE, 1.0, 2)), rel=1e-9)
    assert claimed == pytest.approx(0.0989, abs=1e-4)


def test_more_groups_are_never_cheaper() -> None:
    found = [
        threshold(gaussian(9.0), delta=1e-9, weights=[(g, 1)]) for g in (1, 2, 8, 64)
    ]
    assert found == sorted(set(found))


def test_the_worst_number_of_groups_decides() -> None:
    # few heavy groups or many light ones: neither end alone is safe
    weights = weights_of(1000, 2, 64)
    for scale in (1.0, 3000.0):
        together = threshold(gaussian(scale), delta=1e-9, weights=weights)
        alone = [threshold(gaussian(scale), delta=1e-9, weights=[w]) for w in weights]
        assert together == max(alone)
        shuffled = weights[1::2] + weights[::2]
        assert together == threshold(gaussian(scale), delta=1e-9, weights=shuffled)


def test_wide_noise_and_many_groups() -> None:
    noise = gaussian(1e5)
    lowest = threshold(noise, delta=1e-10, weights=weights_of(10**4, 8, 256))
    assert all(
        exact_delta(noise, lowest, g, w) <= 1e-10 for g, w in weights_of(10**4, 8, 256)
    )
    assert 6e5 < lowest < 8e5


def test_without_room_for_noise_the_chance_is_one() -> None:
    assert exact_delta(gaussian(1.0), 5, groups=2, weight=5) == 1.0


def test_the_tail_is_offered_here_too() -> None:
    assert tail(Law.LAPLACE, 1.0, 1) == pytest.approx(0.2689, abs=1e-4)


@pytest.mark.parametrize("delta", [0.0, 1.0, -1e-9, math.nan])
def test_delta_is_a_probability(delta: float) -> None:
    with pytest.raises(ValueError, match="delta"):
        threshold(gaussian(1.0), delta=delta, weights=[(1, 1)])


@pytest.mark.parametrize("weights", [[], [(0, 1)], [(1, -1)]])
def test_weights_are_groups_and_what_they_get(weights: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="weights"):
        threshold(gaussian(1.0), delta=1e-9, weights=weights)
