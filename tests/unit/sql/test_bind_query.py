"""Queries inside a statement: subqueries of rows, what is released once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dpquery.plan.render import relation_lines
from dpquery.policy.catalog import SqlType
from dpquery.sql.queries.bind import bind
from dpquery.sql.queries.binder import words_of
from dpquery.sql.queries.environment import environment_of

if TYPE_CHECKING:
    from dpquery.policy.catalog import Catalog

    from .conftest import Ask, Refused

DOUBLE, INTEGER, VARCHAR = SqlType.DOUBLE, SqlType.INTEGER, SqlType.VARCHAR


# --- released once ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "releases", "inputs"),
    [
        (
            (
                "WITH n AS (SELECT COUNT(*) AS n FROM orders) SELECT a.n + b.n"
                " FROM n AS a, n AS b"
            ),
            1,
            0,
        ),
        (
            (
                "WITH n AS (SELECT COUNT(*) AS n FROM orders) SELECT n, (SELECT n"
                " FROM n)"
                " FROM n"
            ),
            1,
            0,
        ),
        (
            (
                "SELECT (SELECT COUNT(*) FROM orders) + (SELECT COUNT(*) FROM orders)"
                " FROM products"
            ),
            2,
            0,
        ),
        (
            (
                "SELECT a.n FROM (SELECT COUNT(*) AS n FROM orders) AS a JOIN"
                " (SELECT COUNT(*) AS m FROM customers) AS b ON a.n < b.m"
            ),
            2,
            0,
        ),
        (
            (
                "SELECT a.n FROM (SELECT COUNT(*) AS n FROM orders) AS a,"
                " (SELECT COUNT(*) AS m FROM customers) AS b"
            ),
            2,
            0,
        ),
        (
            (
                "PIVOT (SELECT status, COUNT(*) AS n FROM orders GROUP BY 1) ON status"
                " USING SUM(n)"
            ),
            1,
            0,
        ),
        (
            (
                "SELECT * FROM (PIVOT (SELECT status, COUNT(*) AS n FROM orders"
                " GROUP BY 1)"
                " ON status USING SUM(n))"
            ),
            1,
            0,
        ),
        (
            (
                "WITH m AS (SELECT AVG(amount) m FROM orders) SELECT COUNT(*) FROM"
                " orders, m"
                " WHERE amount > m"
            ),
            2,
            1,
        ),
        (
            (
                "WITH m AS (SELECT AVG(amount) m FROM orders) SELECT COUNT(*) FROM"
                " orders"
                " WHERE amount > (SELECT m FROM m) AND amount < 2 * (SELECT m FROM m)"
            ),
            2,
            1,
        ),
        (
            (
                "WITH m AS (SELECT AVG(amount) m FROM orders), n AS (SELECT COUNT(*)"
                " AS n"
                " FROM orders, m WHERE amount > m) SELECT m, n FROM m, n"
            ),
            2,
            1,
        ),
        (
            (
                "SELECT COUNT(*) FROM orders WHERE amount > (SELECT AVG(amount) FROM"
                " orders"
                " WHERE amount > (SELECT AVG(amount) FROM orders))"
            ),
            3,
            2,
        ),
    ],
)
def test_what_is_released_and_read_back(
    ask: Ask, sql: str, releases: int, inputs: int
) -> None:
    query = ask(sql)
    assert (len(query.boundaries), len(query.inputs)) == (releases, inputs)


def test_releases_are_in_an_order_in_which_they_can_run(ask: Ask) -> None:
    """An input is made of releases before the one that reads it."""
    query = ask(
        "SELECT COUNT(*) FROM orders WHERE amount > (SELECT AVG(amount) FROM orders"
        " WHERE amount > (SELECT AVG(amount) FROM orders)) HAVING COUNT(*) > 5"
    )
    done: set[str] = set()
    made = {each.name: set(each.computed.released) for each in query.inputs}
    for boundary in query.boundaries:
        text = "\n".join(relation_lines(boundary.source))
        read = {name for name in made if f"the answer {name}" in text}
        assert all(made[name] <= done for name in read)
        done.add(boundary.name)
    assert len(done) == 3


# --- subqueries of a row ----------------------------------------------------------


def test_public_rows_that_a_unit_has_a_part_in_choosing(ask: Ask) -> None:
    """Customers for whom there is no product that they have not ordered."""
    (boundary,) = ask(
        "SELECT COUNT(*) FROM customers AS c WHERE NOT EXISTS (SELECT 1 FROM products"
        " AS p WHERE NOT EXISTS (SELECT 1 FROM orders AS o WHERE o.customer_id ="
        " c.customer_id AND o.kind = p.category))"
    ).boundaries
    text = "\n".join(relation_lines(boundary.source))
    assert text.count("EXISTS") == 2
    assert "orders.kind = products.category" in text


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("customers WHERE 5 < (SELECT amount, note FROM orders)", "DPQ105"),
        (
            (
                "customers AS c WHERE c.name = (SELECT COUNT(*) FROM orders AS o"
                " WHERE o.customer_id = c.customer_id)"
            ),
            "DPQ105",
        ),
        (
            "customers c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.nothing = 1)",
            "DPQ102",
        ),
        (
            "customers c WHERE EXISTS (SELECT 1 FROM orders c WHERE c.income > 1)",
            "DPQ102",
        ),
        ("customers AS c WHERE (SELECT COUNT(*) FROM orders) > 5 OFFSET 3", None),
    ],
)
def test_subqueries_that_are_refused(
    refused: Refused, ask: Ask, sql: str, code: str | None
) -> None:
    if code is None:
        assert ask(f"SELECT COUNT(*) FROM {sql}")
    else:
        assert refused(f"SELECT COUNT(*) FROM {sql}").code == code


def test_an_unqualified_name_is_found_outside_only_if_not_inside(ask: Ask) -> None:
    sql = "customers AS c WHERE EXISTS (SELECT 1 FROM orders AS o WHERE {} = {})"
    (boundary,) = ask(
        "SELECT COUNT(*) FROM "
        + sql.format("customer_id", "c.customer_id")
        + " AND income > 5"
    ).boundaries
    text = "\n".join(relation_lines(boundary.source))
    assert "orders.customer_id = customers.customer_id" in text
    assert "customers.income > 5" in text


# --- names ------------------------------------------------------------------------


def test_released_tables_have_names_that_the_text_does_not_use(shop: Catalog) -> None:
    sql = "SELECT n AS r1, 1 AS row FROM (SELECT COUNT(*) AS n FROM orders) AS r2"
    query = bind(sql, shop)
    assert query.boundaries[0].name == "r1_"
    assert query.post.rows == 1
    assert '"row_"' in query.post.computed.sql
    assert {"r1", "r2", "row"} <= words_of(environment_of(sql, shop))


def test_a_text_that_means_too_much_is_refused(refused: Refused) -> None:
    """Thirty queries, each of twice the one before it, are a billion tables."""
    doubled = "q{} AS (SELECT * FROM q{} UNION ALL SELECT * FROM q{})"
    queries = ["q0 AS (SELECT note, amount FROM orders)"]
    queries += [doubled.format(at, at - 1, at - 1) for at in range(1, 31)]
    refusal = refused(f"WITH {', '.join(queries)} SELECT COUNT(*) FROM q30")
    assert refusal.code == "DPQ004"
    assert "levels deep" in refusal.message
