"""Expressions of rows with what reaches beyond the row: subqueries and windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.errors import QueryRefused
from dpquery.plan.expressions import (
    Aggregated,
    Call,
    Expression,
    Subquery,
    SubqueryKind,
)
from dpquery.plan.relations import Filter, Group, Named, Project, Relation, Top
from dpquery.policy.catalog import SqlType
from dpquery.sql.expressions.binder import RowBinder
from dpquery.sql.literals import as_type

if TYPE_CHECKING:
    from dpquery.errors import Place
    from dpquery.sql.queries.binder import QueryBinder
    from dpquery.sql.queries.bound import Block, RowsQuery

_OPPOSITE = {"eq": "ne", "ne": "eq", "lt": "ge", "ge": "lt", "gt": "le", "le": "gt"}
"""``x > ALL (…)`` is ``NOT x <= ANY (…)``."""


class BlockBinder(RowBinder):
    """Binds expressions of the rows of one block."""

    def __init__(self, binder: QueryBinder, block: Block) -> None:
        super().__init__(block.environment.sql, block.scope, binder.now)
        self.binder = binder
        self.block = block

    def place(self, node: exp.Expr) -> Place | None:
        """Return where *node* stands, which may be in a view."""
        return self.block.place(node)

    def bind(self, node: exp.Expr | None) -> Expression:
        """Return the plan's expression for *node*; the parser lets some be missing."""
        if node is None:
            msg = "a function here has too few arguments"
            raise QueryRefused(msg, code="DPQ105")
        return super().bind(node)

    def special(self, node: exp.Expr) -> Expression:
        """Bind what reads more than the row: a subquery."""
        match node:
            case exp.Exists(this=exp.Query() as query):
                return self._exists(node, query)
            case exp.Subquery(this=exp.Query() as query):
                return self._scalar(node, query)
            case exp.Select() | exp.SetOperation():
                return self._scalar(node, node)
            case _:
                return super().special(node)

    def in_query(self, node: exp.In) -> Expression:
        """Bind ``x IN (SELECT …)``."""
        return self._any(node, node.this, "eq", _inside(node.args["query"]))

    def quantified(
        self, node: exp.Expr, name: str, query: exp.Query, *, every: bool
    ) -> Expression:
        """Bind ``x > ANY (SELECT …)`` and ``x > ALL (SELECT …)``."""
        if name not in _OPPOSITE:
            return super().quantified(node, name, query, every=every)
        if not every:
            return self._any(node, node.this, name, _inside(query))
        found = self._any(node, node.this, _OPPOSITE[name], _inside(query))
        return Call("not", (found,), SqlType.BOOLEAN)

    def bind_quietly(self, node: exp.Expr) -> Expression | None:
        """Return *node* as an expression of a row, or ``None`` if it is none."""
        try:
            return self.bind(node)
        except QueryRefused:
            return None

    # --- the three kinds ---------------------------------------------------------

    def _read(self, node: exp.Expr, query: exp.Query) -> RowsQuery:
        bound = self.binder.query(query, self.block.environment, self.block)
        return self.binder.as_rows(bound, "subquery", node, self.block)

    def _exists(self, node: exp.Expr, query: exp.Query) -> Expression:
        plain = query.copy() if query.args.get("limit") else query
        if plain is not query and not query.args.get("offset"):
            plain.set("limit", None)  # one row is as good as any number
        found = self._read(node, plain)
        place = self.place(node)
        return Subquery(
            SubqueryKind.EXISTS, found.relation, SqlType.BOOLEAN, place=place
        )

    def _scalar(self, node: exp.Expr, query: exp.Query) -> Expression:
        known = self.binder.looked_up(query, self.block)
        if known is not None:
            return known
        found = self._read(node, query)
        column = self._one_column(node, found)
        relation = found.relation
        if not _one_row(relation):
            only = Aggregated("only", (column,), distinct=False, type=column.type)
            name = self.binder.names.unique("only")
            relation = Group(relation, name, (), (Named("value", only),))
        return Subquery(
            SubqueryKind.SCALAR, relation, column.type, place=self.place(node)
        )

    def _any(
        self, node: exp.Expr, needle: exp.Expr, comparison: str, query: exp.Query
    ) -> Expression:
        found = self._read(node, query)
        column = self._one_column(node, found)
        bound = self.bind(needle)
        type_ = self.common(node, [bound, column], compared=True)
        relation = found.relation
        if column.type is not type_:
            name = self.binder.names.unique("compared")
            made = (Named("value", as_type(column, type_)),)
            relation = Project(relation, name, made)
        return Subquery(
            SubqueryKind.ANY,
            relation,
            SqlType.BOOLEAN,
            as_type(bound, type_),
            comparison,
            self.place(node),
        )

    def _one_column(self, node: exp.Expr, found: RowsQuery) -> Expression:
        if len(found.columns) != 1:
            msg = f"this subquery has {len(found.columns)} columns where one is read"
            raise self.refusal(node, msg, "DPQ105", "select one column")
        return found.columns[0][1]


def _inside(query: exp.Query) -> exp.Query:
    """Return a query without brackets around it."""
    inner = query.unnest() if isinstance(query, exp.Subquery) else query
    return inner if isinstance(inner, exp.Query) else query


def _one_row(relation: Relation) -> bool:
    """Return whether a relation never has more than one row."""
    match relation:
        case Group(keys=()):
            return True
        case Top(count=1):
            return True
        case Project(child=child) | Filter(child=child):
            return _one_row(child)
        case _:
            return False
