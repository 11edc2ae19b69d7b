"""Pieces of total SQL that the functions' lowered forms are built from.

Upholds: a guard replaces what would raise by NULL or by the nearest sound value; it
looks at the value itself, never at the row it stands in, because the engine may
compute an expression for rows that a CASE or a filter around it leaves out
(threats.md 0.4).
"""

from __future__ import annotations

from functools import cache
from typing import TypeAlias

from sqlglot import exp

Lowered: TypeAlias = exp.Expr

MAX_TEXT = 256
"""Characters that a text result keeps."""
MAX_INPUT = 1024
"""Characters that a function reads whose cost or result could grow."""
MAX_DISTANCE_TEXT = 64
"""Characters that similarities of two texts read: their cost is the product."""


def call(name: str, *arguments: Lowered) -> exp.Anonymous:
    """Return a call that is printed exactly as named."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def _type(name: str) -> exp.DataType:
    """Return an engine type; reading its name runs a parser, so that is done once."""
    return _parsed_type(name).copy()


@cache
def _parsed_type(name: str) -> exp.DataType:
    return exp.DataType.build(name, dialect="duckdb")


def cast(operand: Lowered, to: str) -> exp.Cast:
    """Return a CAST that cannot fail because the target is wider."""
    return exp.Cast(this=operand, to=_type(to))


def try_cast(operand: Lowered, to: str) -> exp.TryCast:
    """Return a TRY_CAST: NULL where the value does not fit."""
    return exp.TryCast(this=operand, to=_type(to), safe=True)


def number(value: int) -> Lowered:
    """Return a whole number, with its sign bracketed."""
    return (
        exp.Literal.number(str(value))
        if value >= 0
        else exp.Paren(this=exp.Neg(this=exp.Literal.number(str(-value))))
    )


def text(value: str) -> exp.Literal:
    """Return a string literal; the generator doubles its quotes."""
    return exp.Literal.string(value)


def binary(kind: type[exp.Binary], left: Lowered, right: Lowered) -> exp.Paren:
    """Return a bracketed infix operation."""
    return exp.Paren(this=kind(this=left, expression=right))


def nonzero(divisor: Lowered) -> Lowered:
    """Return the divisor, NULL instead of zero."""
    return call("nullif", divisor, number(0))


def where(condition: Lowered, value: Lowered) -> exp.Case:
    """Return *value* where *condition* is true, NULL elsewhere."""
    return exp.Case(ifs=[exp.If(this=condition, true=value)])


def only(value: Lowered, kind: type[exp.Binary], limit: int) -> exp.Case:
    """Return the value where it compares so with *limit*, NULL elsewhere."""
    return where(binary(kind, value.copy(), number(limit)), value)


def between(value: Lowered, low: int, high: int) -> exp.Case:
    """Return the value within ``low … high``, NULL elsewhere."""
    inside = exp.Between(this=value.copy(), low=number(low), high=number(high))
    return where(inside, value)


def a_number(value: Lowered) -> exp.Case:
    """Return the value, NULL instead of NaN."""
    known = exp.Not(this=exp.Paren(this=call("isnan", value.copy())))
    return where(known, value)


def whole(value: Lowered) -> Lowered:
    """Return a whole number as BIGINT, NULL where 64 bits do not hold it."""
    return try_cast(value, "BIGINT")


def clamped_date(value: Lowered) -> Lowered:
    """
    Return a date or timestamp within the years that all date functions take.

    Compared as DATE on purpose: casting an extreme DATE to TIMESTAMP raises.
    """
    low, high = (cast(text(end), "DATE") for end in ("0001-01-01", "9999-12-31"))
    return exp.Case(
        ifs=[
            exp.If(this=binary(exp.LT, value.copy(), low.copy()), true=low),
            exp.If(this=binary(exp.GT, value.copy(), high.copy()), true=high),
        ],
        default=value,
    )


def shortened(value: Lowered, length: int = MAX_TEXT) -> Lowered:
    """Return at most the first *length* characters."""
    return call("left", value, number(length))
