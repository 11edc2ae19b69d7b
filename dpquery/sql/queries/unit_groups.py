"""Groups inside a unit, or of public rows: exact aggregates that a later one reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.plan.analysis.summed import digits_of
from dpquery.plan.expressions import (
    NUMERIC,
    Aggregated,
    ColumnRef,
    Expression,
    Literal,
    both,
    where_true,
)
from dpquery.plan.relations import Filter, Group, Named, Relation
from dpquery.plan.walk import columns, made_column
from dpquery.policy.catalog import SqlType
from dpquery.sql.queries.bound import column_name
from dpquery.sql.queries.clauses import has_options, is_aggregate
from dpquery.sql.queries.quantiles import fractions_of
from dpquery.sql.queries.rows import BlockBinder
from dpquery.sql.queries.windows import WindowBinder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.sql.queries.binder import QueryBinder
    from dpquery.sql.queries.bound import Block

_SPREADS: dict[type[exp.Expr], str] = {
    exp.Variance: "var_samp",
    exp.VariancePop: "var_pop",
    exp.Stddev: "stddev_samp",
    exp.StddevSamp: "stddev_samp",
    exp.StddevPop: "stddev_pop",
}
_ENDS: dict[type[exp.Expr], str] = {exp.Min: "min", exp.Max: "max"}
_TESTS: dict[type[exp.Expr], str] = {
    exp.LogicalOr: "bool_or",
    exp.LogicalAnd: "bool_and",
}
_LISTED = (
    "COUNT, SUM, AVG, MIN, MAX, MEDIAN, quantiles, variances, BOOL_OR and BOOL_AND\n"
    "can be computed for each unit"
)


class InnerGroupBinder(WindowBinder):
    """Binds SELECT, HAVING and ORDER BY over groups; collects their aggregates."""

    def __init__(
        self,
        binder: QueryBinder,
        block: Block,
        select: exp.Select,
        nodes: Sequence[exp.Expr],
    ) -> None:
        super().__init__(binder, block, select)
        self._rows = BlockBinder(binder, block)
        self._name = binder.names.unique("grouped")
        self._select_node = select
        self._taken: set[str] = set()
        self._keys: list[Named] = []
        self._aggregates: list[Named] = []
        self._having: Expression | None = None
        for node in nodes:
            bound = self._rows.bind(node)
            if all(bound != key.expression for key in self._keys):
                self._keys.append(Named(self._key_name(bound), bound))

    def _key_name(self, bound: Expression) -> str:
        called = bound.name if isinstance(bound, ColumnRef) else ""
        return column_name(called, f"k{len(self._keys)}", self._taken)

    def set_having(self, node: exp.Expr) -> None:
        """Say which groups are kept."""
        self._having = self.boolean(node)

    def source(self) -> Relation:
        """Return the groups, with all aggregates that were met."""
        group: Relation = Group(
            self.block.relation,
            self._name,
            tuple(self._keys),
            tuple(self._aggregates),
            self.block.place(self._select_node),
        )
        return group if self._having is None else Filter(group, self._having)

    def bind(self, node: exp.Expr | None) -> Expression:
        """Return *node* over the columns of the groups."""
        if node is None or isinstance(node, exp.Window):
            return super().bind(node)
        if is_aggregate(node) or isinstance(node, exp.Filter | exp.WithinGroup):
            return self._column(self._of_group(node))
        if not any(map(is_aggregate, node.walk())):
            found = self._key(node)
            if found is not None:
                return found
        return super().bind(node)

    def column(self, node: exp.Column) -> Expression:
        """Refuse a column that has many values in a group."""
        alias = self.alias(node)
        if alias is not None:
            return alias
        bound = super().column(node)
        if isinstance(bound, ColumnRef) and bound.relation not in self._inside():
            return bound  # of the row outside a subquery
        hint = f"GROUP BY {node.name}"
        if bound.type in NUMERIC:
            hint += f", or aggregate it: AVG({node.name})"
        msg = f"{node.name} has many values in a group"
        raise self.refusal(node, msg, "DPQ124", hint)

    def _inside(self) -> frozenset[str]:
        return self.block.scope.own_names()

    def _key(self, node: exp.Expr) -> Expression | None:
        if isinstance(node, exp.Literal | exp.Boolean | exp.Null):
            return None
        if self.alias(node) is not None:
            return None
        bound = self._rows.bind(node)
        for key in self._keys:
            if bound == key.expression:
                return made_column(self._name, key)
        return None

    def _column(self, aggregate: Aggregated) -> ColumnRef:
        for each in self._aggregates:
            if each.expression == aggregate:
                return made_column(self._name, each)
        name = column_name("", f"a{len(self._aggregates)}", self._taken)
        named = Named(name, aggregate)
        self._aggregates.append(named)
        return made_column(self._name, named)

    # --- aggregates --------------------------------------------------------------

    def _of_group(self, node: exp.Expr) -> Aggregated:
        """Return an aggregate of the group's rows, and refuse one of those outside."""
        aggregate = self._aggregate(node)
        read = {column.relation for column in columns(aggregate)}
        if read and not read & self._inside():
            msg = "this aggregate is of the rows outside of its subquery"
            hint = "aggregate a column of the subquery's own tables"
            raise self.refusal(node, msg, "DPQ117", hint)
        return aggregate

    def _aggregate(self, node: exp.Expr) -> Aggregated:
        where = None
        if isinstance(node, exp.Filter):
            where, node = self._rows.boolean(node.expression.this), node.this
        if isinstance(node, exp.Count | exp.CountIf | exp.ApproxDistinct):
            return self._count(node, where)
        kind = type(node)
        inner = node.this
        distinct = isinstance(inner, exp.Distinct)
        if distinct and len(inner.expressions) == 1:
            inner = inner.expressions[0]
        if kind in {exp.Sum, exp.Avg} and isinstance(inner, exp.Expr):
            name = "sum" if kind is exp.Sum else "avg"
            type_, (value,) = self.summed(node, name, self._rows.bind(inner))
            digits = digits_of(value, self.block.relation)
            return Aggregated(
                name, (where_true(where, value),), distinct, type_, digits
            )
        if kind in _ENDS and not has_options(node):
            value = self._rows.bind(inner)
            return Aggregated(
                _ENDS[kind], (where_true(where, value),), False, value.type
            )
        if kind in _TESTS:
            value = where_true(where, self._rows.boolean(inner))
            return Aggregated(_TESTS[kind], (value,), False, SqlType.BOOLEAN)
        if kind in _SPREADS:
            type_, (value,) = self.summed(node, "avg", self._rows.bind(inner))
            digits = digits_of(value, self.block.relation)
            return Aggregated(
                _SPREADS[kind], (where_true(where, value),), False, type_, digits
            )
        return self._quantile(node, where)

    def _count(self, node: exp.Expr, where: Expression | None) -> Aggregated:
        inner = node.this
        if isinstance(node, exp.CountIf):
            where = both(where, self._rows.boolean(inner))
            inner = None
        if isinstance(node, exp.ApproxDistinct):
            inner = exp.Distinct(expressions=[inner])
        if isinstance(inner, exp.Distinct):
            if len(inner.expressions) != 1:
                raise self.refusal(node, "COUNT(DISTINCT …) takes one value", "DPQ105")
            value = self._rows.bind(inner.expressions[0])
            return Aggregated(
                "count", (where_true(where, value),), True, SqlType.INTEGER
            )
        if inner is None or isinstance(inner, exp.Star):
            one = Literal(1, SqlType.INTEGER)
            arguments = () if where is None else (where_true(where, one),)
            return Aggregated("count", arguments, False, SqlType.INTEGER)
        value = where_true(where, self._rows.bind(inner))
        return Aggregated("count", (value,), False, SqlType.INTEGER)

    def _quantile(self, node: exp.Expr, where: Expression | None) -> Aggregated:
        wanted = fractions_of(node)
        if wanted is None or len(wanted.fractions) != 1:
            name = node.sql_name() if isinstance(node, exp.Func) else node.key.upper()
            if isinstance(node, exp.Anonymous):
                name = str(node.this).upper()
            msg = f"{name} cannot be computed for each unit"
            raise self.refusal(node, msg, "DPQ121", _LISTED)
        value = self._rows.bind(wanted.value)
        if value.type not in NUMERIC:
            msg = f"a quantile is taken of numbers, not {value.type}"
            raise self.refusal(node, msg, "DPQ105")
        name = "quantile_cont" if wanted.continuous else "quantile_disc"
        type_ = SqlType.DOUBLE if wanted.continuous else value.type
        fraction = Literal(wanted.fractions[0], SqlType.DOUBLE)
        return Aggregated(name, (where_true(where, value), fraction), False, type_)
