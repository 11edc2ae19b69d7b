"""Where a ledger is: a path or a URL, and the database behind it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import inspect

from dpquery.errors import LedgerError
from dpquery.ledger import head as heads
from dpquery.ledger.failures import cannot_open
from dpquery.ledger.journal import Journal, rolled_back
from dpquery.ledger.migration import create_tables
from dpquery.ledger.schema import META
from dpquery.ledger.sqlite_file import SQLiteFile, create, is_there, locate

if TYPE_CHECKING:
    from pathlib import Path

    from dpquery.accounting.loss import Definition
    from dpquery.ledger.database import Database

_SERVERS = ("postgres://", "postgresql://", "postgresql+psycopg://")


def is_server(location: str) -> bool:
    """Return whether *location* is the URL of a PostgreSQL server."""
    return location.startswith(_SERVERS)


def head_beside(location: str) -> Path:
    """Return where the head of a ledger in a file is kept."""
    path = locate(location)
    return path.with_name(path.name + ".head")


def open_database(
    location: str, definition: Definition, busy_seconds: float, head: Path | None
) -> tuple[Database, Journal]:
    """
    Return the database at *location*, new or old, and its journal, yet to be checked.

    Raises:
        LedgerError: it cannot be opened.
    """
    if is_server(location):
        server = open_server(location, busy_seconds)
        try:
            with server.reading() as connection:
                there = inspect(connection).has_table(META.name)
            if not there:
                with server.writing() as connection:
                    if not inspect(connection).has_table(META.name):
                        create_tables(connection, definition)
        except BaseException:
            server.close()
            raise
        return server, Journal(head, required=False)
    path = locate(location)
    journal = Journal(head or head_beside(location), required=head is None)
    if not is_there(path):
        if journal.path is not None and heads.read(journal.path) is not None:
            raise rolled_back()  # there was a ledger: do not begin with a new one
        create(path, partial(create_tables, definition=definition))
    return SQLiteFile(path, busy_seconds), journal


def open_to_read(location: str, busy_seconds: float = 10.0) -> Database:
    """
    Return the database at *location* as it is, even if :class:`Ledger` refuses it.

    Nothing is created, brought forward or written.

    Raises:
        LedgerError: it is not there.
    """
    if is_server(location):
        return open_server(location, busy_seconds)
    path = locate(location)
    if not is_there(path):
        raise cannot_open("it is not there")
    database = SQLiteFile(path, busy_seconds, "ro")
    try:
        with database.reading() as connection:
            inspect(connection).get_table_names()
    except LedgerError as error:
        database.close()
        log = path.with_name(path.name + "-wal")
        if error.code == "DPQ550" and not (log.exists() and log.stat().st_size):
            # a directory in which SQLite can make nothing, and nobody has
            return SQLiteFile(path, busy_seconds, "frozen")
    return database


def open_server(location: str, busy_seconds: float) -> Database:
    """
    Return the server at *location*, not yet connected to.

    Raises:
        LedgerError: its URL is wrong, or the driver is missing.
    """
    # a driver that not everybody has
    from dpquery.ledger.postgres import PostgresServer  # noqa: PLC0415

    return PostgresServer(location, busy_seconds)
