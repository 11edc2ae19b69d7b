"""
The owner's decision to go on with a ledger that was put back to an older state.

Claim: afterwards every scope has been debited at least what the head knew to have been
spent, so that the promise holds although answers were lost.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dpquery.accounting.loss import Definition, Loss
from dpquery.errors import LedgerError
from dpquery.ledger import books
from dpquery.ledger import head as heads
from dpquery.ledger.journal import (
    DPQUERY,
    OWNER,
    Journal,
    Recording,
    hash_at,
    identify,
    newest,
)
from dpquery.ledger.migration import create_tables, migrated
from dpquery.ledger.opening import (
    is_server,
    open_server,
)
from dpquery.ledger.records import Debit
from dpquery.ledger.sqlite_file import SQLiteFile, create, is_there, locate

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from dpquery.ledger.database import Database
    from dpquery.ledger.head import Head


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What was accepted; ``why`` is empty when there was nothing to accept."""

    why: str = ""
    """``older``, ``another``, ``missing`` or ``unreadable``."""
    lost: tuple[str, int] | None = None
    """The ledger and the event that the head told of."""
    debits: dict[str, Loss] | None = None
    """What was debited for what nobody knows any more, by scope."""


def accept(location: str, definition: Definition, head: Path | None) -> Acceptance:
    """
    Go on with the ledger at *location*, charging what its head knows beyond it.

    Nothing is written for a ledger that has all that its head knows. The old head is
    kept as ``.lost`` beside the new one.

    Raises:
        LedgerError: the ledger itself is damaged, or cannot be opened.
    """
    database = _open(location, definition)
    try:
        with database.lock:
            done, recording = _accepted(database, definition, head)
            if recording is not None and head is not None:
                heads.begin_again(head)
        if recording is not None:
            ledger = Journal(head, required=False, ledger=recording.ledger)
            with ledger.recording(database) as again:
                again.head = recording.head
        return done
    finally:
        database.close()


def _open(location: str, definition: Definition) -> Database:
    if is_server(location):
        return open_server(location, busy_seconds=10)
    path = locate(location)
    if not is_there(path):
        create(path, lambda connection: create_tables(connection, definition))
    return SQLiteFile(path, busy_seconds=10)


def _accepted(
    database: Database, definition: Definition, path: Path | None
) -> tuple[Acceptance, Recording | None]:
    """Write the debits and the event, in one transaction."""
    with database.writing() as connection:
        name, moved = identify(connection, definition)
        books.check(connection)
        recording = Recording(connection, name)
        if moved or newest(connection)[0] == 0:
            facts = migrated(connection) if moved else {"ledger": name}
            recording.append(DPQUERY, "migrated" if moved else "created", facts)
        known = None
        readable = True
        if path is not None:
            try:
                known = heads.read(path)
            except LedgerError:
                readable = False
        why = "" if readable else "unreadable"
        why = why or _why(connection, name, known, path)
        if not why:
            return Acceptance(), None if recording.head is None else recording
        debits = _beyond(connection, known, why, definition)
        _write(recording, known, why, debits)
    lost = None if known is None else (known.ledger, known.number)
    return Acceptance(why, lost, debits), recording


def _why(
    connection: Connection, name: str, known: Head | None, path: Path | None
) -> str:
    """Return what there is to accept, if anything."""
    if known is None:
        return "missing" if path is not None and newest(connection)[0] > 1 else ""
    if known.ledger != name:
        return "another"
    if known.number and hash_at(connection, known.number) != known.hash:
        return "older" if newest(connection)[0] < known.number else "another"
    return ""


def _beyond(
    connection: Connection, known: Head | None, why: str, definition: Definition
) -> dict[str, Loss]:
    """
    Return what the head knows to have been spent and the ledger does not.

    An older ledger knows a part of what the head knows. One that went another way may
    know none of it: then everything is debited again.
    """
    if known is None:
        return {}
    here = books.balances(connection) if why == "older" else {}
    found = {}
    for scope, spent in known.spent.items():
        has = Loss(definition, *here.get(scope, (0, 0)))
        rest = Loss(definition, *spent).minus(has)
        if rest.amount or rest.delta:
            found[scope] = rest
    return found


def _write(
    recording: Recording, known: Head | None, why: str, debits: dict[str, Loss]
) -> None:
    release = books.ACCEPTED + "_" + secrets.token_hex(8)
    for scope, loss in debits.items():
        books.debit(recording.connection, release, Debit(scope, loss, None))
    lost = None
    if known is not None:
        lost = {"ledger": known.ledger, "number": known.number, "hash": known.hash}
    facts = {
        "release": release,
        "why": why,
        "lost": lost,
        "debits": {scope: [d.amount, d.delta] for scope, d in debits.items()},
    }
    recording.append(OWNER, "accepted", facts)
