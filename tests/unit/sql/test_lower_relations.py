"""Relations as SQL: the rows of a unit are those that plain SQL has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest

from dpquery.engines.lockdown import PINNED
from dpquery.plan.expressions import ColumnRef
from dpquery.plan.relations import Released
from dpquery.policy.catalog import SqlType
from dpquery.sql.lowering.expressions import column
from dpquery.sql.lowering.lower import lower_parts
from dpquery.sql.lowering.relations import parameter, source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dpquery.plan.program import ReleaseStep

    Compile = Callable[[str], ReleaseStep]

TABLES = """
CREATE TABLE customers AS SELECT n AS customer_id, CASE n % 3 WHEN 0 THEN NULL ELSE
'c' || n % 2 END AS name, 'Oslo' AS city, 1950 + CAST(n AS INTEGER) AS birth_year,
CAST(n * 100 AS DOUBLE) AS income FROM range(6) AS r(n);
CREATE TABLE orders AS SELECT n AS order_id, n % 5 AS customer_id,
CAST(CASE WHEN n % 7 = 0 THEN NULL ELSE n % 4 END AS DECIMAL(10,2)) AS amount,
CASE n % 3 WHEN 0 THEN 'open' WHEN 1 THEN 'paid' END AS status,
DATE '2024-02-01' + CAST(n % 6 AS INTEGER) AS placed_on, TIMESTAMP '2024-02-01' +
to_hours(CAST(n % 9 AS INTEGER)) AS paid_at, n % 2 = 0 AS express, 'k' || n % 3 AS kind,
CASE WHEN n % 4 <> 0 THEN 'c' || n % 2 END AS note FROM range(24) AS r(n);
CREATE TABLE line_items AS SELECT n AS item_id, n % 12 AS order_id, n % 4 AS product_id,
CAST(n % 3 AS SMALLINT) AS quantity, CAST(n AS FLOAT) AS price FROM range(30) AS r(n);
CREATE TABLE payments AS SELECT n * 2 AS order_id, CAST(n AS DOUBLE) AS paid
FROM range(8) AS r(n);
CREATE TABLE picks AS SELECT n AS item_id, CAST(n AS INTEGER) AS seconds
FROM range(20) AS r(n);
CREATE TABLE sensors AS SELECT 0.5 AS reading, 'a' AS station FROM range(3);
CREATE TABLE products AS SELECT n AS product_id, 'k' || n AS category,
CAST(n AS DECIMAL(8,2)) AS list_price FROM range(3) AS r(n);
"""


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={**PINNED}) as connection:
        connection.execute(TABLES)
        yield connection


UNITS = "c.customer_id = o.customer_id"
QUERIES = [
    "orders AS o WHERE express",
    "line_items AS i",
    "picks AS p",
    "customers AS c, orders AS o WHERE c.customer_id = o.customer_id",
    "customers AS c JOIN orders AS o USING (customer_id)",
    f"customers AS c LEFT JOIN orders AS o ON {UNITS} AND o.amount > 1",
    f"customers AS c LEFT JOIN orders AS o ON {UNITS} WHERE o.order_id IS NULL",
    f"orders AS o RIGHT JOIN customers AS c ON {UNITS} AND o.express",
    f"customers AS c FULL JOIN orders AS o ON {UNITS} AND o.express",
    (
        f"(SELECT * FROM customers WHERE birth_year > 1952) AS c FULL JOIN"
        f" (SELECT * FROM orders WHERE express) AS o ON {UNITS}"
    ),
    (
        f"customers AS c LEFT JOIN (orders AS o JOIN line_items AS i"
        f" ON i.order_id = o.order_id) ON {UNITS}"
    ),
    "orders AS o LEFT JOIN payments AS p ON p.order_id = o.order_id",
    "orders AS o LEFT JOIN products AS p ON p.category = o.kind AND p.list_price > 0",
    "orders AS o JOIN products AS p ON p.list_price < o.amount",
    (
        "(orders o JOIN products p ON p.category = o.kind) LEFT JOIN products q"
        " ON q.list_price > p.list_price"
    ),
    # brackets, and outer joins of joined and filtered rows
    (
        "((orders AS o JOIN products AS p ON p.category = o.kind) LEFT JOIN payments"
        " AS q ON q.order_id = o.order_id) JOIN customers AS c"
        " ON c.customer_id = o.customer_id"
    ),
    (
        "((customers AS c LEFT JOIN orders AS o ON c.customer_id = o.customer_id) JOIN"
        " customers AS d ON c.customer_id = d.customer_id) FULL JOIN orders AS b"
        " ON b.customer_id = d.customer_id AND b.express"
    ),
    (
        "((SELECT * FROM orders WHERE express) AS o JOIN customers AS c"
        " ON c.customer_id = o.customer_id)"
    ),
    # semi-joins
    "orders AS o SEMI JOIN payments AS p ON p.order_id = o.order_id",
    "orders AS o ANTI JOIN payments AS p ON p.order_id = o.order_id",
    (
        "customers AS c WHERE EXISTS (SELECT 1 FROM orders AS o WHERE o.customer_id ="
        " c.customer_id AND o.amount > 2)"
    ),
    "customers AS c WHERE customer_id NOT IN (SELECT customer_id FROM orders)",
    "orders WHERE order_id IN (SELECT order_id FROM payments)",
    "orders AS o WHERE kind IN (SELECT category FROM products WHERE list_price > 0)",
    "orders AS o WHERE kind NOT IN (SELECT category FROM products)",
    (
        "orders AS o WHERE kind NOT IN"
        " (SELECT CASE WHEN list_price > 0 THEN category END FROM products)"
    ),
    (
        "orders AS o WHERE o.amount >= ALL (SELECT b.amount FROM orders AS b"
        " WHERE b.customer_id = o.customer_id AND b.amount IS NOT NULL)"
    ),
    (
        "orders AS o WHERE o.amount < ANY (SELECT b.amount FROM orders AS b"
        " WHERE b.customer_id = o.customer_id)"
    ),
    (
        "customers AS c WHERE NOT EXISTS (SELECT 1 FROM products AS p WHERE NOT EXISTS"
        " (SELECT 1 FROM orders AS o WHERE o.customer_id = c.customer_id AND o.kind ="
        " p.category))"
    ),
    # values of other rows
    (
        "customers AS c WHERE (SELECT COUNT(*) FROM orders AS o WHERE o.customer_id ="
        " c.customer_id AND o.express) > 2"
    ),
    (
        "customers c WHERE (SELECT MAX(amount) FROM orders o WHERE o.customer_id ="
        " c.customer_id) > 2"
    ),
    (
        "orders AS o WHERE amount > (SELECT list_price FROM products AS p"
        " WHERE p.category = o.kind)"
    ),
    # groups, windows, set operations
    "(SELECT customer_id, COUNT(*) AS n FROM orders GROUP BY 1 HAVING COUNT(*) > 4) t",
    (
        "(SELECT customer_id, status, SUM(amount) AS s FROM orders GROUP BY 1, 2) AS t"
        " WHERE s > 3"
    ),
    "(SELECT customer_id FROM orders UNION SELECT customer_id FROM customers) AS t",
    (
        "(SELECT customer_id, note FROM orders EXCEPT SELECT customer_id, name"
        " FROM customers) AS t"
    ),
    (
        "(SELECT customer_id, note FROM orders INTERSECT ALL SELECT customer_id, name"
        " FROM customers) AS t"
    ),
    (
        "(SELECT amount, customer_id FROM orders UNION ALL SELECT NULL, customer_id"
        " FROM customers) AS t WHERE amount IS NULL"
    ),
    "(SELECT DISTINCT customer_id, status FROM orders) AS t",
    (
        "(SELECT RANK() OVER (PARTITION BY customer_id ORDER BY amount) r FROM orders)"
        " AS t WHERE r = 1"
    ),
    (
        "(SELECT order_id FROM orders QUALIFY ROW_NUMBER() OVER (PARTITION BY"
        " customer_id"
        " ORDER BY placed_on, order_id) <= 2) AS t"
    ),
    "(SELECT DISTINCT ON (customer_id) order_id FROM orders ORDER BY placed_on) AS t",
    # laterals and constants
    (
        "customers AS c, LATERAL (SELECT amount FROM orders AS o WHERE o.customer_id ="
        " c.customer_id ORDER BY amount LIMIT 2) AS t"
    ),
    (
        "customers AS c LEFT JOIN LATERAL (SELECT amount FROM orders AS o WHERE"
        " o.customer_id = c.customer_id AND o.amount > 2 LIMIT 1) AS t ON TRUE"
    ),
    (
        "orders AS o ASOF JOIN orders AS b ON o.customer_id = b.customer_id"
        " AND o.order_id > b.order_id"
    ),
    (
        "orders AS o JOIN (VALUES (0, 2), (2, 9)) AS v(a, b) ON o.amount >= v.a"
        " AND o.amount < v.b"
    ),
    "orders AS o JOIN generate_series(0, 4) AS s(n) ON o.order_id = s.n",
]


@pytest.mark.parametrize("sql", QUERIES)
def test_the_rows_are_those_of_plain_sql(
    database: duckdb.DuckDBPyConnection, compile_step: Compile, sql: str
) -> None:
    step = compile_step(f"SELECT COUNT(*) FROM {sql}")
    rows = database.execute(lower_parts(step).text).fetchall()
    ((expected,),) = database.execute(f"SELECT COUNT(*) FROM {sql}").fetchall()
    assert sum(count for *_, count in rows) == expected
    assert len({unit for unit, *_ in rows}) == len(rows)


def test_rows_without_a_unit_are_dropped(
    database: duckdb.DuckDBPyConnection, compile_step: Compile
) -> None:
    """NULL units, and children without a parent; nobody is told how many."""
    with database.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO orders (order_id, customer_id) VALUES (99, NULL)")
        cursor.execute("INSERT INTO line_items (item_id, order_id) VALUES (98, 99)")
        cursor.execute("INSERT INTO line_items (item_id, order_id) VALUES (97, 777)")
        for sql, count in (("orders", 24), ("line_items", 30)):
            text = lower_parts(compile_step(f"SELECT COUNT(*) FROM {sql}")).text
            rows = cursor.execute(text).fetchall()
            assert sum(each for *_, each in rows) == count
            assert None not in {unit for unit, *_ in rows}
        cursor.execute("ROLLBACK")


def test_answers_are_parameters(database: duckdb.DuckDBPyConnection) -> None:
    columns = tuple(ColumnRef("m", name, SqlType.DOUBLE) for name in "ab")
    text = source(Released("m", "i1", columns)).select([column("m", "a")]).sql("duckdb")
    assert text.count("$") == 2
    given = {parameter("i1", 0): [1.5, 2.5], parameter("i1", 1): [None, 3.0]}
    assert database.execute(text, given).fetchall() == [(1.5,), (2.5,)]
    none = {name: [] for name in given}
    assert database.execute(text, none).fetchall() == []
