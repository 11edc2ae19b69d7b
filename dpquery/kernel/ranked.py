"""Values chosen by rank from exact histograms: a coarse choice, then a fine one."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from dpquery.kernel.pricing import CANDIDATES, PricedChoice, PricedStep
from dpquery.noise.choice import choose
from dpquery.noise.ranks import End, end_penalties, end_rank, quantile_penalties

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
    size = _cell_size(ranking)
    fine, loss = chosen.levels[-1]
    if len(chosen.levels) == 1:
        penalties = [
            _penalties(chosen, fine, _dense(h, 0, ranking.bins), ranking)
            for h in histograms
        ]
        return [_value(ranking, at) for at in choose(fine, penalties, loss)]
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
        inside.append(_penalties(chosen, fine, counts, ranking)[1:-1])
    picked = choose(fine, inside, loss)
    return [
        _value(ranking, start + at) for start, at in zip(starts, picked, strict=True)
    ]


def _cell_size(ranking: BoundedRanking) -> int:
    return -(-ranking.bins // CANDIDATES)


def _dense(histogram: Mapping[int, int], start: int, end: int) -> list[int]:
    return [histogram.get(at, 0) for at in range(start, end)]


def _cells(histogram: Mapping[int, int], size: int, bins: int) -> list[int]:
    found = [0] * -(-bins // size)
    for at, weight in histogram.items():
        found[at // size] += weight
    return found


def _penalties(
    chosen: PricedChoice, choice: Choice, counts: Sequence[int], ranking: BoundedRanking
) -> list[int]:
    wanted = chosen.wanted
    if isinstance(wanted, End):
        rank = end_rank(choice, len(counts), ranking.steps)
        return end_penalties(wanted, counts, rank)
    return quantile_penalties(wanted, counts, ranking.steps)


def _value(ranking: BoundedRanking, at: int) -> Fraction:
    """Return the value in the middle of a bin; of a bin of one step, that step."""
    steps = ranking.value.high - ranking.value.low + 1
    if steps == ranking.bins:
        return Fraction(ranking.value.low + at)
    return ranking.value.low + Fraction(2 * at + 1, 2) * Fraction(steps, ranking.bins)
