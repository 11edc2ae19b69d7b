"""Limits chosen from noisy histograms of units' sizes (theory.md 2.8, 4.4).

Nothing here is trusted for privacy: a limit is enforced by the clip whatever it is.
It is a function of released numbers and of the policy, never of what a query spends,
so that the same measurement is asked for whatever its accuracy.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dpquery.plan.profile import Histogram

FALSE_ALARM = 1e-5
"""The chance that noise alone makes a highest bin: one false bin can double the noise
of every later answer many times over."""
PER_OCTAVE = 8
"""Limits that are tried between two powers of two."""
SURE = 3.0
"""Standard deviations that a union is to be above a smaller one for its values to be
there: if noise alone made it, every unit would keep many values for nothing."""
ONE_IN_TWENTY = 1.645
"""Standard deviations that noise exceeds, in one direction, one time in twenty."""


def highest(histogram: Histogram) -> int | None:
    """
    Return the highest bin that is surely not empty, as a power of two.

    The rule of theory.md 2.8: the highest bin whose noisy count exceeds what noise
    alone makes in any bin with chance FALSE_ALARM. ``None``: there is none.
    """
    bins = len(histogram.counts)
    quantile = -NormalDist().inv_cdf(FALSE_ALARM / (bins + 1))
    least = max(0.5, histogram.deviation * quantile)
    found = [at for at, count in enumerate(histogram.counts) if count > least]
    return histogram.first + found[-1] if found else None


def likeliest(histogram: Histogram) -> int:
    """Return the bin with the largest noisy count, as a power of two."""
    counts = histogram.counts
    return histogram.first + max(range(len(counts)), key=counts.__getitem__)


def best_limit(
    histogram: Histogram, noise: float, groups: float = 1.0, top: int | None = None
) -> float | None:
    """
    Return the limit of least predicted error; ``None`` where nothing is known.

    With K *groups*, a limit C costs noise K (C·noise)² in all, where *noise* is the
    multiplier of the reference query: 1/√(2ρ). What is lost of units above C has the
    norm (size - C) each, and no more than their sum over all of them: as much where
    they are alike, as the busiest groups make them. For one group the optimum leaves
    about *noise* units above the limit, however many there are below: the rule aims
    at a count, not at a percentile. No size above 2^*top* is counted.
    """
    top = highest(histogram) if top is None else top
    if top is None:
        return None
    counts = dict(_sized(histogram, top))

    def error(limit: float) -> float:
        lost = sum(n * _excess(at, limit) for at, n in counts.items())
        return groups * (limit * noise) ** 2 + lost**2

    first = histogram.first * PER_OCTAVE
    steps = range(first, top * PER_OCTAVE + 1)
    return min((math.pow(2, at / PER_OCTAVE) for at in steps), key=error)


def best_kept(
    unions: Histogram, noise: float, delta: Callable[[int], int], groups: float = 1.0
) -> int:
    """
    Return how many values a unit is to keep, for the least predicted error of a union.

    With l values a unit, and K *groups*, noise costs K (Δ(l)·noise)² in all. What is
    lost is what the union of l has less than the whole one. That is the last one that
    is surely larger than those before it. With few values that many units have it is
    the first: larger ones do not stand out of their noise. With nearly unique values
    it is one of large l. Where nothing is sure, the least noise is best.
    """
    sizes = {1 << unions.first + at: size for at, size in enumerate(unions.counts)}
    whole = min(sizes)
    for kept, size in sizes.items():
        apart = unions.deviation * math.hypot(kept, whole)
        if size - sizes[whole] > SURE * apart:
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
    sized = list(_sized(histogram, top))
    whole = sum(count * _excess(at, 0.0) for at, count in sized)
    parts = [(count, _excess(at, limit)) for at, count in sized]
    lost = sum(count * size for count, size in parts)
    deviation = histogram.deviation * math.hypot(*(size for _, size in parts))
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
    sized = list(_sized(histogram, top))
    counted = sum(count for _, count in sized)
    return sum(count * _excess(at, 0.0) for at, count in sized) / max(1.0, counted)


def _sized(histogram: Histogram, top: int) -> Iterator[tuple[int, float]]:
    """Yield the bins up to *top* with their numbers of units, none below zero."""
    for at, count in enumerate(histogram.counts):
        if histogram.first + at <= top:
            yield histogram.first + at, max(0.0, count)


def _excess(power: int, limit: float) -> float:
    """
    Return how far a size of bin *power* is above *limit*, on average.

    Sizes are taken to be spread evenly over the bin's logarithms: their density is
    1 / (x ln 2) between the ends.
    """
    high = math.pow(2, power)
    low = max(high / 2, min(high, limit))
    if low >= high:
        return 0.0
    return ((high - low) - limit * math.log(high / low)) / math.log(2)
