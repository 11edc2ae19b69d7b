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
    Literal,
)
from dpquery.policy.catalog import SqlType

MAX_INTEGER = 2**63 - 1
MAX_DIGITS = 100
"""Characters of a number; a longer one is a mistake or an attack on the parser."""


_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
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
    """Return ``-literal``, or ``None`` when it is not a number."""
    value = literal.value
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
    if SqlType.UNSUPPORTED in kinds:
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
    temporal = kinds & TEMPORAL
    texts = [each for each in typed if each.type is SqlType.VARCHAR]
    if temporal and kinds <= TEMPORAL | {SqlType.VARCHAR}:
        to = SqlType.TIMESTAMP if SqlType.TIMESTAMP in temporal else SqlType.DATE
        if all(isinstance(t, Literal) and coerced(t, to) is not None for t in texts):
            return to
        if all(
            isinstance(t, Literal) and coerced(t, SqlType.TIMESTAMP) is not None
            for t in texts
        ):
            return SqlType.TIMESTAMP
    return None


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
        case _:
            return Cast(expression, to)
