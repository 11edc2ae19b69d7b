"""What DuckDB's own lists say of tables: types, keys and comments; never a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dpquery.policy.stored import Store, StoredColumn, StoredReference, StoredTable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from dpquery.policy.catalog import DescribedColumn

COMMENTS = """
SELECT table_name, NULL, comment FROM duckdb_tables()
WHERE database_name = current_database() AND schema_name = 'main' AND NOT internal
UNION ALL
SELECT table_name, column_name, comment FROM duckdb_columns()
WHERE database_name = current_database() AND schema_name = 'main' AND NOT internal
"""
"""Table, column, comment; a table that is no view has a row without a column."""

CONSTRAINTS = """
SELECT table_name, constraint_type, constraint_column_names[1], referenced_table,
  referenced_column_names[1]
FROM duckdb_constraints()
WHERE database_name = current_database() AND schema_name = 'main'
  AND len(constraint_column_names) = 1
  AND constraint_type IN ('PRIMARY KEY', 'UNIQUE', 'FOREIGN KEY')
ORDER BY table_name, constraint_type, constraint_index
"""
"""Keys and references of one column, PRIMARY before UNIQUE; CHECKs hold values."""

_Rows = list[tuple[Any, ...]]


def store(
    described: Sequence[DescribedColumn],
    comments: _Rows,
    constraints: _Rows,
    files: AbstractSet[str],
) -> Store:
    """Put together what the lists say; what is made of a file is a table as well."""
    said = {(table, column): text for table, column, text in comments}
    tables = {table for table, column in said if column is None} | files
    columns: dict[str, list[StoredColumn]] = {}
    for each in described:
        text = said.get((each.table, each.name))
        stored = StoredColumn(each.name, each.type, each.nullable, text)
        columns.setdefault(each.table, []).append(stored)
    keys: dict[str, list[str]] = {}
    references: dict[str, list[StoredReference]] = {}
    for table, kind, column, other, key in constraints:
        if kind == "FOREIGN KEY":
            reference = StoredReference(column, other, key)
            references.setdefault(table, []).append(reference)
        else:
            keys.setdefault(table, []).append(column)
    stored_tables = tuple(
        StoredTable(
            name,
            tuple(those),
            said.get((name, None)),
            tuple(keys.get(name, ())),
            tuple(references.get(name, ())),
        )
        for name, those in columns.items()
        if name in tables
    )
    return Store(stored_tables, tuple(name for name in columns if name not in tables))
