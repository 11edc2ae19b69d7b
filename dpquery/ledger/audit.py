"""
Is the ledger what its audit says, and is the audit whole?

Claim: whoever changes, removes, adds or moves an event, a debit, a balance or a stored
answer, and has not changed the head as well, is found here. Nothing is written.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect, select, text

from dpquery.accounting.loss import Definition
from dpquery.errors import LedgerError
from dpquery.ledger import books
from dpquery.ledger import head as heads
from dpquery.ledger.chain import digest, flaw
from dpquery.ledger.journal import hash_at
from dpquery.ledger.migration import answers_digest
from dpquery.ledger.opening import open_to_read
from dpquery.ledger.schema import (
    DEBITS,
    MEASUREMENTS,
    META,
    METADATA,
    RELEASES,
    SCHEMA_VERSION,
)
from dpquery.ledger.told import Account, debits_of, read_events

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from pathlib import Path

    from sqlalchemy import Connection, Row

    from dpquery.ledger.chain import Entry
    from dpquery.ledger.head import Head
    from dpquery.ledger.told import Debits, Told


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    where: str
    """``ledger``, ``chain``, ``head``, ``events``, ``debits``, ``accounts``,
    ``answers`` or ``measurements``."""
    message: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found in how many events."""

    events: int
    hash: str
    """Of the newest event."""
    findings: tuple[Finding, ...]


def verify(location: str, head: Path | None) -> Verdict:
    """
    Check everything that can be checked of the ledger at *location*.

    *head* is where its head is kept; ``None`` for nowhere. Damage becomes a finding;
    of each kind, the first one is told.

    Raises:
        LedgerError: there is no ledger, or it cannot be reached.
    """
    database = open_to_read(location)
    try:
        with database.reading() as connection:
            if (strange := _strange(connection)) is not None:
                return Verdict(0, "", (Finding("ledger", strange),))
            return _verdict(connection, head)
    except LedgerError as error:
        if error.code not in {"DPQ551", "DPQ559"}:
            raise
        return Verdict(0, "", (Finding("ledger", error.message),))
    finally:
        database.close()


def events(location: str) -> list[Entry]:
    """
    Return all events of the ledger at *location*.

    Raises:
        LedgerError: there is no ledger, or its events cannot be read.
    """
    database = open_to_read(location)
    try:
        with database.reading() as connection:
            return list(read_events(connection))
    finally:
        database.close()


def _strange(connection: Connection) -> str | None:
    """Return why this cannot be checked at all."""
    if connection.dialect.name == "sqlite":
        said = connection.execute(text("PRAGMA integrity_check(1)")).scalar()
        if said != "ok":
            return "SQLite finds the file damaged"
    tables = set(inspect(connection).get_table_names())
    if META.name not in tables:
        return "it is no ledger"
    version = meta(connection).get("schema_version")
    if version == "1":
        return "it has no audit yet: the next dpquery that answers brings it forward"
    if version != str(SCHEMA_VERSION):
        return "it was written by another version of dpquery"
    missing = sorted(METADATA.tables.keys() - tables)
    return f"its table {missing[0]} is missing" if missing else None


def _verdict(connection: Connection, head: Path | None) -> Verdict:
    facts = meta(connection)
    try:
        account = Account(Definition(facts.get("definition", "")))
    except ValueError:
        return Verdict(0, "", (Finding("ledger", "it does not say how it counts"),))
    newest: list[Entry] = []
    with closing(_heard(connection, account, newest)) as entries:
        broken = flaw(entries)
    if broken:  # hear what comes after it too: the tables are compared with it
        for _ in _heard(connection, account, newest):
            pass
    found = [Finding("chain", broken)] if broken else []
    found += _head_findings(connection, facts.get("ledger", ""), head, newest)
    found += _first("events", (f"event {n} {what}" for n, what in account.wrong))
    found += _first("debits", _debits(connection, account))
    found += _first("accounts", _accounts(connection))
    found += _first("answers", _answers(connection, account))
    found += _first("measurements", _measurements(connection, account))
    last = newest[-1] if newest else None
    return Verdict(
        0 if last is None else last.number,
        "" if last is None else last.hash,
        tuple(found),
    )


def _heard(
    connection: Connection, account: Account, newest: list[Entry]
) -> Generator[Entry]:
    """Return the events after *newest*, and have *account* hear them."""
    last = newest[-1].number if newest else None
    with closing(read_events(connection)) as entries:
        for entry in entries:
            if last is None or entry.number > last:
                account.hear(entry)
                newest[:] = [entry]
                yield entry


def meta(connection: Connection) -> dict[str, str]:
    """Return what a ledger says of itself."""
    rows = connection.execute(select(META.c.key, META.c.value))
    return {row.key: row.value for row in rows}


def _first(where: str, messages: Iterable[str]) -> list[Finding]:
    """Return the first of many findings, and how many more there are."""
    found = list(messages)
    if not found:
        return []
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return [Finding(where, found[0] + more)]


def _head_findings(
    connection: Connection, ledger: str, path: Path | None, newest: list[Entry]
) -> list[Finding]:
    """Compare the end of the chain with the head outside of the ledger."""
    if path is None:
        return []
    try:
        head = heads.read(path)
    except LedgerError as error:
        return [Finding("head", error.message)]
    last = newest[-1].number if newest else 0
    if head is None:
        lost = f"{path.name} is missing: nobody can tell whether events are"
        return [Finding("head", lost)] if last > 1 else []
    message = _head_flaw(connection, ledger, head, last)
    return [Finding("head", message)] if message else []


def _head_flaw(connection: Connection, ledger: str, head: Head, last: int) -> str:
    if head.ledger != ledger:
        return f"it is of another ledger: {head.ledger}, and this is {ledger}"
    if head.number > last:
        first = (
            f"event {last + 1}"
            if head.number == last + 1
            else (f"events {last + 1} to {head.number}")
        )
        return f"{first} at the end are missing: an older copy was put back"
    if head.number and hash_at(connection, head.number) != head.hash:
        return f"event {head.number} is not the one that was written"
    if head.number == last and head.spent != books.balances(connection):
        return "what was spent is not what the head says"
    return ""


def _debits(connection: Connection, account: Account) -> Iterator[str]:
    """Compare debits with the events that tell of them."""
    rows = connection.execute(
        select(DEBITS.c.release, DEBITS.c.scope, DEBITS.c.amount, DEBITS.c.delta)
    )
    found: dict[str, Debits] = {}
    for release, scope, amount, delta in rows:
        mine = found.setdefault(release, {})
        before = mine.get(scope, (0, 0))
        if amount or delta:
            mine[scope] = (before[0] + amount, before[1] + delta)
    for release, told in account.debits():
        written = found.pop(release, {})
        if written != told:
            yield f"{release} is not debited what its event says"
    yield from _old_debits(connection, account, found)


def _old_debits(
    connection: Connection, account: Account, left: dict[str, Debits]
) -> Iterator[str]:
    """Compare debits that no event tells of with what was there before the audit."""
    query = select(RELEASES.c.id).where(RELEASES.c.number <= account.old_releases)
    old = set(connection.execute(query).scalars())
    total: Debits = {}
    for release, debits in left.items():
        if release not in old:
            yield f"{release} is debited, and no event says so"
            continue
        for scope, (amount, delta) in debits.items():
            before = total.get(scope, (0, 0))
            total[scope] = (before[0] + amount, before[1] + delta)
    if account.migrated is not None and total != debits_of(account.migrated):
        yield "debits from before the audit are not what they were"


def _accounts(connection: Connection) -> Iterator[str]:
    balances, owed = books.balances(connection), books.owed(connection)
    for scope in sorted(balances.keys() | owed.keys()):
        if balances.get(scope) != owed.get(scope):
            yield f"{scope} has not spent what its debits add up to"


def _answers(connection: Connection, account: Account) -> Iterator[str]:
    """Compare releases and stored answers with the events that tell of them."""
    rows = connection.execute(
        select(RELEASES).order_by(RELEASES.c.number),
        execution_options={"yield_per": 100},
    )
    there = set()
    for row in rows:
        there.add(row.id)
        if row.id in account.charged:
            yield from _release(row, account.charged[row.id])
        elif row.number > account.old_releases:
            yield f"{row.id} was never charged"
        yield from _answer(row, account)
    for release, told in account.charged.items():
        if release not in there:
            yield f"{release} is missing, which event {told.event} charges"
    if account.migrated is not None:
        old, later = account.old_releases, account.settled.keys()
        if answers_digest(connection, old, later) != account.migrated.get("answers"):
            yield "releases from before the audit are not what they were"


def _release(row: Row[Any], told: Told) -> Iterator[str]:
    """Compare a release with the event of its charge."""
    stored = (row.analyst, row.fingerprint, row.data_version, row.sql, row.events)
    said = (told.facts.get(key) for key in ("plan", "data", "sql", "noise"))
    if stored != (told.actor, *said):
        yield f"{row.id} is not what was charged in event {told.event}"


def _answer(row: Row[Any], account: Account) -> Iterator[str]:
    """Compare a stored answer with the event that tells of it."""
    told = account.settled.get(row.id)
    if told is None:
        if row.payload is not None and row.number > account.old_releases:
            yield f"the answer of {row.id} was stored, and no event says so"
    elif row.payload is None:
        yield f"the answer of {row.id} is missing, which event {told.event} tells of"
    elif digest(row.payload) != told.facts.get("answer"):
        yield f"the answer of {row.id} is not that of event {told.event}"


def _measurements(connection: Connection, account: Account) -> Iterator[str]:
    """Compare stored measurements with the events that tell of them."""
    columns = (MEASUREMENTS.c.id, MEASUREMENTS.c.release, MEASUREMENTS.c.readings)
    query = select(*columns).order_by(MEASUREMENTS.c.number)
    stored = {}
    rows = connection.execute(query, execution_options={"yield_per": 100})
    for id_, release, readings in rows:
        told = account.charged.get(release)
        if told is None or id_ not in told.facts.get("measured", ()):
            yield f"{id_} was never charged"
        stored[id_] = None if readings is None else digest(readings)
    for told in account.charged.values():
        for id_ in told.facts.get("measured", ()):
            if id_ not in stored:
                yield f"{id_} is missing, which event {told.event} charges"
    written: dict[str, str] = {}
    for told in account.settled.values():
        written |= told.facts.get("measurements", {})
    for id_, said in stored.items():
        if said != written.get(id_):
            yield f"the readings of {id_} are not what was measured"
