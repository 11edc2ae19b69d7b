"""An aggregate of many units for each outer row: released once, by what ties the two.

``(SELECT AVG(x) FROM t WHERE t.k = outer.k)`` over rows of many units becomes one
release, ``SELECT AVG(x), k FROM t GROUP BY k``, and a look-up of ``outer.k`` in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.errors import QueryRefused
from dpquery.plan.expressions import (
    Aggregated,
    Call,
    Expression,
    Literal,
    Subquery,
    SubqueryKind,
    conjunction,
    equals,
)
from dpquery.plan.relations import Filter, Group, Named, Owned, Scan
from dpquery.plan.walk import columns, names, relations
from dpquery.policy.catalog import SqlType
from dpquery.sql.literals import as_type, common_type
from dpquery.sql.queries.bound import AnswerQuery, Block
from dpquery.sql.queries.clauses import aggregated
from dpquery.sql.queries.environment import reads_private
from dpquery.sql.queries.from_clause import FromClause
from dpquery.sql.queries.rows import BlockBinder

if TYPE_CHECKING:
    from dpquery.sql.queries.binder import QueryBinder

VALUE, KEY, OUTER = "looked_up", "key", "outer_keys"


@dataclass(frozen=True, slots=True)
class Lookup:
    """A release with a value and keys, and what its keys are compared with."""

    answer: AnswerQuery
    """The value, then the keys."""
    nodes: tuple[exp.Expr, ...]
    """The outer sides, as written."""
    outer: tuple[Expression, ...]
    counts: bool
    """Whether no rows are a zero."""


def lookup(binder: QueryBinder, node: exp.Query, block: Block) -> Lookup | None:
    """Return the look-up that *node* is for rows of *block*; ``None`` if it is none."""
    if not isinstance(node, exp.Select) or not _is_plain(node):
        return None
    if not reads_private(node, block.environment, binder.catalog):
        return None
    mark = binder.mark()
    parts = _Correlated(binder, node, block)
    found = parts.found()
    binder.reset(mark)
    if not found:
        return None
    select = parts.released()
    answer = binder.query(select, block.environment)
    if not isinstance(answer, AnswerQuery):
        return None
    nodes, outer = zip(*((node, made) for _, node, made in found), strict=True)
    return Lookup(
        answer, nodes, outer, isinstance(node.expressions[0].unalias(), exp.Count)
    )


def looked_up(binder: QueryBinder, node: exp.Query, block: Block) -> Expression | None:
    """Return the look-up that *node* is, for rows below the boundary."""
    found = lookup(binder, node, block)
    if found is None:
        return None
    rows = binder.as_rows(found.answer, VALUE, node, block)
    (_, value), *keys = rows.columns
    conditions: list[Expression] = []
    for (_, key), outer in zip(keys, found.outer, strict=True):
        type_ = common_type([key, outer])
        if type_ is None:
            return None
        conditions.append(equals(as_type(key, type_), as_type(outer, type_)))
    relation = Filter(rows.relation, conjunction(conditions))
    only = Aggregated("only", (value,), distinct=False, type=value.type)
    one = Group(relation, binder.names.unique("only"), (), (Named("value", only),))
    place = block.place(node)
    subquery = Subquery(SubqueryKind.SCALAR, one, value.type, place=place)
    if not found.counts:
        return subquery
    zero = Literal(0, SqlType.INTEGER)
    return Call("coalesce", (subquery, zero), value.type)


def _is_plain(select: exp.Select) -> bool:
    """Return whether *select* is one aggregate of all its rows, with a WHERE."""
    others = ("group", "having", "distinct", "limit", "offset", "qualify", "with_")
    return (
        len(select.expressions) == 1
        and aggregated(select.expressions[0])
        and select.args.get("where") is not None
        and not any(select.args.get(key) for key in others)
    )


class _Correlated:
    """A subquery's WHERE, taken apart by what it says of the row outside."""

    def __init__(self, binder: QueryBinder, select: exp.Select, block: Block) -> None:
        self._binder = binder
        self._select = select
        self._block = block
        self._pairs: list[tuple[exp.Expr, exp.Expr, Expression]] = []
        self._rest: list[exp.Expr] = []

    def found(self) -> list[tuple[exp.Expr, exp.Expr, Expression]]:
        """
        Return (inner side, outer side, outer side bound) of each equality.

        Nothing, if the subquery is tied to the unit of the row, or to no row, or by
        something else than equalities.
        """
        tables = FromClause(
            self._binder, self._select, self._block.environment, self._block
        )
        if not tables.private:
            return []
        inner = tables.rows()
        inside = names(inner.relation)
        where = self._select.args["where"].this
        for part in where.flatten() if isinstance(where, exp.And) else [where]:
            bound = BlockBinder(self._binder, inner).boolean(part)
            inner.filter(bound)
            if all(column.relation in inside for column in columns(bound)):
                self._rest.append(part)
            elif not self._equality(part, inner, inside):
                return []
        if not self._pairs:
            return []
        try:
            rows = inner.rows
        except QueryRefused:
            return self._pairs
        return [] if isinstance(rows, Owned) and rows.attached else self._pairs

    def _equality(self, part: exp.Expr, inner: Block, inside: frozenset[str]) -> bool:
        if not isinstance(part, exp.EQ):
            return False
        made = BlockBinder(self._binder, inner)
        for one, other in ((part.this, part.expression), (part.expression, part.this)):
            mine, theirs = made.bind(one), made.bind(other)
            here = {column.relation in inside for column in columns(mine)}
            there = {column.relation in inside for column in columns(theirs)}
            if here == {True} and there == {False}:
                self._pairs.append((one, other, theirs))
                return True
        return False

    def released(self) -> exp.Select:
        """Return the subquery grouped by its inner sides, without the outer row."""
        select = self._select.copy()
        nodes = [inner.copy() for inner, _, _ in self._pairs]
        outer = self._listed_keys()
        if outer is not None:
            select.append("joins", exp.Join(this=outer, kind="INNER"))
            nodes = [exp.column(f"{KEY}{at}", table=OUTER) for at in range(len(nodes))]
            self._rest += [
                exp.EQ(this=inner.copy(), expression=node.copy())
                for (inner, _, _), node in zip(self._pairs, nodes, strict=True)
            ]
        rest = [part.copy() for part in self._rest]
        select.set("where", exp.Where(this=exp.and_(*rest)) if rest else None)
        value = exp.alias_(select.expressions[0].unalias(), VALUE)
        keys = [exp.alias_(node, f"{KEY}_{at}") for at, node in enumerate(nodes)]
        select.set("expressions", [value, *keys])
        select.set("group", exp.Group(expressions=[node.copy() for node in nodes]))
        return select

    def _listed_keys(self) -> exp.Subquery | None:
        """
        Return the values of the outer sides as a public table, if they are one.

        They are then the groups of the release, and none of them is withheld.
        """
        read = {
            column.relation for _, _, made in self._pairs for column in columns(made)
        }
        scans = [
            each
            for each in relations(self._block.relation)
            if isinstance(each, Scan) and each.name in read
        ]
        if len(read) != 1 or len(scans) != 1 or not scans[0].table.public:
            return None
        (scan,) = scans
        table = exp.to_table(scan.table.name)
        made = [
            exp.alias_(exp.column(each.name), f"{KEY}{at}")
            for at, (_, _, each) in enumerate(self._pairs)
            if hasattr(each, "name")
        ]
        if len(made) != len(self._pairs):
            return None
        inner = exp.Select(expressions=made).from_(table).distinct()
        return exp.Subquery(
            this=inner, alias=exp.TableAlias(this=exp.to_identifier(OUTER))
        )
