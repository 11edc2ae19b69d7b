"""The clip as SQL: light units need none, and nobody adds more than the limits."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import duckdb
import pytest

from dpquery.engines.lockdown import PINNED
from dpquery.plan.program import BoundingMode
from dpquery.plan.rewrite import BoundingRules
from dpquery.sql.lowering.bounding import few_rows, scaled_by_unit
from dpquery.sql.lowering.lower import lower_release

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dpquery.plan.program import ReleaseStep

    Compile = Callable[..., ReleaseStep]

PURE = BoundingRules(BoundingMode.NORM, norm=1, groups=8)


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    """Orders of units with 1, 4, 10 and 40 rows, all open and all dear."""
    with duckdb.connect(config={**PINNED}) as connection:
        connection.execute(
            "CREATE TABLE orders AS SELECT n AS order_id, u AS customer_id, CAST(900 AS"
            " DECIMAL(10,2)) AS amount, 'open' AS status, n % 2 = 0 AS express"
            " FROM (VALUES (1, 1), (2, 4), (3, 10), (4, 40)) AS s(u, rows), range(40)"
            " AS r(n) WHERE n < rows"
        )
        yield connection


@pytest.mark.parametrize(
    ("items", "few"),
    [
        ("COUNT(*)", 7),  # √(5·10): five rows in each of two groups
        ("SUM(amount)", 7),
        ("AVG(amount), COUNT(*)", 7),
        # cells of one vector: a row may add to each, whatever the plan says
        ("COUNT_IF(status = 'a'), COUNT_IF(status = 'b')", 5),
        ("COUNT_IF(status = 'a'), COUNT_IF(status = 'b'), COUNT_IF(status = 'c')", 5),
        ("COUNT(*), COUNT(DISTINCT customer_id)", None),
    ],
)
def test_rows_that_leave_a_unit_within_its_limits(
    compile_step: Compile, items: str, few: int | None
) -> None:
    step = compile_step(f"SELECT {items} FROM orders GROUP BY express")
    assert scaled_by_unit(step.bounding)
    assert few_rows(step) == few


def test_under_the_l1_norm_cells_add_up(compile_step: Compile) -> None:
    sql = (
        "SELECT COUNT_IF(status = 'a'), COUNT_IF(status = 'b') FROM orders GROUP BY {}"
    )
    assert few_rows(compile_step(sql.format("express"), PURE)) == 10  # 20 rows, halved


def totals(
    database: duckdb.DuckDBPyConnection, step: ReleaseStep, unit: int
) -> list[list[int]]:
    """Return what one unit adds to every group."""
    with database.cursor() as cursor:
        text = lower_release(step).text.replace('"main"."orders"', "one")
        cursor.execute(
            f"CREATE OR REPLACE TEMP TABLE one AS FROM orders WHERE customer_id ="
            f" {unit}"
        )
        rows = cursor.execute(text).fetchall()
    return [list(row[len(step.keys) :]) for row in rows]


SQL = "SELECT COUNT_IF(status = 'open'), COUNT_IF(status = 'paid') FROM orders {}"


@pytest.mark.parametrize("rules", [None, PURE], ids=["L2", "L1"])
@pytest.mark.parametrize("group", ["", "GROUP BY express"])
def test_nobody_adds_more_to_cells_that_are_not_disjoint(
    database: duckdb.DuckDBPyConnection,
    compile_step: Compile,
    rules: BoundingRules | None,
    group: str,
) -> None:
    """Were disjointness wrongly believed, the clip would still hold: every row is in
    both cells here."""
    made = [SQL.format(group), *([] if rules is None else [rules])]
    step = compile_step(*made)
    one, other = step.moments
    same = replace(other, moment=replace(one.moment, most=None))
    assert one.vector == other.vector
    step = replace(step, moments=(one, replace(same, moment=one.moment)))
    norm = step.bounding.norm
    for unit in (1, 2, 3, 4):
        cells = [m for row in totals(database, step, unit) for m in row]
        size = sum(map(abs, cells)) if norm == 1 else math.hypot(*cells)
        assert size <= one.sensitivity, unit


@pytest.mark.parametrize(
    "items",
    [
        "COUNT(*), SUM(amount)",
        "AVG(amount)",
        "VAR_POP(amount)",
        "CORR(amount, order_id % 7)",
        "COUNT_IF(amount > 5), COUNT_IF(amount <= 5)",
        "COUNT(DISTINCT customer_id), COUNT(*)",
    ],
)
@pytest.mark.parametrize("mode", list(BoundingMode))
@pytest.mark.parametrize("norm", [1, 2])
def test_nobody_adds_more_than_the_sensitivity(
    database: duckdb.DuckDBPyConnection,
    compile_step: Compile,
    items: str,
    mode: BoundingMode,
    norm: int,
) -> None:
    rules = BoundingRules(mode, norm, groups=8)
    for group in ("", "GROUP BY express"):
        step = compile_step(f"SELECT {items} FROM orders {group}", rules)
        vectors: dict[int, list[int]] = {}
        for at, bounded in enumerate(step.moments):
            vectors.setdefault(bounded.vector, []).append(at)
        for unit in (1, 2, 3, 4):
            rows = totals(database, step, unit)
            for members in vectors.values():
                added = [row[at] for row in rows for at in members]
                size = sum(map(abs, added)) if norm == 1 else math.hypot(*added)
                assert size <= step.moments[members[0]].sensitivity
