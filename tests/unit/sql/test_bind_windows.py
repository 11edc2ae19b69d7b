"""Window functions of rows: which, over what, in which frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dpquery.plan.expressions import Frame, Window
from dpquery.plan.relations import Project
from dpquery.plan.render import expression_text
from dpquery.plan.walk import relations, subexpressions
from dpquery.policy.catalog import SqlType

if TYPE_CHECKING:
    from .conftest import Ask, Refused

OVER = "OVER (PARTITION BY customer_id ORDER BY placed_on)"
INTEGER, DOUBLE, DECIMAL = SqlType.INTEGER, SqlType.DOUBLE, SqlType.DECIMAL


def windows(ask: Ask, item: str, rest: str = "") -> list[Window]:
    sql = f"SELECT COUNT(*) FROM (SELECT {item} AS x FROM orders {rest}) AS t"
    return [
        part
        for each in relations(ask(sql).boundaries[0].source)
        if isinstance(each, Project)
        for named in each.columns
        for part in subexpressions(named.expression)
        if isinstance(part, Window)
    ]


@pytest.mark.parametrize(
    ("call", "text", "type_"),
    [
        ("ROW_NUMBER()", "row_number()", INTEGER),
        ("RANK()", "rank()", INTEGER),
        ("DENSE_RANK()", "dense_rank()", INTEGER),
        ("PERCENT_RANK()", "percent_rank()", DOUBLE),
        ("CUME_DIST()", "cume_dist()", DOUBLE),
        ("NTILE(4)", "ntile(4)", INTEGER),
        ("LAG(amount)", "lag(orders.amount, 1)", DECIMAL),
        ("LEAD(amount, 2)", "lead(orders.amount, 2)", DECIMAL),
        ("LAG(order_id, 1, 0)", "lag(orders.order_id, 1, 0)", INTEGER),
        (
            "LAG(order_id, 1, 0.5)",
            "lag(CAST(orders.order_id AS DOUBLE), 1, 0.5)",
            DOUBLE,
        ),
        ("FIRST_VALUE(note)", "first_value(orders.note)", SqlType.VARCHAR),
        ("LAST_VALUE(placed_on)", "last_value(orders.placed_on)", SqlType.DATE),
        ("NTH_VALUE(note, 2)", "nth_value(orders.note, 2)", SqlType.VARCHAR),
        ("COUNT(*)", "count()", INTEGER),
        ("COUNT(note)", "count(orders.note)", INTEGER),
        ("SUM(amount)", "sum(orders.amount)", DOUBLE),
        ("SUM(order_id)", "sum(orders.order_id)", INTEGER),
        ("AVG(express)", "avg(CAST(orders.express AS INTEGER))", DOUBLE),
        ("MAX(note)", "max(orders.note)", SqlType.VARCHAR),
        (
            "SUM(amount) FILTER (WHERE express)",
            "sum(CASE WHEN orders.express THEN orders.amount ELSE NULL END)",
            DOUBLE,
        ),
        (
            "COUNT(*) FILTER (WHERE express)",
            "count(CASE WHEN orders.express THEN 1 ELSE NULL END)",
            INTEGER,
        ),
    ],
)
def test_functions(ask: Ask, call: str, text: str, type_: SqlType) -> None:
    (found,) = windows(ask, f"{call} {OVER}")
    assert expression_text(found).split(" OVER ")[0] == text
    assert found.type is type_
    assert [expression_text(each) for each in found.partition] == ["orders.customer_id"]


@pytest.mark.parametrize(
    ("frame", "found"),
    [
        ("", None),
        ("ROWS UNBOUNDED PRECEDING", Frame(rows=True, start=None, end=0)),
        ("ROWS 2 PRECEDING", Frame(rows=True, start=-2, end=0)),
        (
            "ROWS BETWEEN 2 PRECEDING AND 1 PRECEDING",
            Frame(rows=True, start=-2, end=-1),
        ),
        ("ROWS BETWEEN CURRENT ROW AND 3 FOLLOWING", Frame(rows=True, start=0, end=3)),
        (
            "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
            Frame(rows=True, start=None, end=None),
        ),
        (
            "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
            Frame(rows=False, start=None, end=0),
        ),
        (
            "RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
            Frame(rows=False, start=0, end=None),
        ),
    ],
)
def test_frames(ask: Ask, frame: str, found: Frame | None) -> None:
    over = f"OVER (PARTITION BY customer_id ORDER BY placed_on {frame})"
    (window,) = windows(ask, f"SUM(amount) {over}")
    assert window.frame == found


def test_ranks_have_no_frame(ask: Ask) -> None:
    over = "OVER (PARTITION BY customer_id ORDER BY amount ROWS 2 PRECEDING)"
    (window,) = windows(ask, f"RANK() {over}")
    assert window.frame is None


@pytest.mark.parametrize(
    ("item", "rest"),
    [
        (
            "LAG(amount) OVER w",
            "WINDOW w AS (PARTITION BY customer_id ORDER BY placed_on)",
        ),
        (
            "LAG(amount) OVER (w ORDER BY placed_on)",
            "WINDOW w AS (PARTITION BY customer_id)",
        ),
    ],
)
def test_named_windows(ask: Ask, item: str, rest: str) -> None:
    assert windows(ask, item, rest) == windows(ask, f"LAG(amount) {OVER}")


@pytest.mark.parametrize(
    ("item", "code"),
    [
        ("NTILE(order_id)", "DPQ107"),
        ("LAG(amount, order_id)", "DPQ107"),
        ("LAG(amount, 1001)", "DPQ107"),
        ("LAG(amount, 1, 'x')", "DPQ105"),
        ("SUM(note)", "DPQ105"),
        ("LIST(note)", "DPQ114"),
        ("COUNT(DISTINCT note)", "DPQ114"),
        ("STDDEV(amount)", "DPQ114"),
        ("ROW_NUMBER() FILTER (WHERE express)", "DPQ114"),
    ],
)
def test_functions_that_are_refused(refused: Refused, item: str, code: str) -> None:
    sql = f"SELECT COUNT(*) FROM (SELECT {item} {OVER} AS x FROM orders) AS t"
    refusal = refused(sql)
    assert refusal.code == code
    assert refusal.position is not None


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("RANGE BETWEEN 2 PRECEDING AND CURRENT ROW", "DPQ114"),
        ("ROWS order_id PRECEDING", "DPQ107"),
        ("ROWS UNBOUNDED PRECEDING EXCLUDE CURRENT ROW", "DPQ114"),
    ],
)
def test_frames_that_are_refused(refused: Refused, frame: str, code: str) -> None:
    over = f"OVER (PARTITION BY customer_id ORDER BY order_id {frame})"
    inner = f"SELECT SUM(amount) {over} AS x FROM orders"
    assert refused(f"SELECT COUNT(*) FROM ({inner}) AS t").code == code


def test_a_window_that_is_not_named_is_refused(refused: Refused) -> None:
    inner = "SELECT LAG(amount) OVER w AS x FROM orders"
    assert refused(f"SELECT COUNT(*) FROM ({inner}) AS t").code == "DPQ102"


# --- QUALIFY, ORDER BY and LIMIT --------------------------------------------------


@pytest.mark.parametrize(
    ("qualify", "predicate"),
    [
        (f"ROW_NUMBER() {OVER} = 1", "query.__q0 = 1"),
        ("x <= 2", "query.x <= 2"),  # an alias of the SELECT list
        ("x <= 2 AND note = 'a'", "(query.x <= 2) AND (query.__q0 = 'a')"),
        (f"x = RANK() {OVER}", "query.x = query.__q0"),
    ],
)
def test_qualify_reads_the_select_list_and_hidden_columns(
    ask: Ask, qualify: str, predicate: str
) -> None:
    inner = f"SELECT ROW_NUMBER() {OVER} + 0 AS x FROM orders QUALIFY {qualify}"
    source = ask(f"SELECT COUNT(*) FROM ({inner}) AS t").boundaries[0].source
    found = [expression_text(e) for e in [getattr(source, "predicate", None)] if e]
    assert found == [predicate]


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT amount FROM orders ORDER BY placed_on LIMIT 5", "DPQ130"),
        ("SELECT amount FROM orders ORDER BY placed_on LIMIT 5 OFFSET 2", "DPQ130"),
        ("SELECT DISTINCT customer_id FROM orders ORDER BY amount LIMIT 5", "DPQ130"),
        ("SELECT amount FROM orders LIMIT 1 + 1", "DPQ129"),
        ("SELECT amount FROM orders LIMIT 50%", "DPQ129"),
    ],
)
def test_rows_that_everybody_s_rows_decide_are_refused(
    refused: Refused, sql: str, code: str
) -> None:
    assert refused(f"SELECT COUNT(*) FROM ({sql}) AS t").code == code


@pytest.mark.parametrize(
    ("order", "text"),
    [
        ("placed_on", "orders.placed_on"),
        ("placed_on DESC", "orders.placed_on DESC"),
        ("2 DESC, 1", "orders.note DESC, orders.amount"),
        ("n, amount", "orders.note, orders.amount"),
        ("LENGTH(note)", "length(orders.note)"),
    ],
)
def test_the_first_rows_of_a_unit(ask: Ask, order: str, text: str) -> None:
    inner = (
        "SELECT amount, note AS n FROM orders AS o WHERE o.customer_id = c.customer_id"
        f" ORDER BY {order} LIMIT 3"
    )
    sql = f"SELECT COUNT(*) FROM customers AS c, LATERAL ({inner}) AS t"
    top = next(
        each
        for each in relations(ask(sql).boundaries[0].source)
        if type(each).__name__ == "Top"
    )
    found = [
        expression_text(o.expression) + (" DESC" if o.descending else "")
        for o in top.order  # type: ignore[union-attr]
    ]
    assert ", ".join(found) == text
