"""Priced queries on the shop, and a release measured on rows that a test writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import duckdb
import pytest

from dpquery.accounting.accountant import Promise
from dpquery.engines.lockdown import PINNED
from dpquery.engines.sealed import Sealed
from dpquery.kernel.measurement import Group, measured, statements_of
from dpquery.kernel.postprocess import table_of
from dpquery.kernel.prepare import Prepared, Terms, prepare
from dpquery.plan.program import BoundingMode
from dpquery.plan.rewrite import BoundingRules
from dpquery.policy.catalog import Catalog

RULES = BoundingRules(BoundingMode.NORM, norm=2, groups=8)
TERMS = Terms(Promise(8.0, 1e-6), 0.2, 1e-10, RULES, max_epsilon=1.0)
EXACT = Terms(Promise(1e9, 1e-6), 1e8, 1e-10, RULES, max_epsilon=1e9)
PURE = Terms(Promise(8.0, None), 0.2, 1e-10, replace(RULES, norm=1), max_epsilon=1.0)

Price = Callable[..., Prepared]
Measure = Callable[..., list[Group]]
Rows = list[tuple[Any, ...]]


@pytest.fixture(scope="session")
def price(shop: Catalog) -> Price:
    """Price one query on the shop."""
    return lambda sql, terms=TERMS: prepare(sql, shop, terms)


ORDERS = (
    "order_id INTEGER, customer_id INTEGER, amount DECIMAL(10,2), status VARCHAR,"
    " placed_on DATE, paid_at TIMESTAMP, express BOOLEAN, kind VARCHAR, note VARCHAR"
)


@pytest.fixture
def orders() -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty table of orders, and products."""
    with duckdb.connect(config={**PINNED}) as connection:
        connection.execute(f"CREATE TABLE orders ({ORDERS})")
        connection.execute(
            "CREATE TABLE products (product_id INTEGER, category VARCHAR,"
            " list_price DECIMAL(8,2))"
        )
        yield connection


@pytest.fixture
def measure(price: Price, orders: duckdb.DuckDBPyConnection) -> Measure:
    """Measure the one release of a query on the orders that a test has put there."""

    def groups(sql: str, terms: Terms = EXACT) -> list[Group]:
        (step,) = price(sql, terms).steps

        def ask(lowered: Any) -> Sealed:  # noqa: ANN401 -- a statement
            return Sealed(orders.execute(lowered.text).fetchall())

        return measured(step, statements_of(step.step), ask)

    return groups


@pytest.fixture
def released(price: Price, measure: Measure) -> Callable[..., Rows]:
    """Return the rows of the released table, without the last column."""

    def rows(sql: str, terms: Terms = EXACT) -> Rows:
        (step,) = price(sql, terms).steps
        _, found = table_of(step, measure(sql, terms))
        return [row[:-1] for row in found]

    return rows
