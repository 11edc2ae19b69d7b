"""Queries written to do harm are refused, and with an error of ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dpquery.errors import QueryRefused, SQLSyntaxError
from dpquery.plan.program import BoundingMode
from dpquery.plan.rewrite import BoundingRules, compile_program
from dpquery.policy.catalog import (
    Catalog,
    CatalogColumn,
    CatalogTable,
    Hop,
    Owner,
    SqlType,
)
from dpquery.sql.bind import bind
from dpquery.sql.lower import lower_release

CORPUS = Path(__file__).parents[4] / "shared" / "design" / "hostile.jsonl"
CLASSES = {
    *("error_channel", "dp_rewrite", "escape", "parser", "parser_bomb"),
    *("resource_timing", "numeric"),
}
RULES = BoundingRules(BoundingMode.NORM, norm=2, groups=8)

COLUMNS = {
    "customers": "customer_id INTEGER, name VARCHAR, city VARCHAR,"
    " birth_year INTEGER 1900 2026, income DOUBLE 0 100000",
    "orders": "order_id INTEGER, customer_id INTEGER, amount DOUBLE 0 1000,"
    " status VARCHAR, placed_on DATE",
    "line_items": "order_id INTEGER, product_id INTEGER, quantity INTEGER 0 100,"
    " price DOUBLE 0 1000",
    "products": "product_id INTEGER, category VARCHAR, list_price DOUBLE",
}
OWNERS = {
    "customers": Owner((), "customer_id", "customer"),
    "orders": Owner((), "customer_id", "customer"),
    "line_items": Owner(
        (Hop("order_id", "orders", "order_id"),), "customer_id", "customer"
    ),
    "products": None,
}
REFERENCES = {
    "orders": (Hop("customer_id", "customers", "customer_id"),),
    "line_items": (
        Hop("order_id", "orders", "order_id"),
        Hop("product_id", "products", "product_id"),
    ),
}
KEYS = {"customers": "customer_id", "orders": "order_id", "products": "product_id"}


def table(name: str) -> CatalogTable:
    columns = {}
    for each in COLUMNS[name].split(","):
        column, kind, *ends = each.split()
        bounds = (int(ends[0]), int(ends[1])) if ends else None
        columns[column] = CatalogColumn(column, SqlType(kind), kind, bounds=bounds)
    return CatalogTable(
        name, columns, OWNERS[name], KEYS.get(name), REFERENCES.get(name, ())
    )


CATALOG = Catalog({name: table(name) for name in COLUMNS}, "customer")


def compiled(sql: str) -> str:
    """Bind, compile and lower a query, as it would be answered."""
    program = compile_program(bind(sql, CATALOG), CATALOG, RULES)
    return lower_release(program.releases[0]).text


NESTED = (
    f"SELECT COUNT(*) FROM orders WHERE {'(' * 20}status = ''"
    f"{' BETWEEN FALSE AND TRUE)' * 20}"
)
OWN = [
    # answers that differ by whether a row raises
    "SELECT COUNT(*) FROM customers WHERE name::INT = 1 AND error('hit') IS NULL",
    "SELECT SUM(TRY(income)) FROM customers",
    "SELECT COUNT(*) FROM customers WHERE name = 1",
    "SELECT COUNT(*) FROM customers WHERE printf(name, birth_year) = 'x'",
    "SELECT COUNT(*) FROM customers WHERE (SELECT income) > 5",
    # rows, or values of rows
    "SELECT name, income FROM customers",
    "SELECT MAX(income) FROM customers",
    "SELECT customers FROM customers",
    "SELECT COUNT(*), FIRST(name) FROM customers",
    "SELECT COLUMNS('.*') FROM customers",
    "SELECT COUNT(*) FROM customers ORDER BY income",
    "SELECT customer_id, COUNT(*) FROM customers GROUP BY customer_id",
    # rows of two units
    "SELECT COUNT(*) FROM customers a, customers b",
    "SELECT COUNT(*) FROM orders a JOIN orders b ON a.status = b.status",
    "SELECT COUNT(*) FROM products p LEFT JOIN line_items l USING (product_id)",
    "SELECT COUNT(*) FROM customers WHERE income > (SELECT AVG(income) FROM customers)",
    # ways out
    "SELECT COUNT(*) FROM read_csv('/etc/passwd')",
    "SELECT COUNT(*) FROM 'customers.parquet'",
    "SELECT COUNT(*) FROM duckdb_settings()",
    "SELECT COUNT(*) FROM query('SELECT 1')",
    "SELECT getenv('HOME') FROM customers",
    "SELECT COUNT(*) FROM customers WHERE getvariable('x') = 1",
    "COPY customers TO 'x.csv'",
    "ATTACH 'x.db' AS x",
    # time and memory
    "SELECT SUM(LENGTH(repeat(name, 1000000))) FROM customers",
    "SELECT COUNT(*) FROM customers WHERE list_sum(range(30000000)) > 0",
    "SELECT COUNT(*) FROM customers WHERE regexp_matches(name, name)",
    "SELECT COUNT(*) FROM customers WHERE regexp_matches(name, '(?=a)b')",
    "SELECT COUNT(*) FROM customers WHERE regexp_matches(name, '((a{99}){99}){99}')",
    "SELECT COUNT(*) FROM customers WHERE length(lpad(name, birth_year, 'x')) > 5",
    f"SELECT COUNT(*) FROM customers WHERE {'nullif(' * 20}name{', name)' * 20} = ''",
    f"SELECT SUM({'1 / (' * 20}income{')' * 20}) FROM customers",
    NESTED,
    "WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT 1 FROM r) SELECT COUNT(*) FROM r",
    f"SELECT {'str(' * 25}1{')' * 25} FROM customers",
    f"SELECT {'(' * 1500}1{')' * 1500} FROM customers",
    f"SELECT SUM({'-' * 900} income) FROM customers",
    # chance and clocks
    "SELECT COUNT(*) FROM customers WHERE random() < 0.5",
    "SELECT COUNT(*) FROM orders WHERE placed_on > now()",
]


@pytest.mark.parametrize("sql", OWN, ids=lambda sql: sql[:60])
def test_own_cases_are_refused(sql: str) -> None:
    with pytest.raises((QueryRefused, SQLSyntaxError)):
        compiled(sql)


# --- the corpus of the design -----------------------------------------------------


def corpus(expected: str) -> list[dict[str, str]]:
    if not CORPUS.exists():
        return []
    lines = CORPUS.read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines if line.strip()]
    return [
        each
        for each in entries
        if each["class"] in CLASSES and each["expected"] == expected
    ]


TOTAL = "the cast is lowered to TRY_CAST, so no row raises"
ANSWERED = {
    "E015": TOTAL,
    "E017": TOTAL,
    "E092": TOTAL,
    "E095": TOTAL,
    "E003": "1 // 0 is NULL, computed before any row is read",
    "E042": "chr is NULL outside the code points",
    "E047": "spans of more than 10,000 years are NULL",
    "E053": "what lies outside the years 1 to 9999 is NULL",
    "E054": "what lies outside the years 1 to 9999 is NULL",
    "E087": "chr is NULL outside the code points",
    "E027": "products of integers are computed in DOUBLE, which does not overflow",
    "E037": "DECIMAL is a name for DOUBLE here, which does not overflow",
    "E097": "HAVING is computed from released values, and 1 // 0 is NULL",
    "D017": "no rows: cities, shown only with enough customers (a noisy count)",
}
"""Entries that are answered, and why that is safe."""


@pytest.mark.skipif(not CORPUS.exists(), reason="the corpus is not part of this tree")
def test_the_corpus_is_refused() -> None:
    answered = {}
    for entry in corpus("reject"):
        try:
            compiled(entry["sql"])
        except (QueryRefused, SQLSyntaxError):
            pass
        else:
            answered[entry["id"]] = entry["sql"]
    assert set(answered) == set(ANSWERED), answered
    assert len(corpus("reject")) > 200


@pytest.mark.skipif(not CORPUS.exists(), reason="the corpus is not part of this tree")
def test_what_could_be_answered_is_answered_or_refused() -> None:
    outcomes = {"answered": 0, "refused": 0}
    for entry in corpus("accept_safe"):
        try:
            compiled(entry["sql"])
        except (QueryRefused, SQLSyntaxError):
            outcomes["refused"] += 1
        else:
            outcomes["answered"] += 1
    assert sum(outcomes.values()) == len(corpus("accept_safe"))
    assert outcomes["answered"] >= 10
