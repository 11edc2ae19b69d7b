"""Catalogs with a table for every engine type, and ways to bind a query."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dpquery.errors import QueryRefused
from dpquery.kernel.explain import readable
from dpquery.plan.program import Query
from dpquery.policy.catalog import Catalog, CatalogColumn, CatalogTable, Owner
from dpquery.policy.engine_types import sql_type
from dpquery.sql.queries.bind import bind

from .extremes import TABLES

PLAIN = {
    **dict.fromkeys("ij", "BIGINT"),
    **dict.fromkeys("xy", "DOUBLE"),
    "m": "DECIMAL(10,2)",
    "t": "VARCHAR",
    "d": "DATE",
    "e": "DATE",
    "s": "TIMESTAMP",
    "b": "BOOLEAN",
    "o": "TIME",
    "l": "BIGINT[]",
    "w": "VARCHAR[]",
    "f": "DOUBLE[]",
    "z": 'STRUCT(p BIGINT, "q r" VARCHAR, n STRUCT(k DATE, v DECIMAL(8,2)[]))',
    "g": "BLOB",
}


def _table(name: str, columns: dict[str, str]) -> CatalogTable:
    listed = {
        each: CatalogColumn(each, sql_type(kind)[0], kind, sql_type(kind)[1])
        for each, kind in columns.items()
    }
    unit = CatalogColumn("unit", sql_type("BIGINT")[0], "BIGINT")
    return CatalogTable(name, {"unit": unit, **listed}, Owner((), "unit", "person"))


@pytest.fixture(scope="session")
def boundary_catalog() -> Catalog:
    tables = [_table(name, {"v": kind}) for kind, name in TABLES.items()]
    tables.append(_table("plain", PLAIN))
    return Catalog({each.name: each for each in tables}, "person")


Ask = Callable[[str], Query]
Answer = Callable[[str], str]
Refused = Callable[[str], QueryRefused]


@pytest.fixture(scope="session")
def ask(shop: Catalog) -> Ask:
    """Bind one query on the shop."""
    return lambda sql: bind(sql, shop)


@pytest.fixture(scope="session")
def answer(ask: Ask) -> Answer:
    """Bind one query on the shop; return the SELECT above its releases."""
    return lambda sql: readable(ask(sql).post.computed.sql)


@pytest.fixture(scope="session")
def refused(ask: Ask) -> Refused:
    """Bind one query on the shop that must be refused."""

    def refusal(sql: str) -> QueryRefused:
        with pytest.raises(QueryRefused) as caught:
            ask(sql)
        return caught.value

    return refusal
