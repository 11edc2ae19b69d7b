"""How many public rows have a private partner: a count of different keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.plan.expressions import TRUE, ColumnRef, equals
from dpquery.plan.relations import Filter, Join, JoinKind, Project, Relation, Scan
from dpquery.plan.walk import column_of, is_private
from dpquery.sql.literals import as_type, common_type
from dpquery.sql.queries.bound import AnswerQuery, PublicQuery, RowsQuery
from dpquery.sql.queries.clauses import check_clauses, is_aggregation
from dpquery.sql.queries.environment import reads_private
from dpquery.sql.queries.groups import BoundaryBinder
from dpquery.sql.queries.rows import BlockBinder

if TYPE_CHECKING:
    from dpquery.plan.expressions import Expression
    from dpquery.sql.queries.binder import QueryBinder
    from dpquery.sql.queries.bound import Block
    from dpquery.sql.queries.environment import Environment
    from dpquery.sql.queries.from_clause import FromClause


def counted_partners(
    binder: QueryBinder,
    select: exp.Select,
    tables: FromClause,
    environment: Environment,
) -> AnswerQuery | None:
    """
    Return ``SELECT COUNT(*) FROM public WHERE EXISTS (SELECT … FROM private …)``.

    A public row is counted once however many partners it has: that is the number of
    its keys among the joined rows, ``COUNT(DISTINCT key)`` (theory.md 2.6). ``None``
    when *select* is not of that form.
    """
    where = select.args.get("where")
    if where is None or not is_aggregation(select) or len(tables.items) != 1:
        return None
    parts = (
        list(where.this.flatten()) if isinstance(where.this, exp.And) else [where.this]
    )
    private = [p for p in parts if reads_private(p, environment, binder.catalog)]
    bound = tables.items[0].bound
    if len(private) != 1 or bound is None:
        return None
    if isinstance(bound, AnswerQuery | PublicQuery | RowsQuery) or bound.key is None:
        return None
    block = tables.rows()
    mark = binder.mark()
    for part in parts:
        if part is not private[0]:
            block.filter(BlockBinder(binder, block).boolean(part))
    partner = _partner(binder, private[0], block)
    if partner is None:
        binder.reset(mark)
        return None
    (scan,) = _leaves(block.relation)
    place = block.place(private[0])
    block.relation = Join(block.relation, partner, JoinKind.INNER, TRUE, place)
    block.distinct = (column_of(scan, bound.key),)
    check_clauses(select, block)
    return BoundaryBinder(binder, select, block).bind()


def _leaves(relation: Relation) -> list[Scan]:
    while isinstance(relation, Filter):
        relation = relation.child
    return [relation] if isinstance(relation, Scan) else []


def _partner(binder: QueryBinder, node: exp.Expr, block: Block) -> Relation | None:
    """Return the private rows that a public row is tied to by EXISTS or IN."""
    match node:
        case exp.Exists(this=exp.Query() as query):
            needle = None
        case exp.In() if isinstance(node.args.get("query"), exp.Query):
            query, needle = node.args["query"], node.this
        case _:
            return None
    inner = query.this if isinstance(query, exp.Subquery) else query
    bound = binder.query(inner, block.environment, block)
    if not isinstance(bound, RowsQuery) or not is_private(bound.relation):
        return None
    relation = bound.relation
    if not isinstance(relation, Project) or relation.distinct:
        return None
    if needle is None:
        return relation.child
    if len(bound.columns) != 1:
        return None
    outer = BlockBinder(binder, block).bind(needle)
    column: Expression = relation.columns[0].expression
    type_ = common_type([outer, column])
    if type_ is None or not isinstance(column, ColumnRef):
        return None
    same = equals(as_type(outer, type_), as_type(column, type_))
    return Filter(relation.child, same)
