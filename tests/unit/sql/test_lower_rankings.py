"""Histograms and unions as SQL: what a unit adds is bounded by what it does itself."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import duckdb
import pytest

from dpquery.engines.lockdown import PINNED
from dpquery.plan.program import BoundingMode
from dpquery.plan.rewrite import BoundingRules
from dpquery.sql.lowering.public import lower_public, public_types
from dpquery.sql.lowering.rankings import (
    lower_chosen,
    lower_distinct,
    lower_ranking,
    lower_weights,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dpquery.plan.program import ReleaseStep
    from dpquery.policy.catalog import Catalog

    Compile = Callable[..., ReleaseStep]
    Rows = list[tuple[object, ...]]


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    """Units with 1, 4 and 40 orders; amounts are 0, 1, 2, … euros."""
    with duckdb.connect(config={**PINNED}) as connection:
        connection.execute(
            "CREATE TABLE orders AS SELECT n AS order_id, u AS customer_id,"
            " CAST(n % 8 AS DECIMAL(10,2)) AS amount, 'w' || n % 30 AS note,"
            " n % 2 = 0 AS express FROM (VALUES (1, 1), (2, 4), (3, 40)) AS s(u, rows),"
            " range(40) AS r(n) WHERE n < rows"
        )
        connection.execute(
            "CREATE TABLE products AS SELECT 3 - n AS product_id,"
            " 'k' || n AS category, CAST(n AS DECIMAL(8,2)) AS list_price"
            " FROM range(3) AS r(n)"
        )
        yield connection


def test_a_histogram_counts_rows_by_their_value(
    database: duckdb.DuckDBPyConnection, compile_step: Compile
) -> None:
    step = compile_step("SELECT MEDIAN(amount) FROM orders WHERE customer_id <= 2")
    rows: Rows = database.execute(lower_ranking(step, 0).text).fetchall()
    (ranking,) = step.rankings
    steps, low = ranking.steps, ranking.value.low
    found = {int(str(at)) + low: int(str(w)) / steps for at, w in rows}
    assert found == {0: 2, 100: 1, 200: 1, 300: 1}  # in cents: units 1 and 2, 5 rows


@pytest.mark.parametrize("mode", list(BoundingMode))
@pytest.mark.parametrize("norm", [1, 2])
@pytest.mark.parametrize("group", ["", "GROUP BY express"])
def test_a_unit_s_weights_stay_within_the_limit(
    database: duckdb.DuckDBPyConnection,
    compile_step: Compile,
    mode: BoundingMode,
    norm: int,
    group: str,
) -> None:
    rules = BoundingRules(mode, norm, groups=8)
    step = compile_step(f"SELECT MEDIAN(amount) FROM orders {group}", rules)
    (ranking,) = step.rankings
    rows: Rows = database.execute(lower_weights(step, 0).text).fetchall()
    by_unit: dict[object, dict[object, int]] = {}
    for unit, *rest, weight in rows:
        groups = by_unit.setdefault(unit, {})
        key = tuple(rest[:-1])
        groups[key] = groups.get(key, 0) + int(str(weight))
    assert len(by_unit) == 3
    for groups in by_unit.values():
        sizes = list(groups.values())
        size = sum(sizes) if norm == 1 else math.hypot(*sizes)
        assert size <= ranking.sensitivity
    assert by_unit[1] == dict.fromkeys(by_unit[1], ranking.steps)  # one row, whole


def test_wide_values_are_put_into_bins_of_equal_width(
    database: duckdb.DuckDBPyConnection, compile_step: Compile
) -> None:
    step = compile_step("SELECT MEDIAN(amount * amount * 0.01) FROM orders")
    (ranking,) = step.rankings
    width = (ranking.value.high - ranking.value.low + 1) / ranking.bins
    assert width > 1
    rows: Rows = database.execute(lower_ranking(step, 0).text).fetchall()
    for at, _ in rows:
        middle = ranking.value.low + (int(str(at)) + 0.5) * width
        euros = float(middle * ranking.value.grid)
        assert any(abs(n * n * 0.01 - euros) < 0.01 for n in range(8))


# --- unions -----------------------------------------------------------------------


def test_a_union_counts_a_value_of_several_units_once(
    database: duckdb.DuckDBPyConnection, compile_step: Compile
) -> None:
    step = compile_step(
        "SELECT COUNT(DISTINCT note) FROM orders WHERE customer_id <= 2"
    )
    assert database.execute(lower_distinct(step, 0).text).fetchall() == [(4,)]
    summed = compile_step(
        "SELECT SUM(DISTINCT amount) FROM orders WHERE customer_id <= 2"
    )
    assert database.execute(lower_distinct(summed, 0).text).fetchall() == [(600,)]


@pytest.mark.parametrize("group", ["", "GROUP BY express"])
def test_a_unit_keeps_a_few_of_its_values(
    database: duckdb.DuckDBPyConnection, compile_step: Compile, group: str
) -> None:
    step = compile_step(f"SELECT COUNT(DISTINCT note) FROM orders {group}")
    (bounded,) = step.distinct
    rows: Rows = database.execute(lower_chosen(step, 0).text).fetchall()
    heavy = [row for row in rows if row[0] == 3]
    assert len(heavy) == len(set(heavy)) == bounded.in_all == (10 if group else 20)
    if group:
        for key in (False, True):
            kept = [row for row in heavy if row[1] is key]
            assert len(kept) <= bounded.per_group


def test_which_values_a_unit_keeps_depends_on_itself_alone(
    database: duckdb.DuckDBPyConnection, compile_step: Compile
) -> None:
    step = compile_step("SELECT COUNT(DISTINCT note) FROM orders")
    text = lower_chosen(step, 0).text
    alone = text.replace('"main"."orders"', "(FROM orders WHERE customer_id = 3)")
    of_unit = [row for row in database.execute(text).fetchall() if row[0] == 3]
    assert sorted(database.execute(alone).fetchall()) == sorted(of_unit)


# --- public tables ----------------------------------------------------------------


def test_public_rows_are_read_in_an_order_of_their_content(
    database: duckdb.DuckDBPyConnection, shop: Catalog
) -> None:
    lowered = lower_public(shop.tables["products"], ["product_id", "category"])
    assert database.execute(lowered.text).fetchall() == [
        (1, "k2"),
        (2, "k1"),
        (3, "k0"),
    ]
    assert lowered.tables == {"products"}
    assert public_types(shop.tables["products"], ["list_price"]) == [
        ("list_price", "DECIMAL(8,2)")
    ]


def test_private_rows_have_no_such_statement(shop: Catalog) -> None:
    with pytest.raises(ValueError, match="private"):
        lower_public(shop.tables["orders"], ["amount"])
