"""Expressions over groups: aggregates, group keys, and arithmetic on both.

Everything bound here is over released columns, so it is post-processing: free, and
as safe as the released numbers themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.plan.aggregates import Aggregate, Average, Count, CountUnits, Sum
from dpquery.plan.expressions import (
    NUMERIC,
    Cast,
    ColumnRef,
    Expression,
    Literal,
)
from dpquery.plan.program import GroupKey, Ordering
from dpquery.plan.rewrite.decompose_aggregates import released_type
from dpquery.policy.catalog import SqlType, fold
from dpquery.sql.bind_expressions import RowBinder
from dpquery.sql.literals import count_literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.sql.scope import Scope


class GroupBinder(RowBinder):
    """Binds SELECT, HAVING and ORDER BY; collects the aggregates it meets."""

    def __init__(
        self, sql: str, scope: Scope, units: tuple[ColumnRef, ...], released: str
    ) -> None:
        super().__init__(sql, scope)
        self._rows = RowBinder(sql, scope)
        self._units = units
        self._released = released
        self._keys: tuple[GroupKey, ...] = ()
        self._aliases: dict[str, Expression] = {}
        self._aggregates: list[Aggregate] = []

    @property
    def aggregates(self) -> tuple[Aggregate, ...]:
        """The aggregates met so far, each one once; ``a0``, ``a1``, … in order."""
        return tuple(self._aggregates)

    def set_keys(self, keys: Sequence[GroupKey]) -> None:
        """Say what GROUP BY has."""
        self._keys = tuple(keys)

    def set_aliases(self, aliases: dict[str, Expression]) -> None:
        """Say what SELECT's aliases mean, for HAVING and ORDER BY."""
        self._aliases = aliases

    def bind(self, node: exp.Expr) -> Expression:
        """Return *node* over released columns."""
        if isinstance(node, exp.Count | exp.Sum | exp.Avg):
            return self._aggregate(node)
        if self._keys and node.find(exp.AggFunc) is None:
            found = self._key(node)
            if found is not None:
                return found
        return super().bind(node)

    def column(self, node: exp.Column) -> Expression:
        """Bind an alias of SELECT, or refuse a column that is not grouped by."""
        if not node.table and fold(node.name) in self._aliases:
            return self._aliases[fold(node.name)]
        bound = super().column(node)
        hint = f"GROUP BY {node.name}"
        if bound.type in NUMERIC:
            hint += f", or aggregate it: AVG({node.name})"
        name = bound.name if isinstance(bound, ColumnRef) else node.name
        message = f"{name} has many values in a group"
        raise self.refusal(node, message, "DPQ124", hint)

    def ordering(
        self, order: exp.Order | None, outputs: list[Expression]
    ) -> tuple[Ordering, ...]:
        """Bind ORDER BY; positions and aliases stand for items of SELECT."""
        if order is None:
            return ()
        found = []
        for node in order.expressions:
            if not isinstance(node, exp.Ordered) or node.args.get("with_fill"):
                self.unknown(node)
            descending = bool(node.args.get("desc"))
            nulls_first = bool(node.args.get("nulls_first"))
            found += [
                Ordering(bound, descending, nulls_first)
                for bound in self._ordered(node.this, outputs)
            ]
        return tuple(found)

    def _ordered(self, node: exp.Expr, outputs: list[Expression]) -> list[Expression]:
        if isinstance(node, exp.Var) and fold(node.name) == "all":
            return outputs
        if isinstance(node, exp.Literal) and not node.is_string:
            position = count_literal(node.name)
            if position is None or not 1 <= position <= len(outputs):
                msg = f"ORDER BY {node.name[:20]} names no column of SELECT"
                raise self.refusal(node, msg, "DPQ102", f"1 to {len(outputs)}")
            return [outputs[position - 1]]
        if isinstance(node, exp.Column) and not node.table:
            alias = self._aliases.get(fold(node.name))
            if alias is not None:
                return [alias]
        return [self.bind(node)]

    def _key(self, node: exp.Expr) -> Expression | None:
        """Return the released column of the group key that *node* is."""
        if isinstance(node, exp.Literal | exp.Boolean | exp.Null):
            return None
        named = (each for each in node.find_all(exp.Column) if not each.table)
        if any(fold(each.name) in self._aliases for each in named):
            return None
        bound = self._rows.bind(node)
        for key in self._keys:
            if bound == key.expression:
                return ColumnRef(self._released, key.name, bound.type)
        return None

    def _aggregate(self, node: exp.Count | exp.Sum | exp.Avg) -> ColumnRef:
        """Bind an aggregate to its released column; equal ones share one."""
        inner = node.this
        if inner is not None and inner.find(exp.AggFunc) is not None:
            raise self.refusal(
                node,
                "an aggregate of an aggregate needs a subquery",
                "DPQ117",
                "ask the inner query first, and compute with its answer",
            )
        aggregate = self._measured(node)
        if aggregate not in self._aggregates:
            self._aggregates.append(aggregate)
        index = self._aggregates.index(aggregate)
        return ColumnRef(self._released, f"a{index}", released_type(aggregate))

    def _measured(self, node: exp.Count | exp.Sum | exp.Avg) -> Aggregate:
        place, inner = self.place(node), node.this
        if isinstance(inner, exp.Distinct):
            return self._distinct(node, inner)
        if isinstance(node, exp.Count):
            if node.expressions:
                raise self.refusal(node, "COUNT takes one argument", "DPQ105")
            if inner is None or isinstance(inner, exp.Star):
                return Count(None, place)
            argument = self._rows.bind(inner)
            if isinstance(argument, Literal) and not argument.null:
                return Count(None, place)  # COUNT(1) counts rows
            return Count(argument, place)
        argument = self._number(node, self._rows.bind(inner))
        kind = Sum if isinstance(node, exp.Sum) else Average
        return kind(argument, place)

    def _number(self, node: exp.Expr, argument: Expression) -> Expression:
        """Return the argument of SUM or AVG as a number; booleans are 0 and 1."""
        if argument.type is SqlType.BOOLEAN:
            return Cast(argument, SqlType.INTEGER)
        if argument.type in NUMERIC:
            return argument
        name = type(node).__name__.upper()
        hint = "convert it: TRY_CAST(… AS DOUBLE); what does not fit is left out"
        raise self.refusal(
            node, f"{name} takes numbers, not {argument.type}", "DPQ105", hint
        )

    def _distinct(self, node: exp.Expr, inner: exp.Distinct) -> Aggregate:
        """Bind COUNT(DISTINCT unit), the one DISTINCT that is answered."""
        parts = inner.expressions
        counted = isinstance(node, exp.Count) and len(parts) == 1
        if counted and self._rows.bind(parts[0]) in self._units:
            return CountUnits(self.place(node))
        raise self.refusal(
            node,
            "DISTINCT is answered for the privacy unit only, as yet",
            "DPQ121",
            "COUNT(DISTINCT unit column), or GROUP BY the column and count groups",
        )
