"""Tables of rows that make SQL raise: the ends of every type, keys that many share."""

from __future__ import annotations

from itertools import count
from math import gcd
from typing import TYPE_CHECKING

from ..unit.sql.extremes import BOUNDARIES  # noqa: TID252 -- tests are no package

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb

ROWS = 48
_COMMON = {"BIGINT", "INTEGER", "SMALLINT", "VARCHAR"}
"""Types of keys: some of their values come often, so that rows find partners."""


def values_of(type_: str) -> list[str]:
    """Return the strange values of an engine type, as SQL."""
    if type_.startswith("DECIMAL(") and type_ not in BOUNDARIES:
        digits, scale = map(int, type_[8:-1].split(","))
        most = "9" * (digits - scale) + "." + "9" * scale
        least = "0." + "0" * (scale - 1) + "1" if scale else "1"
        return ["NULL", f"'{most}'", f"'-{most}'", "0", f"'{least}'", f"'-{least}'"]
    common = ["'1'", "'2'", "'3'", "'1'"] if type_ in _COMMON else []
    return [*common, *BOUNDARIES[type_]]


def fill(
    database: duckdb.DuckDBPyConnection,
    tables: Mapping[str, Mapping[str, str]],
    rows: int = ROWS,
) -> None:
    """
    Create *tables*, columns with their engine types, and fill them.

    Columns walk through the values of their types with different strides, so that each
    value stands beside many others. The last rows are there twice.
    """
    for table, columns in tables.items():
        spelled = ", ".join(f'"{name}" {type_}' for name, type_ in columns.items())
        database.execute(f'CREATE TABLE "{table}" ({spelled})')
        made = [
            ", ".join(
                f"CAST({_value(type_, place, at)} AS {type_})"
                for place, type_ in enumerate(columns.values())
            )
            for at in (*range(rows), *range(max(0, rows - 4), rows))
        ]
        if made:
            every = " UNION ALL SELECT ".join(made)
            database.execute(f'INSERT INTO "{table}" SELECT {every}')


def _value(type_: str, place: int, at: int) -> str:
    values = values_of(type_)
    stride = next(s for s in count(1 + place) if gcd(s, len(values)) == 1)
    return values[at * stride % len(values)]
