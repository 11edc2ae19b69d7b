"""A catalog with a table for every engine type, and one of ordinary columns."""

from __future__ import annotations

import pytest

from dpquery.policy.build import sql_type
from dpquery.policy.catalog import Catalog, CatalogColumn, CatalogTable, Owner

KINDS = (
    *("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "UINTEGER"),
    *("DECIMAL(38,0)", "DECIMAL(38,38)", "DECIMAL(10,2)", "DOUBLE", "FLOAT", "VARCHAR"),
    *("DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"),
)
PLAIN = {
    **dict.fromkeys("ij", "BIGINT"),
    **dict.fromkeys("xy", "DOUBLE"),
    "m": "DECIMAL(10,2)",
    "t": "VARCHAR",
    "d": "DATE",
    "s": "TIMESTAMP",
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
    tables = [_table(f"v{index}", {"v": kind}) for index, kind in enumerate(KINDS)]
    tables.append(_table("plain", PLAIN))
    return Catalog({each.name: each for each in tables}, "person")
