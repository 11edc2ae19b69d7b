"""What names of tables mean: WITH, views and the policy's tables, each at its place."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from dpquery.errors import QueryRefused
from dpquery.plan.render import relation_lines
from dpquery.sql.parsing.parse import as_query, parse
from dpquery.sql.queries.bind import bind
from dpquery.sql.queries.environment import environment_of, reads_private, tables_in
from dpquery.sql.queries.views import refused_views

if TYPE_CHECKING:
    from dpquery.policy.catalog import Catalog

    from .conftest import Refused


def text(catalog: Catalog, sql: str) -> str:
    return "\n".join(relation_lines(bind(sql, catalog).boundaries[-1].source))


def with_views(shop: Catalog, **views: str) -> Catalog:
    return replace(shop, views=views)


# --- WITH -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        # a query of WITH hides a table, and does not see itself
        (
            (
                "WITH orders AS (SELECT * FROM orders WHERE express)"
                " SELECT COUNT(*) FROM orders"
            ),
            "filter orders.express",
        ),
        (
            "WITH ORDERS AS (SELECT * FROM customers) SELECT COUNT(*) FROM orders",
            "scan customers",
        ),
        # ... but not one that the schema names
        (
            "WITH orders AS (SELECT * FROM customers) SELECT COUNT(*) FROM main.orders",
            "scan orders",
        ),
        # the innermost WITH counts
        (
            (
                "WITH t AS (SELECT * FROM orders) SELECT COUNT(*) FROM"
                " (WITH t AS (SELECT * FROM customers) SELECT * FROM t) AS s"
            ),
            "scan customers",
        ),
        # what stands before is seen
        (
            (
                "WITH a AS (SELECT * FROM orders), b AS (SELECT * FROM a)"
                " SELECT COUNT(*) FROM b"
            ),
            "scan orders",
        ),
        # a name in a subquery is looked for where the subquery stands
        (
            (
                "WITH t AS (SELECT customer_id FROM orders) SELECT COUNT(*) FROM"
                " customers"
                " WHERE customer_id IN (SELECT customer_id FROM t)"
            ),
            "scan orders",
        ),
        # columns can be renamed
        (
            (
                "WITH t(whose) AS (SELECT customer_id FROM orders)"
                " SELECT COUNT(*) FROM t WHERE whose > 5"
            ),
            "filter query.customer_id > 5",
        ),
    ],
)
def test_names_of_with(shop: Catalog, sql: str, found: str) -> None:
    assert found in text(shop, sql)


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        (
            (
                "WITH a AS (SELECT * FROM b), b AS (SELECT * FROM orders)"
                " SELECT COUNT(*) FROM a"
            ),
            "DPQ101",
        ),
        ("WITH a AS (SELECT * FROM a) SELECT COUNT(*) FROM a", "DPQ101"),
        (
            (
                "WITH a AS (SELECT * FROM orders), A AS (SELECT * FROM orders)"
                " SELECT COUNT(*) FROM a"
            ),
            "DPQ103",
        ),
        (
            (
                "WITH RECURSIVE a AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM a)"
                " SELECT COUNT(*) FROM a, orders"
            ),
            "DPQ134",
        ),
        (
            (
                "SELECT COUNT(*) FROM (WITH t AS (SELECT * FROM orders) SELECT *"
                " FROM t) s,"
                " t"
            ),
            "DPQ101",
        ),
        (
            "WITH t(a, b) AS (SELECT customer_id FROM orders) SELECT COUNT(*) FROM t",
            "DPQ102",
        ),
    ],
)
def test_names_that_are_not_seen(refused: Refused, sql: str, code: str) -> None:
    refusal = refused(sql)
    assert refusal.code == code
    assert refusal.position is not None


# --- views ------------------------------------------------------------------------


def test_views_see_only_earlier_views_and_the_tables(shop: Catalog) -> None:
    catalog = with_views(
        shop,
        fast="SELECT * FROM orders WHERE express",
        dear="SELECT * FROM fast WHERE amount > 100",
    )
    found = text(catalog, "SELECT COUNT(*) FROM dear")
    assert "orders.express" in found
    assert "query.amount > 100" in found
    swapped = with_views(shop, **dict(reversed(catalog.views.items())))
    with pytest.raises(QueryRefused) as caught:
        bind("SELECT COUNT(*) FROM dear", swapped)
    assert caught.value.code == "DPQ101"


def test_a_view_does_not_see_the_statement_s_with(shop: Catalog) -> None:
    catalog = with_views(shop, fast="SELECT * FROM orders WHERE express")
    sql = "WITH orders AS (SELECT * FROM customers) SELECT COUNT(*) FROM fast"
    assert "scan orders" in text(catalog, sql)


def test_with_hides_a_view(shop: Catalog) -> None:
    catalog = with_views(shop, fast="SELECT * FROM orders WHERE express")
    sql = "WITH fast AS (SELECT * FROM customers) SELECT COUNT(*) FROM FAST"
    assert "scan customers" in text(catalog, sql)


def test_errors_inside_a_view_are_placed_in_it(shop: Catalog) -> None:
    catalog = with_views(shop, bad="SELECT *\nFROM orders WHERE nothing > 5")
    with pytest.raises(QueryRefused) as caught:
        bind("SELECT COUNT(*) FROM bad", catalog)
    place = caught.value.place
    assert place is not None
    assert (place.file, place.line, place.column) == ("view bad", 2, 19)
    assert place.text == "FROM orders WHERE nothing > 5"


def test_an_answer_can_be_a_view(shop: Catalog) -> None:
    catalog = with_views(shop, n="SELECT status, COUNT(*) AS n FROM orders GROUP BY 1")
    query = bind("SELECT a.n, b.n FROM n AS a JOIN n AS b USING (status)", catalog)
    assert len(query.boundaries) == 1


def test_views_that_no_query_can_read(shop: Catalog) -> None:
    catalog = with_views(
        shop,
        good="SELECT * FROM orders",
        bad="SELECT o.* FROM orders AS o JOIN customers AS c ON o.note = c.name",
        worse="SELECT nothing FROM orders",
        answer="SELECT COUNT(*) AS n FROM orders",
        public="SELECT * FROM products",
    )
    found = {name: refusal.code for name, refusal in refused_views(catalog)}
    assert found == {"bad": "DPQ110", "worse": "DPQ102"}


# --- which tables are read --------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "private"),
    [
        ("SELECT * FROM products", False),
        ("SELECT * FROM orders", True),
        ("SELECT * FROM products WHERE EXISTS (SELECT 1 FROM orders)", True),
        ("SELECT (SELECT MAX(amount) FROM orders) FROM products", True),
        ("WITH orders AS (SELECT * FROM products) SELECT * FROM orders", False),
        ("WITH orders AS (SELECT * FROM products) SELECT * FROM main.orders", True),
        # a query that is named and not read counts: it is said in this one
        ("WITH t AS (SELECT * FROM orders) SELECT 1 FROM products", True),
        ("WITH t AS (SELECT * FROM orders) SELECT * FROM t", True),
        ("SELECT * FROM fast", True),
        ("SELECT * FROM cheap", False),
        ("SELECT 1 AS orders", False),
    ],
)
def test_whether_private_rows_have_a_part(
    shop: Catalog, sql: str, *, private: bool
) -> None:
    catalog = with_views(
        shop, fast="SELECT * FROM orders", cheap="SELECT * FROM products"
    )
    node = as_query(parse(sql))
    environment = environment_of(sql, catalog)
    assert reads_private(node, environment, catalog) is private


def test_every_table_is_found_with_what_it_means_there(shop: Catalog) -> None:
    sql = (
        "WITH t AS (SELECT * FROM orders) SELECT * FROM t WHERE x IN (SELECT y FROM"
        " customers) UNION ALL SELECT * FROM (WITH t AS (SELECT 1) SELECT * FROM t) s"
    )
    node, environment = as_query(parse(sql)), environment_of(sql, shop)
    found = [
        (table.name, None if (named := here.find(table.name)) is None else named.name)
        for table, here in tables_in(node, environment)
    ]
    assert sorted(found, key=str) == sorted(
        [("orders", None), ("t", "t"), ("customers", None), ("t", "t")], key=str
    )
