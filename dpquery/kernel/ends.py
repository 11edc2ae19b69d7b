"""
Intervals of values that were chosen by rank: between what is surely on either side.

A quantile's ends are chosen with a part of its loss (noise/ranks.py). For MIN and MAX
nothing is paid: the value is beyond the last row with a small chance only, and how far
the last row is from it nobody knows, so that their intervals reach to the bound.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

from dpquery.kernel.pricing import PricedChoice
from dpquery.kernel.ranked import cell_size
from dpquery.noise.ranks import ENDS_MISS, end_rank
from dpquery.noise.sampled import Ends
from dpquery.plan.aggregates import RankEstimator, RankKind

if TYPE_CHECKING:
    from dpquery.kernel.pricing import PricedStep
    from dpquery.kernel.readings import Group
    from dpquery.plan.program import BoundedRanking, ReleasedColumn

SURELY = 3.0
"""Standard deviations below a noisy number of units."""
SURELY_MISSES = 0.00135
"""The chance that noise is above so many."""
MARGIN = 2
"""How many times the rows that are needed there should be: units in many groups weigh
less than a row in each."""


def ends_of(priced: PricedStep, column: ReleasedColumn, group: Group) -> Ends | None:
    """Return the interval of a chosen value, in its unit; ``None``: not known."""
    estimator = column.estimator
    if not isinstance(estimator, RankEstimator):
        return None
    value, target = estimator.value, estimator.target
    chosen = group.chosen.get((value, target))
    if chosen is None:
        return None
    if target.kind is RankKind.QUANTILE:
        both = [group.chosen.get((value, each)) for each in target.ends]
        found = [each for each in both if each is not None]
        if len(found) < len(both):  # measured before there were ends
            return None
        low, high, confidence = min(*found, chosen), max(*found, chosen), 1 - ENDS_MISS
    else:
        low, high, confidence = _to_the_bound(priced, estimator, group, chosen)
    grid = value.grid
    return Ends(
        float(low * grid),
        float(high * grid),
        confidence,
        float(value.low * grid),
        float(value.high * grid),
    )


def _to_the_bound(
    priced: PricedStep, estimator: RankEstimator, group: Group, chosen: Fraction
) -> tuple[Fraction, Fraction, float]:
    """
    Return the interval of MIN or MAX, in steps, and with which confidence.

    All of the bounds where there may be too few rows for the rank that is aimed at
    (noise/ranks.py, ``end_rank``).
    """
    value, target = estimator.value, estimator.target
    low, high = Fraction(value.low), Fraction(value.high)
    at, ranking = next(
        (at, each)
        for at, each in enumerate(priced.step.rankings)
        if each.value == value
    )
    choice = next(
        each
        for each in priced.choices
        if isinstance(each, PricedChoice)
        and each.ranking == at
        and each.target == target
    )
    needed, miss = _needed(choice, ranking)
    units = group.readings[estimator.presence]
    rows = (float(units.value) - SURELY * units.deviation) * ranking.steps
    if rows < MARGIN * needed:
        return low, high, 1.0
    confidence = min(1 - ENDS_MISS, 1 - miss - SURELY_MISSES)
    half = Fraction(value.high - value.low + 1, 2 * ranking.bins)
    half = half if half > Fraction(1, 2) else Fraction(0)
    if target.kind is RankKind.LOWEST:
        return low, min(high, chosen + half), confidence
    return max(low, chosen - half), high, confidence


def _needed(choice: PricedChoice, ranking: BoundedRanking) -> tuple[int, float]:
    """
    Return the sub-steps of rows that are needed, and the chance to be beyond all.

    Each choice is among candidates of penalty *rank* beyond the last row, of which one
    is chosen with chance exp(-rank / scale) at most.
    """
    cell = cell_size(ranking)
    sizes = [ranking.bins] if cell == 1 else [-(-ranking.bins // cell), cell]
    counted = sizes if cell == 1 else [sizes[0], cell + 2]
    most, miss = 0, 0.0
    for (level, _), size, numbers in zip(choice.levels, sizes, counted, strict=True):
        rank = end_rank(level, numbers, ranking.steps)
        most = max(most, rank)
        miss += size * math.exp(-rank / level.scale)
    return most, miss
