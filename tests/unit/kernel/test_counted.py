"""Which columns are counts: they may be shown from 0 on, and nothing else may."""

from __future__ import annotations

from fractions import Fraction

import pytest

from dpquery.kernel.counted import counts_something
from dpquery.plan.aggregates import (
    AnyEstimator,
    DistinctValues,
    GridValue,
    LinearEstimator,
    Present,
    RatioEstimator,
    Rows,
    Total,
    Units,
)
from dpquery.plan.expressions import ColumnRef
from dpquery.policy.catalog import SqlType

COLUMN = ColumnRef("v", "cost", SqlType.INTEGER)
VALUE = GridValue(COLUMN, Fraction(1), low=-5, high=5, centre=0)


@pytest.mark.parametrize(
    "moment",
    [Rows(), Present(COLUMN), Units(), DistinctValues((COLUMN,), with_null=False)],
)
def test_counts(moment: Rows | Present | Units | DistinctValues) -> None:
    one = Fraction(1)
    assert counts_something(LinearEstimator(((one, moment),), integer=True))
    assert not counts_something(LinearEstimator(((one, moment),), integer=False))
    assert not counts_something(LinearEstimator(((-one, moment),), integer=True))


def test_sums_and_averages_are_no_counts() -> None:
    total = (Fraction(1), Total(VALUE))
    rows = (Fraction(1), Rows())
    assert not counts_something(LinearEstimator((total,), integer=True))
    assert not counts_something(LinearEstimator((rows, total), integer=True))
    assert not counts_something(RatioEstimator(Total(VALUE), Present(VALUE)))
    assert not counts_something(AnyEstimator(Rows(), negated=False))
