"""The process that runs SELECTs over released values; it has seen nothing else.

Upholds: it is started afresh, reads nothing but messages, and holds an empty, locked
DuckDB and no descriptor but its pipes; the operating system bounds its memory and
its time, whatever SQL it runs (threats.md 0.6, 4.2). Its death is a failed request.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any

import duckdb

from dpquery.cells import PLAIN, column_to_json, numbers_only, size
from dpquery.engines import bind_errors
from dpquery.engines.base import Limits
from dpquery.engines.column_text import unnest
from dpquery.engines.frames import (
    ANSWER_BYTES,
    ANSWER_CELLS,
    GRACE,
    FrameError,
    TooLongError,
    receive,
    send,
)
from dpquery.engines.lockdown import configuration, identifier, lock_down, time_limit
from dpquery.engines.process_limits import (
    address_space,
    alarm,
    limit_files,
    limit_memory,
)
from dpquery.engines.released_select import (
    PUBLIC_SCHEMA,
    Readable,
    RefusedError,
    check_select,
    fold,
    functions,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_TRIAL = 0.5
"""Seconds that constants are looked at, before anything is charged."""
_BATCH = 50_000
"""Cells of an answer in one message."""
_STORE = "stored"
"""The schema of the public tables as they are kept; a run sees views of its own."""
_EXPLAIN = "EXPLAIN "
_EVERY_KIND = """
    SELECT 1.5::DECIMAL(4, 2), 0.5::DOUBLE, 'a', 'a'::BLOB, true, [1], {'a': 1},
      MAP {1: 2}, DATE '2020-02-29', TIME '01:02:03', TIMESTAMP '2020-02-29 01:02:03',
      uuid(), '1'::JSON, TIMESTAMPTZ '2020-02-29 01:02:03+00', '01:02:03+00'::TIMETZ,
      INTERVAL 1 DAY, 1::VARIANT
"""
_BROKEN = (duckdb.FatalException, duckdb.InternalException, duckdb.OutOfMemoryException)
"""After these a database may be anything."""

Message = dict[str, Any]


def main() -> None:
    """Serve until the other side closes its end; the first message opens."""
    out = os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)  # what a library prints is no message
    os.close(null)
    with suppress(FrameError, OSError):
        opening, _ = receive(sys.stdin.buffer)
        limit_memory(address_space(opening["memory"], opening["threads"]))
        database = _Database(opening, out)
        database.load_conversions()
        limit_files()
        send(out, {"done": True})
        while database.sound:
            request, _ = receive(sys.stdin.buffer)
            with alarm(request["seconds"] + GRACE):
                send(out, database.reply(request))


class _Database:
    """An empty, locked database, and what it does with one message."""

    def __init__(self, opening: Message, out: IO[bytes]) -> None:
        limits = Limits(opening["memory"], opening["threads"], opening["seconds"])
        config = configuration(limits) | {"errors_as_json": True}
        self._connection = duckdb.connect(config=config)
        for schema in (PUBLIC_SCHEMA, _STORE):
            self._connection.execute(f"CREATE SCHEMA {schema}")
        lock_down(self._connection)
        self._out = out
        self.sound = True
        """Whether the next message may be answered by this process."""

    def load_conversions(self) -> None:
        """Load what DuckDB imports when it meets a value; later no file can be."""
        self._connection.execute(_EVERY_KIND).fetchall()
        functions()

    def reply(self, request: Message) -> Message:
        """Do what *request* says; every failure is a reply."""
        try:
            with self._connection.cursor() as cursor:
                return {"done": self._do(cursor, request)}
        except RefusedError as error:
            return {"refused": error.message, "at": error.at}
        except TooLongError:  # what is left of it in memory may fail the next one
            self.sound = False
            return {"large": True, "last": True}
        except duckdb.Error as error:
            self.sound = not isinstance(error, _BROKEN)
        except Exception:  # noqa: BLE001 -- MemoryError, or what nobody thought of
            self.sound = False
        return {"failed": True, "last": not self.sound}

    def _do(self, cursor: duckdb.DuckDBPyConnection, request: Message) -> object:
        match request["do"]:
            case "keep":
                _create(cursor, _stored(request["id"]), request["columns"])
            case "fill":
                _fill(cursor, _stored(request["id"]), request)
            case "forget":
                cursor.execute(f"DROP TABLE IF EXISTS {_stored(request['id'])}")
            case "run":
                return self._run(cursor, request)
            case "check":
                return _check(cursor, request)
            case other:
                raise ValueError(other)
        return None

    def _run(self, cursor: duckdb.DuckDBPyConnection, request: Message) -> list[str]:
        """Send the rows of the answer, then return the names of its columns."""
        check_select(cursor, request["sql"], _readable(request))
        with time_limit(cursor, request["seconds"]), _undone(cursor):
            for name, table in request["tables"].items():
                _create(cursor, _released(name), table["columns"])
                _fill(cursor, _released(name), table)
            for name, table in request["public"].items():
                _show(cursor, name, table["id"])
            cursor.execute(request["sql"])
            names = [column[0] for column in cursor.description or ()]
            self._send_rows(cursor, max(1, _BATCH // max(1, len(names))))
        return names

    def _send_rows(self, cursor: duckdb.DuckDBPyConnection, rows: int) -> None:
        cells, length = 0, 0
        while batch := cursor.fetchmany(rows):
            cells += sum(map(size, batch))
            if cells > ANSWER_CELLS or length + _letters(batch) > ANSWER_BYTES:
                raise TooLongError  # before there is a second and a third copy
            columns = zip(*batch, strict=True)
            part = [column_to_json(_numbers(column)) for column in columns]
            length += send(self._out, {"part": part}, ANSWER_BYTES - length)


def _letters(rows: Sequence[tuple[Any, ...]]) -> int:
    """Return how long all texts in *rows* are."""
    return sum(len(cell) for row in rows for cell in row if type(cell) is str)


def _numbers(column: Sequence[Any]) -> list[Any]:
    """Return *column* with NULL for what is no number: a ratio of noise may be it."""
    if set(map(type, column)) <= PLAIN:
        return list(column)
    return [numbers_only(cell) for cell in column]


def _check(cursor: duckdb.DuckDBPyConnection, request: Message) -> list[list[str]]:
    """Return names and types of the columns that the SELECT would have."""
    sql = request["sql"]
    check_select(cursor, sql, _readable(request))
    try:
        with time_limit(cursor, request["seconds"]), _undone(cursor):
            listed = _create_empty(cursor, request)
            cursor.execute(_EXPLAIN + sql)
            bound = cursor.sql(sql)
            pairs = zip(bound.columns, bound.types, strict=True)
            columns = [[name, _type(kind)] for name, kind in pairs]
            _try_constants(cursor, sql, listed)
    except (*_BROKEN, duckdb.InterruptException):
        raise
    except duckdb.Error as error:
        raise bind_errors.refusal(error, len(_EXPLAIN)) from None
    return columns


def _type(kind: object) -> str:
    """Return a type as SQL; a column of NULLs is INTEGER, as in a created table."""
    text = str(kind)
    return text.replace('"NULL"', "INTEGER", 1) if text[:6] == '"NULL"' else text


def _try_constants(
    cursor: duckdb.DuckDBPyConnection, sql: str, tables: Sequence[str]
) -> None:
    """
    Run *sql* on rows of NULLs: ``day > '2024-13-01'`` fails whatever the rows are.

    Only a failure that blames a text of the SELECT counts: whatever else happens
    depends on rows, or takes long, and says nothing.
    """
    for table in tables:
        cursor.execute(f"INSERT INTO {table} DEFAULT VALUES")
    try:
        with time_limit(cursor, _TRIAL):
            cursor.execute(sql)
    except _BROKEN:
        raise
    except duckdb.Error as error:
        if bind_errors.blames_a_literal(error, sql):
            raise bind_errors.refusal(error, before=0) from None


def _create_empty(cursor: duckdb.DuckDBPyConnection, request: Message) -> list[str]:
    """Create all tables without rows, public ones as a run shows them."""
    tables = []
    for name, table in request["tables"].items():
        tables.append(_released(name))
        _create(cursor, tables[-1], table["columns"])
    for index, (name, table) in enumerate(request["public"].items()):
        tables.append(_stored(-1 - index))
        _create(cursor, tables[-1], table["columns"])
        _show(cursor, name, -1 - index)
    return tables


def _readable(request: Message) -> Readable:
    tables = [*request["tables"].values(), *request["public"].values()]
    columns = {fold(name) for table in tables for name, _ in table["columns"]}
    return Readable(
        released=frozenset(map(fold, request["tables"])),
        public=frozenset(map(fold, request["public"])),
        columns=frozenset(columns),
    )


@contextmanager
def _undone(cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Roll back whatever the block does."""
    cursor.begin()
    try:
        yield
    finally:
        cursor.rollback()


def _create(
    cursor: duckdb.DuckDBPyConnection, table: str, columns: Sequence[tuple[str, str]]
) -> None:
    listed = ", ".join(f"{identifier(name)} {kind}" for name, kind in columns)
    cursor.execute(f"CREATE TABLE {table} ({listed})")


def _fill(cursor: duckdb.DuckDBPyConnection, table: str, rows: Message) -> None:
    """Add rows, in batches of one text for each column (column_text.py)."""
    kinds = enumerate((kind for _, kind in rows["columns"]), start=1)
    values = ", ".join(unnest(at, kind) for at, kind in kinds)
    for texts in rows["batches"]:
        cursor.execute(f"INSERT INTO {table} SELECT {values}", texts)


def _show(cursor: duckdb.DuckDBPyConnection, name: str, number: int) -> None:
    """Let this transaction see a stored table under its name."""
    view = f"{PUBLIC_SCHEMA}.{identifier(name)}"
    cursor.execute(f"CREATE VIEW {view} AS FROM {_stored(number)}")


def _released(name: str) -> str:
    return f"main.{identifier(name)}"


def _stored(number: int) -> str:
    return f"{_STORE}.{identifier(str(number))}"
