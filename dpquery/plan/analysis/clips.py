"""Limits chosen from noisy histograms of units' sizes (theory.md 2.8, 4.4).

Nothing here is trusted for privacy: a limit is enforced by the clip whatever it is.
It is a function of released numbers and of the policy, never of what a query spends,
so that the same measurement is asked for whatever its accuracy.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

from dpquery.plan.profile import size_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dpquery.plan.profile import Histogram

FALSE_ALARM = 1e-5
"""The chance that noise alone makes a histogram that says something."""
FALSE_BIN = 1e-3
"""The chance that noise alone makes one bin beside the highest count, or a union of one
more value; a quarter of it an octave further, and so on: a false bin an octave further
away doubles the noise of all later answers, and their variance is four times as large.
"""
RUN = 2
"""Octaves in which most units are: their counts together say what none says alone."""
PARTS = 4
"""Sizes that stand for those of one bin."""
STEEPEST = 3.0
"""How many times numbers of units may change over a bin, as a logarithm."""
APART = 0.1
"""How far units of many rows are taken to be from others, in parts of the farthest."""
ONE_IN_TWENTY = 1.645
"""Standard deviations that noise exceeds, in one direction, one time in twenty."""


def highest(histogram: Histogram) -> int | None:
    """
    Return the highest bin that is surely not empty; ``None``: there is none.

    Theory.md 2.8, but for the chance of a false bin, which follows from its cost: few
    units decide the best limit (Amin et al. 2019), so that few have to be found.
    """
    run, count = _fullest(histogram)
    quantile = -NormalDist().inv_cdf(FALSE_ALARM / (len(histogram.counts) + 1))
    if count <= max(0.5, histogram.deviation * quantile * math.sqrt(len(run))):
        return None
    found = likeliest(histogram)
    for at in range(found - histogram.first + 1, len(histogram.counts)):
        octaves = (histogram.first + at - found) / histogram.per_octave
        surely = -NormalDist().inv_cdf(FALSE_BIN * math.pow(4, -octaves))
        if histogram.counts[at] > max(0.5, histogram.deviation * surely):
            found = histogram.first + at
    return found


def likeliest(histogram: Histogram) -> int:
    """Return the bin with the largest noisy count, where most units are."""
    run, _ = _fullest(histogram)
    return histogram.first + max(run, key=histogram.counts.__getitem__)


def _fullest(histogram: Histogram) -> tuple[range, float]:
    """Return the run of neighbours with the largest noisy count, and that count."""
    counts = histogram.counts
    length = min(len(counts), RUN * histogram.per_octave)
    runs = (range(at, at + length) for at in range(len(counts) - length + 1))
    counted = ((run, sum(counts[at] for at in run)) for run in runs)
    return max(counted, key=lambda pair: pair[1])


def best_limit(
    histogram: Histogram,
    noise: float,
    groups: float = 1.0,
    top: int | None = None,
    *,
    of_mean: bool = False,
    of_rows: bool = False,
) -> float | None:
    """
    Return the limit of least predicted error; ``None`` where nothing is known.

    With K *groups*, a limit C costs noise K (C·noise)² in all, where *noise* is the
    multiplier of the reference query: 1/√(2ρ). What is lost of units above C has the
    norm (size - C) each, and no more than their sum over all of them: as much where
    they are alike, as the busiest groups make them. For one group the optimum leaves
    about *noise* units above the limit, however many there are below: the rule aims
    at a count, not at a percentile. *top* is the highest bin, if it is known.

    *of_mean*: a mean of N / K rows a group is moved by K C·noise / N by noise, and by
    lost / N by what is lost. *of_rows*: what is limited is a number of rows, and units
    with many weigh less above the line and below it; where they are like others, their
    mean lacks nothing but the chance of who they are, whose squares add up.
    """
    top = highest(histogram) if top is None else top
    if top is None:
        return None
    best, least = None, math.inf
    noises = groups * groups if of_mean else groups
    number = total = squares = 0.0  # of units above the limit
    for limit, units_there in reversed(list(_sizes(histogram, top))):
        lost = total - number * limit
        error = noises * (limit * noise) ** 2
        if of_mean and of_rows:
            by_chance = squares - 2 * limit * total + number * limit**2
            error += (APART * lost) ** 2 + groups * max(0.0, by_chance)
        else:
            error += lost**2
        if error < least:
            best, least = limit, error
        number += units_there
        total += units_there * limit
        squares += units_there * limit**2
    return best


def best_kept(
    unions: Histogram, noise: float, delta: Callable[[int], int], groups: float = 1.0
) -> int:
    """
    Return how many values a unit is to keep, for the least predicted error of a union.

    With l values a unit, and K *groups*, noise costs K (Δ(l)·noise)² in all. What is
    lost is what the union of l has less than the whole one. That is the last one that
    is surely larger than those before it, and the surer the more noise it costs. With
    few values that many units have it is the first: larger ones do not stand out of
    their noise. With nearly unique values it is one of large l. Where nothing is sure,
    the least noise is best.
    """
    sizes = {1 << unions.first + at: size for at, size in enumerate(unions.counts)}
    whole = min(sizes)
    for kept, size in sizes.items():
        apart = unions.deviation * math.hypot(kept, whole)
        surely = -NormalDist().inv_cdf(FALSE_BIN * (whole / kept) ** 2)
        if kept > whole and size - sizes[whole] > surely * apart:
            whole = kept

    def error(kept: int) -> float:
        lost = max(0.0, sizes[whole] - sizes[kept])
        return groups * (delta(kept) * noise) ** 2 + lost**2

    return min((kept for kept in sizes if kept <= whole), key=error)


def retained(histogram: Histogram, limit: float) -> float:
    """
    Return the share of all that units add which surely survives a clip to *limit*.

    One-sided: with about 95 % it is no less. The lost mass is Σ h_b (size - C)+ over
    the bins (theory.md 4.4), its noise the same sum of independent noises.
    """
    top = highest(histogram)
    if top is None:
        return 0.0
    sizes = list(_sizes(histogram, top))
    whole = sum(number * size for size, number in sizes)
    lost = sum(number * max(0.0, size - limit) for size, number in sizes)
    ends = (histogram.end(bin_) for bin_ in range(histogram.first, top + 1))
    deviation = histogram.deviation * math.hypot(*(max(0.0, e - limit) for e in ends))
    if whole <= 0:
        return 0.0
    return max(0.0, min(1.0, 1 - (lost + ONE_IN_TWENTY * deviation) / whole))


def units(histogram: Histogram) -> float:
    """Return about how many units there are."""
    return max(0.0, sum(histogram.counts))


def mean(histogram: Histogram) -> float | None:
    """Return about how large a unit is on average; ``None`` where nothing is known."""
    top = highest(histogram)
    if top is None:
        return None
    sizes = list(_sizes(histogram, top))
    counted = sum(number for _, number in sizes)
    return sum(number * size for size, number in sizes) / max(1.0, counted)


def _sizes(histogram: Histogram, top: int) -> Iterator[tuple[float, float]]:
    """
    Yield sizes, ascending, each with how many units it stands for.

    Inside a bin the logarithms of sizes are as dense as numbers of units fall or rise
    from the bin before to the one behind. The last one is the bin's end: many units are
    exactly that large, as those with one row are.
    """
    counts = _smoothed(histogram, top)
    for at, count in enumerate(counts):
        before = counts[at - 1] if at else count
        behind = counts[at + 1] if at + 1 < len(counts) else 0.0
        change = math.log(max(behind, 0.5) / max(before, 0.5)) / 2
        steep = max(-STEEPEST, min(STEEPEST, change))
        places = [(part + 1) / PARTS for part in range(PARTS)]
        dense = [math.exp(steep * place) for place in places]
        for place, weight in zip(places, dense, strict=True):
            size = size_at(histogram.first + at - 1 + place, histogram.per_octave)
            yield size, count * weight / sum(dense)


def _smoothed(histogram: Histogram, top: int) -> list[float]:
    """
    Return numbers of units, none below zero: up to bin *top*, and of a tail above it.

    The tail falls at least as fast as numbers do before it, as those of log-normal,
    exponential and Pareto sizes do; what noisy counts have more than that is cut off.
    """
    known = top - histogram.first + 1
    found = [max(0.0, count) for count in histogram.counts[:known]]
    last, before = found[-1], found[-2] if known > 1 else 0.0
    ratio = min(1.0, last / before) if before > 0 else 1.0
    for count in histogram.counts[known:]:
        kept = min(count, found[-1] * ratio)
        if kept <= 0:
            break
        ratio = kept / found[-1]
        found.append(kept)
    return found
