"""Handlers of conversions: CAST, TRY_CAST, ``::`` and what means the same."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.plan.analysis.bounds import decimals
from dpquery.plan.expressions import (
    NUMERIC,
    TEMPORAL,
    Call,
    Cast,
    Expression,
    Literal,
)
from dpquery.plan.render import constant_text
from dpquery.policy.catalog import SqlType
from dpquery.sql.expressions.spellings import CAST_TYPES
from dpquery.sql.literals import (
    as_type,
    coerced,
    count_literal,
    negated,
    number_literal,
    parse_date,
    parse_timestamp,
)

if TYPE_CHECKING:
    from dpquery.sql.expressions.binder import RowBinder
    from dpquery.sql.expressions.handler import Handler

_MOST_DIGITS = 15
"""Digits after the point that DOUBLE can be rounded to."""
_EXACT = Context(prec=1000)
"""Holds every constant that fits into a DOUBLE, and the digits behind its point."""


def _cast(binder: RowBinder, node: exp.Cast) -> Expression:
    """Bind CAST and TRY_CAST alike: a value that does not fit becomes NULL."""
    target = _target(binder, node, node.to)
    inner = binder.bind(node.this)
    fraction = inner.type in NUMERIC and inner.type is not SqlType.INTEGER
    if node.args.get("truncate") and target is SqlType.INTEGER and fraction:
        return binder.typed(node, "trunc", [inner])
    found = conversion(binder, node, inner, target)
    sizes = [each.this for each in node.to.expressions if _is_size(each)]
    if not sizes:
        return found
    if target is SqlType.VARCHAR:
        return binder.typed(node, "left", [found, binder.bind(sizes[0])])
    digits = count_literal(sizes[1].name) if len(sizes) > 1 else 0
    if digits is None:
        raise binder.refusal(node, "DECIMAL takes whole numbers", "DPQ105")
    if target is not SqlType.DOUBLE or digits >= (decimals(inner) or _MOST_DIGITS + 1):
        return found
    return _to_digits(binder, node, found, digits)


def _is_size(node: exp.Expr) -> bool:
    """Return whether this is the n of ``VARCHAR(n)``; ``VARCHAR(MAX)`` has none."""
    return isinstance(node, exp.DataTypeParam) and isinstance(node.this, exp.Literal)


def _to_digits(
    binder: RowBinder, node: exp.Expr, value: Expression, digits: int
) -> Expression:
    """Round to the digits of ``DECIMAL(p, digits)``; the value stays a DOUBLE."""
    if isinstance(value, Literal) and isinstance(value.value, Decimal):
        if digits > _MOST_DIGITS:
            return value
        rounded = value.value.quantize(Decimal(1).scaleb(-digits), context=_EXACT)
        return Literal(rounded, SqlType.DECIMAL)
    if isinstance(value, Literal) or digits > _MOST_DIGITS:
        return value
    return binder.typed(node, "round", [value, Literal(digits, SqlType.INTEGER)])


def _target(binder: RowBinder, node: exp.Expr, to: exp.DataType) -> SqlType:
    """Return the type that a cast names."""
    target: SqlType | None = CAST_TYPES.get(to.this)
    if to.this is exp.DType.ARRAY and len(to.expressions) == 1:
        element = to.expressions[0]
        inner = (
            CAST_TYPES.get(element.this) if isinstance(element, exp.DataType) else None
        )
        target = None if inner is None else inner.list_of
    sizes = [each.this for each in to.expressions if _is_size(each)]
    if target is None or not all(each.is_int for each in sizes):
        shown = ", ".join(dict.fromkeys(sorted(CAST_TYPES.values())))
        raise binder.refusal(
            node,
            f"casts to {to.sql('duckdb')} are not supported",
            "DPQ105",
            f"cast to one of {shown}",
        )
    return target


def conversion(
    binder: RowBinder, node: exp.Expr, inner: Expression, target: SqlType
) -> Expression:
    """Return *inner* as a value of type *target*, NULL where it does not fit."""
    if isinstance(inner, Literal):
        return _constant_cast(binder, node, inner, target)
    if isinstance(inner, Call) and inner.function == "list_value":
        wider = as_type(inner, target)
        if isinstance(wider, Call) and wider.type is target:
            return wider
    if not _castable(inner.type, target):
        hint = _OTHER_WAYS.get((inner.type, target))
        raise binder.refusal(
            node, f"{inner.type} cannot become {target}", "DPQ105", hint
        )
    return inner if inner.type is target else Cast(inner, target)


_OTHER_WAYS = {
    (SqlType.DATE, SqlType.INTEGER): "use date_diff('day', DATE '1970-01-01', …)",
    (SqlType.TIMESTAMP, SqlType.INTEGER): "use epoch(…)",
    (SqlType.INTEGER, SqlType.TIMESTAMP): "use to_timestamp(seconds)",
    (SqlType.INTERVAL, SqlType.INTEGER): "use EXTRACT(epoch FROM …)",
    (SqlType.VARCHAR, SqlType.INTERVAL): "write it out: INTERVAL 3 DAY",
}


def _constant_cast(
    binder: RowBinder, node: exp.Expr, literal: Literal, target: SqlType
) -> Expression:
    """Convert a constant now: a constant that cannot be converted is refused."""
    value = literal.value
    found = coerced(literal, target)
    if found is None and isinstance(value, str):
        match target:
            case SqlType.INTEGER | SqlType.DOUBLE:
                sign = value.startswith("-")
                bare = number_literal(value[1:] if sign else value)
                bare = negated(bare) if bare is not None and sign else bare
                found = coerced(bare, target) if bare is not None else None
                if found is None and value.lower() in {"nan", "inf", "-inf"}:
                    found = Literal(None, target)  # these are NULL in dpquery
            case SqlType.DATE:
                day = parse_date(value)
                found = None if day is None else Literal(day, target)
            case SqlType.TIMESTAMP:
                stamp = parse_timestamp(value)
                found = None if stamp is None else Literal(stamp, target)
    if found is None and target is SqlType.VARCHAR and not isinstance(value, bool):
        found = Literal(str(value), target)
    if found is not None:
        return found
    if literal.type is not SqlType.VARCHAR and _castable(literal.type, target):
        return Cast(literal, target)
    article = "an" if target[0] in "AEIOU" else "a"
    msg = f"{constant_text(literal.value)} is not {article} {target}"
    raise binder.refusal(node, msg, "DPQ105", _EXAMPLES.get(target))


_EXAMPLES = {
    SqlType.TIME: "write it as '12:30:00'",
    SqlType.INTERVAL: "write it as INTERVAL '3 days', at most 10,000 years",
}

_SCALARS = NUMERIC | TEMPORAL | {SqlType.BOOLEAN, SqlType.VARCHAR, SqlType.TIME}


def _castable(source: SqlType, target: SqlType) -> bool:
    """Return whether a cast means something; TRY_CAST makes it total."""
    if source is target:
        return True
    if source.element is not None and target.element is not None:
        return _castable(source.element, target.element)
    if source not in _SCALARS or target not in _SCALARS:
        return False
    if SqlType.VARCHAR in {source, target}:
        return True
    numbers = NUMERIC | {SqlType.BOOLEAN}
    if source in numbers and target in numbers:
        return True
    if source is SqlType.TIMESTAMP and target is SqlType.TIME:
        return True
    return source in TEMPORAL and target in TEMPORAL


CASTS: dict[type[exp.Expr], Handler] = dict.fromkeys((exp.Cast, exp.TryCast), _cast)
