"""Aggregates at the DP boundary: which are measured, of what, within which bounds."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from sqlglot import exp

from dpquery.plan.aggregates import (
    Aggregate,
    AnyRow,
    Average,
    Clamp,
    Count,
    CountDistinct,
    CountUnits,
    Extreme,
    Pair,
    PairKind,
    Quantile,
    Spread,
    SpreadKind,
    Sum,
)
from dpquery.plan.expressions import (
    NUMERIC,
    TEMPORAL,
    Call,
    Case,
    Cast,
    Expression,
    Literal,
    both,
    where_true,
)
from dpquery.plan.relations import Owned
from dpquery.policy.catalog import SqlType, fold
from dpquery.sql.literals import as_type, common_type
from dpquery.sql.queries.clauses import aggregated, has_options
from dpquery.sql.queries.quantiles import fractions_of
from dpquery.sql.queries.rows import BlockBinder
from dpquery.sql.queries.wishes import clamp_of

if TYPE_CHECKING:
    from dpquery.sql.queries.binder import QueryBinder
    from dpquery.sql.queries.bound import Block

_SPREADS: dict[type[exp.Expr], SpreadKind] = {
    exp.Variance: SpreadKind.VAR_SAMP,
    exp.VariancePop: SpreadKind.VAR_POP,
    exp.Stddev: SpreadKind.STDDEV_SAMP,
    exp.StddevSamp: SpreadKind.STDDEV_SAMP,
    exp.StddevPop: SpreadKind.STDDEV_POP,
}
_PAIRS: dict[type[exp.Expr], PairKind] = {
    exp.Corr: PairKind.CORR,
    exp.CovarPop: PairKind.COVAR_POP,
    exp.CovarSamp: PairKind.COVAR_SAMP,
    **{
        getattr(exp, name): PairKind[kind]
        for name, kind in (
            ("RegrSlope", "REGR_SLOPE"),
            ("RegrIntercept", "REGR_INTERCEPT"),
            ("RegrR2", "REGR_R2"),
            ("RegrCount", "REGR_COUNT"),
            ("RegrAvgx", "REGR_AVGX"),
            ("RegrAvgy", "REGR_AVGY"),
            ("RegrSxx", "REGR_SXX"),
            ("RegrSyy", "REGR_SYY"),
            ("RegrSxy", "REGR_SXY"),
        )
        if hasattr(exp, name)
    },
}
LARGEST_DENOMINATOR = 10_000
"""Quantiles are taken at fractions of at most this denominator."""
_ANSWERED = (
    "COUNT, SUM, AVG, VAR_POP, STDDEV, CORR, MIN, MAX, MEDIAN and other quantiles,\n"
    "COUNT(DISTINCT x), COUNT_IF, BOOL_OR, BOOL_AND are answered"
)


@dataclass(frozen=True, slots=True)
class BoundAggregates:
    """What one call asks for: one aggregate, or several quantiles as a list."""

    aggregates: tuple[Aggregate, ...]
    as_list: bool = False


class AggregateBinder:
    """Binds the aggregates of one boundary."""

    def __init__(self, binder: QueryBinder, block: Block) -> None:
        self._block = block
        self._rows = BlockBinder(binder, block)

    def bind(self, node: exp.Expr) -> BoundAggregates:
        """
        Return what *node* asks for.

        Raises:
            QueryRefused: no rule is for it, or its argument has a wrong type.
        """
        where = None
        call = node
        if isinstance(node, exp.Filter):
            call = node.this
            where = self._rows.boolean(node.expression.this)
        self._check_inside(call)
        if self._block.distinct is not None:
            self._check_distinct(call)
        quantiles = fractions_of(call)
        if quantiles is not None:
            value = self._ranked(call, self._rows.bind(quantiles.value), where)
            return BoundAggregates(
                tuple(
                    self._quantile(call, value, Fraction(each), quantiles.continuous)
                    for each in quantiles.fractions
                ),
                quantiles.as_list,
            )
        return BoundAggregates((self._one(call, where),))

    def _check_inside(self, node: exp.Expr) -> None:
        inner = [node.this, node.args.get("expression"), *node.expressions]
        if isinstance(node, exp.WithinGroup):
            inner = [node.expression]
        for part in inner:
            if isinstance(part, exp.Expr) and aggregated(part):
                msg = "an aggregate of an aggregate needs a subquery"
                hint = "SELECT AVG(n) FROM (SELECT …, COUNT(*) AS n … GROUP BY …)"
                raise self._block.refusal(node, msg, "DPQ117", hint)

    def _check_distinct(self, node: exp.Expr) -> None:
        """Refuse what would see a row of SELECT DISTINCT, or of EXISTS, many times."""
        counted = node.this if isinstance(node, exp.Count) else None
        once = (exp.ApproxDistinct, exp.Min, exp.Max, exp.LogicalOr, exp.LogicalAnd)
        rows = isinstance(counted, exp.Star | exp.Literal | exp.Distinct)
        if rows or isinstance(node, once):
            return
        msg = "this would count a row once for each private row that is behind it"
        hint = (
            "COUNT(*), COUNT(DISTINCT x), MIN, MAX, BOOL_OR and BOOL_AND are answered"
        )
        raise self._block.refusal(node, msg, "DPQ111", hint)

    def _one(self, node: exp.Expr, where: Expression | None) -> Aggregate:
        kind, place = type(node), self._block.place(node)
        match node:
            case exp.Count() | exp.CountIf() | exp.ApproxDistinct():
                return self._count(node, where)
            case exp.Anonymous() if fold(str(node.this)) == "count_star":
                return self._rows_counted(node, where)
            case exp.Sum() | exp.Avg():
                return self._total(node, where)
            case exp.Min() | exp.Max() if not has_options(node):
                value = self._ranked(node, self._rows.bind(node.this), where)
                return Extreme(value, isinstance(node, exp.Max), place)
            case exp.LogicalOr() | exp.LogicalAnd():
                return self._any(node, where)
            case _:
                pass
        if kind in _SPREADS:
            value = self._number(node, self._rows.bind(node.this))
            clamp = self._clamp(node)
            return Spread(_SPREADS[kind], where_true(where, value), clamp, place)
        if kind in _PAIRS:
            return self._pair(_PAIRS[kind], node, node.this, node.expression, where)
        return self._by_name(node, where)

    def _by_name(self, node: exp.Expr, where: Expression | None) -> Aggregate:
        """Bind what the parser has no class for, or refuse it."""
        name = node.sql_name() if isinstance(node, exp.Func) else node.key.upper()
        if isinstance(node, exp.Anonymous):
            name = str(node.this).upper()
            if name in PairKind.__members__ and len(node.expressions) == 2:  # noqa: PLR2004
                y, x = node.expressions
                return self._pair(PairKind[name], node, y, x, where)
        msg = f"{name} is not supported here, for it shows or depends on single rows"
        raise self._block.refusal(node, msg, "DPQ121", _ANSWERED)

    # --- counts ------------------------------------------------------------------

    def _count(self, node: exp.Expr, where: Expression | None) -> Aggregate:
        inner, place = node.this, self._block.place(node)
        if isinstance(node, exp.CountIf):
            condition = self._rows.boolean(inner)
            return Count(None, both(where, condition), self._clamp(node), place)
        if isinstance(node, exp.ApproxDistinct):
            return self._distinct(node, [inner], where)
        if isinstance(inner, exp.Distinct):
            return self._distinct(node, inner.expressions, where)
        if node.expressions:
            raise self._block.refusal(node, "COUNT takes one argument", "DPQ105")
        if inner is None or isinstance(inner, exp.Star):
            return self._rows_counted(node, where)
        argument = self._rows.bind(inner)
        if isinstance(argument, Literal) and not argument.null:
            return self._rows_counted(node, where)  # COUNT(1) counts rows
        counted = _condition_of(argument)
        if counted is not None:  # COUNT(CASE WHEN p THEN 1 END)
            return Count(None, both(where, counted), self._clamp(node), place)
        return Count(where_true(where, argument), None, self._clamp(node), place)

    def _rows_counted(self, node: exp.Expr, where: Expression | None) -> Aggregate:
        place, values = self._block.place(node), self._block.distinct
        if values is None:
            return Count(None, where, self._clamp(node), place)
        return CountDistinct(
            tuple(where_true(where, each) for each in values), where is None, place
        )

    def _distinct(
        self, node: exp.Expr, nodes: list[exp.Expr], where: Expression | None
    ) -> Aggregate:
        """Bind COUNT(DISTINCT …): of units, or of values that units share."""
        place = self._block.place(node)
        parts = [
            each
            for n in nodes
            for each in (n.expressions if isinstance(n, exp.Tuple) else [n])
        ]
        if not parts:
            msg = "COUNT(DISTINCT …) takes at least one value"
            raise self._block.refusal(node, msg, "DPQ105")
        values = [self._rows.bind(part) for part in parts]
        if len(values) == 1:
            value, condition = values[0], where
            if isinstance(value, Case):
                found = _unit_case(value)
                if found is not None and self._is_unit(found[1]):
                    return CountUnits(both(where, found[0]), place)
            if self._is_unit(value):
                return CountUnits(condition, place)
        kept = tuple(where_true(where, value) for value in values)
        return CountDistinct(kept, with_null=False, place=place)

    def _is_unit(self, expression: Expression) -> bool:
        rows = self._block.rows
        return isinstance(rows, Owned) and expression in (rows.unit, *rows.units)

    # --- sums --------------------------------------------------------------------

    def _total(self, node: exp.Expr, where: Expression | None) -> Aggregate:
        inner, place = node.this, self._block.place(node)
        distinct = isinstance(inner, exp.Distinct)
        if distinct:
            inner = inner.expressions[0]
        value = where_true(where, self._number(node, self._rows.bind(inner)))
        kind = Sum if isinstance(node, exp.Sum) else Average
        return kind(value, self._clamp(node), distinct, place)

    def _pair(
        self,
        kind: PairKind,
        node: exp.Expr,
        y: exp.Expr,
        x: exp.Expr,
        where: Expression | None,
    ) -> Pair:
        sides = [self._number(node, self._rows.bind(each)) for each in (y, x)]
        one, other = (where_true(where, side) for side in sides)
        return Pair(kind, one, other, self._block.place(node))

    def _any(self, node: exp.Expr, where: Expression | None) -> AnyRow:
        condition = self._rows.boolean(node.this)
        negated = isinstance(node, exp.LogicalAnd)
        if negated:
            condition = Call("not", (condition,), SqlType.BOOLEAN)
        return AnyRow(both(where, condition), negated, self._block.place(node))

    def _number(self, node: exp.Expr, argument: Expression) -> Expression:
        """Return the argument of SUM or AVG as a number; booleans are 0 and 1."""
        if argument.type is SqlType.BOOLEAN:
            return Cast(argument, SqlType.INTEGER)
        if argument.type in NUMERIC:
            return argument
        name = node.sql_name() if isinstance(node, exp.Func) else node.key.upper()
        hint = "convert it: TRY_CAST(… AS DOUBLE); what does not fit is left out"
        msg = f"{name} takes numbers, not {argument.type}"
        raise self._block.refusal(node, msg, "DPQ105", hint)

    def _clamp(self, node: exp.Expr) -> Clamp | None:
        """Return the bounds that *node* gives its contributions, of a kind it has."""
        clamp = clamp_of(self._rows.binder, node)
        if clamp is None:
            return None
        counts = isinstance(node, exp.Count | exp.CountIf)
        if clamp.per_group and not counts and not isinstance(node, exp.Sum):
            msg = "only COUNT and SUM have bounds per group"
            hint = "bound each value: contribution_bounds_per_row => (low, high)"
            raise self._block.refusal(node, msg, "DPQ135", hint)
        if counts and not clamp.per_group:
            msg = "a row counts 1: COUNT has no bounds per row"
            hint = "bound the group: contribution_bounds_per_group => (0, most)"
            raise self._block.refusal(node, msg, "DPQ135", hint)
        return clamp

    # --- ranks -------------------------------------------------------------------

    def _ranked(
        self, node: exp.Expr, value: Expression, where: Expression | None
    ) -> Expression:
        if value.type in NUMERIC | TEMPORAL:
            clamp = self._clamp(node)
            if clamp is not None:
                value = _clamped(self._number(node, value), clamp)
            return where_true(where, value)
        hint = "of texts, ask for groups: GROUP BY x"
        msg = f"this takes numbers and dates, not {value.type}"
        raise self._block.refusal(node, msg, "DPQ105", hint)

    def _quantile(
        self,
        node: exp.Expr,
        value: Expression,
        fraction: Fraction,
        continuous: bool,  # noqa: FBT001
    ) -> Aggregate:
        place = self._block.place(node)
        fraction = fraction.limit_denominator(LARGEST_DENOMINATOR)
        if fraction in {0, 1}:
            return Extreme(value, fraction == 1, place)
        return Quantile(value, fraction, continuous, place)


def _clamped(value: Expression, clamp: Clamp) -> Expression:
    """Return a number within bounds; NULL stays NULL, which LEAST would not leave."""
    ends = [_number_literal(each) for each in (clamp.low, clamp.high)]
    type_ = common_type([value, *ends]) or SqlType.DOUBLE
    typed, low, high = (as_type(each, type_) for each in (value, *ends))
    below = Call("lt", (typed, low), SqlType.BOOLEAN)
    above = Call("gt", (typed, high), SqlType.BOOLEAN)
    return Case(((below, low), (above, high)), typed, type_)


def _number_literal(number: Fraction) -> Literal:
    if number.denominator == 1:
        return Literal(int(number), SqlType.INTEGER)
    return Literal(Decimal(str(float(number))), SqlType.DECIMAL)


def _condition_of(argument: Expression) -> Expression | None:
    """Return p of ``CASE WHEN p THEN constant END``, which COUNT counts rows by."""
    match argument:
        case Case(
            branches=((condition, Literal() as value),), otherwise=Literal() as rest
        ):
            return condition if rest.null and not value.null else None
        case _:
            return None


def _unit_case(value: Case) -> tuple[Expression, Expression] | None:
    """Return p and x of ``CASE WHEN p THEN x END``."""
    match value:
        case Case(branches=((condition, counted),), otherwise=Literal() as rest):
            return (condition, counted) if rest.null else None
        case _:
            return None
