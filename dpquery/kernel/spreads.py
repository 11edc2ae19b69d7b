"""Variances, correlations and regressions of noisy centred moments (theory.md 2.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dpquery.plan.aggregates import PairKind, Present, Square, Total

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dpquery.kernel.pricing import PricedStep
    from dpquery.plan.aggregates import Moment, PairEstimator, SpreadEstimator

HALF_A_ROW = 0.5
"""Over fewer rows than this, a statistic is NULL, as SQL's over none is."""


@dataclass(frozen=True, slots=True)
class _Noisy:
    """A noisy moment and the standard deviation of its noise, in steps."""

    value: float
    deviation: float


@dataclass(frozen=True, slots=True)
class _Moments:
    """Rows, mean and variance of one value, in the unit of the value."""

    rows: float
    mean: float
    variance: float
    error: float
    """The standard deviation of the variance's noise, by the delta method."""


def spread_value(
    estimator: SpreadEstimator, priced: PricedStep, readings: Mapping[Moment, int]
) -> float | None:
    """Return a variance or standard deviation; NULL over too few rows."""
    found = _moments(
        estimator.count, estimator.total, estimator.square, priced, readings
    )
    least = 1 + HALF_A_ROW if estimator.kind.sample else HALF_A_ROW
    if found is None or found.rows < least:
        return None
    variance = found.variance
    if estimator.kind.sample:
        variance *= found.rows / (found.rows - 1)
    return math.sqrt(variance) if estimator.kind.root else variance


def pair_value(
    estimator: PairEstimator, priced: PricedStep, readings: Mapping[Moment, int]
) -> float | None:
    """Return a covariance, correlation or regression; NULL where there is none."""
    count = estimator.count
    y = _moments(count, estimator.total_y, estimator.square_y, priced, readings)
    x = _moments(count, estimator.total_x, estimator.square_x, priced, readings)
    if y is None or x is None:
        return None
    together = _noisy(estimator.product, priced, readings).value / y.rows
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
    priced: PricedStep,
    readings: Mapping[Moment, int],
) -> _Moments | None:
    """
    Return rows, mean and variance; ``None`` over less than half a row.

    VAR = S2/n + c - (S1/n)², within [0, w²] (theory.md 2.2 and 4.3).
    """
    n = _noisy(count, priced, readings)
    if n.value < HALF_A_ROW:
        return None
    value = total.value
    s1, s2 = (_noisy(moment, priced, readings) for moment in (total, square))
    middle, power = s1.value / n.value, s2.value / n.value
    most = float(value.reach) ** 2
    variance = max(0.0, min(most, power + square.centre - middle**2))
    slant = power - 2 * middle**2
    error = math.hypot(s2.deviation, 2 * middle * s1.deviation, slant * n.deviation)
    grid = float(value.grid)
    return _Moments(
        rows=n.value,
        mean=grid * (value.centre + middle),
        variance=variance * grid**2,
        error=error / n.value * grid**2,
    )


def _noisy(
    moment: Moment, priced: PricedStep, readings: Mapping[Moment, int]
) -> _Noisy:
    steps, noise = priced.noise_of(moment)
    return _Noisy(readings[moment] / steps, noise.std / steps)
