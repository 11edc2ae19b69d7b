"""SQL above the boundary: checked before a charge, run on released and public rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from dpquery.engines.base import Limits
from dpquery.engines.sealed import Sealed
from dpquery.errors import QueryRefused
from dpquery.kernel.postprocess import Above, columns_of, finite, open_released

if TYPE_CHECKING:
    from dpquery.engines.base import Statement

    from .conftest import Price

LIMITS = Limits(memory="500MB", threads=1, seconds=30)


class Products:
    """An engine that has products, and nothing else."""

    def __init__(self) -> None:
        self.read: list[Statement] = []

    def execute(self, statement: Statement) -> Sealed:
        self.read.append(statement)
        return Sealed([("a", 1.5), ("b", 2.5)])


@pytest.fixture(scope="module")
def above() -> Iterator[Above]:
    database = open_released()
    yield Above(database, Products(), LIMITS, "version 1")  # type: ignore[arg-type]
    database.close()


GROUPED = "SELECT status AS s, COUNT(*) AS n FROM orders GROUP BY status"


@pytest.mark.parametrize(
    "sql",
    [
        GROUPED,
        f"{GROUPED} ORDER BY ALL DESC LIMIT 2 OFFSET 1",
        f"{GROUPED} QUALIFY RANK() OVER (ORDER BY n DESC) <= 2",
        f"{GROUPED} HAVING n > (SELECT MAX(list_price) FROM products)",
        f"SELECT * EXCLUDE (s) FROM ({GROUPED}) AS t",
        f"SELECT list_sort(list(n)) FROM ({GROUPED}) AS t",
        f"SELECT string_agg(s, ', ' ORDER BY n) FROM ({GROUPED}) AS t",
        f"PIVOT ({GROUPED}) ON s IN ('open', 'paid') USING SUM(n)",
        (
            f"SELECT t.n, p.list_price FROM ({GROUPED}) AS t LEFT JOIN products AS p"
            " ON p.category = t.s"
        ),
        (
            "SELECT status, COUNT(*), GROUPING(status) FROM orders GROUP BY ROLLUP"
            " (status)"
        ),
        "SELECT category, AVG(list_price) FROM products GROUP BY category",
        "SELECT COUNT(*) FROM orders WHERE amount > (SELECT AVG(amount) FROM orders)",
        (
            "SELECT strftime(placed_on, '%Y') FROM (SELECT placed_on, COUNT(*) FROM"
            " orders"
            " GROUP BY 1) AS t"
        ),
    ],
)
def test_what_can_be_run(price: Price, above: Above, sql: str) -> None:
    above.check(price(sql))


@pytest.mark.parametrize(
    "item",
    [
        "no_such_function(COUNT(*))",
        "read_csv('/etc/passwd')",
        "getenv('HOME')",
        "current_setting('threads')",
        "random()",
        "COUNT(*) + 'x'::INTEGER[]",
        "nextval('s')",
        "version()",
    ],
)
def test_what_cannot_be_run_is_refused(price: Price, above: Above, item: str) -> None:
    with pytest.raises(QueryRefused) as caught:
        above.check(price(f"SELECT {item} AS x, COUNT(*) AS n FROM orders"))
    assert caught.value.code == "DPQ141"


@pytest.mark.parametrize(
    "clause", ["LIMIT -1", "LIMIT 'x'", "LIMIT (SELECT 'x')", "OFFSET n", "QUALIFY n"]
)
def test_clauses_that_make_no_sense_are_refused(
    price: Price, above: Above, clause: str
) -> None:
    with pytest.raises(QueryRefused) as caught:
        above.check(price(f"{GROUPED} {clause}"))
    assert caught.value.code == "DPQ141"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM duckdb_settings()",
        "SELECT COUNT(*) FROM glob('/*')",
        f"SELECT * FROM ({GROUPED}) AS t, read_text('/etc/passwd') AS r",
        f"SELECT * FROM ({GROUPED}) AS t WHERE nothing > 5",
    ],
)
def test_table_functions_and_names_are_looked_at_before_a_charge(
    price: Price, above: Above, sql: str
) -> None:
    with pytest.raises(QueryRefused) as caught:
        above.check(price(sql))
    assert caught.value.code == "DPQ141"


def test_the_place_is_in_the_analyst_s_text(price: Price, above: Above) -> None:
    sql = f"SELECT nothing\nFROM ({GROUPED}) AS t"
    with pytest.raises(QueryRefused) as caught:
        above.check(price(sql))
    assert caught.value.position == (1, 8)
    assert "nothing" in caught.value.message


def test_released_and_public_rows_are_all_there_is(price: Price, above: Above) -> None:
    sql = (
        f"SELECT t.s, t.n, p.list_price FROM ({GROUPED}) AS t JOIN products AS p"
        " ON p.category = t.s ORDER BY t.n DESC"
    )
    prepared = price(sql)
    (step,) = prepared.steps
    rows = [("a", 3, 0), ("b", 5, 1), ("c", 9, 2)]
    tables = {"r1": (columns_of(step.step), rows)}
    names, found = above.run(prepared.program.post.computed, tables)
    assert names[:3] == ["s", "n", "list_price"]
    assert [row[:3] for row in found] == [("b", 5, 2.5), ("a", 3, 1.5)]
    engine: Any = above.engine
    (read,) = engine.read[-1:]
    assert read.tables == {"products"}
    assert "orders" not in read.sql


def test_public_rows_are_read_once_for_a_version(price: Price, above: Above) -> None:
    prepared = price("SELECT category, list_price FROM products ORDER BY 1")
    engine: Any = above.engine
    above.run(prepared.program.post.computed, {})
    before = len(engine.read)
    above.run(prepared.program.post.computed, {})
    assert len(engine.read) == before


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ((1, 2.5, "x", None), (1, 2.5, "x", None)),
        ((math.nan, math.inf, -math.inf), (None, None, None)),
        (([1.0, math.nan],), ([1.0, None],)),
    ],
)
def test_what_is_no_number_is_null(
    row: tuple[Any, ...], found: tuple[Any, ...]
) -> None:
    assert finite(row) == found
