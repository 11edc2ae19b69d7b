"""Noisy moments into the numbers that were asked for, with their error laws."""

from __future__ import annotations

import datetime as dt
import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any, assert_never

from dpquery.kernel.spreads import pair_value, spread_value
from dpquery.noise.intervals import Linear, Ratio, point
from dpquery.plan.aggregates import (
    AnyEstimator,
    Estimator,
    LinearEstimator,
    Moment,
    PairEstimator,
    RankEstimator,
    RatioEstimator,
    SpreadEstimator,
    Units,
)
from dpquery.policy.catalog import SqlType

if TYPE_CHECKING:
    from dpquery.kernel.readings import Chosen, Readings
    from dpquery.plan.program import ReleasedColumn

LARGEST_INTEGER = 2**63 - 1
"""Released whole numbers saturate where SQL's BIGINT ends: post-processing."""
ONE_IN_TWENTY = 1.645
"""Standard deviations that noise exceeds, in one direction, one time in twenty."""


def estimate(estimator: Estimator, readings: Readings) -> Linear | Ratio | None:
    """Return the estimate of one released cell, with its noise; ``None``: no law."""
    match estimator:
        case LinearEstimator(terms=terms):
            return _linear(terms, readings)
        case RatioEstimator(numerator=numerator, denominator=denominator, value=value):
            return Ratio(
                numerator=_linear(((value.grid, numerator),), readings),
                denominator=_linear(((Fraction(1), denominator),), readings),
                centre=float(value.grid * value.centre),
                low=float(value.grid * value.low),
                high=float(value.grid * value.high),
            )
        case SpreadEstimator() | PairEstimator() | RankEstimator() | AnyEstimator():
            return None
        case _:
            assert_never(estimator)


def _linear(terms: tuple[tuple[Fraction, Moment], ...], readings: Readings) -> Linear:
    return Linear(
        tuple(
            (float(coefficient * weight), reading)
            for coefficient, moment in terms
            for weight, reading in readings[moment].terms
        )
    )


def value(column: ReleasedColumn, readings: Readings, chosen: Chosen) -> Any:  # noqa: ANN401 -- a cell
    """
    Return the released value of one cell.

    Sums are exact fractions until the last step, so that 0.1 + 0.2 prints as 0.3.
    """
    match column.estimator:
        case LinearEstimator(terms=terms, integer=integer, presence=presence):
            if presence is not None and _absent(presence, readings):
                return None
            exact = sum(
                (c * readings[m].value for c, m in terms),
                Fraction(0),
            )
            whole = max(-LARGEST_INTEGER, min(LARGEST_INTEGER, round(exact)))
            return whole if integer else float(exact)
        case RatioEstimator():
            found = estimate(column.estimator, readings)
            return None if found is None else point(found)
        case SpreadEstimator():
            return spread_value(column.estimator, readings)
        case PairEstimator():
            return pair_value(column.estimator, readings)
        case RankEstimator(value=of, target=target, presence=presence):
            if _too_few(presence, readings):
                return None
            return typed(chosen[of, target] * of.grid, column.type)
        case AnyEstimator(count=count, negated=negated, presence=presence):
            if presence is not None and _absent(presence, readings):
                return None
            number, deviation = _counted(count, readings)
            return (number > max(0.5, ONE_IN_TWENTY * deviation)) is not negated
        case _:
            assert_never(column.estimator)


def _counted(moment: Moment, readings: Readings) -> tuple[float, float]:
    """Return a noisy count and the standard deviation of its noise."""
    return float(readings[moment].value), readings[moment].deviation


def _absent(presence: Units, readings: Readings) -> bool:
    """Return whether surely no unit has a value: then SQL's sum is NULL."""
    return float(readings[presence].value) + readings[presence].surely < 1


def _too_few(presence: Units, readings: Readings) -> bool:
    """Return whether noise alone could have made this count of units."""
    return few(*_counted(presence, readings))


def few(number: float, deviation: float) -> bool:
    """Return whether noise of a deviation could have made a number of units alone."""
    return number < max(0.5, 2 * deviation)


def typed(number: Fraction, type_: SqlType) -> int | float | dt.date:
    """Return a chosen value in its SQL type; times count in days from year 1."""
    match type_:
        case SqlType.INTEGER:
            return max(-LARGEST_INTEGER, min(LARGEST_INTEGER, math.floor(number)))
        case SqlType.DATE:
            day = min(max(math.floor(number), 1), dt.date.max.toordinal())
            return dt.date.fromordinal(day)
        case SqlType.TIMESTAMP:
            first = dt.datetime(1, 1, 1)  # noqa: DTZ001 -- SQL's have no zone
            last = dt.datetime.max  # noqa: DTZ901 -- nor has this
            most = (last - first) // dt.timedelta(seconds=1)
            seconds = math.floor((number - 1) * 86_400)
            return first + dt.timedelta(seconds=min(max(seconds, 0), most))
        case _:
            return float(number)
