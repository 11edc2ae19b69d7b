"""Inner joins taken apart and put together: nothing is lost, nothing moves too low."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dpquery.plan.analysis.inner_joins import put_together, taken_apart
from dpquery.plan.expressions import conjunction, conjuncts
from dpquery.plan.relations import Filter, Join, JoinKind, Scan
from dpquery.plan.render import expression_text, relation_lines
from dpquery.plan.walk import columns, visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpquery.plan.relations import Relation

    Rel = Callable[[str], Relation]

CO = "customers AS c JOIN orders AS o ON c.customer_id = o.customer_id"


@pytest.mark.parametrize(
    ("sql", "leaves", "conditions"),
    [
        ("orders", ["Scan"], []),
        ("orders WHERE express", ["Scan"], ["orders.express"]),
        (CO, ["Scan", "Scan"], ["customers.customer_id = orders.customer_id"]),
        (
            f"{CO} WHERE express",
            ["Scan", "Scan"],
            ["customers.customer_id = orders.customer_id", "orders.express"],
        ),
        # an outer join is a leaf: its condition does not hold for every row
        (
            "orders o LEFT JOIN products p ON o.kind = p.category WHERE o.express",
            ["Join"],
            ["orders.express"],
        ),
        (
            "orders AS o, LATERAL (SELECT o.amount AS a FROM products) AS t",
            ["Join"],
            [],
        ),
        ("(SELECT order_id FROM orders WHERE express) AS t", ["Project"], []),
    ],
)
def test_what_is_joined_and_on_what(
    relation: Rel, sql: str, leaves: list[str], conditions: list[str]
) -> None:
    found = taken_apart(relation(sql))
    assert [type(each).__name__ for each in found.leaves] == leaves
    assert [expression_text(each) for each in found.conditions] == conditions


@pytest.mark.parametrize(
    "sql", ["orders", "orders WHERE express", CO, f"{CO} WHERE 1=1"]
)
def test_the_same_leaves_give_the_same_relation(relation: Rel, sql: str) -> None:
    before = relation(sql)
    found = put_together(before, taken_apart(before).leaves)
    assert found.relation == before
    assert found.moved == ()


def test_conditions_with_subqueries_wait_for_all_leaves(relation: Rel) -> None:
    exists = "EXISTS (SELECT 1 FROM payments AS p WHERE p.order_id = o.order_id)"
    before = relation(f"{CO} AND {exists} WHERE o.express AND {exists}")
    found = put_together(before, taken_apart(before).leaves)
    assert len(found.moved) == 2
    assert all("EXISTS" in expression_text(each) for each in found.moved)
    assert "EXISTS" not in "\n".join(relation_lines(found.relation))
    assert "orders.express" in "\n".join(relation_lines(found.relation))


def test_every_condition_reads_what_is_below_it(relation: Rel) -> None:
    before = relation(
        "orders AS a JOIN (orders AS b JOIN customers AS c ON b.customer_id ="
        " c.customer_id) ON a.customer_id = b.customer_id AND c.income > a.amount"
    )
    rebuilt = put_together(before, taken_apart(before).leaves).relation

    def check(node: Relation) -> None:
        match node:
            case Filter(child=child, predicate=predicate):
                check(child)
                assert columns(predicate) <= set(visible(child))
            case Join(left=left, right=right, condition=condition):
                check(left)
                check(right)
                assert columns(condition) <= {*visible(left), *visible(right)}
            case _:
                assert isinstance(node, Scan)

    check(rebuilt)
    assert all(
        part in conjuncts(conjunction(list(taken_apart(rebuilt).conditions)))
        for part in conjuncts(conjunction(list(taken_apart(before).conditions)))
    )
    assert isinstance(rebuilt, Join)
    assert rebuilt.kind is JoinKind.INNER
