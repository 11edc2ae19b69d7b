"""Reserve, then settle: how a debit and an answer enter the ledger."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from sqlalchemy import delete, func, insert, select

from dpquery.accounting.accountant import loss_of_events
from dpquery.accounting.loss import Definition, Loss
from dpquery.ledger import books, entries
from dpquery.ledger.alarms import Alarms
from dpquery.ledger.failures import damaged
from dpquery.ledger.journal import Journal, Recording, open_journal
from dpquery.ledger.opening import open_database
from dpquery.ledger.records import (
    Charge,
    Holding,
    Lease,
    Measurement,
    Stored,
    View,
)
from dpquery.ledger.schema import (
    HOLDINGS,
    MEASUREMENTS,
    RELEASES,
    SNAPSHOTS,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

    from sqlalchemy import ColumnElement, Connection, Row

    from dpquery.ledger.database import Database


class Ledger:
    """
    The accounts, answers and measurements of one dataset, and their audit.

    Every method raises :class:`LedgerError` when the ledger cannot be trusted, read
    or written; then there is no answer. One object serves many threads; it may be
    used after a fork.
    """

    def __init__(
        self, database: Database, definition: Definition, journal_: Journal
    ) -> None:
        """Use *database*, which :meth:`open` has checked."""
        self._database = database
        self._definition = definition
        self._journal = journal_
        self.alarms = Alarms()
        """Who is told, after a charge, that a share of a limit was reached."""

    @classmethod
    def open(
        cls,
        location: str,
        *,
        definition: Definition,
        busy_seconds: float = 10.0,
        head: Path | None = None,
    ) -> Ledger:
        """
        Open the ledger at *location*; create a new one.

        A *location* is a path, a ``sqlite:///`` URL or a ``postgresql://`` URL. A
        ledger that exists is one or an error: it is never filled in or repaired,
        since whoever empties it would get the budget back. *busy_seconds* is how long
        to wait for other processes' transactions; *head* is where the newest link of
        the audit is kept, by default beside the file.
        """
        database, journal = open_database(location, definition, busy_seconds, head)
        try:
            open_journal(database, definition, journal)
        except BaseException:
            database.close()
            raise
        return cls(database, definition, journal)

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextlib.contextmanager
    def recording(self) -> Iterator[Recording]:
        """
        Open a transaction that writes; its events are remembered once durable.

        Raises:
            LedgerError: DPQ560, the ledger was put back to an older state.
        """
        with self._journal.recording(self._database) as recording:
            yield recording

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """
        Open a transaction that sees one state.

        Raises:
            LedgerError: DPQ560, the ledger was put back to an older state.
        """
        with self._database.reading() as connection:
            self._journal.require(connection)
            yield connection

    # --- reserve and settle ------------------------------------------------------

    def reserve(self, charge: Charge) -> Lease:
        """
        Debit *charge* from all of its scopes; durable on return.

        All balances are read, compared and written in one transaction that excludes
        every other writer. The decision depends on the ledger and the charge alone,
        and the debits stay whatever happens afterwards (architecture.md 4).

        Raises:
            BudgetExceeded: DPQ201 for the analyst's limit, DPQ202 for the dataset's,
                DPQ204 for a block's, DPQ205 where a limit is below what is spent.
            Outdated: one of the views was measured since; nothing was written.
            ValueError: For events that lose more than the charge pays for.
        """
        self._check(charge)
        with self.recording() as recording:
            lease = self._debited(recording, charge)
        self.alarms.tell(lease)
        return lease

    def answer(self, charge: Charge, payload: str) -> Lease:
        """
        Debit *charge* and store an answer that needs no new measurement, at once.

        Raises:
            BudgetExceeded, Outdated, ValueError: as :meth:`reserve`.
        """
        self._check(charge)
        with self.recording() as recording:
            lease = self._debited(recording, charge)
            entries.settled(recording, lease, payload, {})
        self.alarms.tell(lease)
        return lease

    def settle(
        self, lease: Lease, payload: str, readings: Mapping[str, str] | None = None
    ) -> None:
        """
        Store the answer of *lease*, and what was measured, by measurement id.

        Raises:
            LedgerError: DPQ557, the lease was settled before or never made.
        """
        with self.recording() as recording:
            entries.settled(recording, lease, payload, readings or {})

    def _check(self, charge: Charge) -> None:
        whole = charge.debits[1].loss
        if not loss_of_events(charge.events, self._definition).within(whole):
            raise ValueError("the events of this charge lose more than it pays for")
        scopes = [debit.scope for debit in charge.debits]
        if len(set(scopes)) < len(scopes):  # each would be admitted without the other
            raise ValueError("a charge debits each scope once")

    def _debited(self, recording: Recording, charge: Charge) -> Lease:
        """Admit or refuse, and write all that was promised."""
        connection = recording.connection
        entries.require_newest(connection, charge)  # its price may be another by now
        for debit in charge.debits:
            books.admit(connection, charge.analyst, debit)
        lease = entries.charged(recording, charge)
        return replace(lease, crossed=self.alarms.crossed(recording, charge))

    def note(self, actor: str, kind: str, facts: Mapping[str, object]) -> None:
        """Write an event that moves no budget: a refusal, or what the owner did."""
        with self.recording() as recording:
            recording.append(actor, kind, facts)

    # --- answers -----------------------------------------------------------------

    def find(self, analyst: str, fingerprint: str, data_version: str) -> Stored | None:
        """Return this analyst's newest settled answer to the same question."""
        return self._newest_answer(
            RELEASES.c.analyst == analyst,
            RELEASES.c.fingerprint == fingerprint,
            RELEASES.c.data_version == data_version,
            RELEASES.c.state == "settled",
        )

    def find_until(self, analyst: str, fingerprint: str, time: str) -> Stored | None:
        """
        Return this analyst's newest settled answer until *time*, whatever the data.

        *time* is the beginning of a time in ISO 8601: a day holds all of its times.
        """
        return self._newest_answer(
            RELEASES.c.analyst == analyst,
            RELEASES.c.fingerprint == fingerprint,
            RELEASES.c.state == "settled",
            # not `settled_at <= time || '~'`: a server's collation may skip signs
            func.substr(RELEASES.c.settled_at, 1, len(time)) <= time,
        )

    def release(self, release_id: str) -> Stored | None:
        """Return one answer."""
        return self._newest_answer(RELEASES.c.id == release_id)

    def _newest_answer(self, *conditions: ColumnElement[bool]) -> Stored | None:
        query = select(RELEASES).where(*conditions).order_by(RELEASES.c.number.desc())
        with self.reading() as connection:
            row = connection.execute(query.limit(1)).one_or_none()
        return None if row is None else self._stored(row)

    def history(self, analyst: str) -> list[Stored]:
        """Return all of this analyst's answers, newest first."""
        query = (
            select(RELEASES)
            .where(RELEASES.c.analyst == analyst)
            .order_by(RELEASES.c.number.desc())
        )
        with self.reading() as connection:
            rows = connection.execute(query).all()
        return [self._stored(row) for row in rows]

    def _stored(self, row: Row[tuple[object, ...]]) -> Stored:
        return Stored(
            release_id=row.id,
            analyst=row.analyst,
            sql=row.sql,
            reserved_at=row.reserved_at,
            state=row.state,
            loss=Loss(self._definition, row.amount, row.delta),
            payload=row.payload,
            data_version=row.data_version,
            events=row.events,
        )

    # --- measurements ------------------------------------------------------------

    def measurements(
        self, sources: Collection[str], data_version: str
    ) -> list[Measurement]:
        """Return what was measured of these sources, oldest first; not the numbers."""
        columns = (c for c in MEASUREMENTS.c if c is not MEASUREMENTS.c.readings)
        query = (
            select(*columns)
            .where(
                MEASUREMENTS.c.source.in_(sources),
                MEASUREMENTS.c.data_version == data_version,
                MEASUREMENTS.c.readings.is_not(None),
            )
            .order_by(MEASUREMENTS.c.number)
        )
        with self.reading() as connection:
            rows = connection.execute(query).all()
        return [
            Measurement(
                row.number,
                row.id,
                row.release,
                View(row.view, row.source, row.shape),
                Loss(self._definition, row.amount, row.delta),
            )
            for row in rows
        ]

    def readings(self, measurement_id: str) -> str:
        """
        Return the numbers of one measurement, as :meth:`settle` was given them.

        Raises:
            LedgerError: DPQ551, there are none.
        """
        query = select(MEASUREMENTS.c.readings).where(
            MEASUREMENTS.c.id == measurement_id
        )
        with self.reading() as connection:
            text: str | None = connection.execute(query).scalar_one_or_none()
        if text is None:
            raise damaged("a measurement is missing")
        return text

    def holdings(
        self, analyst: str, sources: Collection[str], data_version: str
    ) -> list[Holding]:
        """Return what *analyst* has paid to know of these sources."""
        query = select(HOLDINGS).where(
            HOLDINGS.c.analyst == analyst,
            HOLDINGS.c.source.in_(sources),
            HOLDINGS.c.data_version == data_version,
        )
        with self.reading() as connection:
            rows = connection.execute(query).all()
        return [
            Holding(
                View(row.view, row.source, row.shape),
                Loss(self._definition, row.amount, row.delta),
            )
            for row in rows
        ]

    # --- accounts ----------------------------------------------------------------

    def spent(self, scope: str) -> Loss:
        """Return what *scope* (``DATASET``, an analyst's or a block's) has spent."""
        with self.reading() as connection:
            return books.spent(connection, scope, self._definition)

    def balances(self) -> dict[str, Loss]:
        """Return what every scope has spent."""
        with self.reading() as connection:
            return {
                scope: Loss(self._definition, *spent)
                for scope, spent in books.balances(connection).items()
            }

    # --- the data ----------------------------------------------------------------

    def verdict(self, data_version: str) -> str | None:
        """Return what the check of this version of the data found, if it was made."""
        query = select(SNAPSHOTS.c.verdict).where(
            SNAPSHOTS.c.data_version == data_version
        )
        with self.reading() as connection:
            return connection.execute(query).scalar_one_or_none()

    def record_verdict(self, data_version: str, verdict: str) -> None:
        """Keep what the check of this version of the data found."""
        with self._database.writing() as connection:
            connection.execute(
                delete(SNAPSHOTS).where(SNAPSHOTS.c.data_version == data_version)
            )
            connection.execute(
                insert(SNAPSHOTS).values(data_version=data_version, verdict=verdict)
            )
