"""Aggregates as analysts write them, the integer moments that they become, and back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias, assert_never

if TYPE_CHECKING:
    from collections.abc import Callable
    from fractions import Fraction

    from dpquery.errors import Place
    from dpquery.plan.expressions import Expression

# --- as written ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Clamp:
    """Bounds that the query itself gives a contribution, in the argument's unit."""

    low: Fraction
    high: Fraction
    per_group: bool
    """Whether they bound what a unit adds to a group, and not a row's value."""


@dataclass(frozen=True, slots=True)
class Count:
    """``COUNT(*)``, or ``COUNT(argument)``: the rows where it is not NULL."""

    argument: Expression | None
    where: Expression | None = None
    """Of ``COUNT(*)``: the rows that are counted."""
    clamp: Clamp | None = None
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class CountUnits:
    """``COUNT(DISTINCT unit)``: how many privacy units have such a row."""

    where: Expression | None = None
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class CountDistinct:
    """``COUNT(DISTINCT …)`` of values that several units may have."""

    values: tuple[Expression, ...]
    with_null: bool
    """Whether NULL is counted as a value: in ``COUNT(*)`` over a DISTINCT subquery."""
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Sum:
    """``SUM(argument)`` over the rows where it is finite and not NULL."""

    argument: Expression
    clamp: Clamp | None = None
    distinct: bool = False
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Average:
    """``AVG(argument)`` over the rows where it is finite and not NULL."""

    argument: Expression
    clamp: Clamp | None = None
    distinct: bool = False
    place: Place | None = field(default=None, compare=False, repr=False)


class SpreadKind(StrEnum):
    """A measure of how far values are from their mean."""

    VAR_POP = "VAR_POP"
    VAR_SAMP = "VAR_SAMP"
    STDDEV_POP = "STDDEV_POP"
    STDDEV_SAMP = "STDDEV_SAMP"

    @property
    def sample(self) -> bool:
        """Whether it divides by one less than the number of rows."""
        return self in {SpreadKind.VAR_SAMP, SpreadKind.STDDEV_SAMP}

    @property
    def root(self) -> bool:
        """Whether it is the square root of a variance."""
        return self in {SpreadKind.STDDEV_POP, SpreadKind.STDDEV_SAMP}


@dataclass(frozen=True, slots=True)
class Spread:
    """``VAR_POP``, ``STDDEV_SAMP``, … of one value."""

    kind: SpreadKind
    argument: Expression
    clamp: Clamp | None = None
    place: Place | None = field(default=None, compare=False, repr=False)


class PairKind(StrEnum):
    """A measure of how two values go together."""

    COVAR_POP = "COVAR_POP"
    COVAR_SAMP = "COVAR_SAMP"
    CORR = "CORR"
    REGR_SLOPE = "REGR_SLOPE"
    REGR_INTERCEPT = "REGR_INTERCEPT"
    REGR_R2 = "REGR_R2"
    REGR_COUNT = "REGR_COUNT"
    REGR_AVGX = "REGR_AVGX"
    REGR_AVGY = "REGR_AVGY"
    REGR_SXX = "REGR_SXX"
    REGR_SYY = "REGR_SYY"
    REGR_SXY = "REGR_SXY"


@dataclass(frozen=True, slots=True)
class Pair:
    """``CORR(y, x)``, ``REGR_SLOPE(y, x)``, … over rows that have both values."""

    kind: PairKind
    y: Expression
    x: Expression
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Quantile:
    """The value below which a *fraction* of the values lies."""

    argument: Expression
    fraction: Fraction
    continuous: bool
    """Whether a value between two values may be the answer."""
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Extreme:
    """``MIN(argument)`` or ``MAX(argument)``."""

    argument: Expression
    largest: bool
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class AnyRow:
    """``BOOL_OR(condition)``; with *negated*, ``BOOL_AND`` of its opposite."""

    condition: Expression
    negated: bool
    place: Place | None = field(default=None, compare=False, repr=False)


Aggregate: TypeAlias = (
    Count
    | CountUnits
    | CountDistinct
    | Sum
    | Average
    | Spread
    | Pair
    | Quantile
    | Extreme
    | AnyRow
)


def with_expressions(
    aggregate: Aggregate, change: Callable[[Expression], Expression]
) -> Aggregate:
    """Return *aggregate* with everything that it reads of a row changed."""

    def maybe(expression: Expression | None) -> Expression | None:
        return None if expression is None else change(expression)

    match aggregate:
        case Count(argument=argument, where=where):
            return replace(aggregate, argument=maybe(argument), where=maybe(where))
        case CountUnits(where=where):
            return replace(aggregate, where=maybe(where))
        case CountDistinct(values=values):
            return replace(aggregate, values=tuple(map(change, values)))
        case Sum() | Average() | Spread() | Quantile() | Extreme():
            return replace(aggregate, argument=change(aggregate.argument))
        case Pair(y=y, x=x):
            return replace(aggregate, y=change(y), x=change(x))
        case AnyRow(condition=condition):
            return replace(aggregate, condition=change(condition))
        case _:
            assert_never(aggregate)


# --- as measured -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GridValue:
    """
    A row's value as an integer: rounded to the grid, clamped, centred.

    ``clamp(round_half_even(expression / grid), low, high) - centre``; NULL, NaN and
    infinities become NULL and are not added up (theory.md 2.1). Dates count in days
    from year 1, timestamps too.
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
    """How many rows, or how many rows of a kind."""

    where: Expression | None = None
    most: int | None = None
    """What the query itself says one unit has in a group."""


@dataclass(frozen=True, slots=True)
class Present:
    """How many rows have a value that is not NULL, and one *beside* it."""

    value: Expression | GridValue
    beside: GridValue | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Units:
    """Whether the unit has any such row: its sum is the number of units."""

    where: Expression | None = None


@dataclass(frozen=True, slots=True)
class Total:
    """The sum of a grid value, over rows that have the value *beside* it."""

    value: GridValue
    beside: GridValue | None = None
    group_bounds: tuple[int, int] | None = None
    """Bounds of what one unit adds to a group, in steps, instead of a row's."""


@dataclass(frozen=True, slots=True)
class Square:
    """
    The sum of ``v² - ⌊reach²/2⌋`` of a grid value, in squared steps.

    Centred like that, one row adds at most half of reach² (theory.md 2.2). Where most
    values are far below their bounds, squares as they are add much less.
    """

    value: GridValue
    beside: GridValue | None = None
    centred: bool = True

    @property
    def centre(self) -> int:
        """What is subtracted from each square."""
        return self.value.reach**2 // 2 if self.centred else 0

    @property
    def reach(self) -> int:
        """The largest absolute value of one row."""
        return self.value.reach**2 - self.centre


@dataclass(frozen=True, slots=True)
class Product:
    """The sum of the product of two grid values, over rows that have both."""

    left: GridValue
    right: GridValue

    @property
    def reach(self) -> int:
        """The largest absolute value of one row."""
        return self.left.reach * self.right.reach


@dataclass(frozen=True, slots=True)
class DistinctValues:
    """How many different values there are, of all units together."""

    values: tuple[Expression | GridValue, ...]
    with_null: bool


@dataclass(frozen=True, slots=True)
class DistinctTotal:
    """The sum of the different values of all units together."""

    value: GridValue


AdditiveMoment: TypeAlias = Rows | Present | Units | Total | Square | Product
"""Sums over units: a unit's contribution can be scaled down."""
DistinctMoment: TypeAlias = DistinctValues | DistinctTotal
"""Sizes of a union over units: a unit's values can be left out."""
Moment: TypeAlias = AdditiveMoment | DistinctMoment


class RankKind(StrEnum):
    """From which end a rank is counted."""

    QUANTILE = "QUANTILE"
    LOWEST = "LOWEST"
    HIGHEST = "HIGHEST"


@dataclass(frozen=True, slots=True)
class RankTarget:
    """Which value is wanted of a sorted column."""

    kind: RankKind
    fraction: Fraction | None = None
    """Of a QUANTILE."""


# --- from moments back to what was asked -----------------------------------------


@dataclass(frozen=True, slots=True)
class LinearEstimator:
    """``Σ coefficient · moment``."""

    terms: tuple[tuple[Fraction, Moment], ...]
    integer: bool
    """Whether the answer is a whole number and is rounded to one."""
    presence: Units | None = None
    """Units with a value: without any, the answer is NULL, as SQL's sum of nothing."""


@dataclass(frozen=True, slots=True)
class RatioEstimator:
    """``centre + grid · numerator / denominator``, kept within [low, high]."""

    numerator: Total | DistinctTotal
    denominator: Present | DistinctValues

    @property
    def value(self) -> GridValue:
        """The value that is averaged."""
        return self.numerator.value


@dataclass(frozen=True, slots=True)
class SpreadEstimator:
    """A variance, or its root, of three moments (theory.md 2.2)."""

    kind: SpreadKind
    count: Present
    total: Total
    square: Square


@dataclass(frozen=True, slots=True)
class PairEstimator:
    """A covariance, correlation or regression of six moments (theory.md 2.2)."""

    kind: PairKind
    count: Present
    total_y: Total
    total_x: Total
    square_y: Square
    square_x: Square
    product: Product


@dataclass(frozen=True, slots=True)
class RankEstimator:
    """A chosen value; NULL where too few units have one to tell from none."""

    value: GridValue
    target: RankTarget
    presence: Units


@dataclass(frozen=True, slots=True)
class AnyEstimator:
    """Whether more rows are counted than noise alone would often give."""

    count: Rows
    negated: bool
    presence: Units | None = None
    """Units with a value: without any, the answer is NULL."""


Estimator: TypeAlias = (
    LinearEstimator
    | RatioEstimator
    | SpreadEstimator
    | PairEstimator
    | RankEstimator
    | AnyEstimator
)
