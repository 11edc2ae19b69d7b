"""What is told of a query before it is paid for: noise, groups, notes; never data."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from dpquery.kernel.explain import explain, readable
from dpquery.kernel.notes import notes

from .conftest import PURE, TERMS

if TYPE_CHECKING:
    from .conftest import Price


def lines(price: Price, sql: str) -> list[str]:
    return [line.strip() for line in explain(price(sql)).splitlines()]


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (
            "SELECT MIN(placed_on) FROM orders",
            (
                "choose MIN(orders.placed_on), as a value near the lowest rank,"
                " among 370 values"
                " in [2024-01-30, 2025-02-02] by rank"
            ),
        ),
        (
            "SELECT MAX(amount) FROM orders",
            "choose MAX(orders.amount), as a value near the highest rank, among",
        ),
        (
            "SELECT MEDIAN(amount) FROM orders",
            (
                "choose QUANTILE(orders.amount, 0.5) among"
                " 200,001 values in [-1000, 1000] by rank: penalties with scale"
            ),
        ),
        (
            "SELECT COUNT(DISTINCT note) FROM orders",
            (
                "measure COUNT(DISTINCT orders.note): each customer adds at most 20"
                " of its own"
                " values to a group; discrete Gaussian noise with σ"
            ),
        ),
        (
            "SELECT SUM(amount) FROM orders",
            (
                "measure SUM(orders.amount in [-1000, 1000]): limit 20,000, discrete"
                " Gaussian"
                " noise with σ"
            ),
        ),
        (
            "SELECT COVAR_POP(amount, order_id % 7) FROM orders",
            "measure COUNT(orders.amount) beside orders.order_id % 7",
        ),
        (
            "SELECT COUNT_IF(status = 'a'), COUNT_IF(status = 'b') FROM orders",
            "in one vector",
        ),
        (
            "SELECT status, COUNT(*) FROM orders GROUP BY 1",
            "key k0 = orders.status: public, 2 values from the policy or the query",
        ),
        (
            "SELECT kind, COUNT(*) FROM orders GROUP BY 1",
            "key k0 = orders.kind: public, from products",
        ),
        (
            "SELECT note, COUNT(*) FROM orders GROUP BY 1",
            "key k0 = orders.note: not public",
        ),
        (
            "SELECT note, COUNT(*) FROM orders GROUP BY 1",
            "groups show when their noisy count of customers is at least",
        ),
        (
            "SELECT status, COUNT(*) FROM orders GROUP BY 1",
            "every group is shown, empty ones too; no δ is spent",
        ),
        (
            "SELECT DISTINCT status FROM orders",
            "groups show that some row has, so far as the noise lets one see",
        ),
        (
            "SELECT COUNT(*) FROM orders",
            "each customer counts; what is above its limit",
        ),
        (
            "SELECT city, COUNT(*) FROM customers GROUP BY 1",
            "each customer counts in one group; what is above its limit is scaled down",
        ),
        (
            (
                "SELECT COUNT(*) FROM orders WHERE amount > (SELECT AVG(amount) FROM"
                " orders)"
            ),
            "answer i1, which later releases read, at no cost",
        ),
        (
            (
                "SELECT COUNT(*) FROM orders WHERE amount > (SELECT AVG(amount) FROM"
                " orders)"
            ),
            "release r1: ρ 0.000551, 0.5 of the price",
        ),
        (
            "SELECT category FROM products",
            "answer, computed from public tables alone, at no cost",
        ),
    ],
)
def test_what_is_said(price: Price, sql: str, said: str) -> None:
    assert any(said in line for line in lines(price, sql)), explain(price(sql))


def test_pure_dp_is_told_in_epsilon(price: Price) -> None:
    text = explain(price("SELECT COUNT(*) FROM orders", PURE))
    assert "discrete Laplace noise" in text
    assert "ε 0.2" in text
    assert "ρ" not in text


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        (
            'SELECT "r1"."a0" AS "n" FROM "main"."r1" AS "r1"',
            "SELECT r1.a0 AS n FROM r1",
        ),
        (
            'SELECT "p"."x" FROM "public_tables"."products" AS "p"',
            "SELECT p.x FROM products AS p",
        ),
        ('SELECT \'"a"\' AS "a b"', 'SELECT \'"a"\' AS "a b"'),
        ("SELECT 'it''s \"n\"' AS \"n\"", "SELECT 'it''s \"n\"' AS n"),
    ],
)
def test_sql_is_readable_and_constants_stay(sql: str, text: str) -> None:
    assert readable(sql) == text


# --- notes ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (
            "SELECT COUNT(*) FROM payments",
            [
                (
                    "the policy does not say how many rows of payments a customer"
                    " has; 100 are"
                    " assumed, and whoever has more counts for less"
                )
            ],
        ),
        ("SELECT COUNT(*) FROM orders", []),
        (
            "SELECT note, COUNT(*) FROM orders GROUP BY note",
            [
                (
                    "groups with fewer than about N customers are withheld: their"
                    " keys are not"
                    " public, and a customer in 4 of them counts half in each"
                ),
                (
                    "to see more: twice the ε shows groups from about N customers on,"
                    " `values`"
                    " in the policy all of them, --other what is withheld as one row"
                ),
            ],
        ),
        (
            "SELECT MIN(amount), MAX(amount) FROM orders",
            [
                (
                    "MIN and MAX are values near the end of the rows, so that no"
                    " single customer"
                    " decides them"
                )
            ],
        ),
        ("SELECT MEDIAN(amount) FROM orders", []),
        (
            "SELECT COUNT(*) FROM orders TABLESAMPLE BERNOULLI (5%)",
            ["TABLESAMPLE takes a share of the customers, the same ones every time"],
        ),
        (
            (
                "SELECT COUNT(*) FROM customers WHERE EXISTS (SELECT 1 FROM orders"
                " TABLESAMPLE"
                " BERNOULLI (5%) WHERE orders.customer_id = customers.customer_id)"
            ),
            ["TABLESAMPLE takes a share of the customers, the same ones every time"],
        ),
        ("SELECT category FROM products", []),
    ],
)
def test_notes(price: Price, sql: str, said: list[str]) -> None:
    found = notes(price(sql))
    assert [re.sub(r"about \d+", "about N", note) for note in found] == said


def test_what_to_do_about_withheld_groups(price: Price) -> None:
    sql = "SELECT {} note, COUNT(*) FROM orders GROUP BY note"
    option = "WITH DIFFERENTIAL_PRIVACY OPTIONS (min_privacy_units_per_group = 20)"
    why, more = notes(price(sql.format("")))
    assert "twice the ε" in more
    number = re.compile(r"\d[\d,]*")
    usual, better = (
        int(number.findall(note)[0].replace(",", "")) for note in (why, more)
    )
    assert 2 * better - 1 <= usual <= 2 * better
    # nineteen more of each, for the minimum is no noise
    why, more = notes(price(sql.format(option)))
    assert f"about {usual + 19} " in why
    assert "fewer than 20 always" in why
    assert f" {better + 19} customers" in more


def test_of_several_releases_none_has_a_row_of_what_is_withheld(price: Price) -> None:
    sql = "SELECT note, COUNT(*) FROM orders GROUP BY ROLLUP (note)"
    assert not any("--other" in note for note in notes(price(sql)))


@pytest.mark.parametrize(
    ("key", "said"), [("note", "the key (other)"), ("paid_at", "NULL for a key")]
)
def test_the_row_of_what_is_withheld(price: Price, key: str, said: str) -> None:
    terms = replace(TERMS, other=True)
    found = notes(price(f"SELECT {key}, COUNT(*) FROM orders GROUP BY 1", terms))
    assert f"the last group, with {said}, holds" in found[-1]
    assert not any("--other" in note for note in found)
    found = notes(price("SELECT status, COUNT(*) FROM orders GROUP BY 1", terms))
    assert found == ("there is no row of what is withheld: no group is",)


def test_each_note_is_made_once(price: Price) -> None:
    sql = "SELECT COUNT(*) FROM payments WHERE paid > (SELECT AVG(paid) FROM payments)"
    assert len(notes(price(sql, TERMS))) == 1
