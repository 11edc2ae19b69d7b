"""A ledger on a PostgreSQL server; needs the extra ``postgres``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from dpquery.ledger.database import Database
from dpquery.ledger.failures import cannot_open

if TYPE_CHECKING:
    from psycopg import Connection as DriverConnection
    from sqlalchemy import Connection

_LOCK = 0x6470_7175  # "dpqu": the advisory lock of whoever writes to a ledger


class PostgresServer(Database):
    """
    One database of a server.

    Writers take an advisory lock before they read a balance, so that they come one
    after the other. Readers see one state and wait for nobody.
    """

    _READ = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
    _WRITE = f"SELECT pg_advisory_xact_lock({_LOCK})"

    def __init__(self, location: str, busy_seconds: float) -> None:
        """
        Prepare to connect to *location*, a URL; wait that long for other writers.

        Raises:
            LedgerError: the URL is wrong, or the driver is not installed.
        """
        try:
            url = make_url(location)
            if url.drivername in {"postgres", "postgresql"}:
                url = url.set(drivername="postgresql+psycopg")
            engine = create_engine(
                url,
                connect_args={"connect_timeout": max(2, int(busy_seconds))},
                poolclass=NullPool,
            )
        except (ArgumentError, NoSuchModuleError, ValueError):
            raise cannot_open("its URL cannot be understood") from None
        except ImportError:
            raise cannot_open("pip install 'dpquery[postgres]' is missing") from None
        wait = int(busy_seconds * 1000)
        event.listen(engine, "connect", lambda opened, _: _configure(opened, wait))
        event.listen(engine, "begin", _begin)
        super().__init__(engine)


def _configure(connection: DriverConnection, milliseconds: int) -> None:
    """Have commits wait for the disk, and writers for each other, but not for ever."""
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = on")
        cursor.execute(f"SET lock_timeout = {milliseconds}")
    connection.commit()


def _begin(connection: Connection) -> None:
    """Take the lock, or one state, before anything is read."""
    connection.exec_driver_sql(connection.get_execution_options()["begin"])
