"""How exact an answer will be, said before anything is measured: from public knowledge.

The error of counts and sums depends on noise alone. That of an average depends on how
many rows it is of, which is private: it is computed for a group of a stated size.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

from dpquery.kernel.estimates import estimate
from dpquery.kernel.off_by import WORDS as EVENLY
from dpquery.kernel.off_by import off_by
from dpquery.kernel.readings import Noisy
from dpquery.kernel.spreads import bounds_of, spread_error
from dpquery.kernel.typical import SPREAD, WORDS, pair_error, typical
from dpquery.noise.intervals import interval
from dpquery.plan.aggregates import (
    DistinctTotal,
    LinearEstimator,
    PairEstimator,
    RankEstimator,
    RatioEstimator,
    Rows,
    SpreadEstimator,
    Total,
)
from dpquery.plan.analysis.clips import mean, units
from dpquery.plan.analysis.partitions import listed_groups
from dpquery.plan.rewrite.decompose_aggregates import moments_of
from dpquery.results import Expected

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dpquery.kernel.prepare import Prepared
    from dpquery.kernel.pricing import PricedStep
    from dpquery.noise.intervals import Estimate
    from dpquery.plan.aggregates import Moment
    from dpquery.plan.program import ReleasedColumn

ROWS = 1000
"""Rows of a group of which nothing is known."""


def rows_of_a_group(priced: PricedStep) -> tuple[int, str]:
    """
    Return how many rows a group of a release is taken to have, and these words.

    From a profile of all rows, where there is one, as if groups were alike; it knows
    nothing of the query's conditions.
    """
    rows = _rows_by_profile(priced)
    if rows is None:
        return ROWS, f"a group of {ROWS:,} rows"
    return rows, f"a group of {rows:,} rows, as the profile has them on average"


def _rows_by_profile(priced: PricedStep) -> int | None:
    """Return the rows of a group, if a profile says how many rows there are."""
    step = priced.step
    domain = step.domain
    groups = listed_groups(domain) if step.keys and domain is not None else None
    if step.keys and groups is None:
        return None
    for sought, histogram in step.profile:
        if sought.moments == (Rows(),) and not sought.keys:
            each = mean(histogram)
            if each is not None:
                digits = units(histogram) * each / (groups or 1)
                return max(1, int(float(f"{digits:.2g}")))
    return None


def expected(
    prepared: Prepared,
    confidence: float = 0.95,
    computed: Mapping[str, float | None] | None = None,
) -> tuple[Expected, ...]:
    """
    Return the error to expect of every noisy column; ``None``: unknown yet.

    Half an interval; of values that are chosen, how many rows they may be off. Of
    columns that are *computed* from several, what is given (assumed.py).
    """
    found = []
    for output in prepared.program.post.outputs or ():
        if output.cell is None:
            if computed is not None and output.name in computed:
                _, words = rows_of_a_group(prepared.steps[0])
                half = computed[output.name]
                assuming = None if half is None else words
                found.append(Expected(output.name, half, assuming))
            continue
        step, column = prepared.column(output.cell.levels[0], output.cell.column)
        half = half_width(step, column, confidence)
        rows = off_by(step, column, confidence)
        if step.step.missing:  # its limits are not known yet
            half = rows = None
        found.append(Expected(output.name, half, assumption(step, column), rows))
    return tuple(found)


def assumption(step: PricedStep, column: ReleasedColumn) -> str | None:
    """Return what is assumed of a column, in words; ``None``: nothing needs to be."""
    _, words = rows_of_a_group(step)
    match column.estimator:
        case RatioEstimator() | SpreadEstimator():
            return words
        case PairEstimator():
            return f"{words}, {WORDS}"
        case RankEstimator():
            return EVENLY
        case _:
            return None


def half_width(
    step: PricedStep, column: ReleasedColumn, confidence: float
) -> float | None:
    """Return half a column's interval; an average's for a group as is assumed."""
    estimator = column.estimator
    match estimator:
        case LinearEstimator(terms=terms):
            readings = {moment: _reading(step, moment, 0) for _, moment in terms}
        case RatioEstimator(numerator=numerator, denominator=denominator):
            rows, _ = rows_of_a_group(step)
            readings = {
                numerator: _reading(step, numerator, 0),  # an average at the centre
                denominator: _reading(step, denominator, rows),
            }
        case SpreadEstimator():
            return _of_a_spread(step, estimator, confidence)
        case PairEstimator():
            return _of_a_pair(step, estimator, confidence)
        case _:
            return None
    found = estimate(estimator, readings)
    if found is None:
        return None
    bar = interval(found, confidence)
    return (bar.high - bar.low) / 2


def _of_a_spread(
    step: PricedStep, estimator: SpreadEstimator, confidence: float
) -> float | None:
    """Return half the interval of a variance or its root, of values as are assumed."""
    rows, _ = rows_of_a_group(step)
    value, square = estimator.total.value, estimator.square
    mean_square = round((value.reach / SPREAD) ** 2)
    readings: dict[Moment, Noisy] = {
        estimator.count: _reading(step, estimator.count, rows),
        estimator.total: _reading(step, estimator.total, 0),
        square: _reading(step, square, rows * (mean_square - square.centre)),
    }
    error = spread_error(estimator, readings)
    if error is None:
        return None
    return -NormalDist().inv_cdf((1 - confidence) / 2) * error


def _of_a_pair(step: PricedStep, estimator: PairEstimator, confidence: float) -> float:
    """
    Return half the interval of a correlation or the like; at most half its range.

    Infinite where the noise would make it NULL.
    """
    rows, _ = rows_of_a_group(step)
    readings = {each: _reading(step, each, 0) for each in moments_of(estimator)}
    error = pair_error(estimator, rows, readings)
    z = -NormalDist().inv_cdf((1 - confidence) / 2)
    low, high = bounds_of(estimator)
    return min(z * error, (high - low) / 2) if math.isfinite(error) else error


def assumed_value(step: PricedStep, column: ReleasedColumn) -> float:
    """
    Return the size that a value is taken to have, for targets in per cent.

    Rows count one each, and values lie half way to the farther of their bounds. A
    standard deviation is a third of half their width; for pairs, see typical.py.
    """
    rows, _ = rows_of_a_group(step)
    match column.estimator:
        case LinearEstimator(terms=terms):
            return max(abs(float(c)) * rows * _typical(moment) for c, moment in terms)
        case RatioEstimator(value=value):
            return float(value.grid) * max(abs(value.low), abs(value.high), 1) / 2
        case SpreadEstimator(kind=kind, total=total):
            deviation = float(total.value.grid) * total.value.reach / SPREAD
            return deviation if kind.root else deviation**2
        case PairEstimator():
            return typical(column.estimator, rows).size
        case _:
            msg = "no size is assumed of this"
            raise ValueError(msg)


def _typical(moment: Moment) -> float:
    if isinstance(moment, Total | DistinctTotal):
        return max(abs(moment.value.low), abs(moment.value.high), 1) / 2
    return 1.0


def over_nothing(step: PricedStep, column: ReleasedColumn) -> Estimate | None:
    """Return what is known of a mean over no rows at all; ``None`` of others."""
    if not isinstance(column.estimator, RatioEstimator):
        return None
    moments = moments_of(column.estimator)
    return estimate(column.estimator, {m: _reading(step, m, 0) for m in moments})


def _reading(step: PricedStep, moment: Moment, value: int) -> Noisy:
    """Return a moment as it would be measured, if it was *value* and noise is 0."""
    steps, noise = step.noise_of(moment)
    return Noisy.of(value * steps, noise, steps)
