"""Intervals on the line of numbers and times, and arithmetic with them.

Numbers are exact fractions; dates are days since year 1, timestamps fractions of days,
spans of time days.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from typing import TYPE_CHECKING, assert_never

from dpquery.plan.expressions import Interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpquery.plan.expressions import Constant

DAY_MICROSECONDS = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Bounds:
    """A closed interval; an end that is ``None`` is not bounded."""

    low: Fraction | None = None
    high: Fraction | None = None

    @property
    def closed(self) -> bool:
        """Whether both ends are known."""
        return self.low is not None and self.high is not None

    def intersect(self, other: Bounds) -> Bounds:
        """Return what lies in both; the lower end wins when that is empty."""
        low = _most(max, self.low, other.low)
        high = _most(min, self.high, other.high)
        if low is not None and high is not None and high < low:
            high = low
        return Bounds(low, high)

    def hull(self, other: Bounds) -> Bounds:
        """Return the smallest interval that holds both."""
        low = None if None in (self.low, other.low) else _most(min, self.low, other.low)
        high = (
            None
            if None in (self.high, other.high)
            else _most(max, self.high, other.high)
        )
        return Bounds(low, high)


UNBOUNDED = Bounds()


def _most(
    choose: Callable[[Fraction, Fraction], Fraction],
    left: Fraction | None,
    right: Fraction | None,
) -> Fraction | None:
    """Choose among two ends, either of which may be missing."""
    if left is None or right is None:
        return right if left is None else left
    return choose(left, right)


def number(value: Constant) -> Fraction | None:
    """
    Return a constant as a position on the line of its type.

    >>> number(dt.date(1, 1, 2))
    Fraction(2, 1)
    >>> number("text") is None
    True
    """
    match value:
        case bool() | int() | Decimal():
            return Fraction(value)
        case float():
            return Fraction(value) if math.isfinite(value) else None
        case dt.datetime():
            clock = dt.timedelta(
                hours=value.hour,
                minutes=value.minute,
                seconds=value.second,
                microseconds=value.microsecond,
            )
            micros = clock // dt.timedelta(microseconds=1)
            return Fraction(value.toordinal()) + Fraction(micros, DAY_MICROSECONDS)
        case dt.date():
            return Fraction(value.toordinal())
        case Interval(months=0, days=days, microseconds=micros):
            return days + Fraction(micros, DAY_MICROSECONDS)
        case str() | dt.time() | Interval() | None:
            return None
        case _:
            assert_never(value)


def hull(spans: list[Bounds]) -> Bounds:
    """Return what holds all *spans*; anything, when there is none: all is NULL."""
    return reduce(Bounds.hull, spans) if spans else UNBOUNDED


def day_of(position: Fraction) -> dt.date:
    """Return the day that a position is in, within what Python's dates can hold."""
    ordinal = min(max(math.floor(position), 1), dt.date.max.toordinal())
    return dt.date.fromordinal(ordinal)


def widened(inner: Bounds) -> Bounds:
    """Return the whole numbers around an interval, however values are rounded."""
    low = None if inner.low is None else Fraction(math.floor(inner.low))
    high = None if inner.high is None else Fraction(math.ceil(inner.high))
    return Bounds(low, high)


def negated(a: Bounds) -> Bounds:
    """Return the interval of −x."""
    return Bounds(_minus(a.high), _minus(a.low))


def total(a: Bounds, b: Bounds) -> Bounds:
    """Return the interval of x + y."""
    return Bounds(_plus(a.low, b.low), _plus(a.high, b.high))


def difference(a: Bounds, b: Bounds) -> Bounds:
    """Return the interval of x − y."""
    return total(a, negated(b))


def product(a: Bounds, b: Bounds) -> Bounds:
    """Return the interval of x · y."""
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return UNBOUNDED
    corners = [x * y for x in (a.low, a.high) for y in (b.low, b.high)]
    return Bounds(min(corners), max(corners))


def scaled(a: Bounds, by: Fraction) -> Bounds:
    """Return the interval of x times a constant."""
    if by == 0:
        return Bounds(Fraction(0), Fraction(0))
    low, high = (None if end is None else end * by for end in (a.low, a.high))
    return Bounds(low, high) if by > 0 else Bounds(high, low)


def quotient(a: Bounds, b: Bounds) -> Bounds:
    """Return the interval of x / y; anything, when y may be zero."""
    if b.low is None or b.high is None or b.low <= 0 <= b.high:
        return UNBOUNDED
    return product(a, Bounds(1 / b.high, 1 / b.low))


def absolute(a: Bounds) -> Bounds:
    """Return the interval of |x|."""
    if a.low is not None and a.low >= 0:
        return a
    if a.high is not None and a.high <= 0:
        return negated(a)
    if a.low is None or a.high is None:
        return Bounds(Fraction(0), None)
    return Bounds(Fraction(0), max(-a.low, a.high))


def outward(of: Bounds) -> Bounds:
    """Return an interval a little wider than what floating point makes of its ends."""
    low, high = (
        None if end is None else end + way * abs(end) * Fraction(1, 10**11)
        for end, way in ((of.low, -1), (of.high, 1))
    )
    return Bounds(low, high)


def _plus(a: Fraction | None, b: Fraction | None) -> Fraction | None:
    return None if a is None or b is None else a + b


def _minus(a: Fraction | None) -> Fraction | None:
    return None if a is None else -a
