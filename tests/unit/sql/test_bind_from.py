"""FROM: joins, USING and NATURAL, lists of constants, and what names mean there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dpquery.plan.relations import Listed
from dpquery.plan.render import expression_text, relation_lines
from dpquery.plan.walk import relations
from dpquery.sql.queries.from_clause import MAX_TABLES
from dpquery.sql.queries.tables import MAX_LISTED

if TYPE_CHECKING:
    from dpquery.plan.relations import Relation

    from .conftest import Ask, Refused


def source(ask: Ask, sql: str, item: str = "COUNT(*)") -> Relation:
    return ask(f"SELECT {item} FROM {sql}").boundaries[-1].source


def lines(ask: Ask, sql: str) -> list[str]:
    return [each.strip() for each in relation_lines(source(ask, sql))]


# --- joins ------------------------------------------------------------------------

SAME = "orders.customer_id = customers.customer_id"


@pytest.mark.parametrize(
    ("sql", "head"),
    [
        ("orders JOIN customers USING (customer_id)", f"inner join on {SAME}"),
        ("orders NATURAL JOIN customers", f"inner join on {SAME}"),
        ("orders LEFT JOIN customers USING (customer_id)", f"left join on {SAME}"),
        ("orders FULL JOIN customers USING (customer_id)", f"full join on {SAME}"),
        ("orders CROSS JOIN products", "inner join"),
        ("orders, products", "inner join"),
        ("orders INNER JOIN products ON TRUE", "inner join"),
    ],
)
def test_joins(ask: Ask, sql: str, head: str) -> None:
    assert lines(ask, sql)[0] == head


def test_a_right_join_is_a_left_one_turned(ask: Ask) -> None:
    found = lines(ask, "orders AS o RIGHT JOIN customers AS c USING (customer_id)")
    assert found == [
        f"left join on {SAME}",
        "scan customers (private)",
        "scan orders (private)",
    ]


@pytest.mark.parametrize(
    ("kind", "column"),
    [
        ("JOIN", "orders.customer_id"),
        ("LEFT JOIN", "orders.customer_id"),
        ("RIGHT JOIN", "customers.customer_id"),
        ("FULL JOIN", "coalesce(orders.customer_id, customers.customer_id)"),
    ],
)
def test_a_shared_column_is_that_of_the_side_that_is_kept(
    ask: Ask, kind: str, column: str
) -> None:
    sql = (
        f"SELECT COUNT(customer_id + 0) FROM orders {kind} customers USING"
        f" (customer_id)"
    )
    (count,) = ask(sql).boundaries[0].aggregates
    assert expression_text(count.argument) == f"{column} + 0"  # type: ignore[union-attr,arg-type]


def test_star_shows_a_shared_column_once(ask: Ask) -> None:
    inner = "SELECT * FROM orders JOIN customers USING (customer_id)"
    text = "\n".join(lines(ask, f"({inner}) AS t"))
    assert text.count("customer_id,") == 1


@pytest.mark.parametrize(
    ("star", "columns"),
    [
        ("*", "products.product_id, products.category, products.list_price"),
        ("p.*", "products.product_id, products.category, products.list_price"),
        ("* EXCLUDE (category)", "products.product_id, products.list_price"),
        (
            "* REPLACE (1 AS category)",
            "products.product_id, 1 as category, products.list_price",
        ),
        (
            "p.*, p.category AS c",
            (
                "products.product_id, products.category,"
                " products.list_price, products.category as c"
            ),
        ),
    ],
)
def test_stars(ask: Ask, star: str, columns: str) -> None:
    found = lines(
        ask, f"orders AS o JOIN (SELECT {star} FROM products AS p) AS t ON TRUE"
    )
    assert f"query: select {columns}" in found


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("orders AS o JOIN customers AS o ON TRUE", "DPQ103"),
        ("orders JOIN orders ON TRUE", "DPQ103"),
        ("orders AS o JOIN customers AS c ON customer_id = 5", "DPQ103"),
        ("orders AS o JOIN customers AS c ON o.nothing = c.customer_id", "DPQ102"),
        ("orders AS o JOIN customers AS c ON p.customer_id = c.customer_id", "DPQ101"),
        ("orders JOIN customers USING (note)", "DPQ102"),
        ("orders NATURAL JOIN sensors", "DPQ116"),
        ("orders AS o JOIN customers AS c ON c.customer_id", "DPQ105"),
        ("orders AS o JOIN products AS p ON o.amount", "DPQ105"),
        ("orders AS o(a, b, c, d, e, f, g, h, i, j, k)", "DPQ102"),
        ("nothing", "DPQ101"),
        ("orderz", "DPQ101"),
        ("orders POSITIONAL JOIN products", "DPQ116"),
        (
            "orders AS o ASOF JOIN customers AS c ON o.customer_id = c.customer_id",
            "DPQ116",
        ),
        (
            ", ".join(f"products AS p{at}" for at in range(MAX_TABLES)) + ", orders",
            "DPQ116",
        ),
        ("orders PIVOT (COUNT(*) FOR status IN ('open'))", "DPQ116"),
    ],
)
def test_what_is_refused(refused: Refused, sql: str, code: str) -> None:
    refusal = refused(f"SELECT COUNT(*) FROM\n{sql}")
    assert refusal.code == code
    assert refusal.position is not None


def test_columns_of_tables_can_be_renamed(ask: Ask) -> None:
    sql = "orders AS o(number, whose) JOIN products AS p(id) ON o.number = p.id"
    (head, *_) = lines(ask, sql)
    assert head == "inner join on orders.order_id = products.product_id"


def test_one_table_twice_has_two_names(ask: Ask) -> None:
    found = lines(ask, "orders AS a JOIN orders AS b ON a.customer_id = b.customer_id")
    assert found[0] == "inner join on orders.customer_id = orders_2.customer_id"


# --- constants --------------------------------------------------------------------


def listed(ask: Ask, sql: str) -> list[tuple[object, ...]]:
    found = relations(source(ask, f"orders AS o JOIN {sql} ON TRUE"))
    (rows,) = [each for each in found if isinstance(each, Listed)]
    return [tuple(map(str, row)) for row in rows.rows]


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("(VALUES (1, 'a'), (2, NULL)) AS v", [("1", "a"), ("2", "None")]),
        ("(VALUES (1), (2.5)) AS v", [("1",), ("2.5",)]),
        ("generate_series(1, 3) AS s", [("1",), ("2",), ("3",)]),
        ("range(1, 3) AS s", [("1",), ("2",)]),
        ("generate_series(3, 1, -1) AS s", [("3",), ("2",), ("1",)]),
        (
            "generate_series(DATE '2024-01-31', DATE '2024-03-31', INTERVAL 1 MONTH) s",
            [("2024-01-31",), ("2024-02-29",), ("2024-03-31",)],
        ),
        ("UNNEST([1, 2]) AS u(x)", [("1",), ("2",)]),
    ],
)
def test_lists_of_constants(ask: Ask, sql: str, rows: list[tuple[object, ...]]) -> None:
    assert listed(ask, sql) == rows


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("(VALUES (1, 2), (3)) AS v", "DPQ105"),
        ("(VALUES (1), ('a')) AS v", "DPQ105"),
        ("(VALUES (o.amount)) AS v", "DPQ107"),
        (f"generate_series(1, {MAX_LISTED + 1}) AS s", "DPQ107"),
        ("generate_series(1, o.order_id) AS s", "DPQ107"),
        ("generate_series(1.5, 3) AS s", "DPQ107"),
        ("generate_series(3, 1) AS s", "DPQ107"),
    ],
)
def test_lists_that_are_refused(refused: Refused, sql: str, code: str) -> None:
    assert refused(f"SELECT COUNT(*) FROM orders AS o JOIN {sql} ON TRUE").code == code


# --- samples ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "sample",
    [
        "TABLESAMPLE 10%",
        "TABLESAMPLE BERNOULLI (10%)",
        "USING SAMPLE 10%",
        "USING SAMPLE 10 PERCENT (bernoulli)",
    ],
)
def test_samples_are_a_share(ask: Ask, sample: str) -> None:
    assert lines(ask, f"orders {sample}")[0] == "sample of 10 % of the units"


@pytest.mark.parametrize(
    "sample",
    [
        "TABLESAMPLE 10",
        "TABLESAMPLE RESERVOIR (10 ROWS)",
        "USING SAMPLE 10 ROWS",
        "TABLESAMPLE SYSTEM (10%)",
        "TABLESAMPLE BERNOULLI (0%)",
        "TABLESAMPLE BERNOULLI (101%)",
    ],
)
def test_samples_of_rows_are_refused(refused: Refused, sample: str) -> None:
    assert refused(f"SELECT COUNT(*) FROM orders {sample}").code == "DPQ133"


def test_a_seed_takes_other_units(ask: Ask) -> None:
    one, other = (
        source(ask, f"orders TABLESAMPLE BERNOULLI (10%) REPEATABLE ({seed})")
        for seed in (1, 2)
    )
    assert one != other
