"""Row values as bounded integers: round to the grid, clamp, centre, keep NULL.

The clamp is a CASE because DuckDB's ``least(greatest(NULL, 0), 100)`` is 0: it would
turn missing values into the lower bound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.plan.aggregates import (
    GridValue,
    Present,
    Product,
    Rows,
    Square,
    Total,
    Units,
)
from dpquery.plan.expressions import TEMPORAL
from dpquery.policy.catalog import SqlType
from dpquery.sql.functions import (
    binary,
    call,
    cast,
    clamped_date,
    number,
    text,
    try_cast,
)
from dpquery.sql.lowering.expressions import as_double, lower

if TYPE_CHECKING:
    from fractions import Fraction

    from dpquery.plan.expressions import Expression
    from dpquery.plan.program import ReleaseStep

VALUE_FUNCTIONS = frozenset({"isfinite", "date_diff", "*", "/", "-", "+"})
"""What :func:`on_grid` calls."""

_NARROW = 1 << 31
"""Whole numbers below this fit INTEGER."""


def values(step: ReleaseStep) -> tuple[GridValue | Expression, ...]:
    """Return the values that the release's moments read, each one once."""
    found: list[GridValue | Expression] = []
    for bounded in step.moments:
        moment = bounded.moment
        match moment:
            case Rows(where=where) | Units(where=where):
                found += [] if where is None else [where]
            case Product(left=left, right=right):
                found += [left, right]
            case Present() | Total() | Square():
                beside = [] if moment.beside is None else [moment.beside]
                found += [moment.value, *beside]
    return tuple(dict.fromkeys(found))


def raw(value: GridValue | Expression) -> exp.Expr:
    """Return the value as the analyst wrote it, as BIGINT or DOUBLE where numeric."""
    if not isinstance(value, GridValue):
        return lower(value)
    if value.expression.type in TEMPORAL:
        return _steps_of_time(value.expression)
    if _whole(value):
        return lower(value.expression)
    return as_double(value.expression)


def _steps_of_time(time: Expression) -> exp.Expr:
    """Return the days from year 1 to a date, or the seconds to a timestamp."""
    day = time.type is SqlType.DATE
    unit, kind = ("day", "DATE") if day else ("second", "TIMESTAMP")
    start = cast(text("0001-01-01"), kind)
    steps = call("date_diff", text(unit), start, clamped_date(lower(time)))
    return binary(exp.Add, steps, number(1 if day else 86_400))


def on_grid(value: GridValue | Expression, name: exp.Expr) -> exp.Expr:
    """Return column *name*, which holds ``raw(value)``, as the moment adds it up."""
    if not isinstance(value, GridValue):
        if value.type is not SqlType.DOUBLE:
            return name
        finite = exp.If(this=call("isfinite", name.copy()), true=name)
        return exp.Case(ifs=[finite])
    if _whole(value):
        return _centred(_clamped(name, value), value)
    return _centred(_rounded(_in_steps(name, value.grid), value), value)


def _rounded(steps: exp.Expr, value: GridValue) -> exp.Expr:
    """
    Return the nearest whole number within the bounds, NULL if it is not finite.

    DOUBLE to a whole number rounds half to even, so what is within whole bounds stays
    there. Most rows take the first branch; NaN, above every number, does not.
    """
    low, high = (cast(text(str(end)), "DOUBLE") for end in (value.low, value.high))
    narrow = max(abs(value.low), abs(value.high)) < _NARROW
    inside = exp.If(
        this=exp.Between(this=steps, low=low, high=high),
        true=try_cast(steps.copy(), "INTEGER" if narrow else "BIGINT"),
    )
    below = exp.If(
        this=exp.LT(this=steps.copy(), expression=low.copy()), true=number(value.low)
    )
    outside = exp.If(
        this=call("isfinite", steps.copy()),
        true=exp.Case(ifs=[below], default=number(value.high)),
    )
    return exp.Case(ifs=[inside, outside])


def _whole(value: GridValue) -> bool:
    """Return whether the value's own integers are the grid's steps."""
    kind = value.expression.type
    return kind in TEMPORAL or (kind is SqlType.INTEGER and value.grid == 1)


def _in_steps(name: exp.Expr, grid: Fraction) -> exp.Expr:
    """Return the value in steps, by a multiplication where that is exact."""
    if grid.numerator == 1:
        factor = cast(text(str(grid.denominator)), "DOUBLE")
        return name if grid == 1 else binary(exp.Mul, name, factor)
    over = cast(text(str(grid.numerator)), "DOUBLE")
    part = binary(exp.Div, name, over)
    if grid.denominator == 1:
        return part
    return binary(exp.Mul, part, cast(text(str(grid.denominator)), "DOUBLE"))


def _clamped(name: exp.Expr, value: GridValue) -> exp.Expr:
    """Return a whole number within its bounds, NULL if it is NULL."""
    low, high = number(value.low), number(value.high)
    return exp.Case(
        ifs=[
            exp.If(this=exp.LT(this=name.copy(), expression=low), true=low.copy()),
            exp.If(this=exp.GT(this=name.copy(), expression=high), true=high.copy()),
        ],
        default=name,
    )


def _centred(clamped: exp.Expr, value: GridValue) -> exp.Expr:
    """Subtract the centre and use the narrowest type that the range allows."""
    centred = clamped
    if value.centre:  # as BIGINT: the column's own type may be too narrow
        centred = binary(exp.Sub, cast(clamped, "BIGINT"), number(value.centre))
    narrow = value.reach < _NARROW
    return cast(centred, "INTEGER" if narrow else "BIGINT")
