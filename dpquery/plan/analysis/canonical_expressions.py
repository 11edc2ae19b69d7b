"""The normal form of an expression: one digest for all spellings of one value.

Equal digests mean equal values on every row, bit for bit; so operands are exchanged
only where the engine's result cannot tell, and nothing is computed here. What the
lowering looks at beside values goes in too: types, and how the digits of a constant
compare with those of a DECIMAL column.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol, assert_never

from dpquery.plan.expressions import (
    NUMERIC,
    TRUE,
    Aggregated,
    Call,
    Case,
    Cast,
    ColumnRef,
    InSample,
    Literal,
    Subquery,
    SubqueryKind,
    Window,
)
from dpquery.policy.catalog import SqlType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dpquery.plan.expressions import Constant, Expression, Frame, Ordering
    from dpquery.plan.relations import Relation


class Names(Protocol):
    """What names mean at the place of an expression."""

    def column(self, column: ColumnRef) -> str:
        """Return the digest of a column, whatever it is called."""
        ...

    def rows(self, relation: Relation) -> str:
        """Return the digest of a subquery's rows, its columns left out."""
        ...

    def values(self, relation: Relation) -> str:
        """Return the digest of a subquery's first column."""
        ...


def digest(*parts: object) -> str:
    """
    Return the SHA-256 of *parts*: texts, whole numbers and tuples of them.

    >>> digest("a", ("b", 1)) == digest("a", ("b", 1)), digest("a", "b") == digest("ab")
    (True, False)
    """
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def constant_digest(value: Constant, type_: SqlType) -> str:
    """Return the digest of a constant of a type."""
    return digest("constant", type(value).__name__, repr(value), type_.value)


def attributes(column: ColumnRef) -> tuple[str, str, int]:
    """Return what the engine's values of a column depend on beside its content."""
    return column.type.value, column.engine_type, column.decimals


def term(expression: Expression, names: Names) -> str:
    """Return the digest of *expression*."""
    match expression:
        case ColumnRef():
            return names.column(expression)
        case Literal(value=value, type=type_):
            return constant_digest(value, type_)
        case Call():
            return _call(expression, names)
        case Case(branches=branches, otherwise=otherwise, type=type_):
            made = tuple((term(w, names), term(t, names)) for w, t in branches)
            return digest("case", made, term(otherwise, names), type_.value)
        case Cast(operand=operand, type=type_):
            return digest("cast", term(operand, names), type_.value)
        case Subquery():
            return _subquery(expression, names)
        case Window():
            return digest(
                "window",
                expression.function,
                _terms(expression.arguments, names),
                tuple(sorted(set(_terms(expression.partition, names)))),
                ordering(expression.order, names),
                _frame(expression.frame),
                expression.type.value,
                expression.digits,
            )
        case Aggregated(arguments=arguments):
            return digest(
                "aggregate",
                expression.function,
                _terms(arguments, names),
                expression.distinct,
                expression.type.value,
                expression.digits,
            )
        case InSample(unit=unit, share=share, seed=seed):
            return digest("sample", term(unit, names), str(share), seed)
        case _:
            assert_never(expression)


def condition_terms(condition: Expression, names: Names) -> Iterator[str]:
    """Yield the digests of what must be true together for *condition* to be true."""
    for part in together(condition):
        yield term(part, names)


def together(condition: Expression) -> Iterator[Expression]:
    """Yield the parts of a condition that is true when all of them are."""
    match _spelled_out(condition):
        case Call(function="and", arguments=parts):
            for part in parts:
                yield from together(part)
        case spelled if spelled != TRUE:
            yield spelled


def ordering(order: Iterable[Ordering], names: Names) -> tuple[object, ...]:
    """Return ORDER BY as parts of a digest."""
    return tuple(
        (term(each.expression, names), each.descending, each.nulls_first)
        for each in order
    )


def _terms(expressions: Iterable[Expression], names: Names) -> tuple[str, ...]:
    return tuple(term(each, names) for each in expressions)


def _frame(frame: Frame | None) -> tuple[object, ...]:
    return () if frame is None else (frame.rows, frame.start, frame.end)


def _subquery(subquery: Subquery, names: Names) -> str:
    if subquery.kind is SubqueryKind.EXISTS:
        return digest("exists", names.rows(subquery.relation))
    needle = None if subquery.needle is None else term(subquery.needle, names)
    return digest(
        "subquery",
        subquery.kind.value,
        names.values(subquery.relation),
        subquery.type.value,
        needle,
        subquery.comparison,
    )


# --- calls -----------------------------------------------------------------------

_TURNED = {"gt": "lt", "ge": "le"}
_SYMMETRIC = frozenset({"eq", "ne", "distinct", "not_distinct"})
_COMPARISONS = frozenset({*_TURNED, *_TURNED.values(), *_SYMMETRIC})
_OPPOSITE = {
    "eq": "ne",
    "ne": "eq",
    "lt": "ge",
    "ge": "lt",
    "le": "gt",
    "gt": "le",
    "distinct": "not_distinct",
    "not_distinct": "distinct",
}
"""NOT of a comparison: the engine's order is total, NaN included, and NULL stays."""
_DUAL = {"and": "or", "or": "and"}
_COMMUTES = frozenset({"add", "multiply"})
_EXACT = 1 << 53
"""Whole numbers below this are the same as DOUBLE."""


def _call(call: Call, names: Names) -> str:
    spelled = _spelled_out(call)
    if not isinstance(spelled, Call):
        return term(spelled, names)
    name, arguments = spelled.function, spelled.arguments
    if name in _DUAL:
        parts = {term(each, names) for each in _flat(name, arguments)}
        return parts.pop() if len(parts) == 1 else digest(name, tuple(sorted(parts)))
    if name in _COMPARISONS:
        return _comparison(name, arguments, names)
    if name == "in":
        needle, *items = _compared(arguments, names)
        listed = tuple(sorted(set(items)))
        return digest("in", _mode(arguments), needle, listed)
    terms = _terms(arguments, names)
    if name in _COMMUTES and _commutes(arguments):
        terms = tuple(sorted(terms))
    return digest("call", name, terms, spelled.type.value)


def _spelled_out(expression: Expression) -> Expression:
    """Return a condition without NOT around what has an opposite, or a list of one."""
    match expression:
        case Call(function="not", arguments=(inner,)):
            return _negated(expression, _spelled_out(inner))
        case Call(function="in", arguments=(_, _) as sides):
            return Call("eq", sides, SqlType.BOOLEAN)
        case _:
            return expression


def _negated(whole: Expression, inner: Expression) -> Expression:
    match inner:
        case Call(function="not", arguments=(positive,)):
            return positive
        case Call(function="and" | "or" as name, arguments=arguments):
            parts = tuple(Call("not", (each,), SqlType.BOOLEAN) for each in arguments)
            return Call(_DUAL[name], parts, SqlType.BOOLEAN)
        case Call(function=name, arguments=arguments) if name in _OPPOSITE and all(
            _is_plain(each.type) for each in arguments
        ):
            return replace(inner, function=_OPPOSITE[name])
        case _:
            return whole


def _is_plain(type_: SqlType) -> bool:
    """Return whether values are no lists and no structs, where NULL is inside."""
    return type_.element is None and type_ is not SqlType.STRUCT


def _flat(name: str, arguments: Iterable[Expression]) -> Iterator[Expression]:
    for each in map(_spelled_out, arguments):
        if isinstance(each, Call) and each.function == name:
            yield from _flat(name, each.arguments)
        else:
            yield each


def _commutes(arguments: Sequence[Expression]) -> bool:
    """
    Return whether two operands of + or × can be exchanged, bit for bit.

    Not where both could be NaN: the sign of the first one stays. And no more than two:
    sums of DOUBLE depend on the order.
    """
    unsure = [each for each in arguments if each.type is SqlType.DOUBLE]
    return all(each.type in NUMERIC for each in arguments) and len(unsure) < len(
        arguments
    )


# --- comparisons -----------------------------------------------------------------


def _comparison(name: str, arguments: tuple[Expression, ...], names: Names) -> str:
    sides = _compared(arguments, names)
    if name in _TURNED:
        name, sides = _TURNED[name], sides[::-1]
    elif name in _SYMMETRIC:
        sides = sorted(sides)
    return digest("compare", name, _mode(arguments), tuple(sides))


def _mode(arguments: Iterable[Expression]) -> str:
    """Return whether whole numbers are compared, which are exact beyond DOUBLE."""
    types = {each.type for each in arguments}
    if types == {SqlType.INTEGER}:
        return "whole"
    return "numbers" if types <= NUMERIC else "values"


def _compared(arguments: Sequence[Expression], names: Names) -> list[str]:
    """Return the sides of a comparison, constants by their value."""
    if _mode(arguments) == "values":
        return [term(each, names) for each in arguments]
    scales = {
        each.decimals
        for each in arguments
        if isinstance(each, ColumnRef) and each.type is SqlType.DECIMAL
    }
    return [_number(each, scales) or term(each, names) for each in arguments]


def _number(expression: Expression, scales: set[int]) -> str | None:
    """
    Return a constant by its value: 1 and 1.0 are compared alike.

    Beside a DECIMAL column it matters to the lowering whether the column could hold the
    digits as they are written.
    """
    if not isinstance(expression, Literal):
        return None
    value = expression.value
    if isinstance(value, bool) or not isinstance(value, int | Decimal | float):
        return None
    if not Decimal(value).is_finite():
        return None
    exact = Fraction(value)
    if abs(exact) >= _EXACT:
        return None
    digits = None if isinstance(value, float) else _digits(value)
    fits = tuple(digits is not None and digits <= scale for scale in sorted(scales))
    return digest("number", str(exact), fits)


def _digits(value: int | Decimal) -> int:
    """Return how many digits after the point are written."""
    return -int(Decimal(value).as_tuple().exponent)
