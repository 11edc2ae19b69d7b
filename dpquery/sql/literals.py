"""Constants of the query, and what they become beside a typed expression."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal, InvalidOperation

from dpquery.plan.expressions import (
    NUMERIC,
    TEMPORAL,
    Call,
    Case,
    Cast,
    Constant,
    Expression,
    Interval,
    Literal,
)
from dpquery.policy.catalog import SqlType
from dpquery.sql.functions.names import PARTS

MAX_INTEGER = 2**63 - 1
MAX_DIGITS = 100
"""Characters of a number; a longer one is a mistake or an attack on the parser."""


_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"\d\d:\d\d(:\d\d(\.\d{1,6})?)?", re.ASCII)
_TIMESTAMP = re.compile(
    r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?", re.ASCII
)


def number_literal(text: str) -> Literal | None:
    """
    Return a numeric constant, typed as DuckDB types it; ``None`` if it is none.

    >>> number_literal("1_000") is None
    True
    >>> number_literal("0.05").value
    Decimal('0.05')
    """
    if "_" in text or not text.isascii() or len(text) > MAX_DIGITS:
        return None
    if text.isdigit() and int(text) <= MAX_INTEGER:
        return Literal(int(text), SqlType.INTEGER)
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    if not value.is_finite() or abs(value.adjusted()) > 300:  # noqa: PLR2004 -- DOUBLE
        return None
    fits = "e" not in text.lower() and len(value.as_tuple().digits) <= 38  # noqa: PLR2004
    return Literal(value, SqlType.DECIMAL if fits else SqlType.DOUBLE)


def count_literal(text: str) -> int | None:
    """Return a whole number as in LIMIT 10 or ORDER BY 2; ``None`` if it is none."""
    literal = number_literal(text)
    return literal.value if literal and isinstance(literal.value, int) else None


def negated(literal: Literal) -> Literal | None:
    """Return ``-literal``, or ``None`` when it is no number and no span."""
    value = literal.value
    if isinstance(value, Interval):
        return Literal(-value, literal.type)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    return Literal(-value, literal.type)


def parse_date(text: str) -> dt.date | None:
    """Return a date written as 2024-01-31."""
    try:
        return dt.date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        return None


def parse_timestamp(text: str) -> dt.datetime | None:
    """Return a timestamp written as 2024-01-31 or 2024-01-31 12:30:00.5."""
    try:
        return dt.datetime.fromisoformat(text) if _TIMESTAMP.fullmatch(text) else None
    except ValueError:
        return None


def parse_time(text: str) -> dt.time | None:
    """Return a time of day written as 12:30:00.5."""
    try:
        return dt.time.fromisoformat(text) if _TIME.fullmatch(text) else None
    except ValueError:
        return None


_UNITS: dict[str, Interval] = {
    "year": Interval(months=12),
    "quarter": Interval(months=3),
    "month": Interval(months=1),
    "week": Interval(days=7),
    "day": Interval(days=1),
    "hour": Interval(microseconds=3_600_000_000),
    "minute": Interval(microseconds=60_000_000),
    "second": Interval(microseconds=1_000_000),
    "millisecond": Interval(microseconds=1000),
    "microsecond": Interval(microseconds=1),
}
_LONGEST = Interval(120_000, 3_660_000, 3_660_000 * 86_400_000_000)
"""Ten thousand years of each: dates of our years stay in the engine's with them."""


def interval_of(count: int, unit: str) -> Interval | None:
    """
    Return so many units of time; ``None`` if there is no such unit.

    >>> str(interval_of(3, "weeks"))
    '21 days'
    """
    one = _UNITS.get(PARTS.get(unit, unit))
    if one is None:
        return None
    return Interval(one.months * count, one.days * count, one.microseconds * count)


def too_long(span: Interval) -> bool:
    """Return whether a constant span is longer than dates may be moved by."""
    return (
        abs(span.months) > _LONGEST.months
        or abs(span.days) > _LONGEST.days
        or abs(span.microseconds) > _LONGEST.microseconds
    )


_CLOCK = r"([+-]?)(\d{1,3}):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?"
_SPAN_PART = re.compile(rf"[\s,]*(?:{_CLOCK}|([+-]?\d{{1,12}})\s*([a-z]+))", re.ASCII)


def parse_interval(text: str) -> Interval | None:
    """
    Return a span written as ``3 months``, ``1 year 2 mons`` or ``1 day 02:30:00``.

    >>> str(parse_interval("1 day -02:30"))
    '1 days -9000000000 microseconds'
    """
    at, found = 0, Interval()
    text = text.lower().rstrip()
    while at < len(text):
        match = _SPAN_PART.match(text, at)
        part = None if match is None else _span_part(match)
        if match is None or part is None:
            return None
        found = Interval(
            found.months + part.months,
            found.days + part.days,
            found.microseconds + part.microseconds,
        )
        at = match.end()
    return found if text.strip() else None


def _span_part(match: re.Match[str]) -> Interval | None:
    sign, hours, minutes, seconds, fraction, count, unit = match.groups()
    if unit is not None:
        return interval_of(int(count), unit)
    whole = int(hours) * 3600 + int(minutes) * 60 + int(seconds or 0)
    micros = whole * 1_000_000 + int((fraction or "").ljust(6, "0"))
    return Interval(microseconds=-micros if sign == "-" else micros)


def coerced(literal: Literal, to: SqlType) -> Literal | None:
    """
    Return the constant as a value of type *to*, or ``None`` if it is none.

    >>> coerced(Literal("2024-01-31", SqlType.VARCHAR), SqlType.DATE).value
    datetime.date(2024, 1, 31)
    """
    value = literal.value
    if literal.null:
        return Literal(None, to)
    if literal.type is to:
        return literal
    found: Constant = None
    match to, value:
        case SqlType.DATE, str():
            found = parse_date(value)
        case SqlType.DATE, dt.datetime():
            found = value.date()
        case SqlType.TIMESTAMP, str():
            found = parse_timestamp(value)
        case SqlType.TIMESTAMP, dt.date():
            found = dt.datetime.combine(value, dt.time())
        case SqlType.TIME, str():
            found = parse_time(value)
        case SqlType.INTERVAL, str():
            found = parse_interval(value)
            found = None if found is None or too_long(found) else found
        case ((SqlType.DOUBLE | SqlType.DECIMAL), (int() | Decimal())):
            found = value
        case SqlType.INTEGER, Decimal() if value == value.to_integral_value():
            found = int(value) if abs(value) <= MAX_INTEGER else None
        case _:
            found = None
    if found is None or isinstance(value, bool):
        return None
    return Literal(found, to)


def common_type(expressions: list[Expression]) -> SqlType | None:
    """
    Return one type for branches of a CASE, sides of a comparison, and the like.

    ``None`` when there is none: dpquery never converts text to numbers by itself,
    because such a conversion fails on some rows.
    """
    typed = [e for e in expressions if not (isinstance(e, Literal) and e.null)]
    kinds = {each.type for each in typed}
    if not kinds:
        return SqlType.UNSUPPORTED
    if kinds & {SqlType.UNSUPPORTED, SqlType.STRUCT}:
        return None
    if len(kinds) == 1:
        only = next(iter(kinds))
        spellings = {getattr(each, "engine_type", only) for each in typed}
        mixed = only is SqlType.DECIMAL and len(spellings) > 1
        return SqlType.DOUBLE if mixed else only
    if kinds <= NUMERIC:
        return SqlType.DOUBLE
    if kinds <= TEMPORAL:
        return SqlType.TIMESTAMP
    if kinds == {SqlType.INTEGER_LIST, SqlType.DOUBLE_LIST}:
        return SqlType.DOUBLE_LIST
    return _type_of_texts(typed, kinds)


def _type_of_texts(typed: list[Expression], kinds: set[SqlType]) -> SqlType | None:
    """Return the type of times that texts beside them are written in, if all are."""
    texts = [each for each in typed if each.type is SqlType.VARCHAR]
    times = kinds - {SqlType.VARCHAR}
    options: tuple[SqlType, ...] = ()
    if times == {SqlType.DATE}:
        options = (SqlType.DATE, SqlType.TIMESTAMP)
    elif times and times <= TEMPORAL:
        options = (SqlType.TIMESTAMP,)
    elif times in ({SqlType.TIME}, {SqlType.INTERVAL}):
        options = tuple(times)
    for to in options:
        if all(isinstance(t, Literal) and coerced(t, to) is not None for t in texts):
            return to
    return None


def compared_type(expressions: list[Expression]) -> SqlType | None:
    """
    Return one type for the sides of a comparison.

    As :func:`common_type`, but days beside timestamps that are constants at midnight
    stay days: they compare alike, and the engine and the bounds read days better.
    """
    found = common_type(expressions)
    if found is not SqlType.TIMESTAMP:
        return found
    stamps = [each for each in expressions if each.type is SqlType.TIMESTAMP]
    days = all(isinstance(each, Literal) and _midnight(each.value) for each in stamps)
    texts = any(each.type is SqlType.VARCHAR for each in expressions)
    return (
        SqlType.DATE
        if stamps and days and not texts and len(stamps) < len(expressions)
        else found
    )


def _midnight(value: Constant) -> bool:
    return isinstance(value, dt.datetime) and value.time() == dt.time()


def as_type(expression: Expression, to: SqlType) -> Expression:
    """Return *expression* as a value of type *to*, by a cast if it needs one."""
    if isinstance(expression, Literal):
        literal = coerced(expression, to)
        if literal is not None:
            return literal
    if expression.type is to or to is SqlType.UNSUPPORTED:
        return expression
    match expression:
        case Case(branches=branches, otherwise=otherwise):
            inner = tuple((when, as_type(then, to)) for when, then in branches)
            return Case(inner, as_type(otherwise, to), to)
        case Call(function="coalesce", arguments=arguments):
            return Call("coalesce", tuple(as_type(a, to) for a in arguments), to)
        case Call(function="list_value", arguments=arguments) if to.element is not None:
            inside = tuple(as_type(each, to.element) for each in arguments)
            return Call("list_value", inside, to)
        case _:
            return Cast(expression, to)
