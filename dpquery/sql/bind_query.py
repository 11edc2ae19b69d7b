"""Queries inside a statement: which are rows of units, and which become releases.

A SELECT that reads no private table is public, and bound as whatever it is needed as.
A SELECT of private rows is a relation, until an aggregate mixes the rows of units:
that is the DP boundary. What stands above a boundary is SQL over released tables.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from sqlglot import exp

from dpquery.errors import QueryRefused
from dpquery.plan.expressions import ColumnRef
from dpquery.plan.program import Input
from dpquery.plan.relations import (
    Named,
    Project,
    Released,
    SetKind,
    SetOperation,
)
from dpquery.policy.catalog import SqlType, fold
from dpquery.sql.bind_answers import AnswerBinder
from dpquery.sql.bind_distinct import counted_values
from dpquery.sql.bind_from import FromClause
from dpquery.sql.bind_lookup import looked_up
from dpquery.sql.bind_select import SelectBinder
from dpquery.sql.bound import (
    AnswerQuery,
    Block,
    Bound,
    Names,
    PublicQuery,
    RowsQuery,
    pivoted_rows,
)
from dpquery.sql.environment import reads_private
from dpquery.sql.literals import as_type, common_type
from dpquery.sql.typed_answers import typed_input

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpquery.plan.expressions import Expression
    from dpquery.plan.program import AggregateQuery
    from dpquery.policy.catalog import Catalog
    from dpquery.sql.environment import Environment, NamedQuery

MAX_NODES = 100_000
"""Parts of all queries together, each WITH counted wherever it is read: what a short
text can be made to mean is bounded too."""


Mark: TypeAlias = tuple[int, int, int, int]
"""How far releases, inputs and named answers were bound."""


class QueryBinder:
    """Binds the queries of one statement and collects its releases."""

    def __init__(self, catalog: Catalog, environment: Environment) -> None:
        self.catalog = catalog
        self.names = Names()
        self.boundaries: list[AggregateQuery] = []
        self.inputs: list[Input] = []
        self._environment = environment
        self._words = words_of(environment)
        self._releases = 0
        self._nodes = 0
        self._answered: list[NamedQuery] = []
        self.heard: set[tuple[int, int]] = set()
        """Where the privacy parameters stand that some release keeps to."""

    def query(
        self, node: exp.Query, environment: Environment, outer: Block | None = None
    ) -> Bound:
        """
        Return what *node* is: rows, an answer, or a query of public tables.

        Raises:
            QueryRefused: a part of it is not on the allow-list, or loses its unit.
        """
        self._count(node, environment)
        if _bare(node):
            return self.query(node.this, environment, outer)
        inside = environment.within(node)
        if not reads_private(node, environment, self.catalog):
            return PublicQuery(node, environment)
        match node:
            case exp.Select():
                return self._select(node, inside, outer)
            case exp.SetOperation():
                return self._set_operation(node, inside, outer)
            case exp.Subquery():
                return self._modified(node, inside, outer)
            case _:
                msg = f"{node.key.upper()} is not supported here"
                place = environment.place(node)
                raise QueryRefused(msg, code="DPQ100", place=place)

    def named(self, named: NamedQuery) -> Bound:
        """Return what a query of WITH or a view is; an answer is released once."""
        if named.answer is not None:
            return named.answer
        bound = self.query(named.node, named.environment)
        if isinstance(bound, AnswerQuery):
            named.answer = bound
            self._answered.append(named)
        return bound

    def _count(self, node: exp.Expr, environment: Environment) -> None:
        self._nodes += sum(1 for _ in node.walk())
        if self._nodes > MAX_NODES:
            msg = "this query becomes too large when its WITH queries are written out"
            hint = "read each of them fewer times"
            place = environment.place(node)
            raise QueryRefused(msg, code="DPQ004", place=place, hint=hint)

    # --- kinds of queries --------------------------------------------------------

    def _select(
        self, select: exp.Select, environment: Environment, outer: Block | None
    ) -> Bound:
        counted = counted_values(self, select, environment, outer)
        if counted is not None:
            return counted
        tables = FromClause(self, select, environment, outer)
        if not tables.private:
            return AnswerBinder(self, environment).select(select, tables)
        return SelectBinder(self, select, tables.rows()).bind()

    def _modified(
        self, node: exp.Subquery, environment: Environment, outer: Block | None
    ) -> Bound:
        """Bind ``(SELECT …) ORDER BY … LIMIT …``: the modifiers of a query around."""
        inner = exp.Subquery(this=node.this)
        select = exp.Select(expressions=[exp.Star()]).from_(inner, copy=False)
        for key in ("order", "limit", "offset"):
            select.set(key, node.args.get(key))
        return self._select(select, environment, outer)

    def pivoted(
        self, pivot: exp.Pivot, environment: Environment, outer: Block | None
    ) -> Bound:
        """Return DuckDB's ``PIVOT … ON … USING …`` of an answer."""
        source = pivot.this
        if isinstance(source, exp.Subquery) and isinstance(source.this, exp.Query):
            inner: exp.Query = source.this
        else:
            inner = exp.Select(expressions=[exp.Star()]).from_(source)
        bound = self.query(inner, environment, outer)
        if isinstance(bound, RowsQuery):
            raise pivoted_rows(Block(self.catalog, environment, outer), pivot)
        return AnswerBinder(self, environment).pivoted(pivot, bound)

    def _set_operation(
        self, node: exp.SetOperation, environment: Environment, outer: Block | None
    ) -> Bound:
        sides = [
            self.query(side, environment, outer) for side in (node.left, node.right)
        ]
        if any(isinstance(side, AnswerQuery) for side in sides):
            return AnswerBinder(self, environment).set_operation(node, sides)
        one, other = (self.as_rows(side, "side", node, outer) for side in sides)
        return self._united(node, one, other, environment)

    def _united(
        self,
        node: exp.SetOperation,
        one: RowsQuery,
        other: RowsQuery,
        environment: Environment,
    ) -> RowsQuery:
        """Return a set operation of rows, by position, in common types."""
        place = environment.place(node)
        extra = [
            k for k in ("limit", "offset", "by_name", "match", "on") if node.args.get(k)
        ]
        kinds = {exp.Union: SetKind.UNION, exp.Intersect: SetKind.INTERSECT}
        kind = kinds.get(type(node), SetKind.EXCEPT)
        if extra or len(one.columns) != len(other.columns):
            msg = f"the sides of {kind} have equally many columns, and no LIMIT"
            raise QueryRefused(msg, code="DPQ131", place=place)
        pairs = list(zip(one.columns, other.columns, strict=True))
        types = [common_type([a, b]) for (_, a), (_, b) in pairs]
        if None in types:
            at = types.index(None)
            here, there = pairs[at][0][1].type, pairs[at][1][1].type
            msg = (
                f"column {at + 1} is {here} on one side of {kind}, {there} on the other"
            )
            hint = "use CAST on one side"
            raise QueryRefused(msg, code="DPQ105", place=place, hint=hint)
        name = self.names.unique(kind.lower())
        sides = [
            self._side(query, [t or SqlType.VARCHAR for t in types], name)
            for query in (one, other)
        ]
        columns = tuple(
            ColumnRef(name, each.name, each.expression.type)
            for each in sides[0].columns
        )
        distinct = bool(node.args.get("distinct"))
        left, right = sides
        relation = SetOperation(kind, distinct, left, right, name, columns, place)
        called = (called for called, _ in one.columns)
        return RowsQuery(relation, tuple(zip(called, columns, strict=True)))

    def _side(self, query: RowsQuery, types: list[SqlType], name: str) -> Project:
        made = tuple(
            Named(f"c{at}", as_type(column, type_))
            for at, ((_, column), type_) in enumerate(
                zip(query.columns, types, strict=True)
            )
        )
        return Project(query.relation, self.names.unique(f"{name}:side"), made)

    # --- from one kind to another ------------------------------------------------

    def as_rows(
        self, bound: Bound, name: str, node: exp.Expr, outer: Block | None
    ) -> RowsQuery:
        """
        Return *bound* as rows; an answer is constants, known when it is needed.

        Raises:
            QueryRefused: its columns have no types or no names.
        """
        match bound:
            case RowsQuery():
                return bound
            case PublicQuery():
                return self._public_rows(bound, outer)
            case AnswerQuery():
                return self._input(bound, name, node, outer)

    def _public_rows(self, public: PublicQuery, outer: Block | None) -> RowsQuery:
        """Return a query of public tables as rows that private rows can meet."""
        node, environment = public.node, public.environment.within(public.node)
        match node:
            case exp.Select():
                tables = FromClause(self, node, environment, outer)
                found = SelectBinder(self, node, tables.rows()).rows()
            case exp.SetOperation():
                one, other = (
                    self.as_rows(PublicQuery(side, environment), "side", node, outer)
                    for side in (node.left, node.right)
                )
                found = self._united(node, one, other, environment)
            case exp.Subquery(this=exp.Query() as inner) if _bare(node):
                found = self._public_rows(PublicQuery(inner, environment), outer)
            case _:
                msg = f"{node.key.upper()} is not supported here"
                place = environment.place(node)
                raise QueryRefused(msg, code="DPQ100", place=place)
        return found

    def _input(
        self, answer: AnswerQuery, name: str, node: exp.Expr, outer: Block | None
    ) -> RowsQuery:
        """Return an answer as rows of constants, one input for each answer."""
        environment = self._environment if outer is None else outer.environment
        place = environment.place(node)
        computed, columns = typed_input(answer, self.boundaries, self.catalog, place)
        known = next((i for i in self.inputs if i.computed == computed), None)
        if known is None:
            known = Input(f"i{len(self.inputs) + 1}", computed, columns)
            self.inputs.append(known)
        relation = self.names.called(name, "answer")
        made = tuple(
            ColumnRef(relation, f"c{at}", type_)
            for at, (_, type_) in enumerate(columns)
        )
        called = [called for called, _ in columns]
        return RowsQuery(
            Released(relation, known.name, made), tuple(zip(called, made, strict=True))
        )

    def looked_up(self, node: exp.Query, block: Block) -> Expression | None:
        """Return an aggregate of many units for each row, if *node* is one."""
        return looked_up(self, node, block)

    def answer_tree(
        self, node: exp.Query, block: Block, lift: Callable[[exp.Expr], exp.Expr]
    ) -> exp.Expr:
        """Return a subquery of a SELECT list above the boundary of *block*."""
        return AnswerBinder(self, block.environment, lift).tree(node, block)

    # --- names and what can be undone --------------------------------------------

    def release_name(self) -> str:
        """Return a name for the next released table, which the text does not use."""
        self._releases += 1
        name = f"r{self._releases}"
        while name in self._words:
            name += "_"
        return name

    def alias(self, base: str) -> str:
        """Return an alias above the boundary that nothing in the text is called."""
        name = base
        while name in self._words:
            name += "_"
        self._words.add(name)
        return name

    def mark(self) -> Mark:
        """Return where the statement's releases and inputs end now."""
        return (
            len(self.boundaries),
            len(self.inputs),
            len(self._answered),
            self._releases,
        )

    def reset(self, mark: Mark) -> None:
        """Forget the releases and inputs since *mark*: they were a try."""
        boundaries, inputs, answered, self._releases = mark
        for named in self._answered[answered:]:
            named.answer = None
        del self.boundaries[boundaries:], self.inputs[inputs:]
        del self._answered[answered:]


def words_of(environment: Environment) -> set[str]:
    """Return all words of the statement and of the policy's views, folded."""
    texts = {environment.sql}
    texts |= {named.environment.sql for named in environment.queries.values()}
    return {fold(word) for text in texts for word in re.findall(r"\w+", text)}


def _bare(node: exp.Query) -> bool:
    """Return whether *node* is brackets around a query, and nothing else."""
    if not isinstance(node, exp.Subquery) or not isinstance(node.this, exp.Query):
        return False
    return not any(value for key, value in node.args.items() if key != "this")
