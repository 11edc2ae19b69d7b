"""The DP boundary: private rows in, released groups out, and SQL over what is released.

The aggregates of the SELECT become columns ``a0``, ``a1``, … of a released table, the
keys ``k0``, ``k1``, …; the rest of the SELECT is left as it is, and reads that table.
It is post-processing: free, and as safe as the released numbers themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.plan.expressions import NUMERIC, ColumnRef
from dpquery.plan.program import LEVEL, AggregateQuery, GroupKey, Wishes
from dpquery.plan.rewrite.decompose_aggregates import released_type
from dpquery.plan.walk import free_columns
from dpquery.policy.catalog import fold
from dpquery.sql.lowering.expressions import ENGINE_TYPES, key_type
from dpquery.sql.lowering.select import identifier
from dpquery.sql.queries.aggregates import AggregateBinder
from dpquery.sql.queries.bound import AnswerQuery, Block
from dpquery.sql.queries.clauses import (
    has_subquery,
    is_aggregate,
    is_aggregation,
    items,
    output_name,
    unique_names,
)
from dpquery.sql.queries.keys import Levels, levels_of
from dpquery.sql.queries.rows import BlockBinder
from dpquery.sql.queries.trees import ROW, mapped, released_column, released_table
from dpquery.sql.queries.wishes import wishes_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.plan.aggregates import Aggregate
    from dpquery.sql.queries.binder import QueryBinder


class BoundaryBinder:
    """Binds one SELECT whose aggregates are released."""

    def __init__(self, binder: QueryBinder, select: exp.Select, block: Block) -> None:
        self._binder = binder
        self._select = select
        self._block = block
        self._rows = BlockBinder(binder, block)
        self._aggregates = AggregateBinder(binder, block)
        self._keys: list[GroupKey] = []
        self._released: list[Aggregate] = []
        self._aliases: dict[str, exp.Expr] = {}
        self._levels = Levels((), ((),))
        self._table = ""
        self._looked_up: list[tuple[exp.Expr, str]] = []
        """Keys with a subquery, as they are written, and what they are called."""

    def bind(self) -> AnswerQuery:
        """
        Return the SELECT over the released table.

        Raises:
            QueryRefused: it would list rows, or a part of it is not on the allow-list.
        """
        self._check_correlation()
        self._levels = self._bound_levels()
        self._table = self._binder.release_name()
        select = self._select
        listed = items(select, self._block)
        names = unique_names([output_name(item, self._block) for item in listed])
        lifted = [self._lifted(item.unalias()) for item in listed]
        self._aliases = {
            fold(item.alias): made
            for item, made in zip(listed, lifted, strict=True)
            if isinstance(item, exp.Alias)
        }
        tree = exp.Select(
            expressions=[
                exp.Alias(this=made, alias=identifier(name))
                for name, made in zip(names, lifted, strict=True)
            ]
        )
        self._clauses(tree)
        self._release()
        tree.set("from_", exp.From(this=self._source()))
        return AnswerQuery(
            tree, tuple(names), levels=self._level_names(), table=self._table
        )

    # --- keys --------------------------------------------------------------------

    def _check_correlation(self) -> None:
        """Refuse an aggregate of many units that belongs to one outer row."""
        if free_columns(self._block.relation):
            msg = "this aggregate of many units would be computed again for each row"
            hint = (
                "tie it to the outer row by the unit, or by `inner column = outer\n"
                "column`, one SELECT without GROUP BY"
            )
            raise self._block.refusal(self._select, msg, "DPQ115", hint)

    def _bound_levels(self) -> Levels:
        """Bind the keys of GROUP BY, or of SELECT DISTINCT, each once."""
        select, block = self._select, self._block
        if select.args.get("distinct") and not is_aggregation(select):
            nodes = tuple(item.unalias() for item in items(select, block))
            levels = Levels(nodes, (tuple(range(len(nodes))),))
        else:
            levels = levels_of(select, block)
        positions = [self._key_position(node) for node in levels.nodes]
        self._looked_up = [
            (node, self._keys[at].name)
            for node, at in zip(levels.nodes, positions, strict=True)
            if has_subquery(node)
        ]
        sets = tuple(
            tuple(dict.fromkeys(positions[at] for at in each)) for each in levels.sets
        )
        return Levels(levels.nodes, sets)

    def _key_position(self, node: exp.Expr) -> int:
        bound = self._rows.releasable(node)
        for at, key in enumerate(self._keys):
            if bound == key.expression:
                return at
        name = f"k{len(self._keys)}"
        self._keys.append(GroupKey(name, bound, self._block.place(node)))
        return len(self._keys) - 1

    # --- what stands above -------------------------------------------------------

    def _clauses(self, tree: exp.Select) -> None:
        """Take over what chooses and orders the groups."""
        select = self._select
        having = select.args.get("having")
        if having is not None:
            tree.set("where", exp.Where(this=self._lifted(having.this)))
        distinct = select.args.get("distinct")
        if distinct is not None and is_aggregation(select):
            tree.set("distinct", self._lifted(distinct))
        for key in ("qualify", "order", "limit", "offset"):
            if select.args.get(key) is not None:
                tree.set(key, self._lifted(select.args[key]))
        windows = select.args.get("windows") or []
        if windows:
            tree.set("windows", [self._lifted(each) for each in windows])

    def _lifted(self, node: exp.Expr) -> exp.Expr:
        """Return *node* over the columns of the released table."""
        for key, name in self._looked_up:
            if node == key:
                return released_column(self._table, name)
        match node:
            case exp.Grouping() | exp.GroupingId():
                return self._grouping(node)
            case exp.Filter() | exp.WithinGroup():
                return self._aggregate(node)
            case _ if is_aggregate(node):
                return self._aggregate(node)
            case exp.Window():
                return self._window(node)
            case exp.Query():
                return self._binder.answer_tree(node, self._block, self._lifted)
            case exp.Literal() | exp.Boolean() | exp.Null() | exp.Identifier():
                return node.copy()
            case exp.Star():
                msg = "* would list rows of individuals"
                hint = "name the columns to group by, and COUNT(*) or another aggregate"
                raise self._block.refusal(node, msg, "DPQ122", hint)
            case _:
                pass
        found = self._key(node)
        if found is not None:
            return found
        if isinstance(node, exp.Column):
            return self._column(node)
        return mapped(node, self._lifted)

    def _key(self, node: exp.Expr) -> exp.Expr | None:
        """Return the released column of the group key that *node* is."""
        if not self._keys or not isinstance(node, exp.Condition):
            return None
        if any(map(is_aggregate, node.walk())) or node.find(exp.Query, exp.Window):
            return None
        named = [each for each in node.find_all(exp.Column) if not each.table]
        known = self._block.scope.has
        if any(fold(n.name) in self._aliases and not known(n.name) for n in named):
            return None
        bound = self._rows.bind_quietly(node)
        for key in self._keys:
            if bound == key.expression:
                return released_column(self._table, key.name)
        return None

    def _column(self, node: exp.Column) -> exp.Expr:
        """Return what an alias of SELECT means, or refuse a column of rows."""
        if not node.table and fold(node.name) in self._aliases:
            return exp.Paren(this=self._aliases[fold(node.name)].copy())
        bound = self._rows.column(node)
        name = bound.name if isinstance(bound, ColumnRef) else node.name
        if not self._keys and not self._released:
            hint = (
                "ask for an aggregate, e.g. SELECT COUNT(*) …, or add GROUP BY; the\n"
                "columns can be looked at with `dpquery tables`"
            )
            msg = "this would list rows of individuals"
            raise self._block.refusal(node, msg, "DPQ122", hint)
        hint = f"GROUP BY {node.name}"
        if bound.type in NUMERIC:
            hint += f", or aggregate it: AVG({node.name})"
        msg = f"{name} has many values in a group"
        raise self._block.refusal(node, msg, "DPQ124", hint)

    def _window(self, node: exp.Window) -> exp.Expr:
        """Return a window over groups; its function is computed above the boundary."""

        def inner(part: exp.Expr) -> exp.Expr:
            wrapped = isinstance(part, exp.IgnoreNulls | exp.RespectNulls | exp.Filter)
            return mapped(part, inner if wrapped else self._lifted)

        made = mapped(node, self._lifted_part)
        if isinstance(node.this, exp.Expr) and not isinstance(
            node.this, exp.Identifier
        ):
            made.set("this", inner(node.this))
        return made

    def _lifted_part(self, node: exp.Expr) -> exp.Expr:
        """Return a part of a window; its function is handled by itself."""
        if isinstance(node.parent, exp.Window) and node.arg_key == "this":
            return node.copy()
        return self._lifted(node)

    def _aggregate(self, node: exp.Expr) -> exp.Expr:
        """Return the released columns of an aggregate; equal ones share one."""
        bound = self._aggregates.bind(node)
        made: list[exp.Expr] = []
        for aggregate in bound.aggregates:
            if aggregate not in self._released:
                self._released.append(aggregate)
            at = self._released.index(aggregate)
            made.append(released_column(self._table, f"a{at}"))
        return exp.Array(expressions=made) if bound.as_list else made[0]

    # --- levels ------------------------------------------------------------------

    def _grouping(self, node: exp.Expr) -> exp.Expr:
        """Return which keys a group is not made by, as bits, the last key lowest."""
        nodes = node.expressions or list(self._levels.nodes)
        total: exp.Expr | None = None
        for each in nodes:
            bound = self._rows.bind(each)
            at = next(
                (i for i, k in enumerate(self._keys) if k.expression == bound), None
            )
            if at is None:
                msg = "GROUPING takes keys of GROUP BY"
                raise self._block.refusal(node, msg, "DPQ124")
            bit: exp.Expr = exp.Literal.number("0")
            if len(self._levels.sets) > 1:
                bit = released_column(self._table, f"g{at}")
            if total is None:
                total = bit
            else:
                twice = exp.Mul(
                    this=exp.Paren(this=total), expression=exp.Literal.number("2")
                )
                total = exp.Add(this=twice, expression=bit)
        return exp.Paren(this=total if total is not None else exp.Literal.number("0"))

    def _level_names(self) -> tuple[str, ...]:
        count = len(self._levels.sets)
        if count == 1:
            return (self._table,)
        return tuple(f"{self._table}_{at + 1}" for at in range(count))

    def _release(self) -> None:
        """Add one boundary for each level."""
        wishes: Wishes = wishes_of(self._binder, self._select, self._block)
        for name, chosen in zip(self._level_names(), self._levels.sets, strict=True):
            keys = tuple(self._keys[each] for each in chosen)
            self._binder.boundaries.append(
                AggregateQuery(
                    name, self._block.relation, keys, tuple(self._released), wishes
                )
            )

    def _source(self) -> exp.Expr:
        """Return the released table, or those of all levels, one below the other."""
        names = self._level_names()
        if len(names) == 1:
            return released_table(self._table, self._table)
        sides = [
            self._level(name, at, chosen)
            for at, (name, chosen) in enumerate(
                zip(names, self._levels.sets, strict=True)
            )
        ]
        union: exp.Query = sides[0]
        for side in sides[1:]:
            union = exp.Union(this=union, expression=side, distinct=False)
        alias = exp.TableAlias(this=identifier(self._table))
        return exp.Subquery(this=union, alias=alias)

    def _level(self, name: str, at: int, chosen: Sequence[int]) -> exp.Select:
        """Return one level with all keys, NULL where it is not made by them."""
        made: list[exp.Expr] = []
        for index, key in enumerate(self._keys):
            value: exp.Expr = released_column(name, key.name)
            if index not in chosen:
                type_ = key_type(key.expression)
                to = exp.DataType.build(type_, dialect="duckdb")
                value = exp.Cast(this=exp.Null(), to=to)
            flag = exp.Literal.number("0" if index in chosen else "1")
            made.append(exp.Alias(this=value, alias=identifier(key.name)))
            made.append(exp.Alias(this=flag, alias=identifier(f"g{index}")))
        for index, aggregate in enumerate(self._released):
            column = released_column(name, f"a{index}")
            to = exp.DataType.build(
                ENGINE_TYPES[released_type(aggregate)], dialect="duckdb"
            )
            cast = exp.Cast(this=column, to=to)
            made.append(exp.Alias(this=cast, alias=identifier(f"a{index}")))
        number = exp.Add(
            this=exp.Literal.number(str(at * LEVEL)),
            expression=released_column(name, ROW),
        )
        made.append(exp.Alias(this=number, alias=identifier(ROW)))
        return exp.Select(
            expressions=made, from_=exp.From(this=released_table(name, name))
        )
