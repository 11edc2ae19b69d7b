"""Answers that private rows are compared with: of known types, or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dpquery.policy.catalog import SqlType

if TYPE_CHECKING:
    from .conftest import Ask, Refused

N = "(SELECT status, kind, COUNT(*) AS n, AVG(amount) AS m FROM orders GROUP BY 1, 2)"


def types(ask: Ask, item: str) -> list[SqlType]:
    sql = f"SELECT COUNT(*) FROM orders, (SELECT {item} AS x FROM {N} AS t) AS a"
    (given,) = ask(sql).inputs
    return [type_ for _, type_ in given.columns]


@pytest.mark.parametrize(
    ("item", "type_"),
    [
        ("n", SqlType.INTEGER),
        ("m", SqlType.DOUBLE),
        ("status", SqlType.VARCHAR),
        ("n + 1", SqlType.INTEGER),
        ("n / 2", SqlType.DOUBLE),
        ("m * n", SqlType.DOUBLE),
        ("n > 5", SqlType.BOOLEAN),
        ("UPPER(status)", SqlType.VARCHAR),
        ("CAST(n AS DOUBLE)", SqlType.DOUBLE),
        ("CAST(status AS DATE)", SqlType.DATE),
        ("CASE WHEN n > 5 THEN status ELSE kind END", SqlType.VARCHAR),
        ("COALESCE(m, 0.5)", SqlType.DOUBLE),
        ("RANK() OVER (ORDER BY n)", SqlType.INTEGER),
    ],
)
def test_types_that_are_known(ask: Ask, item: str, type_: SqlType) -> None:
    assert types(ask, item) == [type_]


@pytest.mark.parametrize(
    "item",
    ["list_value(n)", "some_function(n)", "[n, 1]", "{'a': n}", "INTERVAL 1 DAY"],
)
def test_types_that_are_not_known_are_refused(refused: Refused, item: str) -> None:
    sql = f"SELECT COUNT(*) FROM orders, (SELECT {item} AS x FROM {N} AS t) AS a"
    refusal = refused(sql)
    assert refusal.code == "DPQ138"
    assert "of x" in refusal.message
    assert "CAST" in str(refusal.hint)


def test_columns_without_names_are_refused(refused: Refused) -> None:
    sql = f"SELECT COUNT(*) FROM orders, (SELECT * EXCLUDE (kind) FROM {N} AS t) AS a"
    assert refused(sql).code == "DPQ138"


def test_what_does_not_fit_becomes_null(ask: Ask) -> None:
    """The engine below must not fail on an answer: that would be an unpaid bit."""
    sql = f"SELECT COUNT(*) FROM orders WHERE amount > (SELECT MAX(m) FROM {N} AS t)"
    (given,) = ask(sql).inputs
    assert given.computed.sql.startswith('SELECT TRY_CAST("answer"."MAX(m)" AS DOUBLE)')


def test_public_columns_have_their_types(ask: Ask) -> None:
    sql = (
        "SELECT COUNT(*) FROM orders, (SELECT p.category, p.list_price, t.n FROM"
        f" {N} AS t JOIN products AS p ON p.category = t.kind) AS a"
    )
    (given,) = ask(sql).inputs
    assert dict(given.columns) == {
        "category": SqlType.VARCHAR,
        "list_price": SqlType.DOUBLE,
        "n": SqlType.INTEGER,
    }
