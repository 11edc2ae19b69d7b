"""Where the private rows lie, which version of them, and how they are opened."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from dpquery.engines.failures import failure
from dpquery.engines.lockdown import (
    configuration,
    identifier,
    is_locked,
    literal,
    lock_down,
    verify,
)
from dpquery.errors import EngineFailure
from dpquery.policy.catalog import ROW_ID

if TYPE_CHECKING:
    from pathlib import Path

    from dpquery.engines.base import Limits

_READERS = {
    ".parquet": (
        "VIEW",
        f"* EXCLUDE (file_row_number), file_row_number AS {ROW_ID}",
        "read_parquet({path}, file_row_number = true, hive_partitioning = false)",
    ),
    ".csv": (
        "TABLE",
        "*",
        "read_csv({path}, header = true, sample_size = -1, hive_partitioning = false)",
    ),
}
"""By suffix: what to create, which columns, from what."""


@dataclass(frozen=True, slots=True)
class Source:
    """One DuckDB file, or one Parquet or CSV file for each table."""

    database: Path | None
    files: Mapping[str, Path]
    """Table name to file; empty when there is a DuckDB file."""

    @classmethod
    def of(cls, source: Path | Mapping[str, Path]) -> Source:
        """Tell the two kinds of source apart."""
        if isinstance(source, Mapping):
            return cls(None, {name: path.resolve() for name, path in source.items()})
        return cls(source.resolve(), {})

    def version(self) -> str:
        """
        Return a name for the data as it lies now, from paths, sizes and times only.

        The write-ahead log beside a DuckDB file is a part of it.

        Raises:
            EngineFailure: DPQ504, a file is missing.
        """
        digest = hashlib.sha256()
        for path in (self.database, *self.files.values()):
            if path is not None:
                stamp = _stamp(path)
                if stamp is None:
                    raise failure("DPQ504", path.name)
                digest.update(stamp)
        if self.database is not None:
            log = self.database.with_name(self.database.name + ".wal")
            digest.update(_stamp(log) or b"no log")
        return digest.hexdigest()

    @property
    def is_snapshot(self) -> bool:
        """Whether an open connection keeps the version that it was opened on.

        A DuckDB file stays open and CSV files are loaded, so that a file put in
        their place changes nothing; Parquet files are read by every statement.
        """
        return not self._read_again()

    def _read_again(self) -> list[Path]:
        return [path for path in self.files.values() if _suffix(path) == ".parquet"]

    def open(self, limits: Limits) -> tuple[duckdb.DuckDBPyConnection, str]:
        """
        Return a locked connection and the version of the data behind it.

        Raises:
            EngineFailure: DPQ500 or DPQ503 to DPQ509, after what is wrong.
        """
        version = self.version()
        try:
            opened = self._connect(limits, version)
        except duckdb.Error as error:
            opened = _diagnose(error, self.database)
        if isinstance(opened, EngineFailure):
            raise opened  # outside `except`: not even as context may a driver speak
        if version != self.version():
            opened.close()
            raise failure("DPQ503")
        return opened, version

    def _connect(
        self, limits: Limits, version: str
    ) -> duckdb.DuckDBPyConnection | EngineFailure:
        """Open, fill and lock a connection; let the driver's errors through."""
        config = configuration(limits) | {
            "preserve_insertion_order": False,
            "max_execution_time": max(1, round(limits.seconds * 1000)),
            # The connections of a process to one path share one database, even when
            # the file has been replaced since: with the version in its settings, an
            # outdated database is refused instead of shared.
            "custom_user_agent": f"dpquery/{version}",
        }
        if self.database is not None:
            connection = duckdb.connect(self.database, read_only=True, config=config)
        else:
            connection = duckdb.connect(config=config)
        try:
            for name, path in self.files.items():
                reason = _add_table(connection, name, path)
                if reason is not None:
                    connection.close()
                    return reason
            if is_locked(connection):  # by an earlier engine on the same file
                verify(connection)
            else:
                lock_down(connection, [str(path) for path in self._read_again()])
        except BaseException:
            connection.close()
            raise
        return connection


def _add_table(
    connection: duckdb.DuckDBPyConnection, name: str, path: Path
) -> EngineFailure | None:
    """Make a view of a Parquet file, or load a CSV file; return what went wrong."""
    reader = _READERS.get(_suffix(path))
    if reader is None or set("*?[") & set(str(path)):  # DuckDB would expand these
        return failure("DPQ505", path.name)
    kind, columns, source = reader
    target = f"main.{identifier(name)}"
    rows = source.format(path=literal(str(path)))
    create = f"CREATE {kind} {target} AS SELECT {columns} FROM {rows}"  # noqa: S608 -- the owner's names, quoted
    try:
        connection.execute(create)
        names = connection.execute(f"FROM {target} LIMIT 0").description or []
    except duckdb.Error as error:
        return _diagnose(error, path)
    owned = names[:-1] if kind == "VIEW" else names
    if ROW_ID in (column[0].lower() for column in owned):  # it would hide the real one
        return failure("DPQ505", path.name)
    return None


def _diagnose(error: duckdb.Error, path: Path | None) -> EngineFailure:
    """Tell what kind of failure *error* is, without repeating its text."""
    text = str(error)
    name = "the data" if path is None else path.name
    match error:
        case duckdb.ConnectionException():
            return failure("DPQ508", name)
        case duckdb.IOException() if "Could not set lock on file" in text:
            return failure("DPQ507", name)
        case duckdb.IOException() if "storage version number" in text:
            return failure("DPQ506", name)
        case duckdb.PermissionException() | duckdb.OutOfMemoryException():
            return failure("DPQ500", name)
        case duckdb.IOException() if "Permission denied" in text:
            return failure("DPQ500", name)
    return failure("DPQ500" if path is None else "DPQ505", name)


def _suffix(path: Path) -> str:
    return path.suffix.lower()


def _stamp(path: Path) -> bytes | None:
    """Return path, size in bytes and time of change in ns; None if it is missing."""
    try:
        status = path.stat()
    except OSError:
        return None
    return f"{path}\0{status.st_size}\0{status.st_mtime_ns}\0".encode()
