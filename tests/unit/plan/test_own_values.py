"""Subqueries in keys and aggregates read the unit of their row, or are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dpquery.errors import QueryRefused
from dpquery.kernel.measurement import statements_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpquery.plan.program import ReleaseStep

    Compile = Callable[..., ReleaseStep]

EVERYBODYS = "EXISTS (SELECT 1 FROM customers AS d WHERE d.name = 'Bob')"
OWN = "EXISTS (SELECT 1 FROM orders AS o WHERE o.customer_id = c.customer_id)"
CASE = f"CASE WHEN {EVERYBODYS} THEN income END"
AGGREGATES = [
    f"COUNT(*) FILTER (WHERE {EVERYBODYS})",
    f"COUNT({CASE})",
    f"COUNT_IF({EVERYBODYS})",
    f"COUNT(DISTINCT c.customer_id) FILTER (WHERE {EVERYBODYS})",
    f"COUNT(DISTINCT {CASE})",
    f"COUNT(DISTINCT (city, {CASE}))",
    f"SUM({CASE})",
    f"SUM(DISTINCT {CASE})",
    f"AVG({CASE})",
    f"STDDEV({CASE})",
    f"CORR({CASE}, income)",
    f"CORR(income, {CASE})",
    f"MIN({CASE})",
    f"MEDIAN({CASE})",
    f"QUANTILE_CONT({CASE}, 0.25)",
    f"BOOL_OR({EVERYBODYS})",
    f"BOOL_AND({EVERYBODYS})",
]


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_no_aggregate_reads_rows_of_everybody(
    compile_step: Compile, aggregate: str
) -> None:
    with pytest.raises(QueryRefused) as refused:
        compile_step(f"SELECT {aggregate} FROM customers AS c")
    assert refused.value.code == "DPQ115"


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_every_aggregate_may_read_rows_of_the_same_unit(
    compile_step: Compile, aggregate: str
) -> None:
    mine = aggregate.replace(EVERYBODYS, OWN)
    step = compile_step(f"SELECT {mine} FROM customers AS c")
    tie = '"orders"."customer_id" = "customers"."customer_id"'
    assert all(tie in each.text for each in statements_of(step).all)


def test_a_tie_is_added_where_a_foreign_key_implies_it(compile_step: Compile) -> None:
    step = compile_step(
        "SELECT COUNT(*) FILTER (WHERE EXISTS (SELECT 1 FROM orders AS p"
        " WHERE p.order_id = o.order_id)) FROM orders AS o"
    )
    (statement,) = statements_of(step).all
    tie = '"orders_2"."customer_id" = "orders"."customer_id"'
    assert tie in statement.text


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT k, COUNT(*) FROM (SELECT {EVERYBODYS} AS k FROM orders) GROUP BY k",
        f"SELECT city, COUNT(*) FROM customers GROUP BY city, {EVERYBODYS}",
    ],
)
def test_no_key_reads_rows_of_everybody(compile_step: Compile, sql: str) -> None:
    with pytest.raises(QueryRefused) as refused:
        compile_step(sql)
    assert refused.value.code == "DPQ115"
