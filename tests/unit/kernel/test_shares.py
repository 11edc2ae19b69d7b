"""The shares of moments: errors are smaller than with equal ones, by what is said."""

from __future__ import annotations

import itertools
import math

import pytest

from dpquery.kernel.shares import OF_PAIR
from dpquery.plan.aggregates import PairKind

THIRD = 1 / 3
MEANS = (-THIRD, -THIRD / 2, 0, THIRD / 2, THIRD)
CORRELATIONS = (-0.7, -0.3, 0.3, 0.7)
DELTAS = (1, 1, 1, 0.5, 0.5, 1)
"""Of count, sums, centred squares and product, where half of the bounds' width is 1."""


def value(kind: PairKind, moments: list[float]) -> float:
    """Return the statistic of moments per row, centred as they are measured."""
    rows, sum_y, sum_x, square_y, square_x, product = moments
    y, x = sum_y / rows, sum_x / rows
    of_y, of_x = square_y / rows + 0.5 - y * y, square_x / rows + 0.5 - x * x
    covariance = product / rows - y * x
    match kind:
        case PairKind.COVAR_POP:
            return covariance
        case PairKind.CORR:
            return covariance / math.sqrt(of_y * of_x)
        case PairKind.REGR_SLOPE:
            return covariance / of_x
        case PairKind.REGR_INTERCEPT:
            return y - covariance / of_x * x
        case PairKind.REGR_SXX:
            return rows * of_x
        case _:
            return rows * of_y


def squares(kind: PairKind) -> list[float]:
    """Return c_j^2 by the delta method, the mean over typical data."""
    found = [0.0] * 6
    typical = list(itertools.product(MEANS, MEANS, CORRELATIONS))
    for y, x, r in typical:
        mean = [1, y, x, THIRD**2 + y * y - 0.5, THIRD**2 + x * x - 0.5]
        mean.append(r * THIRD**2 + y * x)
        for at in range(6):
            up, down = list(mean), list(mean)
            up[at] += 1e-6
            down[at] -= 1e-6
            slope = (value(kind, up) - value(kind, down)) / 2e-6
            found[at] += (slope * DELTAS[at]) ** 2 / len(typical)
    return found


@pytest.mark.parametrize(
    ("kind", "gain"),
    [
        (PairKind.COVAR_POP, 1.57),
        (PairKind.CORR, 1.2),
        (PairKind.REGR_SLOPE, 1.25),
        (PairKind.REGR_INTERCEPT, 1.16),
        (PairKind.REGR_SXX, 1.4),
        (PairKind.REGR_SYY, 1.4),
    ],
)
def test_pairs_of_values_are_measured_where_it_matters(
    kind: PairKind, gain: float
) -> None:
    shares, needed = OF_PAIR[kind], squares(kind)
    assert sum(shares) == pytest.approx(6, rel=0.01)
    equal = 6 * sum(needed)
    ours = sum(shares) * sum(c / w for c, w in zip(needed, shares, strict=True))
    assert math.sqrt(equal / ours) > gain
    # and the optimum, ρ ∝ c, is not far away
    best = sum(map(math.sqrt, needed)) ** 2
    assert math.sqrt(ours / best) < 1.1
