"""What conditions say of keys: a list is never short of a key that a row can have."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from dpquery.plan.analysis.key_filters import possible, values_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpquery.plan.expressions import Expression

    Expr = Callable[[str], Expression]


@pytest.mark.parametrize(
    ("key", "condition", "values"),
    [
        ("note", "note = 'a'", ["a"]),
        ("note", "'a' = note", ["a"]),
        ("note", "note IN ('a', 'b', 'a')", ["a", "b"]),
        ("note", "note IN ('a', NULL)", ["a"]),
        ("note", "note = 'a' OR note IN ('b')", ["a", "b"]),
        ("UPPER(note)", "UPPER(note) = 'A'", ["A"]),
        ("note", "UPPER(note) = 'A'", None),
        ("note", "note = kind", None),
        ("note", "note = 'a' OR express", None),
        ("note", "NOT note = 'a'", None),
        ("note", "note = NULL", []),
        ("order_id", "order_id IN (1, 2)", [1, 2]),
        ("order_id", "order_id IN (1, 2.5)", None),  # of another type
        ("placed_on", "placed_on = '2024-05-01'", [dt.date(2024, 5, 1)]),
    ],
)
def test_lists_of_keys(
    expression: Expr, key: str, condition: str, values: list[object] | None
) -> None:
    assert values_in(expression(key), [expression(condition)]) == values


def test_the_shortest_list_is_taken(expression: Expr) -> None:
    conditions = [expression("note IN ('a', 'b')"), expression("note = 'b'")]
    assert values_in(expression("note"), conditions) == ["b"]


@pytest.mark.parametrize(
    ("condition", "value", "may_be"),
    [
        ("order_id > 5", 5, False),
        ("order_id > 5", 6, True),
        ("order_id > 5", None, False),
        ("order_id <> 5", 5, False),
        ("order_id <> 5", None, False),
        ("order_id IS NULL", 5, False),
        ("order_id IS NULL", None, True),
        ("order_id IS NOT NULL", None, False),
        ("order_id NOT IN (5, 6)", 5, False),
        ("order_id NOT IN (5, 6)", 7, True),
        ("order_id IN (5, 6)", 7, False),
        ("order_id > 5 AND express", 5, False),
        ("order_id > 5 OR express", 5, True),
        ("order_id > 5 OR order_id < 0", 5, False),
        ("NOT order_id > 5", 9, True),  # not looked into
        ("order_id > amount", 9, True),
        ("amount > 5", 1, True),  # of another column
    ],
)
def test_keys_that_no_row_can_have(
    expression: Expr, condition: str, value: int | None, *, may_be: bool
) -> None:
    found = possible(value, expression("order_id"), [expression(condition)])
    assert found is may_be


def test_texts_are_ordered_by_the_engine_alone(expression: Expr) -> None:
    assert possible("a", expression("note"), [expression("note > 'b'")])
