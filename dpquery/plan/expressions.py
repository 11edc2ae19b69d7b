"""Scalar expressions over one row: typed, frozen, and comparable as values."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from dpquery.policy.catalog import SqlType


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


Expression: TypeAlias = ColumnRef | Literal | Call | Case | Cast

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


def equals(left: Expression, right: Expression) -> Call:
    """Return ``left = right``."""
    return Call("eq", (left, right), SqlType.BOOLEAN)
