"""One SELECT of rows: WHERE, columns, groups inside a unit, or a DP boundary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.plan.analysis.carried_unit import says_unit
from dpquery.plan.expressions import (
    Expression,
    Literal,
    Ordering,
    Window,
    equals,
)
from dpquery.plan.relations import (
    Filter,
    Named,
    Owned,
    Project,
    Relation,
    Top,
)
from dpquery.plan.walk import made_column
from dpquery.policy.catalog import SqlType, fold
from dpquery.sql.queries.bound import Block, Bound, RowsQuery, named_columns
from dpquery.sql.queries.clauses import (
    check_clauses,
    count_of,
    has_subquery,
    is_aggregation,
    items,
    output_name,
)
from dpquery.sql.queries.groups import BoundaryBinder
from dpquery.sql.queries.keys import group_nodes
from dpquery.sql.queries.rows import BlockBinder
from dpquery.sql.queries.unit_groups import InnerGroupBinder
from dpquery.sql.queries.windows import WindowBinder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.sql.queries.binder import QueryBinder

FIRST = "__first"
"""The hidden column that numbers the rows of a DISTINCT ON."""


class SelectBinder:
    """Binds one SELECT whose FROM is bound as rows."""

    def __init__(self, binder: QueryBinder, select: exp.Select, block: Block) -> None:
        self._binder = binder
        self._select = select
        self._block = block

    def bind(self) -> Bound:
        """Return private rows, or the answer that they are aggregated to."""
        check_clauses(self._select, self._block)
        self._where()
        select, block = self._select, self._block
        grouped = is_aggregation(select)
        if not grouped and not select.args.get("distinct"):
            return self._projected(self._plain_binder(), block.relation)
        if not grouped and self._distinct_says_unit():
            return self._projected(self._plain_binder(), block.relation)
        if grouped and self._groups_say_unit():
            return self._grouped()
        return BoundaryBinder(self._binder, select, block).bind()

    def different(self) -> Block | None:
        """
        Return the rows of a SELECT that is only asked how many different rows it has.

        ``None`` where each of its rows belongs to one unit, or it is of another form.
        """
        check_clauses(self._select, self._block)
        self._where()
        select, block = self._select, self._block
        if is_aggregation(select):
            nodes = group_nodes(select, block)
            if nodes is None or self._groups_say_unit():
                return None
            made = BlockBinder(self._binder, block)
            values = [made.bind(node) for node in nodes]
        else:
            if self._distinct_says_unit():
                return None
            values = [each for _, each in self._columns(self._plain_binder())]
        block.distinct = tuple(values)
        return block

    def rows(self) -> RowsQuery:
        """Return public rows."""
        check_clauses(self._select, self._block)
        self._where()
        if is_aggregation(self._select):
            return self._grouped()
        return self._projected(self._plain_binder(), self._block.relation)

    def _plain_binder(self) -> WindowBinder:
        return WindowBinder(self._binder, self._block, self._select)

    # --- which kind it is --------------------------------------------------------

    def _groups_say_unit(self) -> bool:
        """Return whether each group has rows of one unit only."""
        rows = self._block.rows
        if not isinstance(rows, Owned):
            return True
        if rows.attached:
            return True
        nodes = group_nodes(self._select, self._block)
        if nodes is None:
            return False
        made = BlockBinder(self._binder, self._block)
        keys = tuple(Named("", made.bind(node)) for node in nodes)
        return says_unit(keys, rows)

    def _distinct_says_unit(self) -> bool:
        rows = self._block.rows
        if not isinstance(rows, Owned) or rows.attached:
            return True
        on = self._select.args["distinct"].args.get("on")
        nodes = on.expressions if isinstance(on, exp.Tuple) else [on] if on else None
        made = self._plain_binder()
        if nodes is None:
            named = self._columns(made)
        else:
            named = [("", made.bind(node)) for node in nodes]
        if says_unit(tuple(Named("", each) for _, each in named), rows):
            return True
        return nodes is not None  # DISTINCT ON is refused where the unit is lost

    # --- WHERE -------------------------------------------------------------------

    def _where(self) -> None:
        """Bind WHERE; what needs the unit of the row comes after what says it."""
        where = self._select.args.get("where")
        if where is None:
            return
        block = self._block
        parts = list(where.this.flatten()) if isinstance(where.this, exp.And) else None
        if parts is None or not has_subquery(where.this):
            block.filter(BlockBinder(self._binder, block).boolean(where.this))
            return
        for part in sorted(parts, key=has_subquery):
            block.filter(BlockBinder(self._binder, block).boolean(part))

    # --- columns -----------------------------------------------------------------

    def _columns(self, made: WindowBinder) -> list[tuple[str, Expression]]:
        """Bind what stands behind SELECT, ``*`` written out."""
        found: list[tuple[str, Expression]] = []
        for item in items(self._select, self._block):
            star = _star(item)
            if star is not None:
                found += self._stars(item, star, made)
            else:
                bound = made.bind(item.unalias())
                found.append((output_name(item, self._block), bound))
        return found

    def _stars(
        self, item: exp.Expr, star: exp.Star, made: WindowBinder
    ) -> list[tuple[str, Expression]]:
        scope = self._block.scope
        columns = scope.stars()
        if isinstance(item, exp.Column):
            table = scope.table(item.table)
            if table is None:
                scope.column("*", item.table, self._block.place(item))
            columns = [] if table is None else list(table.columns)
        out = {fold(each.name) for each in star.args.get("except_") or []}
        instead = {fold(e.alias): e.this for e in star.args.get("replace") or []}
        return [
            (name, made.bind(instead[fold(name)]) if fold(name) in instead else column)
            for name, column in columns
            if fold(name) not in out
        ]

    def _projected(self, made: WindowBinder, relation: Relation | None) -> RowsQuery:
        """Return the columns of SELECT, with QUALIFY, DISTINCT and LIMIT applied."""
        select, block = self._select, self._block
        columns = self._columns(made)
        name = self._binder.names.unique("query")
        made.set_columns(name, columns)
        named = named_columns(columns)
        shown = [
            (called, made_column(name, each))
            for (called, _), each in zip(columns, named, strict=True)
        ]
        distinct = select.args.get("distinct")
        on = None if distinct is None else distinct.args.get("on")
        order = self._order(made)
        hidden = [] if on is None else [self._first(made, on, order)]
        qualify = made.qualify(select.args.get("qualify"))
        source = made.source() if relation is None else relation
        limit = self._limit()
        if limit is not None and distinct is None and qualify is None:
            source = Top(source, order, limit, block.place(select.args["limit"]))
        project: Relation = Project(
            source,
            name,
            (*named, *hidden, *made.hidden),
            distinct=distinct is not None and on is None,
            place=block.place(distinct or select),
        )
        if on is not None:
            first = made_column(name, hidden[0])
            project = Filter(project, equals(first, Literal(1, SqlType.INTEGER)))
        if qualify is not None:
            project = Filter(project, qualify)
        if limit is not None and not isinstance(source, Top):
            project = self._first_of(project, name, columns, order, limit)
        return RowsQuery(project, tuple(shown))

    def _first_of(
        self,
        project: Relation,
        name: str,
        columns: Sequence[tuple[str, Expression]],
        order: tuple[Ordering, ...],
        limit: int,
    ) -> Relation:
        """Return the first rows of a SELECT list that is distinct or qualified."""
        place = self._block.place(self._select.args["limit"])
        by: list[Ordering] = []
        for each in order:
            at = next(
                (i for i, (_, e) in enumerate(columns) if e == each.expression), None
            )
            if at is None:
                msg = "ORDER BY with LIMIT behind DISTINCT or QUALIFY orders by columns"
                hint = "select what it orders by"
                raise self._block.refusal(self._select, msg, "DPQ130", hint)
            column = made_column(name, named_columns(columns)[at])
            by.append(Ordering(column, each.descending, each.nulls_first))
        return Top(project, tuple(by), limit, place)

    def _order(self, made: WindowBinder) -> tuple[Ordering, ...]:
        """Bind ORDER BY where it decides which rows there are."""
        select = self._select
        needed = select.args.get("limit") or (
            select.args.get("distinct") and select.args["distinct"].args.get("on")
        )
        return made.ordering(select.args.get("order")) if needed else ()

    def _limit(self) -> int | None:
        if self._select.args.get("offset"):
            msg = "OFFSET of rows is not supported"
            hint = "number the rows with ROW_NUMBER() and use QUALIFY"
            raise self._block.refusal(self._select.args["offset"], msg, "DPQ130", hint)
        return count_of(self._select, "limit", self._block)

    def _first(
        self, made: WindowBinder, on: exp.Expr, order: tuple[Ordering, ...]
    ) -> Named:
        """Return the number of a row among those that DISTINCT ON takes for one."""
        nodes = on.expressions if isinstance(on, exp.Tuple) else [on]
        partition = tuple(made.bind(node) for node in nodes)
        rest = order[len(partition) :] if order else ()
        window = Window(
            "row_number",
            (),
            partition,
            rest,
            None,
            SqlType.INTEGER,
            place=self._block.place(on),
        )
        return Named(FIRST, window)

    # --- groups inside a unit ----------------------------------------------------

    def _grouped(self) -> RowsQuery:
        """Return groups each of which belongs to one unit, or to nobody."""
        nodes = group_nodes(self._select, self._block)
        if nodes is None:
            msg = "several levels of GROUP BY inside a unit are not supported"
            hint = "ask for each level in a query of its own"
            place = self._select.args["group"]
            raise self._block.refusal(place, msg, "DPQ117", hint)
        made = InnerGroupBinder(self._binder, self._block, self._select, nodes)
        having = self._select.args.get("having")
        if having is not None:
            made.set_having(having.this)
        return self._projected(made, None)


def _star(item: exp.Expr) -> exp.Star | None:
    """Return the ``*`` that an item is, alone or behind a table."""
    if isinstance(item, exp.Star):
        return item
    if isinstance(item, exp.Column) and isinstance(item.this, exp.Star):
        return item.this
    return None
