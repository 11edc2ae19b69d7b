"""How the engine spells types, and which of ours each one is.

A type that is read through a cast maps onto the type it is cast to: unsigned and
128-bit integers are INTEGER (what does not fit 64 bits is NULL), ENUM and UUID are
text. What is not named here is UNSUPPORTED: the column exists, and cannot be used.
"""

from __future__ import annotations

import re

from dpquery.policy.catalog import SqlType

_INTEGERS = (
    *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"),
    *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"),
)
_TYPES = {
    **dict.fromkeys(_INTEGERS, SqlType.INTEGER),
    **dict.fromkeys(("FLOAT", "REAL", "DOUBLE"), SqlType.DOUBLE),
    **dict.fromkeys(
        ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_US", "TIMESTAMP_NS"),
        SqlType.TIMESTAMP,
    ),
    "BOOLEAN": SqlType.BOOLEAN,
    "VARCHAR": SqlType.VARCHAR,
    "UUID": SqlType.VARCHAR,
    "DATE": SqlType.DATE,
    "TIME": SqlType.TIME,
}
DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)", re.ASCII)
"""How the engine spells exact numbers: digits in all, digits after the point."""
_LIST = re.compile(r"(.+)\[\d*\]", re.ASCII | re.DOTALL)
"""Lists, and arrays of a fixed length, which are read as lists."""


def sql_type(engine_type: str) -> tuple[SqlType, int]:
    """
    Return our type for DuckDB's, and the digits after the point of a DECIMAL.

    >>> sql_type("DECIMAL(15,2)"), sql_type("DECIMAL(15,2)[]")[0].value
    ((<SqlType.DECIMAL: 'DECIMAL'>, 2), 'DOUBLE[]')
    """
    if match := DECIMAL.fullmatch(engine_type):
        return SqlType.DECIMAL, int(match[2])
    if match := _LIST.fullmatch(engine_type):
        element, _ = sql_type(match[1])
        if element is SqlType.DECIMAL:
            element = SqlType.DOUBLE
        return element.list_of or SqlType.UNSUPPORTED, 0
    if engine_type.startswith("ENUM("):
        return SqlType.VARCHAR, 0
    if engine_type.startswith("STRUCT(") and struct_fields(engine_type):
        return SqlType.STRUCT, 0
    return _TYPES.get(engine_type, SqlType.UNSUPPORTED), 0


def struct_fields(engine_type: str) -> tuple[tuple[str, str], ...]:
    """
    Return the names and engine types of a STRUCT's fields; none if it is no STRUCT.

    >>> struct_fields('STRUCT(a INTEGER, "b c" STRUCT(d DATE))')
    (('a', 'INTEGER'), ('b c', 'STRUCT(d DATE)'))
    """
    if not (engine_type.startswith("STRUCT(") and engine_type.endswith(")")):
        return ()
    fields = []
    for part in _parts(engine_type[len("STRUCT(") : -1]):
        match = _FIELD.fullmatch(part.strip())
        if match is None:
            return ()
        quoted, bare, kind = match.groups()
        name = bare if quoted is None else quoted[1:-1].replace('""', '"')
        fields.append((name, kind))
    return tuple(fields)


_FIELD = re.compile(r'(?:("(?:[^"]|"")*")|(\w+)) (.+)', re.ASCII | re.DOTALL)
_PIECE = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|.""", re.DOTALL)


def _parts(text: str) -> list[str]:
    """Split *text* at commas that stand in no brackets and no quotes."""
    parts, depth = [""], 0
    for piece in _PIECE.findall(text):
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(piece, 0)
        if piece == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += piece
    return parts
