"""Rows that make SQL raise: the ends of every type, and keys that many rows share."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb

ENDS = {
    "TINYINT": (-(2**7), 2**7 - 1),
    "SMALLINT": (-(2**15), 2**15 - 1),
    "INTEGER": (-(2**31), 2**31 - 1),
    "BIGINT": (-(2**63), 2**63 - 1),
    "HUGEINT": (-(2**127), 2**127 - 1),
    "UTINYINT": (0, 2**8 - 1),
    "USMALLINT": (0, 2**16 - 1),
    "UINTEGER": (0, 2**32 - 1),
    "UBIGINT": (0, 2**64 - 1),
}
LONG = 20_000
"""Characters of the longest text."""

_NUMBERS = (
    *("nan", "inf", "-inf", "-0.0", "0", "1", "2", "-1", "0.1", "1e-300", "5e-324"),
    *("1.7976931348623157e308", "-1.7976931348623157e308", "9007199254740993", "1e19"),
)
_FLOATS = (
    *("nan", "inf", "-inf", "-0.0", "0", "1", "2", "0.1", "1e-45", "3.4028235e38"),
    "-3.4028235e38",
)
_DATES = (
    *("infinity", "-infinity", "5877642-06-25 (BC)", "5881580-07-10", "0001-01-01"),
    *("0001-12-31 (BC)", "9999-12-31", "10000-01-01", "1970-01-01", "2024-02-29"),
    *("2024-12-30", "1992-01-01", "1998-09-02"),
)
_TIMES = (
    *("infinity", "-infinity", "290309-12-22 (BC) 00:00:00", "0001-01-01 00:00:00"),
    *("294247-01-10 04:00:54.775806", "9999-12-31 23:59:59.999999", "1969-12-31"),
    *("10000-01-01 00:00:00", "2024-02-29 12:34:56.5", "2025-01-01"),
)
_TEXTS = (
    *("", " ", "a", "A", "á", "á", "ß", "İ", "ﬁ", "🙂🙂", "e\u0301", "\u200b", "\\"),
    *("%", "_", "'", '"', "0", "1", "-1", "1e400", "nan", "-inf", "true", "2024-02-30"),
    *("2024-02-29", "infinity", "5881580-07-10", "12:00:00", "9" * 400, "[1, 2]"),
    *("a,b,,c", "x" * LONG, "é" * 300, "\t\n", "NULL", "9223372036854775808", "{}"),
)
_VALUES: dict[str, tuple[str, ...]] = {
    "DOUBLE": _NUMBERS,
    "FLOAT": _FLOATS,
    "DATE": _DATES,
    "TIMESTAMP": _TIMES,
    "TIMESTAMP_S": _TIMES,
    "TIMESTAMP_MS": _TIMES,
    "TIMESTAMP_NS": ("infinity", "1677-09-22", "2262-04-11 23:47:16.854775806"),
    "TIMESTAMP WITH TIME ZONE": _TIMES,
    "TIME": ("00:00:00", "23:59:59.999999", "24:00:00", "12:34:56"),
    "INTERVAL": ("1 month", "30 days", "-1 day", "178956970 years", "0 days"),
    "VARCHAR": _TEXTS,
    "BOOLEAN": ("true", "false"),
    "UUID": (
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
    ),
}


def values_of(type_: str) -> list[str | None]:
    """Return the strange values of an engine type, as texts that DuckDB converts."""
    if type_ in ENDS:
        low, high = ENDS[type_]
        found = [*map(str, (low, high, low + 1, high - 1, 2, 3, 5, 100))]
        # what other rows refer to comes often
        return [None, "1", *found[:4], "0", "1", *found[4:], "2", "3"]
    if type_.startswith("DECIMAL("):
        digits, scale = map(int, type_[8:-1].split(","))
        whole = "9" * (digits - scale) or "0"
        most = f"{whole}.{'9' * scale}" if scale else whole
        small = f"0.{'0' * (scale - 1)}1" if scale else "1"
        return [None, most, f"-{most}", "0", small, f"-{small}"]
    if type_.endswith("[]"):
        inner = [each for each in values_of(type_[:-2])[:6] if each != ""]
        one = [each for each in inner if each is not None][:1]
        return [None, "[]", f"[{', '.join(map(str, one))}]", "[NULL]"]
    return [None, *_VALUES.get(type_, ())]


def fill(
    database: duckdb.DuckDBPyConnection,
    tables: Mapping[str, Mapping[str, str]],
    rows: int = 48,
) -> None:
    """
    Create *tables*, columns with their engine types, and fill them.

    Each value of a type is in some row beside each other one of a neighbour: columns
    walk through their values with different strides. The last rows are there twice.
    """
    for table, columns in tables.items():
        spelled = ", ".join(f'"{name}" {type_}' for name, type_ in columns.items())
        database.execute(f'CREATE TABLE "{table}" ({spelled})')
        walks = []
        for column, type_ in zip(count(), columns.values()):
            values = values_of(type_)
            stride = next(s for s in count(1 + column) if len(values) % s or s == 1)
            walks.append([values[at * stride % len(values)] for at in range(rows)])
        made = [*zip(*walks, strict=True)]
        made += made[-4:]
        if not made:
            continue
        holes = ", ".join(
            f"TRY_CAST(? AS {type_})" if type_ != "VARCHAR" else "?"
            for type_ in columns.values()
        )
        database.executemany(f'INSERT INTO "{table}" VALUES ({holes})', made)
