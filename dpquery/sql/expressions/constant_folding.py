"""Calls of constants, computed at once: bounds and lists need constants.

Only what Python computes as the engine does, or more exactly: sums and products of
decimals are exact, as they are in DuckDB's own arithmetic of constants.
"""

from __future__ import annotations

import datetime as dt
import operator
from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import TypeAlias, TypeGuard

from dpquery.plan.analysis.date_bounds import UNIT_DAYS, shifted
from dpquery.plan.analysis.partitions import truncated
from dpquery.plan.analysis.spans import DAY_MICROSECONDS, number
from dpquery.plan.expressions import (
    Call,
    Constant,
    Expression,
    Interval,
    Literal,
)
from dpquery.policy.catalog import SqlType
from dpquery.sql.literals import coerced, interval_of, too_long

Fold: TypeAlias = Callable[[Call, tuple[Constant, ...]], Literal | None]


def simplified(call: Call) -> Expression:
    """
    Return the constant that a call of constants is, or the call itself.

    >>> two = Literal(2, SqlType.INTEGER)
    >>> simplified(Call("multiply", (two, two), SqlType.INTEGER)).value
    4
    """
    folds = FOLDS.get(call.function)
    literals = [each for each in call.arguments if isinstance(each, Literal)]
    if folds is None or len(literals) < len(call.arguments):
        return call
    if any(each.null for each in literals):
        return Literal(None, call.type)
    found = folds(call, tuple(each.value for each in literals))
    return call if found is None else found


def _exact(function: Callable[[Decimal, Decimal], Decimal]) -> Fold:
    """Return the folding of an operation that decimals are closed under."""

    def fold(call: Call, values: tuple[Constant, ...]) -> Literal | None:
        numbers = [Decimal(value) for value in values if _is_number(value)]
        if len(numbers) < len(values):
            return None
        with localcontext() as context:
            context.prec = 80
            return _number(call, function(*numbers))

    return fold


def _is_number(value: Constant) -> TypeGuard[int | Decimal]:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _number(call: Call, value: Decimal) -> Literal | None:
    """Return a number of the call's type; ``None`` where it does not fit."""
    if call.type is SqlType.INTEGER:
        return coerced(Literal(value, SqlType.DECIMAL), SqlType.INTEGER)
    digits = len(value.as_tuple().digits)
    if digits > 38 or abs(value.adjusted()) > 38:  # noqa: PLR2004 -- DuckDB's DECIMAL
        return None
    inexact = any(each.type is SqlType.DOUBLE for each in call.arguments)
    return Literal(value, SqlType.DOUBLE if inexact else SqlType.DECIMAL)


def _quotient(call: Call, values: tuple[Constant, ...]) -> Literal | None:
    a, b = map(number, values)
    if a is None or b is None:
        return None
    if b == 0:
        return Literal(None, call.type)
    value = a / b
    if call.function == "int_divide":
        return coerced(Literal(Decimal(int(value)), SqlType.DECIMAL), call.type)
    return Literal(Decimal(repr(float(value))), SqlType.DOUBLE)


def _remainder(call: Call, values: tuple[Constant, ...]) -> Literal | None:
    a, b = map(number, values)
    if a is None or b is None:
        return None
    if b == 0:
        return Literal(None, call.type)
    rest = abs(a) % abs(b) * (1 if a >= 0 else -1)
    return _number(call, Decimal(rest.numerator) / Decimal(rest.denominator))


def _plus_days(_: Call, values: tuple[Constant, ...]) -> Literal | None:
    day, days = values
    if not isinstance(day, dt.date) or not isinstance(days, int):
        return None
    return _date(Fraction(day.toordinal() + days), SqlType.DATE)


def _date(position: Fraction, type_: SqlType) -> Literal | None:
    """Return the date at a position; ``None`` outside the years of our dates."""
    if not 1 <= position < dt.date.max.toordinal() + 1:
        return None
    day = dt.date.fromordinal(int(position))
    if type_ is SqlType.DATE:
        return Literal(day, type_)
    micros = int((position - int(position)) * DAY_MICROSECONDS)
    midnight = dt.datetime.combine(day, dt.time())
    return Literal(midnight + dt.timedelta(microseconds=micros), type_)


def _moved(sign: int) -> Fold:
    def fold(call: Call, values: tuple[Constant, ...]) -> Literal | None:
        start, span = number(values[0]), values[1]
        if start is None or not isinstance(span, Interval):
            return None
        end = shifted(start, span if sign > 0 else -span)
        return None if end is None else _date(end, call.type)

    return fold


def _days_between(_: Call, values: tuple[Constant, ...]) -> Literal | None:
    a, b = map(number, values)
    return None if a is None or b is None else Literal(int(a - b), SqlType.INTEGER)


def _interval(_: Call, values: tuple[Constant, ...]) -> Literal | None:
    unit, count = values
    span = interval_of(count, str(unit)) if isinstance(count, int) else None
    if span is None or too_long(span):
        return None
    return Literal(span, SqlType.INTERVAL)


def _truncated(_: Call, values: tuple[Constant, ...]) -> Literal | None:
    unit, day = str(values[0]), values[1]
    if not isinstance(day, dt.date) or (UNIT_DAYS[unit] == 1 and unit != "day"):
        return None
    start = truncated(unit, dt.date(day.year, day.month, day.day))
    return Literal(dt.datetime.combine(start, dt.time()), SqlType.TIMESTAMP)


def _part(of: Callable[[dt.date], int]) -> Fold:
    def fold(_: Call, values: tuple[Constant, ...]) -> Literal | None:
        day = values[0]
        return Literal(of(day), SqlType.INTEGER) if isinstance(day, dt.date) else None

    return fold


def _text(of: Callable[[str], str]) -> Fold:
    """Return the folding of a function of ASCII text."""

    def fold(_: Call, values: tuple[Constant, ...]) -> Literal | None:
        value = values[0]
        if not isinstance(value, str) or not value.isascii():
            return None
        return Literal(of(value), SqlType.VARCHAR)

    return fold


def _joined(_: Call, values: tuple[Constant, ...]) -> Literal | None:
    a, b = values
    if not isinstance(a, str) or not isinstance(b, str):
        return None
    return Literal((a + b)[:256], SqlType.VARCHAR)


FOLDS: dict[str, Fold] = {
    "add": _exact(operator.add),
    "subtract": _exact(operator.sub),
    "multiply": _exact(operator.mul),
    "divide": _quotient,
    "int_divide": _quotient,
    "modulo": _remainder,
    "plus_days": _plus_days,
    "plus_interval": _moved(1),
    "minus_interval": _moved(-1),
    "days_between": _days_between,
    "interval_of": _interval,
    "date_trunc": _truncated,
    "year": _part(lambda day: day.year),
    "month": _part(lambda day: day.month),
    "day": _part(lambda day: day.day),
    "lower": _text(str.lower),
    "upper": _text(str.upper),
    "concat": _joined,
}
"""By the plan's name: what is computed at once."""
