"""
Pairs of values as are typical: how exact what is computed of them will be.

Normal values with a standard deviation of a third of half their bounds' width, with
means within as much of the middle, and correlations of ±0.3 and ±0.7: those that the
shares of their moments are made for (shares.py, ``OF_PAIR``). Nobody looks at any row.
"""

from __future__ import annotations

import itertools
import math
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from dpquery.kernel.redraw import Current, Drawn
from dpquery.kernel.spreads import pair_value
from dpquery.plan.rewrite.decompose_aggregates import moments_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dpquery.kernel.readings import Noisy
    from dpquery.plan.aggregates import Moment, PairEstimator

SPREAD = 3
"""Standard deviations from the middle of a value's bounds to their ends."""
MEANS = (-1 / 3, -1 / 6, 0.0, 1 / 6, 1 / 3)
"""Means, in halves of the bounds' width from the middle."""
CORRELATIONS = (-0.7, -0.3, 0.3, 0.7)
WORDS = "normal with σ a sixth of their bounds and correlated by 0.3 to 0.7"
"""What is assumed of values, after the number of rows."""
STEP = 1e-4
"""The step of numerical derivatives, as a part of what a group's moments may be."""


class Typical(NamedTuple):
    """What is known of a statistic of typical pairs, root mean squares of all."""

    size: float
    slopes: tuple[float, ...]
    """How far a step of each moment moves it: c_j of the delta method."""


@lru_cache(maxsize=256)
def typical(estimator: PairEstimator, rows: int) -> Typical:
    """Return a statistic's size and derivatives, over *rows* pairs as are typical."""
    every = list(itertools.product(MEANS, MEANS, CORRELATIONS))
    reaches = _reaches(estimator)
    squares, size = [0.0] * len(reaches), 0.0
    for case in every:
        moments = _moments(estimator, rows, *case)
        size += _value(estimator, moments) ** 2
        for at, reach in enumerate(reaches):
            step = STEP * rows * reach
            up, down = list(moments), list(moments)
            up[at] += step
            down[at] -= step
            apart = _value(estimator, up) - _value(estimator, down)
            squares[at] += (apart / (2 * step)) ** 2
    found = [math.sqrt(each / len(every)) for each in (size, *squares)]
    return Typical(found[0], tuple(found[1:]))


def pair_error(
    estimator: PairEstimator, rows: int, noises: Mapping[Moment, Noisy]
) -> float:
    """
    Return the standard deviation of a statistic's noise, by the delta method.

    *noises* are readings of the moments, of whatever values. Infinite where a group of
    so many rows would be NULL for the noise (``pair_value``).
    """
    slopes = typical(estimator, rows).slopes
    names = moments_of(estimator)
    values = _moments(estimator, rows, 0.0, 0.0, CORRELATIONS[2])
    deviations = [noises[each].deviation for each in names]
    if _of(estimator, values, deviations) is None:
        return math.inf
    # a moment that is there twice, as of CORR(x, x), is one measurement
    each = dict(zip(names, zip(slopes, deviations, strict=True), strict=True))
    return math.hypot(*(slope * deviation for slope, deviation in each.values()))


def _reaches(estimator: PairEstimator) -> tuple[float, ...]:
    """Return how much a row may add to each moment, in steps."""
    y, x = estimator.total_y.value.reach, estimator.total_x.value.reach
    return 1.0, float(y), float(x), float(y) ** 2, float(x) ** 2, float(y) * x


def _moments(
    estimator: PairEstimator, rows: int, mean_y: float, mean_x: float, r: float
) -> list[float]:
    """Return the moments of *rows* pairs, as they are measured, in steps."""
    y, x = estimator.total_y.value.reach, estimator.total_x.value.reach
    one, other = mean_y * y, mean_x * x
    square_y = one**2 + (y / SPREAD) ** 2 - estimator.square_y.centre
    square_x = other**2 + (x / SPREAD) ** 2 - estimator.square_x.centre
    product = one * other + r * (y / SPREAD) * (x / SPREAD)
    each = (1.0, one, other, square_y, square_x, product)
    return [rows * moment for moment in each]


def _value(estimator: PairEstimator, moments: list[float]) -> float:
    found = _of(estimator, moments, [0.0] * len(moments))
    return 0.0 if found is None else found


def _of(
    estimator: PairEstimator, moments: list[float], deviations: list[float]
) -> float | None:
    """Return the statistic of moments with noise of some deviations."""
    current = Current(
        {
            id(name): Drawn(value, deviation, deviation)
            for name, value, deviation in zip(
                moments_of(estimator), moments, deviations, strict=True
            )
        }
    )
    return pair_value(estimator, current)  # type: ignore[arg-type]
