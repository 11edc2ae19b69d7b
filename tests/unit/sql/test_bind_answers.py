"""Queries above the boundary: kept as written, over released and public tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Answer, Ask, Refused

N = "(SELECT status, COUNT(*) AS n FROM orders GROUP BY status)"
R1 = "(SELECT r1.k0 AS status, r1.a0 AS n{row} FROM r1)"


def shown(text: str) -> str:
    """Return a SELECT without the hidden numbers of rows."""
    for hidden in (", r1.row AS row", ", t.row AS row", " ORDER BY row", ", row"):
        text = text.replace(hidden, "")
    return text


@pytest.mark.parametrize(
    ("sql", "kept"),
    [
        (
            f"SELECT * FROM {N} AS t",
            f"SELECT t.status, t.n FROM {R1} AS t",
        ),
        (
            f"SELECT t.n FROM {N} AS t WHERE n > 5",
            f"SELECT t.n FROM {R1} AS t WHERE n > 5",
        ),
        (
            f"SELECT SUM(n) AS s FROM {N} AS t GROUP BY status HAVING SUM(n) > 5",
            f"SELECT SUM(n) AS s FROM {R1} AS t GROUP BY status HAVING SUM(n) > 5",
        ),
        (
            f"SELECT n FROM {N} AS t(s, n) ORDER BY s DESC",
            f"SELECT n FROM {R1} AS t(s, n) ORDER BY s DESC",
        ),
        (
            f"SELECT DISTINCT n FROM {N} AS t LIMIT 3",
            f"SELECT DISTINCT n FROM {R1} AS t LIMIT 3",
        ),
        (
            (
                f"SELECT t.status, p.list_price FROM {N} AS t JOIN products AS p"
                " ON p.category = t.status"
            ),
            (
                f"SELECT t.status, p.list_price FROM {R1} AS"
                f" t JOIN"
                " products AS p ON p.category = t.status"
            ),
        ),
        (
            f"SELECT n, (SELECT AVG(list_price) FROM products) AS p FROM {N} AS t",
            (
                'SELECT n, (SELECT AVG(list_price) AS "AVG(list_price)" FROM products)'
                f" AS p FROM {R1} AS t"
            ),
        ),
        (
            "SELECT category, MAX(list_price) AS m FROM products GROUP BY 1",
            ("SELECT category, MAX(list_price) AS m FROM products GROUP BY 1"),
        ),
    ],
)
def test_what_is_kept(answer: Answer, sql: str, kept: str) -> None:
    expected = kept.replace("{row}", "")
    assert shown(answer(sql)).replace(" NULLS FIRST", "") == expected


def test_public_queries_release_nothing(ask: Ask) -> None:
    query = ask(
        "SELECT category, COUNT(*) FROM products WHERE list_price > 5 GROUP BY 1"
    )
    assert (query.boundaries, query.inputs) == ((), ())
    (table,) = query.post.computed.public
    assert table.table.name == "products"
    assert table.columns == ("category", "list_price")  # those that are named


@pytest.mark.parametrize(
    ("item", "columns"),
    [
        ("COUNT(*)", ("product_id",)),  # a table has some column
        ("COUNT(category)", ("category",)),
        ("MAX(p.List_Price)", ("list_price",)),
        ("p.*", ("product_id", "category", "list_price")),
    ],
)
def test_only_columns_that_are_read_are_sent(
    ask: Ask, item: str, columns: tuple[str, ...]
) -> None:
    (table,) = ask(f"SELECT {item} FROM products AS p").post.computed.public
    assert table.columns == columns


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        (f"SELECT * FROM {N} AS t", ["status", "n"]),
        (f"SELECT *, n + 1 FROM {N} AS t", ["status", "n", "n + 1"]),
        (
            f"SELECT t.*, p.* FROM {N} AS t, products AS p",
            ["status", "n", "product_id", "category", "list_price"],
        ),
        (f"SELECT * FROM {N} AS t(a)", ["a", "n"]),
        (f"SELECT a.n, b.n FROM {N} AS a, {N} AS b", ["n", "n_1"]),
        # only the engine knows
        (f"SELECT * EXCLUDE (n) FROM {N} AS t", None),
        (f"SELECT COLUMNS(*) FROM {N} AS t", None),
        (f"SELECT * FROM {N} AS a JOIN {N} AS b USING (status)", None),
        (f"PIVOT {N} ON status USING SUM(n)", None),
    ],
)
def test_names_of_columns(ask: Ask, sql: str, names: list[str] | None) -> None:
    outputs = ask(sql).post.outputs
    found = None if outputs is None else [each.name for each in outputs]
    assert found == names


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        (f"SELECT * FROM {N} AS t WHERE EXISTS (SELECT 1 FROM orders)", "DPQ115"),
        ("SELECT (SELECT amount FROM orders) FROM products", "DPQ115"),
        (
            "SELECT * FROM products WHERE product_id IN (SELECT order_id FROM orders)",
            "DPQ115",
        ),
        (f"SELECT * FROM {N} AS t UNION ALL SELECT note, amount FROM orders", "DPQ115"),
        (
            (
                "SELECT p.category FROM products AS p WHERE EXISTS"
                " (SELECT 1 FROM orders AS o WHERE o.kind = p.category)"
            ),
            "DPQ115",
        ),
        (f"SELECT nothing.* FROM {N} AS t", None),
    ],
)
def test_rows_of_units_never_come_above(
    refused: Refused, ask: Ask, sql: str, code: str | None
) -> None:
    if code is None:  # names above the boundary are the engine's to look up
        assert ask(sql).post.outputs is None
    else:
        refusal = refused(sql)
        assert refusal.code == code
        assert refusal.position is not None
