"""Columns of a SELECT of rows: window functions, aliases, QUALIFY and ORDER BY."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.plan.analysis.summed import digits_of
from dpquery.plan.expressions import (
    NUMERIC,
    Expression,
    Frame,
    Literal,
    Ordering,
    Window,
    where_true,
)
from dpquery.plan.relations import Named, Relation
from dpquery.plan.walk import made_column
from dpquery.policy.catalog import SqlType, fold
from dpquery.sql.literals import as_type, count_literal
from dpquery.sql.queries.bound import named_columns
from dpquery.sql.queries.rows import BlockBinder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.sql.queries.binder import QueryBinder
    from dpquery.sql.queries.bound import Block

_RANKS: dict[type[exp.Expr], str] = {
    exp.RowNumber: "row_number",
    exp.Rank: "rank",
    exp.DenseRank: "dense_rank",
    exp.PercentRank: "percent_rank",
    exp.CumeDist: "cume_dist",
    exp.Ntile: "ntile",
}
_SHIFTS: dict[type[exp.Expr], str] = {exp.Lag: "lag", exp.Lead: "lead"}
_VALUES: dict[type[exp.Expr], str] = {
    exp.FirstValue: "first_value",
    exp.LastValue: "last_value",
    exp.NthValue: "nth_value",
    exp.First: "first_value",
    exp.Last: "last_value",
}
_SUMS: dict[type[exp.Expr], str] = {
    exp.Count: "count",
    exp.Sum: "sum",
    exp.Avg: "avg",
    exp.Min: "min",
    exp.Max: "max",
}
MAX_SHIFT = 1000
"""Rows that LAG, LEAD, NTILE and frames count."""


class WindowBinder(BlockBinder):
    """Binds what stands behind SELECT, in ORDER BY and in QUALIFY."""

    def __init__(self, binder: QueryBinder, block: Block, select: exp.Select) -> None:
        super().__init__(binder, block)
        self._windows = {
            fold(each.name): each for each in select.args.get("windows") or []
        }
        self._project = ""
        self._columns: list[tuple[str, Expression]] = []
        self.hidden: list[Named] = []
        """Columns that QUALIFY needs and SELECT does not show."""

    def source(self) -> Relation:
        """Return the relation whose columns are read."""
        return self.block.relation

    def special(self, node: exp.Expr) -> Expression:
        """Bind a window function, or what reads more than the row."""
        if isinstance(node, exp.Window):
            return self._window(node)
        return super().special(node)

    # --- what the SELECT list is -------------------------------------------------

    def set_columns(self, name: str, columns: Sequence[tuple[str, Expression]]) -> None:
        """Say what the SELECT list makes, for ORDER BY and QUALIFY."""
        self._project = name
        self._columns = list(columns)

    def alias(self, node: exp.Expr) -> Expression | None:
        """Return what an alias of the SELECT list stands for."""
        if not isinstance(node, exp.Column) or node.table:
            return None
        if self.block.scope.has(node.name):
            return None
        found = (e for called, e in self._columns if fold(called) == fold(node.name))
        return next(found, None)

    def ordering(self, order: exp.Order | None) -> tuple[Ordering, ...]:
        """Bind ORDER BY; positions and aliases stand for items of SELECT."""
        found = []
        for node in [] if order is None else order.expressions:
            if not isinstance(node, exp.Ordered) or node.args.get("with_fill"):
                self.unknown(node)
            bound = self.alias(node.this) or self._positioned(node.this)
            if bound is None:
                bound = self.bind(node.this)
            descending = bool(node.args.get("desc"))
            found.append(
                Ordering(bound, descending, bool(node.args.get("nulls_first")))
            )
        return tuple(found)

    def _positioned(self, node: exp.Expr) -> Expression | None:
        if not isinstance(node, exp.Literal) or node.is_string:
            return None
        position = count_literal(node.name)
        if position is None or not 1 <= position <= len(self._columns):
            msg = f"ORDER BY {node.name[:20]} names no column of SELECT"
            raise self.refusal(node, msg, "DPQ102", f"1 to {len(self._columns)}")
        return self._columns[position - 1][1]

    def qualify(self, clause: exp.Qualify | None) -> Expression | None:
        """Bind QUALIFY over the columns of the SELECT list, hidden ones included."""
        return None if clause is None else _Shown(self).boolean(clause.this)

    def shown(self, expression: Expression) -> Expression:
        """Return the column of the SELECT list that is *expression*; hidden if new."""
        named = [*named_columns(self._columns), *self.hidden]
        for each in named:
            if each.expression == expression:
                return made_column(self._project, each)
        hidden = Named(f"__q{len(self.hidden)}", expression)
        self.hidden.append(hidden)
        return made_column(self._project, hidden)

    # --- windows -----------------------------------------------------------------

    def _window(self, node: exp.Window) -> Expression:
        function, where = node.this, None
        if isinstance(function, exp.Filter):
            where, function = self.boolean(function.expression.this), function.this
        name, arguments = self._called(function)
        if where is not None:
            arguments = self._filtered(node, name, arguments, where)
        partition, order, spec = self._over(node)
        bound = tuple(self.bind(each) for each in partition)
        ordered = self.ordering(order)
        type_, arguments = self._type(node, name, arguments)
        digits = digits_of(arguments[0], self.source()) if arguments else 0
        frame = None if name in _RANKS.values() else self._frame(spec)
        place = self.place(node)
        return Window(name, arguments, bound, ordered, frame, type_, digits, place)

    def _over(
        self, node: exp.Window
    ) -> tuple[list[exp.Expr], exp.Order | None, exp.Expr | None]:
        """Return partition, order and frame, those of a named window first."""
        partition = list(node.args.get("partition_by") or [])
        order, spec = node.args.get("order"), node.args.get("spec")
        named = node.args.get("alias")
        if named is not None:
            base = self._windows.get(fold(named.name))
            if base is None:
                msg = f"there is no window {named.name}"
                raise self.refusal(node, msg, "DPQ102", "name it in a WINDOW clause")
            inherited = self._over(base)
            partition = partition or inherited[0]
            order, spec = order or inherited[1], spec or inherited[2]
        return partition, order, spec

    def _called(self, node: exp.Expr) -> tuple[str, tuple[Expression, ...]]:
        kind = type(node)
        if kind in _RANKS:
            buckets = (self._number(node.this, node),) if kind is exp.Ntile else ()
            return _RANKS[kind], buckets
        if kind in _SHIFTS:
            return _SHIFTS[kind], self._shift(node)
        if kind in _VALUES:
            more = node.args.get("offset") if kind is exp.NthValue else None
            at = () if more is None else (self._number(more, node),)
            return _VALUES[kind], (self.bind(node.this), *at)
        if kind in _SUMS and not isinstance(node.this, exp.Distinct):
            if kind is exp.Count and isinstance(node.this, exp.Star | None):
                return _SUMS[kind], ()
            return _SUMS[kind], (self.bind(node.this),)
        hint = (
            "ROW_NUMBER, RANK, DENSE_RANK, NTILE, LAG, LEAD, FIRST_VALUE, LAST_VALUE,\n"
            "NTH_VALUE, COUNT, SUM, AVG, MIN and MAX are answered"
        )
        name = node.sql_name() if isinstance(node, exp.Func) else node.key
        msg = f"{name} is not supported as a window function"
        raise self.refusal(node, msg, "DPQ114", hint)

    def _shift(self, node: exp.Expr) -> tuple[Expression, ...]:
        value = self.bind(node.this)
        offset = node.args.get("offset")
        by: Expression = Literal(1, SqlType.INTEGER)
        if offset is not None:
            by = self._number(offset, node)
        default = node.args.get("default")
        if default is None:
            return (value, by)
        parts = [value, self.bind(default)]
        type_ = self.common(node, parts)
        return (as_type(parts[0], type_), by, as_type(parts[1], type_))

    def _number(self, node: exp.Expr, within: exp.Expr) -> Literal:
        bound = self.bind(node)
        value = bound.value if isinstance(bound, Literal) else None
        if isinstance(bound, Literal) and value in range(MAX_SHIFT + 1):
            return bound
        msg = f"this takes a constant from 0 to {MAX_SHIFT}"
        raise self.refusal(within, msg, "DPQ107")

    def _filtered(
        self,
        node: exp.Expr,
        name: str,
        arguments: tuple[Expression, ...],
        where: Expression,
    ) -> tuple[Expression, ...]:
        if name not in _SUMS.values():
            raise self.refusal(node, "FILTER goes with aggregates", "DPQ114")
        value = arguments[0] if arguments else Literal(1, SqlType.INTEGER)
        return (where_true(where, value),)

    def _type(
        self, node: exp.Expr, name: str, arguments: tuple[Expression, ...]
    ) -> tuple[SqlType, tuple[Expression, ...]]:
        """Return the type of the function, and its arguments in the type it takes."""
        if name in {"percent_rank", "cume_dist"}:
            return SqlType.DOUBLE, arguments
        if name in {"count", *_RANKS.values()}:
            return SqlType.INTEGER, arguments
        if name not in {"sum", "avg"}:
            return arguments[0].type, arguments
        return self.summed(node, name, arguments[0])

    def summed(
        self, node: exp.Expr, name: str, argument: Expression
    ) -> tuple[SqlType, tuple[Expression, ...]]:
        """Return the type of a sum or mean inside a unit, and its argument."""
        if argument.type is SqlType.BOOLEAN:
            argument = as_type(argument, SqlType.INTEGER)
        if argument.type not in NUMERIC:
            hint = "convert it: TRY_CAST(… AS DOUBLE); what does not fit is left out"
            msg = f"{name.upper()} takes numbers, not {argument.type}"
            raise self.refusal(node, msg, "DPQ105", hint)
        whole = name == "sum" and argument.type is SqlType.INTEGER
        return SqlType.INTEGER if whole else SqlType.DOUBLE, (argument,)

    def _frame(self, spec: exp.Expr | None) -> Frame | None:
        if spec is None:
            return None
        rows = str(spec.args.get("kind") or "").upper() == "ROWS"
        if spec.args.get("exclude"):
            raise self.refusal(spec, "EXCLUDE in a frame is not supported", "DPQ114")
        start = self._end(spec, "start", "start_side")
        end = self._end(spec, "end", "end_side") if spec.args.get("end") else 0
        if not rows and {start, end} - {None, 0}:
            hint = "ROWS BETWEEN …, or RANGE between UNBOUNDED and CURRENT ROW"
            msg = "distances in RANGE frames are not supported"
            raise self.refusal(spec, msg, "DPQ114", hint)
        return Frame(rows, start, end)

    def _end(self, spec: exp.Expr, key: str, side: str) -> int | None:
        value = spec.args.get(key)
        text = value if isinstance(value, str) else ""
        if text == "CURRENT ROW":
            return 0
        if text == "UNBOUNDED":
            return None
        count = self._number(value, spec).value if isinstance(value, exp.Expr) else None
        if not isinstance(count, int):
            raise self.refusal(spec, "this frame is not supported", "DPQ114")
        return -count if spec.args.get(side) == "PRECEDING" else count


class _Shown(BlockBinder):
    """Binds QUALIFY over the columns of the SELECT list."""

    def __init__(self, inner: WindowBinder) -> None:
        super().__init__(inner.binder, inner.block)
        self._inner = inner

    def bind(self, node: exp.Expr | None) -> Expression:
        """Return *node* over columns of the SELECT list."""
        if isinstance(node, exp.Window | exp.Column | exp.AggFunc):
            bound = self._inner.alias(node)
            return self._inner.shown(self._inner.bind(node) if bound is None else bound)
        return super().bind(node)
