"""Replicates of released cells: what they would be with other draws of the same noise.

A replicate of a reading is *reading - fresh noise* (noise/sampled.py). It is made of
released numbers and the law of their noise, so that it costs nothing; chance has no
secret here, and is drawn by a generator that the readings themselves seed: the same
answer has the same error bars.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random
from typing import TYPE_CHECKING, Any

from dpquery.kernel.estimates import LARGEST_INTEGER, few, typed, value
from dpquery.kernel.spreads import below_zero
from dpquery.noise.calibration import Law
from dpquery.noise.intervals import HALF_A_ROW
from dpquery.plan.aggregates import (
    LinearEstimator,
    RankEstimator,
    RatioEstimator,
    SpreadEstimator,
    Units,
)
from dpquery.plan.rewrite.decompose_aggregates import moments_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dpquery.kernel.readings import Group, Noisy
    from dpquery.noise.calibration import Additive
    from dpquery.noise.intervals import Reading
    from dpquery.noise.sampled import Ends
    from dpquery.plan.aggregates import Moment
    from dpquery.plan.program import ReleasedColumn


@dataclass(slots=True)
class Drawn:
    """A moment in one replicate after the other; it stands where a noisy one does."""

    value: float
    deviation: float
    surely: float


class Current(dict[int, Drawn]):
    """
    The moments of one replicate, found by the identity of what names them.

    An estimator names its moments by the same objects each time, and to compare whole
    expressions would take most of the time.
    """

    def __getitem__(self, moment: Any) -> Drawn:  # noqa: ANN401 -- a moment
        return super().__getitem__(id(moment))


@dataclass(slots=True)
class Redraw:
    """*count* replicates of whatever is asked for, each noise drawn once in each."""

    count: int
    chance: Random
    _noises: dict[object, list[int]] = field(default_factory=dict)
    _moments: dict[tuple[int, Moment], list[float]] = field(default_factory=dict)

    @classmethod
    def of(cls, groups: Iterable[Iterable[Group]], count: int) -> Redraw:
        """Return replicates whose chance follows from what all *groups* read."""
        seed = hashlib.sha256()
        for each in groups:
            for group in each:
                for noisy in group.readings.values():
                    values = [reading.value for _, reading in noisy.terms]
                    seed.update(repr(values).encode())
        return cls(count, Random(seed.digest()))  # noqa: S311 -- no secret

    def cells(
        self, column: ReleasedColumn, group: Group, ends: Ends | None = None
    ) -> list[Any]:
        """Return the replicates of one released cell, chosen by rank between *ends*."""
        match column.estimator:
            case LinearEstimator(terms=terms, integer=integer, presence=presence):
                cells = self._sums(terms, group)
                numbers: list[Any] = [_whole(x) for x in cells] if integer else cells
                if presence is None:
                    return numbers
                sure = group.readings[presence].surely
                counts = self.moment(presence, group)
                pairs = zip(numbers, counts, strict=True)
                return [None if n + sure < 1 else x for x, n in pairs]
            case RatioEstimator(numerator=above, denominator=below, value=of):
                centre, grid = float(of.grid * of.centre), float(of.grid)
                low, high = float(of.grid * of.low), float(of.grid * of.high)
                pairs = zip(
                    self.moment(above, group), self.moment(below, group), strict=True
                )
                return [
                    None
                    if n < HALF_A_ROW
                    else max(low, min(high, centre + grid * s / n))
                    for s, n in pairs
                ]
            case RankEstimator(presence=presence):
                return self._chosen(column, presence, group, ends)
            case _:
                return self._others(column, group)

    def _sums(
        self, terms: tuple[tuple[Fraction, Moment], ...], group: Group
    ) -> list[float]:
        totals = [0.0] * self.count
        for coefficient, moment in terms:
            factor, replicates = float(coefficient), self.moment(moment, group)
            totals = [t + factor * x for t, x in zip(totals, replicates, strict=True)]
        return totals

    def _others(self, column: ReleasedColumn, group: Group) -> list[Any]:
        """
        Return replicates of what is no sum or mean.

        A variance that noise has made negative is shown as 0, and drawn around 0: as it
        was measured, nearly all of its replicates would be 0, too.
        """
        read = [(m, self.moment(m, group)) for m in moments_of(column.estimator)]
        lift = 0.0
        if isinstance(column.estimator, SpreadEstimator):
            lift = below_zero(column.estimator, group.readings)
        current = Current(
            {
                id(m): Drawn(0.0, group.readings[m].deviation, group.readings[m].surely)
                for m, _ in read
            }
        )
        readings: Any = current
        found = []
        for at in range(self.count):
            for moment, replicates in read:
                current[moment].value = replicates[at]
            if isinstance(column.estimator, SpreadEstimator):
                current[column.estimator.square].value += lift
            found.append(value(column, readings, {}))
        return found

    def _chosen(
        self, column: ReleasedColumn, presence: Units, group: Group, ends: Ends | None
    ) -> list[Any]:
        """
        Return replicates of a value that was chosen by rank.

        It has no law, but an interval: each replicate is one of its ends, so that no
        bar of what is computed from it is too short. NULL where there is no interval.
        """
        if ends is None:
            return [None] * self.count
        values = [typed(Fraction(end), column.type) for end in (ends.low, ends.high)]
        deviation = group.readings[presence].deviation
        counts = self.moment(presence, group)
        drawn = self.chance.choices(values, k=self.count)
        return [
            None if few(n, deviation) else x for x, n in zip(drawn, counts, strict=True)
        ]

    def moment(self, moment: Moment, group: Group) -> list[float]:
        """Return the replicates of a noisy moment of a group."""
        key = (id(group), moment)
        if key not in self._moments:
            self._moments[key] = self._drawn(group.readings[moment])
        return self._moments[key]

    def _drawn(self, noisy: Noisy) -> list[float]:
        drawn = [float(noisy.value)] * self.count
        for coefficient, reading in noisy.terms:
            factor = float(coefficient)
            noises = self._noise(reading)
            drawn = [x - factor * z for x, z in zip(drawn, noises, strict=True)]
        return drawn

    def _noise(self, reading: Reading) -> list[int]:
        """Return draws of a reading's noise: one that is read twice has one noise."""
        key = reading.origin or id(reading)
        if key not in self._noises:
            self._noises[key] = _draws(reading.noise, self.chance, self.count)
        return self._noises[key]


def _draws(noise: Additive, chance: Random, count: int) -> list[int]:
    """
    Return draws of discrete noise, by floating-point numbers: no secret hangs on it.

    The floors of exponential variables are geometric, and a discrete Laplace variable
    is the difference of two. A rounded Gaussian has a variance larger than the discrete
    one's by at most 1/12.
    """
    scale = noise.scale
    if noise.law is Law.GAUSSIAN:
        gauss = chance.gauss
        return [round(gauss(0.0, scale)) for _ in range(count)]
    drawn, floor = chance.expovariate, math.floor
    return [floor(drawn(1.0) * scale) - floor(drawn(1.0) * scale) for _ in range(count)]


def _whole(number: float) -> int:
    return max(-LARGEST_INTEGER, min(LARGEST_INTEGER, round(number)))
