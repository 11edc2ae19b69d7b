"""Which columns are computed from noisy numbers, and what says which rows are shown."""

from __future__ import annotations

import pytest

from dpquery.policy.catalog import Catalog
from dpquery.sql.queries.bind import bind

ONE = "(SELECT status, COUNT(*) AS n, SUM(amount) AS s FROM orders GROUP BY status)"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT status, COUNT(*) AS n, AVG(amount) AS a FROM orders GROUP BY status",
        "SELECT upper(status) AS s, 1 AS one, COUNT(*) FROM orders GROUP BY status",
        "SELECT status, COUNT(*) FROM orders GROUP BY ROLLUP (status) ORDER BY 2 DESC",
        "SELECT status, COUNT(*) AS n FROM orders GROUP BY status HAVING n > 5 LIMIT 2",
        f"SELECT status, n FROM {ONE} AS t WHERE s > 5",
        f"SELECT a.status, a.n, b.s FROM {ONE} AS a JOIN {ONE} AS b USING (status)",
        "SELECT category FROM products",
    ],
)
def test_released_numbers_as_they_are_are_not_drawn_again(
    shop: Catalog, sql: str
) -> None:
    assert bind(sql, shop).post.replicated is None


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("SELECT status, COUNT(*) + 1, COUNT(*) FROM orders GROUP BY status", "-x-"),
        (f"SELECT status, n / s AS q, n FROM {ONE} AS t", "-x-"),
        (f"SELECT status, RANK() OVER (ORDER BY n) AS r FROM {ONE} AS t", "-x"),
        (f"SELECT MAX(n) AS most FROM {ONE} AS t", "x"),
        (f"SELECT status, (SELECT MAX(n) FROM {ONE} AS u) AS m FROM {ONE} AS t", "-x"),
        ("SELECT COUNT(*) AS n FROM orders UNION ALL SELECT 1", "x"),
        (f"SELECT n / 2 AS h, h + 1 AS more FROM {ONE} AS t", "xx"),
        (f"SELECT q FROM (SELECT n / s AS q FROM {ONE} AS t) AS u", "x"),
        (f"SELECT a + 1 FROM {ONE} AS t (k, a, b)", "x"),
    ],
)
def test_what_is_computed_is(shop: Catalog, sql: str, columns: str) -> None:
    found = bind(sql, shop).post.replicated
    assert found is not None
    assert found.columns is not None
    assert "".join("x" if each else "-" for each in found.columns) == columns


def test_nothing_is_known_of_columns_that_the_engine_names(shop: Catalog) -> None:
    found = bind(f"PIVOT {ONE} ON status IN ('open') USING SUM(n)", shop).post
    assert found.replicated is not None
    assert found.replicated.columns is None


@pytest.mark.parametrize(
    ("sql", "rowwise"),
    [
        (f"SELECT n / s AS q FROM {ONE} AS t WHERE n > 5 ORDER BY n LIMIT 1", True),
        ("SELECT COUNT(*) / 2 FROM orders GROUP BY ROLLUP (status)", True),
        (f"SELECT n / SUM(n) OVER () AS q FROM {ONE} AS t", False),
        (f"SELECT DISTINCT n > 5 FROM {ONE} AS t", False),
        (f"SELECT a.n / b.n FROM {ONE} AS a, {ONE} AS b", False),
    ],
)
def test_rows_that_are_made_of_one_released_row(
    shop: Catalog, *, sql: str, rowwise: bool
) -> None:
    found = bind(sql, shop).post.replicated
    assert found is not None
    assert bool(found.levels) is rowwise


def test_all_rows_are_drawn_again_whichever_are_shown(shop: Catalog) -> None:
    sql = (
        f"SELECT n / s AS q FROM {ONE} AS t WHERE n > 5 QUALIFY RANK() OVER"
        " (ORDER BY n) < 3 ORDER BY q LIMIT 7"
    )
    found = bind(sql, shop).post.replicated
    assert found is not None
    text = found.computed.sql
    for word in ("QUALIFY", "ORDER BY", "LIMIT", "> 5"):
        assert word not in text
    # a window reads the rows that WHERE has left
    sql = f"SELECT RANK() OVER (ORDER BY n) AS r FROM {ONE} AS t WHERE n > 5"
    found = bind(sql, shop).post.replicated
    assert found is not None
    assert "> 5" in found.computed.sql


@pytest.mark.parametrize(
    ("item", "smooth"),
    [
        ("n / s + 1", True),
        ("ROUND(n / s, 2)", True),
        ("SUM(n) OVER ()", True),
        ("ABS(n)", False),
        ("GREATEST(n, s)", False),
        ("CASE WHEN n > 1 THEN n END", False),
        ("list_max([n, s])", False),
    ],
)
def test_what_may_have_a_kink(shop: Catalog, *, item: str, smooth: bool) -> None:
    found = bind(f"SELECT {item} AS x FROM {ONE} AS t", shop).post.replicated
    assert found is not None
    assert found.smooth is smooth


def test_questions_are_known_again(shop: Catalog) -> None:
    """How bars are made is no part of what names a question."""
    post = bind("SELECT COUNT(*) + 1 FROM orders", shop).post
    assert post.replicated is not None
    assert "eplicate" not in repr(post)
