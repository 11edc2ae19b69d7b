"""Columns traced to the tables they come from, and no further than that is true."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dpquery.plan.analysis.sources import sources
from dpquery.plan.render import expression_text
from dpquery.plan.walk import visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpquery.plan.relations import Relation

    Rel = Callable[[str], Relation]


def shown(relation: Relation, name: str) -> str:
    """Return what the shown column *name* is, over the columns of tables."""
    (column,) = [each for each in visible(relation) if each.name == name]
    return expression_text(sources(relation).expanded(column))


@pytest.mark.parametrize(
    ("sql", "column", "made"),
    [
        ("(SELECT status AS s FROM orders) AS t", "s", "orders.status"),
        ("(SELECT amount + 1 AS a FROM orders) AS t", "a", "orders.amount + 1"),
        (
            "(SELECT a * 2 AS b FROM (SELECT amount + 1 AS a FROM orders) AS t) AS u",
            "b",
            "(orders.amount + 1) * 2",
        ),
        (
            "(SELECT customer_id AS c, COUNT(*) AS n FROM orders GROUP BY 1) AS t",
            "c",
            "orders.customer_id",
        ),
        # what depends on more than its row is not looked into
        (
            "(SELECT customer_id AS c, COUNT(*) AS n FROM orders GROUP BY 1) AS t",
            "n",
            "grouped.a0",
        ),
        (
            (
                "(SELECT RANK() OVER (PARTITION BY customer_id ORDER BY amount) AS r"
                " FROM orders) AS t"
            ),
            "r",
            "query.r",
        ),
        (
            (
                "(SELECT note, customer_id FROM orders UNION ALL"
                " SELECT name, customer_id FROM customers) AS t"
            ),
            "note",
            "union.note",
        ),
    ],
)
def test_columns_are_expanded(relation: Rel, sql: str, column: str, made: str) -> None:
    assert shown(relation(sql), column) == made


CO = "customers AS c {} (SELECT customer_id, {} AS x FROM orders) AS o"
ON = " ON c.customer_id = o.customer_id"


@pytest.mark.parametrize(
    ("kind", "made", "expanded"),
    [
        ("JOIN", "amount", "orders.amount"),
        ("JOIN", "COALESCE(order_id, 0)", "coalesce(orders.order_id, 0)"),
        ("LEFT JOIN", "amount", "orders.amount"),
        # NULL, and not 0, where there is no partner
        ("LEFT JOIN", "COALESCE(amount, 0)", "query.x"),
        ("FULL JOIN", "COALESCE(amount, 0)", "query.x"),
    ],
)
def test_what_an_outer_join_may_miss_is_not_computed(
    relation: Rel, kind: str, made: str, expanded: str
) -> None:
    assert shown(relation(CO.format(kind, made) + ON), "x") == expanded


@pytest.mark.parametrize(
    ("kind", "optional", "holds", "matches"),
    [
        ("JOIN", set(), 2, 0),
        ("LEFT JOIN", {"orders"}, 1, 1),
        ("FULL JOIN", {"customers", "orders"}, 1, 1),
    ],
)
def test_which_conditions_hold_for_every_row(
    relation: Rel, kind: str, optional: set[str], holds: int, matches: int
) -> None:
    found = sources(
        relation(f"customers AS c {kind} orders AS o{ON} WHERE c.income > 5")
    )
    assert found.optional == optional
    assert (len(found.conditions), len(found.matches)) == (holds, matches)
    assert list(found.leaves) == ["customers", "orders"]


def test_a_filter_below_an_outer_join_holds_for_partners_only(relation: Rel) -> None:
    inner = "(SELECT customer_id FROM orders WHERE express) AS o"
    found = sources(relation(f"customers AS c LEFT JOIN {inner}{ON}"))
    assert found.conditions == ()
    assert [expression_text(each) for each in found.matches] == [
        "orders.express",
        "customers.customer_id = orders.customer_id",
    ]
