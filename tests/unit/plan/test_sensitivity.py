"""Limits, sub-steps and sensitivities, computed by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpquery.plan.aggregates import (
    GridValue,
    Present,
    Product,
    Rows,
    Square,
    Total,
    Units,
)
from dpquery.plan.analysis.sensitivity import (
    LIMIT_CAP,
    SUB_STEPS,
    distinct_sensitivity,
    moment_limit,
    row_limit,
    sensitivity,
    sub_steps,
    unit_weight,
    unit_weights,
)
from dpquery.plan.expressions import TRUE, ColumnRef
from dpquery.plan.program import Bounding, BoundingMode
from dpquery.policy.catalog import SqlType

NORM, TRUNCATE = BoundingMode.NORM, BoundingMode.TRUNCATE
COLUMN = ColumnRef("t", "x", SqlType.DOUBLE, "DOUBLE")
GRID = Fraction(1, 100)


def bounding(
    mode: BoundingMode = NORM,
    norm: int = 2,
    groups: int = 8,
    cap: int | None = None,
    *,
    single: bool = False,
) -> Bounding:
    return Bounding(mode, norm, groups, cap, single)


def value(low: int, high: int) -> GridValue:
    return GridValue(COLUMN, GRID, low, high, 0)


def total(low: int, high: int, centre: int = 0) -> Total:
    return Total(GridValue(COLUMN, Fraction(1, 100), low, high, centre))


@pytest.mark.parametrize(
    ("rows", "per_group", "how", "limit"),
    [
        # theory.md 2.2 (A): c rows in each of k groups, M rows in all: √(c·min(M, c·k))
        (50, 10, bounding(), math.sqrt(10 * 50)),
        (50, 2, bounding(), math.sqrt(2 * 16)),
        (50, 50, bounding(), 50),
        (50, 60, bounding(), 50),
        (50, None, bounding(), 50),
        (50, 2, bounding(norm=1), 16),
        (50, 10, bounding(norm=1), 50),
        (50, 10, bounding(TRUNCATE), 10),
        (50, None, bounding(TRUNCATE), 50),
        (50, 10, bounding(single=True), 50),
        (1, 1, bounding(single=True), 1),
    ],
)
def test_row_limits(
    rows: int, per_group: int | None, how: Bounding, limit: float
) -> None:
    assert row_limit(rows, per_group, how) == pytest.approx(limit)


@pytest.mark.parametrize(
    ("moment", "how", "limit"),
    [
        (Rows(), bounding(), 3),
        (Present(COLUMN), bounding(), 3),
        (total(0, 500), bounding(), 1500),
        (total(-700, 500), bounding(), 2100),
        (total(0, 500, 250), bounding(), 750),
        (total(0, 0), bounding(), 3),  # a reach of 0 counts as 1
        (Units(), bounding(), math.sqrt(8)),
        (Units(), bounding(norm=1), 8),
        (Units(), bounding(TRUNCATE), 1),
        (Units(), bounding(single=True), 1),
        (total(0, 1 << 60), bounding(), LIMIT_CAP),
        (Square(GridValue(COLUMN, GRID, -10, 10, 0)), bounding(), 3 * 50),
        (Square(GridValue(COLUMN, GRID, -3, 3, 0)), bounding(), 3 * 5),  # 9 - 4
        (Product(value(-10, 10), value(0, 7)), bounding(), 3 * 70),
        # the query's own bounds of a group, over k groups
        (Rows(most=1), bounding(groups=4), 2),
        (Rows(most=1), bounding(groups=4, norm=1), 3),  # not above the rows themselves
        (Rows(most=2), bounding(TRUNCATE), 2),
        (Present(COLUMN, most=1), bounding(single=True), 1),
        (Total(value(-9, 9), group_bounds=(-5, 2)), bounding(groups=4), 10),
        (Total(value(-9, 9), group_bounds=(0, 0)), bounding(single=True), 1),
    ],
)
def test_moment_limits(moment: object, how: Bounding, limit: float) -> None:
    assert moment_limit(moment, 3.0, how) == pytest.approx(limit)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("moment", "limit", "how", "steps"),
    [
        (Rows(), 20.0, bounding(), SUB_STEPS),
        (Units(), 2.8, bounding(), SUB_STEPS),
        (total(0, 6), 20.0, bounding(), SUB_STEPS),
        (total(0, 5000), 20.0, bounding(), 1),  # fine enough
        (Rows(), LIMIT_CAP, bounding(), 1),  # no room
        (Rows(), 20.0, bounding(single=True), SUB_STEPS),  # 7 rows where 1 counts
        (Units(), 1.0, bounding(single=True), 1),  # never scaled
    ],
)
def test_sub_steps(moment: object, limit: float, how: Bounding, steps: int) -> None:
    assert sub_steps(moment, limit, how) == steps  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("limit", "how", "delta"),
    [
        (100, bounding(), 100),
        (100, bounding(norm=1), 100),
        (100, bounding(TRUNCATE, groups=4), 200),
        (100, bounding(TRUNCATE, groups=8), 283),  # 282.84, rounded up
        (100, bounding(TRUNCATE, norm=1), 800),
        (100, bounding(TRUNCATE, single=True), 100),
        (1 << 52, bounding(TRUNCATE, groups=1), 1 << 52),
    ],
)
def test_sensitivities(limit: int, how: Bounding, delta: int) -> None:
    assert sensitivity(limit, how) == delta


@pytest.mark.parametrize("groups", [1, 2, 3, 5, 8, 100])
@pytest.mark.parametrize("norm", [1, 2])
def test_a_unit_s_weights_stay_within_the_limit(groups: int, norm: int) -> None:
    how = bounding(norm=norm, groups=groups, cap=16 * groups)
    limit = math.ceil(moment_limit(Units(), 1.0, how) * SUB_STEPS)
    for touched, weight in unit_weights(how):
        size = touched * weight if norm == 1 else math.isqrt(touched * weight**2)
        assert size <= limit
        assert weight == SUB_STEPS or touched > groups
    assert unit_weights(how)[-1][0] == 16 * groups


@pytest.mark.parametrize(
    ("cells", "how", "limit"),
    [
        (1, bounding(groups=2), math.sqrt(2 * 4)),
        (3, bounding(groups=2), math.sqrt(2 * 12)),  # in three times as many cells
        (9, bounding(groups=2), math.sqrt(2 * 20)),  # ... up to all rows
        (3, bounding(groups=2, norm=1), 12),
        (3, bounding(TRUNCATE, groups=2), 2),
        (3, bounding(single=True), 20),
    ],
)
def test_rows_that_are_counted_in_cells(
    cells: int, how: Bounding, limit: float
) -> None:
    assert row_limit(20, 2, how, cells) == pytest.approx(limit)


@pytest.mark.parametrize(
    ("per_group", "in_all", "reach", "how", "delta"),
    [
        (5, 20, 1, bounding(), 10),  # √(5·20)
        (5, 21, 1, bounding(), 11),  # rounded up
        (5, 20, 3, bounding(), 30),
        (5, 20, 3, bounding(norm=1), 60),
        (20, 20, 3, bounding(single=True), 60),
        (1, 8, 1, bounding(), 3),
    ],
)
def test_unions_move_by_what_a_unit_keeps(
    per_group: int, in_all: int, reach: int, how: Bounding, delta: int
) -> None:
    assert distinct_sensitivity(per_group, in_all, reach, how) == delta


@given(
    st.lists(st.sets(st.integers(0, 6), max_size=3), max_size=4),
    st.lists(st.sets(st.integers(0, 6), max_size=3), max_size=4),
)
def test_no_unit_moves_the_sizes_of_unions_by_more(
    others: list[set[int]], kept: list[set[int]]
) -> None:
    """At most 3 values in a group and 7 in all, whatever the other units have."""
    if sum(map(len, kept)) > 7:
        return
    groups = max(len(others), len(kept))
    rest, own = (each + [set()] * (groups - len(each)) for each in (others, kept))
    moved = [len(a | b) - len(a) for a, b in zip(rest, own, strict=True)]
    assert math.hypot(*moved) <= distinct_sensitivity(3, 7, 1, bounding())
    assert sum(moved) <= distinct_sensitivity(3, 7, 1, bounding(norm=1))


def test_weights_by_hand() -> None:
    how = bounding(groups=4, cap=64)
    assert [unit_weight(g, how) for g in (1, 4, 16, 64)] == [1024, 1024, 512, 256]
    deciding = replace(how, unit_groups=1)
    assert [unit_weight(g, deciding) for g in (1, 4, 16, 64)] == [1024, 512, 256, 128]
    assert unit_weights(deciding)[-1] == (64, 128)
    assert moment_limit(Units(), 1.0, deciding) == 1.0
    assert moment_limit(Units(TRUE), 1.0, deciding) == 2.0
    pure = bounding(groups=4, cap=64, norm=1)
    assert [unit_weight(g, pure) for g in (1, 4, 16, 64)] == [1024, 1024, 256, 64]
    assert unit_weights(bounding(single=True)) == ((1, 1),)
    assert unit_weights(bounding(TRUNCATE, groups=2)) == ((1, 1024), (2, 1024))


def test_weights_without_a_cap_are_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="group cap"):
        unit_weights(bounding())
