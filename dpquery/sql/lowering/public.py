"""Public tables as SELECTs for the engine, to be read above the boundary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.plan.expressions import ColumnRef
from dpquery.sql.lowering.expressions import column_type, lower
from dpquery.sql.lowering.lower import EngineSQL
from dpquery.sql.lowering.relations import table_of
from dpquery.sql.lowering.select import select

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.policy.catalog import CatalogTable


def lower_public(table: CatalogTable, columns: Sequence[str]) -> EngineSQL:
    """
    Return the statement for all rows of a public table, in an order of their content.

    Raises:
        ValueError: the table is private.
    """
    if not table.public:
        msg = f"{table.name} is private"
        raise ValueError(msg)
    items = [(name, lower(_column(table, name))) for name in columns]
    query = select(items, table_of(table, table.name))
    order = [exp.Ordered(this=made.copy()) for _, made in items]
    query.set("order", exp.Order(expressions=order))
    text = query.sql("duckdb", comments=False, copy=False)
    return EngineSQL(text, frozenset({table.name}), frozenset())


def public_types(table: CatalogTable, columns: Sequence[str]) -> list[tuple[str, str]]:
    """Return the names and engine types of what :func:`lower_public` selects."""
    return [(name, column_type(_column(table, name))) for name in columns]


def _column(table: CatalogTable, name: str) -> ColumnRef:
    column = table.columns[name]
    return ColumnRef(table.name, name, column.type, column.engine_type)
