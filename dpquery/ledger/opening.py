"""Where a ledger is: a path or a URL, and the database behind it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import inspect

from dpquery.ledger.migration import create_tables
from dpquery.ledger.schema import META
from dpquery.ledger.sqlite_file import SQLiteFile, create, is_there, locate

if TYPE_CHECKING:
    from pathlib import Path

    from dpquery.accounting.loss import Definition
    from dpquery.ledger.database import Database

_SERVERS = ("postgres://", "postgresql://", "postgresql+psycopg://")


def open_database(
    location: str, definition: Definition, busy_seconds: float, head: Path | None
) -> tuple[Database, Path | None]:
    """
    Return the database at *location*, new or old, and where its head is kept.

    Raises:
        LedgerError: it cannot be opened.
    """
    if location.startswith(_SERVERS):
        # a driver that not everybody has
        from dpquery.ledger.postgres import PostgresServer  # noqa: PLC0415

        server = PostgresServer(location, busy_seconds)
        try:
            with server.writing() as connection:
                if not inspect(connection).has_table(META.name):
                    create_tables(connection, definition)
        except BaseException:
            server.close()
            raise
        return server, head
    path = locate(location)
    if not is_there(path):
        create(path, partial(create_tables, definition=definition))
    beside = path.with_name(path.name + ".head") if head is None else head
    return SQLiteFile(path, busy_seconds), beside
