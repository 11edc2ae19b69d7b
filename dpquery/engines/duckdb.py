"""Exact answers from DuckDB, locked down, on one version of the data at a time.

One lock: statements run one after the other, so that a failure for want of memory
or time depends on the statement and the data, not on who else is asking. DuckDB
itself works with ``Limits.threads``.
"""

from __future__ import annotations

import threading
from itertools import compress
from typing import TYPE_CHECKING, Any

import duckdb

from dpquery.engines import structure
from dpquery.engines.base import KeyCheck
from dpquery.engines.failures import failure
from dpquery.engines.lockdown import identifier, resume_ctrl_c, time_limit
from dpquery.engines.sealed import Sealed
from dpquery.engines.source import Source
from dpquery.engines.statement_check import check_statement
from dpquery.errors import EngineFailure
from dpquery.policy.catalog import ROW_ID, DescribedColumn

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Self

    from dpquery.engines.base import Limits, Statement
    from dpquery.policy.stored import Store

_DIFFERENT = ("a", "A", "á", "é", "e\u0301")
"""Texts of which every collation but the binary one takes some to be equal."""
_COLUMNS = """
SELECT table_name, column_name, data_type, is_nullable
FROM duckdb_columns()
WHERE database_name = current_database() AND schema_name = 'main' AND NOT internal
  AND NOT starts_with(table_name, '__') AND NOT starts_with(column_name, '__')
ORDER BY table_name, column_index
"""


class DuckDBEngine:
    """One DuckDB file, or some Parquet and CSV files; safe to share by threads."""

    def __init__(self, source: Source, limits: Limits) -> None:
        """Remember *source*; :meth:`open` opens it."""
        self._source = source
        self._limits = limits
        self._lock = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._version = ""

    @classmethod
    def open(cls, source: Path | Mapping[str, Path], limits: Limits) -> Self:
        """
        Open a DuckDB file, or one ``.parquet`` or ``.csv`` file for each table.

        Raises:
            EngineFailure: DPQ500 or DPQ503 to DPQ509, after what is wrong.
        """
        engine = cls(Source.of(source), limits)
        engine.refresh()
        return engine

    def version(self) -> str:
        """Return a name for the data as it lies now, without reading its content."""
        return self._source.version()

    def refresh(self) -> str:
        """Open the data as it lies now, and return the version that is open."""
        with self._lock:
            self._current()
            return self._version

    def describe(self) -> list[DescribedColumn]:
        """Return the columns of all tables and views as they are now.

        By table name, then as the table has them. Names that start with two
        underscores stay hidden. A column with a collation says so in its type:
        values that are equal under it can be spelled differently, and a group would
        be labelled with one row's own spelling (threats.md 0.12).
        """
        with self._lock:
            rows = self._run(self._current(), _COLUMNS)
            texts: dict[str, list[str]] = {}
            for table, name, type_, _ in rows:
                if type_ == "VARCHAR":
                    texts.setdefault(table, []).append(name)
            collated = {
                (table, name)
                for table, names in texts.items()
                for name in self._collated(table, names)
            }
        described = [
            DescribedColumn(
                table,
                name,
                f"{type_} COLLATE" if (table, name) in collated else type_,
                nullable,
            )
            for table, name, type_, nullable in rows
        ]
        if self._source.files:  # row numbers are ours, not the owner's
            return [column for column in described if column.name != ROW_ID]
        return described

    def _collated(self, table: str, columns: list[str]) -> list[str]:
        """Ask which columns compare texts by rules; views do not say. Reads no row."""
        named = [f"{identifier(name)} AS t{at}" for at, name in enumerate(columns)]
        tried = [f"count(DISTINCT t{at})" for at in range(len(columns))]
        sql = (
            f"SELECT {', '.join(tried)} FROM (SELECT {', '.join(named)} "  # noqa: S608 -- the database's own names, quoted
            f"FROM main.{identifier(table)} WHERE false UNION ALL "
            f"SELECT {', '.join('t' for _ in columns)} FROM "
            f"(SELECT unnest({list(_DIFFERENT)}) AS t))"
        )
        ((*found,),) = self._run(self._current(), sql)
        alike = (n != len(_DIFFERENT) for n in found)
        return list(compress(columns, alike))

    def store(self) -> Store:
        """Return tables with their types, keys and comments; reads no row of them."""
        described = self.describe()
        with self._lock:
            comments = self._run(self._current(), structure.COMMENTS)
            constraints = self._run(self._current(), structure.CONSTRAINTS)
        files = set(self._source.files)
        return structure.store(described, comments, constraints, files)

    def execute(self, statement: Statement) -> Sealed:
        """
        Answer *statement* on the version that :meth:`refresh` returned last.

        Raises:
            EngineFailure: DPQ501 too slow, DPQ502 failed, DPQ503 the data changed,
                DPQ510 the SQL is not what was planned; the next statement works.
        """
        with self._lock:
            rows = self._run(self._promised(), statement.sql, statement)
            self._promised()  # or the rows belong to another version
            return Sealed(rows)

    def check_unique(self, table: str, column: str) -> KeyCheck:
        """
        Count the values of *column* that occur more than once, and its NULLs.

        Raises:
            EngineFailure: as for :meth:`execute`.
        """
        key, rows = identifier(column), f"main.{identifier(table)}"
        sql = (
            f"SELECT count(*) FILTER (n > 1 AND {key} IS NOT NULL), "  # noqa: S608 -- the policy's names, quoted
            f"COALESCE(max(n) FILTER ({key} IS NULL), 0), count({key}) "
            f"FROM (SELECT {key}, count(*) AS n FROM {rows} GROUP BY {key})"
        )
        with self._lock:
            [(duplicates, nulls, values)] = self._run(self._promised(), sql)
            self._promised()
        return KeyCheck(table, column, duplicates, nulls, values)

    def close(self) -> None:
        """Let go of the database; the next use opens it again."""
        with self._lock:
            self._drop()

    def _current(self) -> duckdb.DuckDBPyConnection:
        """Return a connection to the data as it lies now."""
        if self._connection is None or self._version != self._source.version():
            self._drop()
            self._connection, self._version = self._source.open(self._limits)
        return self._connection

    def _promised(self) -> duckdb.DuckDBPyConnection:
        """Return a connection to the version that was promised last, or fail."""
        if self._connection is not None and self._source.is_snapshot:
            return self._connection
        if self._version != self._source.version():
            raise failure("DPQ503")
        return self._current()

    def _run(
        self,
        connection: duckdb.DuckDBPyConnection,
        sql: str,
        planned: Statement | None = None,
    ) -> list[tuple[Any, ...]]:
        """Return the rows of *sql*; whatever fails has one of two constant texts."""
        code = "DPQ502"
        try:
            # A cursor of its own: an interrupt cannot hit the next statement.
            cursor = connection.cursor()
            with cursor, time_limit(cursor, self._limits.seconds):
                if planned is not None:
                    check_statement(cursor, planned)
                parameters = None if planned is None else dict(planned.parameters)
                return cursor.execute(sql, parameters or None).fetchall()
        except EngineFailure:
            raise
        except duckdb.InterruptException:
            code = "DPQ501"
        except Exception as error:  # noqa: BLE001 -- any text of a driver may quote a row
            resume_ctrl_c(error)
        self._drop_if_broken(connection)
        raise failure(code)  # outside `except`: not even as context may it speak

    def _drop_if_broken(self, connection: duckdb.DuckDBPyConnection) -> None:
        """After a fatal error a DuckDB database refuses all that follows."""
        try:
            connection.cursor().execute("SELECT 1").fetchall()
        except duckdb.Error:
            self._drop()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
