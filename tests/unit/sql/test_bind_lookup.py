"""Aggregates of many units for each row: released once, by what ties the two."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dpquery.plan.render import expression_text, relation_lines

if TYPE_CHECKING:
    from .conftest import Answer, Ask, Refused

AVG = "(SELECT AVG(o.amount) FROM orders AS o WHERE {})"


def outer(where: str) -> str:
    return f"SELECT COUNT(*) FROM orders AS c WHERE c.amount > {AVG.format(where)}"


@pytest.mark.parametrize(
    ("where", "keys", "kept"),
    [
        ("o.note = c.note", ["orders_2.note"], "scan orders as orders_2"),
        ("c.note = o.note AND o.express", ["orders_2.note"], "filter orders_2.express"),
        (
            "o.note = c.note AND o.kind = c.status",
            ["orders_2.note", "orders_2.kind"],
            "scan orders as orders_2",
        ),
        ("year(o.placed_on) = year(c.placed_on)", ["year(orders_2.placed_on)"], "scan"),
    ],
)
def test_one_release_and_a_look_up(
    ask: Ask, where: str, keys: list[str], kept: str
) -> None:
    query = ask(outer(where))
    first, second = query.boundaries
    assert [expression_text(key.expression) for key in first.keys] == keys
    assert kept in "\n".join(relation_lines(first.source))
    (given,) = query.inputs
    assert given.computed.released == (first.name,)
    assert len(given.columns) == 1 + len(keys)
    assert f"the answer {given.name}" in "\n".join(relation_lines(second.source))


def test_counts_of_no_rows_are_zero(ask: Ask) -> None:
    text = "\n".join(
        relation_lines(
            ask(outer("o.note = c.note").replace("AVG(o.amount)", "COUNT(*)"))
            .boundaries[-1]
            .source
        )
    )
    assert "coalesce(" in text
    plain = "\n".join(
        relation_lines(ask(outer("o.note = c.note")).boundaries[-1].source)
    )
    assert "coalesce(" not in plain


def test_what_is_tied_by_the_unit_is_exact(ask: Ask) -> None:
    query = ask(outer("o.customer_id = c.customer_id"))
    assert (len(query.boundaries), query.inputs) == (1, ())


@pytest.mark.parametrize(
    "where", ["o.amount > c.amount", "o.note = c.note OR o.express", "o.note <> c.note"]
)
def test_other_ties_are_refused(refused: Refused, where: str) -> None:
    assert refused(outer(where)).code == "DPQ115"


def test_keys_of_public_rows_are_listed(ask: Ask) -> None:
    """So that none of them is withheld: they are joined as a public table."""
    query = ask(
        "SELECT p.category, (SELECT COUNT(*) FROM orders o WHERE o.kind = p.category)"
        " AS n FROM products AS p"
    )
    (boundary,) = query.boundaries
    text = "\n".join(relation_lines(boundary.source))
    assert "distinct products_2.category as key0" in text


def test_above_the_boundary_a_group_s_key_is_looked_up(
    ask: Ask, answer: Answer
) -> None:
    sql = (
        "SELECT c.note, COUNT(*), (SELECT AVG(o.amount) FROM orders AS o"
        " WHERE o.note = c.note) AS mean FROM orders AS c GROUP BY c.note"
    )
    assert len(ask(sql).boundaries) == 2
    assert "WHERE looked_up.key_0 = r1.k0) AS mean" in answer(sql).replace("r2.", "r1.")


def test_a_try_leaves_no_trace(ask: Ask) -> None:
    """Names and releases of a look-up that is none are forgotten."""
    (boundary,) = ask(outer("o.customer_id = c.customer_id")).boundaries
    assert boundary.name == "r1"
    text = "\n".join(relation_lines(boundary.source))
    assert "orders_3" not in text
