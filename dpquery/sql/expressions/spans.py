"""Handlers of spans of time, and of arithmetic, which is also that of dates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.plan.expressions import TEMPORAL, Expression, Interval, Literal
from dpquery.policy.catalog import SqlType, fold
from dpquery.sql.expressions.casts import conversion
from dpquery.sql.functions import PARTS
from dpquery.sql.functions.dates import SPANS
from dpquery.sql.literals import interval_of, parse_interval, too_long

if TYPE_CHECKING:
    from dpquery.errors import QueryRefused
    from dpquery.sql.expressions.binder import RowBinder
    from dpquery.sql.expressions.handler import Handler

DATE, TIMESTAMP, INTERVAL = SqlType.DATE, SqlType.TIMESTAMP, SqlType.INTERVAL
_TIMES = TEMPORAL | {INTERVAL}
_WEEK_STARTS = {"monday": 0, "sunday": 1, "saturday": 2, "friday": 3}
_WEEK_STARTS |= {"thursday": 4, "wednesday": 5, "tuesday": 6}
"""Days to add before Monday's week is the week that starts on this day."""


def word(text: str) -> Literal:
    """Return a unit or a format as a constant."""
    return Literal(text, SqlType.VARCHAR)


def days(count: int) -> Literal:
    """Return a constant number of days."""
    return Literal(Interval(days=count), INTERVAL)


# --- spans -----------------------------------------------------------------------


def _interval(binder: RowBinder, node: exp.Interval) -> Expression:
    """Bind ``INTERVAL 3 MONTH``, ``INTERVAL '1 day 2 hours'``, ``INTERVAL (n) DAY``."""
    unit, inner = node.args.get("unit"), node.this
    if unit is None:
        found = parse_interval(inner.name) if isinstance(inner, exp.Literal) else None
        return span(binder, node, found)
    if not isinstance(unit, exp.Var):
        hint = "write INTERVAL 14 MONTH"
        raise binder.refusal(node, "spans have one unit", "DPQ105", hint)
    return spans(binder, node, unit_of(unit), _count(binder, inner))


def _count(binder: RowBinder, node: exp.Expr) -> Expression:
    """Bind the number of an interval, which may stand in quotes."""
    bound = binder.bind(node)
    if isinstance(bound, Literal) and isinstance(bound.value, str):
        return conversion(binder, node, bound, SqlType.INTEGER)
    return bound


def unit_of(node: exp.Expr) -> str:
    """Return a unit of time by the name that the table has for it."""
    name = fold(node.name)
    return PARTS.get(name, name)


def spans(
    binder: RowBinder, node: exp.Expr, unit: str, count: Expression
) -> Expression:
    """Return *count* units of time."""
    if isinstance(count, Literal) and isinstance(count.value, int):
        return span(binder, node, interval_of(count.value, unit))
    return binder.typed(node, "interval_of", [word(unit), count])


def span(binder: RowBinder, node: exp.Expr, value: Interval | None) -> Literal:
    """Return a constant span, or refuse what is none, or too long."""
    if value is None or too_long(value):
        hint = "a whole number and a unit, at most 10,000 years: INTERVAL 3 MONTH"
        raise binder.refusal(node, "this is no span of time", "DPQ105", hint)
    return Literal(value, INTERVAL)


def unit_call(unit: str) -> Handler:
    """Return the handler of ``to_days(n)`` and its like."""

    def handler(binder: RowBinder, node: exp.Anonymous | exp.ToDays) -> Expression:
        nodes = node.expressions if isinstance(node, exp.Anonymous) else [node.this]
        if len(nodes) != 1:
            return binder.unknown(node)
        return spans(binder, node, unit, binder.bind(nodes[0]))

    return handler


# --- arithmetic ------------------------------------------------------------------


def _add(binder: RowBinder, node: exp.Add) -> Expression:
    sides = [binder.bind(node.this), binder.bind(node.expression)]
    if sides[0].type not in _TIMES and sides[1].type in _TIMES:
        sides.reverse()
    if sides[0].type is INTERVAL and sides[1].type in TEMPORAL:
        sides.reverse()
    if sides[0].type in _TIMES:
        return plus(binder, node, sides[0], sides[1])
    texts = all(each.type is SqlType.VARCHAR for each in sides)
    if texts and node.args.get("text"):
        return binder.typed(node, "concat", sides)
    return binder.typed(node, "add", sides)


def plus(
    binder: RowBinder, node: exp.Expr, left: Expression, right: Expression
) -> Expression:
    """Return a date, timestamp or span plus a span or, of a date, days."""
    if left.type is DATE and right.type is SqlType.INTEGER:
        return binder.typed(node, "plus_days", [left, right])
    if left.type in TEMPORAL and right.type is INTERVAL:
        return binder.typed(node, "plus_interval", [left, right])
    if isinstance(left, Literal) and isinstance(right, Literal):
        a, b = left.value, right.value
        if isinstance(a, Interval) and isinstance(b, Interval):
            total = Interval(
                a.months + b.months, a.days + b.days, a.microseconds + b.microseconds
            )
            return span(binder, node, total)
    raise _no_sum(binder, node, left, right)


def _no_sum(
    binder: RowBinder, node: exp.Expr, left: Expression, right: Expression
) -> QueryRefused:
    hint = "add a span: … + INTERVAL 7 DAY; to a DATE also days: … + 7"
    if left.type is INTERVAL and right.type is INTERVAL:
        hint = "add the spans to the date one after the other"
    msg = f"{right.type} cannot be added to {left.type}, or taken from it"
    return binder.refusal(node, msg, "DPQ105", hint)


def _subtract(binder: RowBinder, node: exp.Sub) -> Expression:
    left, right = binder.bind(node.this), binder.bind(node.expression)
    if left.type not in _TIMES and right.type not in _TIMES:
        return binder.typed(node, "subtract", [left, right])
    return minus(binder, node, left, right)


def minus(
    binder: RowBinder, node: exp.Expr, left: Expression, right: Expression
) -> Expression:
    """Return the difference of two dates, or a date less a span."""
    if left.type is DATE and right.type is DATE:
        return binder.typed(node, "days_between", [left, right])
    if {left.type, right.type} <= TEMPORAL:
        return binder.typed(node, "time_between", [left, right])
    if left.type is DATE and right.type is SqlType.INTEGER:
        return binder.typed(
            node, "plus_days", [left, binder.typed(node, "negate", [right])]
        )
    if isinstance(right, Literal) and isinstance(right.value, Interval):
        return plus(binder, node, left, Literal(-right.value, INTERVAL))
    if left.type in TEMPORAL and right.type is INTERVAL:
        return binder.typed(node, "minus_interval", [left, right])
    raise _no_sum(binder, node, left, right)


def _multiply(binder: RowBinder, node: exp.Mul) -> Expression:
    """Bind ``*``; a whole number times a span of one unit is a span."""
    sides = [binder.bind(node.this), binder.bind(node.expression)]
    if sides[0].type is INTERVAL:
        sides.reverse()
    count, by = sides
    if by.type is not INTERVAL:
        return binder.typed(node, "multiply", sides)
    value = by.value if isinstance(by, Literal) else None
    if not isinstance(value, Interval) or count.type is not SqlType.INTEGER:
        hint = "n * INTERVAL 1 DAY, for a whole number n"
        msg = "only constant spans are multiplied, by whole numbers"
        raise binder.refusal(node, msg, "DPQ105", hint)
    amounts = {
        "month": value.months,
        "day": value.days,
        "microsecond": value.microseconds,
    }
    units = [(unit, amount) for unit, amount in amounts.items() if amount]
    if len(units) != 1:
        hint = "write months, days and hours apart"
        raise binder.refusal(node, "this span has several units", "DPQ105", hint)
    unit, amount = units[0]
    each = Literal(amount, SqlType.INTEGER)
    return spans(binder, node, unit, binder.typed(node, "multiply", [count, each]))


def _shift(sign: int) -> Handler:
    """Return the handler of DATE_ADD and DATE_SUB, whatever their spelling."""

    def handler(binder: RowBinder, node: exp.Expr) -> Expression:
        start = as_time(binder, node, binder.bind(node.this))
        unit = node.args.get("unit")
        by = binder.bind(node.expression)
        if by.type is not INTERVAL:
            name = "day" if unit is None else unit_of(unit)
            by = spans(binder, node, name, _count(binder, node.expression))
        move = plus if sign > 0 else minus
        moved = move(binder, node, start, by)
        whole = unit is not None and unit_of(unit) in _WHOLE_DAYS
        if start.type is DATE and whole and not node.args.get("return_type"):
            return conversion(binder, node, moved, DATE)
        return moved

    return handler


_WHOLE_DAYS = frozenset({"day", "week", "month", "quarter", "year"})


def as_time(binder: RowBinder, node: exp.Expr, bound: Expression) -> Expression:
    """Return a text constant as the date that it is; other values as they are."""
    if isinstance(bound, Literal) and isinstance(bound.value, str):
        long = len(bound.value) > len("2024-01-31")
        return conversion(binder, node, bound, TIMESTAMP if long else DATE)
    return bound


def _months(binder: RowBinder, node: exp.AddMonths) -> Expression:
    if node.args.get("preserve_end_of_month"):
        hint = "use DATEADD(month, n, date), which keeps the day of the month"
        raise binder.refusal(node, "ADD_MONTHS is not supported here", "DPQ106", hint)
    start = as_time(binder, node, binder.bind(node.this))
    moved = plus(
        binder, node, start, spans(binder, node, "month", binder.bind(node.expression))
    )
    return conversion(binder, node, moved, DATE) if start.type is DATE else moved


def _difference(binder: RowBinder, node: exp.Expr) -> Expression:
    """
    Bind DATEDIFF and its like: the first date less the second, in units.

    The boundaries of units between them are counted where the dialect says so, and
    where it does not, whole units that have passed.
    """
    last, first = (
        as_time(binder, node, binder.bind(each))
        for each in (node.this, node.expression)
    )
    unit = node.args.get("unit")
    if isinstance(unit, exp.WeekStart):
        return _weeks_between(binder, node, first, last)
    name = "day" if unit is None else unit_of(unit)
    crossed = node.args.get("date_part_boundary")
    function = "date_diff" if crossed else "date_sub"
    return binder.typed(node, function, [word(name), first, last])


def _weeks_between(
    binder: RowBinder, node: exp.Expr, first: Expression, last: Expression
) -> Expression:
    """
    Return how many weeks begin between two dates, on the day that the node says.

    DuckDB's own date_diff('week', …) counts whole weeks that have passed.
    """
    shift = days(week_start(binder, node.args["unit"]))
    starts = [
        binder.typed(
            node, "date_trunc", [word("week"), plus(binder, node, each, shift)]
        )
        for each in (first, last)
    ]
    passed = binder.typed(node, "date_diff", [word("day"), *starts])
    return binder.typed(node, "int_divide", [passed, Literal(7, SqlType.INTEGER)])


def week_start(binder: RowBinder, unit: exp.WeekStart) -> int:
    """Return the days from a week's start to the Monday that is in it or after it."""
    start = fold(unit.this.name)
    if start not in _WEEK_STARTS:
        raise binder.refusal(unit, f"{start} is no day of the week", "DPQ107")
    return _WEEK_STARTS[start]


SPAN_CALLS: dict[str, Handler] = {
    name: unit_call(unit) for unit, (name, _, _) in SPANS.items()
}
"""``to_days(n)`` and its like, by name."""

ARITHMETIC: dict[type[exp.Expr], Handler] = {
    exp.Interval: _interval,
    exp.ToDays: unit_call("day"),
    exp.Add: _add,
    exp.Sub: _subtract,
    exp.Mul: _multiply,
    **dict.fromkeys(
        (
            *(exp.DateAdd, exp.TimestampAdd, exp.DatetimeAdd, exp.TimeAdd),
            *(exp.TsOrDsAdd,),
        ),
        _shift(1),
    ),
    **dict.fromkeys(
        (exp.DateSub, exp.TimestampSub, exp.DatetimeSub, exp.TimeSub), _shift(-1)
    ),
    exp.AddMonths: _months,
    **dict.fromkeys(
        (exp.DateDiff, exp.TimestampDiff, exp.DatetimeDiff, exp.TsOrDsDiff), _difference
    ),
}
