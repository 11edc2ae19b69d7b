"""Aggregates at the boundary: what is asked for, of what, within which bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dpquery.plan.aggregates import (
    AnyRow,
    Average,
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

from ..plan_text import aggregate_text  # noqa: TID252 -- of this folder's parent

if TYPE_CHECKING:
    from dpquery.plan.aggregates import Aggregate

    from .conftest import Answer, Ask, Refused


def one(ask: Ask, item: str, dp: str = "") -> Aggregate:
    (aggregate,) = ask(f"SELECT {dp} {item} FROM orders").boundaries[0].aggregates
    return aggregate


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ("COUNT(*)", "COUNT(*)"),
        ("COUNT(1)", "COUNT(*)"),
        ("COUNT()", "COUNT(*)"),
        ("count_star()", "COUNT(*)"),
        ("COUNT(NULL)", "COUNT(NULL)"),
        ("COUNT(amount)", "COUNT(orders.amount)"),
        ("COUNT_IF(express)", "COUNT(*) where orders.express"),
        ("COUNT(CASE WHEN express THEN 1 END)", "COUNT(*) where orders.express"),
        (
            "COUNT(CASE WHEN express THEN amount END)",
            "COUNT(CASE WHEN orders.express THEN orders.amount ELSE NULL END)",
        ),
        ("COUNT(*) FILTER (WHERE express)", "COUNT(*) where orders.express"),
        (
            "COUNT_IF(amount > 5) FILTER (WHERE express)",
            "COUNT(*) where orders.express AND (orders.amount > 5)",
        ),
        ("COUNT(DISTINCT customer_id)", "COUNT(DISTINCT unit)"),
        ("COUNT(DISTINCT (customer_id))", "COUNT(DISTINCT unit)"),
        ("approx_count_distinct(customer_id)", "COUNT(DISTINCT unit)"),
        (
            "COUNT(DISTINCT customer_id) FILTER (WHERE express)",
            "COUNT(DISTINCT unit) where orders.express",
        ),
        ("COUNT(DISTINCT note)", "COUNT(DISTINCT orders.note)"),
        ("COUNT(DISTINCT (note, kind))", "COUNT(DISTINCT orders.note, orders.kind)"),
        ("COUNT(DISTINCT note, kind)", "COUNT(DISTINCT orders.note, orders.kind)"),
        ("SUM(amount)", "SUM(orders.amount)"),
        ("SUM(express)", "SUM(CAST(orders.express AS INTEGER))"),
        ("SUM(DISTINCT amount)", "SUM(DISTINCT orders.amount)"),
        ("AVG(amount)", "AVG(orders.amount)"),
        ("MEDIAN(amount)", "QUANTILE_CONT(orders.amount, 1/2)"),
        ("QUANTILE_DISC(amount, 0.9)", "QUANTILE_DISC(orders.amount, 9/10)"),
        ("QUANTILE_CONT(amount, 0)", "MIN(orders.amount)"),
        ("QUANTILE_CONT(amount, 1)", "MAX(orders.amount)"),
        (
            "PERCENTILE_CONT(0.25) WITHIN GROUP (ORDER BY placed_on)",
            "QUANTILE_CONT(orders.placed_on, 1/4)",
        ),
        (
            "PERCENTILE_DISC(0.25) WITHIN GROUP (ORDER BY amount DESC)",
            "QUANTILE_DISC(orders.amount, 3/4)",
        ),
        ("approx_quantile(amount, 0.5)", "QUANTILE_CONT(orders.amount, 1/2)"),
        ("MIN(placed_on)", "MIN(orders.placed_on)"),
        (
            "MAX(amount) FILTER (WHERE express)",
            "MAX(CASE WHEN orders.express THEN orders.amount ELSE NULL END)",
        ),
        ("BOOL_OR(express)", "some row has orders.express"),
        ("BOOL_AND(express)", "no row has NOT (orders.express)"),
    ],
)
def test_what_is_asked_for(ask: Ask, item: str, text: str) -> None:
    assert aggregate_text(one(ask, item)) == text


@pytest.mark.parametrize("name", list(SpreadKind))
def test_spreads(ask: Ask, name: SpreadKind) -> None:
    found = one(ask, f"{name}(amount)")
    assert isinstance(found, Spread)
    assert found.kind is name
    for other in {"VAR_SAMP": ["VARIANCE"], "STDDEV_SAMP": ["STDDEV"]}.get(name, []):
        assert one(ask, f"{other}(amount)") == found


@pytest.mark.parametrize("name", list(PairKind))
def test_pairs_have_y_first(ask: Ask, name: PairKind) -> None:
    found = one(ask, f"{name}(amount, order_id % 7)")
    assert isinstance(found, Pair)
    assert found.kind is name
    assert aggregate_text(found) == f"{name}(orders.amount, orders.order_id % 7)"


def test_several_quantiles_are_a_list(ask: Ask, answer: Answer) -> None:
    sql = "SELECT QUANTILE_CONT(amount, [0.25, 0.5]) AS q, MEDIAN(amount) m FROM orders"
    found = ask(sql).boundaries[0].aggregates
    assert [type(each) for each in found] == [Quantile, Quantile]  # the median is one
    assert "[r1.a0, r1.a1] AS q, r1.a1 AS m" in answer(sql)


@pytest.mark.parametrize(
    ("item", "code"),
    [
        ("SUM(COUNT(*))", "DPQ117"),
        ("SUM(amount + AVG(amount))", "DPQ117"),
        ("COUNT(SUM(amount))", "DPQ117"),
        ("MEDIAN(SUM(amount))", "DPQ117"),
        ("ANY_VALUE(amount)", "DPQ121"),
        ("LIST(amount)", "DPQ121"),
        ("STRING_AGG(note, ',')", "DPQ121"),
        ("FIRST(amount)", "DPQ121"),
        ("ARG_MAX(note, amount)", "DPQ121"),
        ("MODE(note)", "DPQ121"),
        ("HISTOGRAM(note)", "DPQ121"),
        ("QUANTILE_CONT(amount, order_id)", "DPQ121"),
        ("SUM(note)", "DPQ105"),
        ("AVG(placed_on)", "DPQ105"),
        ("MIN(note)", "DPQ105"),
        ("MEDIAN(express)", "DPQ105"),
        ("STDDEV(note)", "DPQ105"),
        ("CORR(amount, note)", "DPQ105"),
        ("BOOL_OR(note)", "DPQ105"),
        ("COUNT(*) FILTER (WHERE amount)", "DPQ105"),
        ("COUNT(note, status)", "DPQ105"),
        ("SUM(*)", "DPQ122"),
        ("SUM(nothing)", "DPQ102"),
    ],
)
def test_what_is_refused(refused: Refused, item: str, code: str) -> None:
    refusal = refused(f"SELECT\n  {item}\nFROM orders")
    assert refusal.code == code
    assert refusal.position is not None


@pytest.mark.parametrize(
    "column", ["c.customer_id", "o.customer_id", "C.Customer_ID", "(o.customer_id)"]
)
def test_units_are_counted_under_every_name(ask: Ask, column: str) -> None:
    sql = (
        f"SELECT COUNT(DISTINCT {column}) FROM customers AS c"
        " JOIN orders AS o ON c.customer_id = o.customer_id"
    )
    assert [type(a) for a in ask(sql).boundaries[0].aggregates] == [CountUnits]


def test_a_column_that_finds_the_unit_is_not_the_unit(ask: Ask) -> None:
    (found,) = (
        ask("SELECT COUNT(DISTINCT order_id) FROM line_items").boundaries[0].aggregates
    )
    assert isinstance(found, CountDistinct)


# --- bounds in the query ----------------------------------------------------------

DP = "WITH DIFFERENTIAL_PRIVACY"


@pytest.mark.parametrize(
    ("item", "kind", "text"),
    [
        (
            "SUM(amount, contribution_bounds_per_row => (0, 5))",
            Sum,
            "SUM(orders.amount) within [0, 5] for a row",
        ),
        (
            "SUM(amount, contribution_bounds_per_group => (-1, 5.5))",
            Sum,
            "SUM(orders.amount) within [-1, 11/2] for a group",
        ),
        (
            "AVG(amount, contribution_bounds_per_row => (0, 5))",
            Average,
            "AVG(orders.amount) within [0, 5] for a row",
        ),
        (
            "COUNT(*, contribution_bounds_per_group => (0, 3))",
            Count,
            "COUNT(*) within [0, 3] for a group",
        ),
    ],
)
def test_bounds_of_contributions(ask: Ask, item: str, kind: type, text: str) -> None:
    found = one(ask, item, DP)
    assert isinstance(found, kind)
    assert aggregate_text(found) == text


def test_what_is_ranked_is_clamped_and_null_stays_null(ask: Ask) -> None:
    item = "APPROX_QUANTILES(amount, 2, contribution_bounds_per_row => (0, 5))"
    found = ask(f"SELECT {DP} {item} FROM orders").boundaries[0].aggregates
    assert [type(each) for each in found] == [Extreme, Quantile, Extreme]
    text = aggregate_text(found[0]).replace("CAST(orders.amount AS DOUBLE)", "x")
    assert text == "MIN(CASE WHEN x < 0 THEN 0 WHEN x > 5 THEN 5 ELSE x END)"


@pytest.mark.parametrize(
    "item",
    [
        "AVG(amount, contribution_bounds_per_group => (0, 5))",
        "COUNT(*, contribution_bounds_per_row => (0, 5))",
        "COUNT(amount, contribution_bounds_per_row => (0, 5))",
    ],
)
def test_bounds_of_a_kind_that_the_aggregate_has_not(
    refused: Refused, item: str
) -> None:
    assert refused(f"SELECT {DP} {item} FROM orders").code == "DPQ135"


# --- different rows ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("inner", "values"),
    [
        ("SELECT DISTINCT note FROM orders", "orders.note"),
        ("SELECT DISTINCT note, kind FROM orders", "orders.note, orders.kind"),
        ("SELECT note FROM orders GROUP BY note", "orders.note"),
    ],
)
def test_a_count_of_different_rows_is_a_union(
    ask: Ask, inner: str, values: str
) -> None:
    (boundary,) = ask(f"SELECT COUNT(*) FROM ({inner}) AS t").boundaries
    (found,) = boundary.aggregates
    assert aggregate_text(found) == f"COUNT(DISTINCT {values}), NULL too"
    assert boundary.keys == ()


def test_public_rows_that_have_a_partner_are_counted_by_their_key(ask: Ask) -> None:
    sql = "SELECT COUNT(*) FROM products AS p WHERE {} AND p.list_price > 5"
    exists = "EXISTS (SELECT 1 FROM line_items AS i WHERE i.product_id = p.product_id)"
    within = "p.product_id IN (SELECT product_id FROM line_items)"
    for partner in (exists, within):
        (boundary,) = ask(sql.format(partner)).boundaries
        assert [aggregate_text(each) for each in boundary.aggregates] == [
            "COUNT(DISTINCT products.product_id), NULL too"
        ]


@pytest.mark.parametrize(
    "item", ["SUM(p.list_price)", "AVG(p.list_price)", "MEDIAN(p.list_price)"]
)
def test_what_would_count_a_row_for_each_partner_is_refused(
    refused: Refused, item: str
) -> None:
    exists = "EXISTS (SELECT 1 FROM line_items AS i WHERE i.product_id = p.product_id)"
    refusal = refused(f"SELECT {item} FROM products AS p WHERE {exists}")
    assert refusal.code == "DPQ111"


def test_any_row(ask: Ask) -> None:
    assert isinstance(one(ask, "BOOL_OR(express)"), AnyRow)
