"""``public LEFT JOIN private``: an inner join where unmatched rows only make groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dpquery.errors import QueryRefused
from dpquery.plan.relations import Join, JoinKind
from dpquery.plan.rewrite.fill_groups import fill_groups, matched
from dpquery.plan.walk import relations
from dpquery.sql.queries.bind import bind

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpquery.plan.program import AggregateQuery, ReleaseStep
    from dpquery.policy.catalog import Catalog

    Compile = Callable[[str], ReleaseStep]

FROM = "products AS p LEFT JOIN orders AS o ON o.kind = p.category"
DP = "WITH DIFFERENTIAL_PRIVACY OPTIONS (group_selection_strategy = PUBLIC_GROUPS)"


def asked(shop: Catalog, sql: str) -> AggregateQuery:
    (boundary,) = bind(sql, shop).boundaries
    return boundary


def kinds(query: AggregateQuery) -> list[JoinKind]:
    return [each.kind for each in relations(query.source) if isinstance(each, Join)]


@pytest.mark.parametrize(
    "aggregate",
    [
        "COUNT(o.order_id)",
        "COUNT(o.amount + p.list_price)",
        "COUNT(CASE WHEN o.express THEN p.list_price END)",
        "COUNT(*) FILTER (WHERE o.express)",
        "COUNT(*) FILTER (WHERE o.order_id IS NOT NULL)",
        "COUNT(*) FILTER (WHERE o.express AND p.list_price > 5)",
        "COUNT(*) FILTER (WHERE o.express OR o.amount > 5)",
        "COUNT(DISTINCT o.customer_id)",
        "COUNT(DISTINCT o.note)",
        "SUM(o.amount)",
        "AVG(o.amount * 2)",
        "STDDEV(o.amount)",
        "CORR(o.amount, o.order_id % 7)",
        "MEDIAN(o.amount)",
        "MAX(o.placed_on)",
        "BOOL_OR(o.express)",
        "COUNT(COALESCE(o.note, o.status))",
        "SUM(LEAST(o.amount, o.amount + 1))",
    ],
)
def test_aggregates_that_ignore_unmatched_rows(shop: Catalog, aggregate: str) -> None:
    query = asked(shop, f"SELECT p.category, {aggregate} FROM {FROM} GROUP BY 1")
    assert kinds(query) == [JoinKind.LEFT]
    assert kinds(fill_groups(query)) == [JoinKind.INNER]
    assert fill_groups(query).keys == query.keys


@pytest.mark.parametrize(
    "aggregate",
    [
        "COUNT(*)",
        "COUNT(p.product_id)",
        "COUNT(COALESCE(o.amount, 0))",
        "COUNT(CASE WHEN o.express THEN 1 ELSE 0 END)",
        "COUNT(o.order_id IS NULL)",
        "COUNT(*) FILTER (WHERE o.order_id IS NULL)",
        "COUNT(*) FILTER (WHERE o.express OR p.list_price > 5)",
        "COUNT(*) FILTER (WHERE NOT o.express IS NOT NULL)",
        "COUNT(GREATEST(o.amount, 0))",
        "COUNT(o.note || 'x')",
        "SUM(p.list_price)",
        "COUNT(DISTINCT p.category)",
        "BOOL_OR(p.list_price > 5)",
        "BOOL_AND(o.express OR p.list_price > 5)",
    ],
)
def test_aggregates_that_unmatched_rows_change_are_refused(
    compile_step: Compile, shop: Catalog, aggregate: str
) -> None:
    sql = f"SELECT p.category, {aggregate} FROM {FROM} GROUP BY 1"
    query = asked(shop, sql)
    assert fill_groups(query) == query
    with pytest.raises(QueryRefused) as refusal:
        compile_step(sql)
    assert refusal.value.code in {"DPQ111", "DPQ120"}


@pytest.mark.parametrize("keys", ["o.status", "p.category, o.status", ""])
def test_groups_of_private_columns_and_no_groups_are_refused(
    compile_step: Compile, keys: str
) -> None:
    by = f"GROUP BY {keys}" if keys else ""
    with pytest.raises(QueryRefused) as refusal:
        compile_step(f"SELECT COUNT(o.order_id) FROM {FROM} {by}")
    assert refusal.value.code == "DPQ111"


def test_empty_public_groups_count_zero_in_zeta_sql(shop: Catalog) -> None:
    query = asked(shop, f"SELECT {DP} p.category, COUNT(*) FROM {FROM} GROUP BY 1")
    assert kinds(fill_groups(query)) == [JoinKind.INNER]


@pytest.mark.parametrize(
    ("sql", "before", "after"),
    [
        (FROM, ["LEFT"], ["INNER"]),
        (f"{FROM} WHERE p.list_price > 5", ["LEFT"], ["INNER"]),
        (
            f"{FROM} LEFT JOIN line_items AS i ON i.order_id = o.order_id",
            ["LEFT", "LEFT"],
            ["LEFT", "INNER"],
        ),
        ("orders AS o LEFT JOIN products AS p ON TRUE", ["LEFT"], ["LEFT"]),
        (
            "customers AS c LEFT JOIN orders AS o ON c.customer_id = o.customer_id",
            ["LEFT"],
            ["LEFT"],
        ),
    ],
)
def test_matched_rows(
    shop: Catalog, sql: str, before: list[str], after: list[str]
) -> None:
    column = "i.item_id" if " AS i " in sql else "o.order_id"
    key = "p.category" if " AS p " in sql else "o.status"
    query = asked(shop, f"SELECT {key}, COUNT({column}) FROM {sql} GROUP BY 1")
    assert kinds(query) == before
    found = [r.kind for r in relations(matched(query.source)) if isinstance(r, Join)]
    assert found == after
