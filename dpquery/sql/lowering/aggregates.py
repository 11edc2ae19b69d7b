"""Values of other rows of the same unit: aggregates, window functions and samples.

Exact and free of order: what is added up are integers, and what depends on an order has
one without ties (theory.md 1.4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.plan.expressions import (
    Aggregated,
    Expression,
    Frame,
    InSample,
    Ordering,
    Window,
)
from dpquery.policy.catalog import SqlType
from dpquery.sql.functions import binary, call, cast, number, text, try_cast
from dpquery.sql.lowering import expressions as lower_expressions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SALT = "dpquery-sample-1"
"""Names the hash that samples units; it need not be secret."""
SHARES = 1 << 32
"""Parts into which a sample's share is cut."""
CLAMPED = 1 << 46
"""Values whose squares are summed inside a unit are kept within this many steps."""


def merged(expression: Expression) -> exp.Expr:
    """
    Return a value by which rows are merged, in one form whichever row comes first.

    Equal numbers can print apart: -0.0 and 0.0, and NaN with its sign.
    """
    lowered = lower_expressions.lower(expression)
    if expression.type is not SqlType.DOUBLE:
        return lowered
    nan, zero = (cast(text(each), "DOUBLE") for each in ("nan", "0"))
    is_nan = exp.If(this=exp.EQ(this=lowered, expression=nan), true=nan.copy())
    return exp.Case(ifs=[is_nan], default=binary(exp.Add, lowered.copy(), zero))


def ordered(order: Iterable[Ordering]) -> list[exp.Expr]:
    """Return the expressions of ORDER BY."""
    return [
        exp.Ordered(
            this=lower_expressions.lower(each.expression),
            desc=each.descending,
            nulls_first=each.nulls_first,
        )
        for each in order
    ]


def window(expression: Window) -> exp.Expr:
    """Return a window function over the rows of a unit, in an order without ties."""

    def over(function: exp.Expr) -> exp.Expr:
        order = ordered(expression.order)
        return exp.Window(
            this=function,
            partition_by=[lower_expressions.lower(e) for e in expression.partition],
            order=exp.Order(expressions=order) if order else None,
            spec=_frame(expression.frame),
        )

    arguments = expression.arguments
    if expression.function in {"sum", "avg"}:
        return _summed(expression, over, distinct=False)
    if expression.function == "count":
        made = call("count", *map(lower_expressions.lower, arguments))
        return over(exp.Count(this=exp.Star()) if not arguments else made)
    lowered = [lower_expressions.lower(each) for each in arguments]
    if expression.function in {"min", "max"}:
        lowered = [merged(each) for each in arguments]
    return over(call(expression.function, *lowered))


def _frame(frame: Frame | None) -> exp.WindowSpec | None:
    if frame is None:
        return None
    start, end = (
        _end(each, first) for each, first in ((frame.start, True), (frame.end, False))
    )
    return exp.WindowSpec(
        kind="ROWS" if frame.rows else "RANGE",
        start=start[0],
        start_side=start[1],
        end=end[0],
        end_side=end[1],
    )


def _end(at: int | None, first: bool) -> tuple[object, str]:  # noqa: FBT001 -- an end
    if at is None:
        return "UNBOUNDED", "PRECEDING" if first else "FOLLOWING"
    if at == 0:
        return "CURRENT ROW", ""
    return number(abs(at)), "PRECEDING" if at < 0 else "FOLLOWING"


def aggregated(expression: Aggregated) -> exp.Expr:
    """Return an exact aggregate that does not depend on the order of rows."""
    arguments, distinct = expression.arguments, expression.distinct
    match expression.function:
        case "count":
            if not arguments:
                return exp.Count(this=exp.Star())
            return _called("count", merged(arguments[0]), distinct=distinct)
        case "sum" | "avg":
            return _summed(expression, lambda made: made, distinct=distinct)
        case "min" | "max":
            return call(expression.function, merged(arguments[0]))
        case "only":
            one = exp.EQ(this=exp.Count(this=exp.Star()), expression=number(1))
            value = call("min", merged(arguments[0]))
            return exp.Case(ifs=[exp.If(this=one, true=value)])
        case "quantile_cont" | "quantile_disc":
            of, fraction = arguments
            ordered = merged(of)
            if expression.function == "quantile_cont":
                ordered = cast(ordered, "DOUBLE")
            return call(expression.function, ordered, lower_expressions.lower(fraction))
        case "var_pop" | "var_samp" | "stddev_pop" | "stddev_samp":
            return _spread(expression)
        case _:
            return call(expression.function, *map(lower_expressions.lower, arguments))


def _called(name: str, value: exp.Expr, *, distinct: bool) -> exp.Expr:
    return call(name, exp.Distinct(expressions=[value]) if distinct else value)


def _summed(
    expression: Aggregated | Window,
    over: Callable[[exp.Expr], exp.Expr],
    *,
    distinct: bool,
) -> exp.Expr:
    """Return a sum or mean of whole steps: exact, and the same in any order."""
    (value,) = expression.arguments
    lowered = lower_expressions.lower(value)
    steps = 1
    if value.type is not SqlType.INTEGER:
        steps = 10**expression.digits
        scaled = binary(
            exp.Mul,
            lower_expressions.as_double(value),
            cast(text(str(steps)), "DOUBLE"),
        )
        lowered = try_cast(scaled, "BIGINT")
    total = over(_called("sum", lowered, distinct=distinct))
    if expression.function == "sum" and value.type is SqlType.INTEGER:
        return try_cast(total, "BIGINT")
    result: exp.Expr = cast(total, "DOUBLE")
    if steps > 1:
        result = binary(exp.Div, result, cast(text(str(steps)), "DOUBLE"))
    if expression.function == "avg":
        count = over(_called("count", lowered.copy(), distinct=distinct))
        rows = call("nullif", cast(count, "DOUBLE"), number(0))
        result = binary(exp.Div, result, rows)
    return result


def _spread(expression: Aggregated) -> exp.Expr:
    """Return a variance, or its root, from exact sums of steps and of their squares."""
    (value,) = expression.arguments
    steps = 10 ** min(expression.digits, 4)
    scaled = binary(
        exp.Mul, lower_expressions.as_double(value), cast(text(str(steps)), "DOUBLE")
    )
    whole = try_cast(scaled, "BIGINT")
    inside = exp.Between(this=whole, low=number(-CLAMPED), high=number(CLAMPED))
    kept = exp.Case(ifs=[exp.If(this=inside, true=cast(whole.copy(), "HUGEINT"))])
    count = cast(call("count", kept.copy()), "DOUBLE")
    total = cast(call("sum", kept.copy()), "DOUBLE")
    squares = cast(call("sum", exp.Mul(this=kept, expression=kept.copy())), "DOUBLE")
    rows = call("nullif", count, number(0))
    mean = binary(exp.Div, total, rows)
    apart = binary(exp.Sub, squares, binary(exp.Mul, total.copy(), mean))
    by = rows.copy()
    if expression.function.endswith("samp"):
        by = call("nullif", binary(exp.Sub, count.copy(), number(1)), number(0))
    square = cast(text(str(steps * steps)), "DOUBLE")
    variance = binary(exp.Div, binary(exp.Div, apart, by), square)
    variance_ = call("greatest", variance, number(0))
    known = exp.If(this=exp.GT(this=count.copy(), expression=number(0)), true=variance_)
    result: exp.Expr = exp.Case(ifs=[known])
    if expression.function.endswith("samp"):
        several = exp.If(
            this=exp.GT(this=count.copy(), expression=number(1)), true=variance_
        )
        result = exp.Case(ifs=[several])
    return call("sqrt", result) if expression.function.startswith("stddev") else result


def in_sample(expression: InSample) -> exp.Expr:
    """Return whether a hash puts a unit into a sample."""
    unit = cast(lower_expressions.lower(expression.unit), "VARCHAR")
    salted = call("concat_ws", text("|"), text(SALT), text(str(expression.seed)), unit)
    place = exp.Mod(this=call("md5_number_lower", salted), expression=number(SHARES))
    below = number(int(expression.share * SHARES))
    return binary(exp.LT, exp.Paren(this=place), below)


SPECIAL_FUNCTIONS: dict[str, frozenset[str]] = {
    "sum": frozenset({"sum", "*", "/"}),
    "avg": frozenset({"sum", "count", "nullif", "*", "/"}),
    "only": frozenset({"count", "min", "+"}),
    "count": frozenset({"count", "+"}),
    "min": frozenset({"min", "+"}),
    "max": frozenset({"max", "+"}),
    "quantile_cont": frozenset({"quantile_cont", "+"}),
    "quantile_disc": frozenset({"quantile_disc", "+"}),
    **dict.fromkeys(
        ("var_pop", "var_samp", "stddev_pop", "stddev_samp"),
        frozenset({"sum", "count", "nullif", "greatest", "sqrt", "*", "/", "-"}),
    ),
}
"""What aggregates and windows call, where it is more than their name."""


def functions_in(expression: Expression) -> frozenset[str]:
    """Return what an expression of other rows calls itself, its parts left out."""
    match expression:
        case Window(function=function) | Aggregated(function=function):
            return SPECIAL_FUNCTIONS.get(function, frozenset({function}))
        case InSample():
            return frozenset({"concat_ws", "md5_number_lower", "%"})
        case _:
            return frozenset()
