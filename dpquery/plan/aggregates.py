"""Aggregates as analysts write them, and the integer moments that they become."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from fractions import Fraction

    from dpquery.errors import Place
    from dpquery.plan.expressions import Expression

# --- as written ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Count:
    """``COUNT(*)``, or ``COUNT(argument)``: the rows where it is not NULL."""

    argument: Expression | None
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class CountUnits:
    """``COUNT(DISTINCT unit)``: how many privacy units have a row."""

    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Sum:
    """``SUM(argument)`` over the rows where it is finite and not NULL."""

    argument: Expression
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Average:
    """``AVG(argument)`` over the rows where it is finite and not NULL."""

    argument: Expression
    place: Place | None = field(default=None, compare=False, repr=False)


Aggregate: TypeAlias = Count | CountUnits | Sum | Average

# --- as measured -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GridValue:
    """
    A row's value as an integer: rounded to the grid, clamped, centred.

    ``clamp(round_half_even(expression / grid), low, high) - centre``; NULL, NaN and
    infinities become NULL and are not added up (theory.md 2.1).
    """

    expression: Expression
    grid: Fraction
    """The size of one step, in the unit of the expression."""
    low: int
    """Bounds in steps."""
    high: int
    centre: int
    """Subtracted after the clamp, in steps; 0 for a plain SUM."""

    @property
    def reach(self) -> int:
        """The largest absolute value of one row, in steps; at least 1."""
        return max(abs(self.low - self.centre), abs(self.high - self.centre), 1)


def expression_of(value: Expression | GridValue) -> Expression:
    """Return what a value is computed from."""
    return value.expression if isinstance(value, GridValue) else value


@dataclass(frozen=True, slots=True)
class Rows:
    """How many rows."""


@dataclass(frozen=True, slots=True)
class Present:
    """How many rows have a value that is not NULL."""

    value: Expression | GridValue


@dataclass(frozen=True, slots=True)
class Units:
    """Whether the unit has any row: its sum is the number of units."""


@dataclass(frozen=True, slots=True)
class Total:
    """The sum of a grid value."""

    value: GridValue


Moment: TypeAlias = Rows | Present | Units | Total

# --- from moments back to what was asked -----------------------------------------


@dataclass(frozen=True, slots=True)
class LinearEstimator:
    """``Σ coefficient · moment``."""

    terms: tuple[tuple[Fraction, Moment], ...]
    integer: bool
    """Whether the answer is a whole number and is rounded to one."""


@dataclass(frozen=True, slots=True)
class RatioEstimator:
    """``centre + grid · numerator / denominator``, kept within [low, high]."""

    numerator: Total
    denominator: Present

    @property
    def value(self) -> GridValue:
        """The value that is averaged."""
        return self.numerator.value


Estimator: TypeAlias = LinearEstimator | RatioEstimator
