"""What follows from the unit: keys with one value per unit, rows that it can have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dpquery.plan.analysis.dependencies import (
    DEFAULT_ROWS_PER_UNIT,
    determined_by_unit,
    rows_per_group,
    rows_per_unit,
    undeclared,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpquery.plan.program import ReleaseStep

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
    ],
)
def test_rows_that_a_unit_can_have(
    compile_step: Compile, tables: str, rows: int, per_group: int | None
) -> None:
    relation = compile_step(f"SELECT COUNT(*) FROM {tables}").source.relation
    assert rows_per_unit(relation) == rows
    assert rows_per_group(relation) == per_group


def test_a_table_without_a_hint_gets_the_default(compile_step: Compile) -> None:
    step = compile_step(
        "SELECT COUNT(*) FROM payments AS p JOIN orders AS o ON p.order_id = o.order_id"
    )
    assert rows_per_unit(step.source.relation) == DEFAULT_ROWS_PER_UNIT == 100
    assert undeclared(step.source.relation) == ["payments"]
