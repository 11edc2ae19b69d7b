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
    Released,
)
from dpquery.policy.catalog import fold
from dpquery.sql.queries.answers import AnswerBinder
from dpquery.sql.queries.bound import (
    AnswerQuery,
    Block,
    Bound,
    Names,
    PublicQuery,
    RowsQuery,
    pivoted_rows,
    plain_names,
)
from dpquery.sql.queries.distinct import counted_values
from dpquery.sql.queries.environment import reads_private
from dpquery.sql.queries.from_clause import FromClause
from dpquery.sql.queries.lookup import looked_up
from dpquery.sql.queries.select import SelectBinder
from dpquery.sql.queries.set_operations import united
from dpquery.sql.queries.typed_answers import typed_input

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from dpquery.plan.expressions import Expression
    from dpquery.plan.program import AggregateQuery
    from dpquery.policy.catalog import Catalog
    from dpquery.sql.queries.environment import Environment, NamedQuery

MAX_NODES = 20_000
"""Parts of all queries together, each WITH counted wherever it is read: what a short
text can be made to mean is bounded too."""

MAX_LEVELS = 24
"""Queries inside each other, those of WITH included: what is known of a column is
looked up through all levels below it."""

Mark: TypeAlias = tuple[int, int, int, int, frozenset[str]]
"""How far releases, inputs and named answers were bound, and the names in use."""


class QueryBinder:
    """Binds the queries of one statement and collects its releases."""

    def __init__(
        self, catalog: Catalog, environment: Environment, now: dt.datetime | None = None
    ) -> None:
        self.catalog = catalog
        self.now = now
        """The moment of the whole query, for ``current_date`` and the like."""
        self.names = Names()
        self.boundaries: list[AggregateQuery] = []
        self.inputs: list[Input] = []
        self._environment = environment
        self._words = words_of(environment)
        self._releases = 0
        self._nodes = 0
        self._levels = 0
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
        self._levels += 1
        try:
            self._count(node, environment)
            return self._query(node, environment, outer)
        finally:
            self._levels -= 1

    def _query(
        self, node: exp.Query, environment: Environment, outer: Block | None
    ) -> Bound:
        if _bare(node):
            return self._query(node.this, environment, outer)
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
            self._count(named.answer.tree, named.environment)
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
        if self._levels > MAX_LEVELS:
            msg = f"queries are more than {MAX_LEVELS} levels deep, WITH included"
            hint = "write some of them as one SELECT"
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
        if tables.private:
            return SelectBinder(self, select, tables.rows()).bind()
        found = None if outer is None else self._of_row(select, environment, outer)
        if found is not None:
            return found
        return AnswerBinder(self, environment).select(select, tables)

    def _of_row(
        self, select: exp.Select, environment: Environment, outer: Block
    ) -> Bound | None:
        """Return public rows that the unit of the outer row has a part in choosing."""
        mark = self.mark()
        try:
            tables = FromClause(self, select, environment, outer)
            if all(not isinstance(item.bound, AnswerQuery) for item in tables.items):
                return SelectBinder(self, select, tables.rows()).bind()
        except QueryRefused:
            pass  # it may still be an answer, which no row outside has a part in
        self.reset(mark)
        return None

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
        return united(node, one, other, environment, self.names)

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
                found = united(node, one, other, environment, self.names)
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
        computed, columns = typed_input(answer, self, place)
        known = next((i for i in self.inputs if i.computed == computed), None)
        if known is None:
            known = Input(f"i{len(self.inputs) + 1}", computed, columns)
            self.inputs.append(known)
        relation = self.names.called(name, "answer")
        called = [name for name, _ in columns]
        made = tuple(
            ColumnRef(relation, named, type_)
            for named, (_, type_) in zip(plain_names(called), columns, strict=True)
        )
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
        names = (table.name for table in block.tables)
        return AnswerBinder(self, block.environment, lift, names).tree(node, block)

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
            self.names.taken,
        )

    def reset(self, mark: Mark) -> None:
        """Forget the releases and inputs since *mark*: they were a try."""
        boundaries, inputs, answered, self._releases, taken = mark
        self.names.forget(taken)
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
