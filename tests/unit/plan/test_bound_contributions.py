"""Limits of what one unit adds: bundles, vectors, unions and histograms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dpquery.plan.aggregates import Rows, Units
from dpquery.plan.program import BoundingMode
from dpquery.plan.rewrite import BoundingRules

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpquery.plan.program import ReleaseStep

    Compile = Callable[..., ReleaseStep]

# orders: 20 rows of a customer, 5 of them in a group; 8 groups; cents up to 1000.00


@pytest.mark.parametrize(
    ("items", "bundles", "vectors"),
    [
        ("COUNT(*), SUM(amount)", [0, 1], [0, 1]),
        ("AVG(amount), COUNT(*)", [0, 0, 1], [0, 1, 2]),
        ("AVG(amount), AVG(order_id % 7)", [0, 0, 1, 1], [0, 1, 2, 3]),
        # six moments of one pair of values are of the same rows
        ("CORR(amount, order_id % 7)", [0] * 6, [0, 1, 2, 3, 4, 5]),
        # a row is in one of them at most
        ("COUNT_IF(status = 'a'), COUNT_IF(status = 'b')", [0, 0], [0, 0]),
        (
            "COUNT_IF(status = 'a'), COUNT(*), COUNT_IF(status = 'b')",
            [0, 1, 0],
            [0, 1, 0],
        ),
        ("COUNT_IF(amount < 5), COUNT_IF(amount <= 5)", [0, 1], [0, 1]),
        (
            "COUNT_IF(amount < 5), COUNT_IF(amount >= 5), COUNT_IF(amount > 4)",
            [0, 0, 1],
            [0, 0, 1],
        ),
        (
            "COUNT_IF(status = 'a'), SUM(amount) FILTER (WHERE status = 'b')",
            [0, 1],
            [0, 1],
        ),
    ],
)
def test_what_is_scaled_and_measured_together(
    compile_step: Compile, items: str, bundles: list[int], vectors: list[int]
) -> None:
    step = compile_step(f"SELECT {items} FROM orders GROUP BY express")
    assert [bounded.bundle for bounded in step.moments] == bundles
    assert [bounded.vector for bounded in step.moments] == vectors


def test_cells_of_one_vector_have_one_limit(compile_step: Compile) -> None:
    """In one group, they are all that a unit's rows are: one limit, one noise."""
    cells = ", ".join(f"COUNT_IF(status = '{name}')" for name in "abcd")
    one = compile_step("SELECT COUNT_IF(status = 'a') FROM orders")
    four = compile_step(f"SELECT {cells} FROM orders")
    assert {b.limit for b in four.moments} == {b.limit for b in one.moments}
    # over groups the cells are as many more of them: up to 20 rows, 5 in a cell
    grouped = compile_step(f"SELECT {cells} FROM orders GROUP BY express")
    assert {bounded.limit for bounded in grouped.moments} == {10 * 1024}


@pytest.mark.parametrize(
    ("clamp", "moment"),
    [
        ("COUNT(*, contribution_bounds_per_group => (0, 3))", 3),
        ("COUNT(*, contribution_bounds_per_group => (0, 99))", 99),
    ],
)
def test_bounds_of_the_query_tighten_and_never_loosen(
    compile_step: Compile, clamp: str, moment: int
) -> None:
    step = compile_step(f"SELECT WITH DIFFERENTIAL_PRIVACY {clamp} FROM orders")
    (bounded,) = step.moments
    assert isinstance(bounded.moment, Rows)
    assert bounded.moment.most == moment
    assert bounded.limit == min(moment, 20) * 1024


def test_group_bounds_of_a_sum_are_its_limit(compile_step: Compile) -> None:
    bounds = "contribution_bounds_per_group => (-30, 900)"
    step = compile_step(
        f"SELECT WITH DIFFERENTIAL_PRIVACY SUM(amount, {bounds}) FROM orders"
        " WHERE express GROUP BY status"
    )
    (bounded,) = step.moments
    assert bounded.limit == 127_280  # 90,000 cents in each of two groups: · √2


@pytest.mark.parametrize(
    ("item", "group", "rules", "per_group", "in_all", "delta"),
    [
        ("COUNT(DISTINCT note)", "", {}, 20, 20, 20),  # of one group: all rows
        ("COUNT(DISTINCT note)", "express", {}, 5, 10, 8),  # √(5·10), rounded up
        ("COUNT(DISTINCT note)", "placed_on", {}, 5, 20, 10),  # √(5·20)
        ("COUNT(DISTINCT note)", "express", {"norm": 1}, 5, 10, 10),
        (
            "COUNT(DISTINCT note)",
            "placed_on",
            {"mode": BoundingMode.TRUNCATE, "groups": 2},
            5,
            10,
            8,
        ),  # √(5·10), rounded up
        ("SUM(DISTINCT amount)", "placed_on", {}, 5, 20, 10 * 100_000),
    ],
)
def test_limits_of_unions(
    compile_step: Compile,
    item: str,
    group: str,
    rules: dict[str, object],
    per_group: int,
    in_all: int,
    delta: int,
) -> None:
    by = f"GROUP BY {group}" if group else ""
    how = BoundingRules(
        **{"mode": BoundingMode.NORM, "norm": 2, "groups": 8, **rules}  # type: ignore[arg-type]
    )
    (bounded,) = compile_step(f"SELECT {item} FROM orders {by}", how).distinct
    found = (bounded.per_group, bounded.in_all, bounded.sensitivity)
    assert found == (per_group, in_all, delta)


def test_a_value_that_follows_from_the_unit_is_one_value(compile_step: Compile) -> None:
    (bounded,) = compile_step("SELECT COUNT(DISTINCT city) FROM customers").distinct
    assert (bounded.per_group, bounded.in_all, bounded.sensitivity) == (1, 1, 1)


def test_histograms_have_the_limits_of_counted_rows(compile_step: Compile) -> None:
    sql = "SELECT {} FROM orders GROUP BY express"
    (ranking,) = compile_step(sql.format("MEDIAN(amount)")).rankings
    (counted,) = compile_step(sql.format("COUNT(amount)")).moments
    for name in ("steps", "limit", "sensitivity"):
        assert getattr(ranking, name) == getattr(counted, name)


@pytest.mark.parametrize(
    ("sql", "groups"),
    [
        # no unit is in more groups than it has rows
        (
            (
                "SELECT name, COUNT(*) FROM customers AS c JOIN products AS p"
                " ON c.name = p.category GROUP BY name"
            ),
            1,
        ),
        (
            (
                "SELECT note, COUNT(*) FROM (SELECT note FROM orders QUALIFY"
                " ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY placed_on)"
                " <= 3) AS t GROUP BY note"
            ),
            3,
        ),
        # ... but public rows can make several of one
        (
            (
                "SELECT p.category, COUNT(*) FROM customers AS c JOIN products AS p"
                " ON c.income > p.list_price GROUP BY 1"
            ),
            8,
        ),
        (
            (
                "SELECT v.least, COUNT(*) FROM orders o JOIN (VALUES (1), (2), (3)) AS"
                " v(least) ON o.amount > v.least GROUP BY 1"
            ),
            3,
        ),
    ],
)
def test_groups_of_a_unit(compile_step: Compile, sql: str, groups: int) -> None:
    assert compile_step(sql).bounding.groups == groups


def test_units_are_measured_where_groups_are_withheld_or_nothing_else_is(
    compile_step: Compile,
) -> None:
    withheld = compile_step("SELECT note, SUM(amount) FROM orders GROUP BY note")
    assert withheld.moments[0].moment == Units()
    keys = compile_step("SELECT DISTINCT status FROM orders")
    assert [bounded.moment for bounded in keys.moments] == [Units()]
    public = compile_step("SELECT status, SUM(amount) FROM orders GROUP BY status")
    assert Units() not in [bounded.moment for bounded in public.moments]


@pytest.mark.parametrize(
    ("by", "per_group", "in_all"), [("", 8, 8), ("GROUP BY bonus", 8, 64)]
)
def test_few_values_are_kept_where_nobody_says_how_many_rows_there_are(
    compile_step: Compile, by: str, per_group: int, in_all: int
) -> None:
    by = by.replace("bonus", "paid > 3")
    sql = f"SELECT COUNT(DISTINCT paid) FROM payments {by}"
    (bounded,) = compile_step(sql).distinct
    assert (bounded.per_group, bounded.in_all) == (per_group, min(in_all, 8 * 2))
