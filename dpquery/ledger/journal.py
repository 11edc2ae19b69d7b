"""The audit as it is written: events, chained, with the head kept outside."""

from __future__ import annotations

import contextlib
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, false, insert, select

from dpquery.errors import LedgerError
from dpquery.ledger import books
from dpquery.ledger import head as heads
from dpquery.ledger.chain import GENESIS, Entry, link, to_body
from dpquery.ledger.failures import damaged
from dpquery.ledger.head import Head
from dpquery.ledger.migration import bring_forward, facts_of, migrated
from dpquery.ledger.schema import EVENTS, META

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sqlalchemy import Connection

    from dpquery.accounting.loss import Definition
    from dpquery.ledger.database import Database
    from dpquery.ledger.head import Held

OWNER = "(owner)"
DPQUERY = "(dpquery)"
"""Who acts where no analyst does."""


@dataclass(slots=True)
class Recording:
    """A transaction that writes, and the audit's events in it."""

    connection: Connection
    ledger: str
    """The ledger's own name."""
    head: Head | None = None
    """The newest event, durable once the transaction has ended without an error."""
    last: tuple[int, str] | None = None
    """Number and hash of the newest event, if they are known."""

    def append(self, actor: str, kind: str, facts: Mapping[str, Any]) -> Entry:
        """Write an event, in the transaction of what it tells of."""
        number, previous = self.last or newest(self.connection)
        at = datetime.now(UTC).isoformat(timespec="seconds")
        new = number + 1, at, actor, kind, to_body(facts), previous
        entry = Entry(*new, link(*new))
        self.connection.execute(insert(EVENTS), asdict(entry))
        spent = books.balances(self.connection)
        self.head = Head(self.ledger, entry.number, entry.hash, spent)
        self.last = entry.number, entry.hash
        return entry


@dataclass(slots=True)
class Journal:
    """How far the audit had come when this process, and any other, last looked."""

    path: Path | None
    """Where the head is kept."""
    required: bool
    """Whether a head that is missing was lost: it lies beside the ledger's file."""
    ledger: str = ""
    """The ledger's own name."""
    seen: tuple[int, str] = (0, GENESIS)

    def require(self, connection: Connection) -> None:
        """
        Refuse a ledger that does not have the event that was seen last.

        Raises:
            LedgerError: DPQ560.
        """
        number, hash_ = self.seen
        if number and hash_at(connection, number) != hash_:
            raise rolled_back()

    @contextlib.contextmanager
    def recording(self, database: Database) -> Iterator[Recording]:
        """
        Open a transaction that writes, and keep its newest event outside the ledger.

        A crash before the commit leaves both as they were, one after it leaves a head
        that is an older event of the same chain. The head has room for the new event
        before the commit, so that a full disk refuses both.

        Raises:
            LedgerError: DPQ560, the ledger has forgotten what it knew before.
        """
        with database.lock, contextlib.ExitStack() as until_durable:
            with database.writing() as connection:
                held = None
                if self.path is not None:
                    held = until_durable.enter_context(heads.held(self.path))
                recording = self._begun(connection, held)
                yield recording
                if held is not None and recording.head is not None:
                    held.make_room(recording.head)
            if recording.head is not None:
                self.seen = recording.head.number, recording.head.hash
                if held is not None:
                    held.keep(recording.head)

    def _begun(self, connection: Connection, held: Held | None) -> Recording:
        """Return a recording, after a look at how far the ledger has come."""
        last = newest(connection)
        if self.seen != last:
            self.require(connection)
        if held is not None:
            head = held.head
            known = None if head is None else (head.ledger, head.number, head.hash)
            if known != (self.ledger, *last):
                self.compare(connection, head)
        return Recording(connection, self.ledger, last=last)

    def compare(self, connection: Connection, head: Head | None) -> None:
        """
        Refuse a ledger that does not have the event that *head* tells of.

        Raises:
            LedgerError: DPQ560.
        """
        if head is None:
            if self.required and newest(connection)[0] > 1:
                raise head_missing()
        elif head.ledger != self.ledger or (
            head.number and hash_at(connection, head.number) != head.hash
        ):
            raise rolled_back()


def own_facts(connection: Connection, definition: Definition) -> dict[str, str]:
    """
    Return what a ledger says of itself.

    Raises:
        LedgerError: it is none, is of another definition or of a newer dpquery.
    """
    facts = facts_of(connection)
    if facts.get("definition") != definition.value:
        raise LedgerError(
            "the ledger counts by another definition of privacy than the policy",
            code="DPQ558",
            hint="a budget with delta and one without need a ledger each; what was "
            "spent from one is not known to the other",
        )
    return facts


def identify(connection: Connection, definition: Definition) -> tuple[str, bool]:
    """
    Bring the ledger forward; return its name, and whether it was an older one.

    Raises:
        LedgerError: as :func:`own_facts`.
    """
    facts = own_facts(connection, definition)
    moved = bring_forward(connection, facts)
    if moved:
        facts = own_facts(connection, definition)
    if "ledger" not in facts:
        raise damaged("it has no name")
    return facts["ledger"], moved


def open_journal(database: Database, definition: Definition, journal: Journal) -> None:
    """
    Check who the ledger is and how far it has come, and bring it forward.

    Raises:
        LedgerError: it cannot be trusted, or was put back to an older state.
    """
    with database.reading() as connection:
        facts = own_facts(connection, definition)
        known = "ledger" in facts and newest(connection)[0] > 0
        if known:  # the rule: others go on writing meanwhile
            journal.ledger = facts["ledger"]
            _check(connection, journal)
    if not known:
        _begin_chain(database, definition, journal)
    with journal.recording(database) as recording:
        # writes nothing, yet SQLite refuses it for a read-only ledger
        recording.connection.execute(delete(META).where(false()))
        # a crash may have left an older head, or none
        spent = books.balances(recording.connection)
        recording.head = Head(journal.ledger, *newest(recording.connection), spent)


def _check(connection: Connection, journal: Journal) -> None:
    head = None if journal.path is None else heads.read(journal.path)
    if head is None or not _is_ahead(connection, journal, head):
        journal.compare(connection, head)
    books.check(connection)


def _is_ahead(connection: Connection, journal: Journal, head: Head) -> bool:
    """
    Return whether *head* may tell of what was written since the transaction began.

    Whether it does is asked again in the next one, which nobody overtakes.
    """
    return head.ledger == journal.ledger and head.number > newest(connection)[0]


def _begin_chain(database: Database, definition: Definition, journal: Journal) -> None:
    """Write the first event of a ledger that is new, or older than the audit."""
    with database.writing() as connection:
        # another ledger than the head's is refused before it is brought forward
        journal.ledger, moved = identify(connection, definition)
        _check(connection, journal)
        recording = Recording(connection, journal.ledger)
        facts = migrated(connection) if moved else {"ledger": journal.ledger}
        if moved or newest(connection)[0] == 0:
            recording.append(DPQUERY, "migrated" if moved else "created", facts)


_NEWEST = (
    select(EVENTS.c.number, EVENTS.c.hash).order_by(EVENTS.c.number.desc()).limit(1)
)
_HASH = select(EVENTS.c.hash).where(EVENTS.c.number == bindparam("at"))
"""Built once: they are part of every transaction."""


def newest(connection: Connection) -> tuple[int, str]:
    """Return number and hash of the newest event."""
    row = connection.execute(_NEWEST).one_or_none()
    return (0, GENESIS) if row is None else (row.number, row.hash)


def hash_at(connection: Connection, number: int) -> str | None:
    """Return the hash of an event; ``None`` if there is none of this number."""
    return connection.execute(_HASH, {"at": number}).scalar_one_or_none()


def head_missing() -> LedgerError:
    """Return the error for a ledger whose head is not beside it."""
    return LedgerError(
        "the ledger's .head file is missing, so nobody can tell whether the ledger is "
        "an older copy",
        code="DPQ560",
        hint="put the .head file back beside the ledger; or, if it is lost, `dpquery "
        "audit accept` writes down that it was, and goes on",
    )


def rolled_back() -> LedgerError:
    """Return the error for a ledger that has forgotten events."""
    return LedgerError(
        "the ledger is older than what it was known to be, so nothing is answered",
        code="DPQ560",
        hint="put the newest copy back; or, if it is lost, `dpquery audit accept` "
        "charges what is known to have been spent, and goes on",
    )
