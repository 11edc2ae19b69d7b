"""The audit as it is written: events, chained, with the head kept outside."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select

from dpquery.errors import LedgerError
from dpquery.ledger import books
from dpquery.ledger import head as heads
from dpquery.ledger.chain import GENESIS, Entry, link, to_body
from dpquery.ledger.head import Head
from dpquery.ledger.migration import bring_forward, facts_of
from dpquery.ledger.schema import EVENTS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sqlalchemy import Connection

    from dpquery.accounting.loss import Definition

OWNER = "(owner)"
DPQUERY = "(dpquery)"
"""Who acts where no analyst does."""


@dataclass(slots=True)
class Recording:
    """A transaction that writes, and the audit's events in it."""

    connection: Connection
    journal: Journal
    head: Head | None = None
    """The newest event, durable once the transaction has ended without an error."""

    def append(self, actor: str, kind: str, facts: Mapping[str, Any]) -> Entry:
        """
        Write an event, in the transaction of what it tells of.

        Raises:
            LedgerError: DPQ560, the ledger has forgotten what it knew before.
        """
        number, previous = newest(self.connection)
        self.journal.require(self.connection)
        at = datetime.now(UTC).isoformat(timespec="seconds")
        new = number + 1, at, actor, kind, to_body(facts), previous
        entry = Entry(*new, link(*new))
        self.connection.execute(insert(EVENTS).values(asdict(entry)))
        spent = books.balances(self.connection)
        self.head = Head(self.journal.ledger, entry.number, entry.hash, spent)
        return entry


@dataclass(slots=True)
class Journal:
    """How far the audit had come when this process last looked."""

    ledger: str
    """The ledger's own name."""
    path: Path | None
    """Where the head is kept."""
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

    def keep(self, head: Head | None) -> None:
        """Remember an event that is durable by now, here and beside the ledger."""
        if head is not None and head.number > self.seen[0]:
            self.seen = head.number, head.hash
            if self.path is not None:
                heads.write(self.path, head)


def opened(
    connection: Connection, definition: Definition, head: Path | None
) -> Recording:
    """
    Check who the ledger is and how far it has come, and bring it forward.

    Raises:
        LedgerError: it is none, is of another definition or of a newer dpquery, or
            was put back to an older state.
    """
    facts = facts_of(connection)
    if facts.get("definition") != definition.value:
        raise LedgerError(
            "the ledger counts by another definition of privacy than the policy",
            code="DPQ558",
            hint="a budget with delta and one without need a ledger each; what was "
            "spent from one is not known to the other",
        )
    moved = bring_forward(connection, facts)
    if moved:
        facts = facts_of(connection)
    journal = Journal(facts["ledger"], head)
    known = None if head is None else heads.read(head)
    if known is not None:
        if known.ledger != journal.ledger:
            raise rolled_back()
        if known.number and hash_at(connection, known.number) != known.hash:
            raise rolled_back()
    recording = Recording(connection, journal)
    if moved:
        recording.append(DPQUERY, "migrated", {"from": 1})
    elif newest(connection)[0] == 0:
        recording.append(DPQUERY, "created", {"ledger": journal.ledger})
    return recording


def newest(connection: Connection) -> tuple[int, str]:
    """Return number and hash of the newest event."""
    number = connection.execute(select(func.max(EVENTS.c.number))).scalar_one() or 0
    return number, hash_at(connection, number) or GENESIS


def hash_at(connection: Connection, number: int) -> str | None:
    """Return the hash of an event; ``None`` if there is none of this number."""
    query = select(EVENTS.c.hash).where(EVENTS.c.number == number)
    return connection.execute(query).scalar_one_or_none()


def rolled_back() -> LedgerError:
    """Return the error for a ledger that has forgotten events."""
    return LedgerError(
        "the ledger is older than what it was known to be, so nothing is answered",
        code="DPQ560",
        hint="put the newest copy back; or, if it is lost, `dpquery audit accept` "
        "charges what is known to have been spent, and goes on",
    )
