"""The DP boundary: what is released, and the SELECT that is lifted onto it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from dpquery.errors import QueryRefused, SQLSyntaxError
from dpquery.plan.render import expression_text
from dpquery.sql.queries.bind import bind

if TYPE_CHECKING:
    from dpquery.policy.catalog import Catalog

    from .conftest import Answer, Ask, Refused

GROUPED = "SELECT status AS s, COUNT(*) AS n FROM orders GROUP BY status"


def clause(text: str, word: str) -> str:
    """Return what follows *word* up to the next clause."""
    found = re.search(
        rf" {word} (.*?)(?= (WHERE|QUALIFY|ORDER BY|LIMIT|OFFSET) |$)", text
    )
    assert found is not None, text
    return found[1]


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT status, amount FROM orders GROUP BY status", "DPQ124"),
        ("SELECT status, amount + COUNT(*) FROM orders GROUP BY status", "DPQ124"),
        ("SELECT UPPER(status) FROM orders GROUP BY LOWER(status)", "DPQ124"),
        ("SELECT COUNT(*), amount FROM orders", "DPQ124"),
        ("SELECT COUNT(*) FROM orders HAVING amount > 5", "DPQ124"),
        ("SELECT COUNT(*) FROM orders ORDER BY amount", "DPQ124"),
        ("SELECT ROW_NUMBER() OVER (ORDER BY amount), COUNT(*) FROM orders", "DPQ122"),
        ("SELECT 1 FROM orders", "DPQ122"),
        ("SELECT * FROM orders", "DPQ122"),
        ("SELECT o.* FROM orders AS o", "DPQ122"),
        ("SELECT COUNT(*), * FROM orders", "DPQ122"),
        ("SELECT amount FROM orders LIMIT 1", "DPQ122"),
        ("SELECT customer_id, COUNT(*) FROM orders GROUP BY customer_id", "DPQ123"),
        ("SELECT DISTINCT customer_id FROM orders", "DPQ122"),
        ("SELECT SUM(amount) OVER (PARTITION BY customer_id) FROM orders", "DPQ122"),
        (
            "SELECT order_id FROM orders UNION ALL SELECT customer_id FROM customers",
            "DPQ122",
        ),
        ("SELECT amount FROM (SELECT amount FROM orders) AS t", "DPQ122"),
        ("WITH t AS (SELECT * FROM orders) SELECT * FROM t", "DPQ122"),
        # an aggregate that would be computed again for every row of another query
        (
            (
                "SELECT (SELECT COUNT(*) FROM orders AS o WHERE o.amount > c.income)"
                " FROM customers AS c"
            ),
            "DPQ115",
        ),
    ],
)
def test_rows_of_individuals_are_never_listed(
    refused: Refused, sql: str, code: str
) -> None:
    refusal = refused(sql)
    assert refusal.code == code
    assert refusal.position is not None


def test_equal_aggregates_are_one(ask: Ask, answer: Answer) -> None:
    sql = (
        "SELECT SUM(amount), sum(o.amount) AS s, SUM(amount) / COUNT(*)"
        " FROM orders AS o HAVING SUM(amount) > COUNT(*) ORDER BY COUNT(1), AVG(amount)"
    )
    assert len(ask(sql).boundaries[0].aggregates) == 3
    assert "r1.a0 AS s" in answer(sql)


@pytest.mark.parametrize(
    ("having", "found"),
    [
        ("COUNT(*) > 5", "r1.a0 > 5"),
        ("n > 5", "(r1.a0) > 5"),
        ("N > 5", "(r1.a0) > 5"),
        ("n > 5 AND s = 'open'", "(r1.a0) > 5 AND (r1.k0) = 'open'"),
        ("status = 'open'", "r1.k0 = 'open'"),
        ("SUM(amount) > 5", "r1.a1 > 5"),
        ("n BETWEEN 1 AND 5", "(r1.a0) BETWEEN 1 AND 5"),
        ("n / 2 > 5 OR n IS NULL", "(r1.a0) / 2 > 5 OR (r1.a0) IS NULL"),
        (
            "COUNT(*) > (SELECT MAX(list_price) FROM products)",
            ('r1.a0 > (SELECT MAX(list_price) AS "MAX(list_price)" FROM products)'),
        ),
    ],
)
def test_having(answer: Answer, having: str, found: str) -> None:
    assert clause(answer(f"{GROUPED} HAVING {having}"), "WHERE") == found


@pytest.mark.parametrize(
    ("by", "found"),
    [
        ("n", "(r1.a0), row"),
        ("n DESC", "(r1.a0) DESC, row"),
        ("n NULLS FIRST", "(r1.a0) NULLS FIRST, row"),
        ("n DESC NULLS LAST, s", "(r1.a0) DESC, (r1.k0), row"),
        ("2", "2, row"),
        ("ALL", "1, 2, row"),
        ("ALL DESC", "1 DESC, 2 DESC, row"),
        ("n * 2", "(r1.a0) * 2, row"),
        ("-n", "-(r1.a0), row"),
        ("status", "r1.k0, row"),
        ("LENGTH(s)", "LENGTH((r1.k0)), row"),
        ("AVG(amount)", "r1.a1, row"),
    ],
)
def test_order(answer: Answer, by: str, found: str) -> None:
    text = answer(f"{GROUPED} ORDER BY {by}")
    assert clause(text, "ORDER BY").replace(" NULLS LAST", "") == found


def test_without_an_order_groups_are_in_the_order_of_their_keys(answer: Answer) -> None:
    """Never in an order that private rows had a part in."""
    assert answer(GROUPED).endswith("FROM r1 ORDER BY row")


@pytest.mark.parametrize("by", ["3", "0", "9" * 50])
def test_positions_beyond_the_columns_are_refused(refused: Refused, by: str) -> None:
    """The hidden number of the row stands behind them."""
    assert refused(f"{GROUPED} ORDER BY {by}").code == "DPQ102"


def test_an_alias_wins_over_a_column_above_the_groups(answer: Answer) -> None:
    text = answer(
        "SELECT status, SUM(amount) AS amount FROM orders GROUP BY status"
        " HAVING amount > 5 ORDER BY amount"
    )
    assert clause(text, "WHERE") == "(r1.a0) > 5"
    assert clause(text, "ORDER BY") == "(r1.a0), row"


def test_inside_an_aggregate_a_name_is_a_column(ask: Ask, answer: Answer) -> None:
    sql = "SELECT COUNT(*) AS amount FROM orders HAVING SUM(amount) > 5 ORDER BY amount"
    assert len(ask(sql).boundaries[0].aggregates) == 2
    assert clause(answer(sql), "ORDER BY") == "(r1.a0), row"


@pytest.mark.parametrize(
    "kept",
    [
        "LIMIT 5",
        "LIMIT 5 OFFSET 2",
        "OFFSET 2",
        "QUALIFY RANK() OVER (ORDER BY 1) = 1",
        "LIMIT 50%",
    ],
)
def test_other_clauses_are_kept_as_they_are(answer: Answer, kept: str) -> None:
    text = answer(f"{GROUPED} {kept}")
    assert kept.split(maxsplit=1)[0] in text
    assert kept.replace("50%", "50").replace(" OFFSET", "").split()[-1] in text


@pytest.mark.parametrize(
    ("item", "lifted"),
    [
        ("COUNT(*) + SUM(amount)", "r1.a0 + r1.a1"),
        ("UPPER(status)", "UPPER(r1.k0)"),
        (
            "CASE WHEN COUNT(*) > 5 THEN 'many' ELSE status END",
            "CASE WHEN r1.a0 > 5 THEN 'many' ELSE r1.k0 END",
        ),
        ("RANK() OVER (ORDER BY COUNT(*) DESC)", "RANK() OVER (ORDER BY r1.a0 DESC)"),
        (
            "SUM(COUNT(*)) OVER (PARTITION BY status)",
            "SUM(r1.a0) OVER (PARTITION BY r1.k0)",
        ),
        (
            "SUM(COUNT(*)) FILTER (WHERE AVG(amount) > 5) OVER ()",
            "SUM(r1.a0) FILTER(WHERE r1.a1 > 5) OVER ()",
        ),
        ("LAG(COUNT(*)) OVER (ORDER BY status)", "LAG(r1.a0) OVER (ORDER BY r1.k0)"),
        ("list_sort([COUNT(*), 1])", "LIST_SORT([r1.a0, 1])"),
        (
            "(SELECT COUNT(*) FROM products)",
            '(SELECT COUNT(*) AS "COUNT(*)" FROM products)',
        ),
    ],
)
def test_what_stands_above_is_kept(answer: Answer, item: str, lifted: str) -> None:
    text = answer(f"SELECT {item} AS x FROM orders GROUP BY status")
    assert text.split(" AS x")[0].replace(" NULLS FIRST", "") == f"SELECT {lifted}"


def test_a_key_in_an_expression_is_found_whole(ask: Ask, answer: Answer) -> None:
    sql = "SELECT year(placed_on) + 1 AS next FROM orders GROUP BY year(placed_on)"
    assert answer(sql).startswith("SELECT r1.k0 + 1 AS next")
    key = ask(sql).boundaries[0].keys[0].expression
    assert expression_text(key) == "year(orders.placed_on)"


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
    outputs = ask(f"SELECT {items} FROM orders AS o GROUP BY status").post.outputs
    assert [each.name for each in outputs or ()] == names


@pytest.mark.parametrize(
    "alias",
    [
        *("=1+1", "+1", "-1", "@SUM(A1)", " n", "", "<script>", "a<b", 'a"b', "a'b"),
        *("a;b", "a|b", "a`b", "a\\b", "a{b", "a\tb", "a\nb", "\u202en", "x" * 65),
        *("a,b", "a=b", "a&b", "a#b", "🙂", "${x}", "%n"),
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
        *("-COUNT(*)", "- COUNT(*)", "'=1+1'", "'@SUM(A1)'", "'+49'", "'-1'"),
        "'<script>alert(1)</script>'",
        "SUM(CASE WHEN note = '\"; DROP TABLE x; --' THEN 1 END)",
        "CASE WHEN COUNT(*) > 5 THEN '<b>' ELSE '&' END",
        *("'\t=1'", "''", "'\\'"),
        "SUM(CASE WHEN note = '" + "x" * 300 + "' THEN 1 END)",
    ],
)
def test_names_that_are_made_up_are_harmless(ask: Ask, item: str) -> None:
    outputs = ask(f"SELECT {item}, COUNT(*) AS n FROM orders").post.outputs
    assert outputs is not None
    name = outputs[0].name
    assert name
    assert len(name) <= 64
    assert not re.search(r"[<>&\"'`;|\\{}\t\n]", name)
    assert name[0] not in "=+-@ "
