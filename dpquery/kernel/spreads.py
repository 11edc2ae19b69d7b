"""Variances, correlations and regressions of noisy centred moments (theory.md 2.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dpquery.plan.aggregates import (
    PairEstimator,
    PairKind,
    Present,
    SpreadEstimator,
    Square,
    Total,
)

if TYPE_CHECKING:
    from dpquery.kernel.readings import Readings
    from dpquery.plan.aggregates import Estimator

HALF_A_ROW = 0.5
"""Over fewer rows than this, a statistic is NULL, as SQL's over none is."""


@dataclass(frozen=True, slots=True)
class _Moments:
    """Rows, mean and variance of one value, in the unit of the value."""

    rows: float
    mean: float
    variance: float
    error: float
    """The standard deviation of the variance's noise, by the delta method."""


def spread_value(estimator: SpreadEstimator, readings: Readings) -> float | None:
    """Return a variance or standard deviation; NULL over too few rows."""
    found = _moments(estimator.count, estimator.total, estimator.square, readings)
    least = 1 + HALF_A_ROW if estimator.kind.sample else HALF_A_ROW
    if found is None or found.rows < least:
        return None
    variance = found.variance
    if estimator.kind.sample:
        variance *= found.rows / (found.rows - 1)
    return math.sqrt(variance) if estimator.kind.root else variance


def below_zero(estimator: SpreadEstimator, readings: Readings) -> float:
    """Return by how much a sum of squares is too small for a variance of 0."""
    rows = float(readings[estimator.count].value)
    if rows < HALF_A_ROW:
        return 0.0
    middle = float(readings[estimator.total].value) / rows
    power = float(readings[estimator.square].value) / rows
    return max(0.0, middle**2 - power - estimator.square.centre) * rows


def spread_error(estimator: SpreadEstimator, readings: Readings) -> float | None:
    """
    Return the standard deviation of the noise of a variance or standard deviation.

    By the delta method (theory.md 4.3); of a root, as the derivative has it.
    """
    found = _moments(estimator.count, estimator.total, estimator.square, readings)
    if found is None or found.variance <= 0:
        return None
    if not estimator.kind.root:
        return found.error
    return found.error / (2 * math.sqrt(found.variance))


def pair_value(estimator: PairEstimator, readings: Readings) -> float | None:
    """Return a covariance, correlation or regression; NULL where there is none."""
    count = estimator.count
    y = _moments(count, estimator.total_y, estimator.square_y, readings)
    x = _moments(count, estimator.total_x, estimator.square_x, readings)
    if y is None or x is None:
        return None
    together = float(readings[estimator.product].value) / y.rows
    one, other = estimator.total_y.value, estimator.total_x.value
    grids = float(one.grid * other.grid)
    centred_y = y.mean - float(one.grid * one.centre)
    centred_x = x.mean - float(other.grid * other.centre)
    covariance = together * grids - centred_y * centred_x
    return _pair(estimator.kind, y, x, covariance)


def _pair(kind: PairKind, y: _Moments, x: _Moments, covariance: float) -> float | None:
    rows = y.rows
    match kind:
        case PairKind.COVAR_POP:
            return covariance
        case PairKind.COVAR_SAMP:
            enough = rows >= 1 + HALF_A_ROW
            return covariance * rows / (rows - 1) if enough else None
        case PairKind.REGR_SXX:
            return rows * x.variance
        case PairKind.REGR_SYY:
            return rows * y.variance
        case PairKind.REGR_SXY:
            return rows * covariance
        case _:
            pass
    if x.variance <= 2 * x.error:  # noise alone could be all of it
        return None
    slope = covariance / x.variance
    match kind:
        case PairKind.REGR_SLOPE:
            return slope
        case PairKind.REGR_INTERCEPT:
            return y.mean - slope * x.mean
        case _:
            pass
    if y.variance <= 2 * y.error:
        return None
    correlation = covariance / math.sqrt(x.variance * y.variance)
    correlation = max(-1.0, min(1.0, correlation))
    return correlation if kind is PairKind.CORR else correlation**2


def _moments(
    count: Present,
    total: Total,
    square: Square,
    readings: Readings,
) -> _Moments | None:
    """
    Return rows, mean and variance; ``None`` over less than half a row.

    VAR = S2/n + c - (S1/n)², within [0, w²] (theory.md 2.2 and 4.3).
    """
    n = readings[count]
    rows = float(n.value)
    if rows < HALF_A_ROW:
        return None
    value = total.value
    s1, s2 = readings[total], readings[square]
    middle, power = float(s1.value) / rows, float(s2.value) / rows
    most = float(value.reach) ** 2
    variance = max(0.0, min(most, power + square.centre - middle**2))
    slant = power - 2 * middle**2
    error = math.hypot(s2.deviation, 2 * middle * s1.deviation, slant * n.deviation)
    grid = float(value.grid)
    return _Moments(
        rows=rows,
        mean=grid * (value.centre + middle),
        variance=variance * grid**2,
        error=error / rows * grid**2,
    )


def bounds_of(estimator: Estimator) -> tuple[float, float]:
    """Return what a statistic cannot be beyond."""
    match estimator:
        case SpreadEstimator():
            return 0.0, math.inf
        case PairEstimator(kind=PairKind.CORR):
            return -1.0, 1.0
        case PairEstimator(kind=PairKind.REGR_R2):
            return 0.0, 1.0
        case PairEstimator(kind=PairKind.REGR_SXX | PairKind.REGR_SYY):
            return 0.0, math.inf
        case _:
            return -math.inf, math.inf
