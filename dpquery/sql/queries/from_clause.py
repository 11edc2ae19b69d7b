"""FROM: tables, derived tables and joins into one relation, with names for columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.plan.expressions import (
    TRUE,
    Call,
    Expression,
    Ordering,
    Subquery,
    SubqueryKind,
    conjunction,
    conjuncts,
    equals,
)
from dpquery.plan.relations import (
    Filter,
    Join,
    JoinKind,
    Project,
    Relation,
    Scan,
    Top,
)
from dpquery.plan.walk import column_of, columns, is_private, made_column
from dpquery.policy.catalog import SqlType, fold
from dpquery.sql.expressions.scope import Named as NamedTable
from dpquery.sql.expressions.scope import find_table
from dpquery.sql.literals import as_type, common_type
from dpquery.sql.queries.bound import (
    AnswerQuery,
    Block,
    Bound,
    PublicQuery,
    RowsQuery,
    named_columns,
    pivoted_rows,
)
from dpquery.sql.queries.rows import BlockBinder
from dpquery.sql.queries.tables import TableBinder, alias_columns, alias_name
from dpquery.sql.queries.trees import text_of

if TYPE_CHECKING:
    from dpquery.policy.catalog import CatalogTable
    from dpquery.sql.queries.binder import QueryBinder
    from dpquery.sql.queries.environment import Environment

MAX_TABLES = 16
"""Tables in one FROM; a self-join multiplies a unit's rows with each of them."""


@dataclass(slots=True)
class Item:
    """One table of FROM, as it is written and as it is bound."""

    node: exp.Expr
    join: exp.Join | None
    """How it is joined to those before it; ``None`` for the first."""
    bound: Bound | CatalogTable | None = None
    """``None`` for what may read the tables before it, and for constants."""
    columns: tuple[str, ...] = ()
    """What its columns are called instead."""
    inside: FromClause | None = None
    """The tables of ``(a JOIN b ON …)``, which keep their names."""

    @property
    def private(self) -> bool:
        """Whether its rows are rows of units."""
        if self.inside is not None:
            return self.inside.private
        match self.bound:
            case RowsQuery(relation=relation):
                return is_private(relation)
            case AnswerQuery() | PublicQuery() | None:
                return False
            case table:
                return not table.public


class FromClause:
    """The tables of one SELECT, each bound as far as it can be by itself."""

    def __init__(
        self,
        binder: QueryBinder,
        select: exp.Select,
        environment: Environment,
        outer: Block | None,
    ) -> None:
        self._binder = binder
        self._select = select
        self._environment = environment
        self._outer = outer
        self.block = self._block = Block(binder.catalog, environment, outer)
        self._tables = TableBinder(binder, self._block)
        self.items = [self._item(node, join) for node, join in self._nodes()]

    @property
    def private(self) -> bool:
        """Whether the rows of FROM are rows of units."""
        return any(item.private for item in self.items)

    def _nodes(self) -> list[tuple[exp.Expr, exp.Join | None]]:
        clause = self._select.args.get("from_")
        if clause is None:
            return []
        nodes: list[tuple[exp.Expr, exp.Join | None]] = [(clause.this, None)]
        nodes += [(join.this, join) for join in self._select.args.get("joins") or []]
        nodes += [(each, None) for each in self._select.args.get("laterals") or []]
        if len(nodes) > MAX_TABLES:
            msg = f"FROM has more than {MAX_TABLES} tables"
            hint = "ask in several queries"
            raise self._block.refusal(nodes[MAX_TABLES][0], msg, "DPQ116", hint)
        return nodes

    # --- each table by itself ----------------------------------------------------

    def _item(self, node: exp.Expr, join: exp.Join | None) -> Item:
        item = Item(node, join, columns=alias_columns(node))
        match node:
            case exp.Table(this=exp.Identifier()):
                item.bound = self._named(node, item)
            case exp.Subquery(this=exp.Table() | exp.Subquery() as first) if (
                not alias_name(node) and (first.args.get("joins") or alias_name(first))
            ):
                item.inside = self._bracketed(first)
            case exp.Subquery(this=exp.Query() as query):
                item.bound = self._binder.query(query, self._environment, self._outer)
            case exp.Subquery(this=exp.Pivot() as pivot):
                item.bound = self._binder.pivoted(pivot, self._environment, self._outer)
            case exp.Subquery(this=exp.Table() as first) if not alias_name(node):
                item.inside = self._bracketed(first)
            case _:
                pass
        return item

    def _bracketed(self, table: exp.Expr) -> FromClause:
        """Bind ``(a JOIN b ON …)``, of which *table* is the first."""
        first = table.copy()
        joins = first.args.get("joins") or []
        first.set("joins", None)
        select = exp.Select().from_(first, copy=False)
        select.set("joins", joins)
        return FromClause(self._binder, select, self._environment, self._outer)

    def _named(self, node: exp.Table, item: Item) -> Bound | CatalogTable:
        """Return what the name of a table means: WITH, a view, or the policy's."""
        known = {"this", "alias", "db", "sample", "pivots"}
        extra = [key for key, value in node.args.items() if value and key not in known]
        if extra or (node.db and fold(node.db) != "main"):
            hint = "write the table's name alone; see `dpquery tables`"
            msg = f"{text_of(node) or node.name} is not a table of the policy"
            raise self._block.refusal(node, msg, "DPQ101", hint)
        named = None if node.db else self._environment.find(node.name)
        if named is not None:
            item.columns = item.columns or named.columns
            return self._binder.named(named)
        others = [each.name for each in self._environment.queries.values()]
        place = self._block.place(node)
        return find_table(node.name, self._binder.catalog, place, others)

    # --- all of them as one relation ---------------------------------------------

    def rows(self) -> Block:
        """
        Return FROM as rows; answers in it are constants.

        Raises:
            QueryRefused: a table or a join cannot be read like that.
        """
        if not self._block.empty:
            return self._block
        if not self.items:
            self._block.relation = self._tables.one_row()
        for item in self.items:
            self._add(item)
        sample = self._select.args.get("sample")
        if sample is not None:
            self._block.relation = self._tables.sampled(self._block.relation, sample)
        return self._block

    def _add(self, item: Item) -> None:
        block, join = self._block, item.join
        if block.empty:
            relation, named = self._table(item)
            block.relation = relation
            self._show_item(item, named)
            return
        words = ("", "", "") if join is None else _words(join)
        if self._tables.is_unnest(item.node):
            self._check_plain(item, words)
            relation, named = self._tables.unnested(item.node, item.columns)
            block.relation = relation
            self._show(item.node, named)
        elif words[2] in {"SEMI", "ANTI"} and join is not None:
            self._semi(item, join, anti=words[2] == "ANTI")
        else:
            self._join(item, join, words)

    def _table(self, item: Item) -> tuple[Relation, NamedTable]:
        """Return one table as a relation, and its columns under their names."""
        bound, node = item.bound, item.node
        called: list[tuple[str, Expression]]
        if item.inside is not None:
            inner = item.inside.rows()
            return inner.relation, NamedTable("", tuple(inner.scope.stars()))
        if bound is None:
            relation, called = self._tables.other(node)
        elif isinstance(bound, RowsQuery | AnswerQuery | PublicQuery):
            name = alias_name(node) or node.name or "query"
            found = self._binder.as_rows(bound, name, node, self._outer)
            relation, called = found.relation, list(found.columns)
        else:
            name = self._binder.names.unique(bound.name)
            relation = scan = Scan(bound, name, self._block.place(node))
            called = [(each, column_of(scan, each)) for each in bound.columns]
        if node.args.get("pivots"):
            raise pivoted_rows(self._block, node)
        sample = node.args.get("sample")
        if sample is not None:
            relation = self._tables.sampled(relation, sample)
        renamed = self._tables.renamed(node, called, item.columns)
        return relation, NamedTable(alias_name(node) or node.name, tuple(renamed))

    def _show_item(self, item: Item, named: NamedTable) -> None:
        """Let the columns of a table be named, or those of several in brackets."""
        if item.inside is None:
            self._show(item.node, named)
            return
        inner = item.inside.rows()
        for each in inner.tables:
            self._show(item.node, each)
        self._block.shared |= inner.shared

    def _show(self, node: exp.Expr, named: NamedTable) -> None:
        """Let the columns of a table be named from here on."""
        taken = {fold(each.name) for each in self._block.tables}
        if named.name and fold(named.name) in taken:
            hint = "give each an alias of its own: JOIN visits AS v2"
            msg = f"two tables in FROM are called {named.name}"
            raise self._block.refusal(node, msg, "DPQ103", hint)
        self._block.add(named.name, named.columns)

    # --- joins -------------------------------------------------------------------

    def _join(
        self, item: Item, join: exp.Join | None, words: tuple[str, str, str]
    ) -> None:
        """Join one more table to those before it."""
        block = self._block
        method, side, kind = words
        self._check_words(join or item.node, words)
        relation, named = self._table(item)
        if isinstance(item.node, exp.Lateral):
            self._lateral(item.node, relation, named, join)
            return
        left = block.relation
        self._show_item(item, named)
        condition = TRUE if join is None else self._condition(join, named, words)
        if method == "ASOF" and join is not None:
            self._asof(join, relation, named, condition, left)
            return
        place = block.place(join or item.node)
        if side == "RIGHT":
            block.relation = Join(relation, left, JoinKind.LEFT, condition, place)
        elif side or kind == "OUTER":
            how = JoinKind.FULL if side == "FULL" else JoinKind.LEFT
            block.relation = Join(left, relation, how, condition, place)
        else:
            block.relation = Join(left, relation, JoinKind.INNER, condition, place)

    def _check_words(self, node: exp.Expr, words: tuple[str, str, str]) -> None:
        method, side, kind = words
        kinds = {"", "OUTER"} if side else {"", "INNER", "CROSS"}
        if method in {"", "NATURAL", "ASOF"} and kind in kinds:
            return
        text = " ".join(filter(None, [method, side, kind]))
        hint = "use JOIN, LEFT JOIN or FULL JOIN with ON or USING"
        msg = f"{text} JOIN is not supported"
        raise self._block.refusal(node, msg, "DPQ116", hint)

    def _check_plain(self, item: Item, words: tuple[str, str, str]) -> None:
        """Refuse joins to a row's own list that are more than CROSS JOIN."""
        join = item.join
        on = None if join is None else join.args.get("on")
        always = on is None or (isinstance(on, exp.Boolean) and on.this)
        if not always or words[0] or words[1] not in {"", "LEFT"}:
            hint = "CROSS JOIN UNNEST(x) AS t(element), and conditions in WHERE"
            msg = "a list is joined to its own row, without a condition"
            raise self._block.refusal(item.node, msg, "DPQ116", hint)

    def _condition(
        self, join: exp.Join, right: NamedTable, words: tuple[str, str, str]
    ) -> Expression:
        """Bind ON, USING or what NATURAL means."""
        names = [each.name for each in join.args.get("using") or []]
        if words[0] == "NATURAL":
            before = self._block.tables[:-1]
            names = [
                called
                for called, _ in right.columns
                if any(each.find(called) for each in before)
            ]
            if not names:
                hint = "say which columns are equal: JOIN … ON a.x = b.x"
                msg = "the tables of this NATURAL JOIN have no column in common"
                raise self._block.refusal(join, msg, "DPQ116", hint)
        if names:
            return conjunction([self._using(n, join, right, words) for n in names])
        on = join.args.get("on")
        if on is None:
            return TRUE
        return BlockBinder(self._binder, self._block).boolean(on)

    def _using(
        self,
        name: str,
        join: exp.Join,
        right: NamedTable,
        words: tuple[str, str, str],
    ) -> Expression:
        """Return the equality of one column, which is one column from then on."""
        block, place = self._block, self._block.place(join)
        scope = block.scope
        without = type(scope)(scope.tables[:-1], scope.shared)
        one = without.column(name, None, place)
        other = type(scope)((right,)).column(name, None, place)
        type_ = common_type([one, other])
        if type_ is None:
            msg = f"{name} is {one.type} on one side and {other.type} on the other"
            hint = "join with ON and TRY_CAST"
            raise block.refusal(join, msg, "DPQ105", hint)
        sides = (as_type(one, type_), as_type(other, type_))
        match words[1]:
            case "RIGHT":
                block.shared[fold(name)] = other
            case "FULL":
                block.shared[fold(name)] = Call("coalesce", sides, type_)
            case _:
                block.shared[fold(name)] = one
        return equals(*sides)

    def _semi(self, item: Item, join: exp.Join, *, anti: bool) -> None:
        """Keep the rows that have a partner, or those that have none."""
        block = self._block
        relation, named = self._table(item)
        block.tables.append(named)
        shared = dict(block.shared)
        condition = self._condition(join, named, _words(join))
        block.tables.pop()
        block.shared = shared
        found = Subquery(
            SubqueryKind.EXISTS,
            Filter(relation, condition),
            SqlType.BOOLEAN,
            place=block.place(join),
        )
        if anti:
            block.filter(Call("not", (found,), SqlType.BOOLEAN))
        else:
            block.filter(found)

    def _lateral(
        self,
        node: exp.Lateral,
        relation: Relation,
        named: NamedTable,
        join: exp.Join | None,
    ) -> None:
        """Join a subquery that may read the row before it."""
        block = self._block
        left, place = block.relation, block.place(node)
        self._show(node, named)
        condition = TRUE if join is None else self._condition(join, named, _words(join))
        keeps = node.args.get("outer") or node.args.get("cross_apply") is False
        side = "" if join is None else _words(join)[1]
        how = JoinKind.LEFT if keeps or side == "LEFT" else JoinKind.INNER
        if how is JoinKind.INNER and condition != TRUE:
            block.relation = Join(left, relation, how, TRUE, place, lateral=True)
            block.filter(condition)
        else:
            block.relation = Join(left, relation, how, condition, place, lateral=True)

    def _asof(
        self,
        join: exp.Join,
        right: Relation,
        named: NamedTable,
        condition: Expression,
        left: Relation,
    ) -> None:
        """
        Join the nearest row: the first of those that match, in the order of time.

        Written out as a lateral join, so that ties are broken alike each time.
        """
        block, place = self._block, self._block.place(join)
        inside = {made for _, made in named.columns}
        nearest = [
            part
            for part in conjuncts(condition)
            if isinstance(part, Call) and part.function in {"ge", "gt", "le", "lt"}
        ]
        if len(nearest) != 1:
            hint = "ON a.key = b.key AND a.time >= b.time"
            msg = "ASOF JOIN takes one inequality, and equalities"
            raise block.refusal(join, msg, "DPQ116", hint)
        (part,) = nearest
        sides = [side for side in part.arguments if columns(side) <= inside]
        earlier = (part.function in {"ge", "gt"}) == (sides == [part.arguments[1]])
        order = tuple(Ordering(side, earlier, nulls_first=False) for side in sides)
        name = self._binder.names.called(f"{named.name}_nearest", "nearest")
        made = named_columns(named.columns)
        top = Top(Filter(right, condition), order, 1, place)
        nearest_row = Project(top, name, made)
        how = JoinKind.LEFT if _words(join)[1] == "LEFT" else JoinKind.INNER
        block.relation = Join(left, nearest_row, how, TRUE, place, lateral=True)
        moved = [
            (called, made_column(name, each))
            for (called, _), each in zip(named.columns, made, strict=True)
        ]
        block.tables[-1] = NamedTable(named.name, tuple(moved))


def _words(join: exp.Join) -> tuple[str, str, str]:
    """Return method, side and kind of a join, in capitals."""
    one, two, three = (
        str(join.args.get(key) or "").upper() for key in ("method", "side", "kind")
    )
    return one, two, three
