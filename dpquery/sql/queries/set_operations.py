"""Set operations of rows: sides by position, in common types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.errors import QueryRefused
from dpquery.plan.expressions import ColumnRef, Literal
from dpquery.plan.relations import Named, Project, SetKind, SetOperation
from dpquery.plan.walk import made_column
from dpquery.sql.literals import as_type, common_type
from dpquery.sql.queries.bound import RowsQuery, plain_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.errors import Place
    from dpquery.plan.expressions import Expression
    from dpquery.policy.catalog import SqlType
    from dpquery.sql.queries.bound import Names
    from dpquery.sql.queries.environment import Environment

_KINDS = {exp.Union: SetKind.UNION, exp.Intersect: SetKind.INTERSECT}


def united(
    node: exp.SetOperation,
    one: RowsQuery,
    other: RowsQuery,
    environment: Environment,
    names: Names,
) -> RowsQuery:
    """
    Return a set operation of rows; its columns are called as those of the first side.

    Raises:
        QueryRefused: the sides do not fit, or it is none that is answered (DPQ131,
            DPQ105).
    """
    place = environment.place(node)
    kind = _KINDS.get(type(node), SetKind.EXCEPT)
    extra = [
        k for k in ("limit", "offset", "by_name", "match", "on") if node.args.get(k)
    ]
    if extra or len(one.columns) != len(other.columns):
        msg = f"the sides of {kind} have equally many columns, and no LIMIT"
        raise QueryRefused(msg, code="DPQ131", place=place)
    left, right = _columns(one), _columns(other)
    types = [
        _type_of(at, pair, kind, place)
        for at, pair in enumerate(zip(left, right, strict=True), start=1)
    ]
    name = names.unique(kind.lower())
    called = plain_names([name for name, _ in one.columns])
    first, second = (
        Project(
            query.relation,
            names.unique(f"{name}:side"),
            _made(called, columns, types),
        )
        for query, columns in ((one, left), (other, right))
    )
    made = tuple(
        _column_of_both(name, a, b)
        for a, b in zip(first.columns, second.columns, strict=True)
    )
    distinct = bool(node.args.get("distinct"))
    relation = SetOperation(kind, distinct, first, second, name, made, place)
    shown = (name for name, _ in one.columns)
    return RowsQuery(relation, tuple(zip(shown, made, strict=True)))


def _columns(query: RowsQuery) -> list[Expression]:
    """Return the columns of a query; constants as such, to take another's type."""
    relation = query.relation
    constants: dict[Expression, Expression] = {}
    if isinstance(relation, Project):
        constants = {
            made_column(relation.name, each): each.expression
            for each in relation.columns
            if isinstance(each.expression, Literal)
        }
    return [constants.get(column, column) for _, column in query.columns]


def _type_of(
    at: int, pair: tuple[Expression, Expression], kind: SetKind, place: Place | None
) -> SqlType:
    """Return the type that both sides of a column take."""
    type_ = common_type(list(pair))
    if type_ is None:
        here, there = (side.type for side in pair)
        msg = f"column {at} is {here} on one side of {kind}, {there} on the other"
        hint = "use CAST on one side"
        raise QueryRefused(msg, code="DPQ105", place=place, hint=hint)
    return type_


def _made(
    called: Sequence[str], columns: Sequence[Expression], types: Sequence[SqlType]
) -> tuple[Named, ...]:
    return tuple(
        Named(name, as_type(column, type_))
        for name, column, type_ in zip(called, columns, types, strict=True)
    )


def _column_of_both(relation: str, left: Named, right: Named) -> ColumnRef:
    """Return a column of a set operation, with the digits of both sides' columns."""
    one, other = (made_column(relation, each) for each in (left, right))
    if one == other:
        return one
    digits = max(one.decimals, other.decimals)
    return ColumnRef(relation, one.name, one.type, decimals=digits)
