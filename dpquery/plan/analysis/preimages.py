"""What a condition on a computed value says about the one column in it.

``year(d) = 2024`` says that d lies in 2024. Ends are moved outward where a function
rounds: what is found may be too wide, and costs a little accuracy then.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from fractions import Fraction
from typing import TypeAlias

from dpquery.plan.analysis.date_bounds import EPOCH, UNIT_DAYS, shifted
from dpquery.plan.analysis.spans import (
    DAY_MICROSECONDS,
    UNBOUNDED,
    Bounds,
    difference,
    negated,
    number,
    outward,
    scaled,
    total,
)
from dpquery.plan.expressions import (
    NUMERIC,
    TEMPORAL,
    Call,
    Cast,
    ColumnRef,
    Expression,
    Interval,
    Literal,
)
from dpquery.policy.catalog import SqlType

Preimage: TypeAlias = Callable[[Call, int, Bounds], Bounds]
"""From the call, which of its arguments is no constant, and the interval of the result,
to the interval of that argument."""


def field_of(expression: Expression) -> tuple[str, str] | None:
    """
    Return the relation of a struct's field and a name for it; ``None`` if it is none.

    A field is a column as any other, but for its name.
    """
    match expression:
        case ColumnRef(relation=relation, name=name):
            return relation, name
        case Call(
            function="struct_extract", arguments=(inner, Literal(value=str() as name))
        ):
            outer = field_of(inner)
            return None if outer is None else (outer[0], f"{outer[1]}\0{name}")
        case _:
            return None


def column_within(
    expression: Expression, result: Bounds
) -> dict[tuple[str, str], Bounds]:
    """Return where the column in *expression* is, if *expression* lies in *result*."""
    while result != UNBOUNDED:
        column = field_of(expression)
        if column is not None:
            return {column: result}
        match expression:
            case Cast(operand=operand, type=type_):
                expression, result = operand, _cast(operand.type, type_, result)
            case Call(function=function, arguments=arguments) if function in PREIMAGES:
                open_ = [
                    at
                    for at, each in enumerate(arguments)
                    if not isinstance(each, Literal)
                ]
                if len(open_) != 1:
                    return {}
                result = PREIMAGES[function](expression, open_[0], result)
                expression = arguments[open_[0]]
            case _:
                return {}
    return {}


def _cast(source: SqlType, target: SqlType, result: Bounds) -> Bounds:
    """Go back through a conversion between numbers, or between times."""
    if source in NUMERIC and target in NUMERIC:
        return _around(result, Fraction(1)) if target is SqlType.INTEGER else result
    if source in TEMPORAL and target in TEMPORAL:
        return _after(result, Fraction(1)) if target is SqlType.DATE else result
    return UNBOUNDED


def _around(of: Bounds, by: Fraction) -> Bounds:
    return total(of, Bounds(-by, by))


def _after(of: Bounds, by: Fraction) -> Bounds:
    """Return where a value is that was rounded down by less than *by*."""
    return total(of, Bounds(Fraction(0), by))


def _other(call: Call, at: int) -> Bounds:
    """Return the constant of a call with two arguments, as an interval."""
    other = call.arguments[1 - at]
    end = number(other.value) if isinstance(other, Literal) else None
    return Bounds(end, end)


def _add(call: Call, at: int, result: Bounds) -> Bounds:
    return difference(result, _other(call, at))


def _subtract(call: Call, at: int, result: Bounds) -> Bounds:
    if at == 0:
        return total(result, _other(call, at))
    return difference(_other(call, at), result)


def _multiply(call: Call, at: int, result: Bounds) -> Bounds:
    by = _other(call, at).low
    return scaled(result, 1 / by) if by else UNBOUNDED


def _divide(call: Call, at: int, result: Bounds) -> Bounds:
    by = _other(call, at).low
    return scaled(result, by) if by and at == 0 else UNBOUNDED


def _absolute(_: Call, __: int, result: Bounds) -> Bounds:
    return UNBOUNDED if result.high is None else Bounds(-result.high, result.high)


def _rounded(call: Call, at: int, result: Bounds) -> Bounds:
    """Go back through rounding: to a whole number, or to tens with negative digits."""
    digits = call.arguments[1] if len(call.arguments) > 1 else None
    by = 1
    if isinstance(digits, Literal) and isinstance(digits.value, int):
        by = 10 ** max(0, -digits.value)
    return _around(result, Fraction(by)) if at == 0 else UNBOUNDED


def _root(_: Call, __: int, result: Bounds) -> Bounds:
    return Bounds(Fraction(0), None if result.high is None else result.high**2)


def _logarithm(base: float) -> Preimage:
    """Go back through a logarithm, by raising its base."""

    def preimage(_: Call, __: int, result: Bounds) -> Bounds:
        ends = []
        for end in (result.low, result.high):
            try:
                value = None if end is None else Fraction(math.pow(base, float(end)))
            except OverflowError:
                value = None
            ends.append(value)
        return outward(Bounds(ends[0] or Fraction(0), ends[1]))

    return preimage


def _year(call: Call, _: int, result: Bounds) -> Bounds:
    """Return the days of the years."""
    if call.arguments[0].type not in TEMPORAL:
        return UNBOUNDED
    low = None if result.low is None else math.ceil(result.low)
    high = None if result.high is None else math.floor(result.high)
    first = None if low is None or low < 1 else dt.date(min(low, dt.MAXYEAR), 1, 1)
    last = None
    if high is not None and high < dt.MAXYEAR:
        last = dt.date(max(high, 1), 12, 31)
    stamp = call.arguments[0].type is SqlType.TIMESTAMP
    return Bounds(
        None if first is None else Fraction(first.toordinal()),
        None if last is None else Fraction(last.toordinal() + stamp),
    )


def _truncated(call: Call, at: int, result: Bounds) -> Bounds:
    unit = call.arguments[0]
    if at == 0 or not isinstance(unit, Literal):
        return UNBOUNDED
    return _after(result, Fraction(UNIT_DAYS.get(str(unit.value), 366)))


def _last_day(_: Call, __: int, result: Bounds) -> Bounds:
    return total(result, Bounds(Fraction(-31), Fraction(1)))


def _moved(sign: int) -> Preimage:
    """Go back through a date plus or minus a constant span; months differ in length."""

    def preimage(call: Call, at: int, result: Bounds) -> Bounds:
        span = call.arguments[1]
        if at or not isinstance(span, Literal) or not isinstance(span.value, Interval):
            return UNBOUNDED
        back = -span.value if sign > 0 else span.value
        low, high = (
            None if end is None else shifted(end, back)
            for end in (result.low, result.high)
        )
        room = Fraction(3 if back.months else 0)
        return _around(Bounds(low, high), room)

    return preimage


def _epoch(call: Call, _: int, result: Bounds) -> Bounds:
    if call.arguments[0].type not in TEMPORAL:
        return UNBOUNDED
    return total(scaled(result, Fraction(1, 86_400)), Bounds(EPOCH, EPOCH))


def _from_1970(per_day: int) -> Preimage:
    def preimage(_: Call, __: int, result: Bounds) -> Bounds:
        since = scaled(difference(result, Bounds(EPOCH, EPOCH)), Fraction(per_day))
        return _around(since, Fraction(per_day, 2 * DAY_MICROSECONDS))  # it is rounded

    return preimage


PREIMAGES: dict[str, Preimage] = {
    "add": _add,
    "subtract": _subtract,
    "negate": lambda _, __, result: negated(result),
    "multiply": _multiply,
    "divide": _divide,
    "abs": _absolute,
    **dict.fromkeys(("floor", "ceil", "trunc", "round", "round_even"), _rounded),
    "sqrt": _root,
    "ln": _logarithm(math.e),
    "log10": _logarithm(10),
    "log2": _logarithm(2),
    "year": _year,
    "date_trunc": _truncated,
    "last_day": _last_day,
    "plus_days": _add,
    "days_between": _subtract,
    "plus_interval": _moved(1),
    "minus_interval": _moved(-1),
    "epoch": _epoch,
    "to_timestamp": _from_1970(86_400),
    "from_epoch_ms": _from_1970(86_400_000),
    "from_epoch_us": _from_1970(DAY_MICROSECONDS),
}
"""Functions with one value for each argument, or nearly so, by the plan's name."""
