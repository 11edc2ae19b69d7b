"""Reserve, then settle: how a debit and an answer enter the ledger."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from sqlalchemy import delete, false, func, insert, select, text, update
from sqlalchemy.dialects.sqlite import insert as upsert

from dpquery.accounting import filters
from dpquery.accounting.accountant import loss_of_events
from dpquery.accounting.events import to_json
from dpquery.accounting.loss import Definition, Loss
from dpquery.errors import BudgetExceeded, LedgerError
from dpquery.ledger.database import Database, create, is_there, locate
from dpquery.ledger.failures import damaged
from dpquery.ledger.schema import (
    ACCOUNTS,
    META,
    METADATA,
    RELEASES,
    SCHEMA_VERSION,
    SNAPSHOTS,
)

if TYPE_CHECKING:
    from types import TracebackType

    from sqlalchemy import Connection, Row

    from dpquery.accounting.events import Event

DATASET = "dataset"
"""The scope of the promise: everything anyone ever learns together."""


def analyst_scope(analyst: str) -> str:
    """Return the scope of one analyst's share of the budget."""
    return f"analyst:{analyst}"


@dataclass(frozen=True, slots=True)
class Charge:
    """What a release will cost, and the limits that it must stay within."""

    analyst: str
    fingerprint: str
    """Of the normalised query; with the analyst and the data version, the question."""
    data_version: str
    sql: str
    """As the analyst wrote it."""
    loss: Loss
    events: tuple[Event, ...]
    """What will happen, from the parameters in use; no more than ``loss``."""
    dataset_limit: Loss
    analyst_limit: Loss


@dataclass(frozen=True, slots=True)
class Lease:
    """A debit that was made: the right to release one answer."""

    release_id: str


@dataclass(frozen=True, slots=True)
class Stored:
    """A release as the ledger remembers it."""

    release_id: str
    analyst: str
    sql: str
    reserved_at: str
    """UTC, ISO 8601, in seconds."""
    state: str
    """``settled``, or ``reserved`` when no answer was stored for the debit."""
    loss: Loss
    payload: str | None
    """The answer, as it was given to :meth:`Ledger.settle`."""


class Ledger:
    """
    The accounts and releases of one dataset, in one SQLite file.

    Every method raises :class:`LedgerError` when the ledger cannot be trusted, read
    or written; then there is no answer. One object serves many threads; it may be
    used after a fork.
    """

    def __init__(self, database: Database, definition: Definition) -> None:
        """Use *database*, which :meth:`open` has checked."""
        self._database = database
        self._definition = definition

    @classmethod
    def open(
        cls, location: str, *, definition: Definition, busy_seconds: float = 10.0
    ) -> Ledger:
        """
        Open the ledger at *location*, a path or ``sqlite:///`` URL; create a new one.

        A file that exists is a ledger or an error: it is never filled in or repaired,
        since whoever empties it would get the budget back. *busy_seconds* is how long
        to wait for other processes' transactions.
        """
        path = locate(location)
        if not is_there(path):
            create(path, lambda connection: _create_tables(connection, definition))
        database = Database(path, busy_seconds)
        try:
            with database.writing() as connection:
                # writes nothing, yet SQLite refuses it for a read-only ledger
                connection.execute(delete(META).where(false()))
                _check_kind(connection, definition)
                _check_totals(connection)
        except BaseException:
            database.close()
            raise
        return cls(database, definition)

    def close(self) -> None:
        """Close the file."""
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

    def reserve(self, charge: Charge) -> Lease:
        """
        Debit *charge* from its analyst and from the dataset; durable on return.

        Both balances are read, compared and written in one transaction that excludes
        every other writer. The decision depends on the ledger and the charge alone,
        and the debit stays whatever happens afterwards (architecture.md 4).

        Raises:
            BudgetExceeded: DPQ201 for the analyst's limit, DPQ202 for the dataset's.
            ValueError: For events that lose more than the charge pays for.
        """
        if not loss_of_events(charge.events, self._definition).within(charge.loss):
            raise ValueError("the events of this charge lose more than it pays for")
        analyst = analyst_scope(charge.analyst)
        lease = Lease("r_" + secrets.token_hex(8))
        with self._database.writing() as connection:
            spent = {
                scope: _spent(connection, scope, self._definition)
                for scope in (analyst, DATASET)
            }
            if not filters.admits(charge.analyst_limit, spent[analyst], charge.loss):
                raise BudgetExceeded(
                    f"this would cost more than is left of {charge.analyst}'s budget",
                    code="DPQ201",
                )
            if not filters.admits(charge.dataset_limit, spent[DATASET], charge.loss):
                raise BudgetExceeded(
                    "this would cost more than is left of the dataset's budget",
                    code="DPQ202",
                )
            for scope, before in spent.items():
                _set_spent(connection, scope, before + charge.loss)
            connection.execute(
                insert(RELEASES).values(
                    id=lease.release_id,
                    analyst=charge.analyst,
                    fingerprint=charge.fingerprint,
                    data_version=charge.data_version,
                    sql=charge.sql,
                    reserved_at=_now(),
                    state="reserved",
                    amount=charge.loss.amount,
                    delta=charge.loss.delta,
                    events=to_json(charge.events),
                )
            )
        return lease

    def settle(self, lease: Lease, payload: str) -> None:
        """Store the answer that *lease* paid for; it can be stored once."""
        settled = (
            update(RELEASES)
            .where(RELEASES.c.id == lease.release_id, RELEASES.c.state == "reserved")
            .values(state="settled", settled_at=_now(), payload=payload)
        )
        with self._database.writing() as connection:
            if connection.execute(settled).rowcount != 1:
                raise LedgerError(
                    "this release is not waiting for its answer",
                    code="DPQ557",
                    hint="it was settled before, or reserved in another ledger",
                )

    def find(self, analyst: str, fingerprint: str, data_version: str) -> Stored | None:
        """Return this analyst's newest settled release of the same question."""
        query = (
            select(RELEASES)
            .where(
                RELEASES.c.analyst == analyst,
                RELEASES.c.fingerprint == fingerprint,
                RELEASES.c.data_version == data_version,
                RELEASES.c.state == "settled",
            )
            .order_by(RELEASES.c.number.desc())
            .limit(1)
        )
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else self._stored(row)

    def history(self, analyst: str) -> list[Stored]:
        """Return all of this analyst's releases, newest first."""
        query = (
            select(RELEASES)
            .where(RELEASES.c.analyst == analyst)
            .order_by(RELEASES.c.number.desc())
        )
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return [self._stored(row) for row in rows]

    def spent(self, scope: str) -> Loss:
        """Return what *scope* (``DATASET`` or an ``analyst_scope``) has spent."""
        with self._database.reading() as connection:
            return _spent(connection, scope, self._definition)

    def verdict(self, data_version: str) -> str | None:
        """Return what the check of this version of the data found, if it was made."""
        query = select(SNAPSHOTS.c.verdict).where(
            SNAPSHOTS.c.data_version == data_version
        )
        with self._database.reading() as connection:
            return connection.execute(query).scalar_one_or_none()

    def record_verdict(self, data_version: str, verdict: str) -> None:
        """Keep what the check of this version of the data found."""
        new = upsert(SNAPSHOTS).values(data_version=data_version, verdict=verdict)
        with self._database.writing() as connection:
            connection.execute(
                new.on_conflict_do_update(set_={"verdict": new.excluded.verdict})
            )

    def _stored(self, row: Row[tuple[object, ...]]) -> Stored:
        return Stored(
            release_id=row.id,
            analyst=row.analyst,
            sql=row.sql,
            reserved_at=row.reserved_at,
            state=row.state,
            loss=Loss(self._definition, row.amount, row.delta),
            payload=row.payload,
        )


def _create_tables(connection: Connection, definition: Definition) -> None:
    """Fill an empty database."""
    METADATA.create_all(connection, checkfirst=False)
    facts = {"schema_version": str(SCHEMA_VERSION), "definition": definition.value}
    connection.execute(
        insert(META), [{"key": key, "value": value} for key, value in facts.items()]
    )


def _check_kind(connection: Connection, definition: Definition) -> None:
    """Refuse a file that is no ledger, or one kept by other rules."""
    names = connection.execute(
        text("SELECT name FROM sqlite_master WHERE type='table'")
    )
    if not METADATA.tables.keys() <= set(names.scalars()):
        raise damaged("tables are missing")
    rows = connection.execute(select(META.c.key, META.c.value))
    facts = {row.key: row.value for row in rows}
    if facts.get("schema_version") != str(SCHEMA_VERSION):
        raise LedgerError(
            "the ledger was written by another version of dpquery",
            code="DPQ555",
            hint="use a dpquery that is at least as new as the ledger",
        )
    if facts.get("definition") != definition.value:
        raise LedgerError(
            "the ledger counts by another definition of privacy than the policy",
            code="DPQ558",
            hint="a budget with delta and one without need a ledger each; what was "
            "spent from one is not known to the other",
        )


def _check_totals(connection: Connection) -> None:
    """Refuse accounts that do not say what their releases add up to."""
    query = select(
        RELEASES.c.analyst, RELEASES.c.amount, RELEASES.c.delta, func.count()
    ).group_by(RELEASES.c.analyst, RELEASES.c.amount, RELEASES.c.delta)
    owed: dict[str, tuple[int, int]] = {}
    for analyst, amount, delta, count in connection.execute(query):
        for scope in (analyst_scope(analyst), DATASET):
            amounts, deltas = owed.get(scope, (0, 0))
            owed[scope] = amounts + count * amount, deltas + count * delta
    accounts = {
        scope: (amount, delta)
        for scope, amount, delta in connection.execute(select(ACCOUNTS))
    }
    if accounts != owed:
        raise damaged("its accounts do not match its releases")


def _spent(connection: Connection, scope: str, definition: Definition) -> Loss:
    """Return what *scope* has spent; nothing, when it has no account yet."""
    query = select(ACCOUNTS.c.spent_amount, ACCOUNTS.c.spent_delta).where(
        ACCOUNTS.c.scope == scope
    )
    row = connection.execute(query).one_or_none()
    return Loss.zero(definition) if row is None else Loss(definition, *row)


def _set_spent(connection: Connection, scope: str, spent: Loss) -> None:
    """Write the balance of *scope*, in the transaction that has read it."""
    values = {"spent_amount": spent.amount, "spent_delta": spent.delta}
    connection.execute(
        upsert(ACCOUNTS)
        .values(scope=scope, **values)
        .on_conflict_do_update(set_=values)
    )


def _now() -> str:
    """Return the time, UTC, ISO 8601, in seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")
