"""Aggregates into moments: AVG becomes a centred SUM and a COUNT, equal ones once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, assert_never

from dpquery.plan.aggregates import (
    AdditiveMoment,
    Aggregate,
    AnyEstimator,
    AnyRow,
    Average,
    Clamp,
    Count,
    CountDistinct,
    CountUnits,
    DistinctMoment,
    DistinctTotal,
    DistinctValues,
    Estimator,
    Extreme,
    GridValue,
    LinearEstimator,
    Moment,
    Pair,
    PairEstimator,
    PairKind,
    Present,
    Product,
    Quantile,
    RankEstimator,
    RankKind,
    RankTarget,
    RatioEstimator,
    Rows,
    Spread,
    SpreadEstimator,
    Square,
    Sum,
    Total,
    Units,
)
from dpquery.plan.analysis.dependencies import rows_per_unit
from dpquery.plan.analysis.never_null import never_lacking, never_null
from dpquery.plan.expressions import Call, Expression
from dpquery.plan.program import ReleasedColumn
from dpquery.plan.rewrite.clamp_inputs import (
    SQUARED_LIMIT,
    STEPS_LIMIT,
    Inputs,
    grid_value,
    group_value,
)
from dpquery.policy.catalog import SqlType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.errors import Place
    from dpquery.plan.relations import Owned

ONE = Fraction(1)
SUMS_OF_SQUARES = frozenset({PairKind.REGR_SXX, PairKind.REGR_SYY, PairKind.REGR_SXY})
"""Of pairs: they grow with the rows, and are no means."""
Key = tuple[Expression, "Clamp | None"]


@dataclass(frozen=True, slots=True)
class Decomposed:
    """The moments to measure and how released columns are made of them."""

    moments: tuple[AdditiveMoment, ...]
    distinct: tuple[DistinctMoment, ...]
    columns: tuple[ReleasedColumn, ...]


def decompose_aggregates(
    aggregates: Sequence[Aggregate], inputs: Inputs, *, grouped: bool
) -> Decomposed:
    """
    Return the moments of *aggregates*, each one once.

    Where AVG(x) is asked, SUM(x) is made of the same centred moments, S + m·n: at
    equal loss its variance is that of a SUM of its own (theory.md 2.2), and nothing
    is measured twice.

    Raises:
        QueryRefused: a value has no bounds.
    """
    made = _Decomposition(aggregates, inputs, grouped=grouped)
    estimators = [made.estimator(each) for each in aggregates]
    moments = dict.fromkeys(
        moment for estimator in estimators for moment in moments_of(estimator)
    )
    columns = tuple(
        ReleasedColumn(f"a{index}", estimator, released_type(aggregate))
        for index, (aggregate, estimator) in enumerate(
            zip(aggregates, estimators, strict=True)
        )
    )
    distinct = tuple(
        m for m in moments if isinstance(m, DistinctValues | DistinctTotal)
    )
    additive = tuple(
        m for m in moments if not isinstance(m, DistinctValues | DistinctTotal)
    )
    return Decomposed(additive, distinct, columns)


def released_type(aggregate: Aggregate) -> SqlType:
    """Return the type of the released column of *aggregate*."""
    match aggregate:
        case Count() | CountUnits() | CountDistinct():
            return SqlType.INTEGER
        case Sum(argument=argument) if argument.type is SqlType.INTEGER:
            return SqlType.INTEGER
        case Pair(kind=PairKind.REGR_COUNT):
            return SqlType.INTEGER
        case Sum() | Average() | Spread() | Pair():
            return SqlType.DOUBLE
        case Quantile(argument=argument, continuous=continuous):
            return _ranked_type(argument, continuous=continuous)
        case Extreme(argument=argument):
            return _ranked_type(argument, continuous=False)
        case AnyRow():
            return SqlType.BOOLEAN
        case _:
            assert_never(aggregate)


def _ranked_type(argument: Expression, *, continuous: bool) -> SqlType:
    whole = argument.type is SqlType.INTEGER
    if argument.type is SqlType.DECIMAL or (whole and continuous):
        return SqlType.DOUBLE
    return argument.type


def moments_of(estimator: Estimator) -> tuple[Moment, ...]:
    """Return the moments that *estimator* is made of."""
    match estimator:
        case LinearEstimator(terms=terms, presence=presence):
            return (*(moment for _, moment in terms), *_maybe(presence))
        case RatioEstimator(numerator=numerator, denominator=denominator):
            return (denominator, numerator)
        case SpreadEstimator(count=count, total=total, square=square):
            return (count, total, square)
        case PairEstimator():
            return (
                estimator.count,
                estimator.total_y,
                estimator.total_x,
                estimator.square_y,
                estimator.square_x,
                estimator.product,
            )
        case RankEstimator(presence=presence):
            return (presence,)
        case AnyEstimator(count=count, presence=presence):
            return (count, *_maybe(presence))
        case _:
            assert_never(estimator)


def of_ratios(made: Decomposed) -> frozenset[Moment]:
    """
    Return the moments of which only means and the like are made.

    Their bundle scales all of what a heavy unit adds by one factor, which is in the
    numerator and in the denominator: the unit weighs less, and little else changes.
    """
    ratios: set[Moment] = set()
    sums: set[Moment] = set()
    for column in made.columns:
        kept = ratios if _is_ratio(column.estimator) else sums
        kept.update(moments_of(column.estimator))
    return frozenset(ratios - sums)


def _is_ratio(estimator: Estimator) -> bool:
    match estimator:
        case RatioEstimator() | SpreadEstimator():
            return True
        case PairEstimator(kind=kind):
            return kind not in SUMS_OF_SQUARES
        case _:
            return False


def counted_once(made: Decomposed, source: Owned) -> Decomposed:
    """
    Return *made* with units counted in place of rows, where each unit has one row.

    For releases that count units anyway, to decide which groups show: one measurement
    in place of two. If the policy is wrong, a unit with more rows counts once.
    """
    elsewhere = (c.estimator for c in made.columns if not _counts_rows(c.estimator))
    shared = any(Rows() in moments_of(each) for each in elsewhere)
    if rows_per_unit(source.relation) > 1 or shared or Rows() not in made.moments:
        return made
    units = LinearEstimator(((ONE, Units()),), integer=True)
    columns = tuple(
        replace(each, estimator=units) if _counts_rows(each.estimator) else each
        for each in made.columns
    )
    moments = (Units() if each == Rows() else each for each in made.moments)
    return Decomposed(tuple(dict.fromkeys(moments)), made.distinct, columns)


def _counts_rows(estimator: Estimator) -> bool:
    return estimator == LinearEstimator(((ONE, Rows()),), integer=True)


def _maybe(moment: Units | None) -> tuple[Moment, ...]:
    return () if moment is None else (moment,)


class _Decomposition:
    """What the aggregates of one release share."""

    def __init__(
        self, aggregates: Sequence[Aggregate], inputs: Inputs, *, grouped: bool
    ) -> None:
        self._inputs = inputs
        self._grouped = grouped
        self._centred = {
            (each.argument, each.clamp)
            for each in aggregates
            if isinstance(each, Average) and not each.distinct
        }
        self._squared = {
            (each.argument, each.clamp)
            for each in aggregates
            if isinstance(each, Spread)
        }
        self._centred |= self._squared

    def estimator(self, aggregate: Aggregate) -> Estimator:
        """Return how *aggregate* is made of moments."""
        match aggregate:
            case Count():
                return LinearEstimator(((ONE, self._counted(aggregate)),), integer=True)
            case CountUnits(where=where):
                return LinearEstimator(((ONE, Units(where)),), integer=True)
            case CountDistinct(values=values, with_null=with_null):
                moment = DistinctValues(values, with_null)
                return LinearEstimator(((ONE, moment),), integer=True)
            case Sum(distinct=True) | Average(distinct=True):
                return self._distinct(aggregate)
            case Sum():
                return self._summed(aggregate)
            case Average(argument=argument, clamp=clamp, place=place):
                value = self._value(argument, clamp, place)
                return RatioEstimator(Total(value), Present(value))
            case Spread(kind=kind, argument=argument, clamp=clamp, place=place):
                value = self._value(argument, clamp, place)
                square = Square(value, centred=self._inputs.declared(argument))
                moments = Present(value), Total(value), square
                return SpreadEstimator(kind, *moments)
            case Pair():
                return self._pair(aggregate)
            case Quantile(argument=argument, fraction=fraction, place=place):
                target = RankTarget(RankKind.QUANTILE, fraction)
                return self._ranked(argument, target, place)
            case Extreme(argument=argument, largest=largest, place=place):
                end = RankKind.HIGHEST if largest else RankKind.LOWEST
                return self._ranked(argument, RankTarget(end), place)
            case AnyRow(condition=condition, negated=negated):
                presence = None if self._grouped else Units(_known(condition))
                return AnyEstimator(Rows(condition), negated, presence)
            case _:
                assert_never(aggregate)

    def _value(
        self, argument: Expression, clamp: Clamp | None, place: Place | None
    ) -> GridValue:
        """Return a value as all aggregates of it read it."""
        key = argument, clamp
        most = SQUARED_LIMIT if key in self._squared else STEPS_LIMIT
        centred = key in self._centred
        return grid_value(
            argument, self._inputs, place, clamp, centred=centred, most_steps=most
        )

    def _counted(self, count: Count) -> Rows | Present:
        most = None
        if count.clamp is not None and count.clamp.per_group:
            most = max(1, int(count.clamp.high))
        if count.argument is None:
            return Rows(count.where, most)
        if (count.argument, count.clamp) in self._centred:
            return Present(self._value(count.argument, count.clamp, count.place))
        if never_null(count.argument, self._inputs.known):
            return Rows(most=most)
        return Present(count.argument, most=most)

    def _summed(self, total: Sum) -> LinearEstimator:
        integer = total.argument.type is SqlType.INTEGER
        if total.clamp is not None and total.clamp.per_group:
            value, limits = group_value(total.argument, self._inputs, total.clamp)
            moment = Total(value, group_bounds=limits)
            return LinearEstimator(((value.grid, moment),), integer)
        value = self._value(total.argument, total.clamp, total.place)
        terms: list[tuple[Fraction, Moment]] = [(value.grid, Total(value))]
        if value.centre:  # S·g + m·g·n
            terms.append((value.grid * value.centre, Present(value)))
        presence = None if self._grouped else self._units(total.argument)
        return LinearEstimator(tuple(terms), integer, presence)

    def _distinct(self, of: Sum | Average) -> Estimator:
        average = isinstance(of, Average)
        value = grid_value(
            of.argument, self._inputs, of.place, of.clamp, centred=average
        )
        total = DistinctTotal(value)
        if average:
            return RatioEstimator(total, DistinctValues((value,), with_null=False))
        integer = of.argument.type is SqlType.INTEGER
        return LinearEstimator(((value.grid, total),), integer)

    def _pair(self, pair: Pair) -> Estimator:
        y, x = (
            grid_value(
                argument,
                self._inputs,
                pair.place,
                centred=True,
                most_steps=SQUARED_LIMIT,
            )
            for argument in (pair.y, pair.x)
        )
        count = Present(y, beside=x)
        match pair.kind:
            case PairKind.REGR_COUNT:
                return LinearEstimator(((ONE, count),), integer=True)
            case PairKind.REGR_AVGY:
                return RatioEstimator(Total(y, beside=x), count)
            case PairKind.REGR_AVGX:
                return RatioEstimator(Total(x, beside=y), count)
            case _:
                return PairEstimator(
                    pair.kind,
                    count,
                    Total(y, beside=x),
                    Total(x, beside=y),
                    Square(y, x, centred=self._inputs.declared(pair.y)),
                    Square(x, y, centred=self._inputs.declared(pair.x)),
                    Product(y, x),
                )

    def _ranked(
        self, argument: Expression, target: RankTarget, place: Place | None
    ) -> RankEstimator:
        value = grid_value(argument, self._inputs, place, centred=False)
        return RankEstimator(value, target, self._units(argument))

    def _units(self, argument: Expression) -> Units:
        """Return the units that have a value."""
        if never_lacking(argument, self._inputs.known):
            return Units()
        return Units(_known(argument))


def _known(argument: Expression) -> Expression:
    """Return whether a row has a value."""
    missing = Call("is_null", (argument,), SqlType.BOOLEAN)
    return Call("not", (missing,), SqlType.BOOLEAN)
