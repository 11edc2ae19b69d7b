"""What a release computes of each row, tied to the row's unit.

Upholds theory.md 1.2 for what stands beside the relation: a key or the argument of an
aggregate may have a subquery, and that reads rows of the same unit or it is refused.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from dpquery.plan.aggregates import with_expressions
from dpquery.plan.analysis.privacy_unit import of_row

if TYPE_CHECKING:
    from dpquery.plan.program import AggregateQuery
    from dpquery.plan.relations import Owned
    from dpquery.policy.catalog import Catalog


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
        aggregates=tuple(with_expressions(each, tied) for each in query.aggregates),
    )
