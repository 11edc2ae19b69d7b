"""What a charge and an answer write: rows, and the event that tells of them."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, select, update

from dpquery.accounting.events import to_json
from dpquery.errors import LedgerError
from dpquery.ledger import books
from dpquery.ledger.chain import digest
from dpquery.ledger.records import DATASET, Lease, Outdated
from dpquery.ledger.schema import HOLDINGS, MEASUREMENTS, RELEASES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Insert

    from dpquery.ledger.journal import Recording
    from dpquery.ledger.records import Charge, Holding, NewMeasurement


def require_newest(connection: Connection, charge: Charge) -> None:
    """
    Refuse a charge for a view that was measured since it was planned.

    Raises:
        Outdated: nothing was written.
    """
    for each in charge.measurements:
        if _newest(connection, each.view.view, charge.data_version) > each.after:
            raise Outdated


def charged(recording: Recording, charge: Charge) -> Lease:
    """Write debits, a release without its answer, and all that was promised."""
    connection = recording.connection
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
    return lease


def settled(
    recording: Recording, lease: Lease, payload: str, readings: Mapping[str, str]
) -> None:
    """Write an answer and what was measured for it."""
    connection = recording.connection
    query = (
        update(RELEASES)
        .where(RELEASES.c.id == lease.release_id, RELEASES.c.state == "reserved")
        .values(state="settled", settled_at=now(), payload=payload)
        .returning(RELEASES.c.analyst, RELEASES.c.data_version)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        raise _not_waiting("release")
    for id_, text in readings.items():
        measured = update(MEASUREMENTS).where(
            MEASUREMENTS.c.id == id_,
            MEASUREMENTS.c.release == lease.release_id,
            MEASUREMENTS.c.readings.is_(None),
        )
        if connection.execute(measured.values(readings=text)).rowcount != 1:
            raise _not_waiting("measurement")
    facts = {
        "release": lease.release_id,
        "answer": digest(payload),
        "measurements": {id_: digest(text) for id_, text in readings.items()},
    }
    for holding in lease.holdings:
        _hold(connection, row.analyst, row.data_version, holding)
    recording.append(row.analyst, "settled", facts)


def _not_waiting(what: str) -> LedgerError:
    return LedgerError(
        f"this {what} is not waiting for its answer",
        code="DPQ557",
        hint="it was settled before, or reserved in another ledger",
    )


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
