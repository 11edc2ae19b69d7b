"""Expressions of the shop, written as SQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from dpquery.plan.aggregates import Count
from dpquery.sql.bind import bind

if TYPE_CHECKING:
    from dpquery.plan.expressions import Expression
    from dpquery.plan.relations import Relation
    from dpquery.policy.catalog import Catalog

Expr = Callable[[str], "Expression"]
Rel = Callable[[str], "Relation"]


@pytest.fixture(scope="session")
def expression(shop: Catalog) -> Expr:
    """Bind one expression over the shop's orders."""

    def bound(sql: str) -> Expression:
        query = bind(f"SELECT COUNT({sql}) FROM orders", shop)
        (aggregate,) = query.boundaries[0].aggregates
        assert isinstance(aggregate, Count)
        assert aggregate.argument is not None, "a constant"
        return aggregate.argument

    return bound


@pytest.fixture(scope="session")
def relation(shop: Catalog) -> Rel:
    """Bind the FROM and WHERE of a query on the shop."""

    def bound(sql: str) -> Relation:
        return bind(f"SELECT COUNT(*) FROM {sql}", shop).boundaries[0].source

    return bound
