"""Set operations of rows go by position, in common types."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dpquery.plan.relations import SetKind, SetOperation
from dpquery.plan.render import relation_lines
from dpquery.plan.walk import relations
from dpquery.policy.catalog import SqlType

if TYPE_CHECKING:
    from .conftest import Answer, Ask, Refused

DOUBLE, INTEGER, VARCHAR = SqlType.DOUBLE, SqlType.INTEGER, SqlType.VARCHAR


def set_operation(ask: Ask, sql: str) -> SetOperation:
    source = ask(f"SELECT COUNT(*) FROM ({sql}) AS t").boundaries[0].source
    return next(each for each in relations(source) if isinstance(each, SetOperation))


@pytest.mark.parametrize(
    ("word", "kind", "distinct"),
    [
        ("UNION ALL", SetKind.UNION, False),
        ("UNION", SetKind.UNION, True),
        ("INTERSECT", SetKind.INTERSECT, True),
        ("INTERSECT ALL", SetKind.INTERSECT, False),
        ("EXCEPT", SetKind.EXCEPT, True),
        ("EXCEPT ALL", SetKind.EXCEPT, False),
    ],
)
def test_kinds(ask: Ask, word: str, kind: SetKind, *, distinct: bool) -> None:
    sql = f"SELECT customer_id FROM orders {word} SELECT customer_id FROM customers"
    found = set_operation(ask, sql)
    assert (found.kind, found.distinct) == (kind, distinct)


def test_columns_go_by_position_and_are_called_as_on_the_left(ask: Ask) -> None:
    sql = "SELECT note AS a, customer_id FROM orders UNION ALL SELECT name, customer_id"
    found = set_operation(ask, f"{sql} FROM customers")
    assert [each.name for each in found.columns] == ["a", "customer_id"]
    assert [each.name for each in found.right.columns] == ["a", "customer_id"]
    text = "\n".join(relation_lines(found.right))
    assert "query_2.name as a, query_2.customer_id" in text


@pytest.mark.parametrize(
    ("left", "right", "type_"),
    [
        ("1", "2", INTEGER),
        ("1", "2.5", DOUBLE),
        ("amount", "1", DOUBLE),
        ("NULL", "1", INTEGER),
        ("note", "'x'", VARCHAR),
        ("note", "NULL", VARCHAR),
        ("placed_on", "'2024-01-01'", SqlType.DATE),
        ("placed_on", "paid_at", SqlType.TIMESTAMP),
    ],
)
def test_columns_have_a_common_type(
    ask: Ask, left: str, right: str, type_: SqlType
) -> None:
    for a, b in ((left, right), (right, left)):
        found = set_operation(
            ask, f"SELECT {a} FROM orders UNION ALL SELECT {b} FROM orders"
        )
        assert found.columns[0].type is type_


@pytest.mark.parametrize(
    ("left", "right", "code"),
    [
        ("note", "1", "DPQ105"),
        ("express", "1", "DPQ105"),
        ("placed_on", "1", "DPQ105"),
        ("note, kind", "note", "DPQ131"),
    ],
)
def test_sides_that_do_not_fit(
    refused: Refused, left: str, right: str, code: str
) -> None:
    inner = f"SELECT {left} FROM orders UNION ALL SELECT {right} FROM orders"
    refusal = refused(f"SELECT COUNT(*) FROM ({inner}) AS t")
    assert refusal.code == code
    assert refusal.position is not None


def test_decimals_keep_their_digits(ask: Ask) -> None:
    sql = "SELECT amount FROM orders UNION ALL SELECT amount FROM orders"
    (column, *_) = set_operation(ask, sql).columns
    assert (column.type, column.engine_type) == (SqlType.DECIMAL, "DECIMAL(10,2)")


def test_set_operations_of_answers_stay_above(ask: Ask, answer: Answer) -> None:
    sql = "SELECT COUNT(*) AS n FROM orders UNION ALL SELECT COUNT(*) FROM customers"
    assert len(ask(sql).boundaries) == 2
    assert answer(sql) == (
        'SELECT r1.a0 AS n FROM r1 UNION ALL SELECT r2.a0 AS "COUNT(*)" FROM r2'
    )
    assert [each.name for each in ask(sql).post.outputs or ()] == ["n"]


@pytest.mark.parametrize(
    "kind", ["UNION ALL BY NAME", "UNION BY NAME", "EXCEPT BY NAME"]
)
def test_sides_go_by_position_only(refused: Refused, kind: str) -> None:
    inner = f"SELECT note FROM orders {kind} SELECT note FROM orders"
    refusal = refused(f"SELECT COUNT(*) FROM ({inner}) AS t")
    assert refusal.code in {"DPQ001", "DPQ131"}


def test_nulls_of_no_type_are_not_read(refused: Refused) -> None:
    null = "SELECT NULL AS x FROM orders"
    for inner in (null, f"{null} UNION ALL {null}"):
        refusal = refused(f"SELECT COUNT(x) FROM ({inner}) AS t")
        assert (refusal.code, refusal.message) == ("DPQ105", "x is NULL without a type")
