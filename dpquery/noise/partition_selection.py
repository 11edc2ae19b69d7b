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
    noise: Additive,
    *,
    delta: float,
    weights: Sequence[tuple[int, int]],
    others: int = 0,
) -> int:
    """
    Return the smallest T, in grid units, for which ``noisy >= T`` costs *delta*.

    *weights* are (groups, weight): a unit that is in that many groups adds at most
    that weight, in grid units, to each. A unit may be in any listed number of groups
    and must not be in any other (theory.md 2.5, weighted version).

    With a minimum of N units, groups in which fewer count are left out *before* the
    noise, by the exact number, and *others* is the most that N - 1 units weigh
    together in one group, (N - 1) times a full weight. Then T is higher by it:

    Let D' be D without the unit x, which counts in g groups with weight w in each. If g
    is none of the listed numbers, x counts nowhere and nothing changes. A group that is
    tried in D and not in D' has exactly N units in D, x among them, so its weighted
    count is at most w + others, and it is shown only if Z >= T - w - others. There are
    at most g such groups, so that one of them is shown with probability at most
    1 - (1 - P[Z >= T - others - w])^g <= delta. No group is tried in D' alone. If none
    of these groups is shown, then both answers are made of the groups that are tried in
    D', in the same way, and their vectors differ by what x adds.

    Leaving out by the exact number and then trying against the T for N = 1 is
    unsound: a group of N units, with and without one of them, is shown and not shown
    nearly always. So is trying the exact *weighted* count against N full weights
    without one step more: N - 1 full weights and w - 1 sub-steps are not tried.

    >>> from dpquery.noise.calibration import Additive, Law
    >>> noise = Additive(Law.LAPLACE, sensitivity=1, scale=1.0)
    >>> threshold(noise, delta=0.05, weights=[(1, 1)])
    4

    Raises:
        ValueError: For a delta outside (0, 1), and for weights that are none.
    """
    if not 0 < delta < 1:
        raise ValueError(f"delta is between 0 and 1: {delta!r}")
    if others < 0:
        raise ValueError(f"others weigh 0 or more: {others!r}")
    if not weights or any(groups < 1 or weight < 0 for groups, weight in weights):
        raise ValueError("weights are (groups >= 1, weight >= 0), at least one")
    lowest = 0
    # the most groups first: they mostly decide, and each later one is a single test
    for groups, weight in sorted(weights, reverse=True):
        if exact_delta(noise, lowest, groups, weight) > delta:
            lowest = weight + _distance(noise, delta, groups)
    return lowest + others


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
