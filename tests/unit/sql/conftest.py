"""A catalog with a table for every engine type, and one of ordinary columns."""

from __future__ import annotations

import pytest

from dpquery.policy.catalog import Catalog, CatalogColumn, CatalogTable, Owner
from dpquery.policy.engine_types import sql_type

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
