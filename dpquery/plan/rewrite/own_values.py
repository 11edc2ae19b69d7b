"""What a release computes of each row, tied to the row's unit.

Upholds theory.md 1.2 for what stands beside the relation: a key or the argument of an
aggregate may have a subquery, and that reads rows of the same unit or it is refused.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
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
from dpquery.plan.analysis.privacy_unit import of_row

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpquery.plan.expressions import Expression
    from dpquery.plan.program import AggregateQuery
    from dpquery.plan.relations import Owned
    from dpquery.policy.catalog import Catalog

    Change = Callable[[Expression], Expression]


def own_values(
    query: AggregateQuery, source: Owned, catalog: Catalog
) -> AggregateQuery:
    """
    Return *query* with the subqueries in its keys and aggregates tied to their rows.

    Raises:
        QueryRefused: a subquery reads rows of others.
    """
    tied = partial(of_row, row=source, catalog=catalog)
    return replace(
        query,
        keys=tuple(replace(k, expression=tied(k.expression)) for k in query.keys),
        aggregates=tuple(_changed(each, tied) for each in query.aggregates),
    )


def _changed(aggregate: Aggregate, change: Change) -> Aggregate:
    """Return *aggregate* with each expression in it changed."""
    match aggregate:
        case Count(argument=argument, where=where):
            return replace(
                aggregate,
                argument=_maybe(argument, change),
                where=_maybe(where, change),
            )
        case CountUnits(where=where):
            return replace(aggregate, where=_maybe(where, change))
        case CountDistinct(values=values):
            return replace(aggregate, values=tuple(map(change, values)))
        case Sum() | Average() | Spread() | Quantile() | Extreme():
            return replace(aggregate, argument=change(aggregate.argument))
        case Pair(y=y, x=x):
            return replace(aggregate, y=change(y), x=change(x))
        case AnyRow(condition=condition):
            return replace(aggregate, condition=change(condition))
        case _:
            assert_never(aggregate)


def _maybe(expression: Expression | None, change: Change) -> Expression | None:
    return None if expression is None else change(expression)
