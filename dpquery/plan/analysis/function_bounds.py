"""What each function does to intervals, as data: forward, and back through filters.

A rule that is too narrow costs accuracy and never privacy, as all bounds: values are
clamped when the query runs (theory.md 0, D2).
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import reduce
from typing import TYPE_CHECKING

from dpquery.plan.analysis.date_bounds import DATE_RULES, Rule
from dpquery.plan.analysis.spans import (
    UNBOUNDED,
    Bounds,
    absolute,
    difference,
    negated,
    number,
    outward,
    product,
    quotient,
    scaled,
    total,
    widened,
)
from dpquery.plan.expressions import Call, Expression, Literal
from dpquery.policy.catalog import SqlType

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FIXED: dict[str, tuple[int | float, int | float]] = {
    "sign": (-1, 1),
    "quarter": (1, 4),
    "month": (1, 12),
    "week": (1, 53),
    "day": (1, 31),
    "days_in_month": (28, 31),
    "dayofyear": (1, 366),
    "dayofweek": (0, 6),
    "isodow": (1, 7),
    "hour": (0, 23),
    "minute": (0, 59),
    "second": (0, 59),
    "millisecond": (0, 59_999),
    "microsecond": (0, 59_999_999),
    "bit_count": (0, 64),
    "ascii": (0, 0x10FFFF),
    "unicode": (-1, 0x10FFFF),
    "factorial": (1, math.factorial(20)),
    "sin": (-1, 1),
    "cos": (-1, 1),
    "tanh": (-1, 1),
    "asin": (-1.5708, 1.5708),
    "acos": (0, 3.1416),
    "atan": (-1.5708, 1.5708),
    "atan2": (-3.1416, 3.1416),
    "levenshtein": (0, 64),
    "damerau_levenshtein": (0, 64),
    "jaro_similarity": (0, 1),
    "jaro_winkler_similarity": (0, 1),
    "jaccard": (0, 1),
}
"""Functions with a fixed range, whatever their argument; of dates, for the parts."""


def function_bounds(call: Call, of: Sequence[Bounds]) -> Bounds:
    """Return an interval that holds every value of a function's result."""
    if call.function in FIXED and not _of_a_span(call):
        low, high = (Fraction(end) for end in FIXED[call.function])
        midnight = call.arguments[0].type is SqlType.TIME  # which may be 24:00:00
        return Bounds(low, high + midnight)
    rule = RULES.get(call.function)
    return UNBOUNDED if rule is None else rule(call, of)


def _of_a_span(call: Call) -> bool:
    """Return whether this is a part of a span of time: those have other ranges."""
    return call.arguments[0].type is SqlType.INTERVAL


# --- kinds of rules --------------------------------------------------------------


def _each(function: Callable[..., Bounds]) -> Rule:
    """Return a rule that looks at the intervals only."""
    return lambda _, of: function(*of)


def _first(_: Call, of: Sequence[Bounds]) -> Bounds:
    return of[0]


def _rising(function: Callable[[float], float], least: float | None = None) -> Rule:
    """Return the rule of a function that grows with its argument, in floating point."""

    def rule(_: Call, of: Sequence[Bounds]) -> Bounds:
        low = of[0].low
        if least is not None:
            low = Fraction(least) if low is None else max(low, Fraction(least))
        return Bounds(_image(function, low, -1), _image(function, of[0].high, 1))

    return rule


def _image(
    function: Callable[[float], float], end: Fraction | None, way: int
) -> Fraction | None:
    """Return a value of *function*, moved outward by more than it is rounded."""
    if end is None:
        return None
    try:
        value = function(float(end))
    except (ValueError, OverflowError):
        return None
    if not math.isfinite(value):
        return None
    return Fraction(value) + way * Fraction(abs(value) * 1e-12)


def _linear(by: Fraction, plus: Fraction = Fraction(0)) -> Rule:
    """Return the rule of ``by · (x + plus)``."""
    return lambda _, of: scaled(total(of[0], Bounds(plus, plus)), by)


# --- numbers ---------------------------------------------------------------------


def _rounded(call: Call, of: Sequence[Bounds]) -> Bounds:
    """Bound rounding; to tens and hundreds where digits are negative."""
    digits = _constant(call, 1)
    if digits is None or digits >= 0:
        return widened(of[0])
    step = Fraction(10) ** int(-digits)
    return scaled(widened(scaled(of[0], 1 / step)), step)


def _to_even(_: Call, of: Sequence[Bounds]) -> Bounds:
    return total(widened(of[0]), Bounds(Fraction(-1), Fraction(1)))


def _remainder(call: Call, of: Sequence[Bounds]) -> Bounds:
    """Bound a remainder: it is smaller than the divisor, and has a's sign."""
    a, reach = of[0], absolute(of[1]).high
    if reach is None:
        return UNBOUNDED
    if call.type is SqlType.INTEGER:
        reach = max(Fraction(0), reach - 1)
    low = Fraction(0) if a.low is not None and a.low >= 0 else -reach
    return Bounds(low, reach)


def _floored_remainder(a: Bounds, b: Bounds) -> Bounds:
    """Bound ``x − y·floor(x / y)``, which has the sign of y."""
    reach = absolute(b).high
    if reach is None or a == UNBOUNDED:
        return UNBOUNDED if reach is None else Bounds(-reach, reach)
    return Bounds(-reach, reach)


def _power(call: Call, of: Sequence[Bounds]) -> Bounds:
    """Bound a power with a constant exponent."""
    exponent, base = _constant(call, 1), of[0]
    if exponent is None or exponent < 0 or exponent > 100:  # noqa: PLR2004 -- cost
        return UNBOUNDED
    whole = exponent.denominator == 1
    if whole and exponent % 2 == 0:
        base = absolute(base)
    elif not whole:
        base = base.intersect(Bounds(Fraction(0), None))
    low, high = (_raised(end, exponent) for end in (base.low, base.high))
    return outward(Bounds(low, high))


def _raised(end: Fraction | None, exponent: Fraction) -> Fraction | None:
    if end is None:
        return None
    if exponent.denominator == 1:
        return end ** int(exponent)
    return _image(lambda x: math.pow(x, float(exponent)), end, 1)


def _divisor(a: Bounds, b: Bounds) -> Bounds:
    reach = Bounds(Fraction(0), Fraction(0)).hull(absolute(a)).hull(absolute(b))
    return Bounds(Fraction(0), reach.high)


def _multiple(a: Bounds, b: Bounds) -> Bounds:
    most = product(absolute(a), absolute(b)).high
    return Bounds(Fraction(0), most)


def _both_bits(a: Bounds, b: Bounds) -> Bounds:
    """Bound ``x & y``: no more than either, where that is not negative."""
    known = [each for each in (a, b) if each.low is not None and each.low >= 0]
    if not known:
        return UNBOUNDED
    return reduce(Bounds.intersect, (Bounds(Fraction(0), each.high) for each in known))


def _either_bit(a: Bounds, b: Bounds) -> Bounds:
    """Bound ``x | y`` and xor: below the next power of two."""
    most = a.hull(b)
    if most.low is None or most.low < 0 or most.high is None:
        return UNBOUNDED
    return Bounds(Fraction(0), Fraction((1 << int(most.high).bit_length()) - 1))


def _shift(way: int) -> Rule:
    def rule(call: Call, of: Sequence[Bounds]) -> Bounds:
        by = Fraction(2) ** int(way * (_constant(call, 1) or 0))
        return widened(scaled(of[0], by))

    return rule


def _buckets(_: Call, of: Sequence[Bounds]) -> Bounds:
    most = of[3].high
    return Bounds(Fraction(0), None if most is None else most + 1)


def _constant(call: Call, at: int) -> Fraction | None:
    """Return the value of an argument that is a numeric constant."""
    if at >= len(call.arguments):
        return None
    argument = call.arguments[at]
    return number(argument.value) if isinstance(argument, Literal) else None


# --- texts -----------------------------------------------------------------------

_KEEP_LENGTH = frozenset(
    {"lower", "upper", "trim", "ltrim", "rtrim", "reverse", "translate"}
)
_CUT = frozenset(
    {"concat", "concat_ws", "replace", "repeat", "strftime", "array_to_string"}
)


def _longest(text: Expression) -> int | None:
    """Return how many characters a text has at most, if its form says so."""
    match text:
        case Literal(value=str() as value):
            return len(value)
        case Call(function=name, arguments=(inner, *_)) if name in _KEEP_LENGTH:
            return _longest(inner)
        case Call(function=name) if name in _CUT:
            return 256
        case Call(function="left" | "right", arguments=(_, Literal(value=int() as n))):
            return n if n >= 0 else None
        case Call(
            function="lpad" | "rpad", arguments=(_, Literal(value=int() as n), *_)
        ):
            return n
        case Call(function="substring", arguments=(_, _, Literal(value=int() as n))):
            return abs(n)
        case _:
            return None


def _length(call: Call, _: Sequence[Bounds]) -> Bounds:
    most = _longest(call.arguments[0])
    if most is not None and call.function == "strlen":
        most *= 4  # bytes of one character
    return Bounds(Fraction(0), None if most is None else Fraction(most))


def _count(_: Call, __: Sequence[Bounds]) -> Bounds:
    return Bounds(Fraction(0), None)


RULES: dict[str, Rule] = {
    "add": _each(total),
    "subtract": _each(difference),
    "negate": _each(negated),
    "multiply": _each(product),
    "divide": _each(quotient),
    "int_divide": lambda _, of: widened(quotient(*of)),
    "modulo": _remainder,
    "fmod": _each(_floored_remainder),
    "abs": _each(absolute),
    **dict.fromkeys(("floor", "ceil"), _each(widened)),
    **dict.fromkeys(("round", "trunc", "round_even"), _rounded),
    "even": _to_even,
    "sqrt": _rising(math.sqrt, least=0),
    "cbrt": _rising(math.cbrt),
    "exp": _rising(math.exp),
    "ln": _rising(math.log),
    "log10": _rising(math.log10),
    "log2": _rising(math.log2),
    "sinh": _rising(math.sinh),
    "asinh": _rising(math.asinh),
    "acosh": _rising(math.acosh, least=1),
    "degrees": _rising(math.degrees),
    "radians": _rising(math.radians),
    "pow": _power,
    "width_bucket": _buckets,
    "gcd": _each(_divisor),
    "lcm": _each(_multiple),
    "bit_and": _each(_both_bits),
    "bit_or": _each(_either_bit),
    "xor": _each(_either_bit),
    "bit_not": _linear(Fraction(-1), Fraction(1)),
    "shift_left": _shift(1),
    "shift_right": _shift(-1),
    **dict.fromkeys(("length", "strlen"), _length),
    **dict.fromkeys(("bit_length", "strpos", "list_length", "list_position"), _count),
    **dict.fromkeys(("list_unique", "list_count"), _count),
    **DATE_RULES,
    "nullif": _first,
    "coalesce": lambda _, of: reduce(Bounds.hull, of),
}
"""By the plan's name; a function that is not here has no bounds."""
