"""
What one unit can show, in all small databases: the chance itself, summed exactly.

A group is tried if at least N units count in it, and shown if its noisy weighted count
reaches T (theory.md 2.5). Removing a unit may change which groups are tried; that one
of those is shown must have a chance of at most delta.
"""

from __future__ import annotations

import math
from functools import cache
from itertools import combinations, product
from typing import TYPE_CHECKING

import pytest

from dpquery.noise.calibration import Additive, Law
from dpquery.noise.partition_selection import threshold
from dpquery.plan.analysis.sensitivity import SUB_STEPS, unit_weights
from dpquery.plan.program import Bounding, BoundingMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

SIZES = {1: ("abc", 3), 2: ("abc", 3), 3: ("ab", 5)}
"""For each minimum, groups and people: enough that some database is the worst."""
K, CAP = 1, 2
DELTA = 1e-4
SCALE = 0.5 * SUB_STEPS
HOW = Bounding(BoundingMode.NORM, 2, K, CAP, single_group=False)
WEIGHTS = dict(unit_weights(HOW))

Person = tuple[str, ...]
Counts = dict[str, tuple[int, int]]
"""For each group, how many count in it, and their weights together."""


@cache
def tail(at_least: int) -> float:
    """P[Z >= at_least], term by term."""
    reach = int(SCALE * 12)
    mass = math.fsum(math.exp(-((z / SCALE) ** 2) / 2) for z in range(-reach, reach))
    above = (math.exp(-((z / SCALE) ** 2) / 2) for z in range(at_least, reach))
    return min(1.0, math.fsum(above) / mass)


def counts(people: Iterable[Person]) -> Counts:
    """Return what the SQL counts: beyond the cap, a unit counts in none."""
    found: Counts = {}
    for groups in people:
        weight = WEIGHTS.get(len(groups), 0)
        for group in groups if weight else ():
            number, together = found.get(group, (0, 0))
            found[group] = number + 1, together + weight
    return found


def by_number(least: int) -> Callable[[int, int], bool]:
    return lambda number, _: number >= least


def by_weight(least: int) -> Callable[[int, int], bool]:
    return lambda _, weight: weight >= least * SUB_STEPS


def worst(minimum: int, lowest: int, tried: Callable[[int, int], bool]) -> float:
    """Return the largest chance that a removal shows, over all databases."""
    groups, people = SIZES[minimum]
    whole = [g for n in range(len(groups) + 1) for g in combinations(groups, n)]
    return max(
        _shows(counts(each), counts(each[1:]), lowest, tried)
        for each in product(whole, repeat=people)
    )


def _shows(
    before: Mapping[str, tuple[int, int]],
    after: Mapping[str, tuple[int, int]],
    lowest: int,
    tried: Callable[[int, int], bool],
) -> float:
    hidden = 1.0
    for group, (number, weight) in before.items():
        was = after.get(group)
        if tried(number, weight) and not (was and tried(*was)):
            hidden *= 1 - tail(lowest - weight)
    return 1 - hidden


def least_shown(minimum: int) -> int:
    """Return the threshold in use."""
    noise = Additive(Law.GAUSSIAN, SUB_STEPS, SCALE)
    others = (minimum - 1) * SUB_STEPS
    return threshold(noise, delta=DELTA, weights=tuple(WEIGHTS.items()), others=others)


@pytest.mark.parametrize("minimum", [1, 2, 3])
def test_no_removal_shows_more_than_delta_pays_for(minimum: int) -> None:
    lowest = least_shown(minimum)
    assert worst(minimum, lowest, by_number(minimum)) <= DELTA
    # and no lower threshold would do: some database comes up to it
    assert worst(minimum, lowest - 20, by_number(minimum)) > DELTA


@pytest.mark.parametrize("minimum", [2, 3])
def test_the_usual_threshold_after_a_minimum_is_unsound(minimum: int) -> None:
    """Leave out small groups, then do as always: one unit shows a group by itself."""
    assert worst(minimum, least_shown(1), by_number(minimum)) > 100 * DELTA


@pytest.mark.parametrize("minimum", [2, 3])
def test_a_minimum_of_weights_needs_one_more_step(minimum: int) -> None:
    assert worst(minimum, least_shown(minimum), by_weight(minimum)) > DELTA
    higher = least_shown(minimum) + SUB_STEPS - 1
    assert worst(minimum, higher, by_weight(minimum)) <= DELTA
