"""GROUP BY: which expressions are keys, and which levels of them there are."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import pytest

from dpquery.plan.render import expression_text
from dpquery.sql.queries.keys import MAX_LEVELS

if TYPE_CHECKING:
    from dpquery.plan.program import Query

    from .conftest import Answer, Ask, Refused


def keys(query: Query) -> list[str]:
    (only,) = query.boundaries
    return [expression_text(key.expression) for key in only.keys]


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
        ("status, express", "(status, express)", ["orders.status", "orders.express"]),
    ],
)
def test_group_keys(ask: Ask, items: str, group: str, found: list[str]) -> None:
    query = ask(f"SELECT {items} FROM orders AS o GROUP BY {group} ORDER BY COUNT(*)")
    assert keys(query) == found
    names = [key.name for key in query.boundaries[0].keys]
    assert names == [f"k{n}" for n in range(len(found))]


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("SELECT DISTINCT status FROM orders", ["orders.status"]),
        (
            "SELECT DISTINCT status, UPPER(note) AS n FROM orders",
            ["orders.status", "upper(orders.note)"],
        ),
    ],
)
def test_select_distinct_is_groups(ask: Ask, sql: str, found: list[str]) -> None:
    assert keys(ask(sql)) == found


@pytest.mark.parametrize(
    ("sql", "code"),
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
        ("SELECT status, COUNT(*) FROM orders GROUP BY *", "DPQ122"),
        ("SELECT customer_id, COUNT(*) FROM orders GROUP BY ROLLUP (status)", "DPQ124"),
        ("SELECT COUNT(*), GROUPING(note) FROM orders GROUP BY status", "DPQ124"),
        (
            (
                "SELECT COUNT(*) FROM orders"
                " GROUP BY CUBE (status, note, kind, express, placed_on, paid_at)"
            ),
            "DPQ116",
        ),
    ],
)
def test_keys_that_are_refused(refused: Refused, sql: str, code: str) -> None:
    refusal = refused(sql)
    assert refusal.code == code
    assert refusal.position is not None


# --- levels -----------------------------------------------------------------------


def levels(query: Query) -> list[str]:
    """Return each level's keys, one letter each."""
    letter = {"orders.status": "s", "orders.express": "e", "orders.kind": "k"}
    return [
        "".join(letter[expression_text(key.expression)] for key in boundary.keys)
        for boundary in query.boundaries
    ]


CUBE = ["".join(each) for size in (3, 2, 1, 0) for each in combinations("sek", size)]


@pytest.mark.parametrize(
    ("group", "found"),
    [
        ("ROLLUP (status, express, kind)", ["sek", "se", "s", ""]),
        ("ROLLUP ((status, express), kind)", ["sek", "se", ""]),
        ("status, ROLLUP (express)", ["se", "s"]),
        ("CUBE (status, express, kind)", CUBE),
        ("GROUPING SETS ((status), (express), ())", ["s", "e", ""]),
        ("GROUPING SETS (status, ROLLUP (express))", ["s", "e", ""]),
        ("GROUPING SETS ((status, express), status)", ["se", "s"]),
        ("status, GROUPING SETS ((status), (kind))", ["s", "sk"]),
        ("ROLLUP (status), ROLLUP (express)", ["se", "s", "e", ""]),
    ],
)
def test_levels(ask: Ask, group: str, found: list[str]) -> None:
    query = ask(f"SELECT COUNT(*) FROM orders GROUP BY {group}")
    assert levels(query) == found
    names = [boundary.name for boundary in query.boundaries]
    assert names == [f"r1_{at + 1}" for at in range(len(found))]
    assert len(found) <= MAX_LEVELS


@pytest.mark.parametrize(
    ("item", "bits"),
    [
        ("GROUPING(status)", ["0", "0", "1"]),
        ("GROUPING(express)", ["0", "1", "1"]),
        ("GROUPING(status, express)", ["0", "1", "3"]),
        ("GROUPING_ID(express, status)", ["0", "2", "3"]),
    ],
)
def test_grouping_says_which_keys_a_level_is_not_made_by(
    answer: Answer, item: str, bits: list[str]
) -> None:
    """The last argument is the lowest bit, as in PostgreSQL and DuckDB."""
    text = answer(f"SELECT {item} AS g FROM orders GROUP BY ROLLUP (status, express)")
    formula = text.split(" AS g")[0].removeprefix("SELECT ").replace("r1.", "")
    found = []
    for g0, g1 in ((0, 0), (0, 1), (1, 1)):
        found.append(str(eval(formula, {"g0": g0, "g1": g1})))  # noqa: S307 -- ours
    assert found == bits


def test_keys_of_other_levels_are_null_of_their_type(answer: Answer) -> None:
    text = answer("SELECT status, express, COUNT(*) FROM orders GROUP BY CUBE (1, 2)")
    assert "CAST(NULL AS TEXT) AS k0, 1 AS g0, r1_3.k1 AS k1, 0 AS g1" in text
    assert "r1_2.k0 AS k0, 0 AS g0, CAST(NULL AS BOOLEAN) AS k1, 1 AS g1" in text


def test_one_level_has_no_grouping_columns(answer: Answer) -> None:
    text = answer("SELECT status, GROUPING(status) AS g FROM orders GROUP BY status")
    assert text.startswith("SELECT r1.k0 AS status, (0) AS g, r1.row AS row FROM r1")
