"""Orders without ties: the same windows whatever the order in which rows are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest

from dpquery.plan.analysis.privacy_unit import own
from dpquery.plan.analysis.total_order import (
    ROW_NUMBER,
    is_positional,
    tie_breakers,
    without_ties,
)
from dpquery.plan.expressions import Cast, ColumnRef, Frame, Ordering, Window
from dpquery.plan.relations import Filter, Listed, Named, Project
from dpquery.plan.render import expression_text
from dpquery.policy.catalog import SqlType
from dpquery.sql.lowering.expressions import column
from dpquery.sql.lowering.relations import source

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpquery.plan.relations import Relation
    from dpquery.policy.catalog import Catalog

    Rel = Callable[[str], Relation]

U, X = (ColumnRef("t", name, SqlType.INTEGER, "BIGINT") for name in "ux")
D = ColumnRef("t", "d", SqlType.DOUBLE, "DOUBLE")
BY_X = (Ordering(X, descending=False, nulls_first=False),)
TABLE = Listed("t", (U, X, D), ())


def window(function: str, frame: Frame | None = None) -> Window:
    return Window(function, (D,), (U,), BY_X, frame, SqlType.DOUBLE)


def ordered(relation: Project) -> list[list[str]]:
    return [
        [expression_text(each.expression) for each in column.expression.order]
        for column in relation.columns
        if isinstance(column.expression, Window)
    ]


@pytest.mark.parametrize(
    ("function", "frame", "positional"),
    [
        ("row_number", None, True),
        ("ntile", None, True),
        ("lag", None, True),
        ("first_value", None, True),
        ("rank", None, False),
        ("dense_rank", None, False),
        ("percent_rank", None, False),
        ("sum", None, False),
        ("sum", Frame(rows=False, start=None, end=0), False),
        ("sum", Frame(rows=True, start=None, end=0), True),
        ("count", Frame(rows=True, start=-1, end=1), True),
    ],
)
def test_which_windows_depend_on_ties(
    function: str, frame: Frame | None, *, positional: bool
) -> None:
    assert is_positional(window(function, frame)) is positional


def test_fractions_that_are_equal_and_print_apart_are_told_apart() -> None:
    found = tie_breakers([D, X, X])
    assert [each.expression for each in found] == [D, Cast(D, SqlType.VARCHAR), X]


def test_one_window_is_ordered_by_all_that_is_read() -> None:
    project = Project(TABLE, "p", (Named("a", window("lag")), Named("b", X)))
    found = without_ties(project, (U,))
    assert ordered(found) == [["t.x", "t.d", "CAST(t.d AS VARCHAR)"]]
    assert found.child == TABLE


def test_ranks_keep_the_ties_that_they_count() -> None:
    project = Project(TABLE, "p", (Named("a", window("rank")),))
    assert without_ties(project, (U,)) == project


def test_several_windows_break_ties_alike() -> None:
    made = Named("a", window("lag")), Named("b", window("lead")), Named("c", D)
    found = without_ties(Project(TABLE, "p", made), (U,))
    assert isinstance(found.child, Project)
    numbered = found.child
    assert numbered.columns[-1].name == ROW_NUMBER
    assert expression_text(numbered.columns[-1].expression) == (
        "row_number() OVER (PARTITION BY t.u ORDER BY t.d, CAST(t.d AS VARCHAR), t.u,"
        " t.x)"
    )
    by = ["p:numbered.c2", f"p:numbered.{ROW_NUMBER}"]
    assert ordered(found) == [by, by]


QUERIES = [
    (
        "SELECT LAG(amount) OVER w AS a, LEAD(amount) OVER w AS b FROM orders"
        " WINDOW w AS (PARTITION BY customer_id ORDER BY placed_on)"
    ),
    (
        "SELECT SUM(amount) OVER (PARTITION BY customer_id ORDER BY placed_on"
        " ROWS 2 PRECEDING) AS a FROM orders"
    ),
    (
        "SELECT placed_on FROM orders QUALIFY ROW_NUMBER() OVER"
        " (PARTITION BY customer_id ORDER BY placed_on) <= 2"
    ),
    (
        "SELECT DISTINCT ON (customer_id) placed_on, amount FROM orders"
        " ORDER BY customer_id, placed_on DESC"
    ),
    (
        "SELECT NTILE(2) OVER (PARTITION BY customer_id ORDER BY placed_on) AS n,"
        " amount FROM orders"
    ),
]
ROWS = """
CREATE TABLE orders AS SELECT n % 3 AS customer_id, CAST(n % 4 AS DECIMAL(10,2)) AS
amount, DATE '2024-01-01' + CAST(n % 2 AS INTEGER) AS placed_on
FROM range(40) AS r(n) ORDER BY
"""


@pytest.mark.parametrize("sql", QUERIES)
def test_results_do_not_depend_on_the_order_of_rows(
    shop: Catalog, relation: Rel, sql: str
) -> None:
    owned = own(relation(f"({sql}) AS t"), shop)
    inner = owned.relation
    while not isinstance(inner, Project):
        assert isinstance(inner, Filter)
        inner = inner.child
    text = source(owned.relation).select([column("query", inner.columns[0].name)])
    results = set()
    for order in ("n", "-n", "hash(n)", "n % 5, n"):
        with duckdb.connect() as database:
            database.execute(f"{ROWS} {order}")
            found = database.execute(text.sql("duckdb")).fetchall()
            results.add(tuple(sorted(map(str, found))))
    assert len(results) == 1
