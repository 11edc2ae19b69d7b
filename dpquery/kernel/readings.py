"""Noisy moments as values: independent readings, each with its weight."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeAlias

from dpquery.noise.calibration import Additive, Law
from dpquery.noise.intervals import Reading
from dpquery.plan.aggregates import Moment, RankTarget

if TYPE_CHECKING:
    from dpquery.plan.aggregates import GridValue

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Noisy:
    """
    A noisy moment, in steps of its grid: the sum of coefficient times reading.

    One reading, or several of the same moment, weighted by their precision (theory.md
    5.1). The terms are independent.
    """

    terms: tuple[tuple[Fraction, Reading], ...]
    mixed: bool = False
    """Whether its noise is a part of that of other groups', too."""

    @classmethod
    def of(
        cls,
        value: int,
        noise: Additive,
        steps: int,
        origin: tuple[Any, ...] | None = None,
    ) -> Noisy:
        """Return one reading, in sub-steps."""
        return cls(((Fraction(1, steps), Reading(value, noise, origin)),))

    @classmethod
    def normal(cls, value: Fraction, deviation: float) -> Noisy:
        """Return a value with about normal noise: a sum of many readings."""
        parts = 1 << 20
        noise = Additive(Law.GAUSSIAN, 1, deviation * parts)
        reading = Reading(round(value * parts), noise)
        return cls(((Fraction(1, parts), reading),), mixed=True)

    @property
    def value(self) -> Fraction:
        """The moment, without rounding."""
        return sum((c * reading.value for c, reading in self.terms), Fraction(0))

    @property
    def deviation(self) -> float:
        """The standard deviation of its noise."""
        return math.hypot(*(float(c) * r.noise.std for c, r in self.terms))

    @property
    def surely(self) -> float:
        """How far its noise hardly ever goes in one direction."""
        return self.deviation * max(SURE[r.noise.law] for _, r in self.terms)


SURE = {Law.GAUSSIAN: 3.0, Law.LAPLACE: 9.8}
"""Standard deviations that noise hardly ever exceeds. Laplace's tails are heavier:
three of its own it exceeds, in one direction, one time in 140."""

Readings: TypeAlias = Mapping[Moment, Noisy]
"""Noisy moments of one group."""
Chosen: TypeAlias = Mapping[tuple["GridValue", RankTarget], Fraction]
"""Values of one group that were chosen by rank, in steps of their grids."""


@dataclass(frozen=True, slots=True)
class Group:
    """One group with its noisy moments."""

    keys: Key
    readings: dict[Moment, Noisy]
    chosen: dict[tuple[GridValue, RankTarget], Fraction] = field(default_factory=dict)


def merged(parts: list[tuple[float, Noisy]]) -> Noisy:
    """
    Return the mean of independent readings, weighted by their precisions.

    *parts* are (precision, reading). Inverse variances make the least variance of all
    unbiased means (Gauss-Markov). Weights are short fractions that add up to 1.
    """
    if len(parts) == 1:
        return parts[0][1]
    whole = math.fsum(precision for precision, _ in parts)
    weights = [Fraction(p / whole).limit_denominator(1 << 40) for p, _ in parts[1:]]
    weights.insert(0, 1 - sum(weights, Fraction(0)))
    return Noisy(
        tuple(
            (weight * c, reading)
            for weight, (_, noisy) in zip(weights, parts, strict=True)
            for c, reading in noisy.terms
            if weight
        )
    )
