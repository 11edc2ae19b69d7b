"""A database that holds a ledger: one transaction at a time, and forks."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING, ClassVar
from weakref import WeakSet

from sqlalchemy.exc import DBAPIError, SQLAlchemyError, StatementError

from dpquery.ledger.failures import failure, unexpected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine, RootTransaction


class Database:
    """
    A connection that stays open, for one transaction at a time.

    Threads wait for one another. A fork closes the connection first, because neither
    SQLite's locks nor a server's connection survive one; parent and child each open
    their own when they need it. A server that was started again is connected to anew.
    """

    _READ: ClassVar[str]
    """What begins a transaction that sees one state."""
    _WRITE: ClassVar[str]
    """What begins the only transaction that may write, before anything is read."""

    def __init__(self, engine: Engine) -> None:
        """Use *engine*, which connects anew each time it is asked to."""
        self._engine = engine
        self._connection: Connection | None = None
        self.lock = threading.RLock()
        """Whoever holds it is alone with the database; no fork happens meanwhile."""
        with _FORKS:
            _OPEN.add(self)

    def check_identity(self) -> None:
        """Refuse a database that is not the one that was opened."""

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a transaction that sees one state; it waits for no writer."""
        with self._transaction(self._READ) as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open the only transaction that may write; durable once left without error."""
        with self._transaction(self._WRITE) as connection:
            yield connection

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[Connection]:
        with self.lock:
            try:
                connection, transaction = self._begun(begin)
                with transaction:
                    self.check_identity()
                    yield connection
            except SQLAlchemyError as error:
                self.disconnect()  # after a failed commit, who knows what state it has
                if isinstance(error, StatementError):
                    raise failure(error) from None
                raise unexpected() from None

    def _begun(self, begin: str) -> tuple[Connection, RootTransaction]:
        """Begin; once more when the connection was lost since it was last used."""
        used = self._connection is not None
        connection = self._connected()
        connection.execution_options(begin=begin)
        try:
            return connection, connection.begin()
        except DBAPIError as error:
            if not (used and error.connection_invalidated):
                raise
        self.disconnect()
        return self._begun(begin)

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def disconnect(self) -> None:
        """Close the connection; the caller holds the lock, or the only reference."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(SQLAlchemyError):
                connection.close()

    def close(self) -> None:
        """Close the connection; a later transaction would open it again."""
        with self.lock:
            self.disconnect()


_FORKS = threading.RLock()
"""Forks come one after the other: two at once would wait for each other's locks."""
_OPEN: WeakSet[Database] = WeakSet()
_held: list[Database] = []


def _before_fork() -> None:
    """Wait for running transactions and close every connection."""
    _FORKS.acquire()
    _held[:] = list(_OPEN)
    for database in _held:
        database.lock.acquire()
        database.disconnect()


def _after_fork() -> None:
    """Let transactions run again, in the parent and in the child."""
    for database in _held:
        database.lock.release()
    _held.clear()
    _FORKS.release()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork
    )
