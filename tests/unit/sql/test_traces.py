"""Which released number a cell of the answer is: rows carried through SELECTs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Answer, Ask

N = "SELECT status, COUNT(*) AS n, SUM(amount) AS s FROM orders GROUP BY status"
M = "SELECT status, AVG(amount) AS m FROM orders GROUP BY status"


def cells(ask: Ask, sql: str) -> dict[str, str]:
    """Return for each output that is a released number, which and by which row."""
    outputs = ask(sql).post.outputs or ()
    return {
        each.name: f"{'|'.join(each.cell.levels)}.{each.cell.column}@{each.cell.row}"
        for each in outputs
        if each.cell is not None
    }


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        (N, {"n": "r1.a0@0", "s": "r1.a1@0"}),
        (
            f"{N} HAVING COUNT(*) > 5 ORDER BY n LIMIT 3",
            {"n": "r1.a0@0", "s": "r1.a1@0"},
        ),
        # through derived tables and WITH, under new names
        (
            f"SELECT s, n AS m FROM ({N}) AS t WHERE n > 5",
            {"s": "r1.a1@0", "m": "r1.a0@0"},
        ),
        (f"WITH t AS ({N}) SELECT t.n FROM t", {"n": "r1.a0@0"}),
        (f"SELECT * FROM ({N}) AS t(a, b)", {"b": "r1.a0@0", "s": "r1.a1@0"}),
        (
            f"SELECT * FROM (SELECT * FROM ({N}) AS t) AS u",
            {"n": "r1.a0@0", "s": "r1.a1@0"},
        ),
        (f"SELECT n, RANK() OVER (ORDER BY n) AS r FROM ({N}) AS t", {"n": "r1.a0@0"}),
        # ... that nobody has named
        (f"SELECT n FROM ({N}) WHERE n > 5", {"n": "r1.a0@0"}),
        (f"SELECT n, m FROM ({N}), ({M})", {"n": "r1.a0@0", "m": "r2.a0@1"}),
        # of two answers: each by its own row
        (
            f"SELECT a.n, b.m FROM ({N}) AS a JOIN ({M}) AS b ON a.status = b.status",
            {"n": "r1.a0@0", "m": "r2.a0@1"},
        ),
        (
            (
                f"SELECT a.n, b.m FROM ({N}) AS a LEFT JOIN ({M}) AS b ON a.status ="
                f" b.status"
            ),
            {"n": "r1.a0@0", "m": "r2.a0@1"},
        ),
        (f"SELECT n, m FROM ({N}) AS a, ({M}) AS b", {"n": "r1.a0@0", "m": "r2.a0@1"}),
        (
            f"WITH t AS ({N}) SELECT a.n, b.n FROM t AS a, t AS b",
            {"n": "r1.a0@0", "n_1": "r1.a0@1"},
        ),
        (f"SELECT a.n, p.list_price FROM ({N}) AS a, products AS p", {"n": "r1.a0@0"}),
        # levels: which of several tables a row is of is in its number
        (
            "SELECT status, COUNT(*) AS n FROM orders GROUP BY ROLLUP (status)",
            {"n": "r1_1|r1_2.a0@0"},
        ),
        # what is computed has no law of its own
        (f"SELECT n + 1 AS m, s / n AS mean, -n AS k FROM ({N}) AS t", {}),
        (f"SELECT SUM(n) AS n FROM ({N}) AS t", {}),
        (f"SELECT DISTINCT n FROM ({N}) AS t", {}),
        (f"SELECT status FROM ({N}) AS t", {}),
        (f"{N} UNION ALL {N}", {}),
        (f"SELECT MAX(n) OVER () AS n FROM ({N}) AS t", {}),
        (f"SELECT n FROM (SELECT DISTINCT n FROM ({N}) AS t) AS u", {}),
        (f"SELECT n FROM (SELECT SUM(n) AS n FROM ({N}) AS t) AS u", {}),
        # a name that could be of either is of neither
        (f"SELECT n FROM ({N}) AS a JOIN ({N}) AS b USING (status)", {}),
    ],
)
def test_cells(ask: Ask, sql: str, found: dict[str, str]) -> None:
    assert cells(ask, sql) == found


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        (N, 1),
        (f"SELECT a.n, b.m FROM ({N}) AS a, ({M}) AS b", 2),
        (f"SELECT SUM(n) FROM ({N}) AS t", 0),
        (f"SELECT n FROM ({N}) AS t", 1),
    ],
)
def test_hidden_columns_stand_last(
    ask: Ask, answer: Answer, sql: str, rows: int
) -> None:
    post = ask(sql).post
    assert post.rows == rows
    head = answer(sql).split(" FROM ")[0]
    assert head.count("row") == rows * 2
    if rows:
        assert head.endswith(("AS row", "AS row_"))


def test_hidden_columns_have_names_that_nothing_else_has(answer: Answer) -> None:
    text = answer(f"SELECT n AS row, s AS row_ FROM ({N}) AS t")
    assert "r1.row AS row__" in text
    assert text.endswith("ORDER BY row__")
