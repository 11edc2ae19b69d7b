"""
Tables of sums by groups, each made better by what is known of the others.

A table over some axes (lists of public groups) is a sum of parts, one for each set of
its axes: the total, what each axis adds to it, what each pair adds to that, … Noise of
a table that was measured is spread over its parts, and tables that share a set of axes
have measured the same part. The best estimate of a table is put together from the best
estimates of its parts: each the mean of what the tables say of it, weighted by inverse
variance (theory.md 5.1; ResidualPlanner, Xiao, He, Zhang and Kifer 2023, arXiv
2305.08175). Answers made in this way add up. It is post-processing, and costs nothing.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

from dpquery.kernel.readings import Noisy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dpquery.kernel.readings import Key

Axis: TypeAlias = tuple[tuple[str, ...], str]
"""The digests of one or more keys, and that of the list of their groups."""
Axes: TypeAlias = frozenset[Axis]
Sizes: TypeAlias = "Mapping[Axis, int]"
"""How many groups each axis has."""


def related(one: Axes, other: Axes) -> bool:
    """Return whether two tables have every key on one axis, if it is in both."""
    return all(a == b or not set(a[0]) & set(b[0]) for a in one for b in other)


def variance(wanted: Axes, known: Sequence[tuple[Axes, float]], sizes: Sizes) -> float:
    """
    Return the variance of a group of *wanted*, put together from known tables.

    *known* are tables with the variance of each group; infinite where some part is
    not known at all. With only itself known, a table has its own variance.
    """
    total = 0.0
    for part in _parts(wanted):
        precision = sum(
            1 / (each * _product(axes - part, sizes))
            for axes, each in known
            if part <= axes
        )
        if not precision:
            return math.inf
        spread = math.prod(1 - 1 / sizes[axis] for axis in part)
        total += spread / precision / _product(wanted - part, sizes) ** 2
    return total


def missing(
    wanted: Axes, known: Sequence[tuple[Axes, float]], sizes: Sizes, target: float
) -> float:
    """
    Return the least precision (1/variance) of a new table that leads to *target*.

    0 where what is known is enough. The variance falls as the precision rises, so that
    bisection finds it.
    """
    if variance(wanted, known, sizes) <= target * (1 + TOLERANCE):
        return 0.0
    low, high = 0.0, 1 / target
    for _ in range(60):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        enough = variance(wanted, [*known, (wanted, 1 / middle)], sizes) <= target
        low, high = (low, middle) if enough else (middle, high)
    return high


TOLERANCE = 1e-6
"""By how much a variance may be above what was asked for: rounding of prices."""


@dataclass(frozen=True, slots=True)
class Table:
    """One moment of a table that was measured."""

    axes: Axes
    places: Mapping[Axis, tuple[int, ...]]
    """Where the keys of each axis stand in a group's key."""
    values: Mapping[Key, int]
    """In sub-steps, by group."""
    deviation: float
    """Of each value's noise, in sub-steps."""
    steps: int
    """Sub-steps in a step of the moment's grid."""

    @property
    def variance(self) -> float:
        """Of a group, in squared steps of the grid."""
        return (self.deviation / self.steps) ** 2

    def at(self, key: Key, axes: Sequence[Axis]) -> Key:
        """Return the part of a group's key that is on some axes."""
        return tuple(key[place] for axis in axes for place in self.places[axis])

    def sums(self, axes: Sequence[Axis]) -> dict[Key, int]:
        """Return the sums of the groups that are one on some axes."""
        found: dict[Key, int] = {}
        for key, value in self.values.items():
            part = self.at(key, axes)
            found[part] = found.get(part, 0) + value
        return found


Made: TypeAlias = "dict[tuple[Axes, tuple[int, ...]], dict[Key, Fraction]]"
"""Parts that were put together, by the tables (by identity) that they are made of."""


def put_together(
    wanted: Table, tables: Sequence[Table], sizes: Sizes, made: Made | None = None
) -> dict[Key, Noisy]:
    """
    Return the best estimate of *wanted*'s groups from *tables*, among them itself.

    *wanted* says which groups, in which order of keys; its values are not looked at.
    *made* keeps parts from one call to the next, while the tables are kept.

    Raises:
        ValueError: some part of it is not known.
    """
    values = dict.fromkeys(wanted.values, Fraction(0))
    made = {} if made is None else made
    for part in _parts(wanted.axes):
        with_it = [each for each in tables if part <= each.axes]
        name = part, tuple(map(id, with_it))
        if name not in made:
            made[name] = _part(part, with_it, sizes)
        axes, estimates = sorted(part), made[name]
        apart = Fraction(1, _product(wanted.axes - part, sizes))
        for key in values:
            values[key] += apart * estimates[wanted.at(key, axes)]
    known = [(each.axes, each.variance) for each in tables]
    deviation = math.sqrt(variance(wanted.axes, known, sizes))
    return {key: Noisy.normal(value, deviation) for key, value in values.items()}


def _part(part: Axes, tables: Sequence[Table], sizes: Sizes) -> dict[Key, Fraction]:
    """Return the best estimate of a part, by the groups of its axes in order."""
    found: dict[Key, Fraction] = {}
    axes = sorted(part)
    for table, share in _shares(tables, part, sizes):
        scale = share / (table.steps * _product(part, sizes))
        for key, contrast in _contrasts(table, axes, sizes).items():
            found[key] = found.get(key, Fraction(0)) + scale * contrast
    return found


def _contrasts(table: Table, axes: Sequence[Axis], sizes: Sizes) -> dict[Key, int]:
    """
    Return a table's part on some axes, times the number of its groups.

    What is left of the sums when the means along every axis are taken away:
    the sum over all sets S of the axes of (-1)^(axes not in S) · sum_S · Π_S n.
    """
    found = dict.fromkeys(table.sums(axes), 0)
    keys = {table.at(key, axes): key for key in table.values}
    for some in _parts(frozenset(axes)):
        inside = sorted(some)
        sums = table.sums(inside)
        factor = (-1) ** (len(axes) - len(some)) * _product(some, sizes)
        for part in found:
            found[part] += factor * sums[table.at(keys[part], inside)]
    return found


def _shares(
    tables: Sequence[Table], part: Axes, sizes: Sizes
) -> list[tuple[Table, Fraction]]:
    """Return what each table has to say of a part, as weights that add up to 1."""
    if not tables:
        raise ValueError("a part of the table is not known")
    precisions = [
        1 / (each.variance * _product(each.axes - part, sizes)) for each in tables
    ]
    whole = math.fsum(precisions)
    weights = [Fraction(p / whole).limit_denominator(1 << 40) for p in precisions[1:]]
    weights.insert(0, 1 - sum(weights, Fraction(0)))
    return list(zip(tables, weights, strict=True))


def _parts(axes: Axes) -> Iterator[Axes]:
    """Yield all sets of some of the axes, the empty one first."""
    ordered = sorted(axes)
    for count in range(len(ordered) + 1):
        yield from map(frozenset, itertools.combinations(ordered, count))


def _product(axes: Axes, sizes: Sizes) -> int:
    return math.prod(sizes[axis] for axis in axes)
