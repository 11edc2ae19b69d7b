"""One SQLite file, opened so that what a transaction commits survives a power cut."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.parse import quote

from sqlalchemy import URL, Connection, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from dpquery.errors import LedgerError
from dpquery.ledger.database import Database
from dpquery.ledger.failures import cannot_open, damaged

if TYPE_CHECKING:
    from collections.abc import Callable
    from sqlite3 import Connection as SQLiteConnection

_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # NORMAL may lose the last commits on power loss
    "PRAGMA foreign_keys = ON",
    "PRAGMA trusted_schema = OFF",
)


class SQLiteFile(Database):
    """
    An existing file.

    BEGIN IMMEDIATE takes the lock before anything is read. With BEGIN, two processes
    could both read a balance before either writes it (threats.md 0.11).
    """

    _READ = "BEGIN"
    _WRITE = "BEGIN IMMEDIATE"

    def __init__(self, path: Path, busy_seconds: float, access: str = "rw") -> None:
        """
        Prepare to open *path*; wait that long for its lock.

        With *access* ``ro`` nothing is written; with ``frozen`` nothing beside it is
        read either, for media where nobody writes.
        """
        frozen = {"immutable": "1"} if access == "frozen" else {}
        mode = "rw" if access == "rw" else "ro"  # rw: never create a file
        self._path = path
        self._identity = _identity(path)
        engine = create_engine(
            URL.create(
                "sqlite",
                database="file:" + quote(str(path)),
                query={"mode": mode, "uri": "true"} | frozen,
            ),
            connect_args={
                "timeout": busy_seconds,
                "isolation_level": None,  # the driver begins nothing by itself
                "check_same_thread": False,
            },
            poolclass=NullPool,
        )
        event.listen(engine, "connect", _configure if mode == "rw" else _restrict)
        event.listen(engine, "begin", _begin)
        super().__init__(engine)

    def check_identity(self) -> None:
        """Refuse a file that was moved or replaced: debits to it would be lost."""
        try:
            same = _identity(self._path) == self._identity
        except LedgerError:
            same = False
        if not same:
            raise LedgerError(
                "the ledger's file was moved, deleted or replaced while it was open",
                code="DPQ556",
                hint="put the file back, with the -wal file beside it, and start again",
            )


def locate(location: str) -> Path:
    """
    Return the file that *location*, a path or a ``sqlite:///`` URL, names.

    Raises:
        LedgerError: For other databases, and for ones that last no longer than we do.
    """
    if "://" not in location:
        name = location
    else:
        try:
            url = make_url(location)
        except (ArgumentError, ValueError):
            raise cannot_open("its URL cannot be parsed") from None
        if url.get_backend_name() != "sqlite" or url.query or url.host:
            raise cannot_open("only files and sqlite:///FILE are supported")
        name = url.database or ""
    if not name or name == ":memory:" or name.startswith("file:") or "\0" in name:
        raise cannot_open("it must be a file")
    return Path(os.path.abspath(name))  # noqa: PTH100 -- resolve() would follow links


def is_there(path: Path) -> bool:
    """
    Return whether a file with something in it is at *path*.

    Raises:
        LedgerError: For a directory, an empty file and what may not be looked at.
    """
    # never open the file here: closing it would drop the locks of this process on it
    try:
        status = path.stat()
    except FileNotFoundError:
        return False
    except OSError:
        raise cannot_open("this user may not look at it") from None
    if not stat.S_ISREG(status.st_mode):
        raise cannot_open("it is not a file")
    if status.st_size == 0:
        raise damaged("the file is empty")
    return True


def create(path: Path, fill: Callable[[Connection], None]) -> None:
    """
    Make a new database at *path*, complete or not at all.

    It is filled under another name and then linked to its own: nobody ever sees half
    a ledger, two processes cannot both create it, and an existing one stays.

    Raises:
        LedgerError: When it cannot be created. That it exists by now is no error.
    """
    try:
        with TemporaryDirectory(prefix=path.name + ".new-", dir=path.parent) as room:
            draft = Path(room) / "ledger"
            draft.touch()
            database = SQLiteFile(draft, busy_seconds=10)
            try:
                with database.writing() as connection:
                    fill(connection)
            finally:
                database.close()
            with contextlib.suppress(FileExistsError):
                path.hardlink_to(draft)
            _sync_directory(path.parent)
    except OSError:
        raise cannot_open("no file can be made in its directory") from None


def _sync_directory(directory: Path) -> None:
    """Make a new name in *directory* durable, where the system knows how."""
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _identity(path: Path) -> tuple[int, int]:
    """Return which file *path* names now."""
    try:
        status = path.stat()
    except OSError:
        raise cannot_open("it is not there, or may not be looked at") from None
    return status.st_dev, status.st_ino


def _configure(connection: SQLiteConnection, _record: object) -> None:
    """Set up a new connection; the answers of pragmas are not needed."""
    for pragma in _PRAGMAS:
        connection.execute(pragma).close()


def _restrict(connection: SQLiteConnection, _record: object) -> None:
    """Set up a connection that only reads."""
    connection.execute("PRAGMA trusted_schema = OFF").close()


def _begin(connection: Connection) -> None:
    """Begin a transaction ourselves: the driver's own habits differ by version."""
    connection.exec_driver_sql(connection.get_execution_options()["begin"])
