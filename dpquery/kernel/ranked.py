"""Values chosen by rank from exact histograms: a coarse choice, then a fine one."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

from dpquery.kernel.pricing import CANDIDATES, PricedChoice, PricedStep
from dpquery.kernel.several import Cut, factor, parts_of, row_of, tree
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

    from dpquery.accounting.loss import Loss
    from dpquery.kernel.several import Depth, Part, PricedQuantiles
    from dpquery.noise.calibration import Choice
    from dpquery.noise.ranks import Quantile
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


def ranked_together(
    priced: PricedStep, chosen: PricedQuantiles, histograms: Sequence[Histogram]
) -> list[list[Fraction]]:
    """Return the values of each group, for each of the targets (several.py)."""
    ranking = priced.step.rankings[chosen.ranking]
    found: list[dict[int, int]] = [{} for _ in histograms]
    cuts: list[dict[int, Cut]] = [{} for _ in histograms]
    for steps, depth in zip(tree(chosen.targets), chosen.depths, strict=True):
        places = [(at, step) for at in range(len(histograms)) for step in steps]
        parts = [
            part
            for histogram, made in zip(histograms, cuts, strict=True)
            for part in parts_of(histogram, steps, made, ranking.bins)
        ]
        aims = [
            (step.aim, factor(step, steps), row_of(step, chosen.targets, ranking))
            for _, step in places
        ]
        bins = _bins(parts, aims, depth)
        for (at, step), bin_ in zip(places, bins, strict=True):
            found[at][step.at] = bin_
        if depth.divide is not None:
            for (at, step), cut in zip(
                places, _cuts(parts, aims, bins, depth.divide), strict=True
            ):
                cuts[at][step.at] = cut
    return [
        [_value(ranking, RankKind.QUANTILE, of[at]) for of in found]
        for at in range(len(chosen.targets))
    ]


Aim: TypeAlias = "tuple[Quantile, int, int]"
"""A quantile of a part, what its penalties are multiplied by, and a row's weight."""


def _bins(parts: Sequence[Part], aims: Sequence[Aim], depth: Depth) -> list[int]:
    """Return the bin that is chosen in each part."""
    starts = [(part.low.bin, part.high.bin + 1) for part in parts]
    if depth.coarse is not None:
        sizes = [
            -(-p.bins // CANDIDATES) if p.bins > CANDIDATES else p.bins for p in parts
        ]
        cells = [
            _scaled(aim, part.cells(size))
            for part, aim, size in zip(parts, aims, sizes, strict=True)
        ]
        picked = choose(depth.coarse[0], cells, depth.coarse[1])
        starts = [
            (low + cell * size, min(low + (cell + 1) * size, end))
            for (low, end), cell, size in zip(starts, picked, sizes, strict=True)
        ]
    inside = [
        _scaled(aim, part.dense(start, end))[1:-1]
        for part, aim, (start, end) in zip(parts, aims, starts, strict=True)
    ]
    picked = choose(depth.fine[0], inside, depth.fine[1])
    return [start + at for (start, _), at in zip(starts, picked, strict=True)]


def _cuts(
    parts: Sequence[Part],
    aims: Sequence[Aim],
    bins: Sequence[int],
    divide: tuple[Choice, Loss],
) -> list[Cut]:
    """Return where each part is divided, in the bin that was chosen."""
    made = [
        part.divisions(quantile, bin_)
        for part, (quantile, _, _), bin_ in zip(parts, aims, bins, strict=True)
    ]
    penalties = [
        [times * each for each in found]
        for (_, found), (_, times, _) in zip(made, aims, strict=True)
    ]
    picked = choose(divide[0], penalties, divide[1])
    return [
        Cut(bin_, first + at)
        for bin_, (first, _), at in zip(bins, made, picked, strict=True)
    ]


def _scaled(aim: Aim, counts: Sequence[int]) -> list[int]:
    quantile, times, row = aim
    return [times * each for each in quantile_penalties(quantile, counts, row)]


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
