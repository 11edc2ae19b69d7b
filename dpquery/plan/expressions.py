"""Scalar expressions over one row: typed, frozen, and comparable as values."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from dpquery.policy.catalog import SqlType

if TYPE_CHECKING:
    from fractions import Fraction

    from dpquery.errors import Place
    from dpquery.plan.relations import Relation


@dataclass(frozen=True, slots=True)
class Interval:
    """A constant span of time; months and days have no fixed length."""

    months: int = 0
    days: int = 0
    microseconds: int = 0

    def __neg__(self) -> Interval:
        """Return the span in the other direction."""
        return Interval(-self.months, -self.days, -self.microseconds)

    def __str__(self) -> str:
        """
        Return the span as the engine reads it.

        >>> str(Interval(months=-1, microseconds=5))
        '-1 months 5 microseconds'
        """
        parts = (
            (self.months, "months"),
            (self.days, "days"),
            (self.microseconds, "microseconds"),
        )
        shown = [f"{value} {unit}" for value, unit in parts if value]
        return " ".join(shown) or "0 days"


Constant: TypeAlias = (
    bool
    | int
    | Decimal
    | float
    | str
    | dt.date
    | dt.datetime
    | dt.time
    | Interval
    | None
)


@dataclass(frozen=True, slots=True)
class ColumnRef:
    """A column of a relation in the plan."""

    relation: str
    """The relation's name, unique in the plan."""
    name: str
    type: SqlType
    engine_type: str = ""
    """The type as the engine spells it; empty above the DP boundary."""
    decimals: int = 0


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant; NULL has no type of its own and takes its neighbours'."""

    value: Constant
    type: SqlType

    @property
    def null(self) -> bool:
        """Whether this is SQL NULL."""
        return self.value is None


@dataclass(frozen=True, slots=True)
class Call:
    """A function of the allow-list, or an operator, applied to arguments."""

    function: str
    arguments: tuple[Expression, ...]
    type: SqlType


@dataclass(frozen=True, slots=True)
class Case:
    """``CASE WHEN … THEN … ELSE … END``; the ELSE is always there."""

    branches: tuple[tuple[Expression, Expression], ...]
    otherwise: Expression
    type: SqlType


@dataclass(frozen=True, slots=True)
class Cast:
    """A conversion that yields NULL where the value does not fit."""

    operand: Expression
    type: SqlType


class SubqueryKind(StrEnum):
    """What a subquery in an expression stands for."""

    EXISTS = "EXISTS"
    """Whether it has a row."""
    SCALAR = "SCALAR"
    """Its one value; NULL where it has no row or several."""
    ANY = "ANY"
    """Whether a comparison with some row's value is true; ``IN`` is ``= ANY``."""


@dataclass(frozen=True, slots=True)
class Subquery:
    """
    A query for every row, which may read columns of that row.

    SCALAR and ANY read the one column of their relation.
    """

    kind: SubqueryKind
    relation: Relation
    type: SqlType
    needle: Expression | None = None
    """What ANY compares with."""
    comparison: str = "eq"
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Ordering:
    """One expression of ORDER BY."""

    expression: Expression
    descending: bool
    nulls_first: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """
    The rows around a row that a window function sees.

    Ends count from the current row, backwards below 0; ``None`` is unbounded.
    """

    rows: bool
    """Whether ends count rows, and not values of the order (RANGE)."""
    start: int | None
    end: int | None


@dataclass(frozen=True, slots=True)
class Window:
    """A window function; in the columns of a Project only."""

    function: str
    arguments: tuple[Expression, ...]
    partition: tuple[Expression, ...]
    order: tuple[Ordering, ...]
    frame: Frame | None
    type: SqlType
    digits: int = 0
    """Digits after the point with which fractions are added up."""
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Aggregated:
    """An exact aggregate inside a unit or over public rows; in a Group only."""

    function: str
    arguments: tuple[Expression, ...]
    distinct: bool
    type: SqlType
    digits: int = 0
    """Digits after the point with which fractions are added up."""


@dataclass(frozen=True, slots=True)
class InSample:
    """Whether a hash puts a unit into a sample: coins that depend on no data."""

    unit: Expression
    share: Fraction
    seed: int
    type: SqlType = SqlType.BOOLEAN


Expression: TypeAlias = (
    ColumnRef | Literal | Call | Case | Cast | Subquery | Window | Aggregated | InSample
)

TRUE = Literal(True, SqlType.BOOLEAN)
NULL = Literal(None, SqlType.UNSUPPORTED)

NUMERIC = frozenset({SqlType.INTEGER, SqlType.DECIMAL, SqlType.DOUBLE})
TEMPORAL = frozenset({SqlType.DATE, SqlType.TIMESTAMP})
RELEASABLE = NUMERIC | TEMPORAL | {SqlType.BOOLEAN, SqlType.VARCHAR}
"""Types of group keys and of columns of an answer."""


def conjunction(parts: list[Expression]) -> Expression:
    """Return the AND of *parts*; TRUE when there are none."""
    if not parts:
        return TRUE
    if len(parts) == 1:
        return parts[0]
    return Call("and", tuple(parts), SqlType.BOOLEAN)


def conjuncts(expression: Expression) -> tuple[Expression, ...]:
    """
    Return the top-level parts of an AND, in order.

    >>> x, y = (ColumnRef("t", name, SqlType.BOOLEAN) for name in "xy")
    >>> conjuncts(conjunction([x, y])) == (x, y)
    True
    """
    match expression:
        case Call(function="and", arguments=parts):
            return tuple(each for part in parts for each in conjuncts(part))
        case Literal(value=True):
            return ()
        case _:
            return (expression,)


def where_true(where: Expression | None, value: Expression) -> Expression:
    """Return *value* on the rows for which *where* is true, and NULL on the others."""
    if where is None:
        return value
    return Case(((where, value),), Literal(None, value.type), value.type)


def both(one: Expression | None, other: Expression) -> Expression:
    """Return the AND of a condition that may be missing and another."""
    return other if one is None else Call("and", (one, other), SqlType.BOOLEAN)


def equals(left: Expression, right: Expression) -> Call:
    """Return ``left = right``."""
    return Call("eq", (left, right), SqlType.BOOLEAN)
