"""Expressions of the shop, written as SQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from dpquery.plan.expressions import Call
from dpquery.plan.relations import Filter
from dpquery.sql.queries.bind import bind

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
        query = bind(f"SELECT COUNT(*) FROM orders WHERE ({sql}) IS NULL", shop)
        source = query.boundaries[0].source
        assert isinstance(source, Filter)
        assert isinstance(source.predicate, Call)
        assert source.predicate.function == "is_null"
        return source.predicate.arguments[0]

    return bound


@pytest.fixture(scope="session")
def relation(shop: Catalog) -> Rel:
    """Bind the FROM and WHERE of a query on the shop."""

    def bound(sql: str) -> Relation:
        return bind(f"SELECT COUNT(*) FROM {sql}", shop).boundaries[0].source

    return bound
