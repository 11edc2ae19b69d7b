"""What the functions of dates and times do to intervals, as data."""

from __future__ import annotations

import calendar
import datetime as dt
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TypeAlias

from dpquery.plan.analysis.spans import (
    DAY_MICROSECONDS,
    UNBOUNDED,
    Bounds,
    day_of,
    difference,
    outward,
    scaled,
    total,
    widened,
)
from dpquery.plan.expressions import TEMPORAL, Call, Interval, Literal
from dpquery.policy.catalog import SqlType

Rule: TypeAlias = Callable[[Call, Sequence[Bounds]], Bounds]
"""From the intervals of the arguments to that of the result."""

EPOCH = Fraction(dt.date(1970, 1, 1).toordinal())
_DAY_SECONDS = Fraction(86_400)

UNIT_DAYS: dict[str, int] = {
    **dict.fromkeys(("second", "minute", "hour", "day"), 1),
    "week": 7,
    "month": 31,
    "quarter": 92,
    "year": 366,
}
"""Days that a unit of date_trunc has at most."""


def _of_years(function: Callable[[int], int], slack: int = 0) -> Rule:
    """Return the rule of what depends on the year alone, give or take *slack* years."""

    def rule(call: Call, of: Sequence[Bounds]) -> Bounds:
        a = of[0]
        if call.arguments[0].type not in TEMPORAL:
            return UNBOUNDED
        low = None if a.low is None else Fraction(function(day_of(a.low).year - slack))
        high = (
            None if a.high is None else Fraction(function(day_of(a.high).year + slack))
        )
        return Bounds(low, high)

    return rule


def _year_week(call: Call, of: Sequence[Bounds]) -> Bounds:
    years = _of_years(lambda year: year, slack=1)(call, of)
    return total(scaled(years, Fraction(100)), Bounds(Fraction(1), Fraction(53)))


def _truncated(call: Call, of: Sequence[Bounds]) -> Bounds:
    """Bound date_trunc: at most one unit before the value itself."""
    unit = call.arguments[0]
    days = UNIT_DAYS.get(str(unit.value), 366) if isinstance(unit, Literal) else 366
    low = of[1].low
    return Bounds(None if low is None else low - days, of[1].high)


def shifted(position: Fraction, by: Interval) -> Fraction | None:
    """
    Return a date moved by a span; ``None`` outside the years of Python's dates.

    >>> shifted(Fraction(dt.date(2024, 1, 31).toordinal()), Interval(months=1))
    Fraction(738945, 1)
    """
    day = day_of(position)
    months = day.year * 12 + day.month - 1 + by.months
    year, month = months // 12, months % 12 + 1
    if not 1 <= year <= dt.MAXYEAR:
        return None
    last = calendar.monthrange(year, month)[1]
    moved = day.replace(year=year, month=month, day=min(day.day, last))
    clock = position - math.floor(position)
    micros = Fraction(by.microseconds, DAY_MICROSECONDS)
    return moved.toordinal() + clock + by.days + micros


def _moved(sign: int) -> Rule:
    """Return the rule of a date plus or minus a constant span."""

    def rule(call: Call, of: Sequence[Bounds]) -> Bounds:
        span = call.arguments[1]
        if not isinstance(span, Literal) or not isinstance(span.value, Interval):
            return UNBOUNDED
        by = span.value if sign > 0 else -span.value
        ends = (None if e is None else shifted(e, by) for e in (of[0].low, of[0].high))
        return Bounds(*ends)

    return rule


def _bucketed(call: Call, of: Sequence[Bounds]) -> Bounds:
    span = call.arguments[0]
    low = of[1].low
    if low is None or not isinstance(span, Literal):
        return Bounds(None, of[1].high)
    if not isinstance(span.value, Interval):
        return Bounds(None, of[1].high)
    length = span.value.months * 31 + span.value.days + 1
    length += span.value.microseconds // DAY_MICROSECONDS
    return Bounds(low - length, of[1].high)


def _unit_index(unit: str, position: Fraction) -> int:
    """Return which unit since year 1 a moment is in; it grows with time."""
    day = day_of(position)
    match unit:
        case "year":
            return day.year
        case "quarter":
            return day.year * 4 + (day.month - 1) // 3
        case "month":
            return day.year * 12 + day.month
        case "week":
            return (day.toordinal() - 1) // 7
        case "day":
            return day.toordinal()
        case _:
            return math.floor(position * _PER_DAY[unit])


_PER_DAY = {
    "hour": 24,
    "minute": 1440,
    "second": 86_400,
    "millisecond": 86_400_000,
    "microsecond": DAY_MICROSECONDS,
}


def _units_between(call: Call, of: Sequence[Bounds]) -> Bounds:
    """
    Bound date_diff and date_sub, which is at most one unit nearer to zero.

    So is DuckDB's date_diff of weeks: it counts those that have passed.
    """
    unit = call.arguments[0]
    if not isinstance(unit, Literal):
        return UNBOUNDED
    first, second = (
        Bounds(
            *(
                None if end is None else Fraction(_unit_index(str(unit.value), end))
                for end in (each.low, each.high)
            )
        )
        for each in of[1:3]
    )
    crossed = difference(second, first)
    if call.function == "date_diff" and unit.value != "week":
        return crossed
    low, high = crossed.low, crossed.high
    low = low - 1 if low is not None and low > 0 else low
    high = high + 1 if high is not None and high < 0 else high
    return Bounds(low, high)


def _seconds(call: Call, of: Sequence[Bounds]) -> Bounds:
    """Bound epoch: seconds since 1970, or of a span, or since midnight."""
    kind = call.arguments[0].type
    if kind is SqlType.TIME:
        return Bounds(Fraction(0), _DAY_SECONDS)
    start = EPOCH if kind in TEMPORAL else Fraction(0)
    found = scaled(difference(of[0], Bounds(start, start)), _DAY_SECONDS)
    return outward(found)


def _since_1970(per_day: int) -> Rule:
    return lambda _, of: widened(
        scaled(difference(of[0], Bounds(EPOCH, EPOCH)), Fraction(per_day))
    )


def _from_1970(per_day: int) -> Rule:
    return lambda _, of: total(
        outward(scaled(of[0], Fraction(1, per_day))), Bounds(EPOCH, EPOCH)
    )


def _made_date(_: Call, of: Sequence[Bounds]) -> Bounds:
    """Bound make_date by its years."""
    low, high = (
        None if end is None else min(max(int(end), 1), dt.MAXYEAR)
        for end in (of[0].low, of[0].high)
    )
    return Bounds(
        None if low is None else Fraction(dt.date(low, 1, 1).toordinal()),
        None if high is None else Fraction(dt.date(high, 12, 31).toordinal() + 1),
    )


def _last_day(_: Call, of: Sequence[Bounds]) -> Bounds:
    return total(of[0], Bounds(Fraction(-1), Fraction(30)))


def _sum(_: Call, of: Sequence[Bounds]) -> Bounds:
    return total(*of)


def _gap(_: Call, of: Sequence[Bounds]) -> Bounds:
    return difference(*of)


DATE_RULES: dict[str, Rule] = {
    "year": _of_years(lambda year: year),
    "decade": _of_years(lambda year: year // 10),
    "century": _of_years(lambda year: (year + 99) // 100),
    "millennium": _of_years(lambda year: (year + 999) // 1000),
    "isoyear": _of_years(lambda year: year, slack=1),
    "yearweek": _year_week,
    "date_trunc": _truncated,
    "last_day": _last_day,
    "plus_days": _sum,
    "days_between": _gap,
    "time_between": _gap,
    "plus_interval": _moved(1),
    "minus_interval": _moved(-1),
    "time_bucket": _bucketed,
    **dict.fromkeys(("date_diff", "date_sub"), _units_between),
    "epoch": _seconds,
    "epoch_ms": _since_1970(86_400_000),
    "epoch_us": _since_1970(DAY_MICROSECONDS),
    "to_timestamp": _from_1970(86_400),
    "from_epoch_ms": _from_1970(86_400_000),
    "from_epoch_us": _from_1970(DAY_MICROSECONDS),
    **dict.fromkeys(("make_date", "make_timestamp"), _made_date),
}
"""By the plan's name."""
