"""Trees above the boundary: copies with parts exchanged, and tables that they read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp
from sqlglot.errors import SqlglotError

from dpquery.sql.lowering.select import identifier

if TYPE_CHECKING:
    from collections.abc import Callable

RELEASED = "main"
"""The schema of released tables, above the boundary."""
PUBLIC = "public_tables"
"""The schema of the policy's public tables, above the boundary."""


ROW = "row"
"""The released table's column that numbers its rows, in the order of its keys."""


def mapped(node: exp.Expr, change: Callable[[exp.Expr], exp.Expr]) -> exp.Expr:
    """Return a copy of *node* with each of its direct parts changed."""
    made = type(node)()
    for key, value in node.args.items():
        if isinstance(value, list):
            made.set(key, [change(v) if isinstance(v, exp.Expr) else v for v in value])
        else:
            made.set(key, change(value) if isinstance(value, exp.Expr) else value)
    return made


def released_table(name: str, alias: str) -> exp.Table:
    """Return a released table under an alias."""
    return _table(RELEASED, name, alias)


def public_table(name: str, alias: str) -> exp.Table:
    """Return a public table under an alias."""
    return _table(PUBLIC, name, alias)


def _table(schema: str, name: str, alias: str) -> exp.Table:
    return exp.Table(
        this=identifier(name),
        db=identifier(schema),
        alias=exp.TableAlias(this=identifier(alias)),
    )


def released_column(table: str, name: str) -> exp.Column:
    """Return a column of a released table."""
    return exp.Column(this=identifier(name), table=identifier(table))


def derived(tree: exp.Query, alias: str) -> exp.Subquery:
    """Return a query as a table under an alias."""
    return exp.Subquery(this=tree, alias=exp.TableAlias(this=identifier(alias)))


def text_of(tree: exp.Expr, *, identify: bool = False) -> str | None:
    """Return *tree* as DuckDB's SQL; ``None`` where sqlglot cannot write that."""
    try:
        return tree.sql("duckdb", identify=identify, comments=False)
    except (
        SqlglotError,
        AssertionError,
        AttributeError,
        IndexError,
        KeyError,
        TypeError,
        ValueError,
    ):
        return None
