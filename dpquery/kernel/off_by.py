"""
How many rows a value that is chosen by rank will be off, before it is chosen.

How far that is in the value's own unit depends on how dense values are there, which is
private. In ranks it follows from the choices alone, where values lie evenly: candidates
of penalty x, which are as many for every x, have the chance exp(-x / scale), so that
ranks have a Laplace law. Where they do not, a choice is off by more, though never by
more than ``rank_error`` allows; where many rows have one value, by less.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from dpquery.kernel.pricing import PricedChoice
from dpquery.kernel.ranked import cell_size
from dpquery.kernel.several import row_units, tree
from dpquery.noise.ranks import End, end_rank
from dpquery.plan.aggregates import RankEstimator

if TYPE_CHECKING:
    from dpquery.kernel.pricing import PricedStep
    from dpquery.kernel.several import Depth, PricedQuantiles
    from dpquery.noise.calibration import Choice
    from dpquery.plan.aggregates import RankTarget
    from dpquery.plan.program import BoundedRanking, ReleasedColumn

WORDS = "values that lie evenly there, in a larger group"
"""What is assumed."""
Scales = dict[tuple[int, str], float]
"""How far each choice moves a rank, in rows: of which target, and which of its own."""


def off_by(step: PricedStep, column: ReleasedColumn, confidence: float) -> float | None:
    """
    Return how many rows in rank a chosen value may be off; ``None``: it is not chosen.

    Of MIN and MAX it is the distance to the end, from which they are kept away
    (noise/ranks.py, ``end_rank``).
    """
    estimator = column.estimator
    if not isinstance(estimator, RankEstimator):
        return None
    at, ranking = next(
        (at, each)
        for at, each in enumerate(step.step.rankings)
        if each.value == estimator.value
    )
    choice = next(
        each
        for each in step.choices
        if each.ranking == at and estimator.target in each.targets
    )
    if isinstance(choice, PricedChoice):
        scale, aim = _of_one(choice, ranking)
    else:
        scale, aim = _of_several(choice, estimator.target, ranking), 0.0
    # a Laplace law exceeds x, on either side, with chance exp(-x / scale); a sum of
    # several of one variance together less often than that
    return aim - scale * math.log(1 - confidence)


def _of_one(choice: PricedChoice, ranking: BoundedRanking) -> tuple[float, float]:
    """
    Return the scale of a coarse choice and a fine one, or of one alone, in rows.

    And how far from the end MIN and MAX aim: whichever of both aims further.
    """
    row = choice.units(ranking)
    scales = [level.scale / row for level, _ in choice.levels]
    aims = [0.0]
    if isinstance(choice.wanted, End):
        cell = cell_size(ranking)
        sizes = [ranking.bins] if cell == 1 else [-(-ranking.bins // cell), cell + 2]
        aims += [
            end_rank(level, size, ranking.steps) / row
            for (level, _), size in zip(choice.levels, sizes, strict=True)
        ]
    return math.hypot(*scales), max(aims)


def _of_several(
    choice: PricedQuantiles, target: RankTarget, ranking: BoundedRanking
) -> float:
    """
    Return the scale of the error of one of several quantiles, in rows (several.py).

    A quantile aims at a mean of where the rows were divided before, below and above it:
    its error is its own, and as much of theirs.
    """
    cuts: dict[int | None, Scales] = {None: {}}
    for steps, depth in zip(tree(choice.targets), choice.depths, strict=True):
        rows = row_units(steps, ranking)
        for step in steps:
            share = step.aim.numerator / step.aim.denominator
            found = _mean(cuts[step.after], cuts[step.before], share)
            found |= {(step.at, n): made.scale / rows for n, made in _choices(depth)}
            if choice.targets[step.at] == target:
                return math.hypot(*found.values())
            if depth.divide is not None:
                found[step.at, "divide"] = depth.divide[0].scale / rows
            cuts[step.at] = found
    raise ValueError("it is one of the targets")


def _mean(low: Scales, high: Scales, share: float) -> Scales:
    """Return how far choices move a place between two others."""
    return {
        each: (1 - share) * low.get(each, 0.0) + share * high.get(each, 0.0)
        for each in low | high
    }


def _choices(depth: Depth) -> list[tuple[str, Choice]]:
    """Return the choices that find a bin, by their names."""
    coarse = [] if depth.coarse is None else [("coarse", depth.coarse[0])]
    return [*coarse, ("fine", depth.fine[0])]
