"""Values chosen by rank from exact histograms: a coarse choice, then a fine one."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from dpquery.kernel.pricing import CANDIDATES, PricedChoice, PricedStep
from dpquery.noise.choice import choose
from dpquery.noise.ranks import (
    Beside,
    End,
    beside_penalties,
    beside_rank,
    end_penalties,
    end_rank,
    quantile_penalties,
)
from dpquery.plan.aggregates import RankKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dpquery.noise.calibration import Choice
    from dpquery.plan.program import BoundedRanking

Histogram = dict[int, int]
"""Exact weights by bin, in sub-steps of a row; bins without rows are left out."""


def ranked(
    priced: PricedStep, chosen: PricedChoice, histograms: Sequence[Histogram]
) -> list[Fraction]:
    """
    Return the chosen value of each group, in steps of the value's grid.

    Both choices read the same histogram, so a unit moves the penalties of either by no
    more than was calibrated for; their losses add up.
    """
    ranking = priced.step.rankings[chosen.ranking]
    size = cell_size(ranking)
    fine, loss = chosen.levels[-1]
    if len(chosen.levels) == 1:
        penalties = [
            _penalties(chosen, fine, _dense(h, 0, ranking.bins), ranking)
            for h in histograms
        ]
        picked = choose(fine, penalties, loss)
        return [_value(ranking, chosen.target.kind, at) for at in picked]
    coarse, first_loss = chosen.levels[0]
    cells = [
        _penalties(chosen, coarse, _cells(h, size, ranking.bins), ranking)
        for h in histograms
    ]
    starts = [cell * size for cell in choose(coarse, cells, first_loss)]
    inside = []
    for histogram, start in zip(histograms, starts, strict=True):
        end = min(start + size, ranking.bins)
        below = sum(n for at, n in histogram.items() if at < start)
        above = sum(n for at, n in histogram.items() if at >= end)
        counts = [below, *_dense(histogram, start, end), above]
        inside.append(_penalties(chosen, fine, counts, ranking, outside=1)[1:-1])
    picked = choose(fine, inside, loss)
    return [
        _value(ranking, chosen.target.kind, start + at)
        for start, at in zip(starts, picked, strict=True)
    ]


def cell_size(ranking: BoundedRanking) -> int:
    """Return how many bins a candidate of the coarse choice has."""
    return -(-ranking.bins // CANDIDATES)


def _dense(histogram: Mapping[int, int], start: int, end: int) -> list[int]:
    return [histogram.get(at, 0) for at in range(start, end)]


def _cells(histogram: Mapping[int, int], size: int, bins: int) -> list[int]:
    found = [0] * -(-bins // size)
    for at, weight in histogram.items():
        found[at // size] += weight
    return found


def _penalties(
    chosen: PricedChoice,
    choice: Choice,
    counts: Sequence[int],
    ranking: BoundedRanking,
    outside: int = 0,
) -> list[int]:
    wanted = chosen.wanted
    if isinstance(wanted, Beside):
        parts = 2 * len(chosen.levels)
        row = ranking.steps
        apart = beside_rank(choice, len(counts), row, wanted.quantile, parts)
        return beside_penalties(wanted, counts, row, apart, outside)
    if isinstance(wanted, End):
        rank = end_rank(choice, len(counts), ranking.steps)
        return end_penalties(wanted, counts, rank)
    return quantile_penalties(wanted, counts, ranking.steps)


def _value(ranking: BoundedRanking, kind: RankKind, at: int) -> Fraction:
    """
    Return the value in the middle of a bin; of a bin of one step, that step.

    The end of an interval is the bin's own end, for what it is about may be in there.
    """
    steps = ranking.value.high - ranking.value.low + 1
    if steps == ranking.bins:
        return Fraction(ranking.value.low + at)
    halves = {RankKind.BELOW: 0, RankKind.ABOVE: 2}.get(kind, 1)
    within = Fraction(2 * at + halves, 2)
    return ranking.value.low + within * Fraction(steps, ranking.bins)
