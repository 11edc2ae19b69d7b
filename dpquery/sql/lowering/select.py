"""SELECTs put together without sqlglot's parser: names quoted, nothing copied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

if TYPE_CHECKING:
    from collections.abc import Sequence


def identifier(name: str) -> exp.Identifier:
    """Return a quoted name."""
    return exp.Identifier(this=name, quoted=True)


def plain(name: str) -> exp.Column:
    """Return a column by its name alone."""
    return exp.Column(this=identifier(name))


def table(name: str) -> exp.Table:
    """Return a table without a schema: a common table expression."""
    return exp.Table(this=identifier(name))


def select(
    columns: Sequence[tuple[str, exp.Expr]], source: str | exp.Expr
) -> exp.Select:
    """Return ``SELECT … AS "name", … FROM source``, a column of that name as it is."""
    items = [
        value
        if isinstance(value, exp.Column) and value.name == name
        else exp.Alias(this=value, alias=identifier(name))
        for name, value in columns
    ]
    read = table(source) if isinstance(source, str) else source
    return exp.Select(expressions=items).from_(read, copy=False)


def add_join(
    query: exp.Select, to: exp.Table, condition: exp.Expr, kind: str = "INNER"
) -> None:
    """Add a join at the end of the query's FROM."""
    join = exp.Join(this=to, on=condition)
    join.set("side" if kind == "LEFT" else "kind", kind)
    query.append("joins", join)
