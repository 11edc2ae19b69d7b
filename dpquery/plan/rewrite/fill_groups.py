"""Public LEFT JOIN private with groups by public columns: a join and public groups.

Public rows that no private row matches are a statement about everybody, so such a join
is no unit-local relation. But where groups are made by public columns only, and every
aggregate ignores rows without a partner, the unmatched rows do nothing but make groups
appear: those are listed from the public table instead, with zeros (theory.md 1.3).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from dpquery.plan.aggregates import (
    Aggregate,
    AnyRow,
    Average,
    Count,
    CountDistinct,
    CountUnits,
    Extreme,
    Pair,
    Quantile,
    Spread,
    Sum,
)
from dpquery.plan.expressions import (
    Call,
    Case,
    Cast,
    ColumnRef,
    Expression,
    Literal,
    Subquery,
)
from dpquery.plan.relations import Filter, Join, JoinKind, Relation
from dpquery.plan.walk import columns, is_private, names

if TYPE_CHECKING:
    from dpquery.plan.program import AggregateQuery


def fill_groups(query: AggregateQuery) -> AggregateQuery:
    """Return *query* with an inner join, where that says the same of its groups."""
    filled = _inner(query.source)
    if filled is None:
        return query
    relation, private = filled
    public = all(
        column.relation not in private
        for key in query.keys
        for column in columns(key.expression)
    )
    counted = query.aggregates
    if query.wishes.public_groups:  # ZetaSQL: an empty public group counts 0
        counted = tuple(each for each in counted if not _counts_rows(each))
    if not (query.keys and public and all(_ignores(e, private) for e in counted)):
        return query
    return replace(query, source=relation)


def matched(relation: Relation) -> Relation:
    """Return the public rows of *relation* that a private row matches, and these."""
    filled = _inner(relation)
    return relation if filled is None else filled[0]


def _counts_rows(aggregate: Aggregate) -> bool:
    return isinstance(aggregate, Count) and aggregate.argument is None


def _inner(relation: Relation) -> tuple[Relation, frozenset[str]] | None:
    """Return joins of public to private rows as inner ones, and the private names."""
    match relation:
        case Filter(child=child):
            found = _inner(child)
            return (
                None if found is None else (replace(relation, child=found[0]), found[1])
            )
        case Join(left=left, right=right, kind=kind, lateral=False):
            inside = _inner(left)
            if inside is not None and kind is not JoinKind.FULL:
                return replace(relation, left=inside[0]), inside[1] | _named(right)
            if kind is JoinKind.LEFT and not is_private(left) and is_private(right):
                return replace(relation, kind=JoinKind.INNER), names(right)
            return None
        case _:
            return None


def _named(right: Relation) -> frozenset[str]:
    return names(right) if is_private(right) else frozenset()


def _ignores(aggregate: Aggregate, private: frozenset[str]) -> bool:
    """Return whether rows without a private partner change nothing in *aggregate*."""
    match aggregate:
        case Count(argument=None, where=where):
            return where is not None and _never_true(where, private)
        case Count(argument=argument) if argument is not None:
            return _null(argument, private)
        case Sum() | Average() | Spread() | Quantile() | Extreme():
            return _null(aggregate.argument, private)
        case Pair(y=y, x=x):
            return _null(y, private) or _null(x, private)
        case CountUnits():
            return True
        case CountDistinct(values=values, with_null=with_null):
            return not with_null and any(_null(value, private) for value in values)
        case AnyRow(condition=condition):
            return _never_true(condition, private)
        case Count():
            return False
        case _:
            assert_never(aggregate)


_STRICT = frozenset(
    {
        *("eq", "ne", "lt", "le", "gt", "ge", "not", "like", "ilike"),
        *("add", "subtract", "multiply", "divide", "int_divide", "modulo", "negate"),
        *("abs", "sign", "round", "floor", "ceil", "trunc", "sqrt", "ln", "exp"),
        *("lower", "upper", "trim", "length", "left", "right", "substring"),
        *("year", "quarter", "month", "week", "day", "hour", "dayofweek", "isodow"),
        *("plus_days", "days_between", "plus_interval", "minus_interval"),
    }
)
"""Functions that are NULL where an argument is; others might not be."""


def _null(expression: Expression, private: frozenset[str]) -> bool:
    """Return whether *expression* is NULL where all private columns are."""
    match expression:
        case ColumnRef(relation=relation):
            return relation in private
        case Literal():
            return expression.null
        case Cast(operand=operand):
            return _null(operand, private)
        case Case(branches=branches, otherwise=otherwise):
            return _null(otherwise, private) and all(
                _never_true(when, private) or _null(then, private)
                for when, then in branches
            )
        case Call(function="and", arguments=parts):
            return all(_null(part, private) for part in parts)
        case Call(function="coalesce" | "least" | "greatest", arguments=parts):
            return all(_null(part, private) for part in parts)
        case Call(function="date_trunc" | "date_diff", arguments=(_, *parts)):
            return any(_null(part, private) for part in parts)
        case Call(function="nullif", arguments=(first, _)):
            return _null(first, private)
        case Call(function="in", arguments=(needle, *_)):
            return _null(needle, private)
        case Call(function=function, arguments=parts) if function in _STRICT:
            return any(_null(part, private) for part in parts)
        case _:
            return False


def _never_true(condition: Expression, private: frozenset[str]) -> bool:
    """Return whether *condition* is not true where all private columns are NULL."""
    match condition:
        case Call(function="and", arguments=parts):
            return any(_never_true(part, private) for part in parts)
        case Call(function="or", arguments=parts):
            return all(_never_true(part, private) for part in parts)
        case Call(
            function="not", arguments=(Call(function="is_null", arguments=(inner,)),)
        ):
            return _null(inner, private)
        case Subquery():
            return False
        case _:
            return _null(condition, private)
