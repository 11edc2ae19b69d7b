"""Aggregates into moments: AVG becomes a centred SUM and a COUNT, equal ones once."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, assert_never

from dpquery.plan.aggregates import (
    Aggregate,
    Average,
    Count,
    CountUnits,
    Estimator,
    GridValue,
    LinearEstimator,
    Moment,
    Present,
    RatioEstimator,
    Rows,
    Sum,
    Total,
    Units,
)
from dpquery.plan.program import ReleasedColumn
from dpquery.plan.rewrite.clamp_inputs import grid_value
from dpquery.policy.catalog import SqlType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpquery.plan.analysis.bounds import Environment
    from dpquery.plan.expressions import Expression
    from dpquery.policy.catalog import CatalogColumn

ONE = Fraction(1)
Grids = dict[tuple[str, str], "CatalogColumn"]


@dataclass(frozen=True, slots=True)
class Decomposed:
    """The moments to measure and how released columns are made of them."""

    moments: tuple[Moment, ...]
    columns: tuple[ReleasedColumn, ...]


def decompose_aggregates(
    aggregates: Sequence[Aggregate], env: Environment, grids: Grids
) -> Decomposed:
    """
    Return the moments of *aggregates*, each one once.

    Where AVG(x) is asked, SUM(x) is made of the same centred moments, S + m·n: at
    equal loss its variance is that of a SUM of its own (theory.md 2.2), and nothing
    is measured twice.

    Raises:
        QueryRefused: a value has no bounds.
    """
    averaged = {each.argument for each in aggregates if isinstance(each, Average)}
    estimators = [_estimator(each, averaged, env, grids) for each in aggregates]
    moments = dict.fromkeys(
        moment for estimator in estimators for moment in moments_of(estimator)
    )
    columns = tuple(
        ReleasedColumn(f"a{index}", estimator, released_type(aggregate))
        for index, (aggregate, estimator) in enumerate(
            zip(aggregates, estimators, strict=True)
        )
    )
    return Decomposed(tuple(moments), columns)


def released_type(aggregate: Aggregate) -> SqlType:
    """Return the type of the released column of *aggregate*."""
    match aggregate:
        case Count() | CountUnits():
            return SqlType.INTEGER
        case Sum(argument=argument) if argument.type is SqlType.INTEGER:
            return SqlType.INTEGER
        case Sum() | Average():
            return SqlType.DOUBLE
        case _:
            assert_never(aggregate)


def moments_of(estimator: Estimator) -> tuple[Moment, ...]:
    """Return the moments that *estimator* is made of."""
    match estimator:
        case LinearEstimator(terms=terms):
            return tuple(moment for _, moment in terms)
        case RatioEstimator(numerator=numerator, denominator=denominator):
            return (denominator, numerator)
        case _:
            assert_never(estimator)


def _estimator(
    aggregate: Aggregate,
    averaged: set[Expression],
    env: Environment,
    grids: Grids,
) -> Estimator:
    match aggregate:
        case Count(argument=None):
            return LinearEstimator(((ONE, Rows()),), integer=True)
        case Count(argument=argument) if argument in averaged:
            value = grid_value(argument, env, grids, aggregate.place, centred=True)
            return LinearEstimator(((ONE, Present(value)),), integer=True)
        case Count(argument=argument) if argument is not None:
            return LinearEstimator(((ONE, Present(argument)),), integer=True)
        case CountUnits():
            return LinearEstimator(((ONE, Units()),), integer=True)
        case Sum(argument=argument) if argument in averaged:
            value = grid_value(argument, env, grids, aggregate.place, centred=True)
            return _sum_of_centred(value, integer=argument.type is SqlType.INTEGER)
        case Sum(argument=argument):
            value = grid_value(argument, env, grids, aggregate.place, centred=False)
            integer = argument.type is SqlType.INTEGER
            return LinearEstimator(((value.grid, Total(value)),), integer=integer)
        case Average(argument=argument):
            value = grid_value(argument, env, grids, aggregate.place, centred=True)
            return RatioEstimator(Total(value), Present(value))
        case _:
            msg = f"no rule for {aggregate!r}"
            raise AssertionError(msg)


def _sum_of_centred(value: GridValue, *, integer: bool) -> LinearEstimator:
    """Return S·g + m·g·n."""
    terms: list[tuple[Fraction, Moment]] = [(value.grid, Total(value))]
    if value.centre:
        terms.append((value.grid * value.centre, Present(value)))
    return LinearEstimator(tuple(terms), integer=integer)
