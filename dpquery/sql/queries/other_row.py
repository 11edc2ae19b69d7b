"""
The rows of the groups that a release withholds: a release of its own, without keys.

Claim (theory.md 1.3): which groups are shown is released, so "the key is none of these"
is a condition on one row and constants, and what it keeps is unit-local again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.errors import QueryRefused
from dpquery.plan.expressions import (
    Call,
    ColumnRef,
    Expression,
    Subquery,
    SubqueryKind,
    conjunction,
)
from dpquery.plan.program import AggregateQuery, Computed, Input
from dpquery.plan.relations import Filter, Released
from dpquery.plan.walk import names, subqueries
from dpquery.policy.catalog import SqlType
from dpquery.sql.queries.trees import released_column, released_table, text_of

if TYPE_CHECKING:
    from dpquery.plan.program import Query


def withheld_rows(query: Query) -> tuple[AggregateQuery, Input]:
    """
    Return the aggregates of all rows whose group is not shown, and what says which are.

    Raises:
        QueryRefused: DPQ145, *query* has no form in which that is one row.
    """
    (boundary, *more) = query.boundaries
    if more:
        raise _refusal(boundary, "several releases", "ask for one GROUP BY at a time")
    if not boundary.aggregates:
        hint = "add an aggregate, such as COUNT(*)"
        raise _refusal(boundary, "keys alone", hint)
    if any(next(subqueries(key.expression), None) for key in boundary.keys):
        raise _refusal(boundary, "keys that are looked up", "group by columns")
    called = f"i{len(query.inputs) + 1}"
    shown = Released(_unused(boundary), called, _columns(boundary))
    same: list[Expression] = [
        Call("not_distinct", (key.expression, column), SqlType.BOOLEAN)
        for key, column in zip(boundary.keys, shown.columns, strict=True)
    ]
    found = Subquery(
        SubqueryKind.EXISTS, Filter(shown, conjunction(same)), SqlType.BOOLEAN
    )
    hidden = Call("not", (found,), SqlType.BOOLEAN)
    wishes = replace(boundary.wishes, min_units=None, public_groups=False)
    other = replace(
        boundary,
        name=f"{boundary.name}_other",
        source=Filter(boundary.source, hidden),
        keys=(),
        wishes=wishes,
    )
    columns = tuple((each.name, each.type) for each in shown.columns)
    return other, Input(called, _shown(boundary), columns)


def _columns(boundary: AggregateQuery) -> tuple[ColumnRef, ...]:
    return tuple(
        ColumnRef(_unused(boundary), key.name, key.expression.type)
        for key in boundary.keys
    )


def _unused(boundary: AggregateQuery) -> str:
    """Return a name that no relation below has."""
    name = f"{boundary.name}_shown"
    while name in names(boundary.source):
        name += "_"
    return name


def _shown(boundary: AggregateQuery) -> Computed:
    """Return the SELECT of the keys that are shown."""
    name = boundary.name
    tree = exp.Select(
        expressions=[released_column(name, key.name) for key in boundary.keys],
        from_=exp.From(this=released_table(name, name)),
    )
    text = text_of(tree, identify=True)
    if text is None:
        msg = "a list of columns is SQL"
        raise ValueError(msg)
    return Computed(text, (name,), ())


def _refusal(boundary: AggregateQuery, what: str, hint: str) -> QueryRefused:
    place = boundary.keys[0].place if boundary.keys else None
    msg = f"there is no row of what is withheld for {what}"
    return QueryRefused(msg, code="DPQ145", place=place, hint=hint)
