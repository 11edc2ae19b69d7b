"""What the query's own conditions say of group keys: lists of them, and fewer of them.

Rows for which a condition is not true are in no group, whoever's they are. So a group
that no row can be in need not be shown; and ``WHERE x IN ('a', 'b')`` is a public list
of keys.
"""

from __future__ import annotations

import datetime as dt
import operator
from typing import TYPE_CHECKING, Any

from dpquery.plan.expressions import (
    Call,
    ColumnRef,
    Constant,
    Expression,
    Literal,
    conjunction,
)
from dpquery.plan.relations import Filter, Relation
from dpquery.plan.walk import columns, is_private, subqueries, substituted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}


def values_in(
    expression: Expression, conditions: Iterable[Expression]
) -> list[Constant] | None:
    """Return the constants one of which *expression* must be, if conditions say so."""
    found = [_allowed(expression, each) for each in conditions]
    lists = [each for each in found if each is not None]
    return min(lists, key=len, default=None)


def _allowed(expression: Expression, condition: Expression) -> list[Constant] | None:
    match condition:
        case Call(function="in" | "eq", arguments=(needle, *items)) if (
            needle == expression
        ):
            return _constants(expression, items)
        case Call(function="eq", arguments=(item, needle)) if needle == expression:
            return _constants(expression, [item])
        case Call(function="or", arguments=options):
            lists = [_allowed(expression, each) for each in options]
            if any(each is None for each in lists):
                return None
            values = (value for each in lists if each is not None for value in each)
            return list(dict.fromkeys(values))
        case _:
            return None


def _constants(
    expression: Expression, items: Sequence[Expression]
) -> list[Constant] | None:
    """Return the values of *items*, where all are constants of the key's own type."""
    values: dict[Constant, None] = {}
    for item in items:
        if not isinstance(item, Literal):
            return None
        if item.value is not None:  # equal to nothing
            if item.type is not expression.type:
                return None
            values[item.value] = None
    return list(values)


def possible(
    value: Constant, expression: Expression, conditions: Iterable[Expression]
) -> bool:
    """Return whether a row in which *expression* is *value* can meet *conditions*."""
    return all(
        _truth(condition, expression, value) is not False for condition in conditions
    )


def _truth(
    condition: Expression, expression: Expression, value: Constant
) -> bool | None:
    """Return whether *condition* is true, or ``None`` when that is not known."""
    match condition:
        case Call(function="and", arguments=parts):
            found = [_truth(part, expression, value) for part in parts]
            return False if False in found else (None if None in found else True)
        case Call(function="or", arguments=parts):
            found = [_truth(part, expression, value) for part in parts]
            return True if True in found else (None if None in found else False)
        case Call(function="is_null", arguments=(inner,)) if inner == expression:
            return value is None
        case Call(
            function="not", arguments=(Call(function="is_null", arguments=(inner,)),)
        ) if inner == expression:
            return value is not None
        case Call(function="in", arguments=(inner, *items)) if inner == expression:
            equal = [_compared("eq", value, item) for item in items]
            return True if True in equal else (None if None in equal else False)
        case Call(
            function="not",
            arguments=(Call(function="in", arguments=(inner, *items)),),
        ) if inner == expression:
            equal = [_compared("ne", value, item) for item in items]
            return False if False in equal else (None if None in equal else True)
        case Call(function=comparison, arguments=(inner, item)) if inner == expression:
            return _compared(comparison, value, item)
        case _:
            return None


def _compared(comparison: str, value: Constant, item: Expression) -> bool | None:
    """Return whether a comparison with a constant is true; with NULL it never is."""
    if not isinstance(item, Literal):
        return None
    if value is None or item.value is None:
        return False
    if type(value) is not type(item.value):
        return None
    if comparison in {"eq", "ne"}:
        return (value == item.value) is (comparison == "eq")
    order = _ORDERS.get(comparison)
    if order is None or not isinstance(value, int | dt.date):  # texts: by collation
        return None
    return order(value, item.value)


def about(
    column: ColumnRef, conditions: Iterable[Expression], listed: ColumnRef
) -> list[Expression]:
    """Return the conditions on *column* alone, said of *listed* instead."""

    def moved(each: ColumnRef) -> Expression:
        return listed if each == column else each

    return [
        substituted(condition, moved)
        for condition in conditions
        if columns(condition) == {column}
        and not any(is_private(each.relation) for each in subqueries(condition))
    ]


def filtered(relation: Relation, conditions: list[Expression]) -> Relation:
    """Return *relation* where *conditions* are true."""
    return Filter(relation, conjunction(conditions)) if conditions else relation
