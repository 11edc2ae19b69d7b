"""Reserve, then settle: how a debit and an answer enter the ledger."""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from sqlalchemy import delete, false, func, insert, select, update

from dpquery.accounting.accountant import loss_of_events
from dpquery.accounting.events import to_json
from dpquery.accounting.loss import Definition, Loss
from dpquery.errors import LedgerError
from dpquery.ledger import books, journal
from dpquery.ledger.alarms import Alarms
from dpquery.ledger.chain import digest
from dpquery.ledger.failures import damaged
from dpquery.ledger.journal import Journal, Recording
from dpquery.ledger.opening import open_database
from dpquery.ledger.records import (
    DATASET,
    Charge,
    Holding,
    Lease,
    Measurement,
    NewMeasurement,
    Outdated,
    Stored,
    View,
)
from dpquery.ledger.schema import (
    HOLDINGS,
    MEASUREMENTS,
    META,
    RELEASES,
    SNAPSHOTS,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

    from sqlalchemy import ColumnElement, Connection, Insert, Row

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
        database, head = open_database(location, definition, busy_seconds, head)
        try:
            with database.writing() as connection:
                # writes nothing, yet SQLite refuses it for a read-only ledger
                connection.execute(delete(META).where(false()))
                opened = journal.opened(connection, definition, head)
                books.check(connection)
            opened.journal.keep(opened.head)
        except BaseException:
            database.close()
            raise
        return cls(database, definition, opened.journal)

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
        """Open a transaction that writes; its events are remembered once durable."""
        with self._database.writing() as connection:
            recording = Recording(connection, self._journal)
            yield recording
        self._journal.keep(recording.head)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a transaction that sees one state."""
        with self._database.reading() as connection:
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
            _settled(recording, lease, payload, {})
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
            _settled(recording, lease, payload, readings or {})

    def _check(self, charge: Charge) -> None:
        whole = charge.debits[1].loss
        if not loss_of_events(charge.events, self._definition).within(whole):
            raise ValueError("the events of this charge lose more than it pays for")

    def _debited(self, recording: Recording, charge: Charge) -> Lease:
        """Admit or refuse, and write all that was promised."""
        connection = recording.connection
        for debit in charge.debits:
            books.admit(connection, charge.analyst, debit)
        for each in charge.measurements:
            if _newest(connection, each.view.view, charge.data_version) > each.after:
                raise Outdated
        ids = tuple("m_" + secrets.token_hex(8) for _ in charge.measurements)
        lease = Lease("r_" + secrets.token_hex(8), ids, charge.holdings)
        for debit in charge.debits:
            if debit.loss.amount or debit.loss.delta or debit.scope == DATASET:
                books.debit(connection, lease.release_id, debit)
        connection.execute(
            insert(RELEASES).values(
                id=lease.release_id,
                analyst=charge.analyst,
                fingerprint=charge.fingerprint,
                data_version=charge.data_version,
                sql=charge.sql,
                reserved_at=now(),
                state="reserved",
                amount=charge.loss.amount,
                delta=charge.loss.delta,
                events=to_json(charge.events),
            )
        )
        for id_, new in zip(ids, charge.measurements, strict=True):
            connection.execute(_new_measurement(id_, lease, new, charge.data_version))
        recording.append(charge.analyst, "charged", _charged(lease, charge))
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
            RELEASES.c.settled_at <= time + "~",
        )

    def release(self, release_id: str) -> Stored | None:
        """Return one answer."""
        return self._newest_answer(RELEASES.c.id == release_id)

    def _newest_answer(self, *conditions: ColumnElement[bool]) -> Stored | None:
        query = select(RELEASES).where(*conditions).order_by(RELEASES.c.number.desc())
        with self._database.reading() as connection:
            row = connection.execute(query.limit(1)).one_or_none()
        return None if row is None else self._stored(row)

    def history(self, analyst: str) -> list[Stored]:
        """Return all of this analyst's answers, newest first."""
        query = (
            select(RELEASES)
            .where(RELEASES.c.analyst == analyst)
            .order_by(RELEASES.c.number.desc())
        )
        with self._database.reading() as connection:
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
        with self._database.reading() as connection:
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
        with self._database.reading() as connection:
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
        with self._database.reading() as connection:
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
        with self._database.reading() as connection:
            return books.spent(connection, scope, self._definition)

    def balances(self) -> dict[str, Loss]:
        """Return what every scope has spent."""
        with self._database.reading() as connection:
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
        with self._database.reading() as connection:
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


def _settled(
    recording: Recording, lease: Lease, payload: str, readings: Mapping[str, str]
) -> None:
    """Write an answer and what was measured for it."""
    connection = recording.connection
    settled = (
        update(RELEASES)
        .where(RELEASES.c.id == lease.release_id, RELEASES.c.state == "reserved")
        .values(state="settled", settled_at=now(), payload=payload)
        .returning(RELEASES.c.analyst, RELEASES.c.data_version)
    )
    row = connection.execute(settled).one_or_none()
    if row is None:
        raise LedgerError(
            "this release is not waiting for its answer",
            code="DPQ557",
            hint="it was settled before, or reserved in another ledger",
        )
    for id_, text in readings.items():
        where = MEASUREMENTS.c.id == id_, MEASUREMENTS.c.readings.is_(None)
        connection.execute(update(MEASUREMENTS).where(*where).values(readings=text))
    facts = {
        "release": lease.release_id,
        "answer": digest(payload),
        "measurements": {id_: digest(text) for id_, text in readings.items()},
    }
    for holding in lease.holdings:
        _hold(connection, row.analyst, row.data_version, holding)
    recording.append(row.analyst, "settled", facts)


def _newest(connection: Connection, view: str, data_version: str) -> int:
    """Return the number of the newest measurement of a view; 0 for none."""
    query = select(func.max(MEASUREMENTS.c.number)).where(
        MEASUREMENTS.c.view == view,
        MEASUREMENTS.c.data_version == data_version,
        MEASUREMENTS.c.readings.is_not(None),
    )
    return connection.execute(query).scalar_one() or 0


def _new_measurement(
    id_: str, lease: Lease, new: NewMeasurement, data_version: str
) -> Insert:
    return insert(MEASUREMENTS).values(
        id=id_,
        release=lease.release_id,
        view=new.view.view,
        source=new.view.source,
        data_version=data_version,
        shape=new.view.shape,
        amount=new.loss.amount,
        delta=new.loss.delta,
    )


def _hold(
    connection: Connection, analyst: str, data_version: str, holding: Holding
) -> None:
    """Write how well an analyst now knows a view."""
    key = {"analyst": analyst, "view": holding.view.view, "data_version": data_version}
    connection.execute(delete(HOLDINGS).filter_by(**key))
    connection.execute(
        insert(HOLDINGS).values(
            **key,
            source=holding.view.source,
            shape=holding.view.shape,
            amount=holding.loss.amount,
            delta=holding.loss.delta,
        )
    )


def _charged(lease: Lease, charge: Charge) -> dict[str, object]:
    """Return what the audit keeps of a charge."""
    return {
        "release": lease.release_id,
        "sql": charge.sql,
        "plan": charge.fingerprint,
        "data": charge.data_version,
        "policy": charge.policy,
        "noise": to_json(charge.events),
        "debits": {d.scope: [d.loss.amount, d.loss.delta] for d in charge.debits},
        "measured": list(lease.measurements),
        "used": list(charge.used),
        "tables": list(charge.tables),
    }


def now() -> str:
    """Return the time, UTC, ISO 8601, in seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")
