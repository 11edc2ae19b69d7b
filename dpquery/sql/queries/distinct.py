"""Counts of different values: ``SELECT COUNT(*) FROM (SELECT DISTINCT x …)``.

A release of the values themselves would leave out those that few units have; counted,
they can all have a part (theory.md 2.6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.sql.queries.clauses import aggregates_in, is_aggregation
from dpquery.sql.queries.environment import reads_private
from dpquery.sql.queries.from_clause import FromClause
from dpquery.sql.queries.groups import BoundaryBinder
from dpquery.sql.queries.select import SelectBinder

if TYPE_CHECKING:
    from dpquery.sql.queries.binder import QueryBinder
    from dpquery.sql.queries.bound import AnswerQuery, Block
    from dpquery.sql.queries.environment import Environment


def counted_values(
    binder: QueryBinder,
    select: exp.Select,
    environment: Environment,
    outer: Block | None,
) -> AnswerQuery | None:
    """Return how many different rows a subquery has, if *select* asks just that."""
    clause = select.args.get("from_")
    if clause is None or not _only_counts(select):
        return None
    found = _subquery(clause.this, environment)
    if found is None:
        return None
    inner, around = found
    if not _is_distinct(inner) or not reads_private(inner, around, binder.catalog):
        return None
    mark = binder.mark()
    tables = FromClause(binder, inner, around.within(inner), outer)
    if tables.private:
        block = SelectBinder(binder, inner, tables.rows()).different()
        if block is not None:
            left = select.copy()
            left.set("from_", None)
            left.set("with_", None)
            return BoundaryBinder(binder, left, block).bind()
    binder.reset(mark)
    return None


def _only_counts(select: exp.Select) -> bool:
    """Return whether *select* has COUNT(*) and no other aggregate, key or condition."""
    others = ("joins", "laterals", "where", "group", "qualify", "sample", "distinct")
    if any(select.args.get(key) for key in others):
        return False
    found = [each for item in select.expressions for each in aggregates_in(item)]
    return bool(found) and all(
        isinstance(each, exp.Count) and isinstance(each.this, exp.Star)
        for each in found
    )


def _subquery(
    node: exp.Expr, environment: Environment
) -> tuple[exp.Select, Environment] | None:
    """Return the SELECT that a table of FROM is, and what names mean around it."""
    if any(node.args.get(key) for key in ("pivots", "sample", "db")):
        return None
    if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Select):
        return node.this, environment
    named = environment.find(node.name) if isinstance(node, exp.Table) else None
    if named is not None and isinstance(named.node, exp.Select):
        return named.node, named.environment
    return None


def _is_distinct(select: exp.Select) -> bool:
    """Return whether *select* has different rows, all of them, and no aggregate."""
    if any(select.args.get(key) for key in ("limit", "offset", "qualify", "having")):
        return False
    if any(next(aggregates_in(item), None) for item in select.expressions):
        return False
    distinct = select.args.get("distinct")
    if is_aggregation(select):
        return distinct is None
    return distinct is not None and not distinct.args.get("on")
