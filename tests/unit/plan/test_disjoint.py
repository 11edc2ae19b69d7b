"""Conditions that are taken for disjoint are never true of one row."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import duckdb
import pytest

from dpquery.engines.lockdown import PINNED
from dpquery.plan.analysis.disjoint import disjoint
from dpquery.sql.lowering.expressions import lower

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpquery.plan.expressions import Expression

    Expr = Callable[[str], Expression]


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ("status = 'a'", "status = 'b'", True),
        ("status = 'a'", "status = 'a'", False),
        ("status = 'a'", "kind = 'b'", False),
        ("status IN ('a', 'b')", "status IN ('c', 'd')", True),
        ("status IN ('a', 'b')", "status IN ('b', 'c')", False),
        ("UPPER(status) = 'A'", "UPPER(status) = 'B'", True),
        ("express", "NOT express", True),
        ("status LIKE 'a%'", "NOT status LIKE 'a%'", True),
        ("express AND status = 'a'", "status = 'b'", True),
        ("express OR status = 'a'", "status = 'b'", False),
        ("amount < 5", "amount > 5", True),
        ("amount < 5", "amount >= 5", True),
        ("amount <= 5", "amount > 5", True),
        ("amount <= 5", "amount >= 5", False),
        ("amount BETWEEN 1 AND 2", "amount BETWEEN 3 AND 4", True),
        ("amount BETWEEN 1 AND 3", "amount BETWEEN 3 AND 4", False),
        ("amount > 5 AND amount < 9", "amount >= 9", True),
        ("amount = 5", "amount = 6", True),
        ("amount = 5", "amount = 5.00", False),
        # the open end is not the one that meets the other interval
        ("amount <= 5 AND amount < 7", "amount >= 5", False),
        ("amount <= 5", "amount >= 5 AND amount > 3", False),
        ("amount < 7 AND amount < 5", "amount >= 5", True),
        ("placed_on < '2024-05-01'", "placed_on >= '2024-05-01'", True),
        ("year(placed_on) = 2024", "year(placed_on) = 2025", True),
        ("year(placed_on) = 2024", "placed_on < '2024-02-01'", False),
        ("amount + 1 < 5", "amount - 1 > 4", True),
        ("amount + 1 < 5", "amount < 4", False),
        ("amount < 5", "order_id > 5", False),
    ],
)
def test_disjoint(expression: Expr, one: str, other: str, *, apart: bool) -> None:
    a, b = expression(one), expression(other)
    assert disjoint(a, b) is apart
    assert disjoint(b, a) is apart


ENDS = ("amount < 5", "amount <= 5", "amount > 5", "amount >= 5", "amount = 5")
CONDITIONS = (
    *ENDS,
    *(
        f"{one} AND {other}"
        for one, other in product(ENDS, ("amount < 6", "amount > 4"))
    ),
    "amount IN (4, 5)",
    "NOT amount < 5",
    "express",
    "NOT express",
    "status = 'a' AND amount <= 5",
    "status IN ('a', 'b')",
    "status = 'b' OR amount >= 5",
    "amount + 1 > 6",
    "2 * amount <= 10",
    "ROUND(amount) = 5",
    "ROUND(amount) = 6",
    "year(placed_on) = 2024",
    "year(placed_on) = 2025",
    "month(placed_on) = 1",
    "placed_on < '2025-01-01'",
    "placed_on >= '2024-12-31'",
    "date_trunc('year', placed_on) = '2025-01-01'",
    "placed_on + INTERVAL 1 DAY < '2025-01-01'",
)
TABLE = """
CREATE TABLE orders AS SELECT * FROM
(VALUES (3.99), (4), (4.5), (5), (5.5), (6), (NULL)) AS a(amount),
(VALUES ('a'), ('b'), (NULL)) AS s(status),
(VALUES (TRUE), (FALSE), (NULL)) AS e(express),
(VALUES (DATE '2023-12-31'), ('2024-01-01'), ('2024-12-30'), ('2024-12-31'),
    ('2025-01-01'), ('2025-12-31'), ('2026-01-01'), (NULL)) AS p(placed_on)
"""


def test_no_row_meets_two_disjoint_conditions(expression: Expr) -> None:
    bound = [expression(each) for each in CONDITIONS]
    lowered = [lower(each).sql("duckdb") for each in bound]
    with duckdb.connect(config={**PINNED}) as database:
        database.execute(TABLE)
        found = 0
        for (at, one), (other_at, other) in product(enumerate(bound), repeat=2):
            if disjoint(one, other):
                found += 1
                both = f"({lowered[at]}) AND ({lowered[other_at]})"
                rows = database.execute(f"FROM orders WHERE {both}").fetchall()
                assert rows == [], (CONDITIONS[at], CONDITIONS[other_at])
    assert found > 50
