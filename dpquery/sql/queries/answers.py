"""Queries above the boundary: SQL over released and public tables, kept as written.

Tables are replaced by what they mean; nothing else is looked into. What runs is checked
against the engine's own parse tree before anything is charged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias

from sqlglot import exp

from dpquery.errors import QueryRefused
from dpquery.policy.catalog import fold
from dpquery.sql.lowering.select import identifier
from dpquery.sql.queries.bound import AnswerQuery, Block, Bound, PublicQuery, RowsQuery
from dpquery.sql.queries.clauses import output_name, unique_names
from dpquery.sql.queries.environment import reads_private
from dpquery.sql.queries.from_clause import FromClause
from dpquery.sql.queries.lookup import Lookup, lookup
from dpquery.sql.queries.semijoin import counted_partners
from dpquery.sql.queries.tables import alias_name
from dpquery.sql.queries.trees import derived, mapped, public_table

if TYPE_CHECKING:
    from dpquery.sql.queries.binder import QueryBinder
    from dpquery.sql.queries.environment import Environment
    from dpquery.sql.queries.from_clause import Item

Lift: TypeAlias = Callable[[exp.Expr], exp.Expr]
"""What a column of the SELECT around a subquery is above the boundary."""


class AnswerBinder:
    """Binds queries above the boundary, at one place of the statement."""

    def __init__(
        self,
        binder: QueryBinder,
        environment: Environment,
        lift: Lift | None = None,
        around: Iterable[str] = (),
    ) -> None:
        self._binder = binder
        self._environment = environment
        self._lift = lift
        self._names_around = {fold(name) for name in around}
        """What the tables of the SELECTs around are called."""
        self._own: set[str] = set()
        """Folded names of the tables of this SELECT, which hide those around."""
        self._around: FromClause | None = None
        """Its FROM, where every table of it is public: what subqueries may look up."""

    # --- queries -----------------------------------------------------------------

    def select(self, select: exp.Select, tables: FromClause) -> AnswerQuery:
        """
        Return *select*, whose FROM has answers and public tables only.

        Raises:
            QueryRefused: a subquery in it has rows of units.
        """
        counted = counted_partners(self._binder, select, tables, self._environment)
        if counted is not None:
            return counted
        called = [(self._called(item), item) for item in tables.items]
        self._own = {fold(name) for name, _ in called}
        if not any(isinstance(item.bound, AnswerQuery) for item in tables.items):
            self._around = tables
        sources: list[tuple[str, AnswerQuery]] = []
        nodes = [self._table(item, name, sources) for name, item in called]
        tree = _select(self._without_tables(select))
        for item, node in zip(tables.items, nodes, strict=True):
            if item.join is not None:
                joined = mapped(_without(item.join, "this"), self._part)
                joined.set("this", node)
                tree.append("joins", joined)
            elif tree.args.get("from_") is None:
                tree.set("from_", exp.From(this=node))
            else:
                tree.append("laterals", node)
        return _named(tree, select, tables.block, called, sources)

    def public(self, public: PublicQuery) -> AnswerQuery:
        """Return a query of public tables as it is, its tables replaced."""
        node, environment = public.node, public.environment.within(public.node)
        inside = AnswerBinder(self._binder, environment, self._lift)
        match node:
            case exp.Select() if node.args.get("from_") is not None:
                tables = FromClause(self._binder, node, environment, None)
                return inside.select(node, tables)
            case exp.SetOperation():
                sides: list[Bound] = [
                    PublicQuery(side, environment) for side in (node.left, node.right)
                ]
                return inside.set_operation(node, sides)
            case _:
                tree = mapped(node, inside._part)
                tree.set("with_", None)
                return AnswerQuery(_query(tree), None)

    def set_operation(self, node: exp.SetOperation, sides: list[Bound]) -> AnswerQuery:
        """Return a set operation of answers."""
        answers = [self.answer(side, node) for side in sides]
        made = mapped(_without(node, "this", "expression", "with_"), self._part)
        for key, answer in zip(("this", "expression"), answers, strict=True):
            ordered = answer.tree.args.get("order") or answer.tree.args.get("limit")
            made.set(key, exp.Subquery(this=answer.tree) if ordered else answer.tree)
        return AnswerQuery(_query(made), answers[0].names)

    def pivoted(self, pivot: exp.Pivot, bound: Bound) -> AnswerQuery:
        """Return DuckDB's PIVOT of an answer."""
        made = mapped(_without(pivot, "this"), self._part)
        made.set("this", exp.Subquery(this=self.answer(bound, pivot).tree))
        star = exp.Select(expressions=[exp.Star()])
        return AnswerQuery(star.from_(exp.Subquery(this=made), copy=False), None)

    def answer(self, bound: Bound, node: exp.Expr) -> AnswerQuery:
        """
        Return *bound* as a query above the boundary.

        Raises:
            QueryRefused: it has rows of units.
        """
        match bound:
            case AnswerQuery():
                return bound
            case PublicQuery():
                return self.public(bound)
            case RowsQuery():
                msg = "this subquery has rows of individuals"
                hint = (
                    "aggregate it: the answer can then be used here; or count the\n"
                    "private rows that have a partner in this table"
                )
                block = Block(self._binder.catalog, self._environment, None)
                raise block.refusal(node, msg, "DPQ115", hint)

    # --- subqueries --------------------------------------------------------------

    def tree(self, node: exp.Query, around: Block | None) -> exp.Expr:
        """Return a subquery of a clause, in the form in which it stands there."""
        inner = node.this if isinstance(node, exp.Subquery) else node
        if not isinstance(inner, exp.Query):  # VALUES in brackets, or a table
            return mapped(node, self._part)
        found = None if around is None else lookup(self._binder, inner, around)
        if found is not None:
            tree = self._looked_up(found)
            return tree if found.counts else exp.Subquery(this=tree.this)
        self._check_apart(inner)
        bound = self._binder.query(inner, self._environment)
        made = self.answer(bound, node).tree
        if not isinstance(node, exp.Subquery):
            return made
        wrapped = node.copy()
        wrapped.set("this", made)
        return wrapped

    def _check_apart(self, query: exp.Query) -> None:
        """Refuse private rows that are looked for again for each row around them."""
        if not reads_private(query, self._environment, self._binder.catalog):
            return
        own = {fold(each.alias_or_name) for each in query.find_all(exp.Table)}
        for column in query.find_all(exp.Column):
            name = fold(column.table)
            if name in self._names_around - own:
                msg = f"private rows would be looked for again for each row of {name}"
                hint = (
                    "aggregate them once, and join the answer: JOIN (SELECT key,\n"
                    "COUNT(*) AS n FROM … GROUP BY key) AS t ON …"
                )
                block = Block(self._binder.catalog, self._environment, None)
                raise block.refusal(column, msg, "DPQ115", hint)

    def _looked_up(self, found: Lookup) -> exp.Expr:
        """Return a look-up of what the SELECT around has, in a release."""
        table = self._binder.alias("looked_up")
        names = found.answer.names or ()
        value, *keys = (
            exp.Column(this=identifier(name), table=identifier(table)) for name in names
        )
        same = [
            exp.EQ(this=key, expression=self._part(node))
            for key, node in zip(keys, found.nodes, strict=True)
        ]
        select = exp.Select(
            expressions=[value],
            from_=exp.From(this=derived(found.answer.tree, table)),
            where=exp.Where(this=exp.and_(*same)),
        )
        if not found.counts:
            return exp.Subquery(this=select)
        zero = exp.Literal.number("0")
        return exp.Coalesce(this=exp.Subquery(this=select), expressions=[zero])

    # --- parts -------------------------------------------------------------------

    def _part(self, node: exp.Expr) -> exp.Expr:
        """Return a copy of *node* over released and public tables."""
        if isinstance(node, exp.Query):
            inside = AnswerBinder(
                self._binder,
                self._environment,
                self._lifted,
                self._own | self._names_around,
            )
            return inside.tree(node, self._rows_around())
        if isinstance(node, exp.Column):
            return self._lifted(node)
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            return self._read(node)
        return mapped(node, self._part)

    def _read(self, node: exp.Table) -> exp.Expr:
        """Return a table inside of what the parser knows no FROM of, as a query."""
        select = exp.Select(expressions=[exp.Star()]).from_(node.copy(), copy=False)
        bound = self._binder.query(select, self._environment)
        made = exp.Subquery(this=self.answer(bound, node).tree)
        alias = identifier(alias_name(node) or node.name)
        made.set("alias", exp.TableAlias(this=alias))
        return made

    def _lifted(self, node: exp.Expr) -> exp.Expr:
        """Return a column of this SELECT as it is, others as they are around it."""
        around = (
            isinstance(node, exp.Column)
            and node.table
            and fold(node.table) not in self._own
        )
        return self._lift(node) if around and self._lift else node.copy()

    def _rows_around(self) -> Block | None:
        return None if self._around is None else self._around.rows()

    def _without_tables(self, select: exp.Select) -> exp.Expr:
        tables = ("from_", "joins", "laterals", "with_")
        return mapped(_without(select, *tables), self._part)

    def _called(self, item: Item) -> str:
        """Return the name by which a table of FROM is called; subqueries have one."""
        name = alias_name(item.node) or item.node.name
        nameless = not name and isinstance(item.node, exp.Subquery)
        return self._binder.alias("query") if nameless and item.bound else name

    def _table(
        self, item: Item, alias: str, sources: list[tuple[str, AnswerQuery]]
    ) -> exp.Expr:
        """Return what one table of FROM means."""
        node, bound = item.node, item.bound
        if bound is None:
            return mapped(node, self._part)
        if isinstance(bound, AnswerQuery | PublicQuery | RowsQuery):
            answer = AnswerBinder(self._binder, self._environment).answer(bound, node)
            if len(item.columns) > len(answer.names or item.columns):
                msg = f"{alias} has more names than columns"
                place = self._environment.place(node)
                raise QueryRefused(msg, code="DPQ102", place=place)
            sources.append((alias, answer))
            made: exp.Expr = exp.Subquery(this=answer.tree)
        else:
            made = public_table(bound.name, alias)
        if alias:
            columns = [identifier(name) for name in item.columns]
            made.set(
                "alias", exp.TableAlias(this=identifier(alias), columns=columns or None)
            )
        for key in ("pivots", "sample"):
            parts = node.args.get(key)
            if isinstance(parts, list):
                made.set(key, [mapped(each, self._part) for each in parts])
            elif parts:
                made.set(key, mapped(parts, self._part))
        return made


def _without(node: exp.Expr, *keys: str) -> exp.Expr:
    """Return a copy without some parts: what is bound already is not bound again."""
    left = node.copy()
    for key in keys:
        left.set(key, None)
    return left


def _named(
    tree: exp.Select,
    select: exp.Select,
    block: Block,
    called: list[tuple[str, Item]],
    sources: list[tuple[str, AnswerQuery]],
) -> AnswerQuery:
    """Give every column its name, and ``*`` its columns, where they are known."""
    made: list[exp.Expr] = []
    names: list[str] = []
    for item, column in zip(select.expressions, tree.expressions, strict=True):
        stars = _stars(item, called, dict(sources))
        if stars is None:
            return AnswerQuery(tree, None, tuple(sources))
        for table, name in stars:
            made.append(exp.Column(this=identifier(name), table=identifier(table)))
            names.append(name)
        if not stars:
            made.append(column.unalias())
            names.append(output_name(item, block))
    names = unique_names(names)
    aliased = [
        column  # under its own name: an alias would hide that it is not there
        if isinstance(column, exp.Column) and column.name == name
        else exp.Alias(this=column, alias=identifier(name))
        for column, name in zip(made, names, strict=True)
    ]
    tree.set("expressions", aliased)
    return AnswerQuery(tree, tuple(names), tuple(sources))


def _stars(
    item: exp.Expr, called: list[tuple[str, Item]], sources: dict[str, AnswerQuery]
) -> list[tuple[str, str]] | None:
    """Return the columns that ``*`` means; none for no star; ``None`` if unknown."""
    star = item.this if isinstance(item, exp.Column) else item
    if not isinstance(star, exp.Star):
        inside = (
            s for s in item.find_all(exp.Star) if not isinstance(s.parent, exp.Count)
        )
        return [] if next(inside, None) is None else None
    if any(star.args.get(key) for key in ("except_", "replace", "rename")):
        return None
    found: list[tuple[str, str]] = []
    for alias, each in called:
        if isinstance(item, exp.Column) and fold(alias) != fold(item.table):
            continue
        names = _columns_of(each, sources.get(alias))
        if names is None or not alias:
            return None
        found += [(alias, name) for name in names]
    return found or None


def _columns_of(item: Item, answer: AnswerQuery | None) -> tuple[str, ...] | None:
    """Return what the columns of one table of FROM are called, if that is known."""
    join = item.join
    merged = join is not None and (join.args.get("using") or join.args.get("method"))
    if merged or item.node.args.get("pivots"):
        return None
    if answer is not None:
        names = answer.names
    elif item.bound is None or isinstance(
        item.bound, AnswerQuery | PublicQuery | RowsQuery
    ):
        names = None
    else:
        names = tuple(item.bound.columns)
    if names is None:
        return None
    return (*item.columns, *names[len(item.columns) :])


def _query(tree: exp.Expr) -> exp.Query:
    if not isinstance(tree, exp.Query):
        msg = "a query stays one"
        raise TypeError(msg)
    return tree


def _select(tree: exp.Expr) -> exp.Select:
    if not isinstance(tree, exp.Select):
        msg = "a SELECT stays one"
        raise TypeError(msg)
    return tree
