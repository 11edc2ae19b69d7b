"""
Which unknown groups may be shown: thresholds on noisy counts of privacy units.

Claim: a group that exists because of one unit alone is shown with probability at most
delta, over all groups of that unit together. Release is ``noisy >= T``, so the chance
is the tail at T - weight, not one step further (theory.md 2.5 and A.1: OpenDP 0.16's
own thresholds are off by that step, opendp#2922; hence ours).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

from dpquery.noise.tails import first, tail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.noise.calibration import Additive

__all__ = ["exact_delta", "tail", "threshold"]


def threshold(
    noise: Additive, *, delta: float, weights: Sequence[tuple[int, int]]
) -> int:
    """
    Return the smallest T, in grid units, for which ``noisy >= T`` costs *delta*.

    *weights* are (groups, weight): a unit that is in that many groups adds at most
    that weight, in grid units, to each. A unit may be in any listed number of groups
    and must not be in any other (theory.md 2.5, weighted version).

    >>> from dpquery.noise.calibration import Additive, Law
    >>> noise = Additive(Law.LAPLACE, sensitivity=1, scale=1.0)
    >>> threshold(noise, delta=0.05, weights=[(1, 1)])
    4

    Raises:
        ValueError: For a delta outside (0, 1), and for weights that are none.
    """
    if not 0 < delta < 1:
        raise ValueError(f"delta is between 0 and 1: {delta!r}")
    if not weights or any(groups < 1 or weight < 0 for groups, weight in weights):
        raise ValueError("weights are (groups >= 1, weight >= 0), at least one")
    lowest = 0
    # the most groups first: they mostly decide, and each later one is a single test
    for groups, weight in sorted(weights, reverse=True):
        if exact_delta(noise, lowest, groups, weight) > delta:
            lowest = weight + _distance(noise, delta, groups)
    return lowest


def exact_delta(noise: Additive, at_least: int, groups: int, weight: int) -> float:
    """
    Return the chance that one unit alone lifts any of its groups to *at_least*.

    It is 1 - (1 - tail)^groups, rounded up as the tail is; 1 where the unit's weight
    reaches the threshold without noise.
    """
    if at_least <= weight:
        return 1.0
    each = tail(noise.law, noise.scale, at_least - weight)
    return -math.expm1(groups * math.log1p(-each)) if each < 1 else 1.0


@lru_cache(maxsize=1024)
def _distance(noise: Additive, delta: float, groups: int) -> int:
    """Return how far above its weight a unit's groups must be withheld."""
    return first(lambda t: exact_delta(noise, t, groups, 0) <= delta)
