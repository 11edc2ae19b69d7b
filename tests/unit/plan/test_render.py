"""Plans as text: what people read of every operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dpquery.plan.analysis.privacy_unit import own
from dpquery.plan.expressions import Call, ColumnRef
from dpquery.plan.relations import Listed, Released, Unnest
from dpquery.plan.render import owned_lines, relation_lines
from dpquery.policy.catalog import SqlType

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpquery.plan.relations import Relation
    from dpquery.policy.catalog import Catalog

    Rel = Callable[[str], Relation]

X = ColumnRef("l", "x", SqlType.VARCHAR)


@pytest.mark.parametrize(
    ("sql", "lines"),
    [
        ("orders", ["scan orders (private)"]),
        (
            "orders AS o JOIN products AS p ON TRUE",
            ["inner join", "  scan orders (private)", "  scan products (public)"],
        ),
        (
            "orders TABLESAMPLE BERNOULLI (5%)",
            ["sample of 5 % of the units", "  scan orders (private)"],
        ),
        (
            "(SELECT DISTINCT customer_id AS c FROM orders) AS t",
            ["query: distinct orders.customer_id as c", "  scan orders (private)"],
        ),
        (
            (
                "(SELECT note, COUNT(DISTINCT kind) AS n FROM orders"
                " GROUP BY customer_id, note) AS t"
            ),
            [
                "query: select grouped.note, grouped.a0 as n",
                (
                    "  grouped: group by orders.customer_id, orders.note,"
                    " count(DISTINCT orders.kind) as a0"
                ),
                "    scan orders (private)",
            ],
        ),
        (
            (
                "(SELECT customer_id FROM orders INTERSECT SELECT customer_id"
                " FROM customers) AS t"
            ),
            [
                "intersect: intersect",
                "  intersect:side: select query.customer_id",
                "    query: select orders.customer_id",
                "      scan orders (private)",
                "  intersect:side_2: select query_2.customer_id",
                "    query_2: select customers.customer_id",
                "      scan customers (private)",
            ],
        ),
        (
            "customers AS c WHERE customer_id > ANY (SELECT 5 FROM products LIMIT 1)",
            [
                (
                    "filter customers.customer_id > ANY (query: select 5 as c0;"
                    " first 1; scan products (public))"
                ),
                "  scan customers (private)",
            ],
        ),
        (
            (
                "(SELECT SUM(amount) OVER (PARTITION BY customer_id ORDER BY note DESC"
                " ROWS BETWEEN 3 PRECEDING AND 1 FOLLOWING) AS s FROM orders) AS t"
            ),
            [
                (
                    "query: select sum(orders.amount) OVER (PARTITION BY"
                    " orders.customer_id ORDER BY orders.note DESC ROWS BETWEEN"
                    " 3 PRECEDING AND 1 FOLLOWING) as s"
                ),
                "  scan orders (private)",
            ],
        ),
    ],
)
def test_relations(relation: Rel, sql: str, lines: list[str]) -> None:
    assert relation_lines(relation(sql)) == lines


def test_lists_and_answers() -> None:
    rows = Listed("l", (X,), (("a",), ("b",)))
    assert relation_lines(rows, 1) == ["  l: 2 rows of constants"]
    assert relation_lines(Released("m", "i1", (X,))) == ["m: the answer i1"]
    words = Call("string_split", (X,), SqlType.UNSUPPORTED)
    assert relation_lines(Unnest(rows, "w", words, X)) == [
        "w: each element of string_split(l.x)",
        "  l: 2 rows of constants",
    ]


def test_owned_rows_say_whose_they_are(shop: Catalog, relation: Rel) -> None:
    head, *rest = owned_lines(own(relation("picks"), shop))
    assert head == "one customer is one value of picks:line_items:orders.customer_id"
    assert rest[0].startswith("  inner join on")
