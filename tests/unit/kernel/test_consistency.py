"""Projections: the nearest cells with what is asked for, and totals that stay."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpquery.kernel.consistency import (
    isotonic,
    largest_remainders,
    monotone,
    nonnegative,
)

whole = st.lists(st.integers(-50, 50), min_size=1, max_size=12)
decimal = st.lists(
    st.integers(-5000, 5000).map(lambda n: n / 100), min_size=1, max_size=12
)
quick = settings(derandomize=True, max_examples=60, deadline=None)


def squares(one: list[float], other: list[float]) -> float:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


@quick
@given(cells=whole)
def test_whole_cells_stay_whole_and_keep_their_total(cells: list[int]) -> None:
    found = nonnegative(cells)
    assert all(type(cell) is int and cell >= 0 for cell in found)
    assert sum(found) == max(0, sum(cells))
    if min(cells) >= 0:
        assert found == cells


@quick
@given(cells=decimal, total=st.none() | st.integers(0, 99), seed=st.integers(0, 99))
def test_no_other_cells_are_nearer(
    cells: list[float], total: int | None, seed: int
) -> None:
    found = nonnegative(cells, total)
    wanted = max(0.0, sum(cells)) if total is None else total
    assert sum(found) == pytest.approx(wanted, abs=1e-9)
    assert min(found) >= 0
    chance = random.Random(seed)  # noqa: S311 -- other points of the simplex
    for _ in range(20):
        weights = [chance.random() ** 4 for _ in cells]
        other = [wanted * weight / sum(weights) for weight in weights]
        for share in (1.0, 0.01):
            mixed = [
                (1 - share) * a + share * b for a, b in zip(found, other, strict=True)
            ]
            assert squares(cells, found) <= squares(cells, mixed) + 1e-9


@quick
@given(cells=whole)
def test_running_totals_never_fall(cells: list[int]) -> None:
    found = monotone(cells)
    assert all(type(cell) is int and cell >= 0 for cell in found)
    if min(cells) >= 0:
        assert found == cells
    floats = monotone([float(cell) for cell in cells])
    expected = [max(0.0, float(e)) for e in brute(list(accumulate(cells)))]
    assert list(accumulate(floats)) == pytest.approx(expected, abs=1e-9)


def brute(values: list[int]) -> list[Fraction]:
    """Return the isotonic regression by its min-max formula."""
    n = len(values)
    mean = {
        (a, b): Fraction(sum(values[a : b + 1]), b + 1 - a)
        for a in range(n)
        for b in range(a, n)
    }
    return [
        max(min(mean[a, b] for b in range(at, n)) for a in range(at + 1))
        for at in range(n)
    ]


@quick
@given(cells=whole)
def test_isotonic_regression(cells: list[int]) -> None:
    found = isotonic([Fraction(cell) for cell in cells])
    assert found == brute(cells)
    assert all(a <= b for a, b in pairwise(found))


@quick
@given(cells=decimal, more=st.integers(-30, 30))
def test_largest_remainders(cells: list[float], more: int) -> None:
    exact = [Fraction(cell) for cell in cells]
    total = round(sum(exact)) + more
    found = largest_remainders(exact, total)
    assert sum(found) == total
    if not more:
        assert all(abs(a - b) < 1 + 1e-9 for a, b in zip(found, exact, strict=True))


def test_what_it_gains_on_sparse_tables() -> None:
    """Of 1,000 cells 900 are empty: nearer cells, the same total (theory.md 4.5)."""
    chance = random.Random(3)  # noqa: S311 -- noise of a test
    truth = [0] * 900 + [500] * 100
    noisy = [cell + round(chance.gauss(0, 20)) for cell in truth]
    found = nonnegative(noisy)
    assert sum(found) == sum(noisy)
    assert squares(truth, noisy) / squares(truth, found) > 1.8**2
    clamped = sum(max(0, cell) for cell in noisy)
    assert clamped - sum(truth) > 6000
