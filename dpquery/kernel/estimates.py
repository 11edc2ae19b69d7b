"""Noisy moments into the numbers that were asked for, with their error laws."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias, assert_never

from dpquery.noise.intervals import Estimate, Linear, Ratio, Reading, point
from dpquery.plan.aggregates import Estimator, LinearEstimator, Moment, RatioEstimator

if TYPE_CHECKING:
    from dpquery.kernel.prepare import PricedStep
    from dpquery.plan.program import ReleasedColumn

LARGEST_INTEGER = 2**63 - 1
"""Released whole numbers saturate where SQL's BIGINT ends: post-processing."""

Readings: TypeAlias = Mapping[Moment, int]
"""Noisy moments of one group, in sub-steps."""


def estimate(estimator: Estimator, priced: PricedStep, readings: Readings) -> Estimate:
    """Return the estimate of one released cell, with the noise that is in it."""
    match estimator:
        case LinearEstimator(terms=terms):
            return _linear(terms, priced, readings)
        case RatioEstimator(numerator=numerator, denominator=denominator, value=value):
            return Ratio(
                numerator=_linear(((value.grid, numerator),), priced, readings),
                denominator=_linear(((Fraction(1), denominator),), priced, readings),
                centre=float(value.grid * value.centre),
                low=float(value.grid * value.low),
                high=float(value.grid * value.high),
            )
        case _:
            assert_never(estimator)


def _linear(
    terms: tuple[tuple[Fraction, Moment], ...],
    priced: PricedStep,
    readings: Readings,
) -> Linear:
    index = {bounded.moment: at for at, bounded in enumerate(priced.step.moments)}
    return Linear(
        tuple(
            (
                float(coefficient / priced.step.moments[index[moment]].steps),
                Reading(readings[moment], priced.noise[index[moment]]),
            )
            for coefficient, moment in terms
        )
    )


def value(
    column: ReleasedColumn, priced: PricedStep, readings: Readings
) -> int | float | None:
    """
    Return the released number of one cell.

    Sums are exact fractions until the last step, so that 0.1 + 0.2 prints as 0.3.
    """
    match column.estimator:
        case LinearEstimator(terms=terms, integer=integer):
            steps = {b.moment: b.steps for b in priced.step.moments}
            exact = sum(
                (c * readings[moment] / steps[moment] for c, moment in terms),
                Fraction(0),
            )
            whole = max(-LARGEST_INTEGER, min(LARGEST_INTEGER, round(exact)))
            return whole if integer else float(exact)
        case RatioEstimator():
            return point(estimate(column.estimator, priced, readings))
        case _:
            assert_never(column.estimator)
