"""Whether the policy's views can be asked about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dpquery.errors import QueryRefused
from dpquery.plan.analysis.privacy_unit import own
from dpquery.plan.walk import is_private
from dpquery.sql.queries.binder import QueryBinder
from dpquery.sql.queries.bound import RowsQuery
from dpquery.sql.queries.environment import environment_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dpquery.policy.catalog import Catalog


def refused_views(catalog: Catalog) -> Iterator[tuple[str, QueryRefused]]:
    """Yield the name of each view that no query can read, and why."""
    environment = environment_of("", catalog)
    for view in environment.queries.values():
        try:
            bound = QueryBinder(catalog, environment).named(view)
            if isinstance(bound, RowsQuery) and is_private(bound.relation):
                own(bound.relation, catalog)
        except QueryRefused as refusal:
            yield view.name, refusal
