"""
Error bars without a law: quantiles of replicates, and pairs of chosen values.

A replicate is what the same post-processing makes of *reading - fresh noise*. For a
reading y = truth + Z that is a draw from the confidence distribution of the truth, so
that quantiles of replicates are confidence limits: exact for whatever is linear, and
for a ratio Fieller's; elsewhere up to curvature (theory.md 4.3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from dpquery.results import Interval

if TYPE_CHECKING:
    from collections.abc import Iterable

TAILS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25)
"""The tails whose quantiles are kept, of those that there are replicates for."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """Quantiles of replicates of one cell; enough for any confidence from a half."""

    middle: float
    """The median of the replicates."""
    tails: tuple[tuple[float, float, float], ...]
    """(tail, its quantile, that of the opposite tail), from the smallest tail on."""
    least: float = -math.inf
    """What the cell cannot be below, whatever the noise is."""
    most: float = math.inf
    """What the cell cannot be above."""

    @property
    def varies(self) -> bool:
        """Whether the replicates are not all the same."""
        return any(low < high for _, low, high in self.tails)


@dataclass(frozen=True, slots=True)
class Ends:
    """
    A chosen value between two others, which were chosen to have the truth between them.

    They were paid for; at another confidence there are no others.
    """

    low: float
    high: float
    confidence: float
    """With which the truth is between the two."""
    least: float
    """The lowest candidate."""
    most: float
    """The highest candidate."""


def sampled(
    replicates: Iterable[float | None],
    least: float = -math.inf,
    most: float = math.inf,
    around: float | None = None,
) -> Sampled | None:
    """
    Return the quantiles of *replicates*; ``None`` if none is a number.

    What is NULL could have been anything, so it counts as below all others at the lower
    end, and above all others at the upper one. Quantiles are at ranks p (B + 1), so
    that another draw falls below with chance p exactly.

    *Around* a value, each end is at least as far from it as the other: where nothing is
    known of what is computed, it may have a kink, as ABS at 0, and the truth be behind.
    """
    given = list(replicates)
    finite = sorted(x for x in given if x is not None and math.isfinite(x))
    missing, count = len(given) - len(finite), len(given)
    if not finite:
        return None
    low, high = [-math.inf] * missing + finite, finite + [math.inf] * missing
    tails = tuple(
        (
            tail,
            _at(low, tail * (count + 1)),
            -_at([-x for x in reversed(high)], tail * (count + 1)),
        )
        for tail in TAILS
        if tail * (count + 1) >= 1
    )
    if around is not None:
        twice = 2 * around
        tails = tuple(
            (tail, min(below, twice - above), max(above, twice - below))
            for tail, below, above in tails
        )
    return Sampled(_at(finite, (len(finite) + 1) / 2), tails, least, most)


def _at(ordered: list[float], rank: float) -> float:
    """Return the value at a rank from 1, between two neighbours where it is broken."""
    rank = min(max(rank, 1.0), float(len(ordered)))
    below = math.floor(rank)
    first = ordered[below - 1]
    if rank - below < 1e-9 or math.isinf(first):  # noqa: PLR2004 -- rounding
        return first
    return first + (rank - below) * (ordered[below] - first)


def sampled_interval(estimate: Sampled, miss: float) -> Interval:
    """Return the interval that misses with chance *miss*, by quantiles or wider."""
    low = _limit(estimate, miss / 2, -1)
    high = _limit(estimate, miss / 2, 1)
    return Interval(max(estimate.least, low), min(estimate.most, high))


def _limit(estimate: Sampled, tail: float, side: int) -> float:
    """
    Return the limit of one side, between the kept tails by the normal scale.

    Beyond the last of them there are too few replicates: it is extrapolated with the
    largest deviation that any kept quantile speaks for, and is no nearer than the last.
    """
    middle = estimate.middle
    kept = [(t, ends[side > 0]) for t, *ends in estimate.tails] + [(0.5, middle)]
    if tail < kept[0][0]:
        last = kept[0][1]
        slopes = [side * (x - middle) / _z(t) for t, x in kept[:-1]]
        return middle + side * max(side * (last - middle), max(slopes) * _z(tail))
    for (outer, x), (inner, y) in pairwise(kept):
        if tail <= inner:
            if math.isinf(x) or tail == outer:
                return x
            share = (_z(tail) - _z(inner)) / (_z(outer) - _z(inner))
            return y + share * (x - y)
    return middle


def _z(tail: float) -> float:
    return -NormalDist().inv_cdf(tail)


def ends_interval(estimate: Ends, miss: float) -> Interval:
    """Return the two ends; all candidates where more is wanted than they were for."""
    if miss < (1 - estimate.confidence) * (1 - 1e-9):
        return Interval(estimate.least, estimate.most)
    return Interval(estimate.low, estimate.high)


def to_json(estimate: Sampled | Ends) -> dict[str, Any]:
    """Return *estimate* as JSON-ready data; floats are text, exact to the last bit."""
    if isinstance(estimate, Ends):
        parts = (estimate.low, estimate.high, estimate.least, estimate.most)
        return {"ends": [repr(x) for x in (*parts, estimate.confidence)]}
    return {
        "middle": repr(estimate.middle),
        "tails": [[repr(x) for x in each] for each in estimate.tails],
        "bounds": [repr(estimate.least), repr(estimate.most)],
    }


def from_json(data: object) -> Sampled | Ends:
    """
    Return what :func:`to_json` wrote.

    Raises:
        ValueError: For anything that it does not write.
    """
    match data:
        case {"ends": [low, high, least, most, confidence], **rest} if not rest:
            return Ends(*map(_float, (low, high, confidence, least, most)))
        case {"middle": middle, "tails": list(tails), "bounds": [least, most]}:
            kept = tuple(_tail(each) for each in tails)
            return Sampled(_float(middle), kept, _float(least), _float(most))
        case _:
            raise ValueError("this is no estimate")


def _tail(data: object) -> tuple[float, float, float]:
    match data:
        case [tail, low, high]:
            return _float(tail), _float(low), _float(high)
        case _:
            raise ValueError("this is no tail of an estimate")


def _float(text: object) -> float:
    if not isinstance(text, str):
        raise ValueError("numbers are text")  # noqa: TRY004 -- bad input
    return float(text)
