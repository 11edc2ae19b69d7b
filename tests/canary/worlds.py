"""Policies with the tables that they are about: where queries are tried."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from ..unit.conftest import COLUMNS, SHOP  # noqa: TID252 -- tests are no package

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
SAMPLES = ("clinic", "bank", "trade")

Tables = dict[str, dict[str, str]]
"""The engine type of each column of each table."""


@dataclass(frozen=True)
class World:
    """A policy, and the tables of its database."""

    policy: str
    """The text of the policy; its source is a file that stands beside it."""
    source: str
    tables: Tables


def worlds() -> dict[str, World]:
    """Return all worlds by name."""
    found = {name: _sample(name) for name in SAMPLES}
    found["shop"] = World(SHOP, "shop.duckdb", _spelled(COLUMNS))
    found["types"] = World(TYPES, "types.duckdb", {**_ALL_TYPES})
    for unit in ("customer", "supplier"):
        path = ROOT / "benchmarks" / "sql" / "tpch" / f"{unit}.yaml"
        text = path.read_text(encoding="utf-8")
        found[f"tpch-{unit}"] = World(text, "tpch.duckdb", _spelled(TPCH))
    return found


def _sample(name: str) -> World:
    text = (ROOT / "policies" / f"{name}.yaml").read_text(encoding="utf-8")
    text = text.replace("../sample_data/", "")
    tables: Tables = {}
    file = ROOT / "sample_data" / f"{name}.duckdb"
    with duckdb.connect(file, read_only=True) as sample:
        for table, column, type_ in sample.execute(
            "SELECT table_name, column_name, data_type FROM duckdb_columns()"
            " WHERE NOT internal ORDER BY table_name, column_index"
        ).fetchall():
            tables.setdefault(table, {})[column] = type_
    return World(text, f"{name}.duckdb", tables)


def _spelled(columns: Mapping[str, str]) -> Tables:
    """Return ``name TYPE, …``, where a comma inside of a type is a semicolon."""
    return {
        table: {
            name: type_.replace(";", ",")
            for name, type_ in (each.split(maxsplit=1) for each in text.split(","))
        }
        for table, text in columns.items()
    }


TPCH = {
    "region": "r_regionkey INTEGER, r_name VARCHAR, r_comment VARCHAR",
    "nation": "n_nationkey INTEGER, n_name VARCHAR, n_regionkey INTEGER,"
    " n_comment VARCHAR",
    "supplier": "s_suppkey BIGINT, s_name VARCHAR, s_address VARCHAR,"
    " s_nationkey INTEGER, s_phone VARCHAR, s_acctbal DECIMAL(15;2), s_comment VARCHAR",
    "part": "p_partkey BIGINT, p_name VARCHAR, p_mfgr VARCHAR, p_brand VARCHAR,"
    " p_type VARCHAR, p_size INTEGER, p_container VARCHAR,"
    " p_retailprice DECIMAL(15;2), p_comment VARCHAR",
    "partsupp": "ps_partkey BIGINT, ps_suppkey BIGINT, ps_availqty BIGINT,"
    " ps_supplycost DECIMAL(15;2), ps_comment VARCHAR",
    "customer": "c_custkey BIGINT, c_name VARCHAR, c_address VARCHAR,"
    " c_nationkey INTEGER, c_phone VARCHAR, c_acctbal DECIMAL(15;2),"
    " c_mktsegment VARCHAR, c_comment VARCHAR",
    "orders": "o_orderkey BIGINT, o_custkey BIGINT, o_orderstatus VARCHAR,"
    " o_totalprice DECIMAL(15;2), o_orderdate DATE, o_orderpriority VARCHAR,"
    " o_clerk VARCHAR, o_shippriority INTEGER, o_comment VARCHAR",
    "lineitem": "l_orderkey BIGINT, l_partkey BIGINT, l_suppkey BIGINT,"
    " l_linenumber BIGINT, l_quantity DECIMAL(15;2), l_extendedprice DECIMAL(15;2),"
    " l_discount DECIMAL(15;2), l_tax DECIMAL(15;2), l_returnflag VARCHAR,"
    " l_linestatus VARCHAR, l_shipdate DATE, l_commitdate DATE, l_receiptdate DATE,"
    " l_shipinstruct VARCHAR, l_shipmode VARCHAR, l_comment VARCHAR",
}

COLUMN_TYPES = {
    "yes": "BOOLEAN",
    "tiny": "TINYINT",
    "small": "SMALLINT",
    "whole": "INTEGER",
    "big": "BIGINT",
    "huge": "HUGEINT",
    "utiny": "UTINYINT",
    "uwhole": "UINTEGER",
    "ubig": "UBIGINT",
    "real": "FLOAT",
    "dbl": "DOUBLE",
    "money": "DECIMAL(10,2)",
    "long": "DECIMAL(38,0)",
    "share": "DECIMAL(38,38)",
    "label": "VARCHAR",
    "kind": "ENUM('', 'a', 'é🙂')",
    "mark": "UUID",
    "day": "DATE",
    "stamp": "TIMESTAMP",
    "stamp_s": "TIMESTAMP_S",
    "stamp_ms": "TIMESTAMP_MS",
    "stamp_ns": "TIMESTAMP_NS",
    "clock": "TIME",
    "words": "VARCHAR[]",
    "numbers": "BIGINT[]",
    "days": "DATE[]",
}
_ALL_TYPES: Tables = {
    "units": {"unit": "VARCHAR", **COLUMN_TYPES},
    "listed": {"name": "VARCHAR", "number": "INTEGER", "size": "DOUBLE"},
}
_BOUNDS = {
    **dict.fromkeys(("tiny", "utiny"), "[0, 100]"),
    **dict.fromkeys(("small", "whole", "big", "uwhole", "ubig", "huge"), "[-5, 30000]"),
    **dict.fromkeys(("real", "dbl", "money", "long"), "[-1000, 1000]"),
    "share": "[0, 1]",
    **dict.fromkeys(("day", "stamp"), "[1990-01-01, 2030-12-31]"),
    **dict.fromkeys(("stamp_s", "stamp_ms", "stamp_ns"), "[1990-01-01, 2030-12-31]"),
}
TYPES = "\n".join(
    [
        "version: 1",
        "name: types",
        "source: {duckdb: types.duckdb}",
        "privacy_unit: unit",
        "tables:",
        "  units:",
        "    privacy_unit_column: unit",
        "    max_rows_per_unit: 5",
        "    columns:",
        *(
            f"      {name}: {{bounds: {_BOUNDS[name]}}}"
            if name in _BOUNDS
            else f"      {name}: {{}}"
            for name in COLUMN_TYPES
        ),
        "  listed: {public: true}",
        "budget: {epsilon: 8, delta: 1e-6}",
        "analysts: {alice: {epsilon: 3}}",
        "",
    ]
)
