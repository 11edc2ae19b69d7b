"""GROUP BY, HAVING, ORDER BY, LIMIT and the names of columns."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from dpquery.errors import QueryRefused, SQLSyntaxError
from dpquery.plan.render import expression_text
from dpquery.policy.catalog import SqlType
from dpquery.sql.bind import bind

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpquery.plan.program import AggregateQuery, PostQuery, Query
    from dpquery.policy.catalog import Catalog

    Ask = Callable[[str], Query]


@pytest.fixture
def ask(shop: Catalog) -> Ask:
    return lambda sql: bind(sql, shop)


def keys(query: Query) -> list[str]:
    return [expression_text(key.expression) for key in boundary(query).keys]


def boundary(query: Query) -> AggregateQuery:
    (only,) = query.boundaries
    return only


def outputs(query: Query) -> dict[str, str]:
    return {o.name: expression_text(o.expression) for o in query.post.outputs}


def order(post: PostQuery) -> list[tuple[str, bool, bool]]:
    return [
        (expression_text(o.expression), o.descending, o.nulls_first) for o in post.order
    ]


def code(ask: Ask, sql: str) -> str:
    with pytest.raises(QueryRefused) as caught:
        ask(sql)
    return caught.value.code


# --- GROUP BY ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("items", "group", "found"),
    [
        ("status", "status", ["orders.status"]),
        ("status", "1", ["orders.status"]),
        ("COUNT(*), status", "2", ["orders.status"]),
        ("status AS s", "s", ["orders.status"]),
        ("status AS s", "S", ["orders.status"]),
        ("status AS s", "status", ["orders.status"]),
        ("status AS status", "status", ["orders.status"]),
        ("UPPER(status) AS s", "s", ["upper(orders.status)"]),
        ("UPPER(status)", "UPPER(status)", ["upper(orders.status)"]),
        ("UPPER(status) AS s", "UPPER(status)", ["upper(orders.status)"]),
        ("upper(o.status)", "UPPER(status)", ["upper(orders.status)"]),
        ("status, express", "status, express", ["orders.status", "orders.express"]),
        ("status, express", "2, 1", ["orders.express", "orders.status"]),
        ("status, express", "ALL", ["orders.status", "orders.express"]),
        ("status, COUNT(*), SUM(amount) / COUNT(*)", "ALL", ["orders.status"]),
        ("COUNT(*)", "ALL", []),
        ("status", "status, status, o.status, (status)", ["orders.status"]),
        ("COUNT(*)", "status", ["orders.status"]),
        ("amount > 5 AS dear", "dear", ["orders.amount > 5"]),
        ("1 AS one", "one", ["1"]),
    ],
)
def test_group_keys(ask: Ask, items: str, group: str, found: list[str]) -> None:
    query = ask(f"SELECT {items} FROM orders AS o GROUP BY {group} ORDER BY COUNT(*)")
    assert keys(query) == found
    assert [key.name for key in boundary(query).keys] == [
        f"k{n}" for n in range(len(found))
    ]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (
            "SELECT UPPER(note) AS status, COUNT(*) FROM orders GROUP BY status",
            "DPQ104",
        ),
        ("SELECT amount > 5 AS note, COUNT(*) FROM orders GROUP BY note", "DPQ104"),
        ("SELECT COUNT(*) AS n FROM orders GROUP BY n", "DPQ117"),
        ("SELECT COUNT(*) FROM orders GROUP BY 1", "DPQ117"),
        ("SELECT status FROM orders GROUP BY SUM(amount)", "DPQ117"),
        ("SELECT status, COUNT(*) FROM orders GROUP BY 3", "DPQ102"),
        ("SELECT status, COUNT(*) FROM orders GROUP BY 0", "DPQ102"),
        ("SELECT status, COUNT(*) FROM orders GROUP BY 1.5", "DPQ102"),
        (f"SELECT status, COUNT(*) FROM orders GROUP BY {'9' * 5000}", "DPQ102"),
        ("SELECT status, COUNT(*) FROM orders GROUP BY nothing", "DPQ102"),
        ("SELECT status, amount FROM orders GROUP BY status", "DPQ124"),
        ("SELECT status, amount + COUNT(*) FROM orders GROUP BY status", "DPQ124"),
        ("SELECT UPPER(status) FROM orders GROUP BY LOWER(status)", "DPQ124"),
        ("SELECT COUNT(*), amount FROM orders", "DPQ124"),
        ("SELECT COUNT(*) FROM orders HAVING amount > 5", "DPQ124"),
        ("SELECT COUNT(*) FROM orders ORDER BY amount", "DPQ124"),
        ("SELECT 1 FROM orders", "DPQ122"),
        ("SELECT * FROM orders", "DPQ122"),
        ("SELECT o.* FROM orders AS o", "DPQ122"),
        ("SELECT COUNT(*), * FROM orders", "DPQ122"),
        ("SELECT status, COUNT(*) FROM orders GROUP BY *", "DPQ122"),
    ],
)
def test_groups_that_are_refused(ask: Ask, sql: str, expected: str) -> None:
    assert code(ask, sql) == expected


# --- aggregates -------------------------------------------------------------------


def test_equal_aggregates_are_one(ask: Ask) -> None:
    query = ask(
        "SELECT SUM(amount), sum(o.amount) AS s, SUM(amount) / COUNT(*)"
        " FROM orders AS o HAVING SUM(amount) > COUNT(*) ORDER BY COUNT(1), AVG(amount)"
    )
    assert len(boundary(query).aggregates) == 3
    assert outputs(query)["s"] == "r1.a0"


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT SUM(COUNT(*)) FROM orders", "DPQ117"),
        ("SELECT SUM(amount + AVG(amount)) FROM orders", "DPQ117"),
        ("SELECT COUNT(SUM(amount)) FROM orders GROUP BY status", "DPQ117"),
        ("SELECT COUNT(*) FROM orders WHERE COUNT(*) > 5", "DPQ121"),
        (
            "SELECT COUNT(*) FROM orders AS a JOIN products AS p ON SUM(a.amount) = 1",
            "DPQ121",
        ),
        ("SELECT COUNT(DISTINCT status) FROM orders", "DPQ121"),
        ("SELECT COUNT(DISTINCT customer_id, status) FROM orders", "DPQ121"),
        ("SELECT COUNT(DISTINCT order_id) FROM orders", "DPQ121"),
        ("SELECT COUNT(DISTINCT customer_id + 0) FROM orders", "DPQ121"),
        ("SELECT SUM(DISTINCT amount) FROM orders", "DPQ121"),
        ("SELECT AVG(DISTINCT amount) FROM orders", "DPQ121"),
        ("SELECT MIN(amount) FROM orders", "DPQ121"),
        ("SELECT MAX(amount) FROM orders", "DPQ121"),
        ("SELECT MEDIAN(amount) FROM orders", "DPQ121"),
        ("SELECT STDDEV(amount) FROM orders", "DPQ121"),
        ("SELECT ANY_VALUE(amount) FROM orders", "DPQ106"),
        ("SELECT LIST(amount) FROM orders", "DPQ121"),
        ("SELECT STRING_AGG(note, ',') FROM orders", "DPQ121"),
        ("SELECT COUNT(*) FILTER (WHERE express) FROM orders", "DPQ121"),
        ("SELECT SUM(amount) OVER () FROM orders", "DPQ114"),
        ("SELECT COUNT(note, status) FROM orders", "DPQ105"),
        ("SELECT SUM(note) FROM orders", "DPQ105"),
        ("SELECT AVG(placed_on) FROM orders", "DPQ105"),
        ("SELECT SUM(*) FROM orders", "DPQ122"),
    ],
)
def test_aggregates_that_are_refused(ask: Ask, sql: str, expected: str) -> None:
    assert code(ask, sql) == expected


@pytest.mark.parametrize(
    "column", ["c.customer_id", "o.customer_id", "C.Customer_ID", "(o.customer_id)"]
)
def test_units_are_counted_under_every_name(ask: Ask, column: str) -> None:
    query = ask(
        f"SELECT COUNT(DISTINCT {column}) FROM customers AS c"
        " JOIN orders AS o ON c.customer_id = o.customer_id"
    )
    assert len(boundary(query).aggregates) == 1


def test_units_of_a_hidden_path_have_no_name(ask: Ask) -> None:
    assert code(ask, "SELECT COUNT(DISTINCT order_id) FROM line_items") == "DPQ121"
    assert code(ask, "SELECT COUNT(DISTINCT customer_id) FROM line_items") == "DPQ102"


# --- HAVING and ORDER BY ----------------------------------------------------------


@pytest.mark.parametrize(
    ("having", "found"),
    [
        ("COUNT(*) > 5", "r1.a0 > 5"),
        ("n > 5", "r1.a0 > 5"),
        ("N > 5", "r1.a0 > 5"),
        ("n > 5 AND s = 'open'", "(r1.a0 > 5) AND (r1.k0 = 'open')"),
        ("status = 'open'", "r1.k0 = 'open'"),
        ("SUM(amount) > 5", "r1.a1 > 5"),
        ("n BETWEEN 1 AND 5", "(r1.a0 >= 1) AND (r1.a0 <= 5)"),
        ("n / 2 > 5 OR n IS NULL", "((r1.a0 / 2) > 5) OR r1.a0 IS NULL"),
    ],
)
def test_having(ask: Ask, having: str, found: str) -> None:
    sql = "SELECT status AS s, COUNT(*) AS n FROM orders GROUP BY status"
    post = ask(f"{sql} HAVING {having}").post
    assert post.having is not None
    assert expression_text(post.having) == found


@pytest.mark.parametrize(
    ("by", "found"),
    [
        ("n", [("r1.a0", False, False)]),
        ("n DESC", [("r1.a0", True, False)]),
        ("n NULLS FIRST", [("r1.a0", False, True)]),
        ("n DESC NULLS LAST, s", [("r1.a0", True, False), ("r1.k0", False, False)]),
        ("2", [("r1.a0", False, False)]),
        ("ALL", [("r1.k0", False, False), ("r1.a0", False, False)]),
        ("ALL DESC", [("r1.k0", True, False), ("r1.a0", True, False)]),
        ("n * 2", [("r1.a0 * 2", False, False)]),
        ("-n", [("-(r1.a0)", False, False)]),
        ("status", [("r1.k0", False, False)]),
        ("LENGTH(s)", [("length(r1.k0)", False, False)]),
        ("AVG(amount)", [("r1.a1", False, False)]),
    ],
)
def test_order(ask: Ask, by: str, found: list[tuple[str, bool, bool]]) -> None:
    sql = "SELECT status AS s, COUNT(*) AS n FROM orders GROUP BY status"
    assert order(ask(f"{sql} ORDER BY {by}").post) == found


def test_an_alias_wins_over_a_column_above_the_groups(ask: Ask) -> None:
    query = ask(
        "SELECT status, SUM(amount) AS amount FROM orders GROUP BY status"
        " HAVING amount > 5 ORDER BY amount"
    )
    assert expression_text(query.post.having) == "r1.a0 > 5"  # type: ignore[arg-type]
    assert order(query.post) == [("r1.a0", False, False)]


def test_inside_an_aggregate_a_name_is_a_column(ask: Ask) -> None:
    query = ask(
        "SELECT COUNT(*) AS amount FROM orders HAVING SUM(amount) > 5 ORDER BY amount"
    )
    assert len(boundary(query).aggregates) == 2
    assert order(query.post) == [("r1.a0", False, False)]


@pytest.mark.parametrize(
    ("clause", "expected"),
    [
        ("ORDER BY 3", "DPQ102"),
        ("ORDER BY 0", "DPQ102"),
        (f"ORDER BY {'9' * 5000}", "DPQ102"),
        ("ORDER BY nothing", "DPQ102"),
        ("HAVING COUNT(*)", "DPQ105"),
        ("LIMIT -1", "DPQ129"),
        ("LIMIT 1.5", "DPQ129"),
        ("LIMIT '5'", "DPQ129"),
        ("LIMIT COUNT(*)", "DPQ129"),
        ("LIMIT (SELECT 1)", "DPQ129"),
        ("OFFSET n", "DPQ129"),
        ("QUALIFY TRUE", "DPQ100"),
    ],
)
def test_clauses_that_are_refused(ask: Ask, clause: str, expected: str) -> None:
    sql = "SELECT status, COUNT(*) AS n FROM orders GROUP BY status"
    assert code(ask, f"{sql} {clause}") == expected


@pytest.mark.parametrize(
    ("clause", "limit", "offset"),
    [
        ("", None, 0),
        ("LIMIT 5", 5, 0),
        ("LIMIT 0", 0, 0),
        ("LIMIT 5 OFFSET 2", 5, 2),
        ("OFFSET 2", None, 2),
    ],
)
def test_limits(ask: Ask, clause: str, limit: int | None, offset: int) -> None:
    post = ask(f"SELECT COUNT(*) FROM orders {clause}").post
    assert (post.limit, post.offset) == (limit, offset)


def test_a_huge_limit_is_no_limit_or_refused(ask: Ask) -> None:
    with pytest.raises(QueryRefused) as caught:
        ask(f"SELECT COUNT(*) FROM orders LIMIT {'9' * 5000}")
    assert caught.value.code == "DPQ129"


# --- names of columns -------------------------------------------------------------


@pytest.mark.parametrize(
    ("items", "names"),
    [
        ("COUNT(*)", ["COUNT(*)"]),
        ("COUNT(*), COUNT(*), COUNT(*)", ["COUNT(*)", "COUNT(*)_1", "COUNT(*)_2"]),
        ("COUNT(*) AS n, SUM(amount) AS n", ["n", "n_1"]),
        ("COUNT(*) AS n, SUM(amount) AS n_1, AVG(amount) AS n", ["n", "n_1", "n_2"]),
        ("status, o.status, STATUS", ["status", "status_1", "STATUS"]),
        ('COUNT(*) AS "Größe in %"', ["Größe in %"]),
        ('COUNT(*) AS "a.b (c) d/e + f-g"', ["a.b (c) d/e + f-g"]),
        ("COUNT(*) /* comment */", ["COUNT(*)"]),
    ],
)
def test_names(ask: Ask, items: str, names: list[str]) -> None:
    query = ask(f"SELECT {items} FROM orders AS o GROUP BY status")
    assert [each.name for each in query.post.outputs] == names


@pytest.mark.parametrize(
    "alias",
    [
        *("=1+1", "+1", "-1", "@SUM(A1)", " n", "", "<script>", "a<b", 'a"b', "a'b"),
        *(
            "a;b",
            "a|b",
            "a`b",
            "a\\b",
            "a{b",
            "a\tb",
            "a\nb",
            "\u202en",
            "x" * 65,
            "a,b",
        ),
        *("a=b", "a&b", "a#b", "🙂", "${x}", "%n"),
    ],
)
def test_aliases_that_are_refused(shop: Catalog, alias: str) -> None:
    quoted = alias.replace('"', '""')
    with pytest.raises((QueryRefused, SQLSyntaxError)) as caught:
        bind(f'SELECT COUNT(*) AS "{quoted}" FROM orders', shop)
    assert caught.value.code in {"DPQ128", "DPQ003", "DPQ001"}


@pytest.mark.parametrize(
    "item",
    [
        "-COUNT(*)",
        "- COUNT(*)",
        "'=1+1'",
        "'@SUM(A1)'",
        "'+49'",
        "'-1'",
        "'<script>alert(1)</script>'",
        "SUM(CASE WHEN note = '\"; DROP TABLE x; --' THEN 1 END)",
        "CASE WHEN COUNT(*) > 5 THEN '<b>' ELSE '&' END",
        "'\t=1'",
        "''",
        "'\\'",
        "SUM(CASE WHEN note = '" + "x" * 300 + "' THEN 1 END)",
    ],
)
def test_names_that_are_made_up_are_harmless(ask: Ask, item: str) -> None:
    query = ask(f"SELECT {item}, COUNT(*) AS n FROM orders")
    name = query.post.outputs[0].name
    assert name
    assert len(name) <= 64
    assert not re.search(r"[<>&\"'`;|\\{}\t\n]", name)
    assert name[0] not in "=+-@ "


def test_post_expressions_have_types(ask: Ask) -> None:
    query = ask(
        "SELECT COUNT(*) / 2, COUNT(*) + 1, COUNT(*) > 5, AVG(amount),"
        " SUM(order_id % 2) FROM orders"
    )
    assert [o.expression.type for o in query.post.outputs] == [
        SqlType.DOUBLE,
        SqlType.INTEGER,
        SqlType.BOOLEAN,
        SqlType.DOUBLE,
        SqlType.INTEGER,
    ]
