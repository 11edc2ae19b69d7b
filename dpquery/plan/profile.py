"""What is known of the units of a relation: noisy histograms of their sizes.

A profile (theory.md 2.8) is a release like any other: each unit is in one bin of each
histogram. With f bins an octave, bin *b* holds the sizes above 2^((b-1)/f), up to
2^(b/f).

Of different values, which units have in common, no histogram tells how many there are.
There it is the sizes of unions themselves: number *b* is of that to which each unit
adds up to 2^b of its values. A unit that goes takes at most these with it, and brings
none: the number falls by 2^b at most, and never rises (theory.md 2.6).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from dpquery.plan.program import BoundedDistinct, BoundedMoment, ReleaseStep

if TYPE_CHECKING:
    from dpquery.plan.aggregates import AdditiveMoment, DistinctValues
    from dpquery.plan.program import Bounding, GroupKey
    from dpquery.plan.relations import Owned


class Quantity(StrEnum):
    """What of each unit a histogram is of."""

    NORM = "norm"
    """The size of all that the unit adds to the moments, over its groups."""
    GROUPS = "groups"
    """In how many groups the unit has rows."""
    LARGEST = "largest"
    """The largest value of the unit, whatever its sign."""
    UNION = "union"
    """Different values of all units together, of which each keeps up to 2^b."""


@dataclass(frozen=True, slots=True)
class Sought:
    """A histogram that would say how to bound contributions."""

    quantity: Quantity
    source: Owned
    keys: tuple[GroupKey, ...]
    """Of the groups; none for LARGEST and UNION."""
    moments: tuple[AdditiveMoment, ...]
    """Of one vector; for LARGEST, where a value is present; none for UNION."""
    bounding: Bounding
    """The kind of limit that the size is compared with."""
    first: int
    """The lowest bin, which has all that is smaller too."""
    last: int
    """The highest bin, which has all that is larger too."""
    blocks: tuple[str, ...] = ()
    """The blocks of time that its rows may be of."""
    distinct: DistinctValues | None = None
    """For UNION: the values."""
    per_octave: int = 1
    """Bins between a size and its double; 1 for UNION."""

    def end(self, bin_: int) -> float:
        """Return the largest size of a bin."""
        return size_at(bin_, self.per_octave)

    @property
    def bins(self) -> range:
        """The bins that there is a number for; of UNION they are powers of two."""
        return range(self.first, self.last + 1)


@dataclass(frozen=True, slots=True)
class Histogram:
    """Noisy numbers of units by size: post-processing may do with it what it likes."""

    first: int
    """The lowest bin."""
    counts: tuple[float, ...]
    """Units, or different values, with noise; one number a bin."""
    deviation: float
    """The standard deviation of the noise of each; of UNION that of a union to which
    each unit adds one value, and a union of l a unit has l times as much."""
    per_octave: int = 1
    """Bins between a size and its double."""

    def end(self, bin_: int) -> float:
        """Return the largest size of a bin."""
        return size_at(bin_, self.per_octave)


def size_at(place: float, per_octave: int) -> float:
    """Return the size at a place among bins; a whole number is the end of one."""
    return math.pow(2, place / per_octave)


def step_of(sought: Sought) -> ReleaseStep:
    """
    Return a release of the same rows, groups and moments, without limits.

    That of UNION has a union for each power of two, with its limit and sensitivity.
    """
    moments = tuple(
        BoundedMoment(moment, 0, at, 1, NO_LIMIT, NO_LIMIT)
        for at, moment in enumerate(sought.moments)
    )
    unions = () if sought.distinct is None else tuple(_unions(sought, sought.distinct))
    return ReleaseStep(
        name="profile",
        source=sought.source,
        keys=sought.keys,
        domain=None,
        moments=moments,
        distinct=unions,
        rankings=(),
        bounding=sought.bounding,
        columns=(),
        blocks=sought.blocks,
    )


def _unions(sought: Sought, values: DistinctValues) -> Iterator[BoundedDistinct]:
    """Yield unions of which a unit keeps 2^b values in all: Δ = 2^b (theory.md 2.6)."""
    for power in sought.bins:
        kept = 1 << power
        yield BoundedDistinct(values, kept, kept, kept)


NO_LIMIT = 1 << 53
"""Beyond what DOUBLE holds exactly nothing is told apart."""

Lookup: TypeAlias = Callable[[Sought], Histogram | None]
"""Returns a histogram that was released before; ``None``: there is none."""


@dataclass(frozen=True, slots=True)
class Clip:
    """How a limit was chosen: what `retained` is computed from."""

    moments: tuple[int, ...]
    """Positions of the vector's moments in the release."""
    histogram: Histogram
    limit: float
    """In the unit of the histogram's sizes."""
    grouped: bool
    """Whether sizes are over the groups of the release, and not of all rows."""
