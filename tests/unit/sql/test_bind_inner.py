"""Groups inside a unit: keys, exact aggregates, HAVING, and what may be selected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dpquery.plan.relations import Filter, Group
from dpquery.plan.render import expression_text
from dpquery.plan.walk import relations
from dpquery.policy.catalog import SqlType

if TYPE_CHECKING:
    from .conftest import Ask, Refused

BY = "FROM orders GROUP BY customer_id"
INTEGER, DOUBLE, DECIMAL = SqlType.INTEGER, SqlType.DOUBLE, SqlType.DECIMAL


def group(ask: Ask, inner: str) -> Group:
    source = ask(f"SELECT COUNT(*) FROM ({inner}) AS t").boundaries[0].source
    return next(each for each in relations(source) if isinstance(each, Group))


@pytest.mark.parametrize(
    ("item", "text", "type_"),
    [
        ("COUNT(*)", "count(*)", INTEGER),
        ("COUNT(note)", "count(orders.note)", INTEGER),
        ("COUNT(DISTINCT note)", "count(DISTINCT orders.note)", INTEGER),
        (
            "COUNT_IF(express)",
            "count(CASE WHEN orders.express THEN 1 ELSE NULL END)",
            INTEGER,
        ),
        ("SUM(amount)", "sum(orders.amount)", DOUBLE),
        ("SUM(order_id)", "sum(orders.order_id)", INTEGER),
        ("SUM(DISTINCT amount)", "sum(DISTINCT orders.amount)", DOUBLE),
        ("AVG(amount)", "avg(orders.amount)", DOUBLE),
        ("MIN(placed_on)", "min(orders.placed_on)", SqlType.DATE),
        ("MAX(note)", "max(orders.note)", SqlType.VARCHAR),
        ("MEDIAN(amount)", "quantile_cont(orders.amount, 0.5)", DOUBLE),
        ("QUANTILE_DISC(amount, 0.9)", "quantile_disc(orders.amount, 0.9)", DECIMAL),
        ("VAR_POP(amount)", "var_pop(orders.amount)", DOUBLE),
        ("STDDEV(amount)", "stddev_samp(orders.amount)", DOUBLE),
        ("BOOL_OR(express)", "bool_or(orders.express)", SqlType.BOOLEAN),
        (
            "SUM(amount) FILTER (WHERE express)",
            "sum(CASE WHEN orders.express THEN orders.amount ELSE NULL END)",
            DOUBLE,
        ),
    ],
)
def test_aggregates(ask: Ask, item: str, text: str, type_: SqlType) -> None:
    (found,) = group(ask, f"SELECT {item} AS x {BY}").aggregates
    assert expression_text(found.expression) == text
    assert found.expression.type is type_


def test_fractions_are_added_up_in_their_own_digits(ask: Ask) -> None:
    (money,) = group(ask, f"SELECT SUM(amount) AS x {BY}").aggregates
    (share,) = group(ask, f"SELECT SUM(amount / 7) AS x {BY}").aggregates
    assert (money.expression.digits, share.expression.digits) == (2, 6)  # type: ignore[union-attr]


def test_equal_keys_and_aggregates_are_one(ask: Ask) -> None:
    found = group(
        ask,
        "SELECT customer_id, COUNT(*) AS a, COUNT(*) + 1 AS b FROM orders"
        " GROUP BY customer_id, orders.customer_id, 1 HAVING COUNT(*) > 5",
    )
    assert [each.name for each in found.keys] == ["customer_id"]
    assert [each.name for each in found.aggregates] == ["a0"]


@pytest.mark.parametrize(
    ("having", "predicate"),
    [
        ("COUNT(*) > 3", "grouped.a0 > 3"),
        ("MAX(amount) > 2 * AVG(amount)", "grouped.a0 > (2 * grouped.a1)"),
        ("customer_id > 5", "grouped.customer_id > 5"),
    ],
)
def test_having_keeps_groups(ask: Ask, having: str, predicate: str) -> None:
    sql = f"SELECT COUNT(*) FROM (SELECT customer_id {BY} HAVING {having}) AS t"
    source = ask(sql).boundaries[0].source
    found = [each for each in relations(source) if isinstance(each, Filter)]
    assert [expression_text(each.predicate) for each in found] == [predicate]


@pytest.mark.parametrize(
    ("inner", "keys"),
    [
        ("SELECT COUNT(*) AS n FROM orders GROUP BY customer_id", ["customer_id"]),
        (
            "SELECT COUNT(*) AS n FROM orders GROUP BY customer_id, status",
            ["customer_id", "status"],
        ),
        (
            "SELECT year(placed_on) AS y, customer_id FROM orders GROUP BY ALL",
            ["k0", "customer_id"],
        ),
        (
            "SELECT order_id, COUNT(*) AS n FROM line_items GROUP BY order_id",
            ["order_id"],
        ),
        (
            (
                "SELECT c.customer_id, COUNT(o.order_id) n FROM customers c LEFT JOIN"
                " orders AS o ON o.customer_id = c.customer_id GROUP BY 1"
            ),
            ["customer_id"],
        ),
    ],
)
def test_groups_that_say_whose_they_are(ask: Ask, inner: str, keys: list[str]) -> None:
    assert [each.name for each in group(ask, inner).keys] == keys


def test_groups_of_the_outer_row_s_unit_need_no_key(ask: Ask) -> None:
    sql = (
        "SELECT COUNT(*) FROM customers AS c, LATERAL (SELECT o.status, COUNT(*) AS n"
        " FROM orders AS o WHERE o.customer_id = c.customer_id GROUP BY o.status) AS t"
    )
    source = ask(sql).boundaries[0].source
    (found,) = [each for each in relations(source) if isinstance(each, Group)]
    assert [each.name for each in found.keys] == ["status"]


@pytest.mark.parametrize(
    ("inner", "code"),
    [
        (f"SELECT amount {BY}", "DPQ124"),
        (f"SELECT COUNT(*) + amount AS x {BY}", "DPQ124"),
        (f"SELECT COUNT(*) AS n {BY} HAVING amount > 5", "DPQ124"),
        (f"SELECT LIST(note) AS x {BY}", "DPQ121"),
        (f"SELECT ARG_MAX(note, amount) AS x {BY}", "DPQ121"),
        (f"SELECT ANY_VALUE(note) AS x {BY}", "DPQ106"),
        (f"SELECT CORR(amount, order_id) AS x {BY}", "DPQ121"),
        (f"SELECT COUNT(DISTINCT (note, kind)) AS x {BY}", "DPQ106"),
        (f"SELECT MEDIAN(note) AS x {BY}", "DPQ105"),
        (f"SELECT SUM(note) AS x {BY}", "DPQ105"),
    ],
)
def test_what_is_refused(refused: Refused, inner: str, code: str) -> None:
    assert refused(f"SELECT COUNT(*) FROM ({inner}) AS t").code == code


def test_public_rows_are_answered_above_but_levels_are_not_below(
    refused: Refused,
) -> None:
    inner = "SELECT COUNT(*) AS n FROM products GROUP BY ROLLUP (category)"
    sql = f"SELECT COUNT(*) FROM orders AS o JOIN ({inner}) AS t ON o.order_id = t.n"
    assert refused(sql).code == "DPQ117"


def test_an_aggregate_may_stand_in_a_window_over_groups(ask: Ask) -> None:
    found = group(
        ask,
        "SELECT RANK() OVER (PARTITION BY customer_id ORDER BY COUNT(*)) AS r"
        " FROM orders GROUP BY customer_id, status",
    )
    assert [expression_text(each.expression) for each in found.aggregates] == [
        "count(*)"
    ]
