"""Handlers of dates and times: parts, truncation, conversions, formats, the clock."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.plan.expressions import TEMPORAL, Expression, Interval, Literal
from dpquery.policy.catalog import SqlType, fold
from dpquery.sql.expressions.casts import conversion
from dpquery.sql.expressions.spans import (
    as_time,
    days,
    minus,
    plus,
    span,
    unit_of,
    week_start,
    word,
)
from dpquery.sql.functions import PART_NAMES, PARTS
from dpquery.sql.literals import parse_interval

if TYPE_CHECKING:
    import datetime as dt

    from dpquery.sql.expressions.binder import RowBinder
    from dpquery.sql.expressions.handler import Handler

DATE, TIMESTAMP = SqlType.DATE, SqlType.TIMESTAMP


# --- parts and truncation --------------------------------------------------------


def _extract(binder: RowBinder, node: exp.Extract) -> Expression:
    return part(binder, node, fold(node.this.name), node.expression)


def part(binder: RowBinder, node: exp.Expr, name: str, of: exp.Expr) -> Expression:
    """Return a part of a date, by any of its names."""
    value = as_time(binder, node, binder.bind(of))
    if name == "date":
        return conversion(binder, node, value, DATE)
    name = PARTS.get(name, name)
    if name not in PART_NAMES:
        hint = "one of " + ", ".join(sorted(PART_NAMES))
        msg = f"{name[:30]} is not a part of a date"
        raise binder.refusal(node, msg, "DPQ107", hint)
    return binder.typed(node, name, [value])


def _date_part(binder: RowBinder, node: exp.Anonymous) -> Expression:
    if len(node.expressions) == 2:  # noqa: PLR2004 -- part, date
        name = node.expressions[0]
        if isinstance(name, exp.Literal) and name.is_string:
            return part(binder, node, fold(name.name), node.expressions[1])
    hint = "date_part('year', …)"
    raise binder.refusal(
        node, "the part of date_part is a constant text", "DPQ107", hint
    )


def _truncate(binder: RowBinder, node: exp.Expr) -> Expression:
    """Bind date_trunc, whatever the order of its arguments."""
    if node.args.get("zone"):
        return binder.unknown(node)
    value = as_time(binder, node, binder.bind(node.this))
    unit = node.args["unit"]
    if isinstance(unit, exp.WeekStart):
        shift = days(week_start(binder, unit))
        moved = plus(binder, node, value, shift)
        start = binder.typed(node, "date_trunc", [word("week"), moved])
        return minus(binder, node, start, shift)
    if not isinstance(unit, exp.Var | exp.Literal):
        hint = "date_trunc('month', …)"
        raise binder.refusal(node, "the unit is a constant text", "DPQ107", hint)
    return binder.typed(node, "date_trunc", [word(unit_of(unit)), value])


def _last_day(binder: RowBinder, node: exp.LastDay) -> Expression:
    unit = node.args.get("unit")
    if unit is not None and unit_of(unit) != "month":
        return binder.unknown(node)
    return binder.named(node, "last_day", [node.this])


def _bucket(binder: RowBinder, node: exp.DateBin) -> Expression:
    """Bind time_bucket and date_bin; a bucket has one unit, as the engine wants it."""
    length_of = binder.bind(node.this)
    if isinstance(length_of, Literal) and isinstance(length_of.value, str):
        length_of = span(binder, node, parse_interval(length_of.value))
    value = length_of.value if isinstance(length_of, Literal) else None
    if not isinstance(value, Interval):
        hint = "time_bucket(INTERVAL 7 DAY, …)"
        raise binder.refusal(node, "the span is a constant", "DPQ107", hint)
    mixed = value.months and (value.days or value.microseconds)
    length = value.months + value.days * 86_400_000_000 + value.microseconds
    if mixed or length <= 0:
        hint = "for example INTERVAL 7 DAY or INTERVAL 3 MONTH"
        msg = "a bucket is some months, or some days and hours"
        raise binder.refusal(node, msg, "DPQ107", hint)
    rest = [node.expression, *filter(None, [node.args.get("unit")])]
    bound = [as_time(binder, node, binder.bind(each)) for each in rest]
    return binder.typed(node, "time_bucket", [Literal(value, SqlType.INTERVAL), *bound])


# --- conversions and formats -----------------------------------------------------


_DEFAULTS = frozenset({"default_year", "default_date"})
"""What texts mean that are only part of a date; ours are whole dates."""


def _to(target: SqlType) -> Handler:
    """Return the handler of functions that are casts by another name."""

    def handler(binder: RowBinder, node: exp.Expr) -> Expression:
        form = node.args.get("format")
        given = {key for key, value in node.args.items() if value}
        yearless = "default_year" in given and "%y" not in fold(
            form.name if form else ""
        )
        if given - {"this", "format", "safe", *_DEFAULTS} or yearless:
            return binder.unknown(node)
        if form is not None:
            read = _read(binder, node, form)
            return conversion(binder, node, read, target)
        return conversion(binder, node, binder.bind(node.this), target)

    return handler


def _form(node: exp.Expr) -> exp.Expr:
    """Return a format without the marks that sqlglot leaves in Spark's."""
    if isinstance(node, exp.Literal):
        return exp.Literal.string(re.sub(r"(%-?[A-Za-z])strict", r"\1", node.name))
    return node


def _read(binder: RowBinder, node: exp.Expr, form: exp.Expr) -> Expression:
    """Return a text read as a timestamp in a format."""
    return binder.named(node, "strptime", [node.this, _form(form)])


def _written(binder: RowBinder, node: exp.TimeToStr) -> Expression:
    return binder.named(node, "strftime", [node.this, _form(node.args["format"])])


def _from_parts(binder: RowBinder, node: exp.Expr) -> Expression:
    """Bind make_date and make_timestamp."""
    names = ["year", "month", "day"]
    name = "make_date"
    if isinstance(node, exp.TimestampFromParts):
        names += ["hour", "min", "sec"]
        name = "make_timestamp"
    extra = {key for key, value in node.args.items() if value} - set(names)
    if extra or any(node.args.get(each) is None for each in names):
        return binder.unknown(node)
    return binder.named(node, name, [node.args[each] for each in names])


def _from_epoch(binder: RowBinder, node: exp.UnixToTime) -> Expression:
    """Bind to_timestamp, epoch_ms and make_timestamp of a number."""
    value = binder.bind(node.this)
    scale = node.args.get("scale")
    digits = scale.name if isinstance(scale, exp.Literal) else "0"
    if value.type in TEMPORAL and digits == "3":
        return binder.typed(node, "epoch_ms", [value])
    names = {"0": "to_timestamp", "3": "from_epoch_ms", "6": "from_epoch_us"}
    extra = [k for k, v in node.args.items() if v and k not in {"this", "scale"}]
    if extra or digits not in names:
        return binder.unknown(node)
    return binder.typed(node, names[digits], [value])


def _epoch(name: str, *, whole: bool = False) -> Handler:
    """Return the handler of UNIX_SECONDS and its like."""

    def handler(binder: RowBinder, node: exp.Expr) -> Expression:
        found = binder.named(node, name, [node.this])
        return binder.typed(node, "floor", [found]) if whole else found

    return handler


def _name_of(function: str, short: str) -> Handler:
    """Return the handler of MONTHNAME and DAYNAME, short ones in some dialects."""

    def handler(binder: RowBinder, node: exp.Expr) -> Expression:
        if node.args.get("abbreviated"):
            value = binder.bind(node.this)
            return binder.typed(node, "strftime", [value, word(short)])
        return binder.named(node, function, [node.this])

    return handler


# --- the clock -------------------------------------------------------------------


def _now(of: SqlType) -> Handler:
    """Return the handler of a function that reads the clock."""

    def handler(binder: RowBinder, node: exp.Expr) -> Expression:
        named = isinstance(node, exp.Anonymous)
        given = node.expressions if named else filter(None, [node.args.get("this")])
        if not all(isinstance(each, exp.Literal) and each.is_int for each in given):
            msg = "the clock is read in UTC"
            hint = "leave the time zone out"
            raise binder.refusal(node, msg, "DPQ106", hint)
        return moment(binder, node, of)

    return handler


def moment(binder: RowBinder, node: exp.Expr, of: SqlType) -> Literal:
    """Return the moment of the query, the same wherever it is asked for."""
    if binder.now is None:
        raise binder.refusal(
            node,
            "the clock is not read: the same question has the same answer",
            "DPQ106",
            "write the date, e.g. DATE '2026-01-31'",
        )
    now = binder.now.replace(microsecond=0, tzinfo=None)
    value: dt.date | dt.time = now
    if of is DATE:
        value = now.date()
    elif of is SqlType.TIME:
        value = now.time()
    return Literal(value, of)


def _age(binder: RowBinder, node: exp.Anonymous) -> Expression:
    """Bind age; with one date, counted from today."""
    bound = [as_time(binder, node, binder.bind(each)) for each in node.expressions]
    if len(bound) == 1:
        bound.insert(0, moment(binder, node, DATE))
    return binder.typed(node, "age", bound)


CLOCK: dict[type[exp.Expr], Handler] = {
    exp.CurrentDate: _now(DATE),
    **dict.fromkeys(
        (exp.CurrentTimestamp, exp.CurrentDatetime, exp.Localtimestamp), _now(TIMESTAMP)
    ),
    **dict.fromkeys((exp.CurrentTime, exp.Localtime), _now(SqlType.TIME)),
}
CLOCK_CALLS: dict[str, Handler] = {
    **dict.fromkeys(
        (
            *("now", "get_current_timestamp", "transaction_timestamp"),
            *("current_localtimestamp", "getdate", "sysdate", "statement_timestamp"),
        ),
        _now(TIMESTAMP),
    ),
    **dict.fromkeys(("today", "curdate"), _now(DATE)),
}
"""Functions of the clock that sqlglot has no node for, by name."""

DATES: dict[type[exp.Expr], Handler] = {
    exp.Extract: _extract,
    **dict.fromkeys((exp.DateTrunc, exp.TimestampTrunc, exp.DatetimeTrunc), _truncate),
    exp.LastDay: _last_day,
    exp.DateBin: _bucket,
    **dict.fromkeys((exp.Date, exp.TsOrDsToDate, exp.StrToDate), _to(DATE)),
    **dict.fromkeys(
        (
            *(exp.Timestamp, exp.Datetime, exp.TimeStrToTime, exp.TsOrDsToTimestamp),
            *(exp.StrToTime,),
        ),
        _to(TIMESTAMP),
    ),
    exp.Time: _to(SqlType.TIME),
    exp.TimeToStr: _written,
    **dict.fromkeys((exp.DateFromParts, exp.TimestampFromParts), _from_parts),
    exp.UnixToTime: _from_epoch,
    exp.TimeToUnix: _epoch("epoch"),
    exp.UnixSeconds: _epoch("epoch", whole=True),
    exp.UnixMillis: _epoch("epoch_ms"),
    exp.UnixMicros: _epoch("epoch_us"),
    exp.Monthname: _name_of("monthname", "%b"),
    exp.Dayname: _name_of("dayname", "%a"),
    **CLOCK,
}

DATE_CALLS: dict[str, Handler] = {
    **dict.fromkeys(("date_part", "datepart"), _date_part),
    "age": _age,
    **CLOCK_CALLS,
}
"""Functions that sqlglot has no node for, by name."""
