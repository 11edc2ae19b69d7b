"""Which of our types each of the engine's is, and the fields of its structs."""

from __future__ import annotations

import duckdb
import pytest

from dpquery.policy.catalog import SqlType
from dpquery.policy.engine_types import sql_type, struct_fields


@pytest.mark.parametrize(
    ("engine_type", "expected"),
    [
        ("BOOLEAN", (SqlType.BOOLEAN, 0)),
        ("TINYINT", (SqlType.INTEGER, 0)),
        ("UINTEGER", (SqlType.INTEGER, 0)),
        ("BIGINT", (SqlType.INTEGER, 0)),
        ("UBIGINT", (SqlType.INTEGER, 0)),
        ("HUGEINT", (SqlType.INTEGER, 0)),
        ("FLOAT", (SqlType.DOUBLE, 0)),
        ("DECIMAL(18,3)", (SqlType.DECIMAL, 3)),
        ("VARCHAR", (SqlType.VARCHAR, 0)),
        ("UUID", (SqlType.VARCHAR, 0)),
        ("ENUM('a', 'b[]')", (SqlType.VARCHAR, 0)),
        ("DATE", (SqlType.DATE, 0)),
        ("TIME", (SqlType.TIME, 0)),
        ("TIMESTAMP", (SqlType.TIMESTAMP, 0)),
        ("TIMESTAMP_NS", (SqlType.TIMESTAMP, 0)),
        ("INTEGER[]", (SqlType.INTEGER_LIST, 0)),
        ("UBIGINT[3]", (SqlType.INTEGER_LIST, 0)),
        ("DECIMAL(10,2)[]", (SqlType.DOUBLE_LIST, 0)),
        ("ENUM('a', 'b')[]", (SqlType.VARCHAR_LIST, 0)),
        ("STRUCT(a INTEGER)", (SqlType.STRUCT, 0)),
        ("STRUCT(a INTEGER)[]", (SqlType.UNSUPPORTED, 0)),
        ("INTEGER[][]", (SqlType.UNSUPPORTED, 0)),
        ("TIME[]", (SqlType.UNSUPPORTED, 0)),
        ("TIMESTAMP WITH TIME ZONE", (SqlType.UNSUPPORTED, 0)),
        ("INTERVAL", (SqlType.UNSUPPORTED, 0)),
        ("MAP(VARCHAR, INTEGER)", (SqlType.UNSUPPORTED, 0)),
        ("BLOB", (SqlType.UNSUPPORTED, 0)),
        ("JSON", (SqlType.UNSUPPORTED, 0)),
        ("UNION(a INTEGER)", (SqlType.UNSUPPORTED, 0)),
        ("STRUCT()", (SqlType.UNSUPPORTED, 0)),
    ],
)
def test_types(engine_type: str, expected: tuple[SqlType, int]) -> None:
    assert sql_type(engine_type) == expected


FIELDS = [
    ("a", "INTEGER"),
    ("b c", "VARCHAR"),
    ('d"e', "DECIMAL(10,2)"),
    ("f", "STRUCT(g DATE[], h STRUCT(i BOOLEAN))"),
    ("j", "ENUM('x, y', 'it''s (', '\"')"),
    ("k", "MAP(VARCHAR, INTEGER)[]"),
]


def test_fields_are_read_as_the_engine_writes_them() -> None:
    connection = duckdb.connect()
    spelled = ", ".join(
        '"' + name.replace('"', '""') + f'" {kind}' for name, kind in FIELDS
    )
    connection.execute(f"CREATE TABLE t (s STRUCT({spelled}))")
    ((described,),) = connection.execute(
        "SELECT data_type FROM duckdb_columns() WHERE table_name = 't'"
    ).fetchall()
    assert struct_fields(described) == tuple(FIELDS)


@pytest.mark.parametrize("text", ["", "INTEGER", "STRUCT", "STRUCT(", "STRUCT(a)"])
def test_what_has_no_fields(text: str) -> None:
    assert struct_fields(text) == ()


def test_lists_and_elements_are_each_other_s_reverse() -> None:
    for type_ in SqlType:
        if type_.element is not None:
            assert type_.element.list_of is type_
        if type_.list_of is not None:
            assert type_.list_of.element is type_
