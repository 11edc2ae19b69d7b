"""What follows from the unit: keys with one value per unit, rows that it can have."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from dpquery.plan.analysis.dependencies import (
    DEFAULT_ROWS_PER_UNIT,
    determined_by_unit,
    rows_per_group,
    rows_per_unit,
    undeclared,
)
from dpquery.plan.analysis.privacy_unit import own
from dpquery.sql.queries.bind import bind

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpquery.plan.program import ReleaseStep
    from dpquery.policy.catalog import Catalog

    Compile = Callable[[str], ReleaseStep]

CO = "customers AS c JOIN orders AS o ON c.customer_id = o.customer_id"


@pytest.mark.parametrize(
    ("key", "tables", "determined"),
    [
        ("city", "customers", True),
        ("birth_year % 10", "customers", True),
        ("city || name", "customers", True),
        ("status", "orders", False),
        ("CASE WHEN TRUE THEN 'a' END", "orders", True),
        ("c.city", CO, True),
        ("o.status", CO, False),
        ("c.city || o.status", CO, False),
        ("c.birth_year % 10 = o.customer_id", CO, True),
        (
            "p.category",
            "customers AS c JOIN products AS p ON c.birth_year = p.product_id",
            True,
        ),
        (
            "p.category",
            "customers AS c LEFT JOIN products AS p ON c.birth_year = p.product_id",
            True,
        ),
        (
            "p.category",
            "customers AS c JOIN products AS p ON c.name = p.category",
            False,
        ),
        (
            "p.category",
            "customers AS c JOIN products AS p ON c.birth_year > p.product_id",
            False,
        ),
        (
            "p.category",
            "orders AS o JOIN products AS p ON o.order_id = p.product_id",
            False,
        ),
    ],
)
def test_keys_that_follow_the_unit(
    compile_step: Compile, key: str, tables: str, *, determined: bool
) -> None:
    step = compile_step(f"SELECT {key} AS key, COUNT(*) FROM {tables} GROUP BY key")
    found = determined_by_unit([k.expression for k in step.keys], step.source)
    assert found is determined
    assert step.bounding.single_group is determined


def test_no_key_is_one_group(compile_step: Compile) -> None:
    assert compile_step("SELECT COUNT(*) FROM orders").bounding.single_group


@pytest.mark.parametrize(
    ("tables", "rows", "per_group"),
    [
        ("customers", 1, None),
        ("orders", 20, 5),
        (CO, 20, 5),
        ("line_items", 60, None),  # the hidden orders are parents: they add no rows
        ("payments", 100, None),
        ("sensors", 1, None),
        ("orders AS o JOIN products AS p ON o.kind = p.category", 20, 5),
        ("orders AS a JOIN orders AS b ON a.customer_id = b.customer_id", 20, 5),
        ("(SELECT customer_id, note FROM orders WHERE express) AS t", 20, 5),
        ("(SELECT DISTINCT customer_id, note FROM orders) AS t", 20, None),
        ("(SELECT customer_id, COUNT(*) AS n FROM orders GROUP BY 1) AS t", 1, None),
        ("(SELECT order_id, COUNT(*) AS n FROM line_items GROUP BY 1) AS t", 60, None),
        (
            (
                "(SELECT note FROM orders UNION ALL SELECT name FROM customers) AS t",
                21,
                None,
            )
        ),
        (
            (
                "(SELECT customer_id FROM orders EXCEPT SELECT customer_id"
                " FROM customers) AS t"
            ),
            20,
            None,
        ),
        (
            (
                "(SELECT customer_id FROM orders INTERSECT SELECT customer_id"
                " FROM customers) AS t"
            ),
            1,
            None,
        ),
        (
            (
                "(SELECT note FROM orders QUALIFY ROW_NUMBER() OVER"
                " (PARTITION BY customer_id ORDER BY placed_on) <= 2) AS t"
            ),
            2,
            5,
        ),
        (
            (
                "(SELECT note FROM orders QUALIFY RANK() OVER"
                " (PARTITION BY customer_id ORDER BY placed_on) <= 2) AS t"
            ),
            20,  # ties can be many
            5,
        ),
        ("orders TABLESAMPLE BERNOULLI (5%)", 20, 5),
        ("line_items AS i JOIN picks AS p ON p.item_id = i.item_id", 100, None),
        (
            "customers AS c LEFT JOIN orders AS o ON c.customer_id = o.customer_id",
            20,
            5,
        ),
    ],
)
def test_rows_that_a_unit_can_have(
    compile_step: Compile, tables: str, rows: int, per_group: int | None
) -> None:
    relation = compile_step(f"SELECT COUNT(*) FROM {tables}").source.relation
    assert rows_per_unit(relation) == rows
    assert rows_per_group(relation) == per_group


@pytest.mark.parametrize(
    ("kind", "rows"), [("JOIN", 3), ("LEFT JOIN", 20), ("FULL JOIN", 20)]
)
def test_an_outer_join_keeps_parents_without_children(
    shop: Catalog, kind: str, rows: int
) -> None:
    few = replace(shop.tables["line_items"], max_rows_per_unit=3)
    catalog = replace(shop, tables={**shop.tables, "line_items": few})
    sql = f"orders AS o {kind} line_items AS i ON i.order_id = o.order_id"
    query = bind(f"SELECT COUNT(*) FROM {sql}", catalog)
    relation = own(query.boundaries[0].source, catalog).relation
    assert rows_per_unit(relation) == rows


def test_a_table_without_a_hint_gets_the_default(compile_step: Compile) -> None:
    step = compile_step(
        "SELECT COUNT(*) FROM payments AS p JOIN orders AS o ON p.order_id = o.order_id"
    )
    assert rows_per_unit(step.source.relation) == DEFAULT_ROWS_PER_UNIT == 100
    assert undeclared(step.source.relation) == ["payments"]
