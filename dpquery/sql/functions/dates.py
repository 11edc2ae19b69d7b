"""Functions of dates, timestamps and spans of time, as data.

Most bring dates into the years 1 to 9999 first, because the engine raises on some
beyond. Spans come from constants, from whole numbers within limits, and from the
difference of two such dates, so that a date and a span never leave the engine's range.
"""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from dpquery.policy.catalog import SqlType
from dpquery.sql.functions.forms import (
    Lowered,
    between,
    binary,
    call,
    cast,
    number,
    shortened,
    text,
    try_cast,
)
from dpquery.sql.functions.signature import (
    CLOCK,
    DATES,
    SPAN,
    TEXT,
    YEARS,
    Function,
    I,
    N,
    Parameter,
    T,
    always,
    choice,
    named,
)
from dpquery.sql.functions.texts import read
from dpquery.sql.functions.time_formats import readable, written

VARCHAR, INTEGER, DOUBLE = SqlType.VARCHAR, SqlType.INTEGER, SqlType.DOUBLE
DATE, TIMESTAMP, INTERVAL = SqlType.DATE, SqlType.TIMESTAMP, SqlType.INTERVAL
_BROUGHT = "of the nearest date in the years 1 to 9999"
_TRUNCATIONS = ("second", "minute", "hour", "day", "week", "month", "quarter", "year")
_DIFFERENCES = ("microsecond", "millisecond", *_TRUNCATIONS)
_ONLY_DATE = replace(YEARS, types=frozenset({DATE}))
_SPAN = Parameter(SPAN, "span")
_FORMAT = Parameter(TEXT, "format", constant=True, complaint=written)


def _part(name: str, *types: frozenset[SqlType]) -> Function:
    """Return a part of a date; the engine's own function is total."""
    return named(name, [Parameter(DATES.union(*types), "date")], INTEGER)


def _clamped_part(name: str) -> Function:
    """Return a part that the engine cannot compute for extreme dates."""
    return named(name, [YEARS], INTEGER, misfit=_BROUGHT)


def _clock_part(name: str) -> Function:
    types = CLOCK | SPAN
    return named(name, [Parameter(types, "time")], INTEGER)


_PARTS: tuple[Function, ...] = (
    *(
        _part(name, SPAN)
        for name in (
            *("year", "quarter", "month", "day", "decade", "century", "millennium"),
        )
    ),
    *(_part(name) for name in ("dayofweek", "isodow", "dayofyear")),
    *(_clamped_part(name) for name in ("week", "isoyear", "yearweek")),
    *(
        _clock_part(name)
        for name in ("hour", "minute", "second", "millisecond", "microsecond")
    ),
    named("epoch", [Parameter(DATES | CLOCK | SPAN, "date")], DOUBLE),
    named("julian", [Parameter(DATES, "date")], DOUBLE),
    named("epoch_ms", [YEARS], INTEGER, misfit=_BROUGHT),
    named("epoch_us", [YEARS], INTEGER, misfit=_BROUGHT),
    named("monthname", [Parameter(DATES, "date")], VARCHAR),
    named("dayname", [Parameter(DATES, "date")], VARCHAR),
    Function(
        "days_in_month",
        (YEARS,),
        always(INTEGER),
        lambda value: call("day", call("last_day", value)),
        frozenset({"day", "last_day"}),
        _BROUGHT,
    ),
)


def _stamp(value: Lowered) -> Lowered:
    """Return a date of the years 1 to 9999 as a timestamp; that cannot fail."""
    return cast(value, "TIMESTAMP")


def _difference(name: str) -> Function:
    """Return a number of units between two dates."""
    return Function(
        name,
        (
            choice("unit", *_DIFFERENCES),
            replace(YEARS, name="start"),
            replace(YEARS, name="end"),
        ),
        always(INTEGER),
        lambda unit, a, b: call(name, unit, _stamp(a), _stamp(b)),
        frozenset({name}),
        _BROUGHT,
    )


_DISTANCES: tuple[Function, ...] = (
    _difference("date_diff"),
    _difference("date_sub"),
    Function(
        "days_between",
        (_ONLY_DATE, _ONLY_DATE),
        always(INTEGER),
        lambda a, b: binary(exp.Sub, a, b),
        frozenset({"-"}),
        _BROUGHT,
        usage="date - date",
    ),
    Function(
        "time_between",
        (YEARS, YEARS),
        always(INTERVAL),
        lambda a, b: binary(exp.Sub, _stamp(a), _stamp(b)),
        frozenset({"-"}),
        _BROUGHT,
        usage="timestamp - timestamp",
    ),
    Function(
        "age",
        (replace(YEARS, name="end"), replace(YEARS, name="start")),
        always(INTERVAL),
        lambda a, b: call("age", _stamp(a), _stamp(b)),
        frozenset({"age"}),
        _BROUGHT,
    ),
)

_YEARS = 10_000
SPANS: dict[str, tuple[str, str, int]] = {
    "year": ("to_years", "INTEGER", _YEARS),
    "quarter": ("to_quarters", "INTEGER", 4 * _YEARS),
    "month": ("to_months", "INTEGER", 12 * _YEARS),
    "week": ("to_weeks", "INTEGER", 53 * _YEARS),
    "day": ("to_days", "INTEGER", 366 * _YEARS),
    "hour": ("to_hours", "BIGINT", 366 * 24 * _YEARS),
    "minute": ("to_minutes", "BIGINT", 366 * 1440 * _YEARS),
    "second": ("to_seconds", "DOUBLE", 366 * 86_400 * _YEARS),
    "millisecond": ("to_milliseconds", "DOUBLE", 366 * 86_400_000 * _YEARS),
    "microsecond": ("to_microseconds", "BIGINT", 366 * 86_400_000_000 * _YEARS),
}
"""By unit: the engine's function, what it takes, and how many make 10,000 years."""


def _span(unit: Lowered, count: Lowered) -> Lowered:
    name, type_, most = SPANS[unit.name]
    return call(name, try_cast(between(count, -most, most), type_))


_ARITHMETIC: tuple[Function, ...] = (
    Function(
        "plus_days",
        (_ONLY_DATE, I),
        always(DATE),
        lambda day, days: binary(
            exp.Add,
            day,
            try_cast(between(days, -SPANS["day"][2], SPANS["day"][2]), "INTEGER"),
        ),
        frozenset({"+"}),
        f"{_BROUGHT}; more than 10,000 years away: NULL",
        usage="date + days",
    ),
    Function(
        "plus_interval",
        (YEARS, _SPAN),
        always(TIMESTAMP),
        lambda value, span: binary(exp.Add, _stamp(value), span),
        frozenset({"+"}),
        _BROUGHT,
        usage="date + INTERVAL …",
    ),
    Function(
        "minus_interval",
        (YEARS, _SPAN),
        always(TIMESTAMP),
        lambda value, span: binary(exp.Sub, _stamp(value), span),
        frozenset({"-"}),
        _BROUGHT,
        usage="date - INTERVAL …",
    ),
    Function(
        "interval_of",
        (choice("unit", *SPANS), I),
        always(INTERVAL),
        _span,
        frozenset(name for name, _, _ in SPANS.values()),
        "spans of more than 10,000 years are NULL",
        usage="INTERVAL (i) unit",
    ),
    Function(
        "date_trunc",
        (choice("unit", *_TRUNCATIONS), YEARS),
        always(TIMESTAMP),
        lambda unit, value: call("date_trunc", unit, value),
        frozenset({"date_trunc"}),
        _BROUGHT,
        tame=True,
    ),
    Function(
        "last_day",
        (YEARS,),
        always(DATE),
        lambda value: call("last_day", value),
        frozenset({"last_day"}),
        _BROUGHT,
        tame=True,
    ),
    Function(
        "time_bucket",
        (
            Parameter(SPAN, "span", constant=True),
            YEARS,
            Parameter(DATES, "origin", constant=True),
        ),
        always(TIMESTAMP),
        lambda span, value, *origin: call(
            "time_bucket", span, _stamp(value), *map(_stamp, origin)
        ),
        frozenset({"time_bucket"}),
        _BROUGHT,
        optional=1,
    ),
)


def _written(value: Lowered) -> Lowered:
    return cast(value, "VARCHAR")


def _dashed(*parts: Lowered, by: str) -> Lowered:
    """Return parts joined by a sign; NULL if one is NULL."""
    joined = parts[0]
    for part in parts[1:]:
        joined = exp.DPipe(
            this=exp.DPipe(this=joined, expression=text(by)), expression=part
        )
    return exp.Paren(this=joined)


def _day(year: Lowered, month: Lowered, day: Lowered) -> Lowered:
    """Return the text of a date, which may not exist."""
    return _dashed(
        _written(between(year, 1, 9999)), _written(month), _written(day), by="-"
    )


def _moment(
    year: Lowered,
    month: Lowered,
    day: Lowered,
    hour: Lowered,
    minute: Lowered,
    second: Lowered,
) -> Lowered:
    clock = _dashed(
        _written(between(hour, 0, 23)),
        _written(minute),
        _written(try_cast(second, "DECIMAL(8, 6)")),
        by=":",
    )
    return try_cast(_dashed(_day(year, month, day), clock, by=" "), "TIMESTAMP")


_FIRST, _LAST = -62_135_596_800, 253_402_300_799
"""Seconds from 1970 to the years 1 and 9999."""


def _from_epoch(value: Lowered, each: int) -> Lowered:
    """Return the timestamp of so many microseconds *each* since 1970."""
    known = between(value, _FIRST * 1_000_000 // each, _LAST * 1_000_000 // each)
    micros = binary(exp.Mul, cast(known, "DOUBLE"), cast(number(each), "DOUBLE"))
    return call("make_timestamp", try_cast(micros, "BIGINT"))


def _counted(name: str, each: int, usage: str, parameter: Parameter) -> Function:
    return Function(
        name,
        (parameter,),
        always(TIMESTAMP),
        lambda value: _from_epoch(value, each),
        frozenset({"make_timestamp", "*"}),
        "NULL outside the years 1 to 9999",
        as_double=parameter is N,
        usage=usage,
    )


_MAKING: tuple[Function, ...] = (
    Function(
        "make_date",
        (replace(I, name="year"), replace(I, name="month"), replace(I, name="day")),
        always(DATE),
        lambda year, month, day: try_cast(_day(year, month, day), "DATE"),
        frozenset({"||"}),
        "NULL where there is no such day, or outside the years 1 to 9999",
        tame=True,
    ),
    Function(
        "make_timestamp",
        (
            *(replace(I, name=each) for each in ("year", "month", "day", "hour")),
            replace(I, name="minute"),
            replace(N, name="second"),
        ),
        always(TIMESTAMP),
        _moment,
        frozenset({"||"}),
        "NULL where there is no such moment, or outside the years 1 to 9999",
        tame=True,
    ),
    _counted("to_timestamp", 1_000_000, "to_timestamp(seconds)", N),
    _counted("from_epoch_ms", 1000, "epoch_ms(i)", I),
    _counted("from_epoch_us", 1, "make_timestamp(i)", I),
    Function(
        "strftime",
        (YEARS, _FORMAT),
        always(VARCHAR),
        lambda value, form: shortened(call("strftime", value, form)),
        frozenset({"strftime", "left"}),
        f"{_BROUGHT}; cut at 256 characters",
    ),
    Function(
        "strptime",
        (T, replace(_FORMAT, complaint=readable)),
        always(TIMESTAMP),
        lambda value, form: call("try_strptime", read(value), form),
        frozenset({"try_strptime", "left"}),
        "NULL where the text is not in the format",
    ),
)

DATES_AND_TIMES: tuple[Function, ...] = (*_PARTS, *_DISTANCES, *_ARITHMETIC, *_MAKING)
