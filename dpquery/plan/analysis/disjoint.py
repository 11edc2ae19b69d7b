"""
Conditions that no row can meet together, as far as their form says.

A hint: what one unit adds to cells that were taken for disjoint is clipped together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dpquery.plan.analysis.bounds import Bounds, narrow, number
from dpquery.plan.expressions import (
    Call,
    ColumnRef,
    Expression,
    Literal,
    conjuncts,
)

if TYPE_CHECKING:
    from fractions import Fraction


def disjoint(one: Expression, other: Expression) -> bool:
    """
    Return whether *one* and *other* are never true of the same row.

    >>> from dpquery.policy.catalog import SqlType
    >>> kind = ColumnRef("t", "kind", SqlType.VARCHAR)
    >>> def equals(text):
    ...     value = Literal(text, SqlType.VARCHAR)
    ...     return Call("eq", (kind, value), SqlType.BOOLEAN)
    >>> disjoint(equals("a"), equals("b")), disjoint(equals("a"), equals("a"))
    (True, False)
    """
    return any(
        _opposite(a, b) or _other_values(a, b)
        for a in conjuncts(one)
        for b in conjuncts(other)
    ) or _apart(one, other)


def _opposite(one: Expression, other: Expression) -> bool:
    """Return whether one condition is NOT the other."""
    match one, other:
        case Call(function="not", arguments=(inner,)), _ if inner == other:
            return True
        case _, Call(function="not", arguments=(inner,)) if inner == one:
            return True
        case _:
            return False


def _other_values(one: Expression, other: Expression) -> bool:
    """Return whether both ask for values of one expression, and none is the same."""
    left, right = _values(one), _values(other)
    if left is None or right is None or left[0] != right[0]:
        return False
    same_type = {type(v) for v in left[1]} == {type(v) for v in right[1]}
    return same_type and not left[1] & right[1]


def _values(condition: Expression) -> tuple[Expression, frozenset[object]] | None:
    match condition:
        case Call(function="eq", arguments=(needle, Literal(value=value))):
            return (needle, frozenset({value})) if isinstance(value, str) else None
        case Call(function="in", arguments=(needle, *items)):
            values = [i.value for i in items if isinstance(i, Literal)]
            texts = all(isinstance(value, str) for value in values)
            return (needle, frozenset(values)) if texts else None
        case _:
            return None


def _apart(one: Expression, other: Expression) -> bool:
    """Return whether the conditions leave one column intervals that do not meet."""
    left, right = narrow({}, one), narrow({}, other)
    return any(
        _beside(left[name], right[name], one, other, name)
        for name in left
        if name in right
    )


def _beside(
    left: Bounds,
    right: Bounds,
    one: Expression,
    other: Expression,
    name: tuple[str, str],
) -> bool:
    if left.high is not None and right.low is not None:
        if left.high < right.low:
            return True
        if left.high == right.low:
            end = left.high
            return _open(one, name, "lt", end) or _open(other, name, "gt", end)
    if right.high is not None and left.low is not None:
        if right.high < left.low:
            return True
        if right.high == left.low:
            end = right.high
            return _open(other, name, "lt", end) or _open(one, name, "gt", end)
    return False


def _open(
    condition: Expression, name: tuple[str, str], function: str, end: Fraction
) -> bool:
    """Return whether *condition* leaves out the *end* of its interval."""
    match condition:
        case Call(function="and", arguments=parts):
            return any(_open(part, name, function, end) for part in parts)
        case Call(function=found, arguments=(ColumnRef() as column, Literal() as most)):
            here = (column.relation, column.name) == name
            return found == function and here and number(most.value) == end
        case _:
            return False
